"""What an adapter scored in its last evaluation: a small file beside its card, gone when the adapter is replaced.

adapters/NAME/scores.json
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from assistant.workspace import replaced_atomically

SCORES_FILE = "scores.json"


@dataclass(frozen=True, slots=True)
class AdapterScores:
    """Means of one evaluation."""

    report: str
    """Name of the report's folder."""
    cases: int
    system: str
    """What was asked: ``NAME+rag``, else ``NAME``."""
    adapter_hash: str
    means: Mapping[str, tuple[float, float | None, float | None]]
    """Metric → mean and its 95 % interval."""


_SCORES = TypeAdapter(AdapterScores)


def write_scores(folder: Path, scores: AdapterScores) -> None:
    """Replace the scores in an adapter's folder."""
    with replaced_atomically(folder / SCORES_FILE) as beside:
        beside.write_bytes(_SCORES.dump_json(scores, indent=2) + b"\n")


def read_scores(folder: Path) -> AdapterScores | None:
    """The scores in an adapter's folder; None if it was not evaluated, or the file is damaged: it is only a note."""
    try:
        return _SCORES.validate_json((folder / SCORES_FILE).read_bytes())
    except (OSError, ValidationError):
        return None
