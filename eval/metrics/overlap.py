"""Answers against gold answers by common runs: ROUGE-L of words and chrF of characters."""

import functools
from collections import Counter
from collections.abc import Sequence

from eval.metrics.answers import tokens

_ORDERS = range(1, 7)
_BETA = 2


def rouge_l(answer: str, golds: Sequence[str], language: str = "en") -> float | None:
    """Best F1 of the longest common subsequence of normalised tokens, 2L / (n + m) (Lin 2004); None without gold.

    The same as rouge-score's ``rougeL`` where its tokens, ASCII letters and digits, are the same.
    """
    own = tokens(answer, language)
    return max((_subsequence_f1(own, tokens(gold, language)) for gold in golds), default=None)


def chrf(answer: str, golds: Sequence[str]) -> float | None:
    """Best chrF2 over the gold answers, 0..1 (Popović 2015), as sacrebleu computes it by default; None without gold.

    Precision and recall of character 1- to 6-grams without white space, averaged over the lengths that both texts
    have; recall counts beta = 2 times.
    """
    own = _grams(answer)
    return max((_f_beta(own, _grams(gold)) for gold in golds), default=None)


def _subsequence_f1(own: Sequence[str], wanted: Sequence[str]) -> float:
    if not own or not wanted:
        return float(not own and not wanted)
    return 2 * _common_subsequence(own, wanted) / (len(own) + len(wanted))


def _common_subsequence(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest common subsequence, a row of the table as the bits of one integer (Hyyrö 2004).

    A table in Python takes seconds for a rambling answer.
    """
    places: dict[str, int] = {}
    for place, token in enumerate(other):
        places[token] = places.get(token, 0) | 1 << place
    everything = (1 << len(other)) - 1
    row = everything
    for token in one:
        matches = row & places.get(token, 0)
        row = (row + matches | row - matches) & everything
    return len(other) - row.bit_count()


@functools.lru_cache(maxsize=1024)
def _grams(text: str) -> tuple[Counter[str], ...]:
    letters = "".join(text.split())
    return tuple(
        Counter(letters[first : first + order] for first in range(len(letters) - order + 1)) for order in _ORDERS
    )


def _f_beta(own: Sequence[Counter[str]], wanted: Sequence[Counter[str]]) -> float:
    both = [(mine, theirs) for mine, theirs in zip(own, wanted, strict=True) if mine and theirs]
    shared = [((mine & theirs).total(), mine.total(), theirs.total()) for mine, theirs in both]
    if not any(common for common, _, _ in shared):
        return 0.0
    precision = sum(common / mine for common, mine, _ in shared) / len(shared)
    recall = sum(common / theirs for common, _, theirs in shared) / len(shared)
    return (1 + _BETA**2) * precision * recall / (_BETA**2 * precision + recall)
