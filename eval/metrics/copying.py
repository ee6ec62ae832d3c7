"""How much of an answer is copied from the passages, and in how long pieces (Grusky et al. 2018).

Copying word for word is the easiest way to be faithful, so these two stand beside every grounding metric.
"""

from collections.abc import Sequence

from assistant.text.runs import Runs
from eval.metrics.answers import tokens
from eval.metrics.score import NO_EVIDENCE, REFUSED, Score, score

_NO_WORDS = "the answer has no words"


def copy_coverage(fragments: Sequence[int], length: int) -> float | None:
    """Share of the answer's tokens that stand in a copied fragment, sum |f| / |y|; None without tokens."""
    return sum(fragments) / length if length else None


def copy_density(fragments: Sequence[int], length: int) -> float | None:
    """Mean length of the fragment that a token of the answer stands in, sum |f|^2 / |y|; None without tokens."""
    return sum(size * size for size in fragments) / length if length else None


def copied_fragments(answer: Sequence[str], source: Sequence[str]) -> list[int]:
    """Lengths of the longest runs of tokens that stand in the source too, taken greedily from the left."""
    runs = Runs(source)
    fragments = []
    start = 0
    while start < len(answer):
        if length := runs.longest(answer, start):
            fragments.append(length)
        start += max(length, 1)
    return fragments


def copy_scores(answer: str, passages: Sequence[str], refused: bool, language: str) -> dict[str, Score]:
    """Coverage and density of one answer."""
    if refused or not passages:
        why = REFUSED if refused else NO_EVIDENCE
        return {"copy_coverage": Score(None, why), "copy_density": Score(None, why)}
    own = tokens(answer, language)
    fragments = copied_fragments(own, [token for passage in passages for token in tokens(passage, language)])
    return {
        "copy_coverage": score(copy_coverage(fragments, len(own)), _NO_WORDS),
        "copy_density": score(copy_density(fragments, len(own)), _NO_WORDS),
    }
