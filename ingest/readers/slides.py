"""PowerPoint: what each slide shows from top to bottom, then its notes; through python-pptx to the common structure.

Left out is text that is not drawn: hidden slides and shapes, shapes off the slide, letters lost in size or colour.
Where shapes or pictures may lie behind a text, or the names of colours do not mean what they usually do, its colour
says nothing.
"""

import io
from collections.abc import Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

from lxml import etree

from assistant.types import Block, Document

from .clean import clean
from .colours import CLEAR, MAPPED, WHITE, Rgb, are_alike, drawn_colour, palette
from .html_blocks import blocks_of
from .office_properties import office_document, properties_of
from .reading_limits import Limits, check_archive, check_characters, hidden_warning

if TYPE_CHECKING:
    from pptx.presentation import Presentation

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_PICTURES = (f"{_P}pic", f"{_P}graphicFrame")
_THEME = "application/vnd.openxmlformats-officedocument.theme+xml"
_PLAIN = "1001"
"""The first ground of a theme: one colour."""
_SHAPES = tuple(f"{_P}{name}" for name in ("sp", "pic", "graphicFrame", "grpSp"))
_FILLS = tuple(f"{_A}{name}" for name in ("solidFill", "gradFill", "blipFill", "pattFill"))
_SMALLEST = 200
"""Hundredths of a point; nobody reads smaller letters."""


def read_pptx(data: bytes, limits: Limits) -> Document:
    """PowerPoint: a place and a page number for each slide."""
    check_archive(data, limits)
    import pptx

    show = pptx.Presentation(io.BytesIO(data))
    design = _Design(show)
    blocks: list[Block] = []
    skipped: list[int] = []
    unseen = characters = 0
    for number, slide in enumerate(show.slides, start=1):
        if slide.element.get("show") in ("0", "false"):
            skipped.append(number)
            continue
        unseen += design.without_hidden_text(slide.element)
        body = etree.Element("body")
        _add_shapes(body, slide.shapes)
        notes = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
        if notes is not None and notes.text.strip():
            etree.SubElement(body, "h3").text = "Notes:"
            _add_text(body, notes.text)
        found = blocks_of(body, f"slide {number}", number)
        blocks.extend(found)
        characters += sum(len(block.text) for block in found)
        check_characters(characters, limits)
    told = f"hidden slides were skipped: {', '.join(map(str, skipped[:10]))}{', …' if len(skipped) > 10 else ''}"
    warnings = (*([told] if skipped else ()), *hidden_warning(unseen))
    return office_document("pptx", tuple(blocks), properties_of(data), len(show.slides), warnings)


def _add_shapes(body: etree._Element, shapes: Any) -> None:
    """What shapes say, from top to bottom and from left to right; those of a group in its place."""
    from pptx.shapes.picture import Picture

    def reading_order(some: Any) -> list[Any]:
        return sorted(some, key=lambda one: [-1e18 if edge is None else edge for edge in (one.top, one.left)])

    title = shapes.title
    todo = reading_order(shapes)[::-1]
    while todo:
        shape = todo.pop()
        if hasattr(shape, "shapes"):
            todo += reading_order(shape.shapes)[::-1]
        elif isinstance(shape, Picture):
            about = shape.element.find(f"./*/{_P}cNvPr")
            _add_text(body, "" if about is None else about.get("descr", ""))
        elif shape.has_table:
            target = etree.SubElement(body, "table")
            for at, row in enumerate(shape.table.rows):
                line = etree.SubElement(target, "tr")
                tag = "th" if shape.table.first_row and not at else "td"
                for cell in (one for one in row.cells if not one.is_spanned):
                    spans = {"colspan": str(cell.span_width), "rowspan": str(cell.span_height)}
                    etree.SubElement(line, tag, spans).text = clean(cell.text_frame.text)
        elif shape.has_chart:
            _add_chart(body, shape.chart)
        elif shape.has_text_frame and shape == title:
            etree.SubElement(body, "h1").text = clean(shape.text_frame.text)
        elif shape.has_text_frame:
            _add_text(body, shape.text_frame.text)


def _add_text(body: etree._Element, text: str) -> None:
    """Paragraphs that empty lines part; slides set a line a thought, so each stays one."""
    for is_text, lines in groupby(clean(text).split("\n"), key=lambda line: bool(line.strip())):
        if is_text:
            paragraph = etree.SubElement(body, "p")
            paragraph.text = next(lines)
            for line in lines:
                etree.SubElement(paragraph, "br").tail = line


def _add_chart(body: etree._Element, chart: Any) -> None:
    """The points that a chart keeps of its figures as a table, below its title; a count in the file means nothing."""
    labels: dict[int, str] = {}
    columns: list[tuple[str, dict[int, str]]] = []
    for series in chart.element.iter(f"{_C}ser"):
        ends, values = (
            {
                int(point.get("idx", "0")): point.findtext(f"{_C}v") or ""
                for name in names
                for point in series.iterfind(f"{_C}{name}//{_C}pt")
            }
            for names in (("cat", "xVal"), ("val", "yVal"))
        )
        labels = ends | labels
        columns.append((" ".join(one.text or "" for one in series.iterfind(f"{_C}tx//{_C}v")), values))
    is_named = chart.has_title and chart.chart_title.has_text_frame
    name = f"Chart: {chart.chart_title.text_frame.text}" if is_named else "Chart"
    etree.SubElement(body, "h3").text = clean(name)
    table = etree.SubElement(body, "table")
    head = ["Category", *(name for name, _ in columns)]
    rows = [
        [labels.get(at, ""), *(values.get(at, "") for _, values in columns)]
        for at in sorted(labels.keys() | {at for _, values in columns for at in values})
    ]
    for at, row in enumerate([head, *rows]):
        line = etree.SubElement(table, "tr")
        for text in row:
            etree.SubElement(line, "td" if at else "th").text = clean(text)


