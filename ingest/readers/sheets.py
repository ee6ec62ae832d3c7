"""Excel: a table for each run of rows of a sheet, which knows its row; through openpyxl to the common structure.

Left out are cells that are not drawn: hidden rows and columns, formats without a value, letters lost in their colour.
What a click shows is read, as in all formats: rows of a group that is closed, and rows that a filter leaves out.
"""

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from defusedxml.ElementTree import iterparse

from assistant.types import Block, Document

from .clean import clean, fold
from .colours import BLACK, WHITE, Rgb, are_alike, from_hex, palette, shaded
from .office_properties import office_document
from .reading_limits import Limits, check_archive, check_characters, hidden_warning
from .tabular import guess_header, is_mostly_filling, line_of, without_empty_columns

if TYPE_CHECKING:
    from openpyxl import Workbook

_NO_VALUE = (b"</f></c>", b"</f><v/></c>", b"</f><v /></c>", b"</f><v></v></c>")
_MOST_ROWS = 1_048_576
"""Of a sheet; a file may give a row any number."""
_SIGNS = re.compile(rb'\bhidden="(?:1|true)"|\b(?:ht|width)="0?\.?\d"')
_THEME = ("lt1", "dk1", "lt2", "dk2", *(f"accent{number}" for number in range(1, 7)), "hlink", "folHlink")
_SMALLEST = 2.0
"""Points of letters and of a row's height that show something."""
_NARROWEST = 0.5  # of a character that a column is wide: less shows nothing
_TEXT_SECTION = 3
"""A number format has sections for positive and negative numbers, zero, and text."""

_COLOURS: dict[str, Rgb] = {
    "black": BLACK,
    "white": WHITE,
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "magenta": (255, 0, 255),
    "cyan": (0, 255, 255),
}


@dataclass(frozen=True, slots=True)
class Unshown:
    """Rows and columns (from 1) that are not drawn."""

    rows: frozenset[int] = frozenset()
    columns: frozenset[int] = frozenset()
    is_styled: bool = False
    """Whether tables or conditions may put colours behind cells."""


def read_xlsx(data: bytes, limits: Limits) -> Document:
    """Excel: a table for each sheet, with the row it begins at."""
    check_archive(data, limits)
    from openpyxl import load_workbook

    book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
    ink = Ink(book)
    blocks: list[Block] = []
    warnings: list[str] = []
    hidden = characters = 0
    for sheet in book.worksheets:
        if sheet.sheet_state != "visible":
            warnings.append(f"sheet {fold(clean(sheet.title))!r} is hidden and was skipped")
            continue
        place = f"sheet {fold(clean(sheet.title))}"
        for first_row, rows, unseen in _regions(sheet, limits, ink):
            known = len(blocks)
            # Leading rows with a single cell are notes over the table; the rest is one table.
            while rows and sum(map(bool, rows[0])) == 1:
                if len(rows) > 1 and sum(map(bool, rows[1])) == 1 and first_row > 1:
                    break
                blocks.append(Block(next(filter(None, rows[0])), place=place, row=first_row))
                rows, first_row = rows[1:], first_row + 1
            if rows:
                rows = without_empty_columns(rows)
                header = guess_header(rows)
                text = "\n".join(map(line_of, rows))
                blocks.append(Block(text, "table", place=place, row=first_row + header, header_lines=header))
            hidden += sum(map(str.isalnum, "".join(unseen)))
            characters += sum(len(block.text) for block in blocks[known:])
            check_characters(characters, limits)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        # Programs that write formulas without computing them leave cells that read as empty.
        sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/sheet")]
        missing = sum(sum(map(archive.read(name).count, _NO_VALUE)) for name in sheets)
    if missing:
        warnings.append(f"{missing:,} formulas have no stored value; open the file in Excel and save it")
    return office_document("xlsx", tuple(blocks), book.properties, warnings=(*warnings, *hidden_warning(hidden)))


def _regions(sheet: Any, limits: Limits, ink: "Ink") -> Iterator[tuple[int, list[list[str]], list[str]]]:
    """Runs of rows with content, each with the number of its first row, and texts till its end that are not drawn."""
    from openpyxl.cell.read_only import EMPTY_CELL

    gone = unshown(sheet.parent._archive, sheet._worksheet_path)
    # The declared size may claim a million empty columns.
    sheet.reset_dimensions()
    region: list[dict[int, str]] = []
    hidden: list[str] = []
    characters = 0
    number = 0
    for number, cells in enumerate(islice(sheet.iter_rows(), _MOST_ROWS), start=1):
        row: dict[int, str] = {}
        for column, cell in enumerate(cells, start=1):
            if cell is EMPTY_CELL or not (text := _text(cell)):
                continue
            if column in gone.columns or number in gone.rows or not ink.is_drawn(cell, gone.is_styled):
                hidden.append(text)
            else:
                row[column] = text
        if row:
            characters += sum(map(len, row.values()))
            check_characters(characters, limits)
            region.append(row)
        elif region:
            yield number - len(region), _equally_long(region), hidden
            region, hidden = [], []
    yield number - len(region) + 1, _equally_long(region), hidden


