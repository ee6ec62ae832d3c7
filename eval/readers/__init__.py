"""Cases from the formats that people have: what is read is chosen by the name.

NAME.jsonl      our cases (``eval.cases``), or rows with ``evidence_doc`` (``eval.readers.benchmarks``)
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
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assistant.errors import UsageError
from eval.cases import Case, case_of, collected, read_cases, read_text
from eval.readers.benchmarks import QUERIES, has_evidence_rows, read_beir, read_evidence_rows, read_squad

__all__ = ["read_any"]

_IN_FOLDER = ("cases.jsonl", "qa.jsonl")
_TEXTS = ("kind", "language", "standalone_question")
_LISTS = ("answers", "tags")
_COLUMNS = {"id", "question", "must_include", "document", "quote", "page", "unanswerable", *_TEXTS, *_LISTS}
_YES, _NO = {"yes", "true", "1", "x", "ja"}, {"", "no", "false", "0", "nein"}


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
    if (folder / QUERIES).exists():
        return read_beir(folder)
    for name in _IN_FOLDER:
        if (folder / name).exists():
            return read_any(folder / name)
    raise UsageError(
        f"{folder} holds no cases.", f"It needs {QUERIES} and qrels/ (BEIR), or {' or '.join(_IN_FOLDER)}."
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
        yield _case(row, place, first_line), place


def _next(rows: Any, file: Path) -> list[str] | None:
    try:
        return next(rows, None)
    except csv.Error as error:
        raise UsageError(f"{file}, line {rows.line_num}: {error}.", "It has to be a CSV file.") from None


def _case(row: dict[str, str], place: str, line: int) -> Case:
    if row["unanswerable"].lower() not in _YES | _NO:
        raise UsageError(f"{place}: unanswerable is '{row['unanswerable']}'.", "Write yes or no.")
    values: dict[str, object] = {name: row[name] for name in _TEXTS if row[name]}
    values |= {name: _several(row[name], "|") for name in _LISTS}
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
