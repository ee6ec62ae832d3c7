"""Scores of many questions become means with error bars, differences of systems, and a verdict in one word.

    mean(scores, documents)                        one system
    difference(after, before, documents)           two systems on the same questions: B - A
    contrast([(1, d), (-1, b), (-1, c), (1, a)], documents)   the interaction (D - B) - (C - A)

Scores are in the order of the questions, ``documents`` say which one each question is about. A question counts in a
comparison only where every system has a value.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from assistant.artifacts.evaluation import Difference, Mean
from assistant.errors import UsageError
from eval.metrics.score import Score
from eval.statistics import detectable_effect, holm, interval, sign_flip, standard_error

FEWEST_DOCUMENTS = 5
"""With fewer, no interval holds what it promises."""
MOST_PRIMARY = 5
"""Metrics that a run may be judged by; more would only make each of them harder to show."""
# .3 - .1 - .4 + .2 is no difference, though floats say that it is one.
_DIGITS = 9


def mean(scores: Sequence[Score], documents: Sequence[str]) -> Mean:
    """The mean of what was scored; says how many of how many that is."""
    reasons = Counter(score.reason for score in scores if score.value is None)
    scored = [(score.value, name) for score, name in zip(scores, documents, strict=True) if score.value is not None]
    if not scored:
        return Mean(None, None, None, 0, len(scores), 0, reasons)
    values, names = zip(*scored, strict=True)
    count = len(set(names))
    low, high = interval(values, names) if count >= FEWEST_DOCUMENTS else (None, None)
    return Mean(sum(values) / len(values), low, high, len(values), len(scores), count, reasons)


def difference(after: Sequence[Score], before: Sequence[Score], documents: Sequence[str]) -> Difference:
    """after - before, question by question."""
    return contrast([(1, after), (-1, before)], documents)


def contrast(weighted: Sequence[tuple[float, Sequence[Score]]], documents: Sequence[str]) -> Difference:
    """The weighted sum of several systems' scores, question by question."""
    factors = [factor for factor, _ in weighted]
    rows = zip(*(scores for _, scores in weighted), strict=True)
    summed = [_summed(factors, row) for row in rows]
    found = mean(summed, documents)
    pairs = [(score.value, name) for score, name in zip(summed, documents, strict=True) if score.value is not None]
    if found.documents < FEWEST_DOCUMENTS:
        return Difference(found, None, None)
    values, names = zip(*pairs, strict=True)
    error = standard_error(values, names)
    return Difference(found, sign_flip(values, names), None if error is None else detectable_effect(error))


def adjusted(primary: Mapping[str, Difference]) -> dict[str, float]:
    """p of the primary metrics, adjusted for their number (Holm); one without a test is left out.

    Raises UsageError when more than five are declared.
    """
    if len(primary) > MOST_PRIMARY:
        raise UsageError(
            f"{len(primary)} primary metrics are declared, {MOST_PRIMARY} at most can be.",
            "Choose what the run is for.",
        )
    return holm({name: found.p for name, found in primary.items() if found.p is not None})


def _summed(factors: Sequence[float], row: Sequence[Score]) -> Score:
    missing = next((score.reason for score in row if score.value is None), "")
    if missing:
        return Score(None, missing)
    total = sum(factor * score.value for factor, score in zip(factors, row, strict=True) if score.value is not None)
    return Score(round(total, _DIGITS))
