"""Two ranked lists become one.

``minmax`` scales the scores of each side to 0..1 over its candidates and sums them with a weight; ``rrf`` sums
reciprocal ranks (Cormack et al. 2009, k = 60). ``docs/retrieval.md`` has the measurements behind the default.
"""

from collections.abc import Sequence
from dataclasses import dataclass

_RRF_K = 60

Ranked = Sequence[tuple[int, float]]
"""Chunk ids with scores, best first."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk that at least one retriever offered, with what each says of it."""

    chunk: int
    score: float
    dense: float | None
    lexical: float | None
    dense_rank: int | None
    lexical_rank: int | None


def fuse(dense: Ranked, lexical: Ranked, method: str, dense_weight: float) -> list[Candidate]:
    """All candidates of both sides, best first; ties keep the order of ids, so that runs are equal."""
    scores = _reciprocal_ranks(dense, lexical) if method == "rrf" else _minmax(dense, lexical, dense_weight)
    by_dense = {chunk: (score, rank) for rank, (chunk, score) in enumerate(dense, 1)}
    by_lexical = {chunk: (score, rank) for rank, (chunk, score) in enumerate(lexical, 1)}
    candidates = []
    for chunk, score in scores.items():
        dense_score, dense_rank = by_dense.get(chunk, (None, None))
        lexical_score, lexical_rank = by_lexical.get(chunk, (None, None))
        candidates.append(Candidate(chunk, score, dense_score, lexical_score, dense_rank, lexical_rank))
    return sorted(candidates, key=lambda one: (-one.score, one.chunk))


def _minmax(dense: Ranked, lexical: Ranked, dense_weight: float) -> dict[int, float]:
    """Weighted sums of scaled scores; a side that does not offer a chunk counts 0 for it."""
    scores: dict[int, float] = {}
    for side, weight in ((dense, dense_weight), (lexical, 1.0 - dense_weight)):
        for chunk, value in _scaled(side):
            scores[chunk] = scores.get(chunk, 0.0) + weight * value
    return scores


def _scaled(side: Ranked) -> list[tuple[int, float]]:
    if not side:
        return []
    low, high = min(score for _, score in side), max(score for _, score in side)
    return [(chunk, (score - low) / (high - low) if high > low else 1.0) for chunk, score in side]


def _reciprocal_ranks(dense: Ranked, lexical: Ranked) -> dict[int, float]:
    scores: dict[int, float] = {}
    for side in (dense, lexical):
        for rank, (chunk, _) in enumerate(side, 1):
            scores[chunk] = scores.get(chunk, 0.0) + 1.0 / (_RRF_K + rank)
    return scores
