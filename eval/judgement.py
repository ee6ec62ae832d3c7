"""What a judge model says of a run's answers: ``judge.json`` beside the run's other files.

It stands apart because it is an opinion of a model: no gate asks it, and results.json is the same without it. Where
people have rated answers, a report says how far it can be trusted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from assistant.workspace import replaced_atomically
from eval.files import content_of, validated
from eval.metrics.score import Score

JUDGE_FILE = "judge.json"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdicts of one judge."""

    model: str
    """As it was named."""
    verdicts: Mapping[str, Mapping[str, Score]]
    """Case → system → 1 right, .5 partly, 0 wrong; or none, with the reason."""


_JUDGEMENT = TypeAdapter(Judgement)


def write_judgement(run: Path, judgement: Judgement) -> None:
    """Replace the verdicts in a run's folder."""
    with replaced_atomically(run / JUDGE_FILE) as beside:
        beside.write_bytes(_JUDGEMENT.dump_json(judgement, indent=2) + b"\n")


def read_judgement(run: Path) -> Judgement | None:
    """The verdicts in a run's folder; None if no judge was named. Raises UsageError for a damaged file."""
    file = run / JUDGE_FILE
    return validated(_JUDGEMENT, content_of(file), file) if file.exists() else None
