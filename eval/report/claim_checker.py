"""How well the claim checker behind the grounding metrics was measured: figures that ``bench.support --write`` keeps.

On sentences that a script corrupted, which flatters it, and on sentences that people wrote, which are few.
"""

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

CHECKER_FILE = Path(__file__).parent / "claim_checker.json"


@dataclass(frozen=True, slots=True)
class Rate:
    """A share with its 95 % interval over documents."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class CheckerFigures:
    """How it judges sentences of which somebody knows whether a passage supports them."""

    accepted: Rate
    """Of the supported ones, those that it accepts."""
    rejected: Rate
    """Of the others, those that it rejects."""


@dataclass(frozen=True, slots=True)
class CheckerReport:
    """Both sets, as of a day."""

    date: str
    corrupted: CheckerFigures
    handwritten: CheckerFigures
    even: CheckerFigures
    """The handwritten ones, with every word counting the same: needs no corpus, so that a test can compare."""


_REPORT = TypeAdapter(CheckerReport)


def read_checker_report() -> CheckerReport:
    """The figures that came with the program."""
    return _REPORT.validate_json(CHECKER_FILE.read_bytes())


def write_checker_report(report: CheckerReport) -> None:
    """Keep new ones."""
    CHECKER_FILE.write_bytes(_REPORT.dump_json(report, indent=2) + b"\n")
