"""Means with intervals, for tables."""

from collections.abc import Sequence

import numpy as np

_RESAMPLES = 2000


def interval(values: Sequence[float], clusters: Sequence[str]) -> tuple[float, float]:
    """95 % percentile bootstrap interval of a mean, resampling whole clusters (documents)."""
    names = sorted(set(clusters))
    sums = np.array([sum(v for v, c in zip(values, clusters, strict=True) if c == name) for name in names])
    sizes = (
        np.array([clusters.count(name) for name in names])
        if isinstance(clusters, list)
        else np.array([sum(c == name for c in clusters) for name in names])
    )
    drawn = np.random.default_rng(0).integers(len(names), size=(_RESAMPLES, len(names)))
    means = sums[drawn].sum(1) / sizes[drawn].sum(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
