"""Comparisons say how much they rest on, and do not claim more than that."""

import numpy as np
import pytest

from assistant.artifacts.evaluations import Difference
from assistant.errors import UsageError
from eval.aggregation import adjusted, contrast, difference, mean
from eval.metrics import Score, score


def scores(values: list[float | None]) -> list[Score]:
    return [score(value, "nothing to score") for value in values]


def documents(count: int, each: int = 1) -> list[str]:
    return [f"d{number // each}" for number in range(count)]


def test_a_mean_says_how_many_of_how_many_it_is_of_and_why() -> None:
    found = mean([*scores([1.0, 0.0] * 20), Score(None, "a refusal"), Score(None, "a refusal")], documents(42))
    assert (found.value, found.scored, found.n, found.documents) == (0.5, 40, 42, 40)
    assert found.reasons == {"a refusal": 2}
    assert found.low is not None and found.high is not None
    assert found.low < 0.5 < found.high


def test_of_nothing_there_is_no_mean() -> None:
    found = mean(scores([None] * 50), documents(50))
    assert (found.value, found.low, found.high, found.scored, found.n) == (None, None, None, 0, 50)
    assert mean([], []).value is None


def test_few_documents_get_no_interval_however_many_questions_they_have() -> None:
    found = difference(scores([1.0] * 200), scores([0.0] * 200), documents(200, each=50))
    assert (found.mean.value, found.mean.low, found.p, found.detectable) == (1.0, None, None, None)
    assert found.verdict(0.02) == "too thin to tell"


def test_a_difference_is_of_the_questions_that_both_systems_have_a_value_for() -> None:
    after, before = scores([1.0, None, 0.5, 0.9] * 10), scores([0.5, 0.0, None, 0.4] * 10)
    found = difference(after, before, documents(40))
    assert found.mean.value == pytest.approx(0.5)
    assert (found.mean.scored, found.mean.n) == (20, 40)


def test_pairing_shows_what_two_separate_intervals_hide() -> None:
    generator = np.random.default_rng(1)
    hardness = generator.uniform(0, 0.9, 60)
    before, after = scores(hardness.tolist()), scores((hardness + 0.05).tolist())
    one, other = mean(before, documents(60)), mean(after, documents(60))
    assert one.high is not None and other.low is not None
    assert other.low < one.high
    assert difference(after, before, documents(60)).verdict(0.01) == "higher"


def test_the_interaction_is_the_difference_of_the_differences() -> None:
    generator = np.random.default_rng(2)
    a, b, c, d = (generator.uniform(0, 1, 50).tolist() for _ in range(4))
    found = contrast([(1, scores(d)), (-1, scores(b)), (-1, scores(c)), (1, scores(a))], documents(50))
    assert found.mean.value == pytest.approx((np.mean(d) - np.mean(b)) - (np.mean(c) - np.mean(a)))


def test_what_rounding_leaves_is_no_effect() -> None:
    four = [(factor, scores([value] * 40)) for factor, value in ((1, 0.3), (-1, 0.1), (-1, 0.4), (1, 0.2))]
    assert sum(factor * (some[0].value or 0) for factor, some in four) != 0
    assert contrast(four, documents(40)).verdict(0.02) == "same"


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.1] * 29, "anecdote"),
        ([0.1, 0.12] * 20, "higher"),
        ([-0.1, -0.12] * 20, "lower"),
        ([0.001, -0.001] * 20, "same"),
        ([0.5, -0.5] * 20, "too thin to tell"),
    ],
)
def test_the_verdict_follows_from_the_interval_and_the_margin(values: list[float], verdict: str) -> None:
    found = difference(scores(list(values)), scores([0.0] * len(values)), documents(len(values)))
    assert found.verdict(0.02) == verdict


def test_the_same_system_twice_is_the_same() -> None:
    values = scores(np.random.default_rng(3).uniform(0, 1, 40).tolist())
    found = difference(values, values, documents(40))
    assert (found.mean.value, found.mean.low, found.mean.high, found.p) == (0.0, 0.0, 0.0, 1.0)
    assert found.verdict(0.02) == "same"


def test_primary_metrics_are_adjusted_for_their_number_and_cannot_be_many() -> None:
    def with_p(p: float | None) -> Difference:
        return Difference(mean(scores([0.1]), ["d"]), p, None)

    assert adjusted({"a": with_p(0.01), "b": with_p(0.04), "c": with_p(None)}) == {"a": 0.02, "b": 0.04}
    with pytest.raises(UsageError, match="6 primary metrics"):
        adjusted({str(number): with_p(0.01) for number in range(6)})


def test_a_score_is_a_finite_number_or_has_a_reason() -> None:
    for value, reason in ((float("nan"), ""), (float("inf"), ""), (None, ""), (0.5, "why")):
        with pytest.raises(ValueError):
            Score(value, reason)
    assert score(float("nan"), "x") == Score(None, "the formula gave nan")
    assert score(None, "x") == Score(None, "x")
