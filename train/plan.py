"""What is decided before a weight is loaded: settings, pairs or data as rows, schedule and learning rates, device.

Data lie in files and folders of this machine, or are a data set of the Hugging Face hub:

    data=house.jsonl    data=./sets    data=OWNER/NAME    data=OWNER/NAME/FOLDER

Files of the hub are read as those of people are; nothing that a data set brings along is run.
"""

import math
import os
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from assistant import models
from assistant.artifacts.cards import WEIGHTS_FILE, check_identity
from assistant.artifacts.data_sets import DataNamed, DataSet, DataSource, data_files, read_data_set, split_named
from assistant.artifacts.pairs import Pair, PairsHeader, Split, holds_preferences, pairs_hash, read_header, read_pairs
from assistant.artifacts.row_files import ROW_SUFFIXES
from assistant.config import Settings
from assistant.config.train_settings import PREFERENCE_METHODS, TrainSettings
from assistant.engines.template import ChatTemplate, read_template
from assistant.errors import ConfigError, PairsError, TrainingError, one_line
from assistant.models.fetching import hub_answers, is_hub_id
from assistant.models.loading import Device, choose
from assistant.text.printing import counted
from assistant.work.progress import note
from assistant.work.tracking import check_trackers
from assistant.workspace import Workspace, safe_name
from train.batches import TokenRow, packed, rows_of, steps, steps_an_epoch
from train.model import Parameters, check_shard, count_parameters, window_of
from train.preferences import REJECTED, Start, newest_adapter, preference_rows, start_from
from train.run_file import learning_rate
from train.validation_answers import Answers, answers_of

# Validating more often would cost more than it tells.
_LEAST_STEPS_BETWEEN = 10
_PLACES_NAMED = 3
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
    """None for data, and for pairs that were brought along without."""
    dropped: Mapping[str, Sequence[str]]
    """The rows of data, and preferences, that are left out: reason → places."""
    plan: TrainingPlan
    of_hub: Sequence[str] = ()
    """Of data, what comes from the Hugging Face hub."""
    start: Start | None = None
    """The adapter that it goes on from; None makes a new one."""

    @property
    def shape(self) -> TrainSettings:
        """The settings that say how the base is loaded, and what a step needs."""
        return self.start.settings(self.settings) if self.start else self.settings

    @property
    def most_tokens(self) -> int:
        """Padded tokens of a micro-batch."""
        return self.settings.batch_tokens or (_CPU_TOKENS if self.device.name == "cpu" else _GPU_TOKENS)

    @property
    def first_epoch(self) -> list[list[TokenRow]]:
        """The rows of its steps, as far as they are trained on."""
        settings, schedule = self.settings, self.plan.schedule
        endless = steps(self.plan.rows, settings.batch, settings.seed, settings.share_prefixes)
        return list(islice(endless, min(schedule.epoch, schedule.total)))

    @property
    def counts(self) -> dict[str, int]:
        """Pairs that are trained on, by source."""
        learnt = {row.id.removesuffix(REJECTED) for row in self.plan.rows}
        return dict(Counter(pair.source for pair in self.pairs if pair.split == "train" and pair.id in learnt))

    @property
    def identity(self) -> dict[str, str]:
        """What has to be the same for a training to go on."""
        return {
            "pairs": pairs_hash(self.pairs),
            "course of the training": f"{self.plan.schedule.total} steps on {len(self.plan.rows)} pairs",
            "base model": models.fingerprint(self.folder),
            "chat template": self.template.identity,
            **({"the adapter it goes on from": self.start.card.files[WEIGHTS_FILE]} if self.start else {}),
        }


def is_told_to_shard() -> bool:
    """Whether accelerate was started for FSDP or DeepSpeed."""
    return any(os.environ.get(f"ACCELERATE_USE_{what}", "").lower() == "true" for what in ("FSDP", "DEEPSPEED"))


