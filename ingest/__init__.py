"""Files become documents, chunks and an index."""
