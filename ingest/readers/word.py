"""Word: headings, lists and tables as mammoth maps them to HTML, less text that is not drawn.

That is told by its own marks, by its styles, by colours, sizes and places, and taken out of the file before it is read.
Where the colour behind a text cannot be told, as in table styles and in drawings, the text stays.
"""

import io
import zipfile
from collections.abc import Iterator, Mapping
from functools import cached_property

from lxml import etree

from assistant.types import Document

from .cascade import declarations
from .colours import BLACK, WHITE, Rgb, are_alike, from_hex, named, palette, shaded
from .html import parse
from .html_blocks import blocks_of
from .office_properties import office_document, properties_of
from .reading_limits import Limits, check_archive, check_characters, hidden_warning
from .visibility import Look, is_drawn, looked

_STYLE_MAP = """
p[style-name='Title'] => h1:fresh
p[style-name='Titel'] => h1:fresh
p[style-name='Subtitle'] => p:fresh
"""

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_W14 = "{http://schemas.microsoft.com/office/word/2010/wordml}"
_WP = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"
_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_V = "{urn:schemas-microsoft-com:vml}"
_PARTS = ("word/document.xml", "word/footnotes.xml", "word/endnotes.xml")
_OFF = frozenset({"0", "false", "off", "none"})
_HIDING = ("vanish", "webHidden", "specVanish")
_EDGES = frozenset({"shadow", "glow", "textOutline"})
"""What is drawn around letters and shows them in any colour."""
_SMALLEST_HALF_POINTS = 4  # nobody reads smaller letters
_NARROWEST = 15
"""Per cent of their width that letters may be squeezed to."""
_TWIPS = 20
"""Twips a point; a line that is exactly so high or lower shows nothing."""
_EMU = 635
"""English metric units a twip, in which drawings are placed."""
_FARTHEST_HALF_POINTS = 400  # raised or lowered by 200 points, letters are far off their line
_CLEAR = 95_000
"""Thousandths of a per cent of a fill that do not cover, from which next to nothing is seen."""
_PLAIN_PATTERNS = ("", "clear")
"""Shadings without a pattern, of which nothing but the fill is drawn."""
_A4 = 11_906, 16_838  # twips, of a section that names no size
_SCHEME = {"background1": "lt1", "light1": "lt1", "text1": "dk1", "dark1": "dk1", "background2": "lt2", "light2": "lt2",
           "text2": "dk2", "dark2": "dk2", "hyperlink": "hlink", "followedHyperlink": "folHlink"}  # fmt: skip

Properties = dict[str, etree._Element]
"""Names of properties of runs or paragraphs → the element that sets them."""


