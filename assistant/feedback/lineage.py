"""What became of accepted corrections: the pairs that hold them, the adapters that learnt them, how they were answered.

    found = Lineage(workspace).of(feedback)
    found.pairs       {"claims": "train"}       set of pairs → the split in which it stands there
    found.adapters    ("house",)                those whose pairs, unchanged since, have it to learn from
    found.report      "2026-11-20-cases"        the last one that asked it; found.answered says what came of it

Nothing is kept for it: all is read from pairs, cards and reports as they are.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from assistant.artifacts.cards import adapters_shown, read_card
from assistant.artifacts.evaluations import ROWS_FILE
from assistant.artifacts.pairs import Split, learnt_from_these, read_pairs
from assistant.errors import AdapterError, AssistantError, PairsError
from assistant.feedback.database import Feedback
from assistant.feedback.lessons import TAG
from assistant.text.printing import CITATION
from assistant.workspace import Workspace

# How the id of a correction's case begins, and where: a case comes first in its row, and its id in it.
_MARK, _CASE_BYTES = f'"{TAG}-'.encode(), 100


@dataclass(frozen=True, slots=True)
class Uptake:
    """What became of one correction."""

    pairs: Mapping[str, Split]
    """Set of pairs → the split in which it stands there."""
    adapters: tuple[str, ...]
    """That learnt it."""
    uncertain: tuple[str, ...]
    """Adapters whose set of pairs has changed since: nobody knows whether they learnt it."""
    report: str
    """The last one that asked it as it now reads; empty where none did."""
    answered: Mapping[str, str]
    """System → ``usable``, ``partly``, ``hedged``, ``refused`` or ``misleading`` there."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A correction as a case of a report."""

    answers: tuple[str, ...]
    unanswerable: bool
    outcomes: Mapping[str, str]


class Lineage:
    """The pairs, adapters and reports of a workspace as they are when it is made."""

    def __init__(self, workspace: Workspace) -> None:
        self._sets = {
            file.stem: _corrections_in(file, file.stat().st_mtime_ns)
            for file in sorted(workspace.pairs.glob("*.jsonl"))
            if workspace.shows("pairs", file.stem)
        }
        # Adapter → its sets of pairs, and whether they are those that it learnt from.
        self._learners: dict[str, tuple[frozenset[str], bool]] = {}
        for name in adapters_shown(workspace):
            with suppress(AdapterError):
                card = read_card(workspace.adapters / name)
                is_same = False
                with suppress(AssistantError):
                    is_same = learnt_from_these(card, workspace)
                self._learners[name] = frozenset(card.pair_sets), is_same
        reports = (workspace.root / "reports").glob(f"*/{ROWS_FILE}")
        files = [(file.stat().st_mtime_ns, file) for file in reports if workspace.shows("report", file.parent.name)]
        self._reports = [(file.parent.name, _asked_in(file, stamp)) for stamp, file in sorted(files, reverse=True)]

    def of(self, feedback: Feedback) -> Uptake:
        """What became of one correction."""
        key = feedback.standalone_question.strip(), CITATION.sub("", feedback.wanted).strip()
        held = {name: pairs[key] for name, pairs in self._sets.items() if key in pairs}
        teaching = {name for name, split in held.items() if split == "train"}
        learnt = tuple(name for name, (sets, is_same) in self._learners.items() if is_same and sets & teaching)
        uncertain = tuple(
            name for name, (sets, is_same) in self._learners.items() if not is_same and sets & held.keys()
        )
        for report, asked in self._reports:
            last = asked.get(f"{TAG}-{feedback.id}")
            if last and (last.unanswerable if feedback.wants_refusal else feedback.wanted in last.answers):
                return Uptake(held, learnt, uncertain, report, last.outcomes)
        return Uptake(held, learnt, uncertain, "", {})


@lru_cache(maxsize=64)
def _corrections_in(file: Path, _stamp: int) -> Mapping[tuple[str, str], Split]:
    """The corrections in a set of pairs: (question, response without markers) → split; none in one that cannot be
    read."""
    with suppress(PairsError):
        own = (one for one in read_pairs(file) if one.source == "feedback")
        return {(one.instruction, CITATION.sub("", one.response)): one.split for one in own}
    return {}


@lru_cache(maxsize=256)
def _asked_in(file: Path, _stamp: int) -> Mapping[str, _Asked]:
    """The corrections that a report asked, by the id of their case; none in one that cannot be read."""
    asked = {}
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError), file.open("rb") as stream:
        for line in stream:
            if _MARK in line[:_CASE_BYTES]:
                row = json.loads(line)
                case = row["case"]
                outcomes = {str(system): str(answer["outcome"]) for system, answer in row["answers"].items()}
                asked[str(case["id"])] = _Asked(tuple(case["answers"]), bool(case["unanswerable"]), outcomes)
    return asked