def named(settings: TrainSettings, workspace: Workspace) -> TrainSettings:
    """The same settings with the trainer, the newest pairs, and the names of adapters, where none is given.

    Raises PairsError when there are no pairs, TrainingError where there is no adapter to go on from, ConfigError where
    it would be replaced, or for both data and pairs, UsageError for names that could leave the workspace.
    """
    check_trackers(settings.report_to, "report_to")
    if settings.trainer == "auto":
        settings = settings.model_copy(update={"trainer": "trl" if is_told_to_shard() else "own"})
    if settings.trainer == "trl":  # it computes rows one by one
        settings = settings.model_copy(update={"share_prefixes": False})
    elif settings.trl or is_told_to_shard():
        told = f"trl={{{next(iter(settings.trl))}: …}}" if settings.trl else "FSDP and DeepSpeed of accelerate"
        raise ConfigError(f"{told}: trainer=own takes none.", "Set trainer=trl.")
    goes_on = settings.method in PREFERENCE_METHODS
    if settings.adapter and not goes_on:
        raise ConfigError(
            f"adapter={settings.adapter}: method={settings.method} makes a new adapter.",
            "Set method=dpo, or leave it out.",
        )
    if settings.data:
        if settings.pairs:
            raise ConfigError(f"pairs={settings.pairs} and data={settings.data[0]} are both given.", "Leave one out.")
        if goes_on:
            raise ConfigError(f"method={settings.method} learns from preferences, not from data.", "Leave data out.")
        name = settings.name or safe_name(Path(settings.data[0]).stem, "adapter")
        workspace.adapter(name)
        return settings.model_copy(update={"name": name})
    pairs = settings.pairs
    if not pairs:
        newest = sorted(workspace.pairs.glob("*.jsonl"), key=lambda file: file.stat().st_mtime, reverse=True)
        pairs = next((file.stem for file in newest if holds_preferences(file) == goes_on), "")
    if not pairs:
        what, command = (
            ("preferences", "assistant pairs preferences")
            if goes_on
            else ("pairs", "assistant pairs; or name data=FILE")
        )
        raise PairsError(f"There are no {what} in {workspace.pairs}.", f"Run: {command}")
    workspace.pairs_file(pairs)
    name = settings.name or pairs
    workspace.adapter(name)
    adapter = settings.adapter or (newest_adapter(workspace.adapters) if goes_on else "")
    if adapter == name:
        raise ConfigError(f"'{name}' is the adapter that the training goes on from.", "Give the new one another name.")
    return settings.model_copy(update={"pairs": pairs, "name": name, "adapter": adapter})


def left_out(dropped: Mapping[str, Sequence[str]]) -> list[str]:
    """The rows that are left out, for people: a line a reason, with the first places."""
    return [
        f"Left out: {counted(len(places), 'row')}: {reason}"
        f" ({'; '.join(places[:_PLACES_NAMED])}{'; …' if len(places) > _PLACES_NAMED else ''})"
        for reason, places in dropped.items()
    ]


def _nothing_to_train_on(
    settings: TrainSettings, pairs: Sequence[Pair], dropped: Mapping[str, Sequence[str]]
) -> TrainingError:
    if settings.method == "dpo" and any(pair.rejected or pair.source == "thumb" for pair in pairs):
        return TrainingError(
            f"{settings.pairs} has no response to train on with a worse one to the same prompt.",
            "Learn from single answers: method=kto",
        )
    why = "".join(f" {places[0]}: {reason}." for reason, places in dropped.items())
    return TrainingError(
        f"{', '.join(settings.data) or settings.pairs} holds no rows to train on.{why}", "See docs/training.md."
    )


def prepare(settings: TrainSettings, workspace: Workspace, general: Settings) -> Job:
    """Read pairs or data and turn them into rows. ``settings`` have their names.

    What of data does not fit is left out and told. Raises PairsError and ModelError for what cannot be read,
    TrainingError when a pair does not fit or none is there, ConfigError for target modules and layers that the model
    does not have, AdapterError and IdentityError for an adapter that cannot be gone on from.
    """
    check_shard(settings)
    data = read_data(settings) if settings.data else None
    pairs = data.pairs if data else read_pairs(workspace.pairs_file(settings.pairs))
    folder = models.engine_folder(general.engine.model)
    config = models.read_config(folder, general.engine, general.engine.model)
    # Pairs hold no thoughts: an adapter learns to answer behind an empty one.
    template = read_template(folder, general.engine.model_copy(update={"thinking": 0}))
    system, window = general.answer.system, window_of(config)
    start = None
    if settings.method in PREFERENCE_METHODS:
        start = start_from(workspace.adapters, settings.adapter)
        check_identity(start.card, general.engine.model, models.fingerprint(folder), template.identity)

    def read(split: Split) -> list[TokenRow]:
        if start is None:
            return rows_of(pairs, split, template, system, window, data)
        return preference_rows(pairs, split, template, system, window, settings.method)

    rows = read("train")
    if not rows:
        raise _nothing_to_train_on(settings, pairs, data.dropped if data else {})
    dropped: Mapping[str, Sequence[str]] = data.dropped if data else {}
    if settings.method == "dpo":
        single = [pair.id for pair in pairs if pair.split == "train" and not (pair.response and pair.rejected)]
        dropped = {"an answer alone, from which method=kto learns": single} if single else {}
    voice = {pair.id for pair in pairs if pair.source == "tone"}
    rows += settings.tone_epochs * [row for row in rows if row.id in voice]
    validation = drawn(read("validation"), settings)
    plan = TrainingPlan(
        rows,
        validation,
        schedule_of(settings, len(rows), config.get_text_config().hidden_size),
        answers_of([row for row in validation if row.is_wanted], pairs, template, general.answer, settings),
    )
    return Job(
        settings=settings,
        general=general,
        device=choose(general.device),
        folder=folder,
        config=config,
        parameters=count_parameters(config, general.engine, settings, start.config if start else None),
        template=template,
        pairs=pairs,
        header=None if data else read_header(workspace.pairs_file(settings.pairs)),
        dropped=dropped,
        plan=plan,
        of_hub=data.of_hub if data else (),
        start=start,
    )


