"""A training on disk, in ``adapters/.runs/NAME``: how it was started, and one safetensors file, whole or not there.

    run.json                   settings, and what has to be the same for it to go on
    checkpoint.safetensors     weights that are trained, moments of AdamW, and in its header the State as JSON
    best-000120.safetensors    the trained weights with the best validation, named in the State
    metrics.jsonl, loss.*      see train.watch

The checkpoint is the one source of truth. A file of best weights is written before the checkpoint that names it, and
deleted after one that names another, so that a process killed at any instant leaves a pair that fits. What is random
follows from seed and step, and the learning rate from the step: neither needs saving. The folder is emptied when the
adapter is saved; its name is none that an adapter can have.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from assistant.artifacts.cards import RUN_FILE, run_folder, unfinished_runs
from assistant.config.train_settings import TrainSettings
from assistant.errors import ConfigError, TrainingError
from assistant.workspace import Workspace, replaced_atomically
from train.model import part_of
from train.run_file import validated

if TYPE_CHECKING:
    import torch

CHECKPOINT_FILE = "checkpoint.safetensors"
TRL_FOLDER = "trl"
"""Where TRL keeps checkpoints of its own, for ``trainer=trl``."""
# Steps over which losses are averaged before they are shown or compared.
WINDOW = 10
_BEST = "best-*.safetensors"
Named = Sequence[tuple[str, "torch.nn.Parameter"]]
_LOCK_FILE = ".lock"


@dataclass
class State:
    """How far a training has come. Losses are means over tokens, in nats."""

    step: int = 0
    tokens: int = 0
    """Computed, by all processes: shared prefixes once, padding not."""
    busiest_tokens: int = 0
    """Of these, by the process that had most of them in each step, for which the others wait."""
    row_tokens: int = 0
    """Of all rows seen, each counted whole."""
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    """Of each step."""
    base_loss: float | None = None
    """On what is validated on, before anything was trained."""
    base_sane: int = 0
    """Answers that were not degenerate before anything was trained."""
    best_score: list[float] | None = None
    """Of the best weights: what weights are compared by, the more the better, first things first."""
    best_loss: float | None = None
    """Of the same, on what is validated on."""
    best_step: int = 0
    """When that was; 0 where there are none."""
    best_train_loss: float | None = None
    """Of the steps before the best validation."""
    stale: int = 0
    """Validations since the best one."""
    scaler: dict[str, float] = field(default_factory=dict)
    """Of a training in float16: by what losses are multiplied, and for how many steps they have been."""
    has_ended: bool = False
    """Whether the weights are the best ones, and only have to be saved."""

    @property
    def recent_loss(self) -> float:
        """Mean over the last steps."""
        return fmean(self.losses[-WINDOW:])


def save(
    folder: Path, weights: Named, optimizer: "torch.optim.Optimizer", state: State, is_main_process: bool = True
) -> None:
    """Replace the checkpoint. Raises TrainingError when the disk is full; the one before stays.

    All processes call it together, for what is sharded is gathered; the main one writes.
    """
    import torch

    tensors: dict[str, torch.Tensor] = {f"weights/{name}": weight for name, weight in weights}
    of_optimizer = [weight for group in optimizer.param_groups for weight in group["params"]]
    for number, weight in enumerate(of_optimizer):
        for name, moment in optimizer.state.get(weight, {}).items():
            # Of moments in 8 bits, one table is in all states, which safetensors would refuse.
            is_table = name.startswith("qmap")
            tensors[f"optimizer/{number}/{name}"] = moment.clone() if is_table else torch.as_tensor(moment)
    tensors = gathered(tensors, is_main_process)
    if not is_main_process:
        return
    _write(folder / CHECKPOINT_FILE, tensors, {"state": json.dumps(asdict(state))})
    for old in folder.glob(_BEST):
        if old != best_file(folder, state.best_step):
            old.unlink()


def restore(folder: Path, weights: Named, optimizer: "torch.optim.Optimizer") -> State:
    """Put weights and optimizer back to the checkpoint, and return its state. Raises TrainingError."""
    import torch

    tensors, metadata = _read(folder / CHECKPOINT_FILE)
    put_weights(
        weights, {name.removeprefix("weights/"): t for name, t in tensors.items() if name.startswith("weights/")}
    )
    of_optimizer = [weight for group in optimizer.param_groups for weight in group["params"]]
    moments: dict[int, dict[str, Any]] = {}
    for key, tensor in tensors.items():
        kind, _, rest = key.partition("/")
        if kind == "optimizer":
            number, _, name = rest.partition("/")
            # bitsandbytes counts steps in a number of Python.
            moment = int(tensor) if tensor.dtype == torch.int64 else part_of(tensor, of_optimizer[int(number)])
            moments.setdefault(int(number), {})[name] = moment
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
    return _state_of(folder / CHECKPOINT_FILE, metadata)


def read_state(folder: Path) -> State | None:
    """The state of the checkpoint in ``folder`` alone; None where there is none. Raises TrainingError."""
    from safetensors import SafetensorError, safe_open

    file = folder / CHECKPOINT_FILE
    if not file.exists():
        return None
    try:
        with safe_open(file, "pt") as stream:
            return _state_of(file, stream.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise _damaged(file, error) from error


def best_file(folder: Path, step: int) -> Path:
    """Where the weights of the best validation are."""
    return folder / f"best-{step:06}.safetensors"


def save_weights(file: Path, weights: Named, is_main_process: bool = True) -> None:
    """Write weights alone, as ``save`` does. Raises TrainingError when the disk is full."""
    tensors = gathered(dict(weights), is_main_process)
    if is_main_process:
        _write(file, tensors, {})


def gathered(tensors: "Mapping[str, torch.Tensor]", is_main_process: bool) -> "dict[str, torch.Tensor]":
    """Tensors whole; of what is sharded, the main process alone has any, in the machine's memory.

    All processes call it together.
    """
    from torch.distributed.tensor import DTensor

    found = {}
    for name, tensor in tensors.items():
        whole = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        if is_main_process:
            found[name] = whole.cpu() if isinstance(tensor, DTensor) else whole
    return found


def restore_weights(file: Path, weights: Named) -> None:
    """Put weights back to those of ``file``. Raises TrainingError."""
    put_weights(weights, _read(file)[0])


def _state_of(file: Path, metadata: Mapping[str, str]) -> State:
    try:
        return State(**json.loads(metadata["state"]))
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(file, error) from error


def put_weights(weights: Named, tensors: "Mapping[str, torch.Tensor]") -> None:
    """Put weights to those of whole ``tensors``, by name."""
    import torch

    with torch.no_grad():
        for name, weight in weights:
            weight.copy_(part_of(tensors[name], weight))


def _write(file: Path, tensors: dict[str, Any], metadata: dict[str, str]) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        with replaced_atomically(file) as beside:
            save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, beside, metadata)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise TrainingError(
            f"{file} cannot be written: {reason}.", "Free space, then go on with --resume from the checkpoint before."
        ) from error


def _read(file: Path) -> tuple[dict[str, Any], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "pt") as stream:
            return {name: stream.get_tensor(name) for name in stream.keys()}, stream.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise _damaged(file, error) from error


def _damaged(file: Path, error: BaseException) -> TrainingError:
    reason = " ".join(str(error).split())
    return TrainingError(f"{file} is damaged: {reason}.", "Start the training anew with --force.")


@dataclass(frozen=True, slots=True)
class UnfinishedRun:
    """An unfinished training as it was started."""

    settings: dict[str, Any]
    identity: dict[str, str]
    force: bool
    """Whether it may replace an adapter of its name."""


def unfinished(workspace: Workspace, values: Mapping[str, Any]) -> tuple[TrainSettings, UnfinishedRun]:
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
    file = run_folder(workspace, name) / RUN_FILE
    try:
        run = UnfinishedRun(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise TrainingError(f"{file} is damaged: {error}.", "Start the training anew with --force.") from None
    settings = validated(run.settings)
    for key in values:
        was, now = getattr(settings, key), getattr(asked, key)
        if was != now:
            raise ConfigError(
                f"The training of '{name}' was started with {key}={was}, not {key}={now}.",
                f"Leave {key} out, or start anew with --force.",
            )
    return settings, run


def begin(folder: Path, run: UnfinishedRun) -> None:
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


def check_identity(run: UnfinishedRun, identity: Mapping[str, str], name: str) -> None:
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
    shutil.rmtree(folder / TRL_FOLDER, ignore_errors=True)
    for path in folder.iterdir():
        if path.name != _LOCK_FILE and path.is_file():
            path.unlink()
