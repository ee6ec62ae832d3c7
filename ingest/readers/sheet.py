"""One spreadsheet: its cells as tables that know their rows."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from assistant.types import Block

from .clean import clean, fold
from .grid import guess_header, is_mostly_filling, line_of, without_empty_columns
from .limits import Limits, check_characters

if TYPE_CHECKING:
    from .hiddensheet import Ink, Unshown


_MOST_ROWS = 1_048_576
"""Of a sheet; a file may give a row any number."""


class Cell(Protocol):
    """What is used of an openpyxl cell."""

    @property
    def value(self) -> object: ...
    @property
    def number_format(self) -> str: ...


class Sheet(Protocol):
    """What is used of an openpyxl worksheet in read-only mode."""

    title: str

    def reset_dimensions(self) -> None: ...
    def iter_rows(self) -> Iterable[tuple[Cell, ...]]: ...


def sheet_blocks(sheet: Sheet, limits: Limits, gone: "Unshown", ink: "Ink") -> tuple[list[Block], int]:
    """Tables and notes of one sheet, and how many letters and figures are not drawn; an empty row ends a table."""
    place = f"sheet {fold(clean(sheet.title))}"
    # The declared size may claim a million empty columns.
    sheet.reset_dimensions()
    blocks: list[Block] = []
    hidden: list[str] = []
    for first_row, rows in _regions(sheet, limits, gone, ink, hidden):
        blocks.extend(region_blocks(rows, first_row, place))
    return blocks, sum(map(str.isalnum, "".join(hidden)))


def _regions(
    sheet: Sheet, limits: Limits, gone: "Unshown", ink: "Ink", hidden: list[str]
) -> Iterator[tuple[int, list[list[str]]]]:
    """Runs of rows with content, each with the number of its first row."""
    from openpyxl.cell.read_only import EMPTY_CELL

    region: list[dict[int, str]] = []
    characters = 0
    number = 0
    for number, cells in enumerate(islice(sheet.iter_rows(), _MOST_ROWS), start=1):
        row: dict[int, str] = {}
        for column, cell in enumerate(cells, start=1):
            if cell is EMPTY_CELL or not (text := _text(cell)):
                continue
            if gone.has(number, column) or not ink.is_drawn(cell, gone.is_styled):
                hidden.append(text)
            else:
                row[column] = text
        if row:
            characters += sum(map(len, row.values()))
            check_characters(characters, limits)
            region.append(row)
        elif region:
            yield number - len(region), _equally_long(region)
            region = []
    if region:
        yield number - len(region) + 1, _equally_long(region)


def _equally_long(rows: list[dict[int, str]]) -> list[list[str]]:
    """Rows without the columns that are empty in all of them."""
    columns = sorted(set().union(*rows))
    if is_mostly_filling(len(rows) * len(columns), sum(map(len, rows))):
        return [list(row.values()) for row in rows]
    return [[row.get(column, "") for column in columns] for row in rows]


def region_blocks(rows: list[list[str]], first_row: int, place: str = "") -> Iterator[Block]:
    """Leading rows with a single cell are notes over the table; the rest is one table."""
    while rows and sum(map(bool, rows[0])) == 1 and (len(rows) == 1 or sum(map(bool, rows[1])) != 1 or first_row == 1):
        yield Block(next(filter(None, rows[0])), place=place, row=first_row)
        rows, first_row = rows[1:], first_row + 1
    if not rows:
        return
    rows = without_empty_columns(rows)
    header = guess_header(rows)
    text = "\n".join(map(line_of, rows))
    yield Block(text, "table", place=place, row=first_row + header, header_lines=header)


def _text(cell: Cell) -> str:
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, (int, float)):
        return _number(value, cell.number_format or "")
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "minutes")
    if isinstance(value, date):
        return value.isoformat()
    return fold(clean(str(value)))


def _number(value: float, number_format: str) -> str:
    """As a reader of the sheet sees it where that changes the meaning: 0.05 shown as 5%."""
    if number_format.endswith("%"):
        return f"{value * 100:.10g}%"
    return f"{value:.15g}" if isinstance(value, float) else str(value)
