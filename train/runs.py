"""The folder of a training that runs or was interrupted: ``adapters/.runs/NAME``.

    run.json                  settings, and what has to be the same for it to go on
    checkpoint.safetensors    see train.checkpoints
    metrics.jsonl, loss.*     see train.curves

The name is none that an adapter can have. The folder is emptied when the adapter is saved.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from assistant.artifacts.cards import RUN_FILE, run_folder, unfinished_runs
from assistant.errors import ConfigError, TrainingError
from assistant.workspace import Workspace, replaced_atomically
from train.checkpoints import read_state
from train.config import TrainSettings, validated

_LOCK_FILE = ".lock"


@dataclass(frozen=True, slots=True)
class Run:
    """An unfinished training as it was started."""

    settings: dict[str, Any]
    identity: dict[str, str]
    force: bool
    """Whether it may replace an adapter of its name."""


def unfinished(workspace: Workspace, values: Mapping[str, Any]) -> tuple[TrainSettings, Run]:
    """The interrupted training that ``values``, settings as a user gave them, mean, with its settings.

    Raises TrainingError when there is none, ConfigError when there are several, or when it was started with other
    settings than those given.
    """
    asked = validated(values)
    runs = unfinished_runs(workspace)
    if not asked.name and len(runs) > 1:
        raise ConfigError(f"There are several trainings to go on with: {', '.join(runs)}.", f"Say name={runs[0]}.")
    name = asked.name or (runs[0] if runs else "")
    if name not in runs:
        raise TrainingError(
            f"There is no training {f'of {name!r} ' if name else ''}to go on with.", "Start one without --resume."
        )
    run = _read(run_folder(workspace, name) / RUN_FILE)
    settings = validated(run.settings)
    for key in values:
        was, now = getattr(settings, key), getattr(asked, key)
        if was != now:
            raise ConfigError(
                f"The training of '{name}' was started with {key}={was}, not {key}={now}.",
                f"Leave {key} out, or start anew with --force.",
            )
    return settings, run


def begin(folder: Path, run: Run) -> None:
    """Empty the folder for a new training. Raises TrainingError when one is unfinished and ``run`` has no force."""
    if (folder / RUN_FILE).exists() and not run.force:
        state = read_state(folder)
        done = f", {state.step} steps done" if state else ""
        raise TrainingError(
            f"The training of '{folder.name}' was interrupted{done}.",
            "Go on with --resume, or start anew with --force.",
        )
    clear(folder)
    with replaced_atomically(folder / RUN_FILE) as beside:
        beside.write_text(json.dumps(asdict(run), indent=2) + "\n", encoding="utf-8")


def check_identity(run: Run, identity: Mapping[str, str], name: str) -> None:
    """Raise TrainingError when pairs, base model or chat template are not those the training was started with."""
    changed = [what for what, digest in identity.items() if run.identity.get(what) != digest]
    if changed:
        raise TrainingError(
            f"The training of '{name}' cannot go on: {' and '.join(changed)} changed since it was started.",
            "Put back what it was, or start anew with --force.",
        )


def clear(folder: Path) -> None:
    """Delete all that a training keeps; what says that there is one goes first. The lock stays, it is held."""
    (folder / RUN_FILE).unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.name != _LOCK_FILE and path.is_file():
            path.unlink()


def _read(file: Path) -> Run:
    try:
        return Run(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise TrainingError(f"{file} is damaged: {error}.", "Start the training anew with --force.") from None
