"""What a training tells while it runs: a bar on a terminal, a line at each validation, metrics, plots, a tracker."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.errors import ConfigError
from assistant.work.progress import Bar, note, progress_bar
from train.checkpoints import State
from train.config import TrainSettings
from train.curves import Curves, Record
from train.schedule import Schedule
from train.validation_answers import Answered

if TYPE_CHECKING:
    from accelerate import Accelerator


class Watch:
    """Tells the course of one run; silent in all processes but the first."""

    def __init__(self, folder: Path, schedule: Schedule, accelerator: "Accelerator", bar: Bar, state: State) -> None:
        self._schedule = schedule
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
                "epoch": round(state.step / self._schedule.epoch, 3),
                "loss": state.losses[-1],
                "learning_rate": rate,
                "gradient_norm": norm,
                "tokens_per_second": round(speed, 1),
            }
        )
        self._bar.advance()
        self._bar.describe(f"loss {state.recent_loss:.3f}{self._validation}, {speed:,.0f} tokens/s")

    def validation(self, state: State, loss: float, answered: Answered | None) -> None:
        """After a validation that gave ``loss`` and answers."""
        usable = f", {answered.usable} usable answers" if answered else ""
        self._validation = f", validation {loss:.3f}{usable}"
        record: Record = {"step": state.step, "validation_loss": loss}
        self._tell(
            record | ({f"{name}_answers": count for name, count in asdict(answered).items()} if answered else {})
        )
        if self._curves:
            total = self._schedule.total
            left = (total - state.step) * (state.seconds - self._began[2])
            minutes = left / max(state.step - self._began[0], 1) / 60
            note(
                f"step {state.step} of {total}: loss {state.recent_loss:.3f}{self._validation}"
                f" (best: step {state.best_step}), {self._speed(state):,.0f} tokens/s, {minutes:.0f} min left"
            )

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
def watching(folder: Path, schedule: Schedule, accelerator: "Accelerator", state: State) -> Iterator[Watch]:
    """A watch with its bar while the block runs."""
    with progress_bar("training", schedule.total, shown=accelerator.is_main_process) as bar:
        bar.advance(state.step)
        yield Watch(folder, schedule, accelerator, bar, state)


def check_tracker(settings: TrainSettings) -> None:
    """Raise ConfigError when the package of ``report_to`` is not installed."""
    from accelerate.tracking import get_available_trackers

    if settings.report_to not in ("none", *map(str, get_available_trackers())):
        raise ConfigError(
            f"report_to={settings.report_to}: the package is not installed.", f"pip install {settings.report_to}"
        )
