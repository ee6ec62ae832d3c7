"""Error bars: right in known cases, and honest about clusters."""

import numpy as np
import pytest

from eval.statistics import interval, wilson


def test_the_bootstrap_agrees_with_the_normal_interval_where_both_hold() -> None:
    values = np.random.default_rng(1).normal(0.3, 0.2, 400)
    low, high = interval(values.tolist(), [str(number) for number in range(400)])
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.004)


def test_questions_about_one_document_count_as_one_observation() -> None:
    values, clusters = [1.0, 0.0] * 50, [["a", "b"][number % 2] for number in range(100)]
    low, high = interval(values, clusters)
    assert (low, high) == (0.0, 1.0)


def test_the_same_values_give_the_same_interval() -> None:
    assert interval([0.1, 0.5, 0.9], ["a", "b", "c"]) == interval([0.1, 0.5, 0.9], ["a", "b", "c"])


def test_wilson_agrees_with_scipy() -> None:
    from scipy.stats import binomtest

    for successes, trials in ((0, 10), (3, 10), (10, 10), (57, 180)):
        expected = binomtest(successes, trials).proportion_ci(method="wilson")
        assert wilson(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert wilson(0, 0) == (0.0, 1.0)
