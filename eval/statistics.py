"""Error bars and tests that respect documents: questions about one document are not independent of each other.

Everything is deterministic: two runs over the same values give the same numbers. For a paired comparison the values
are differences of two systems on the same questions. A *cluster* is the document that a question is about.
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

_RESAMPLES = 10_000
_LEVEL = 0.95
_POWER = 0.8
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
    if len(sums) <= _EXACT_CLUSTERS:
        return float(np.mean(np.abs(_all_signs(len(sums)) @ sums) >= observed))
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


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """95 % interval of a rate (Wilson 1927); (0, 1) without trials."""
    if not trials:
        return 0.0, 1.0
    z = _quantile(_LEVEL)
    rate, square = successes / trials, z * z / trials
    middle = (rate + square / 2) / (1 + square)
    half = z / (1 + square) * math.sqrt(rate * (1 - rate) / trials + square / (4 * trials))
    return middle - half, middle + half


def detectable_effect(error: float, power: float = _POWER) -> float:
    """Smallest true difference that a test at 5 % finds with ``power``, given the standard error of the difference."""
    return (_quantile(_LEVEL) + NormalDist().inv_cdf(power)) * error


def questions_needed(deviation: float, effect: float, power: float = _POWER) -> int:
    """Independent questions that a test at 5 % needs to find a mean difference ``effect`` with ``power``.

    ``deviation`` is the standard deviation of the difference; for a right-or-wrong metric with a share d of questions
    on which the systems disagree it is sqrt(d - effect^2).
    """
    return math.ceil((detectable_effect(deviation, power) / effect) ** 2)


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


def _all_signs(clusters: int) -> npt.NDArray[np.int8]:
    """Every pattern of signs, (2 ** clusters, clusters)."""
    patterns = np.arange(2**clusters)[:, None] >> np.arange(clusters)
    return np.where(patterns & 1, 1, -1).astype(np.int8)


def _tail(clusters: int) -> float:
    """What to leave out on each side: the normal tail at the t-quantile, widened by sqrt(K / (K - 1))."""
    if clusters < 2:
        return (1 - _LEVEL) / 2
    from scipy.special import stdtrit

    quantile = float(stdtrit(clusters - 1, (1 - _LEVEL) / 2))
    return NormalDist().cdf(quantile * math.sqrt(clusters / (clusters - 1)))


def _quantile(level: float) -> float:
    """Of the normal distribution, two-sided: 1.96 for 95 %."""
    return NormalDist().inv_cdf((1 + level) / 2)
