"""The parts of a training: first all pairs, then the house voice alone.

Few examples of a voice among many pairs that speak otherwise are not learnt, however often they are repeated: a model
says what is likeliest, and that is how most pairs end. Shown alone at the end, at half the rate, a dozen steps are
enough; the loss on all pairs rises a little by that (docs/log.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from train.config import TrainSettings
from train.rows import Row
from train.schedule import Schedule, schedule_of

_VOICE_RATE = 0.5


@dataclass(frozen=True, slots=True)
class Phase:
    """Rows that are shown, those that are validated on, and how fast is learnt when."""

    rows: Sequence[Row]
    validation: Sequence[Row]
    schedule: Schedule
    metric: str = "validation_loss"
    """What the loss on ``validation`` is called in the metrics."""


def voice_phase(rows: Sequence[Row], validation: Sequence[Row], settings: TrainSettings, width: int) -> Phase:
    """``tone_epochs`` over the rows of the house voice."""
    chosen = settings.model_copy(update={"epochs": settings.tone_epochs, "max_steps": 0})
    schedule = schedule_of(chosen, len(rows), width)
    return Phase(rows, validation, replace(schedule, peak=_VOICE_RATE * schedule.peak), "voice_validation_loss")
