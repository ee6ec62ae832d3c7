"""Whether a table begins at a line of a PDF page: rows of figures, told here, or columns of words, told by ``grid``."""

import re
from dataclasses import dataclass

from ..text import begins_section, heading_level
from .grid import FAR, find_grid
from .textlines import CELL, UP, PdfLine

_VALUE = re.compile(
    r"\(?[-–+]?[$€£]?\(?\d(?:[\d,.]*\d)?%?\)?(?:[a-z*†]|\(\d\))?$|[$€£]?[-–—]{1,2}%?$|N/?[AM]$", re.IGNORECASE
)
_SIGN = frozenset({"$", "€", "£", "%", ")", "*", "(", ")%", "¥", "|"})
_YEARS = re.compile(r"(?:(?:FY\s?|Q[1-4]\s?)?(?:19|20)\d\d[\sE]*)+$")
_LABEL_CELL = re.compile(
    r"(?:[•●▪■◦‣*–—-]|\(?[\dA-Za-z]{1,4}[.)]|(?:Item|Note|Part|§|Art\.?|Artikel|Section)\s*[\dIVX]+[A-Z]?\.?)$",
    re.IGNORECASE,
)
_LEADING_FIGURE = re.compile(r"[$€£]?\s*\(?\d[\d,.]*\)?\s")
_PROSE_ENDS = (".", ";", ":")
MAX_HEAD = 40
"""Characters of a header line without cells: a head that stands alone over its column."""
CLOSE = 2.1
"""Line heights between the lines of a header at most, which are set in two at the widest."""
MAX_LABEL = 90
"""Characters of a label that has its row below it."""
MAX_LABEL_LINES = 3  # a label that wraps; more lines are a paragraph
MAX_HEADER_LINES = 30  # heads of columns may come one a line; more lines are a text


@dataclass(frozen=True, slots=True)
class PdfTable:
    """Rows of a page that stand in columns, a line each."""

    text: str
    header_lines: int
    end: int
    """The line after the table."""


def find_table(lines: list[PdfLine], at: int, leading: float) -> PdfTable | None:
    """The table whose header or first row is line ``at``, if one starts there.

    Columns tell tables of words; rows of accounts are told by their figures alone, which are set flush right, their
    signs often apart. Where rows of figures go on past columns, these were found by chance.
    """
    grid = find_grid(lines, at)
    table: PdfTable | None = None
    if (first := _header_end(lines, at)) is not None:
        start = first
        while start > max(at + 1, first - 2):
            label = lines[start - 1]
            if is_header(label) or not _is_left(label, lines[first]):
                break
            start -= 1  # a label over the rows (``Current assets``) is set at the left, unlike a header
        rows, end = _rows(lines, start, leading)
        if sum(is_row(line) for line in lines[first:end]) >= (2 if first == at else 1):
            header = _header(lines[at:start])
            table = PdfTable("\n".join([*header, *rows]), len(header), end)
    if grid and not (table and table.end > grid.end and (not grid.is_sure or is_row(lines[grid.end]))):
        return PdfTable(grid.text, grid.header_lines, grid.end)
    return table


def _is_left(line: PdfLine, row: PdfLine) -> bool:
    return bool(line.size) and line.left <= row.left + 2 * row.size


def is_row(line: PdfLine) -> bool:
    """A line with figures in cells of their own, or with two figures at its end."""
    cells = line.text.split(CELL)
    # The first of several cells may be the number of an item, or of a heading.
    is_number = bool(_LABEL_CELL.match(cells[0]) or (line.emphasis and heading_level(" ".join(cells))))
    if len(cells) > 1 and (any(map(_is_value_cell, cells[1:])) or (not is_number and _is_value_cell(cells[0]))):
        return True
    figures = 0
    for token in reversed(line.text.split()):
        if _VALUE.match(token):
            figures += 1
        elif token not in _SIGN:
            break
    return figures >= 2 and not _YEARS.match(line.text)


def _is_value_cell(cell: str) -> bool:
    tokens = [token for token in cell.split() if token not in _SIGN]
    return all(map(_VALUE.match, tokens)) and not _YEARS.match(cell)


def is_header(line: PdfLine) -> bool:
    """A line of cells without figures, or of years alone."""
    cells = line.text.split(CELL)
    if len(cells) == 2 and _LABEL_CELL.match(cells[0]):
        return False
    return len(cells) > 1 or bool(_YEARS.match(line.text) and len(line.text.split()) > 1)


def _header_end(lines: list[PdfLine], at: int) -> int | None:
    """The first row of a table that starts at ``at``, behind header lines; none when there is none."""
    end = at
    while not is_row(lines[end]):
        line = lines[end]
        is_prose = not line.size or len(line.text) > MAX_HEAD or line.text.endswith(_PROSE_ENDS)
        if is_prose and not is_header(line):
            return None
        end += 1
        if end >= len(lines) or end - at > MAX_HEADER_LINES:
            return None
        if line.size and line.top - lines[end].top > CLOSE * max(line.size, lines[end].size):
            return None  # header lines are set close; what stands further up is a title
    # Header lines stand over the figures, right of the labels; only the last two may be labels.
    heads, row = lines[at:end], lines[end]
    if not row.size:
        return end if all(map(is_header, heads)) else None
    while len(heads) > 1 and end - at - len(heads) < 2 and not is_header(heads[-1]) and _is_left(heads[-1], row):
        heads.pop()
    if len(heads) > 1 and _is_left(heads[0], row) and heads[0].top <= max(head.top for head in heads[1:]) + 1:
        # The head of the label column is set beside the others; a title would stand above them.
        heads = heads[1:]
    stand_over = all((is_header(head) or not _is_left(head, row)) and row.top < head.top for head in heads)
    return end if stand_over else None


def _header(lines: list[PdfLine]) -> list[str]:
    """Header lines as rows. Narrow heads set one under the other are put into cells, column by column."""
    rows: list[str] = []
    cells: list[str] = []
    above: PdfLine | None = None
    for line in lines:
        if is_header(line):
            rows.extend([CELL.join(cells)] if cells else [])
            rows.append(line.text)
            cells, above = [], None
            continue
        if above is None or line.top > above.top - UP * line.size:
            cells.append(line.text)
        else:
            cells[-1] = f"{cells[-1]} {line.text}"
        above = line
    return [*rows, CELL.join(cells)] if cells else rows


def _rows(lines: list[PdfLine], at: int, leading: float) -> tuple[list[str], int]:
    """Rows from ``at`` on, with the labels between them, and the line after the last row."""
    rows: list[str] = []
    end = at
    label: list[str] = []
    for number in range(at, len(lines)):
        line = lines[number]
        above = lines[max(at, number - 1)]
        if line.size and above.size:
            down = above.top - line.top
            if down < -UP * line.size or down > FAR * max(leading, line.size):
                break
        if begins_section(line.text) and number > at and CELL not in line.text:
            break
        # Rows may put the figure first: ``(584) Income tax benefit`` under ``66 Amortization``.
        is_alike = bool(_LEADING_FIGURE.match(above.text) and _LEADING_FIGURE.match(line.text))
        if is_row(line) or (rows and (is_header(line) or is_alike)):
            if label and line.text[:1].islower():  # a label that wrapped into the row is part of it
                rows += [*label[:-1], f"{label[-1]} {line.text}"]
            else:
                rows += [*label, line.text]
            label, end = [], number + 1
        elif len(label) < MAX_LABEL_LINES and len(line.text) <= MAX_LABEL and not line.text.endswith("."):
            label.append(line.text)
        else:
            break
    return rows, end
