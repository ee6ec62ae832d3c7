"""What a run is to do, made of plain values: the command line fills it in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from assistant.artifacts.pairs import Pair
from assistant.config import Settings
from assistant.workspace import Workspace
from eval.cases import Case
from eval.gate import GateRules
from eval.metrics.style import StyleRule
from eval.results import System


@dataclass(frozen=True, slots=True)
class Plan:
    """Who is asked what, and what the outcome is held against."""

    title: str
    cases: Sequence[Case]
    systems: tuple[System, ...]
    workspace: Workspace
    settings: Settings
    style_rules: Sequence[StyleRule] = ()
    pairs: Mapping[str, Sequence[Pair]] = field(default_factory=dict)
    """Adapter → the pairs that it learnt from, as far as they are still there."""
    changed_pairs: tuple[str, ...] = ()
    """Adapters that learnt from other pairs than these."""
    gate: GateRules | None = None
    baseline: Path | None = None
    """Folder of an earlier run."""
    fresh: bool = False
    """Ask models again, whatever they have said in earlier runs."""
