"""What an answer costs: seconds and tokens."""

from collections.abc import Sequence

import numpy as np

from eval.metrics.score import Score, score

_NOTHING_TIMED = "nothing was timed"
# With fewer the 95th percentile is only the slowest.
_FEWEST_FOR_P95 = 20


def p50(seconds: Sequence[float]) -> Score:
    """Median of the times, in seconds."""
    return score(float(np.median(seconds)) if seconds else None, _NOTHING_TIMED)


def p95(seconds: Sequence[float]) -> Score:
    """The time that one answer in twenty exceeds, in seconds."""
    if len(seconds) < _FEWEST_FOR_P95:
        return Score(None, f"{len(seconds)} times are too few for a 95th percentile ({_FEWEST_FOR_P95})")
    return score(float(np.percentile(seconds, 95)), _NOTHING_TIMED)


def tokens_per_second(tokens: int, seconds: float) -> Score:
    """Tokens generated a second."""
    return score(tokens / seconds if seconds > 0 else None, _NOTHING_TIMED)
