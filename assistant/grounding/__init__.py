"""Answers held against their evidence: what supports a sentence, and where."""
