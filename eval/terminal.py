"""The outcome of a run as lines for a terminal: the decision, the primary metrics, what changes them, and the gate."""

from collections.abc import Iterable, Iterator, Sequence

from assistant.artifacts.evaluation import Effect, Gate, Mean
from eval.report.decision import decision_of
from eval.report.names import formula_of, typeset
from eval.report.wording import NOTHING, number, signed
from eval.results import Results

_SHOWN = {"pass": "passed", "warn": "passed, with a warning", "fail": "FAILED", "thin": "too little evidence"}


def result_lines(results: Results) -> Iterator[str]:
    """May it be used, and what for; means by system, effects on the headline, and the gate."""
    decision = decision_of(results)
    yield decision.use
    if decision.what_for:
        yield decision.what_for
    yield " · ".join(count.words for count in decision.counts)
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
        yield f"  {_SHOWN[light.status]:22} {light.metric}: {typeset(light.reason)}"
    yield gate.verdict
    if gate.regressed or gate.mended:
        yield f"Usable then and not now: {len(gate.regressed)}; usable now and not then: {len(gate.mended)}."
    if gate.changed:
        yield f"Differs from the baseline in: {', '.join(gate.changed)}."


def effect_lines(effects: Iterable[Effect]) -> Iterator[str]:
    """What each comparison found, with its interval, which alone decides."""
    for effect in effects:
        found = mean_text(effect.difference.mean, is_difference=True)
        yield f"{effect.name}: {formula_of(effect.formula)} in {effect.metric}: {found}, {effect.verdict}"


def mean_text(mean: Mean, *, is_difference: bool = False) -> str:
    """``0.612 [0.551, 0.672] n 208``: a mean, its interval, the questions that it is of; ``–`` where there is none."""
    if mean.value is None:
        return NOTHING
    write = signed if is_difference else number
    bounds = "" if mean.low is None else f" [{write(mean.low, 3)}, {write(mean.high, 3)}]"
    return f"{write(mean.value, 3)}{bounds} n {mean.scored}"


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
