"""Tables whose cells stand in columns: rows of words as well as figures, cell by cell.

A producer draws such a table row by row, and within a row cell by cell: a cell that wraps is followed by the next
cell, further up again. Labels are set flush left, other cells flush left, flush right or in the middle of their
column. What tells a table from prose in two columns is that its lines are short and begin as labels do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise

from ..tabular import guess_header, is_value, line_of
from ..text import LIST_ITEM, begins_section, heading_level
from .textlines import CELL, OTHER_SIZE, UP, PdfLine

MIN_ROWS = 2
"""Rows with several cells, a header among them if it is set bold."""
FAR = 3.2
"""Line heights between rows of one table at most."""
LEVEL = 0.7
"""Line heights by which the first lines of the cells of a row may differ."""
WRAPPED = 1.5
"""Line heights between lines of one cell at most."""
MAX_WRAPPED = 8
"""Lines of the first cell of a row, and one more."""
JUDGED_ROWS = 12
"""A table that is none must be seen to be none at its start: a page may have thousands of rows."""
MAX_CELL = 60
"""Characters of a usual cell; lines of prose in columns are about as long, or longer."""
SLACK = 0.2
"""Line heights by which cells of a column may stand off its edge: less than half the width of a letter."""
SIGNS = frozenset("$€£¥%()")

Piece = tuple[int, str]
"""Number of its column, and text."""
Column = tuple[float, float]
"""Where its first cell begins and ends."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows of equally many cells."""

    rows: list[list[str]]
    header_lines: int
    end: int
    """The line after the table."""
    is_sure: bool
    """Whether its header is set apart from its rows."""

    @property
    def text(self) -> str:
        """The rows as lines of Markdown."""
        return "\n".join(map(line_of, self.rows))


@dataclass(slots=True)
class _GridRow:
    first: PdfLine
    lowest: float
    """Top of the lowest line so far."""
    cells: dict[int, str] = field(default_factory=dict)
    end: int = 0
    is_parted: bool = False
    """Whether wide gaps alone part cells of it."""

    def add(self, pieces: Sequence[Piece], line: PdfLine, end: int) -> None:
        for column, text in pieces:
            self.cells[column] = f"{self.cells[column]} {text}" if column in self.cells else text
        self.is_parted = self.is_parted or CELL in line.text or _is_beside(self.first, line)
        self.lowest, self.end = min(self.lowest, line.top), end


def find_grid(lines: list[PdfLine], at: int) -> Grid | None:
    """The table whose first line, header or row, is line ``at``, if one starts there."""
    first = lines[at]
    if not first.size or LIST_ITEM.match(first.text) or not (CELL in first.text or _wraps(lines, at)):
        return None
    readings = (_grid(lines, at), _grid_under_centred_heads(lines, at))
    return max(filter(None, readings), key=lambda grid: grid.end, default=None)


def _grid(lines: list[PdfLine], at: int) -> Grid | None:
    columns = _columns(lines, at)
    coming = _rows(lines, at, columns)
    rows = list(islice(coming, JUDGED_ROWS))
    is_sure = _is_set_apart(rows)
    if not _is_table(rows, len(columns)):
        return None
    if at and not is_sure:
        above, first = lines[at - 1], rows[0].first
        is_close = not _is_far(above, first) and above.emphasis == first.emphasis
        if is_close and len(_pieces(above, columns) or ()) == len(columns):
            return None  # the line above stands in all columns too: then all of it was seen to be no table
    rows.extend(coming)
    while len(rows[-1].cells) < 2:
        # Labels behind the last row are what follows the table.
        rows.pop()
    texts = [[row.cells.get(column, "") for column in range(len(columns))] for row in rows]
    header = is_sure
    if not is_sure and guess_header(texts):  # a first row set like the others: words over figures, or years over values
        if any(map(_has_figure, texts[0])):
            header = any(is_value(cell) for row in texts[1:] for cell in row[1:])
        else:
            header = 2 * sum(any(map(_has_figure, row[1:])) for row in texts[1:]) >= len(texts)
    return Grid(texts, int(header), rows[-1].end, is_sure) if is_sure or len(rows) - header >= MIN_ROWS else None


