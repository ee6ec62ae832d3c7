"""Tables: rows of cells as the lines of a block, for all formats; and CSV and TSV, one table a file."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence

from assistant.types import Block, Document

from .clean import clean, decode, fold
from .reading_limits import Limits, Refused, check_characters

_DELIMITERS = ",;\t|"
_SNIFF_LINES = 50  # a table shows its delimiter at its start
_NUMBER = re.compile(r"[($€£¥+\-−–]*\s?\d[\d.,'\s]*\s?[)%€$£]*$")
_DATE = re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}[./]\d{1,2}[./]\d{2,4}")

_JUDGED_ROWS = 20
"""Rows whose cells tell whether the first one is their header; a table of a million rows shows it at its start."""
_LONGEST_LABEL = 60
"""Characters of a label over words; longer cells are text themselves."""
# Cells that a table may have in any case, and how many for each that is not empty.
_MOST_CELLS, _MOST_FILLING = 500_000, 50
Row = Sequence[str]


def read_table(data: bytes, limits: Limits) -> Document:
    """CSV and TSV, whatever the delimiter."""
    text, warnings = decode(data)
    check_characters(len(text), limits)
    text = clean(text)
    # The limit guards a C buffer against one quote left open; a legitimate cell is far shorter.
    csv.field_size_limit(10_000_000)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text))
    try:
        rows = [[fold(cell) for cell in record] for record in reader]
    except csv.Error as error:
        raise Refused(f"is not a table: {error} (line {reader.line_num})", "Check its quotes.") from error
    while rows and not any(rows[-1]):  # others that are empty stay, so that row numbers count as in the source
        rows.pop()
    widths = Counter(len(row) for row in rows if any(row))
    if len(widths) > 1:
        usual, count = widths.most_common(1)[0]
        warnings = (*warnings, f"{sum(widths.values()) - count:,} rows have other than {usual} cells")
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


def line_of(row: Row) -> str:
    """One row as ``| a | b |``."""
    return f"| {' | '.join(row)} |"


def without_empty_columns(rows: Sequence[Row]) -> list[list[str]]:
    """The same rows, all equally long, less the columns that are empty throughout.

    Filings lay out figures with spacer columns; they cost tokens and say nothing. Where a few rows are so much wider
    than the others that nearly all of the table would be filling, rows are what they hold.
    """
    width = max(map(len, rows), default=0)
    if is_mostly_filling(width * len(rows), sum(cell != "" for row in rows for cell in row)):
        return [list(filter(None, row)) for row in rows]
    used = [any(column < len(row) and row[column] for row in rows) for column in range(width)]
    return [[row[c] if c < len(row) else "" for c in range(width) if used[c]] for row in rows]


def is_mostly_filling(size: int, count: int) -> bool:
    """Whether a table of so many cells, of which some are not empty, is too large for what it says."""
    return size > max(_MOST_CELLS, _MOST_FILLING * count)


def is_value(cell: str) -> bool:
    """Whether a cell holds a figure or a date rather than a label; a bare year may be either, so is none."""
    is_year = len(cell) == 4 and cell.isdecimal() and cell.startswith(("19", "20"))
    return not is_year and bool(_NUMBER.match(cell) or _DATE.match(cell))


def guess_header(rows: Sequence[Row]) -> int:
    """1 when the first row reads as labels over data, else 0.

    Labels: most cells filled, none a figure, none twice. Over figures that is enough; a table of words
    alone is believed to have a header too when it has at least two columns and two rows below.
    """
    if len(rows) < 2:
        return 0
    first = [cell for cell in rows[0] if cell]
    filled = max(sum(map(bool, row)) for row in rows[1:_JUDGED_ROWS])
    if len(first) < max(1, filled - 1) or any(map(is_value, first)) or len(set(first)) < len(first):
        return 0
    if any(is_value(cell) for row in rows[1:_JUDGED_ROWS] for cell in row):
        return 1
    return int(len(rows) > 2 and len(first) > 1 and max(map(len, first)) <= _LONGEST_LABEL)
