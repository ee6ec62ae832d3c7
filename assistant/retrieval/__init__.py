"""Questions to evidence: embedder, two searches fused, a reranker, filters."""
