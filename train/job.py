"""What is decided before a weight is loaded: settings, pairs as rows, model, device, the course of the training."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant import models
from assistant.artifacts.pairs import Pair, PairsHeader, pairs_hash, read_header, read_pairs
from assistant.config import Settings
from assistant.engines.template import ChatTemplate, read_template
from assistant.errors import PairsError, TrainingError
from assistant.models.loading import Device, choose
from assistant.workspace import Workspace
from train.config import TrainSettings
from train.course import Course, drawn
from train.memory import Parameters
from train.model import count_parameters, window_of
from train.rows import rows_of
from train.schedule import schedule_of
from train.validation_answers import answers_of

_CPU_TOKENS, _GPU_TOKENS = 2048, 16384


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
    course: Course

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
            "course of the training": f"{self.course.schedule.total} steps on {len(self.course.rows)} pairs",
            "base model": models.fingerprint(self.folder),
            "chat template": self.template.identity,
        }


def named(settings: TrainSettings, workspace: Workspace) -> TrainSettings:
    """The same settings with the newest pairs, and the name of an adapter, where none is given.

    Raises PairsError when there are no pairs, UsageError for names that could leave the workspace.
    """
    pairs = settings.pairs or _newest(workspace)
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
    course = Course(
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
        course=course,
    )


def _newest(workspace: Workspace) -> str:
    files = sorted(workspace.pairs.glob("*.jsonl"), key=lambda file: file.stat().st_mtime)
    if not files:
        raise PairsError(f"There are no pairs in {workspace.pairs}.", "Run: assistant pairs")
    return files[-1].stem
