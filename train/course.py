"""The course of a training: what is shown, and what it is watched on."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from train.batches import packed
from train.config import TrainSettings
from train.rows import Row
from train.schedule import Schedule
from train.validation_answers import Answers


@dataclass(frozen=True, slots=True)
class Course:
    """Rows that are shown, those that are validated on, and how fast is learnt when."""

    rows: Sequence[Row]
    validation: Sequence[Row]
    schedule: Schedule
    answers: Answers | None = None
    """What is answered at each validation; None goes by the loss alone."""


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
