"""Refusals: too many, too few, and what they are worth.

A question is answerable or not, and it was answered or refused. A rate is the mean of its metric over the questions
that have a value; precision, recall and F1 belong to a whole set and come from ``RefusalTable``.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from eval.cases import Case
from eval.metrics.score import UNANSWERABLE, Score, score

_ANSWERABLE = "the documents hold an answer to the question"
_NO_REFUSAL = "nothing was refused"
_NONE_UNANSWERABLE = "no question is unanswerable"
_UNJUDGED = "nothing says whether the answer is right"


@dataclass(frozen=True, slots=True)
class RefusalTable:
    """The four cells: what was refused, and what should have been."""

    right_refusals: int
    missed_refusals: int
    false_refusals: int
    answered: int
    """Answerable questions that were answered, rightly or not."""

    @property
    def precision(self) -> Score:
        """Right refusals / refusals."""
        refused = self.right_refusals + self.false_refusals
        return score(self.right_refusals / refused if refused else None, _NO_REFUSAL)

    @property
    def recall(self) -> Score:
        """Right refusals / unanswerable questions."""
        unanswerable = self.right_refusals + self.missed_refusals
        return score(self.right_refusals / unanswerable if unanswerable else None, _NONE_UNANSWERABLE)

    @property
    def f1(self) -> Score:
        """2 right / (2 right + missed + false), the harmonic mean of the two; it has a value if recall has one."""
        total = 2 * self.right_refusals + self.missed_refusals + self.false_refusals
        return score(2 * self.right_refusals / total, "") if self.recall.value is not None else self.recall


def refusal_table(outcomes: Iterable[tuple[bool, bool]]) -> RefusalTable:
    """The table of (unanswerable, refused), one for each question."""
    counts = Counter(outcomes)
    return RefusalTable(counts[True, True], counts[True, False], counts[False, True], counts[False, False])


def crag(unanswerable: bool, refused: bool, is_right: bool) -> float:
    """1 for a right answer or a right refusal, 0 for a refusal where there is an answer, -1 for a wrong answer.

    Its mean is the score of CRAG (Yang et al. 2024), (2 right + missing) / n - 1.
    """
    if refused:
        return float(unanswerable)
    return 1.0 if is_right and not unanswerable else -1.0


def refusal_scores(case: Case, refused: bool, facts: Score) -> dict[str, Score]:
    """All metrics of one question. An answer is right if it has all required facts (``must_include`` is 1)."""
    is_judged = refused or case.unanswerable or facts.value is not None
    worth = crag(case.unanswerable, refused, facts.value == 1.0) if is_judged else None
    return {
        "false_refusal": score(None if case.unanswerable else float(refused), UNANSWERABLE),
        "missed_refusal": score(float(not refused) if case.unanswerable else None, _ANSWERABLE),
        "crag": score(worth, _UNJUDGED),
    }
