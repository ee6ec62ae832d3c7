"""Answers against gold answers by meaning: the cosine of their embeddings."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from assistant.types import Vectors

Embed = Callable[[Sequence[str]], Vectors]
"""Texts to unit vectors (texts, dimension), as ``Embedder.embed_texts`` gives them."""


def semantic_similarity(answer: str, golds: Sequence[str], embed: Embed) -> float | None:
    """Best cosine of an answer and a gold answer, 0..1; below 0 counts as 0. None without gold.

    An answer without words has no meaning and gets 0.
    """
    if not golds:
        return None
    if not answer.strip():
        return 0.0
    vectors = embed([answer, *golds])
    return float(np.clip(vectors[1:] @ vectors[0], 0.0, 1.0).max())


def embedded_once(texts: Iterable[str], embed: Embed) -> Embed:
    """``embed`` for these texts only, each embedded once and all in one batch; another text is a KeyError."""
    distinct = list(dict.fromkeys(texts))
    vectors = embed(distinct)
    rows = {text: row for row, text in enumerate(distinct)}
    return lambda some: vectors[[rows[text] for text in some]]
