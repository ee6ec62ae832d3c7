"""CSV and TSV: one table block for the file."""

import csv
import io
from collections import Counter

from assistant.types import Block, Document

from .clean import clean, fold
from .encoding import decode
from .grid import guess_header, line_of
from .limits import Limits, Refused, check_characters

_DELIMITERS = ",;\t|"
_SNIFF_LINES = 50


def read_table(data: bytes, limits: Limits) -> Document:
    """CSV and TSV, whatever the delimiter."""
    text, warnings = decode(data)
    check_characters(len(text), limits)
    rows = _rows(clean(text))
    if ragged := _ragged(rows):
        warnings = (*warnings, ragged)
    header = guess_header(rows)
    width = max(map(len, rows), default=0)
    check_characters(len("| ") * width * len(rows), limits)  # short rows are filled up: one long one counts for all
    block = Block(
        text="\n".join(line_of([*row, *[""] * (width - len(row))]) for row in rows),
        kind="table",
        row=1 + header,
        header_lines=header,
    )
    return Document(title="", blocks=(block,) if any(map(any, rows)) else (), format="csv", warnings=warnings)


def _rows(text: str) -> list[list[str]]:
    """Records with folded cells. Empty records stay, so that row numbers count as in the source."""
    # The limit guards a C buffer against one quote left open; a legitimate cell is far shorter.
    csv.field_size_limit(10_000_000)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text))
    try:
        rows = [[fold(cell) for cell in record] for record in reader]
    except csv.Error as error:
        raise Refused(f"is not a table: {error} (line {reader.line_num})", "Check its quotes.") from error
    while rows and not any(rows[-1]):
        rows.pop()
    return rows


def delimiter_of(text: str) -> str:
    """The delimiter that parts most lines into the same number of cells; a comma when none does."""
    sample = "\n".join(text.split("\n", _SNIFF_LINES)[:_SNIFF_LINES])
    best, best_score = ",", 0.0
    for delimiter in _DELIMITERS:
        records = [record for record in csv.reader(io.StringIO(sample), delimiter=delimiter) if record]
        widths = Counter(map(len, records))
        width, count = widths.most_common(1)[0] if widths else (1, 0)
        score = count / len(records) * (1 + min(width, 10) / 100) if width > 1 else 0.0
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _ragged(rows: list[list[str]]) -> str:
    widths = Counter(len(row) for row in rows if any(row))
    if len(widths) < 2:
        return ""
    usual, count = widths.most_common(1)[0]
    return f"{sum(widths.values()) - count:,} rows have other than {usual} cells"
