"""Rows of questions with the text that answers them, as published question-answer sets have them.

    {"id": "va-1", "question": "…", "answers": ["…"], "evidence_doc": "burials/….md", "evidence_text": "…",
     "unanswerable": false}

``evidence_doc`` and ``evidence_text`` may be lists; ``evidence_pages`` says on which pages of a PDF the answer stands,
any of them; ``question_with_doc`` is the question where it is needed to say which document is meant. Texts may be
Markdown. Other keys are not looked at.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field, TypeAdapter

from assistant.artifacts.row_files import parsed
from assistant.errors import UsageError
from assistant.text.words import DEFAULT_LANGUAGE, detect
from eval.cases import Case, GoldSpan, collected, json_lines

# Long evidence is cut into several passages, and any one of them begins it once.
_QUOTE_CHARACTERS = 120
# Targets of links are no words of the text.
_LINK = re.compile(r"!?\[([^\[\]]*)\](?:\([^()]*\)|\[[^\[\]]*\])")
_TAG = re.compile(r"<[^<>]*>")


def _listed(value: object) -> object:
    return [] if value is None else value if isinstance(value, list) else [value]


_Texts = Annotated[list[str], BeforeValidator(_listed)]


class _EvidenceRow(BaseModel):
    id: str = Field(min_length=1)
    question: str = Field(min_length=1)
    question_with_doc: str = ""
    answers: list[str] = []
    evidence_doc: _Texts = []
    evidence_text: _Texts = []
    evidence_pages: Annotated[list[int], BeforeValidator(_listed)] = []
    unanswerable: bool = False
    language: str = ""
    generic_question: bool = False


_EVIDENCE_ROW = TypeAdapter(_EvidenceRow)


def has_evidence_rows(file: Path) -> bool:
    """Whether the first row of a file is of this format."""
    line, _ = next(iter(json_lines(file)), ("", ""))
    try:
        row = json.loads(line) if line else None
    except ValueError:
        return False
    return isinstance(row, dict) and "evidence_doc" in row


def read_evidence_rows(file: Path) -> list[Case]:
    """All cases of a file, in the language that most of its questions are in. Raises UsageError that names the line."""
    rows = [(parsed(line, _EVIDENCE_ROW, place, UsageError), place) for line, place in json_lines(file)]
    language = detect(" ".join(row.question for row, _ in rows)) or DEFAULT_LANGUAGE
    return collected(_cases(rows, language), file)


def _cases(rows: Sequence[tuple[_EvidenceRow, str]], language: str) -> Iterator[tuple[Case, str]]:
    for row, place in rows:
        case = Case(
            row.id,
            row.question_with_doc or row.question,
            () if row.unanswerable else tuple(row.answers),
            gold=() if row.unanswerable else _gold(row),
            unanswerable=row.unanswerable,
            language=row.language or language,
            tags=("generic",) if row.generic_question else (),
        )
        yield case, place


def _gold(row: _EvidenceRow) -> tuple[tuple[GoldSpan, ...], ...]:
    """Pages: any of them. Texts: all of them; those of several documents are not told apart, so each as a whole.

    A document alone does not say where in it the answer stands, and is no gold.
    """
    if row.evidence_pages and len(row.evidence_doc) == 1:
        return (tuple(GoldSpan(row.evidence_doc[0], page=page) for page in row.evidence_pages),)
    if row.evidence_text and len(row.evidence_doc) == 1:
        return tuple((GoldSpan(row.evidence_doc[0], _beginning(text)),) for text in row.evidence_text)
    return tuple((GoldSpan(document),) for document in row.evidence_doc) if row.evidence_text else ()


def _beginning(markdown: str) -> str:
    """The start of a text, in whole words."""
    text = " ".join(_TAG.sub(" ", _LINK.sub(r"\1", markdown)).split())
    return text if len(text) <= _QUOTE_CHARACTERS else text[:_QUOTE_CHARACTERS].rsplit(" ", 1)[0]
