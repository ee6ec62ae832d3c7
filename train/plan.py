"""What is decided before a weight is loaded: settings, pairs as rows, schedule of steps and learning rates, device."""

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant import models
from assistant.artifacts.pairs import Pair, PairsHeader, pairs_hash, read_header, read_pairs
from assistant.config import Settings
from assistant.config.train_settings import TrainSettings
from assistant.engines.template import ChatTemplate, read_template
from assistant.errors import PairsError, TrainingError
from assistant.models.loading import Device, choose
from assistant.workspace import Workspace
from train.batches import TokenRow, packed, rows_of, steps_an_epoch
from train.model import Parameters, count_parameters, window_of
from train.run_file import learning_rate
from train.validation_answers import Answers, answers_of

# Validating more often would cost more than it tells.
_LEAST_STEPS_BETWEEN = 10
_CPU_TOKENS, _GPU_TOKENS = 2048, 16384  # bounds memory; a GPU wants more at a time to be busy


@dataclass(frozen=True, slots=True)
class Schedule:
    """The course of a training, in optimiser steps."""

    total: int
    epoch: int
    """Steps that show each row once."""
    evaluate_every: int
    peak: float
    """Largest learning rate."""
    warmup: int
    shape: str
    """``cosine``, ``linear`` or ``constant``: how the rate falls to 0 after the warm-up."""

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        if step < self.warmup:
            return self.peak * (step + 1) / (self.warmup + 1)
        done = (step - self.warmup) / max(self.total - self.warmup, 1)
        falls = {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}
        return self.peak * falls[self.shape]


def schedule_of(settings: TrainSettings, rows: int, width: int) -> Schedule:
    """The schedule for a number of training rows and a model with hidden states of ``width`` numbers."""
    epoch = steps_an_epoch(rows, settings.batch)
    total = settings.max_steps or settings.epochs * epoch
    return Schedule(
        total=total,
        epoch=epoch,
        evaluate_every=settings.evaluate_every or min(max(epoch // 4, _LEAST_STEPS_BETWEEN), total),
        peak=learning_rate(settings, width),
        warmup=math.ceil(settings.warmup * total),
        shape=settings.schedule,
    )


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """Rows that are shown, those that are validated on, and how fast is learnt when."""

    rows: Sequence[TokenRow]
    validation: Sequence[TokenRow]
    schedule: Schedule
    answers: Answers | None = None
    """What is answered at each validation; None goes by the loss alone."""


def drawn(rows: Sequence[TokenRow], settings: TrainSettings) -> Sequence[TokenRow]:
    """At most ``validation_pairs`` rows and those that share passages with them: they cost little more."""
    most = settings.validation_pairs
    if not most or len(rows) <= most:
        return rows
    clusters = packed(rows, most, most * max(map(len, rows)))
    random.Random(settings.seed).shuffle(clusters)
    chosen: list[TokenRow] = []
    for cluster in clusters:
        if len(chosen) < most:
            chosen.extend(cluster.rows)
    return chosen


@dataclass(frozen=True, slots=True)
class Job:
    """A training that is ready to begin."""

    settings: TrainSettings
    """With names filled in."""
    general: Settings
    device: Device
    folder: Path
    """Of the base model."""
    config: Any
    """The base model's own."""
    parameters: Parameters
    template: ChatTemplate
    pairs: list[Pair]
    header: PairsHeader | None
    plan: TrainingPlan

    @property
    def most_tokens(self) -> int:
        """Padded tokens of a micro-batch."""
        return self.settings.batch_tokens or (_CPU_TOKENS if self.device.name == "cpu" else _GPU_TOKENS)

    @property
    def counts(self) -> dict[str, int]:
        """Training pairs by source."""
        return dict(Counter(pair.source for pair in self.pairs if pair.split == "train"))

    @property
    def identity(self) -> dict[str, str]:
        """What has to be the same for a training to go on."""
        return {
            "pairs": pairs_hash(self.pairs),
            "course of the training": f"{self.plan.schedule.total} steps on {len(self.plan.rows)} pairs",
            "base model": models.fingerprint(self.folder),
            "chat template": self.template.identity,
        }


def named(settings: TrainSettings, workspace: Workspace) -> TrainSettings:
    """The same settings with the newest pairs, and the name of an adapter, where none is given.

    Raises PairsError when there are no pairs, UsageError for names that could leave the workspace.
    """
    files = sorted(workspace.pairs.glob("*.jsonl"), key=lambda file: file.stat().st_mtime)
    if not settings.pairs and not files:
        raise PairsError(f"There are no pairs in {workspace.pairs}.", "Run: assistant pairs")
    pairs = settings.pairs or files[-1].stem
    workspace.pairs_file(pairs)
    workspace.adapter(settings.name or pairs)
    return settings.model_copy(update={"pairs": pairs, "name": settings.name or pairs})


def prepare(settings: TrainSettings, workspace: Workspace, general: Settings) -> Job:
    """Read pairs and turn them into rows. ``settings`` have their names.

    Raises PairsError and ModelError for what cannot be read, TrainingError when a row does not fit or none is there,
    ConfigError for target modules and layers that the model does not have.
    """
    file = workspace.pairs_file(settings.pairs)
    pairs = read_pairs(file)
    folder = models.engine_folder(general.engine.model)
    config = models.read_config(folder, general.engine, general.engine.model)
    # Pairs hold no thoughts: an adapter learns to answer behind an empty one.
    template = read_template(folder, general.engine.model_copy(update={"thinking": 0}))
    system, window = general.answer.system, window_of(config)
    rows = rows_of(pairs, "train", template, system, window)
    if not rows:
        raise TrainingError(f"{file} has no pairs to train on.", "Run: assistant pairs")
    voice = {pair.id for pair in pairs if pair.source == "tone"}
    rows += settings.tone_epochs * [row for row in rows if row.id in voice]
    validation = drawn(rows_of(pairs, "validation", template, system, window), settings)
    plan = TrainingPlan(
        rows,
        validation,
        schedule_of(settings, len(rows), config.get_text_config().hidden_size),
        answers_of(validation, pairs, template, general.answer, settings),
    )
    return Job(
        settings=settings,
        general=general,
        device=choose(general.device),
        folder=folder,
        config=config,
        parameters=count_parameters(config, general.engine, settings),
        template=template,
        pairs=pairs,
        header=read_header(file),
        plan=plan,
    )
