"""Refusals: too many, too few, and what they are worth.

A question is answerable or not, and it was answered, refused, or hedged, which is neither. A rate is the mean of its
metric over the questions that have a value; precision, recall and F1 belong to a whole set.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from eval.cases import Case
from eval.metrics import UNANSWERABLE, Score, score

Reply = Literal["refused", "hedged", "answered"]

_ANSWERABLE = "the documents hold an answer to the question"
_NO_REFUSAL = "nothing was refused"
_NONE_UNANSWERABLE = "no question is unanswerable"
_UNJUDGED = "nothing says whether the answer is right"


@dataclass(frozen=True, slots=True)
class Refusals:
    """Refused, hedged or answered, and what should have been; with precision, recall and F1 of refusing."""

    right_refusals: int
    missed_refusals: int
    false_refusals: int
    answered: int
    """Answerable questions that were answered, rightly or not."""
    hedged_unanswerable: int
    hedged_answerable: int
    precision: Score
    """Right refusals / refusals."""
    recall: Score
    """Right refusals / unanswerable questions."""
    f1: Score
    """2 right / (refusals + unanswerable questions), the harmonic mean of both; a value if recall has one."""


def reply_of(refused: bool, hedged: bool) -> Reply:
    """What was done with a question."""
    return "refused" if refused else "hedged" if hedged else "answered"


def refusals_among(outcomes: Iterable[tuple[bool, Reply]]) -> Refusals:
    """What (unanswerable, what was done) of each question come to."""
    counts = Counter(outcomes)
    right, refused = counts[True, "refused"], counts[True, "refused"] + counts[False, "refused"]
    unanswerable = right + counts[True, "answered"] + counts[True, "hedged"]
    return Refusals(
        right_refusals=right,
        missed_refusals=counts[True, "answered"],
        false_refusals=counts[False, "refused"],
        answered=counts[False, "answered"],
        hedged_unanswerable=counts[True, "hedged"],
        hedged_answerable=counts[False, "hedged"],
        precision=score(right / refused if refused else None, _NO_REFUSAL),
        recall=score(right / unanswerable if unanswerable else None, _NONE_UNANSWERABLE),
        f1=score(2 * right / (refused + unanswerable) if unanswerable else None, _NONE_UNANSWERABLE),
    )


def crag(unanswerable: bool, reply: Reply, is_right: bool) -> float:
    """1 for a right answer or a right refusal, 0 for a refusal where there is an answer, -1 for a wrong answer.

    What is hedged is 0, for nothing was claimed. The mean is the score of CRAG (Yang et al. 2024),
    (2 right + missing) / n - 1.
    """
    if reply == "answered":
        return 1.0 if is_right and not unanswerable else -1.0
    return float(unanswerable and reply == "refused")


def refusal_scores(case: Case, reply: Reply, facts: Score) -> dict[str, Score]:
    """All metrics of one question. An answer is right if it has all required facts (``must_include`` is 1)."""
    is_judged = reply != "answered" or case.unanswerable or facts.value is not None
    worth = crag(case.unanswerable, reply, facts.value == 1.0) if is_judged else None
    return {
        "false_refusal": score(None if case.unanswerable else float(reply == "refused"), UNANSWERABLE),
        "missed_refusal": score(float(reply == "answered") if case.unanswerable else None, _ANSWERABLE),
        "crag": score(worth, _UNJUDGED),
    }
