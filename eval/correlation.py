"""How far two judgements of the same answers go together: Kendall's tau-b, Cohen's kappa, Krippendorff's alpha.

Tau-b and kappa are made for weights, (resamples, answers) → (resamples,), as a bootstrap draws them: all resamples at
once. NaN says that a figure is not defined, because one of the two never varies.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from eval.statistics import Array, Statistic


def kendall_tau_b(one: Sequence[float], other: Sequence[float]) -> Statistic:
    """Kendall's tau-b: pairs of answers in the same order less those in the opposite order; a pair that is tied in one
    of the two counts against it, a pair that is tied in both not at all (Kendall 1945).

    (C - D) / sqrt((C + D + tied in one only) * (C + D + tied in other only))
    """
    first, second = _orders(one), _orders(other)
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
    paired = [np.asarray(unit, np.float64) for unit in units if len(unit) > 1]
    values = np.concatenate(paired) if paired else np.zeros(0)
    expected = _disagreement(values) / (len(values) - 1) if len(values) > 1 else 0.0
    if expected == 0:
        return None
    return float(1 - sum(_disagreement(unit) / (len(unit) - 1) for unit in paired) / expected)


def value_of(statistic: Statistic, count: int) -> float | None:
    """The figure for all values as they are; None where it is not defined."""
    value = float(statistic(np.ones((1, count)))[0])
    return value if np.isfinite(value) else None


def _orders(values: Sequence[float]) -> Array:
    """1, 0 or -1 for each pair, (values, values)."""
    array = np.asarray(values, np.float64)
    return np.sign(array[:, None] - array[None, :])


def _quadratic(weights: Array, matrix: Array) -> Array:
    found: Array = np.einsum("ri,ri->r", weights @ matrix, weights)
    return found


def _disagreement(values: npt.NDArray[np.float64]) -> float:
    """Sum of the squared differences of all ordered pairs."""
    return float(((values[:, None] - values[None, :]) ** 2).sum())
