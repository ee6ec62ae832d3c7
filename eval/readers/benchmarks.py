"""Formats that questions are published in. SQuAD 1.1 and 2.0 (Rajpurkar et al. 2018), as one JSON file:

    {"data": [{"title": "…", "paragraphs": [{"context": "…", "qas": [
        {"id": "…", "question": "…", "answers": [{"text": "…", "answer_start": 0}], "is_impossible": false}]}]}]}

The title is taken for the document's path, and the gold quote is the sentence that the answer stands in.

A BEIR folder (Thakur et al. 2021), questions with the documents that answer them, for retrieval alone:

    queries.jsonl       {"_id": "1", "text": "…"}
    qrels/test.tsv      query-id <tab> corpus-id <tab> grade, below a line of names

Each document of a grade above 0 is a gold group of its own; grades are not told apart. Documents are taken to be
files named by their id.

Rows of questions with the text that answers them:

    {"id": "va-1", "question": "…", "answers": ["…"], "evidence_doc": "burials/….md", "evidence_text": "…",
     "unanswerable": false}

``evidence_doc`` and ``evidence_text`` may be lists; ``evidence_pages`` says on which pages of a PDF the answer stands,
any of them; ``question_with_doc`` is the question where it is needed to say which document is meant. Texts may be
Markdown. Other keys are not looked at.
"""

import csv
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError

from assistant.artifacts.row_files import parsed
from assistant.errors import UsageError, first_fault
from assistant.text.sentences import sentence_spans
from assistant.text.words import DEFAULT_LANGUAGE, detect
from eval.cases import Case, GoldSpan, collected, json_lines, read_text

QUERIES = "queries.jsonl"
# Long evidence is cut into several passages, and any one of them begins it once.
_QUOTE_CHARACTERS = 120
# Targets of links are no words of the text.
_LINK = re.compile(r"!?\[([^\[\]]*)\](?:\([^()]*\)|\[[^\[\]]*\])")
_TAG = re.compile(r"<[^<>]*>")


class _Span(BaseModel):
    text: str
    answer_start: int = Field(ge=0)


class _SquadQuestion(BaseModel):
    id: str = Field(min_length=1)
    question: str = Field(min_length=1)
    answers: list[_Span] = []
    is_impossible: bool = False


class _Paragraph(BaseModel):
    context: str
    qas: list[_SquadQuestion]


class _Article(BaseModel):
    title: str = Field(min_length=1)
    paragraphs: list[_Paragraph]


class _Dataset(BaseModel):
    data: list[_Article]


def read_squad(file: Path) -> list[Case]:
    """All questions of a file. Raises UsageError that names the place in the file that cannot be used."""
    try:
        dataset = _Dataset.model_validate_json(read_text(file))
    except ValidationError as error:
        raise UsageError(f"{file}: {first_fault(error)}.", "It has to be SQuAD's JSON.") from None
    cases = (
        (_case(question, paragraph.context, article.title, file), f"{file}, question '{question.id}'")
        for article in dataset.data
        for paragraph in article.paragraphs
        for question in paragraph.qas
    )
    return collected(cases, file)


def _case(question: _SquadQuestion, context: str, document: str, file: Path) -> Case:
    if question.is_impossible:
        return Case(question.id, question.question, unanswerable=True, kind="near-miss")
    spans = []
    for answer in question.answers:
        end = answer.answer_start + len(answer.text)
        if context[answer.answer_start : end] != answer.text:
            raise UsageError(
                f"{file}, question '{question.id}': '{answer.text}' does not stand at {answer.answer_start}.",
                "Mend answer_start.",
            )
        # The sentences that the answer stands in.
        touched = [span for span in sentence_spans(context) if span[0] < end and span[1] > answer.answer_start]
        quote = context[touched[0][0] : touched[-1][1]] if touched else answer.text
        spans.append(GoldSpan(document, quote))
    answers = tuple(dict.fromkeys(answer.text for answer in question.answers))
    return Case(question.id, question.question, answers, gold=(tuple(dict.fromkeys(spans)),) if spans else ())


class _Query(BaseModel):
    id: str = Field(alias="_id", min_length=1)
    text: str = Field(min_length=1)


_QUERY = TypeAdapter(_Query)


def read_beir(folder: Path, split: str = "test", suffix: str = ".md") -> list[Case]:
    """The judged questions of a split; document ``4983`` is the file ``4983.md``. Raises UsageError."""
    relevant = _relevant(folder / "qrels" / f"{split}.tsv")
    return collected(_cases(folder / QUERIES, relevant, suffix), folder)


def _cases(file: Path, relevant: dict[str, list[str]], suffix: str) -> Iterator[tuple[Case, str]]:
    missing = set(relevant)
    for line, place in json_lines(file):
        query = parsed(line, _QUERY, place, UsageError)
        documents = relevant.get(query.id)
        if documents:
            missing.discard(query.id)
            gold = tuple((GoldSpan(document + suffix),) for document in documents)
            yield Case(query.id, query.text, gold=gold, kind="search"), place
    if missing:
        raise UsageError(f"{file} lacks the question '{min(missing)}', which qrels/ judges.", "Complete the folder.")


def _relevant(file: Path) -> dict[str, list[str]]:
    relevant: defaultdict[str, list[str]] = defaultdict(list)
    rows = csv.reader(read_text(file).splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    for number, row in enumerate(rows, 1):
        if number == 1 or not row:  # The names of the columns.
            continue
        if len(row) != 3 or not row[2].strip().lstrip("-").isdecimal():
            raise UsageError(f"{file}, line {number}: not query, document and grade.", "Separate the three by tabs.")
        if int(row[2]) > 0:
            relevant[row[0]].append(row[1])
    return relevant


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
    return collected(_cases_of_rows(rows, language), file)


def _cases_of_rows(rows: Sequence[tuple[_EvidenceRow, str]], language: str) -> Iterator[tuple[Case, str]]:
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
