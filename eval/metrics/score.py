"""What a metric says of one answer: a value, or none with the reason. Never a silent 0, 1 or NaN."""

import math
from dataclasses import dataclass

UNANSWERABLE = "the documents hold no answer to the question"
REFUSED = "a refusal says nothing that could be scored"
NO_EVIDENCE = "no passage was shown"


@dataclass(frozen=True, slots=True)
class Score:
    """A finite value, or None with the reason why there is nothing to score."""

    value: float | None
    reason: str = ""

    def __post_init__(self) -> None:
        if (self.value is None) == (not self.reason):
            raise ValueError(f"a score has a value or a reason, not {self}")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"a score is a finite number, not {self.value}")


def score(value: float | None, otherwise: str) -> Score:
    """The value of a formula; where it has none the reason ``otherwise``, and NaN is no value."""
    if value is None:
        return Score(None, otherwise)
    if not math.isfinite(value):
        return Score(None, f"the formula gave {value}")
    return Score(float(value))
