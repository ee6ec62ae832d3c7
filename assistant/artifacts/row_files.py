"""Rows of people's own files: JSON lines, one JSON list, CSV, or parquet; and rows written as JSON lines or parquet.

    ("set.jsonl, line 7", {"instruction": "Is hail covered?", "output": "Yes."})

What a row has to hold is not decided here. One that is no JSON costs only itself.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from assistant.errors import AssistantError, PairsError, UsageError, first_fault, one_line
from assistant.workspace import replaced_atomically

Value = TypeVar("Value")
ROW_SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
"""Of the files that a folder of data is looked through for."""
_LARGEST_CELL = 16 << 20  # characters; csv stops at 131,072, and only the row is to be refused
_PARQUET_ROWS = 256  # held in memory at once: a row may have millions of characters


def parsed(line: str, value: TypeAdapter[Value], place: str, error_class: type[AssistantError]) -> Value:
    """The value of one line. Raises ``error_class`` with the place, the first key that is wrong, and why."""
    try:
        return value.validate_json(line)
    except ValidationError as error:
        fault = first_fault(error, "the line")
        raise error_class(f"{place}: {fault}.", "Mend the line or delete it.") from None


def write_lines(file: Path, rows: Iterable[object]) -> None:
    """Replace a file whole by rows as JSON, one a line; a killed writer leaves the old one."""
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    with replaced_atomically(file) as beside, beside.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(lines)


class Unusable(Exception):
    """Why one row cannot be used: ``reason`` is the same for all alike, ``detail`` has the values of this one."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


def rows_in(file: Path) -> Iterator[tuple[str, Any]]:
    """(place, content) of each row, in order; content that is no JSON comes as an ``Unusable``.

    Keys of CSV are in lower case. Raises PairsError when the file cannot be read on.
    """
    suffix = file.suffix.lower()
    if suffix == ".parquet":
        yield from _parquet_rows(file)
        return
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PairsError(f"{file} cannot be read: {error}.", "It has to be a UTF-8 file.") from None
    start = text.lstrip()[:1]
    is_json = suffix in {".jsonl", ".json"}  # whatever its first line is
    if suffix in {".csv", ".tsv"} or not (is_json or start in {"{", "["}):
        yield from _csv_rows(file, text)
    elif suffix == ".json" and start == "{" and isinstance(whole := _parsed(text), dict):  # else it holds lines
        yield f"{file.name}, item 1", whole
    elif start == "[" and isinstance(content := _parsed(text), list):
        yield from ((f"{file.name}, item {number}", item) for number, item in enumerate(content, 1))
    elif start == "[" and suffix != ".jsonl":
        raise PairsError(f"{file} is no JSON list: {content}.", "Mend it, or write one row a line.")
    else:
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield f"{file.name}, line {number}", _parsed(line)


def _csv_rows(file: Path, text: str) -> Iterator[tuple[str, Any]]:
    before = csv.field_size_limit(_LARGEST_CELL)
    try:
        head = text[:4096].split("\n", 1)[0]
        separator = max(",;\t", key=head.count)
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
        for row in reader:
            yield f"{file.name}, line {reader.line_num}", {(key or "").strip().lower(): row[key] for key in row}
    except csv.Error as error:
        raise PairsError(f"{file}, line {reader.line_num}: {error}.", "Mend the line.") from None
    finally:
        csv.field_size_limit(before)


def _parquet_rows(file: Path) -> Iterator[tuple[str, Any]]:
    parquet = _parquet(file)
    number = 0
    try:
        with parquet.ParquetFile(file) as table:
            for batch in table.iter_batches(_PARQUET_ROWS):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{file.name}, row {number}", row
    except (OSError, ValueError, NotImplementedError) as error:  # pyarrow's own are of these
        where = f" behind row {number}" if number else ""
        raise PairsError(f"{file} cannot be read{where}: {one_line(error)}.", "It has to be a parquet file.") from None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # a plain ValueError for a number of thousands of digits
        return Unusable("no valid JSON, or cut off", str(error))


def write_rows(file: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Replace a file whole by rows with the same columns.

    Raises UsageError for a name of another format, or in no folder.
    """
    if not file.absolute().parent.is_dir():
        raise UsageError(f"There is no folder {file.absolute().parent}.", "Make it, or write elsewhere.")
    if file.suffix.lower() == ".jsonl":
        write_lines(file, rows)
        return
    if file.suffix.lower() != ".parquet":
        raise UsageError(f"{file} is neither JSON lines nor parquet.", "Name a file that ends with .jsonl or .parquet.")
    parquet = _parquet(file)
    import pyarrow

    with replaced_atomically(file) as beside:
        parquet.write_table(pyarrow.Table.from_pylist(rows), beside)


def _parquet(file: Path) -> Any:
    """The module that reads and writes parquet. Raises UsageError where it is not installed."""
    try:
        from pyarrow import parquet
    except ImportError:
        raise UsageError(
            f"{file} is parquet, and pyarrow is not installed.", "pip install 'domain-assistant[parquet]'"
        ) from None
    return parquet
