"""The one structure extractor: an HTML tree to blocks.

Markdown, DOCX, PPTX, EPUB and mail bodies all come through here as HTML, so a table or a heading means the
same wherever it was written. The walk is a loop over start and end events, never recursive: how deep a file
nests is the file's choice.
"""

from dataclasses import dataclass, field

from lxml import etree

from assistant.types import Block

from .clean import clean, fold, fold_lines
from .tabular import guess_header, line_of, without_empty_columns

HEADINGS = {f"h{level}": float(level) for level in range(1, 7)}
BLOCK_TAGS = frozenset({
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog",
    "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup", "hr",
    "legend", "li", "main", "menu", "ol", "p", "pre", "section", "table", "tbody", "td", "tfoot", "th",
    "thead", "tr", "ul",
})  # fmt: skip
LISTS = frozenset({"ul", "ol", "menu", "dl"})
MAX_INDENT = 8  # levels of lists; blanks before deeper ones would add up to the square of the text
_LAYOUT_SIGNS = etree.XPath(".//table|.//h1|.//h2|.//h3|.//h4|.//h5|.//h6")
MAX_SPAN = 100
"""A wider span is a mistake or an attack; HTML itself stops at 1000."""
MAX_WIDTH = 1_000
"""Cells of a row that spans can make."""
DROPPED_TAGS = frozenset({
    "script", "style", "template", "nav", "noscript", "iframe", "object", "embed", "applet", "canvas",
    "audio", "video", "svg", "select", "option", "datalist", "textarea", "input", "progress", "meter",
    "head", "del", "s", "strike", "rp", "annotation", "annotation-xml", "map", "area", "param", "frameset",
})  # fmt: skip
_DROPPED_ROLES = frozenset({"navigation", "banner", "contentinfo", "search", "menu", "menubar", "alert"})
_DROPPED_CLASSES = frozenset({"footnote-backref", "skip-link", "skiplink", "usa-skipnav", "breadcrumb", "breadcrumbs"})
_BACK_ARROWS = frozenset({"↑", "↩", "↩\ufe0e", "^"})
"""Links from a footnote back to its mark."""


def is_dropped(element: etree._Element) -> bool:
    """Whether an element and all below it are left out of the text."""
    tag = element.tag
    if not isinstance(tag, str) or tag in DROPPED_TAGS:
        return True
    if tag == "a" and element.text in _BACK_ARROWS:
        return True
    attributes = element.attrib
    if not attributes:
        return False
    if attributes.get("role") in _DROPPED_ROLES:
        return True
    return not _DROPPED_CLASSES.isdisjoint(attributes.get("class", "").split())


@dataclass(slots=True)
class _Table:
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
        text = ""
        for part in self._parts:  # on one line, parted where no punctuation parts them
            separator = "" if not text else " " if text[-1] in ".:;,!?" else "; "
            text = f"{text}{separator}{part}"
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


@dataclass(slots=True)
class _List:
    tag: str
    number: int
    marker: str = ""
    """What the next line of text starts with; empty once the item has text."""
    as_blocks: bool = False
    """The current item holds a heading: an accordion panel, not a list item."""


