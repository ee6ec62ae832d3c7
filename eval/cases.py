"""Evaluation cases: a question with its gold answers and gold spans, or marked unanswerable.

One JSON object a line. Gold is given by span (document with character offsets, or with a quote), not by chunk, so
that scores survive another way of cutting. ``gold`` is a list of groups: every group has to be covered, any one of
its spans covers it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from assistant.errors import UsageError
from assistant.jsonlines import parsed
from assistant.types import Message


@dataclass(frozen=True, slots=True)
class GoldSpan:
    """Where an answer stands: in a document, by a quote of it or by character offsets, perhaps on a known page."""

    document: str
    quote: str = ""
    page: int | None = None
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One question to evaluate with."""

    id: Annotated[str, Field(min_length=1)]
    question: Annotated[str, Field(min_length=1)]
    answers: tuple[str, ...] = ()
    must_include: tuple[tuple[str, ...], ...] = ()
    gold: tuple[tuple[GoldSpan, ...], ...] = ()
    unanswerable: bool = False
    kind: str = ""
    language: str = "en"
    tags: tuple[str, ...] = ()
    history: tuple[Message, ...] = ()
    standalone_question: str = ""

    @property
    def documents(self) -> frozenset[str]:
        """All documents that a gold span stands in."""
        return frozenset(span.document for group in self.gold for span in group)


_CASE = TypeAdapter(Case)


def read_cases(file: Path) -> list[Case]:
    """All cases of a JSONL file. Raises UsageError that names the first line that cannot be used."""
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}.", "It has to be a UTF-8 file of JSON lines.") from None
    cases: dict[str, Case] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        case = _parsed(line, f"{file}, line {number}")
        if case.id in cases:
            raise UsageError(f"{file}, line {number}: the id '{case.id}' stands there twice.", "Give it another one.")
        cases[case.id] = case
    if not cases:
        raise UsageError(f"{file} holds no cases.", "Write one JSON object a line.")
    return list(cases.values())


def _parsed(line: str, place: str) -> Case:
    case = parsed(line, _CASE, place, UsageError)
    if not case.unanswerable and not case.answers:
        raise UsageError(f"{place}: no answers, and not marked unanswerable.", "Add one of the two.")
    return case
