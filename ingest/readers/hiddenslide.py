"""Text of a PowerPoint file that is not drawn: hidden slides and shapes, shapes off the slide, lost in size or colour.

It is taken out of the file before it is read. Where shapes or pictures may lie behind a text, or the names of colours
do not mean what they usually do, its colour says nothing.
"""

import io
import re
import zipfile
from collections.abc import Mapping, Sequence

from lxml import etree

from .shades import CLEAR, MAPPED, WHITE, Rgb, are_alike, drawn_colour, palette

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_SLIDE = re.compile(r"ppt/slides/slide\d+\.xml")
_BEHIND = re.compile(r"ppt/slide(?:Layouts|Masters)/[^/]+\.xml")
_THEME = re.compile(r"ppt/theme/theme\d+\.xml")
_PICTURES = (f"{_P}pic", f"{_P}graphicFrame")
_PLAIN = "1001"
"""The first ground of a theme: one colour."""
_SHAPES = tuple(f"{_P}{name}" for name in ("sp", "pic", "graphicFrame", "grpSp"))
_FILLS = tuple(f"{_A}{name}" for name in ("solidFill", "gradFill", "blipFill", "pattFill"))
_SMALLEST = 200
"""Hundredths of a point; nobody reads smaller letters."""


def without_hidden_text(data: bytes) -> tuple[bytes, int]:
    """The same PPTX file less what is not drawn, and how many letters and figures that was."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        size = _parse(archive.read("ppt/presentation.xml")).find(f"{_P}sldSz")
        extent = (9_144_000, 6_858_000) if size is None else (int(size.get("cx", "0")), int(size.get("cy", "0")))
        behind = [_parse(archive.read(name)) for name in names if _BEHIND.fullmatch(name)]
        theme = _common([palette(archive.read(name)) for name in names if _THEME.fullmatch(name)])
        if any(map(_renames, behind)):
            theme = {}
        is_plain = not any(_paints(root, theme) for root in behind)
        hidden = 0
        changed: dict[str, bytes] = {}
        for name in filter(_SLIDE.fullmatch, names):
            root = _parse(archive.read(name))
            if count := _clean(root, extent, theme, is_plain):
                hidden += count
                changed[name] = etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)
        if not changed:
            return data, 0
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as copy:
            for name in names:
                copy.writestr(name, changed.get(name) or archive.read(name))
    return target.getvalue(), hidden


def _parse(part: bytes) -> etree._Element:
    return etree.fromstring(part, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))


def _common(themes: Sequence[Mapping[str, Rgb]]) -> dict[str, Rgb]:
    """The colours on which all themes of a file agree: each master and the notes have one."""
    first = themes[0] if themes else {}
    return {name: rgb for name, rgb in first.items() if all(theme.get(name) == rgb for theme in themes)}


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
    return any(map(_is_filled, root.iter(f"{_P}spPr", f"{_P}grpSpPr")))


def _is_filled(properties: etree._Element) -> bool:
    """Whether a shape has a colour, of its own or by its style."""
    if next(properties.iterchildren(*_FILLS), None) is not None:
        return True
    by_style = properties.find(f"../{_P}style/{_A}fillRef")
    return by_style is not None and by_style.get("idx") != "0" and properties.find(f"{_A}noFill") is None


def _clean(root: etree._Element, extent: tuple[int, int], theme: Mapping[str, Rgb], is_plain: bool) -> int:
    if root.get("show") in ("0", "false"):
        return _emptied(root)
    hidden = sum(_emptied(shape) for shape in root.iter(*_SHAPES) if _is_away(shape, extent))
    theme = {} if _renames(root) else theme
    page = WHITE if is_plain and not _paints(root, theme) else None
    for run in root.iter(f"{_A}r"):
        properties = run.find(f"{_A}rPr")
        if properties is not None and _is_lost(properties, _ground(run, theme, page), theme):
            hidden += _emptied(run)
    return hidden


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
