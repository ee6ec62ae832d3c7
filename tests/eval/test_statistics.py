"""Error bars and tests: equal to independent implementations, honest about clusters, and as wide as they claim."""

import numpy as np
import pytest

from eval.statistics import (
    detectable_effect,
    holm,
    interval,
    sign_flip,
    standard_error,
)


def names(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def clustered(generator: np.random.Generator, documents: int, effect: float) -> tuple[list[float], list[str]]:
    """Differences on one to eight questions of each document, with an effect of the document itself."""
    sizes = generator.integers(1, 9, documents)
    clusters = np.repeat(names(documents), sizes)
    of_document = np.repeat(generator.normal(0, 0.15, documents), sizes)
    return (effect + of_document + generator.normal(0, 0.3, len(clusters))).tolist(), clusters.tolist()


def test_the_bootstrap_agrees_with_the_normal_interval_where_both_hold() -> None:
    values = np.random.default_rng(1).normal(0.3, 0.2, 400)
    low, high = interval(values.tolist(), names(400))
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.004)


def test_the_bootstrap_agrees_with_scipy() -> None:
    from scipy.stats import bootstrap

    values = np.random.default_rng(2).exponential(1.0, 200)
    expected = bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=1).confidence_interval
    assert interval(values.tolist(), names(200)) == pytest.approx((expected.low, expected.high), abs=0.01)


def test_questions_about_one_document_count_as_one_observation() -> None:
    values, clusters = [1.0, 0.0] * 50, [["a", "b"][number % 2] for number in range(100)]
    low, high = interval(values, clusters)
    assert (low, high) == (0.0, 1.0)


def test_the_same_values_give_the_same_interval_whatever_came_before() -> None:
    first = interval([0.1, 0.5, 0.9], ["a", "b", "c"])
    interval([0.3] * 40, names(40))
    assert interval([0.1, 0.5, 0.9], ["a", "b", "c"]) == first
    assert interval([0.9, 0.1, 0.5], ["c", "a", "b"]) == first


@pytest.mark.parametrize(("documents", "least"), [(6, 0.90), (12, 0.92), (30, 0.93)])
def test_an_interval_covers_the_truth_as_often_as_it_says(documents: int, least: float) -> None:
    generator = np.random.default_rng(3)
    runs = [interval(*clustered(generator, documents, 0.1), resamples=1000) for _ in range(600)]
    coverage = np.mean([low <= 0.1 <= high for low, high in runs])
    assert least <= coverage <= 0.98


def test_ignoring_documents_would_cover_far_less() -> None:
    generator = np.random.default_rng(4)
    covered = 0
    for _ in range(300):
        effects = np.repeat(generator.normal(0, 0.3, 10), 10)
        values = (effects + generator.normal(0, 0.1, 100)).tolist()
        low, high = interval(values, names(100), resamples=500)
        covered += low <= 0 <= high
    assert covered / 300 < 0.75


@pytest.mark.parametrize("documents", [8, 25])
def test_the_sign_flip_test_raises_a_false_alarm_one_time_in_twenty(documents: int) -> None:
    generator = np.random.default_rng(5)
    alarms = [sign_flip(*clustered(generator, documents, 0.0), flips=999) <= 0.05 for _ in range(600)]
    assert 0.02 <= np.mean(alarms) <= 0.075


def test_the_sign_flip_test_is_exact_for_few_documents() -> None:
    from scipy.stats import permutation_test

    values = np.random.default_rng(6).normal(0.2, 0.4, 10)
    expected = permutation_test((values,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip(values.tolist(), names(10)) == pytest.approx(expected.pvalue)


def test_the_sign_flip_test_draws_where_there_are_too_many_patterns() -> None:
    from scipy.stats import permutation_test

    values = np.random.default_rng(7).normal(0.05, 0.2, 60)
    expected = permutation_test((values,), np.mean, permutation_type="samples", n_resamples=50_000, rng=1)
    assert sign_flip(values.tolist(), names(60)) == pytest.approx(expected.pvalue, abs=0.015)
    assert sign_flip([1.0] * 60, names(60)) == pytest.approx(1 / 10_001)


def test_without_any_difference_there_is_no_evidence_of_one() -> None:
    assert sign_flip([0.0] * 40, names(40)) == 1.0
    assert sign_flip([0.3, -0.3], ["a", "a"]) == 1.0


@pytest.mark.slow
def test_holm_agrees_with_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    for seed in range(5):
        p = dict(zip("abcde", np.random.default_rng(seed).uniform(0, 0.1, 5).tolist(), strict=True))
        expected = multipletests(list(p.values()), method="holm")[1]
        assert holm(p) == pytest.approx(dict(zip("abcde", expected.tolist(), strict=True)))
    assert holm({}) == {}


def test_the_clustered_standard_error_agrees_with_statsmodels() -> None:
    from statsmodels.api import OLS

    values, clusters = clustered(np.random.default_rng(8), 20, 0.1)
    fitted = OLS(values, np.ones(len(values))).fit(
        cov_type="cluster", cov_kwds={"groups": np.unique(clusters, return_inverse=True)[1]}
    )
    assert standard_error(values, clusters) == pytest.approx(float(fitted.bse[0]))
    assert standard_error([1.0, 2.0], ["a", "a"]) is None


def questions_needed(deviation: float, effect: float) -> int:
    """How many independent differences of a standard deviation show an effect, by what is detectable."""
    return int(np.ceil((detectable_effect(deviation) / effect) ** 2))


def test_the_questions_needed_agree_with_statsmodels_and_bring_the_power_they_promise() -> None:
    from statsmodels.stats.power import NormalIndPower

    for deviation, effect in ((0.2, 0.05), (0.3, 0.1), (0.4, 0.15)):
        exact = NormalIndPower().solve_power(effect / deviation, alpha=0.05, power=0.8, ratio=0)
        assert questions_needed(deviation, effect) == int(np.ceil(exact))
    found = [
        abs(sample.mean()) > 1.96 * sample.std(ddof=1) / np.sqrt(71)
        for sample in np.random.default_rng(9).normal(0.1, 0.3, (2000, questions_needed(0.3, 0.1)))
    ]
    assert np.mean(found) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(("discordant", "effect", "questions"), [(0.2, 0.05, 621), (0.2, 0.1, 150), (0.3, 0.15, 97)])
def test_a_right_or_wrong_metric_needs_many_questions(discordant: float, effect: float, questions: int) -> None:
    assert questions_needed(np.sqrt(discordant - effect**2), effect) == questions