class _Design:
    """What lies behind the slides of a file: their size, the colours of its themes, and whether all is plain white."""

    def __init__(self, show: "Presentation") -> None:
        self.extent = show.slide_width or 9_144_000, show.slide_height or 6_858_000
        behind = [one.element for master in show.slide_masters for one in (master, *master.slide_layouts)]
        themes = [palette(part.blob) for part in show.part.package.iter_parts() if part.content_type == _THEME]
        # The colours on which all themes agree: each master and the notes have one.
        first = themes[0] if themes and not any(map(_renames, behind)) else {}
        self.theme = {name: rgb for name, rgb in first.items() if all(theme.get(name) == rgb for theme in themes)}
        self.is_plain = not any(_paints(root, self.theme) for root in behind)

    def without_hidden_text(self, slide: etree._Element) -> int:
        """Take what is not drawn out of a slide; returns how many letters and figures that was."""
        unseen = 0
        for shape in [one for one in slide.iter(*_SHAPES) if _is_away(one, self.extent)]:
            unseen += _emptied(shape)
            shape.getparent().remove(shape)
        theme = {} if _renames(slide) else self.theme
        page = WHITE if self.is_plain and not _paints(slide, theme) else None
        for run in slide.iter(f"{_A}r"):
            properties = run.find(f"{_A}rPr")
            if properties is not None and _is_lost(properties, _ground(run, theme, page), theme):
                unseen += _emptied(run)
        return unseen


def _renames(root: etree._Element) -> bool:
    """Whether names of colours mean others than usual, as in dark designs, where the background is the dark colour."""
    maps = root.iter(f"{_P}clrMap", f"{_A}overrideClrMapping")
    return any(one.get(name, usual) != usual for one in maps for name, usual in MAPPED.items())


def _paints(root: etree._Element, theme: Mapping[str, Rgb]) -> bool:
    """Whether a slide, or what lies behind it, may have another ground than white, or has a shape with a colour."""
    if root.find(f"{_P}cSld/{_P}bg/{_P}bgPr") is not None or next(root.iter(*_PICTURES), None) is not None:
        return True
    ground = root.find(f"{_P}cSld/{_P}bg/{_P}bgRef")
    if ground is not None and (ground.get("idx") != _PLAIN or drawn_colour(ground, theme) != WHITE):
        return True
    for properties in root.iter(f"{_P}spPr", f"{_P}grpSpPr"):
        if next(properties.iterchildren(*_FILLS), None) is not None:
            return True
        by_style = properties.find(f"../{_P}style/{_A}fillRef")
        if by_style is not None and by_style.get("idx") != "0" and properties.find(f"{_A}noFill") is None:
            return True
    return False


def _is_away(shape: etree._Element, extent: tuple[int, int]) -> bool:
    """Whether a shape is hidden, or lies off the slide."""
    about = shape.find(f"./*/{_P}cNvPr")
    if about is not None and about.get("hidden") in ("1", "true"):
        return True
    place = next(shape.iterfind(f"./*/{_A}xfrm"), None)
    place = shape.find(f"{_P}xfrm") if place is None else place
    parent = shape.getparent()
    if place is None or parent is None or parent.tag != f"{_P}spTree":
        return False
    at, size = place.find(f"{_A}off"), place.find(f"{_A}ext")
    if at is None or size is None:
        return False
    ends = ((int(at.get(way, "0")), int(size.get(f"c{way}", "0"))) for way in "xy")
    return any(start + long <= 0 or start >= whole for (start, long), whole in zip(ends, extent, strict=True))


def _ground(run: etree._Element, theme: Mapping[str, Rgb], page: Rgb | None) -> Rgb | None:
    """The colour behind a text; none where it cannot be told."""
    if (marked := run.find(f"{_A}rPr/{_A}highlight")) is not None:
        return drawn_colour(marked, theme)
    around = next(run.iterancestors(f"{_A}tc", f"{_P}sp"), None)
    if around is None:
        return None
    fill = around.find(f"{_A}tcPr/{_A}solidFill" if around.tag == f"{_A}tc" else f"{_P}spPr/{_A}solidFill")
    if fill is not None:
        shows_through = next(fill.iter(f"{_A}alpha"), None) is not None
        return None if shows_through else drawn_colour(fill, theme)
    return None if around.tag == f"{_A}tc" or around.find(f"{_P}style") is not None else page


def _is_lost(properties: etree._Element, ground: Rgb | None, theme: Mapping[str, Rgb]) -> bool:
    if int(properties.get("sz", "1800")) < _SMALLEST:
        return True
    edge = properties.find(f"{_A}ln")
    if properties.find(f"{_A}effectLst/*") is not None or (
        edge is not None and next(edge.iter(*_FILLS), None) is not None
    ):
        return False  # edges or a shadow show where the letters do not
    if properties.find(f"{_A}noFill") is not None:
        return True
    fill = properties.find(f"{_A}solidFill")
    if fill is None:
        return False
    is_clear = any(int(one.get("val", "0")) < CLEAR * 100_000 for one in fill.iter(f"{_A}alpha"))
    return is_clear or are_alike(drawn_colour(fill, theme), ground)


def _emptied(element: etree._Element) -> int:
    hidden = 0
    for text in element.iter(f"{_A}t"):
        hidden += sum(map(str.isalnum, text.text or ""))
        text.text = ""
    return hidden
