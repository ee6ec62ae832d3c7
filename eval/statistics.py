"""Error bars and tests that respect documents, and how far two judgements of the same answers agree.

Questions about one document are not independent of each other. Everything is deterministic: two runs over the
same values give the same numbers. For a paired comparison the values are differences of two systems on the same
questions. A *cluster* is the document that a question is about.

Tau-b and kappa are made for weights, (resamples, answers) → (resamples,), as a bootstrap draws them: all resamples at
once. NaN says that a figure is not defined, because one of the two never varies.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Interval = tuple[float, float]
Statistic = Callable[[Array], Array]
"""Weights of the values, (resamples, values), to a figure each, (resamples,); NaN where it is not defined."""

_RESAMPLES = 10_000  # the ends of an interval then move by 3 % of a standard error from draw to draw
_LEVEL, _POWER = 0.95, 0.8  # both as usual; power of a test at 1 - _LEVEL
# Up to here there are fewer sign patterns than random ones that would be drawn, so all are tried.
_EXACT_CLUSTERS = 13
# Resamples are drawn and used in so many parts, to keep wide integers and floats of all at once out of memory.
_BLOCKS = 10
# Sums of the same numbers in another order differ by rounding.
_ROUNDING = 1e-12


def interval(values: Sequence[float], clusters: Sequence[str], resamples: int = _RESAMPLES) -> tuple[float, float]:
    """95 % percentile bootstrap interval of a mean, resampling clusters with all their values (Efron 1979).

    The percentiles are moved outwards for few clusters, as the t-distribution does (expanded percentile interval;
    Hesterberg 2015): with 8 clusters the plain one covers 86 %. One cluster gives an interval without width, which
    says nothing.
    """
    sums, sizes = _by_cluster(values, clusters)
    drawn = _resampled(len(sums), resamples)
    means = np.concatenate([(counts @ sums) / (counts @ sizes) for counts in np.array_split(drawn, _BLOCKS)])
    tail = _tail(len(sums))
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def weighted_interval(statistic: Statistic, clusters: Sequence[str], resamples: int = 2_000) -> Interval | None:
    """The same interval of any statistic that takes weights: how often each value was drawn, (resamples, values).

    Resamples for which it is not defined (NaN) are left out; None when these are more than one in ten.
    """
    _, members = np.unique(clusters, return_inverse=True)
    count = int(members.max()) + 1
    drawn = _resampled(count, resamples)
    blocks = [statistic(counts[:, members].astype(np.float64)) for counts in np.array_split(drawn, _BLOCKS)]
    values = np.concatenate(blocks)
    defined = values[np.isfinite(values)]
    if len(defined) < 0.9 * resamples:
        return None
    tail = _tail(count)
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)


def standard_error(values: Sequence[float], clusters: Sequence[str]) -> float | None:
    """Standard error of a mean, clustered (Liang and Zeger 1986; Miller 2024); None with fewer than two clusters.

    sqrt(K / (K - 1) * sum over clusters of (sum of the cluster's deviations)^2) / n
    """
    sums, sizes = _by_cluster(values, clusters)
    if len(sums) < 2:
        return None
    deviations = sums - sizes * (sums.sum() / sizes.sum())
    return math.sqrt(len(sums) / (len(sums) - 1) * float(deviations @ deviations)) / len(values)


def sign_flip(differences: Sequence[float], clusters: Sequence[str], flips: int = _RESAMPLES) -> float:
    """Two-sided p of paired differences under the sign-flip permutation test, a cluster flipping as a whole.

    Exact for up to 13 clusters; otherwise (1 + as extreme) / (1 + flips), which is never 0 (Phipson and Smyth 2010).
    """
    sums, _ = _by_cluster(differences, clusters)
    sums = sums[np.abs(sums) > _ROUNDING]  # Clusters without a difference look the same flipped.
    observed = float(abs(sums.sum())) - _ROUNDING
    if len(sums) <= _EXACT_CLUSTERS:  # every pattern of signs, (2 ** clusters, clusters)
        patterns = np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums))
        return float(np.mean(np.abs(np.where(patterns & 1, 1, -1).astype(np.int8) @ sums) >= observed))
    extreme = np.count_nonzero(np.abs(_random_signs(len(sums), flips) @ sums) >= observed)
    return float(1 + extreme) / (1 + flips)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """p of several tests, adjusted so that a false alarm among all of them stays at the level (Holm 1979)."""
    adjusted: dict[str, float] = {}
    highest = 0.0
    for position, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        highest = max(highest, min(1.0, (len(p_values) - position) * p))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p_values}


def detectable_effect(error: float, power: float = _POWER) -> float:
    """Smallest true difference that a test at 5 % finds with ``power``, given the standard error of the difference."""
    return (NormalDist().inv_cdf((1 + _LEVEL) / 2) + NormalDist().inv_cdf(power)) * error


def kendall_tau_b(one: Sequence[float], other: Sequence[float]) -> Statistic:
    """Kendall's tau-b: pairs of answers in the same order less those in the opposite order; a pair that is tied in one
    of the two counts against it, a pair that is tied in both not at all (Kendall 1945).

    (C - D) / sqrt((C + D + tied in one only) * (C + D + tied in other only))
    """
    # 1, 0 or -1 for each pair of values, (values, values).
    first, second = (
        np.sign(array[:, None] - array[None, :]) for array in (np.asarray(some, np.float64) for some in (one, other))
    )
    agree, first_differs, second_differs = first * second, np.abs(first), np.abs(second)

    def statistic(weights: Array) -> Array:
        pairs = _quadratic(weights, first_differs) * _quadratic(weights, second_differs)
        with np.errstate(invalid="ignore", divide="ignore"):
            found: Array = _quadratic(weights, agree) / np.sqrt(pairs)
        return found

    return statistic


def cohen_kappa(one: Sequence[bool], other: Sequence[bool]) -> Statistic:
    """Cohen's kappa of two yes-or-no judgements: agreement beyond what their shares alone would give (Cohen 1960).

    (observed - expected) / (1 - expected)
    """
    first, second = np.asarray(one, np.float64), np.asarray(other, np.float64)
    same = (first == second).astype(np.float64)

    def statistic(weights: Array) -> Array:
        total = weights.sum(axis=1)
        yes, also = weights @ first / total, weights @ second / total
        expected = yes * also + (1 - yes) * (1 - also)
        with np.errstate(invalid="ignore", divide="ignore"):
            kappa: Array = (weights @ same / total - expected) / (1 - expected)
        return np.where(expected < 1, kappa, np.nan)

    return statistic


def krippendorff_alpha(units: Sequence[Sequence[float]]) -> float | None:
    """Krippendorff's alpha with the squared difference: agreement of any number of raters (Krippendorff 2011).

    ``units`` holds the values that each answer was given; those with one value say nothing. 1 - observed / expected
    disagreement; None when nothing can be said, or all values are the same.
    """

    def disagreement(values: Array) -> float:
        """Sum of the squared differences of all ordered pairs."""
        return float(((values[:, None] - values[None, :]) ** 2).sum())

    paired = [np.asarray(unit, np.float64) for unit in units if len(unit) > 1]
    values = np.concatenate(paired) if paired else np.zeros(0)
    expected = disagreement(values) / (len(values) - 1) if len(values) > 1 else 0.0
    if expected == 0:
        return None
    return float(1 - sum(disagreement(unit) / (len(unit) - 1) for unit in paired) / expected)


def value_of(statistic: Statistic, count: int) -> float | None:
    """The figure for all values as they are; None where it is not defined."""
    value = float(statistic(np.ones((1, count)))[0])
    return value if np.isfinite(value) else None


def _quadratic(weights: Array, matrix: Array) -> Array:
    found: Array = np.einsum("ri,ri->r", weights @ matrix, weights)
    return found


def _by_cluster(values: Sequence[float], clusters: Sequence[str]) -> tuple[Array, Array]:
    """Sum and number of the values of each cluster, both (clusters,)."""
    names, members = np.unique(clusters, return_inverse=True)
    sums = np.bincount(members, weights=np.asarray(values, np.float64), minlength=len(names))
    return sums.astype(np.float64), np.bincount(members, minlength=len(names)).astype(np.float64)


@functools.lru_cache(maxsize=8)
def _resampled(clusters: int, resamples: int) -> npt.NDArray[np.uint8]:
    """How often each cluster is drawn, (resamples, clusters): drawing takes far longer than all that follows."""
    generator, even = np.random.default_rng(0), np.full(clusters, 1 / clusters)
    sizes = [len(some) for some in np.array_split(np.arange(resamples), _BLOCKS)]
    return np.concatenate([generator.multinomial(clusters, even, size=size).astype(np.uint8) for size in sizes])


@functools.lru_cache(maxsize=8)
def _random_signs(clusters: int, flips: int) -> npt.NDArray[np.int8]:
    return np.random.default_rng(0).choice(np.array([-1, 1], np.int8), size=(flips, clusters))


def _tail(clusters: int) -> float:
    """What to leave out on each side: the normal tail at the t-quantile, widened by sqrt(K / (K - 1))."""
    if clusters < 2:
        return (1 - _LEVEL) / 2
    from scipy.special import stdtrit

    quantile = float(stdtrit(clusters - 1, (1 - _LEVEL) / 2))
    return NormalDist().cdf(quantile * math.sqrt(clusters / (clusters - 1)))
