"""Cells of a spreadsheet that are not drawn: hidden rows and columns, formats without a value, lost in their colour.

What a click shows is read, as in all formats: rows of a group that is closed, and rows that a filter leaves out.
"""

import re
import zipfile
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from defusedxml.ElementTree import iterparse
from openpyxl.styles.colors import COLOR_INDEX

from .shades import BLACK, WHITE, Rgb, are_alike, from_hex, palette, shaded

if TYPE_CHECKING:
    from openpyxl import Workbook

_SIGNS = re.compile(rb'\bhidden="(?:1|true)"|\b(?:ht|width)="0?\.?\d"')
_THEME = (
    "lt1",
    "dk1",
    "lt2",
    "dk2",
    "accent1",
    "accent2",
    "accent3",
    "accent4",
    "accent5",
    "accent6",
    "hlink",
    "folHlink",
)
_SMALLEST = 2.0
"""Points of letters, of a row's height, and characters of a column's width that show something."""
_NARROWEST = 0.5
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
_COLOUR = re.compile(rf"\[({'|'.join(_COLOURS)})\]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Unshown:
    """Rows and columns (from 1) that are not drawn."""

    rows: frozenset[int] = frozenset()
    columns: frozenset[int] = frozenset()
    is_styled: bool = False
    """Whether tables or conditions may put colours behind cells."""

    def has(self, row: int, column: int) -> bool:
        """Whether a cell lies in a row or a column that is not drawn."""
        return column in self.columns or row in self.rows


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


def _named_colour(section: str) -> Rgb | None:
    """The colour that a section of a number format asks for, as in ``[White]@``."""
    named = _COLOUR.search(section)
    return _COLOURS[named[1].lower()] if named else None


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
        return any(not are_alike(_named_colour(section) or own, ground) for section in used or [""])

    def _colour(self, colour: Any) -> Rgb | None:
        if colour is None:
            return None
        if colour.type == "theme":
            plain = self.theme.get(_THEME[colour.theme] if colour.theme < len(_THEME) else "")
        elif colour.type == "indexed":
            plain = from_hex(COLOR_INDEX[colour.indexed]) if colour.indexed < len(COLOR_INDEX) else None
        else:
            plain = from_hex(colour.rgb) if colour.type == "rgb" else None
        tint = colour.tint or 0.0
        return plain and shaded(plain, max(0.0, tint), max(0.0, -tint))
