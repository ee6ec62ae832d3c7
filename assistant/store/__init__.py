"""What is known, on disk: a catalog in SQLite that is the source of truth, a FAISS index derived from it."""

READERS = "5.4"
"""Versions of readers and chunker: the first is raised when the same file would be read otherwise, the second when it
would be cut otherwise. Corpora that were made with others are then read anew."""