def _grid_under_centred_heads(lines: list[PdfLine], at: int) -> Grid | None:
    """A table whose heads do not start where its cells do."""
    if at + 1 == len(lines) or _is_far(lines[at], lines[at + 1]) or CELL not in lines[at + 1].text:
        return None
    heads = lines[at].text.split(CELL)
    if any(map(is_value, " ".join(heads).split())) or heading_level(" ".join(heads)):
        return None
    grid = _grid(lines, at + 1)
    if grid is None or grid.header_lines:
        return None
    is_sure = lines[at].emphasis > lines[at + 1].emphasis
    # The column of the labels often has no head.
    has_none = len(heads) == len(grid.rows[0]) - 1 and lines[at].left > lines[at + 1].left + _slack(lines[at])
    if not has_none and not (is_sure and len(heads) == len(grid.rows[0])):
        return None
    return Grid([[""] * has_none + heads, *grid.rows], 1, grid.end, is_sure)


def _columns(lines: list[PdfLine], at: int) -> list[Column]:
    """Where the cells of a line stand; behind a narrow gap only if the next line has a word there too."""
    line = lines[at]
    cuts = _cuts(line)
    below = [(left, left) for _, left, _ in lines[at + 1].starts] if at + 1 < len(lines) else []
    begun = [
        start for start in line.starts if start[0] in cuts or _column(start[1], 0.0, below, _slack(line)) is not None
    ]
    rights = [*(right for _, _, right in begun), line.right]
    return list(zip((line.left, *(left for _, left, _ in begun)), rights, strict=True))


def _cuts(line: PdfLine) -> set[int]:
    """Numbers of the words that begin a cell, the first one aside."""
    cuts: set[int] = set()
    number = 0
    for cell in line.text.split(CELL)[:-1]:
        number += len(cell.split())
        cuts.add(number)
    return cuts


def _rows(lines: list[PdfLine], at: int, columns: list[Column]) -> Iterator[_GridRow]:
    """Rows from line ``at`` on. A first row that wraps may show further columns: they are added to ``columns``."""
    row: _GridRow | None = None
    for number in range(at, len(lines)):
        line = lines[number]
        if row and row.first is lines[at] and _is_beside(row.first, line):
            columns.extend(column for column in _columns(lines, number) if column[0] > columns[-1][0] + _slack(line))
        pieces = _pieces(line, columns)
        if not pieces or (row and _ends(row, line, pieces)):
            break
        if row and _goes_on(row, lines, number, pieces):
            row.add(pieces, line, number + 1)
            continue
        if row:
            yield row
        row = _GridRow(line, line.top)
        row.add(pieces, line, number + 1)
    if row:
        yield row


def _slack(line: PdfLine) -> float:
    return SLACK * line.size


def _pieces(line: PdfLine, columns: list[Column]) -> list[Piece] | None:
    """The cells of a line; none when one stands outside the columns or reaches into the next."""
    words = line.text.split()
    cuts = _cuts(line)
    begun: list[tuple[int, int]] = []
    rights = [*(right for _, _, right in line.starts), line.right]
    for (number, left), right in zip(((0, line.left), *(start[:2] for start in line.starts)), rights, strict=True):
        column = _column(left, right, columns, _slack(line))
        if column is not None and (not begun or column > begun[-1][1]):
            begun.append((number, column))
        elif number in cuts or not number:
            return None
    if len(begun) <= len(cuts) or (begun[-1][1] + 1 < len(columns) and line.right > columns[begun[-1][1] + 1][0]):
        return None
    ends = [*(number for number, _ in begun[1:]), len(words)]
    return [(column, " ".join(words[number:end])) for (number, column), end in zip(begun, ends, strict=True)]


