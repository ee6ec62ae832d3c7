"""The outcome of a run as lines for a terminal: the primary metrics, what changes them, and the gate."""

from collections.abc import Iterable, Iterator, Sequence

from eval.comparison import Mean
from eval.results import Effect, Gate, Results

_SHOWN = {"pass": "passed", "warn": "passed, with a warning", "fail": "FAILED", "thin": "too little evidence"}


def result_lines(results: Results) -> Iterator[str]:
    """Means by system, effects on the headline, and the gate."""
    rows = [["system", *results.primary]]
    for system in results.systems:
        rows.append([system.name, *(mean_text(results.means[system.name][metric]) for metric in results.primary)])
    yield from _table(rows)
    headline = results.primary[0]
    yield from effect_lines(effect for effect in results.effects if effect.metric == headline)
    yield from gate_lines(results.gate)


def gate_lines(gate: Gate) -> Iterator[str]:
    """The verdict, and why, a line a metric."""
    for light in gate.lights:
        yield f"  {_SHOWN[light.status]:22} {light.metric}: {light.reason}"
    yield gate.verdict
    if gate.regressed or gate.mended:
        yield f"Right then and wrong now: {len(gate.regressed)}; wrong then and right now: {len(gate.mended)}."
    if gate.changed:
        yield f"Differs from the baseline in: {', '.join(gate.changed)}."


def effect_lines(effects: Iterable[Effect]) -> Iterator[str]:
    """What each comparison found, with its interval."""
    for effect in effects:
        mean = effect.difference.mean
        yield f"{effect.name}: {effect.formula} in {effect.metric}: {mean_text(mean, signed=True)}, {effect.verdict}"


def mean_text(mean: Mean, *, signed: bool = False) -> str:
    """A mean with its interval, as in ``.61 [.55, .67]``; ``-`` where nothing was scored."""
    if mean.value is None:
        return "-"
    sign = "+" if signed else ""
    value = f"{mean.value:{sign}.3f}"
    return value if mean.low is None or mean.high is None else f"{value} [{mean.low:{sign}.3f}, {mean.high:{sign}.3f}]"


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
