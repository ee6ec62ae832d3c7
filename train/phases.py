"""The parts of a training: first all pairs, then the house voice alone.

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
    """What is shown when: ``rows``, and once more ``tone_epochs`` times those whose ids are in ``voice``.

    ``unseen`` is validated on. There is one phase when the voice is all there is, or not there, or refused. ``width``
    is that of the model's hidden states.
    """
    phases = [Phase(rows, drawn(unseen, settings), schedule_of(settings, len(rows), width))]
    spoken, unspoken = ([row for row in some if row.id in voice] for some in (rows, unseen))
    if 0 < len(spoken) < len(rows) and settings.tone_epochs:
        chosen = settings.model_copy(update={"epochs": settings.tone_epochs, "max_steps": 0})
        schedule = schedule_of(chosen, len(spoken), width)
        schedule = replace(schedule, peak=_VOICE_RATE * schedule.peak)
        phases.append(Phase(spoken, drawn(unspoken, settings), schedule, "voice_validation_loss"))
    return tuple(phases)


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
