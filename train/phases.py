"""The parts of a training: first all other pairs, then the house voice alone.

Few examples of a voice among many pairs that speak otherwise are not learnt, however often they are repeated: a model
says what is likeliest, and that is how most pairs end. Shown alone at the end, at half the rate, a dozen steps are
enough; the loss on all pairs rises a little by that (docs/log.md).
"""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from train.batches import packed
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


def phases_of(
    rows: Sequence[Row], unseen: Sequence[Row], voice: Collection[str], settings: TrainSettings, width: int
) -> tuple[Phase, ...]:
    """What is shown when; ``voice`` holds the ids of the rows that come last, ``tone_epochs`` times.

    ``unseen`` is validated on; the first phase takes the voice in too, so that the loss on the card means the same
    whatever ``tone_epochs`` is. There is one phase when the voice is all there is, or not there, or refused. ``width``
    is that of the model's hidden states.
    """
    spoken, others = _parted(rows, voice)
    is_apart = bool(spoken and others and settings.tone_epochs)
    first = others if is_apart else rows
    phases = [Phase(first, drawn(unseen, settings), schedule_of(settings, len(first), width))]
    if is_apart:
        chosen = settings.model_copy(update={"epochs": settings.tone_epochs, "max_steps": 0})
        schedule = schedule_of(chosen, len(spoken), width)
        schedule = replace(schedule, peak=_VOICE_RATE * schedule.peak)
        unspoken, _ = _parted(unseen, voice)
        phases.append(Phase(spoken, drawn(unspoken, settings), schedule, "voice_validation_loss"))
    return tuple(phases)


def _parted(rows: Sequence[Row], voice: Collection[str]) -> tuple[list[Row], list[Row]]:
    """Those of the house voice, and all others."""
    return [row for row in rows if row.id in voice], [row for row in rows if row.id not in voice]


def drawn(rows: Sequence[Row], settings: TrainSettings) -> Sequence[Row]:
    """At most ``validation_pairs`` rows and those that share passages with them: they cost little more."""
    most = settings.validation_pairs
    if not most or len(rows) <= most:
        return rows
    clusters = packed(rows, most, most * max(map(len, rows)))
    random.Random(settings.seed).shuffle(clusters)
    chosen: list[Row] = []
    for cluster in clusters:
        if len(chosen) < most:
            chosen.extend(cluster.rows)
    return chosen
