"""How far *usable* and *misleading* follow a reader: answers that were rated before the metric saw them.

    python -m bench.usable --workspace FOLDER [--corpus sample]

``data/sample/usable.jsonl`` carries the texts of answers and passages, so that the metric can be computed on them at
any time, whatever models say today. Half of it was looked at when the metric was defined (``part`` ``seen``), the other
half (``unseen``) was not.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click
from pydantic import TypeAdapter

from assistant.artifacts.row_files import parsed
from assistant.errors import UsageError
from bench.ratings import SAMPLE, GivenAnswer, answer_of, judging
from eval.cases import Case, json_lines
from eval.metrics.usable import OUTCOMES, Outcome, outcome_of
from eval.running.scoring import ScoringContext, scores_of
from eval.statistics import Interval, cohen_kappa, value_of, weighted_interval

RATED_SET = SAMPLE / "usable.jsonl"
PARTS = ("seen", "unseen")
_ASKED: tuple[Outcome, ...] = ("usable", "misleading")


@dataclass(frozen=True)
class RatedUse(GivenAnswer):
    """One line of the set."""

    model: str
    """That spoke; empty for ``extractive``."""
    rating: Outcome
    reason: str
    part: Literal["seen", "unseen"]


@dataclass(frozen=True)
class Told:
    """What the metric says of an answer beside what the reader said."""

    one: RatedUse
    metric: Outcome
    cluster: str


@dataclass(frozen=True)
class Agreement:
    """How metric and reader agree in one yes-or-no question."""

    kappa: float | None
    bounds: Interval | None
    same: int
    n: int


_LINE = TypeAdapter(RatedUse)


def read_uses(file: Path = RATED_SET) -> list[RatedUse]:
    """The set. Raises UsageError that names the first line that cannot be used."""
    return [parsed(line, _LINE, place, UsageError) for line, place in json_lines(file)]


def told(answers: Iterable[RatedUse], cases: Iterable[Case], judges: ScoringContext) -> Iterator[Told]:
    """Each answer with its outcome of today."""
    known = {case.id: case for case in cases}
    for one in answers:
        case = known[one.question]
        answer = answer_of(one, case)
        yield Told(one, outcome_of(case, answer, scores_of(case, answer, judges)), case.cluster)


def agreement(some: Sequence[Told], outcome: Outcome) -> Agreement:
    """How reader and metric agree in whether an answer has an outcome: Cohen's kappa, 95 % interval over documents."""
    reader, metric = [one.one.rating == outcome for one in some], [one.metric == outcome for one in some]
    kappa = cohen_kappa(reader, metric)
    same = sum(one == other for one, other in zip(reader, metric, strict=True))
    bounds = weighted_interval(kappa, [one.cluster for one in some])
    return Agreement(value_of(kappa, len(some)), bounds, same, len(some))


def lines_of(some: Sequence[Told]) -> Iterator[str]:
    """The table of readings, kappa by part, and every answer that the two see differently."""
    pairs = Counter((one.one.rating, one.metric) for one in some)
    yield "reader \\ metric  " + " ".join(f"{outcome:>10}" for outcome in OUTCOMES)
    for rating in OUTCOMES:
        yield f"{rating:15} " + " ".join(f"{pairs[rating, outcome]:10}" for outcome in OUTCOMES)
    for part in PARTS:
        of_part = [one for one in some if one.one.part == part]
        for outcome in _ASKED:
            yield f"{part:7} {outcome:10} {_figure(agreement(of_part, outcome))}"
    for one in some:
        if one.one.rating != one.metric:
            given = one.one
            yield f"{given.part} {given.question} {given.system} {given.model}: {given.rating} read, {one.metric} told"


def _figure(found: Agreement) -> str:
    if found.kappa is None or found.bounds is None:
        return f"does not vary enough, n = {found.n}"
    low, high = found.bounds
    return f"kappa {found.kappa:.2f} [{low:.2f}, {high:.2f}], {found.same} of {found.n} the same"


@click.command()
@click.option("--workspace", type=click.Path(path_type=Path), required=True)
@click.option("--corpus", default="sample", show_default=True)
def main(workspace: Path, corpus: str) -> None:
    """Hold the outcome of rated answers against what a reader said of them."""
    answers = read_uses()
    with judging(answers, workspace, corpus) as (cases, judges):
        for line in lines_of(list(told(answers, cases, judges))):
            click.echo(line)


if __name__ == "__main__":
    main()
