"""What a training tells while it runs: a bar on a terminal, a line at each validation, metrics, plots, a tracker."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.errors import ConfigError
from assistant.work.progress import Bar, note, progress_bar
from train.checkpoints import State
from train.config import TrainSettings
from train.curves import Curves, Record
from train.phases import Phase

if TYPE_CHECKING:
    from accelerate import Accelerator


class Watch:
    """Tells the course of one run; silent in all processes but the first."""

    def __init__(
        self, folder: Path, phases: Sequence[Phase], accelerator: "Accelerator", bar: Bar, state: State
    ) -> None:
        self._phases = phases
        self._accelerator = accelerator
        self._bar = bar
        self._title = folder.name
        self._curves = Curves(folder, state.step) if accelerator.is_main_process else None
        self._began = state.step, state.row_tokens, state.seconds
        self._validation = ""

    def describe(self, text: str) -> None:
        """What is being done now."""
        self._bar.describe(text)

    def step(self, state: State, rate: float, norm: float) -> None:
        """After an optimiser step; its loss is the last of ``state``."""
        speed = self._speed(state)
        self._tell(
            {
                "step": state.step,
                "epoch": round(state.phase_step / self._phases[state.phase].schedule.epoch, 3),
                "loss": state.losses[-1],
                "learning_rate": rate,
                "gradient_norm": norm,
                "tokens_per_second": round(speed, 1),
            }
        )
        self._bar.advance()
        self._bar.describe(f"loss {state.recent_loss:.3f}{self._validation}, {speed:,.0f} tokens/s")

    def validation(self, state: State, loss: float, metric: str = "validation_loss") -> None:
        """After a validation that gave ``loss``, which is called ``metric``."""
        self._validation = f", {metric.removesuffix('_loss').replace('_', ' ')} {loss:.3f}"
        self._tell({"step": state.step, metric: loss})
        if self._curves:
            total = _steps_in_all(self._phases, state)
            left = (total - state.step) * (state.seconds - self._began[2])
            minutes = left / max(state.step - self._began[0], 1) / 60
            # The best loss is of the phase that goes on; once all are over, another one is measured.
            best = "" if state.phase == len(self._phases) else f" (best {state.best_loss or loss:.3f})"
            note(
                f"step {state.step} of {total}: loss {state.recent_loss:.3f}{self._validation}{best}, "
                f"{self._speed(state):,.0f} tokens/s, {minutes:.0f} min left"
            )

    def skip(self, steps: int) -> None:
        """Steps that are not needed."""
        self._bar.advance(steps)

    def plot(self, state: State) -> None:
        """Draw the curves so far."""
        if self._curves:
            self._curves.plot(self._title, state.base_loss)

    def _speed(self, state: State) -> float:
        """Tokens of rows a second in this process's life, validation included."""
        return (state.row_tokens - self._began[1]) / max(state.seconds - self._began[2], 1e-9)

    def _tell(self, record: Record) -> None:
        self._accelerator.log(dict(record), step=int(record["step"]))
        if self._curves:
            self._curves.add(record)


@contextmanager
def watching(folder: Path, phases: Sequence[Phase], accelerator: "Accelerator", state: State) -> Iterator[Watch]:
    """A watch with its bar while the block runs."""
    total = sum(phase.schedule.total for phase in phases)
    with progress_bar("training", total, shown=accelerator.is_main_process) as bar:
        bar.advance(total - (_steps_in_all(phases, state) - state.step))
        yield Watch(folder, phases, accelerator, bar, state)


def _steps_in_all(phases: Sequence[Phase], state: State) -> int:
    """Those that were done before this phase, which may have stopped early, and all that are left."""
    return state.phase_start + sum(phase.schedule.total for phase in phases[state.phase :])


def check_tracker(settings: TrainSettings) -> None:
    """Raise ConfigError when the package of ``report_to`` is not installed."""
    from accelerate.tracking import get_available_trackers

    if settings.report_to not in ("none", *map(str, get_available_trackers())):
        raise ConfigError(
            f"report_to={settings.report_to}: the package is not installed.", f"pip install {settings.report_to}"
        )
