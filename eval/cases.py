"""Evaluation cases: a question with its gold answers and gold spans, or marked unanswerable.

One JSON object a line. Gold is given by span (document with character offsets, or with a quote), not by chunk, so
that scores survive another way of cutting. ``gold`` is a list of groups: every group has to be met, any one of its
spans meets it.

    {"id": "s-001", "question": "What do I pay myself per claim?", "answers": ["€150"],
     "must_include": [["€150", "150 euros"]], "gold": [[{"document": "policy.pdf", "page": 8, "quote": "you bear …"}]]}

``eval.readers`` reads other formats.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from assistant.artifacts.row_files import parsed
from assistant.errors import UsageError
from assistant.types import Message
from eval.matching import folded


@dataclass(frozen=True, slots=True)
class GoldSpan:
    """Where an answer stands: in a document, by a quote of it or by character offsets, perhaps on a known page.

    Without quote and offsets it is the whole page, and without a page the whole document.
    """

    document: Annotated[str, Field(min_length=1)]
    quote: str = ""
    page: Annotated[int, Field(ge=1)] | None = None
    start: Annotated[int, Field(ge=0)] | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One question to evaluate with."""

    id: Annotated[str, Field(min_length=1)]
    question: Annotated[str, Field(min_length=1)]
    answers: tuple[str, ...] = ()
    must_include: tuple[tuple[str, ...], ...] = ()
    """Facts that a right answer states, each with its aliases."""
    gold: tuple[tuple[GoldSpan, ...], ...] = ()
    unanswerable: bool = False
    kind: str = ""
    language: str = "en"
    tags: tuple[str, ...] = ()
    history: tuple[Message, ...] = ()
    standalone_question: str = ""
    must_not_include: tuple[tuple[str, ...], ...] = ()
    """Facts that make an answer wrong, as those of an older edition."""

    @property
    def kind_named(self) -> str:
        """Its kind, with a name for having none."""
        return self.kind or "unnamed"

    @property
    def documents(self) -> frozenset[str]:
        """All documents that a gold span stands in."""
        return frozenset(span.document for group in self.gold for span in group)

    @property
    def cluster(self) -> str:
        """What the question is about, for statistics: the document named first; a question about none is alone."""
        return self.gold[0][0].document if self.gold else f"case {self.id}"


_CASE = TypeAdapter(Case)


def read_cases(file: Path) -> list[Case]:
    """All cases of a JSONL file. Raises UsageError that names the first line that cannot be used."""
    return collected(
        ((parsed(line, _CASE, place, UsageError), place) for line, place in json_lines(file)),
        file,
    )


def json_lines(file: Path) -> Iterable[tuple[str, str]]:
    """The lines of a file that are not blank, each with its place for messages. Raises UsageError."""
    # Not splitlines(): it also cuts at characters that may stand inside of a JSON string.
    for number, line in enumerate(read_text(file).split("\n"), 1):
        if line.strip():
            yield line, f"{file}, line {number}"


def read_text(file: Path) -> str:
    """The text of a UTF-8 file. Raises UsageError."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.", "Check the path and its rights.") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} cannot be read: {error}.", "It has to be a UTF-8 file.") from None


def case_of(row: Mapping[str, object], place: str) -> Case:
    """A case made of the values of a row in another format. Raises UsageError that names the place."""
    return parsed(json.dumps(row), _CASE, place, UsageError)


def collected(cases: Iterable[tuple[Case, str]], source: Path) -> list[Case]:
    """Cases, each checked and with an id of its own. Raises UsageError that names the first place that is wrong."""
    found: dict[str, Case] = {}
    for case, place in cases:
        if problem := next((problem for problem, is_there in _problems(case).items() if is_there), ""):
            raise UsageError(f"{place}: {problem}.", "Mend it or delete it.")
        if case.id in found:
            raise UsageError(f"{place}: the id '{case.id}' stands there twice.", "Give it another one.")
        found[case.id] = case
    if not found:
        raise UsageError(f"{source} holds no cases.", "Write one JSON object a line.")
    return list(found.values())


def _problems(case: Case) -> dict[str, bool]:
    """What would make a score wrong without anybody noticing, and whether it is there."""
    spans = [span for group in case.gold for span in group]
    quotes = [span.quote for span in spans if span.quote]
    every = (*case.must_include, *case.must_not_include)
    facts = [alias for aliases in every for alias in aliases]
    has_gold = bool(case.answers or every or case.gold)
    return {
        "it is marked unanswerable and has answers or gold": case.unanswerable and has_gold,
        "no answers and no gold, and not marked unanswerable": not (case.unanswerable or case.answers or case.gold),
        "a gold group or a fact is empty": not (all(case.gold) and all(every)),
        "an answer, a fact or a quote has no letter or digit": not all(map(folded, [*case.answers, *facts, *quotes])),
        "a gold span has only one of start and end": any((span.start is None) != (span.end is None) for span in spans),
        "a gold span does not end behind its start": any(
            (span.start or 0) >= span.end for span in spans if span.end is not None
        ),
    }
