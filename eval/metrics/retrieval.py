"""Retrieval against gold spans: recall, success, reciprocal rank, nDCG, context precision.

All of them look at the ranks at which the gold groups are met (``eval.gold.ranks``): a group pays once, at the first
rank that meets it, however many passages hold it. So scores survive another way of cutting documents, and copies of
a passage earn nothing.
"""

import math
from collections.abc import Sequence

from assistant.types import Evidence
from eval.cases import Case
from eval.gold import ranks
from eval.metrics import UNANSWERABLE, Score, score

Ranks = Sequence[int | None]

CUTOFFS = (1, 3, 5, 10)
"""Ranks that recall and success look down to; all else looks down to the last of them."""
_NO_GOLD = "the case names no gold evidence"
_NOTHING_FOUND = "nothing was retrieved"


def recall(found: Ranks, k: int) -> float | None:
    """Gold groups met by the first k passages / gold groups; None without gold."""
    return len(_within(found, k)) / len(found) if found else None


def success(found: Ranks, k: int) -> float | None:
    """1 if the first k passages meet any gold group, else 0; None without gold."""
    return float(bool(_within(found, k))) if found else None


def reciprocal_rank(found: Ranks, k: int) -> float | None:
    """1 / rank of the first passage that meets a gold group; 0 if that is not among k. None without gold."""
    return max((1 / rank for rank in _within(found, k)), default=0.0) if found else None


def ndcg(found: Ranks, k: int) -> float | None:
    """DCG / ideal DCG, with gain 1 / log2(rank + 1) a group (Järvelin and Kekäläinen 2002); None without gold.

    The ideal has each group on a rank of its own. A passage that meets several at once may do better; that counts 1.
    """
    if not found:
        return None
    ideal = sum(_gain(rank) for rank in range(1, min(len(found), k) + 1))
    return min(1.0, sum(_gain(rank) for rank in _within(found, k)) / ideal)


def context_precision(found: Ranks, k: int) -> float | None:
    """Average precision over the first k passages: mean of precision@r over the ranks r that meet a new group (ragas).

    0 if none does; None without gold.
    """
    paying = sorted(set(_within(found, k)))
    precisions = [number / rank for number, rank in enumerate(paying, 1)]
    return (sum(precisions) / len(precisions) if precisions else 0.0) if found else None


def retrieval_scores(case: Case, hits: Sequence[Evidence]) -> dict[str, Score]:
    """All metrics of the hits of one question, best hit first."""
    met = ranks(case.gold, hits)
    deep = CUTOFFS[-1]
    why = UNANSWERABLE if case.unanswerable else _NO_GOLD
    scores = {f"recall@{k}": score(recall(met, k), why) for k in CUTOFFS}
    scores |= {f"success@{k}": score(success(met, k), why) for k in CUTOFFS}
    scores[f"mrr@{deep}"] = score(reciprocal_rank(met, deep), why)
    scores[f"ndcg@{deep}"] = score(ndcg(met, deep), why)
    precision = context_precision(met, len(hits)) if hits else None
    scores["context_precision"] = score(precision, _NOTHING_FOUND if met else why)
    return scores


def _within(found: Ranks, k: int) -> list[int]:
    return [rank for rank in found if rank is not None and rank <= k]


def _gain(rank: int) -> float:
    return 1 / math.log2(rank + 1)
