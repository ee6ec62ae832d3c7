"""Texts of strangers, documents and models alike: what they must not do."""
