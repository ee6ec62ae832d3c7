"""Rows of cells as the lines of a table block; shared by HTML, spreadsheets and CSV."""

import re
from collections.abc import Sequence

_YEAR = re.compile(r"(?:19|20)\d\d$")
_NUMBER = re.compile(r"[($€£¥+\-−–]*\s?\d[\d.,'\s]*\s?[)%€$£]*$")
_DATE = re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}[./]\d{1,2}[./]\d{2,4}")

# Cells that a table may have in any case, and how many for each that is not empty.
_MOST_CELLS, _MOST_FILLING = 500_000, 50
Row = Sequence[str]


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
    return bool(_NUMBER.match(cell) or _DATE.match(cell)) and not _YEAR.match(cell)


def guess_header(rows: Sequence[Row]) -> int:
    """1 when the first row reads as labels over data, else 0.

    Labels: most cells filled, none a figure, none twice. Over figures that is enough; a table of words
    alone is believed to have a header too when it has at least two columns and two rows below.
    """
    if len(rows) < 2:
        return 0
    first = [cell for cell in rows[0] if cell]
    filled = max(sum(map(bool, row)) for row in rows[1:20])
    if len(first) < max(1, filled - 1) or any(map(is_value, first)) or len(set(first)) < len(first):
        return 0
    if any(is_value(cell) for row in rows[1:20] for cell in row):
        return 1
    return int(len(rows) > 2 and len(first) > 1 and max(map(len, first)) <= 60)
