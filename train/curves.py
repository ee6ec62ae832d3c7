"""The course of a training on disk: ``metrics.jsonl``, one line a step or validation, and its plot as PNG and SVG.

{"step": 12, "epoch": 0.4, "loss": 1.71, "learning_rate": 0.001, "gradient_norm": 0.9, "tokens_per_second": 643.0}
{"step": 12, "validation_loss": 1.63, "usable_answers": 7, "sane_answers": 12}
"""

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean

from assistant.artifacts.cards import METRICS_FILE
from assistant.workspace import replaced_atomically

_PLOTS = ("loss.png", "loss.svg")

Record = dict[str, float]


class Curves:
    """Metrics of one run. Those of steps behind a checkpoint that is gone back to are dropped."""

    def __init__(self, folder: Path, step: int = 0) -> None:
        """Go on from ``step``; 0 begins anew."""
        self._file = folder / METRICS_FILE
        self._folder = folder
        self.records: list[Record] = [one for one in _read(self._file) if one["step"] <= step] if step else []
        with replaced_atomically(self._file) as beside:
            beside.write_text("".join(map(_line, self.records)), encoding="utf-8")

    def add(self, record: Mapping[str, float]) -> None:
        """Append one line, unless it stands there already: what was told before a crash is told again."""
        if any(one["step"] == record["step"] and one.keys() == record.keys() for one in self.records[-2:]):
            return
        self.records.append(dict(record))
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(_line(record))

    def plot(self, title: str, base_loss: float | None) -> None:
        """Draw the losses so far; ``base_loss`` is the validation loss before training."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.add_subplot()
        steps, losses = self._series("loss")
        axes.plot(steps, losses, color="#b8c4d6", linewidth=1)
        axes.plot(steps, _smoothed(losses), color="#2b5d9b", linewidth=2, label="training")
        validated, validation = self._series("validation_loss")
        if validation:
            axes.plot(validated, validation, color="#c2571a", linewidth=2, marker="o", label="validation")
        if base_loss is not None:
            axes.axhline(base_loss, color="#777777", linestyle=":", label="validation, base model")
        axes.set(xlabel="step", ylabel="loss (nats a token)", title=title)
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


def _smoothed(values: list[float]) -> list[float]:
    """Mean of each value and its neighbours, a twentieth of all to either side."""
    reach = len(values) // 20 + 1
    return [fmean(values[max(place - reach, 0) : place + reach + 1]) for place in range(len(values))]


def _read(file: Path) -> list[Record]:
    """The lines that are whole: a killed process may leave half of the last one."""
    records: list[Record] = []
    if file.exists():
        for line in file.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                records.append(json.loads(line))
    return records


def _line(record: Mapping[str, float]) -> str:
    return json.dumps(dict(record)) + "\n"
