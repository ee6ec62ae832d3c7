"""What a training tells while it runs: a bar on a terminal, a line at each validation, metrics, plots, trackers.

``metrics.jsonl`` has one line a step or validation:

{"step": 12, "epoch": 0.4, "loss": 1.71, "learning_rate": 0.001, "gradient_norm": 0.9, "tokens_per_second": 643.0}
{"step": 12, "validation_loss": 1.63, "usable_answers": 7, "sane_answers": 12}

Of several processes the first kind has "balance", too: their mean share of the tokens so far, as a part of the largest.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from assistant.artifacts.cards import METRICS_FILE
from assistant.work.progress import Bar, note, progress_bar
from assistant.work.tracking import Tracker
from assistant.workspace import replaced_atomically
from train.checkpoints import State
from train.plan import Schedule
from train.validation_answers import AnswerCounts

if TYPE_CHECKING:
    from accelerate import Accelerator

_PLOTS = ("loss.png", "loss.svg")
Record = dict[str, float]


class Curves:
    """Metrics of one run. Those of steps behind a checkpoint that is gone back to are dropped."""

    def __init__(self, folder: Path, step: int = 0) -> None:
        """Go on from ``step``; 0 begins anew."""
        self._file = folder / METRICS_FILE
        self._folder = folder
        self.records: list[Record] = []
        if step and self._file.exists():
            lines = self._file.read_text(encoding="utf-8").splitlines(keepends=True)
            # A killed process may leave half of the last line.
            known: Iterable[Record] = (json.loads(line) for line in lines if line.endswith("\n"))
            self.records = [one for one in known if one["step"] <= step]
        with replaced_atomically(self._file) as beside:
            beside.write_text("".join(map(_line, self.records)), encoding="utf-8")

    def add(self, record: Mapping[str, float]) -> None:
        """Append one line, unless it stands there already: what was told before a crash is told again."""
        if any(one["step"] == record["step"] and one.keys() == record.keys() for one in self.records[-2:]):
            return
        self.records.append(dict(record))
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(_line(record))

    def plot(self, title: str, base_loss: float | None, unit: str) -> None:
        """Draw the losses so far, in a unit; ``base_loss`` is the validation loss before training."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.add_subplot()
        steps, losses = self._series("loss")
        axes.plot(steps, losses, color="#b8c4d6", linewidth=1)
        reach = len(losses) // 20 + 1  # a twentieth of all to either side
        smoothed = [fmean(losses[max(place - reach, 0) : place + reach + 1]) for place in range(len(losses))]
        axes.plot(steps, smoothed, color="#2b5d9b", linewidth=2, label="training")
        validated, validation = self._series("validation_loss")
        if validation:
            axes.plot(validated, validation, color="#c2571a", linewidth=2, marker="o", label="validation")
        if base_loss is not None:
            axes.axhline(base_loss, color="#777777", linestyle=":", label="validation, before training")
        axes.set(xlabel="step", ylabel=f"loss ({unit})", title=title)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        for name in _PLOTS:
            with replaced_atomically(self._folder / name) as beside:
                figure.savefig(beside, format=Path(name).suffix[1:], dpi=120)

    def _series(self, key: str) -> tuple[list[float], list[float]]:
        found = [(one["step"], one[key]) for one in self.records if key in one]
        return [step for step, _ in found], [value for _, value in found]


def kept_files(folder: Path) -> tuple[Path, ...]:
    """What of the course of a run is kept with its adapter."""
    return tuple(file for name in (METRICS_FILE, *_PLOTS) if (file := folder / name).exists())


def _line(record: Mapping[str, float]) -> str:
    return json.dumps(dict(record)) + "\n"


class Watch:
    """Tells the course of one run; silent in all processes but the first."""

    def __init__(
        self,
        folder: Path,
        schedule: Schedule,
        accelerator: "Accelerator",
        bar: Bar,
        state: State,
        unit: str,
        trackers: Sequence[Tracker],
    ) -> None:
        self._schedule = schedule
        self._accelerator = accelerator
        self._bar = bar
        self._title = folder.name
        self._unit = unit
        self._trackers = trackers
        self._curves = Curves(folder, state.step) if accelerator.is_main_process else None
        self._began = state.step, state.row_tokens, state.seconds
        self._validation = ""

    def describe(self, text: str) -> None:
        """What is being done now."""
        self._bar.describe(text)

    def step(self, state: State, rate: float, norm: float) -> None:
        """After an optimiser step; its loss is the last of ``state``."""
        speed = self._speed(state)
        processes = self._accelerator.num_processes
        is_known = processes > 1 and state.busiest_tokens  # TRL does not tell
        balance = {"balance": round(state.tokens / (processes * state.busiest_tokens), 3)} if is_known else {}
        self._tell(
            {
                "step": state.step,
                "epoch": round(state.step / self._schedule.epoch, 3),
                "loss": state.losses[-1],
                "learning_rate": rate,
                "gradient_norm": norm,
                "tokens_per_second": round(speed, 1),
            }
            | balance
        )
        self._bar.advance()
        self._bar.describe(f"loss {state.recent_loss:.3f}{self._validation}, {speed:,.0f} tokens/s")

    def validation(self, state: State, loss: float, answered: AnswerCounts | None) -> None:
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
            self._curves.plot(self._title, state.base_loss, self._unit)

    def _speed(self, state: State) -> float:
        """Tokens of rows a second in this process's life, validation included."""
        return (state.row_tokens - self._began[1]) / max(state.seconds - self._began[2], 1e-9)

    def _tell(self, record: Record) -> None:
        if self._curves:
            self._curves.add(record)
        metrics = {key: value for key, value in record.items() if key != "step"}
        for tracker in self._trackers:
            tracker.log(metrics, int(record["step"]))


@contextmanager
def watching(
    folder: Path,
    schedule: Schedule,
    accelerator: "Accelerator",
    state: State,
    unit: str,
    trackers: Sequence[Tracker] = (),
) -> Iterator[Watch]:
    """A watch with its bar while the block runs; losses are in ``unit``."""
    with progress_bar("training", schedule.total, shown=accelerator.is_main_process) as bar:
        bar.advance(state.step)
        yield Watch(folder, schedule, accelerator, bar, state, unit, trackers)
