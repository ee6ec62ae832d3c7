"""The state of a training on disk: one safetensors file, whole or not there.

    checkpoint.safetensors     weights that are trained, moments of AdamW, and in its header the State as JSON
    best-000120.safetensors    the trained weights with the best validation, named in the State

The checkpoint is the one source of truth. A file of best weights is written before the checkpoint that names it, and
deleted after one that names another, so that a process killed at any instant leaves a pair that fits. What is random
follows from seed and step, and the learning rate from the step: neither needs saving.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from assistant.errors import TrainingError
from assistant.workspace import replaced_atomically

if TYPE_CHECKING:
    import torch

CHECKPOINT_FILE = "checkpoint.safetensors"
# Steps over which losses are averaged before they are shown or compared.
WINDOW = 10
_BEST = "best-*.safetensors"

Named = Sequence[tuple[str, "torch.nn.Parameter"]]


@dataclass
class State:
    """How far a training has come. Losses are means over tokens, in nats."""

    step: int = 0
    tokens: int = 0
    """Computed: shared prefixes once, padding not."""
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
    has_ended: bool = False
    """Whether the weights are the best ones, and only have to be saved."""

    @property
    def recent_loss(self) -> float:
        """Mean over the last steps."""
        return fmean(self.losses[-WINDOW:])


def save(folder: Path, weights: Named, optimizer: "torch.optim.Optimizer", state: State) -> None:
    """Replace the checkpoint. Raises TrainingError when the disk is full; the one before stays."""
    tensors = {f"weights/{name}": weight for name, weight in weights}
    for number, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{number}/{name}": moment for name, moment in moments.items()}
    _write(folder / CHECKPOINT_FILE, tensors, {"state": json.dumps(asdict(state))})
    for old in folder.glob(_BEST):
        if old != best_file(folder, state.best_step):
            old.unlink()


def restore(folder: Path, weights: Named, optimizer: "torch.optim.Optimizer") -> State:
    """Put weights and optimizer back to the checkpoint, and return its state. Raises TrainingError."""
    tensors, metadata = _read(folder / CHECKPOINT_FILE)
    _put(weights, {name.removeprefix("weights/"): t for name, t in tensors.items() if name.startswith("weights/")})
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        kind, _, rest = key.partition("/")
        if kind == "optimizer":
            number, _, name = rest.partition("/")
            moments.setdefault(int(number), {})[name] = tensor
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


def save_weights(file: Path, weights: Named) -> None:
    """Write weights alone. Raises TrainingError when the disk is full."""
    _write(file, dict(weights), {})


def restore_weights(file: Path, weights: Named) -> None:
    """Put weights back to those of ``file``. Raises TrainingError."""
    _put(weights, _read(file)[0])


def _state_of(file: Path, metadata: Mapping[str, str]) -> State:
    try:
        return State(**json.loads(metadata["state"]))
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(file, error) from error


def _put(weights: Named, tensors: dict[str, Any]) -> None:
    import torch

    with torch.no_grad():
        for name, weight in weights:
            weight.copy_(tensors[name])


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
