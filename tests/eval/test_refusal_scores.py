"""Refusing too much and too little are told apart, and a rate of nothing is no rate."""

import pytest

from eval.cases import Case
from eval.metrics import Score
from eval.metrics.refusal import Reply, crag, refusal_scores, refusals_among, reply_of

ANSWERABLE, UNANSWERABLE = Case("1", "?", ("x",)), Case("2", "?", unanswerable=True)


def test_the_table_agrees_with_scikit_learn() -> None:
    import numpy as np
    from sklearn.metrics import precision_recall_fscore_support

    outcomes = np.random.default_rng(1).random((200, 2)) < 0.3
    table = refusals_among((bool(one), reply_of(bool(other), hedged=False)) for one, other in outcomes)
    precision, recall, f1, _ = precision_recall_fscore_support(outcomes[:, 0], outcomes[:, 1], average="binary")
    assert (table.precision.value, table.recall.value, table.f1.value) == pytest.approx((precision, recall, f1))


def test_where_nothing_was_refused_or_nothing_should_be_there_is_no_rate() -> None:
    assert refusals_among([]).f1.reason == "no question is unanswerable"
    never = refusals_among([(True, "answered"), (False, "answered")])
    assert (never.precision.reason, never.recall.value, never.f1.value) == ("nothing was refused", 0.0, 0.0)
    assert refusals_among([(False, "refused")]).recall.value is None
    assert refusals_among([(False, "refused")]).precision.value == 0.0


def test_what_is_hedged_is_neither_refused_nor_answered() -> None:
    table = refusals_among([(True, "refused"), (True, "hedged"), (False, "hedged")])
    assert (table.missed_refusals, table.answered) == (0, 0)
    assert (table.precision.value, table.recall.value) == (1.0, 0.5)


def test_crag_is_its_published_mean() -> None:
    replies: list[tuple[Reply, bool]] = [("answered", True)] * 5
    replies += [("refused", False)] * 2
    replies += [("answered", False)] * 3
    right, missing, count = 5, 2, 10
    assert sum(crag(False, *reply) for reply in replies) / count == pytest.approx((2 * right + missing) / count - 1)
    assert crag(unanswerable=True, reply="refused", is_right=False) == 1.0
    assert crag(unanswerable=True, reply="answered", is_right=True) == -1.0


@pytest.mark.parametrize(
    ("case", "reply", "facts", "expected"),
    [
        (ANSWERABLE, "answered", Score(1.0), (0.0, None, 1.0)),
        (ANSWERABLE, "answered", Score(0.5), (0.0, None, -1.0)),
        (ANSWERABLE, "answered", Score(None, "no facts"), (0.0, None, None)),
        (ANSWERABLE, "hedged", Score(1.0), (0.0, None, 0.0)),
        (ANSWERABLE, "refused", Score(None, "no facts"), (1.0, None, 0.0)),
        (UNANSWERABLE, "refused", Score(None, "no facts"), (None, 0.0, 1.0)),
        (UNANSWERABLE, "hedged", Score(None, "no facts"), (None, 0.0, 0.0)),
        (UNANSWERABLE, "answered", Score(None, "no facts"), (None, 1.0, -1.0)),
    ],
)
def test_each_question_counts_where_it_belongs(
    case: Case, reply: Reply, facts: Score, expected: tuple[float | None, ...]
) -> None:
    scores = refusal_scores(case, reply, facts)
    assert tuple(scores[name].value for name in ("false_refusal", "missed_refusal", "crag")) == expected
    assert all(score.reason for score in scores.values() if score.value is None)
