"""Trainings and adapters as their files say: plain values for the page of training."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from pydantic import TypeAdapter, ValidationError

from assistant.artifacts.cards import (
    METRICS_FILE,
    AdapterCard,
    AdapterScores,
    adapter_names,
    read_card,
    read_scores,
    run_folder,
    staleness,
)
from assistant.artifacts.command_reports import CheckReport
from assistant.artifacts.pairs import PairsHeader, read_header
from assistant.errors import AssistantError
from assistant.workspace import Workspace

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class LossCurves:
    """Losses of a training, in nats a token: (step, loss) of each step and of each validation."""

    losses: tuple[Point, ...] = ()
    validations: tuple[Point, ...] = ()
    voice: tuple[Point, ...] = ()
    """Validations on examples of the house voice alone, while these are shown."""
    base: float | None = None
    """Validation loss before training; None where it is not known."""


@dataclass(frozen=True, slots=True)
class AdapterView:
    """An adapter as the page shows it; ``card`` is None for a damaged one, whose ``flags`` say what is wrong."""

    name: str
    card: AdapterCard | None
    size: int
    """Bytes on disk."""
    scores: AdapterScores | None
    flags: tuple[str, ...]


_CHECK = TypeAdapter(CheckReport)


def pairs_sets(workspace: Workspace) -> list[str]:
    """Names of the sets of pairs, the newest first."""
    if not workspace.pairs.is_dir():
        return []
    files = sorted(workspace.pairs.glob("*.jsonl"), key=lambda file: file.stat().st_mtime, reverse=True)
    return [file.stem for file in files]


def header_of(workspace: Workspace, name: str) -> PairsHeader | None:
    """What a set of pairs was made from; None where that is not known."""
    try:
        return read_header(workspace.pairs_file(name))
    except AssistantError:
        return None


def course_of(workspace: Workspace, name: str) -> LossCurves:
    """The course of the training of ``name``: of the one that is under way, else of the one that made the adapter."""
    running = run_folder(workspace, name) / METRICS_FILE
    file = running if running.exists() else workspace.adapter(name) / METRICS_FILE
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    records: list[Mapping[str, Any]] = []
    for line in lines:
        with suppress(ValueError):  # the last one may be being written
            records += [record for record in [json.loads(line)] if isinstance(record, dict)]
    base = None
    if file != running:
        with suppress(AssistantError):
            base = read_card(workspace.adapter(name)).base_validation_loss
    losses, validations, voice = (
        tuple((one["step"], one[key]) for one in records if _is_number(one.get("step")) and _is_number(one.get(key)))
        for key in ("loss", "validation_loss", "voice_validation_loss")
    )
    return LossCurves(losses, validations, voice, base)


def adapters(workspace: Workspace) -> list[AdapterView]:
    """All adapters by name."""
    found = []
    for name in adapter_names(workspace.adapters):
        folder = workspace.adapters / name
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        try:
            card = read_card(folder)
            stale = staleness(card, workspace)
        except AssistantError as error:
            found.append(AdapterView(name, None, size, None, (str(error),)))
        else:
            found.append(AdapterView(name, card, size, read_scores(folder), (str(stale),) if stale else ()))
    return found


def read_check(output: str) -> CheckReport | None:
    """What a check printed; None if it printed nothing of use."""
    try:
        return _CHECK.validate_json(output)
    except ValidationError:
        return None


def smoothed(points: Sequence[Point], places: Iterable[int]) -> list[Point]:
    """At each of some places the mean of the value there and its neighbours, a twentieth of all to either side."""
    reach = len(points) // 20 + 1
    windows = ((place, points[max(place - reach, 0) : place + reach + 1]) for place in places)
    return [(points[place][0], fmean(value for _, value in window)) for place, window in windows]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")
