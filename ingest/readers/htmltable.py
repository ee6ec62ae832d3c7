"""A data table while it is read: cells, spans and header rows."""

from dataclasses import dataclass, field

from lxml import etree

from .clean import fold
from .grid import guess_header, line_of, without_empty_columns

MAX_SPAN = 100
"""A wider span is a mistake or an attack; HTML itself stops at 1000."""
MAX_WIDTH = 1_000
"""Cells of a row that spans can make."""


@dataclass(slots=True)
class HtmlTable:
    """Fed with the start and end of the table's elements and the text between."""

    rows: list[list[str]] = field(default_factory=list)
    header_rows: int = 0
    in_cell: bool = False
    _parts: list[str] = field(default_factory=list)
    _all_header: bool = True
    _in_head: bool = False
    _below: dict[int, tuple[int, str]] = field(default_factory=dict)
    """Column → rows still to fill and text, for cells that span rows."""

    def start(self, element: etree._Element) -> None:
        if element.tag == "tr":
            self.rows.append([])
            self._all_header = True
        elif element.tag == "thead":
            self._in_head = True
        elif element.tag in ("td", "th"):
            if not self.rows:
                self.rows.append([])
            if self.in_cell:  # a cell ends where the next one begins, closed or not
                self._end_cell(next(element.iterancestors("td", "th")))
            self.in_cell = True
            self._parts.clear()

    def add(self, text: str) -> None:
        """A piece of the open cell; pieces were blocks of their own in the source."""
        if text := fold(text):
            self._parts.append(text)

    def end(self, element: etree._Element) -> None:
        if element.tag in ("td", "th") and self.in_cell:
            self._end_cell(element)
        elif element.tag == "thead":
            self._in_head = False
        elif element.tag == "tr" and self.rows:
            self._fill_from_above(self.rows[-1])
            is_header = self._in_head or (self._all_header and bool(self.rows[-1]))
            if is_header and self.header_rows == len(self.rows) - 1:
                self.header_rows += 1

    def _end_cell(self, element: etree._Element) -> None:
        row = self.rows[-1]
        self._fill_from_above(row)
        text = _joined(self._parts)
        self.in_cell = False
        self._all_header = self._all_header and element.tag == "th"
        down = _span(element.get("rowspan"))
        for extra in range(min(_span(element.get("colspan")), max(1, MAX_WIDTH - len(row)))):
            if down > 1:
                self._below[len(row)] = (down - 1, "" if extra else text)
            row.append("" if extra else text)

    def _fill_from_above(self, row: list[str]) -> None:
        """Repeat the text of a cell that reaches down: every line must make sense alone."""
        while (column := len(row)) in self._below:
            left, text = self._below.pop(column)
            if left > 1:
                # Kept under a key that this row has passed, so that the next row finds it.
                self._below[column] = (left - 1, text)
            row.append(text)

    def lines(self) -> tuple[list[str], int]:
        """Lines and how many of them are header; -1 for a single column, which is no table."""
        header = sum(any(row) for row in self.rows[: self.header_rows])
        rows = without_empty_columns([row for row in self.rows if any(row)])
        if max(map(len, rows), default=0) < 2:
            return [row[0] for row in rows if row], -1
        if header == len(rows):
            header = 0
        return [line_of(row) for row in rows], header or guess_header(rows)


def _joined(parts: list[str]) -> str:
    """Pieces of a cell on one line, parted where no punctuation parts them."""
    text = ""
    for part in parts:
        separator = "" if not text else " " if text[-1] in ".:;,!?" else "; "
        text = f"{text}{separator}{part}"
    return text


def _span(value: str | None) -> int:
    return max(1, min(MAX_SPAN, int(value))) if value and value.isdecimal() and len(value) < 6 else 1