def read_docx(data: bytes, limits: Limits) -> Document:
    """Word: headings, lists and tables as mammoth maps them to HTML."""
    check_archive(data, limits)
    import mammoth

    drawn, hidden = without_hidden_text(data)
    # Pictures are not read, only their alternative text; links to files outside stay closed.
    result = mammoth.convert_to_html(
        io.BytesIO(drawn),
        style_map=_STYLE_MAP,
        convert_image=mammoth.images.img_element(lambda _: {"src": ""}),
        external_file_access=False,
    )
    check_characters(len(result.value) // 4, limits)
    root, _ = parse(result.value)
    return office_document("docx", tuple(blocks_of(root)), properties_of(data), warnings=hidden_warning(hidden))


def without_hidden_text(data: bytes) -> tuple[bytes, int]:
    """The same DOCX file less what is not drawn, and how many letters and figures that was."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = set(archive.namelist())

        def member(name: str) -> bytes:
            return archive.read(name) if name in names else b""

        word = _Word(member("word/styles.xml"), member("word/theme/theme1.xml"))
        hidden = 0
        changed: dict[str, bytes] = {}
        for name in _PARTS:
            if name in names:
                root = _parse(archive.read(name))
                if count := word.clean(root):
                    hidden += count
                    changed[name] = etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True)
        if not changed:
            return data, 0
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as copy:
            for name in archive.namelist():
                copy.writestr(name, changed.get(name) or archive.read(name))
    return target.getvalue(), hidden


def _parse(part: bytes) -> etree._Element:
    return etree.fromstring(part, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))


class _Word:
    """The styles and the theme of a file, and what they make of its runs."""

    def __init__(self, styles: bytes, theme: bytes) -> None:
        self.root = _parse(styles) if styles else None
        self.theme = theme
        self.styles = {one.get(f"{_W}styleId", ""): one for one in self._all("style")}
        self.default = next(
            (
                one.get(f"{_W}styleId", "")
                for one in self._all("style")
                if one.get(f"{_W}type") == "paragraph" and one.get(f"{_W}default") in ("1", "true")
            ),
            "",
        )
        self._known: dict[tuple[str, str], Properties] = {}

    def _all(self, name: str) -> Iterator[etree._Element]:
        return iter(()) if self.root is None else self.root.iter(f"{_W}{name}")

    @cached_property
    def colours(self) -> dict[str, Rgb]:
        return palette(self.theme) if self.theme else {}

    @cached_property
    def basic(self) -> Properties:
        """What runs are like where nothing else is said."""
        return {} if self.root is None else _properties(self.root.find(f"{_W}docDefaults/{_W}rPrDefault/{_W}rPr"))

    def styled(self, name: str, kind: str) -> Properties:
        """The properties of a ``kind`` (rPr, pPr) that a style sets, with those of the styles it builds on."""
        if (name, kind) not in self._known:
            chain: list[etree._Element] = []
            style = self.styles.get(name)
            while style is not None and style not in chain:
                chain.append(style)
                style = self.styles.get(_value(style.find(f"{_W}basedOn")))
            found: Properties = {}
            for one in reversed(chain):
                found |= _properties(one.find(f"{_W}{kind}"))
            self._known[name, kind] = found
        return self._known[name, kind]

    def clean(self, root: etree._Element) -> int:
        """Empty what is not drawn in a part; returns how many letters and figures that was."""
        background = root.find(f"{_W}background")
        ground = WHITE if background is None else self._colour(background, "color", "themeColor")
        size = root.find(f".//{_W}sectPr/{_W}pgSz")
        page = (_number(size, "w") or _A4[0], _number(size, "h") or _A4[1])
        hidden = sum(_emptied(box) for box in root.iter(*_PLACED) if _is_away(box, page))
        for both in root.iter(f"{_MC}AlternateContent"):
            choice, fallback = both.find(f"{_MC}Choice"), both.find(f"{_MC}Fallback")
            # A fallback that says something else than what is drawn in its stead.
            if choice is not None and fallback is not None and _said(fallback) not in _said(choice):
                hidden += _emptied(fallback)
        for paragraph in root.iter(f"{_W}p"):
            own = _properties(paragraph.find(f"{_W}pPr"))
            style = _value(own.get("pStyle")) or self.default
            look = self.styled(style, "pPr") | own
            behind = self._ground(paragraph, look, ground)
            is_away = _is_off_page(look, page)
            around = self.basic | self.styled(style, "rPr")
            for run in paragraph.iter(f"{_W}r"):
                if next(run.iterancestors(f"{_W}p")) is paragraph:
                    direct = _properties(run.find(f"{_W}rPr"))
                    properties = around | self.styled(_value(direct.get("rStyle")), "rPr") | direct
                    if is_away or self._is_hidden(properties, behind):
                        hidden += _emptied(run)
        return hidden

    def _ground(self, paragraph: etree._Element, look: Properties, page: Rgb | None) -> Rgb | None:
        """The colour behind a paragraph; none where it cannot be told."""
        if "shd" in look and _shades(look["shd"]):
            return self._shading(look["shd"])
        for around in paragraph.iterancestors(f"{_W}tc", f"{_W}txbxContent"):
            if around.tag == f"{_W}txbxContent":
                return None
            shading = around.find(f"{_W}tcPr/{_W}shd")
            if shading is not None and _shades(shading):
                return self._shading(shading)
            table = next(around.iterancestors(f"{_W}tbl"), None)
            style = None if table is None else self.styles.get(_value(table.find(f"{_W}tblPr/{_W}tblStyle")))
            while style is not None:
                if style.find(f".//{_W}shd") is not None:
                    return None
                style = self.styles.get(_value(style.find(f"{_W}basedOn")))
        return page

    def _shading(self, shading: etree._Element) -> Rgb | None:
        """The colour behind a text that is shaded; none where it is a pattern of two."""
        pattern = _value(shading)
        if pattern == "solid":
            return self._colour(shading, "color", "themeColor") or BLACK
        return self._colour(shading, "fill", "themeFill") if pattern in _PLAIN_PATTERNS else None

    def _colour(self, element: etree._Element, plain: str, themed: str) -> Rgb | None:
        """A colour of the theme, or one written out; none for ``auto``."""
        name = element.get(f"{_W}{themed}", "")
        colour = self.colours.get(_SCHEME.get(name, name))
        if colour is None:
            return from_hex(element.get(f"{_W}{plain}", ""))
        kind = themed.removesuffix("Color")
        tint, shade = (int(element.get(f"{_W}{kind}{change}", "FF"), 16) / 255 for change in ("Tint", "Shade"))
        return shaded(colour, 1 - tint, 1 - shade)

    def _is_hidden(self, properties: Mapping[str, etree._Element], behind: Rgb | None) -> bool:
        if any(_is_on(properties.get(name)) for name in _HIDING):
            return True
        size = _number(properties.get("sz"))
        if 0 < size < _SMALLEST_HALF_POINTS or 0 < _number(properties.get("w")) <= _NARROWEST:
            return True
        if _number(properties.get("spacing")) < -(size or 20) * _TWIPS / 4:  # half of a letter's height
            return True
        if abs(_number(properties.get("position"))) > _FARTHEST_HALF_POINTS:
            return True
        if any(_is_on(one) and one.find(f"{_W14}noFill") is None for name, one in properties.items() if name in _EDGES):
            return False
        fill = properties.get("textFill")
        if fill is not None:
            # Word counts how much of a colour does not cover what is behind.
            is_clear = any(int(alpha.get(f"{_W14}val", "0")) >= _CLEAR for alpha in fill.iter(f"{_W14}alpha"))
            if is_clear or fill.find(f"{_W14}noFill") is not None:
                return True
        if "shd" in properties and _shades(properties["shd"]):
            behind = self._shading(properties["shd"])
        if (marked := _value(properties.get("highlight"))) not in ("", "none"):
            behind = named(marked)
        text = self._colour(properties["color"], "val", "themeColor") if "color" in properties else None
        return are_alike(text, behind)


def _shades(shading: etree._Element) -> bool:
    """Whether a shading covers what is behind it."""
    if (pattern := _value(shading)) == "nil":
        return False
    return pattern not in _PLAIN_PATTERNS or any(
        shading.get(f"{_W}{name}", "auto") != "auto" for name in ("fill", "themeFill")
    )


_PLACED = (f"{_WP}anchor", f"{_W}tr", f"{_W}tbl", f"{_V}shape", f"{_V}rect")


def _properties(element: etree._Element | None) -> Properties:
    return {} if element is None else {etree.QName(one).localname: one for one in element.iterchildren("*")}


def _said(element: etree._Element) -> str:
    return "".join(text.text or "" for text in element.iter(f"{_W}t"))


def _is_away(box: etree._Element, page: tuple[float, float]) -> bool:
    """Whether a drawing, a row or a table is hidden, flat, or off the page."""
    if box.tag == f"{_W}tr":
        height = box.find(f"{_W}trPr/{_W}trHeight")
        is_exact = height is not None and height.get(f"{_W}hRule") == "exact"
        return _is_on(box.find(f"{_W}trPr/{_W}hidden")) or (is_exact and _number(height) <= _TWIPS)
    if box.tag == f"{_W}tbl":
        place = box.find(f"{_W}tblPr/{_W}tblpPr")
        x, y = _number(place, "tblpX"), _number(place, "tblpY")
        indent = _number(box.find(f"{_W}tblPr/{_W}tblInd"), "w")
        return abs(x + indent) >= page[0] or abs(y) >= page[1]
    if box.tag.startswith(_V):
        styles = {one.name: one.value for one in declarations(box.get("style", ""))}
        look = looked(Look.of_page(True), styles, "div")
        return look is None or not is_drawn(look)
    about, extent = box.find(f"{_WP}docPr"), box.find(f"{_WP}extent")
    if (about is not None and about.get("hidden") in ("1", "true")) or box.get("hidden") in ("1", "true"):
        return True
    if extent is not None and min(int(extent.get("cx", "0")), int(extent.get("cy", "0"))) <= _TWIPS * _EMU:
        return True
    offsets = [box.findtext(f"{_WP}position{way}/{_WP}posOffset") or "0" for way in "HV"]
    return any(abs(int(offset)) >= side * _EMU for offset, side in zip(offsets, page, strict=True))


def _is_off_page(look: Properties, page: tuple[float, float]) -> bool:
    """Whether a paragraph is moved out of the page, or into lines or a frame without height."""
    indent, spacing, frame = look.get("ind"), look.get("spacing"), look.get("framePr")
    left = _number(indent, "left") or _number(indent, "start")
    first = _number(indent, "firstLine") - _number(indent, "hanging")
    if max(abs(left), abs(left + first)) >= page[0] or _number(indent, "right") >= page[0]:
        return True
    if spacing is not None and spacing.get(f"{_W}lineRule") == "exact" and _number(spacing, "line") <= 2 * _TWIPS:
        return True
    if frame is None:
        return False
    is_flat = frame.get(f"{_W}hRule") == "exact" and _number(frame, "h") <= 2 * _TWIPS
    return is_flat or abs(_number(frame, "x")) >= page[0] or abs(_number(frame, "y")) >= page[1]


def _emptied(element: etree._Element) -> int:
    hidden = 0
    for text in element.iter(f"{_W}t", f"{_W}instrText"):
        hidden += sum(map(str.isalnum, text.text or ""))
        text.text = ""
    return hidden


def _is_on(element: etree._Element | None) -> bool:
    return element is not None and _value(element) not in _OFF


def _value(element: etree._Element | None) -> str:
    return "" if element is None else str(element.get(f"{_W}val", ""))


def _number(element: etree._Element | None, name: str = "val") -> float:
    """A measure of an element, 0 where it is not set or no number."""
    value = "" if element is None else element.get(f"{_W}{name}", "").removesuffix("%")
    try:
        return float(value or 0)
    except ValueError:
        return 0.0
