"""Cases from the formats that people have: what is read is chosen by the name.

NAME.jsonl      our cases (``eval.cases``), or rows with ``evidence_doc``
NAME.json       SQuAD
NAME.csv        a table that a person keeps in a spreadsheet
NAME/           a BEIR folder, or a folder with ``cases.jsonl`` or ``qa.jsonl``

The first line of a table names its columns:

    question,answers,document,quote
    What is the deductible for hail?,€150 | 150 euros,policies/motor-policy.pdf,you bear 150 euros for each hail claim

Columns: ``question``, and any of ``id``, ``answers``, ``must_include``, ``document``, ``quote``, ``page``,
``unanswerable`` (yes or no), ``kind``, ``language``, ``tags``, ``standalone_question``. A cell with several values
separates them by ``|``; facts of ``must_include`` are separated by ``;`` and their aliases by ``|``. Columns are
separated by commas, semicolons or tabs.

SQuAD 1.1 and 2.0 (Rajpurkar et al. 2018), as one JSON file:

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
import io
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError

from assistant.artifacts.row_files import parsed
from assistant.errors import UsageError, first_fault
from assistant.text.sentences import sentence_spans
from assistant.text.words import DEFAULT_LANGUAGE, detect
from eval.cases import Case, GoldSpan, case_of, collected, json_lines, read_cases, read_text

_IN_FOLDER = ("cases.jsonl", "qa.jsonl")
_TEXT_COLUMNS = ("kind", "language", "standalone_question")
_LIST_COLUMNS = ("answers", "tags")
_COLUMNS = {
    "id",
    "question",
    "must_include",
    "document",
    "quote",
    "page",
    "unanswerable",
    *_TEXT_COLUMNS,
    *_LIST_COLUMNS,
}
_YES, _NO = {"yes", "true", "1", "x", "ja"}, {"", "no", "false", "0", "nein"}
_QUERIES = "queries.jsonl"
# Long evidence is cut into several passages, and any one of them begins it once.
_QUOTE_CHARACTERS = 120
# Targets of links are no words of the text.
_LINK = re.compile(r"!?\[([^\[\]]*)\](?:\([^()]*\)|\[[^\[\]]*\])")
_TAG = re.compile(r"<[^<>]*>")


def read_any(source: Path) -> list[Case]:
    """All cases of a file or folder. Raises UsageError that names the first place that cannot be used."""
    if source.is_dir():
        return _read_folder(source)
    match source.suffix.lower():
        case ".jsonl":
            return read_evidence_rows(source) if has_evidence_rows(source) else read_cases(source)
        case ".json":
            return read_squad(source)
        case ".csv":
            return collected(_table_cases(source), source)  # one without an id is named by its line
    raise UsageError(f"{source} is of no known format.", "Cases are .jsonl, .json (SQuAD), .csv, or a BEIR folder.")


def _read_folder(folder: Path) -> list[Case]:
    if (folder / _QUERIES).exists():
        return read_beir(folder)
    for name in _IN_FOLDER:
        if (folder / name).exists():
            return read_any(folder / name)
    raise UsageError(
        f"{folder} holds no cases.", f"It needs {_QUERIES} and qrels/ (BEIR), or {' or '.join(_IN_FOLDER)}."
    )


def _table_cases(file: Path) -> Iterator[tuple[Case, str]]:
    text = read_text(file)
    heading = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=heading.count), strict=True)
    columns = [name.strip().lower() for name in _next(rows, file) or []]
    if "question" not in columns or len(set(columns)) < len(columns) or set(columns) - _COLUMNS:
        raise UsageError(
            f"{file}, line 1: the columns are {', '.join(columns) or 'missing'}.",
            f"Name 'question' and any of {', '.join(sorted(_COLUMNS - {'question'}))}, each once.",
        )
    while True:
        first_line = rows.line_num + 1
        cells = _next(rows, file)
        if cells is None:
            return
        if not any(map(str.strip, cells)):
            continue
        place = f"{file}, line {first_line}"
        if len(cells) > len(columns):
            raise UsageError(f"{place}: {len(cells)} cells, but {len(columns)} columns.", "Quote cells with commas.")
        # Spreadsheets leave out empty cells at the end of a line.
        row = dict.fromkeys(_COLUMNS, "") | dict(zip(columns, map(str.strip, cells), strict=False))
        yield _row_case(row, place, first_line), place


def _next(rows: Any, file: Path) -> list[str] | None:
    try:
        return next(rows, None)
    except csv.Error as error:
        raise UsageError(f"{file}, line {rows.line_num}: {error}.", "It has to be a CSV file.") from None


def _row_case(row: dict[str, str], place: str, line: int) -> Case:
    if row["unanswerable"].lower() not in _YES | _NO:
        raise UsageError(f"{place}: unanswerable is '{row['unanswerable']}'.", "Write yes or no.")
    values: dict[str, object] = {name: row[name] for name in _TEXT_COLUMNS if row[name]}
    values |= {name: _several(row[name], "|") for name in _LIST_COLUMNS}
    values["id"] = row["id"] or f"line-{line}"
    values["question"] = row["question"]
    values["must_include"] = [_several(fact, "|") for fact in _several(row["must_include"], ";")]
    values["unanswerable"] = row["unanswerable"].lower() in _YES
    if row["document"]:
        values["gold"] = [[{"document": row["document"], "quote": row["quote"], "page": row["page"] or None}]]
    elif row["quote"] or row["page"]:
        raise UsageError(f"{place}: a quote or page without a document.", "Fill in the column 'document'.")
    return case_of(values, place)


def _several(cell: str, separator: str) -> list[str]:
    return [value.strip() for value in cell.split(separator) if value.strip()]


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
        (_squad_case(question, paragraph.context, article.title, file), f"{file}, question '{question.id}'")
        for article in dataset.data
        for paragraph in article.paragraphs
        for question in paragraph.qas
    )
    return collected(cases, file)


def _squad_case(question: _SquadQuestion, context: str, document: str, file: Path) -> Case:
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
    return collected(_beir_cases(folder / _QUERIES, relevant, suffix), folder)


def _beir_cases(file: Path, relevant: dict[str, list[str]], suffix: str) -> Iterator[tuple[Case, str]]:
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
