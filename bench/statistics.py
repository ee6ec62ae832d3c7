"""Means with intervals, for tables."""

from collections.abc import Sequence

import numpy as np

_RESAMPLES = 2000


def interval(values: Sequence[float], clusters: Sequence[str]) -> tuple[float, float]:
    """95 % percentile bootstrap interval of a mean, resampling whole clusters (documents)."""
    names, members = np.unique(clusters, return_inverse=True)
    sums, sizes = np.bincount(members, weights=values), np.bincount(members)
    drawn = np.random.default_rng(0).integers(len(names), size=(_RESAMPLES, len(names)))
    means = sums[drawn].sum(1) / sizes[drawn].sum(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