@dataclass(slots=True)
class _Builder:
    place: str = ""
    page: int | None = None
    blocks: list[Block] = field(default_factory=list)
    headings: list[tuple[float, int, str]] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    lists: list[_List] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    table: _Table | None = None
    heading: etree._Element | None = None
    code: etree._Element | None = None
    depth: int = 0

    def path(self) -> tuple[str, ...]:
        return tuple(text for _, _, text in self.headings)

    def emit(self, text: str, kind: str, header_lines: int = 0) -> None:
        block = Block(text, kind, self.path(), self.page, self.place, None, header_lines)  # type: ignore[arg-type]
        self.blocks.append(block)

    def take(self) -> str:
        text = clean("".join(self.text))
        self.text.clear()
        return text

    def end_list(self) -> None:
        """Emit the list lines so far: the list ended, or something that is no list interrupts it."""
        if self.lines:
            self.emit("\n".join(self.lines), "list")
            self.lines.clear()

    def flush(self) -> None:
        """What was gathered becomes a paragraph, a list line or a part of a cell."""
        if not self.text or self.heading is not None:
            return
        text = self.take()
        if self.table is not None and self.table.in_cell:
            self.table.add(text)
        elif self.code is not None:
            lines = [line.rstrip() for line in text.expandtabs(4).strip("\n").split("\n")]
            if any(lines) and self.lists and not self.lists[-1].as_blocks:
                self.add_item_lines([line for line in lines if line])
            elif any(lines):
                self.end_list()
                self.emit("\n".join(lines), "code")
        elif folded := fold_lines(text):
            if self.lists and not self.lists[-1].as_blocks:
                self.add_item_lines(folded.split("\n"))
            else:
                self.end_list()
                self.emit(folded, "paragraph")

    def add_item_lines(self, lines: list[str]) -> None:
        current = self.lists[-1]
        depth = sum(not level.as_blocks for level in self.lists) - 1
        indent = "  " * min(depth, MAX_INDENT)
        if current.marker:
            self.lines.append(f"{indent}{current.marker}{lines[0]}".rstrip())
            current.marker = ""
            lines = lines[1:]
        self.lines.extend(f"{indent}  {line}" for line in lines)

    def settle_term(self) -> None:
        """A defined term whose definition is no text but a list, table or heading stands alone."""
        if self.lists and self.lists[-1].tag == "dl" and self.lists[-1].marker:
            self.add_item_lines([""])

    def start(self, element: etree._Element) -> None:
        """An element begins."""
        tag = element.tag
        is_block = tag in BLOCK_TAGS or tag in LISTS
        # A button that opens a panel is the heading of that panel; so is a question in a definition list.
        is_heading = (
            tag in HEADINGS
            or tag == "summary"
            or (tag == "dt" and fold("".join(element.itertext())).endswith("?"))
            or (tag == "button" and ("accordion" in element.get("class", "") or "aria-controls" in element.attrib))
        )
        if self.heading is None and is_heading:
            self.flush()
            self.heading = element
        elif self.heading is None and is_block:
            self.flush()
            self.start_block(element)
        elif tag == "br":
            self.text.append("\n")
        elif tag == "img":
            self.text.append(f" {element.get('alt', '')} ")
        elif tag == "q":
            self.text.append("“")
        elif tag == "sup" and self.text and self.text[-1][-1:].isdigit() and (element.text or "").isdigit():
            self.text.append("^")  # 10<sup>6</sup> is not 106

    def start_block(self, element: etree._Element) -> None:
        """A block, a list, an item or a table begins."""
        tag = element.tag
        if self.table is not None:
            self.table.start(element)
        elif tag in LISTS:
            self.settle_term()
            self.lists.append(_List(tag, _integer(element.get("start"), 1)))
        elif tag == "li" and self.lists:
            current = self.lists[-1]
            current.as_blocks = False
            current.marker = "- "
            if current.tag == "ol":
                current.number = _integer(element.get("value"), current.number)
                current.marker = f"{current.number}. "
                current.number += 1
        elif tag == "pre":
            self.code = element
        # Tables that hold tables or headings lay out a page; their cells are read as running text.
        elif tag == "table" and element.get("role") != "presentation" and not _LAYOUT_SIGNS(element):
            self.settle_term()
            self.end_list()
            self.table = _Table()

    def end(self, element: etree._Element) -> None:
        """An element ends."""
        tag = element.tag
        if element is self.heading:
            text = self.take()
            self.heading = None
            level = HEADINGS.get(tag)
            depth = self.depth if level is None else 0
            self.add_heading(level if level is not None else self.panel_level(depth), text, depth)
        elif tag == "q":
            self.text.append("”")
        elif self.heading is None and (tag in BLOCK_TAGS or tag in LISTS):
            if tag == "dt" and self.lists and self.lists[-1].tag == "dl" and self.table is None:
                term = fold(self.take())
                current = self.lists[-1]
                current.as_blocks = False
                others = current.marker.removesuffix(": ")
                current.marker = f"{others}, {term}: " if others and term else f"{term}: " if term else current.marker
            self.flush()
            self.end_block(element)

    def end_block(self, element: etree._Element) -> None:
        """A block, a list or a table ends."""
        tag = element.tag
        if tag in LISTS and self.lists and self.table is None:
            self.settle_term()
            self.lists.pop()
            if all(outer.as_blocks for outer in self.lists):
                self.end_list()
        elif element is self.code:
            self.code = None
        elif self.table is not None:
            self.table.end(element)
            if tag == "table":
                lines, header_lines = self.table.lines()
                if header_lines < 0:
                    for line in lines:
                        self.emit(line, "paragraph")
                elif lines:
                    self.emit("\n".join(lines), "table", header_lines)
                self.table = None

    def add_heading(self, level: float, text: str, depth: int = 0) -> None:
        text = fold(text)
        if not text:
            return
        self.settle_term()
        self.end_list()
        for level_of_list in self.lists:
            level_of_list.as_blocks = True
            level_of_list.marker = ""
        while self.headings and self.headings[-1][0] >= level:
            self.headings.pop()
        self.headings.append((level, depth, text))
        self.emit(text, "heading")

    def panel_level(self, depth: int) -> float:
        """Level of an accordion button: below the last heading, and beside its sibling buttons."""
        for level, other, _ in self.headings:
            if other == depth:
                return level
        return (self.headings[-1][0] if self.headings else 0.0) + 0.5


def blocks_of(root: etree._Element, place: str = "", page: int | None = None) -> list[Block]:
    """The blocks below ``root`` in reading order; hidden and navigational parts are left out."""
    builder = _Builder(place, page)
    walk = etree.iterwalk(root, events=("start", "end", "comment", "pi"))
    for event, element in walk:
        if event == "start":
            if is_dropped(element):
                walk.skip_subtree()
            else:
                builder.depth += 1
                builder.start(element)
                _add_text(builder, element.text)
            continue
        if event == "end" and not is_dropped(element):
            builder.end(element)
            builder.depth -= 1
        if element is not root:
            _add_text(builder, element.tail)
    builder.flush()
    builder.end_list()
    return builder.blocks


def _add_text(builder: _Builder, text: str | None) -> None:
    if not text:
        return
    if builder.code is None:
        # Only <br> breaks a line outside code.
        text = text.replace("\n", " ").replace("\r", " ")
    builder.text.append(text)


def _integer(value: str | None, default: int) -> int:
    return int(value) if value and value.isdecimal() and len(value) < 7 else default


def _span(value: str | None) -> int:
    return max(1, min(MAX_SPAN, int(value))) if value and value.isdecimal() and len(value) < 6 else 1