def _column(left: float, right: float, columns: list[Column], slack: float) -> int | None:
    """The column that a cell is flush with at the left or, past the labels, at the right or in the middle."""
    for number, (start, end) in enumerate(columns):
        offsets = [left - start]
        if number and left > columns[number - 1][0] + slack:
            offsets += [right - end, (left + right - start - end) / 2]
        if min(map(abs, offsets)) <= slack:
            return number
    return None


def _is_beside(first: PdfLine, line: PdfLine) -> bool:
    """Whether a line is right of the first one of a row and level with it, or half a line off: cells may be centred."""
    return line.left > first.left + first.size and abs(line.top - first.top) <= LEVEL * first.size


def _wraps(lines: list[PdfLine], at: int, row: PdfLine | None = None) -> bool:
    """Whether line ``at`` is of the first cell of a row, which wraps: the next cell follows, level with the row."""
    first = row or lines[at]
    for above, line in pairwise(lines[at : at + MAX_WRAPPED]):
        if _is_beside(first, line):
            return True
        if abs(line.left - first.left) > _slack(line) or not 0 < above.top - line.top < WRAPPED * line.size:
            return False
    return False


def _ends(row: _GridRow, line: PdfLine, pieces: list[Piece]) -> bool:
    """Whether a line belongs to what follows a table: a title, another header, a column of the page."""
    is_above = line.top > row.lowest + UP * line.size
    if is_above and (not pieces[0][0] or line.top > row.first.top + LEVEL * line.size):
        return True
    if row.lowest - line.top > FAR * line.size or abs(line.size - row.first.size) >= OTHER_SIZE * row.first.size:
        return True
    if len(pieces) == 1:
        return not pieces[0][0] and begins_section(line.text)
    # A line of words set bold is the header of the next table.
    return line.emphasis > row.first.emphasis and not any(is_value(text) for _, text in pieces)


def _goes_on(row: _GridRow, lines: list[PdfLine], at: int, pieces: list[Piece]) -> bool:
    """Whether a line is more of the row above it: a cell that wraps, or the cell behind one."""
    line = lines[at]
    if not pieces[0][0]:
        if len(pieces) == 1 and _wraps(lines, at, row.first):
            return True
        # The other cells may be level with the last line of the label.
        is_rest = line.text[:1].islower() and row.lowest - line.top < WRAPPED * line.size
        return is_rest and (len(pieces) == 1 or set(row.cells) == {0})
    if line.top > row.lowest - UP * line.size:
        return True
    return not any(is_value(text) and is_value(row.cells.get(column, "")) for column, text in pieces)


def _is_table(rows: list[_GridRow], columns: int) -> bool:
    """Neither prose in columns, whose lines are long and often begin within a sentence, nor a list, nor headings."""
    full = [row for row in rows if len(row.cells) > 1]
    if sum(row.is_parted for row in full) < MIN_ROWS or 2 * len(full) < len(rows):
        return False
    labels = [row.cells[0] for row in full if 0 in row.cells]
    if not _is_set_apart(rows) and 3 * sum(label[0].islower() for label in labels) >= len(labels):
        return False
    texts = [" ".join(row.cells.values()) for row in full]
    # Items of a list, or headings behind their numbers.
    numbered = sum(
        bool(LIST_ITEM.match(text)) or (row.first.emphasis > 0 and heading_level(text) > 0)
        for row, text in zip(full, texts, strict=True)
    )
    if columns == 2 and 2 * numbered >= len(full):
        return False
    cells = [text for row in full for text in row.cells.values()]
    # A sign set apart from its figure is no cell: such tables are for those that know figures.
    return sum(map(len, cells)) <= MAX_CELL * len(cells) and SIGNS.isdisjoint(cells)


def _is_set_apart(rows: list[_GridRow]) -> bool:
    return len(rows) > 1 and rows[0].first.emphasis > rows[1].first.emphasis


def _has_figure(cell: str) -> bool:
    return any(map(str.isdigit, cell))


def _is_far(above: PdfLine, line: PdfLine) -> bool:
    return not 0 < above.top - line.top <= FAR * above.size
