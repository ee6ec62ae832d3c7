"""What an evaluation leaves for others than itself: the names of its files, and what comes of a comparison.

``eval.results`` has the rest of the files, which only reports are drawn from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

RESULTS_FILE = "results.json"
ROWS_FILE = "per_question.jsonl"
COSTS_FILE = "costs.json"
REPORT_FILE = "report.html"

FEWEST_QUESTIONS = 30
"""Fewer are an anecdote."""

Verdict = Literal["higher", "lower", "same", "too thin to tell", "anecdote"]
Status = Literal["pass", "warn", "fail", "thin"]


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over questions, with its 95 % interval; None where nothing was scored, or too few documents were."""

    value: float | None
    low: float | None
    high: float | None
    scored: int
    n: int
    documents: int
    reasons: Mapping[str, int]
    """Why questions have no value, and how many."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean difference of systems over the questions that all of them have a value for."""

    mean: Mean
    p: float | None
    """Of the sign-flip test, not adjusted."""
    detectable: float | None
    """The smallest true difference that so many questions show four times out of five."""

    def verdict(self, margin: float) -> Verdict:
        """What the interval says; ``margin`` is the difference that nobody would mind."""
        mean = self.mean
        if mean.scored < FEWEST_QUESTIONS:
            return "anecdote"
        if mean.low is None or mean.high is None:
            return "too thin to tell"
        if mean.low > 0:
            return "higher"
        if mean.high < 0:
            return "lower"
        return "same" if -margin < mean.low and mean.high < margin else "too thin to tell"


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change of the system does to a metric."""

    name: str
    """``retrieval``, ``adapter``, ``interaction``, ``perfect retrieval``, ``distraction``, ``model``, ``baseline``."""
    formula: str
    """As in ``base+rag - base``."""
    metric: str
    difference: Difference
    verdict: str
    """``higher``, ``lower``, ``same``, ``too thin to tell`` or ``anecdote``: of the number, not of its worth."""
    margin: float
    p_adjusted: float | None = None
    """Holm's, over the primary metrics of this comparison; None for others."""


@dataclass(frozen=True, slots=True)
class Light:
    """What the gate says about one metric, or about gold that has gone from the corpus (``gold_in_corpus``)."""

    metric: str
    status: Status
    reason: str
    """In words, with the numbers."""
    value: float | None
    floor: float | None
    margin: float
    difference: Difference | None = None
    """To the baseline; None without one."""


@dataclass(frozen=True, slots=True)
class Gate:
    """The outcome of a run: terminal, report and exit status all say what stands here."""

    system: str
    """The one that is judged."""
    baseline: str
    """Name of the report that it was compared with; empty without one."""
    baseline_system: str
    status: Status
    exit_status: int
    """0 passed, 3 regression, 4 too little evidence."""
    verdict: str
    """In plain words."""
    lights: tuple[Light, ...]
    changed: tuple[str, ...] = ()
    """Parts of the identity that differ from the baseline's."""
    regressed: tuple[str, ...] = ()
    """Cases with a usable answer in the baseline and none in this run."""
    mended: tuple[str, ...] = ()
    """The other way round."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the gate says to a run, and its differences to the baseline, if it was held against one: what
    ``assistant eval compare --json`` prints."""

    gate: Gate
    effects: tuple[Effect, ...] = ()