def read_data(settings: TrainSettings) -> DataSet:
    """What ``settings.data`` and ``settings.validation_data`` name, read.

    Raises PairsError for what is nowhere to be had, cannot be read, or holds nothing to train on.
    """
    return read_data_set(
        DataNamed(
            _sources(settings.data),
            _sources(settings.validation_data),
            dict[str, str](settings.columns.items()),
            settings.validation_share,
            settings.seed,
        )
    )


def _sources(names: Sequence[str]) -> list[DataSource]:
    sources = []
    for name in names:
        path = Path(name).expanduser()
        repository = "/".join(name.split("/")[:2])
        if path.exists():
            sources.append(DataSource(name, path))
        elif is_hub_id(repository) and path.suffix.lower() not in ROW_SUFFIXES:
            folder = hub_folder(repository, "/".join(name.split("/")[2:]))
            sources.append(DataSource(name, folder, is_of_hub=True))
        else:
            raise PairsError(
                f"There is no file or folder {name}.", "Name one, or a data set of the Hugging Face hub: OWNER/NAME."
            )
    return sources


def hub_folder(repository: str, part: str = "") -> Path:
    """The folder of a data set of the hub, or of a ``part`` of it.

    Where the hub answers, what is not here yet is downloaded: here may be another part, or a download that was killed.

    Raises PairsError when it cannot be had, holds no files of data, or several sets.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    named = f"{repository}/{part}".rstrip("/")
    part = part.rstrip("/")
    if part and not {"", ".", ".."}.isdisjoint(part.split("/")):
        raise PairsError(f"{named} leads out of {repository}.", "Name a folder in it: OWNER/NAME/FOLDER.")
    wanted = [f"{part}/*{suffix}" if part else f"*{suffix}" for suffix in ROW_SUFFIXES]
    found: list[Path] = []
    is_online = hub_answers()
    try:
        folder = Path(
            snapshot_download(repository, repo_type="dataset", allow_patterns=wanted, local_files_only=not is_online)
        )
        folder /= part
        found = data_files(folder)
    except ValueError:
        raise PairsError(f"'{repository}' is no Hugging Face id.", "Write owner/name, or the path of a file.") from None
    except (HfHubHTTPError, OSError) as error:
        if is_online:
            raise PairsError(
                f"The data set {named} could not be downloaded: {one_line(error)}", "Check the name and your access."
            ) from None
    if not found and is_online:
        raise PairsError(f"{named} holds no data.", f"Name a set with files of: {', '.join(ROW_SUFFIXES)}.")
    if not found:
        raise PairsError(
            f"{named} is no file or folder here, and the Hugging Face hub does not answer.",
            f"Where there is a network: hf download --repo-type dataset {repository}; then name the folder.",
        )
    if not is_online:
        note(f"The Hugging Face hub does not answer: of {named}, what is here is read ({counted(len(found), 'file')}).")
    # Folders that are named for a split are parts of one set.
    folders = {path.parts[0] for path in found if len(path.parts) > 1 and not split_named(path.parent)}
    if len(folders) > 1:
        raise PairsError(
            f"{named} holds several sets: {', '.join(sorted(folders))}.", f"Name one: data={named}/{min(folders)}"
        )
    return folder