def _equally_long(rows: list[dict[int, str]]) -> list[list[str]]:
    """Rows without the columns that are empty in all of them."""
    columns = sorted(set().union(*rows))
    if is_mostly_filling(len(rows) * len(columns), sum(map(len, rows))):
        return [list(row.values()) for row in rows]
    return [[row.get(column, "") for column in columns] for row in rows]


def _text(cell: Any) -> str:
    """A value as a reader of the sheet sees it where that changes the meaning: 0.05 shown as 5%."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, (int, float)):
        if (cell.number_format or "").endswith("%"):
            return f"{value * 100:.10g}%"
        return f"{value:.15g}" if isinstance(value, float) else str(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "minutes")
    if isinstance(value, date):
        return value.isoformat()
    return fold(clean(str(value)))


def unshown(archive: zipfile.ZipFile, member: str) -> Unshown:
    """The rows and columns of a sheet that are not drawn and that no click on it opens."""
    data = archive.read(member)
    is_styled = b"<tablePart" in data or b"<conditionalFormatting" in data
    if not _SIGNS.search(data):
        return Unshown(is_styled=is_styled)
    rows, columns = set[int](), set[int]()
    filtered: tuple[int, int] = (0, -1)
    with archive.open(member) as stream:
        for _, element in iterparse(stream):
            name = element.tag.rpartition("}")[2]
            if name == "col":
                if _is_hidden(element, "width", _NARROWEST):
                    columns.update(range(int(element.get("min", "1")), min(int(element.get("max", "1")), 16_384) + 1))
            elif name == "row":
                if _is_hidden(element, "ht", _SMALLEST):
                    rows.add(int(element.get("r", "0")))
                element.clear()
            elif name == "autoFilter" and len(element):
                first, _, last = element.get("ref", "").partition(":")
                filtered = int(re.sub(r"\D", "", first) or 0), int(re.sub(r"\D", "", last) or 0)
    rows = {row for row in rows if not filtered[0] <= row <= filtered[1]}
    return Unshown(frozenset(rows), frozenset(columns), is_styled)


def _is_hidden(element: Any, extent: str, smallest: float) -> bool:
    if element.get("hidden") in ("1", "true"):
        return bool(element.get("outlineLevel", "0") == "0")
    return bool(float(element.get(extent, "99")) < smallest)


class Ink:
    """Which styles of a book draw something."""

    def __init__(self, book: "Workbook") -> None:
        self.book = book
        self._known: dict[tuple[int, bool, bool], bool] = {}

    @cached_property
    def theme(self) -> dict[str, Rgb]:
        return palette(self.book.loaded_theme) if self.book.loaded_theme else {}

    def is_drawn(self, cell: Any, is_styled: bool) -> bool:
        """Whether a cell with a value shows it; ``is_styled`` where something else may put a colour behind it."""
        key = (cell._style_id, isinstance(cell.value, str), is_styled)  # no public name is as quick
        if key not in self._known:
            self._known[key] = self._draws(cell, *key[1:])
        return self._known[key]

    def _draws(self, cell: Any, is_text: bool, is_styled: bool) -> bool:
        sections = (cell.number_format or "").split(";")
        if len(sections) > _TEXT_SECTION and not any(
            sections[_TEXT_SECTION if is_text else 0 : None if is_text else 3]
        ):
            return False
        font, fill = cell.font, cell.fill
        if font.sz is not None and float(font.sz) < _SMALLEST:
            return False
        if is_styled and fill.fill_type is None:
            return True
        ground = WHITE
        if fill.fill_type == "solid":
            ground = self._colour(fill.fgColor) or BLACK
        elif fill.fill_type is not None:
            return True
        own = self._colour(font.color) or BLACK
        used = [section for section in sections if "@" in section] if is_text else sections[:_TEXT_SECTION]
        # A section may ask for a colour, as in ``[White]@``.
        inks = (
            next((rgb for name, rgb in _COLOURS.items() if f"[{name}]" in one.lower()), own) for one in used or [""]
        )
        return any(not are_alike(ink, ground) for ink in inks)

    def _colour(self, colour: Any) -> Rgb | None:
        if colour is None:
            return None
        from openpyxl.styles.colors import COLOR_INDEX

        if colour.type == "theme":
            plain = self.theme.get(_THEME[colour.theme] if colour.theme < len(_THEME) else "")
        elif colour.type == "indexed":
            plain = from_hex(COLOR_INDEX[colour.indexed]) if colour.indexed < len(COLOR_INDEX) else None
        else:
            plain = from_hex(colour.rgb) if colour.type == "rgb" else None
        tint = colour.tint or 0.0
        return plain and shaded(plain, max(0.0, tint), max(0.0, -tint))
