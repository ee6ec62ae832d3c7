"""What is known, on disk: a catalog in SQLite that is the source of truth, a FAISS index derived from it."""
