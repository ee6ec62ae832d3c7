"""Means with error bars: bootstrap over whole documents, since questions about one document are not independent."""

from collections.abc import Sequence

import numpy as np

_RESAMPLES = 10_000


def interval(values: Sequence[float], clusters: Sequence[str], resamples: int = _RESAMPLES) -> tuple[float, float]:
    """95 % percentile bootstrap interval of a mean, resampling clusters with all their values (Efron 1979).

    For a paired comparison the values are differences. Deterministic.
    """
    names, members = np.unique(clusters, return_inverse=True)
    sums, sizes = np.bincount(members, weights=values), np.bincount(members)
    drawn = np.random.default_rng(0).integers(len(names), size=(resamples, len(names)))
    means = sums[drawn].sum(1) / sizes[drawn].sum(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """95 % interval of a rate (Wilson 1927); (0, 1) without trials."""
    if not trials:
        return 0.0, 1.0
    z = 1.959963984540054
    rate, square = successes / trials, z * z / trials
    middle = (rate + square / 2) / (1 + square)
    half = z / (1 + square) * float(np.sqrt(rate * (1 - rate) / trials + square / (4 * trials)))
    return middle - half, middle + half
