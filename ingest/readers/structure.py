"""The one structure extractor: an HTML tree to blocks.

Markdown, DOCX, PPTX, EPUB and mail bodies all come through here as HTML, so a table or a heading means the
same wherever it was written. The walk is a loop over start and end events, never recursive: how deep a file
nests is the file's choice.
"""

from dataclasses import dataclass, field

from lxml import etree

from assistant.types import Block

from .clean import clean, fold, fold_lines
from .hidden import is_dropped
from .htmltable import HtmlTable

HEADINGS = {f"h{level}": float(level) for level in range(1, 7)}
BLOCK_TAGS = frozenset({
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog",
    "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup", "hr",
    "legend", "li", "main", "menu", "ol", "p", "pre", "section", "table", "tbody", "td", "tfoot", "th",
    "thead", "tr", "ul",
})  # fmt: skip
LISTS = frozenset({"ul", "ol", "menu", "dl"})
MAX_INDENT = 8
_LAYOUT_SIGNS = etree.XPath(".//table|.//h1|.//h2|.//h3|.//h4|.//h5|.//h6")


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
    table: HtmlTable | None = None
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
            self.add_code(text)
        elif folded := fold_lines(text):
            if self.lists and not self.lists[-1].as_blocks:
                self.add_item_lines(folded.split("\n"))
            else:
                self.end_list()
                self.emit(folded, "paragraph")

    def add_code(self, text: str) -> None:
        lines = [line.rstrip() for line in text.expandtabs(4).strip("\n").split("\n")]
        if not any(lines):
            return
        if self.lists and not self.lists[-1].as_blocks:
            self.add_item_lines([line for line in lines if line])
        else:
            self.end_list()
            self.emit("\n".join(lines), "code")

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
                _start(builder, element)
                _add_text(builder, element.text)
            continue
        if event == "end" and not is_dropped(element):
            _end(builder, element)
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


def _start(builder: _Builder, element: etree._Element) -> None:
    tag = element.tag
    if builder.heading is not None:
        _inline(builder, element)
    elif tag in HEADINGS or _is_panel_button(element):
        builder.flush()
        builder.heading = element
    elif tag in BLOCK_TAGS or tag in LISTS:
        builder.flush()
        _start_block(builder, element)
    else:
        _inline(builder, element)


def _is_panel_button(element: etree._Element) -> bool:
    """A button that opens a panel is the heading of that panel; so is a question in a definition list."""
    if element.tag == "summary":
        return True
    if element.tag == "dt":
        return fold("".join(element.itertext())).endswith("?")
    if element.tag != "button":
        return False
    return "accordion" in element.get("class", "") or "aria-controls" in element.attrib


def _start_block(builder: _Builder, element: etree._Element) -> None:
    tag = element.tag
    if builder.table is not None:
        builder.table.start(element)
    elif tag in LISTS:
        builder.settle_term()
        builder.lists.append(_List(tag, _integer(element.get("start"), 1)))
    elif tag == "li" and builder.lists:
        _start_item(builder.lists[-1], element)
    elif tag == "pre":
        builder.code = element
    elif tag == "table" and not _is_layout(element):
        builder.settle_term()
        builder.end_list()
        builder.table = HtmlTable()


def _start_item(current: _List, element: etree._Element) -> None:
    current.as_blocks = False
    current.marker = "- "
    if current.tag == "ol":
        current.number = _integer(element.get("value"), current.number)
        current.marker = f"{current.number}. "
        current.number += 1


def _is_layout(table: etree._Element) -> bool:
    """Tables that hold tables or headings lay out a page; their cells are read as running text."""
    return table.get("role") == "presentation" or bool(_LAYOUT_SIGNS(table))


def _integer(value: str | None, default: int) -> int:
    return int(value) if value and value.isdecimal() and len(value) < 7 else default


def _inline(builder: _Builder, element: etree._Element) -> None:
    tag = element.tag
    if tag == "br":
        builder.text.append("\n")
    elif tag == "img":
        builder.text.append(f" {element.get('alt', '')} ")
    elif tag == "q":
        builder.text.append("“")
    elif tag == "sup" and builder.text and builder.text[-1][-1:].isdigit() and (element.text or "").isdigit():
        builder.text.append("^")  # 10<sup>6</sup> is not 106


def _end(builder: _Builder, element: etree._Element) -> None:
    tag = element.tag
    if element is builder.heading:
        text = builder.take()
        builder.heading = None
        level = HEADINGS.get(tag)
        depth = builder.depth if level is None else 0
        builder.add_heading(level if level is not None else builder.panel_level(depth), text, depth)
    elif tag == "q":
        builder.text.append("”")
    elif builder.heading is None and (tag in BLOCK_TAGS or tag in LISTS):
        if tag == "dt" and builder.lists and builder.lists[-1].tag == "dl" and builder.table is None:
            _end_term(builder)
        builder.flush()
        _end_block(builder, element)


def _end_term(builder: _Builder) -> None:
    term = fold(builder.take())
    current = builder.lists[-1]
    current.as_blocks = False
    open_term = current.marker.removesuffix(": ")
    current.marker = f"{open_term}, {term}: " if open_term and term else f"{term}: " if term else current.marker


def _end_block(builder: _Builder, element: etree._Element) -> None:
    tag = element.tag
    if tag in LISTS and builder.lists and builder.table is None:
        builder.settle_term()
        builder.lists.pop()
        if not any(not outer.as_blocks for outer in builder.lists):
            builder.end_list()
    elif element is builder.code:
        builder.code = None
    elif builder.table is not None:
        builder.table.end(element)
        if tag == "table":
            _emit_table(builder, builder.table)
            builder.table = None


def _emit_table(builder: _Builder, table: HtmlTable) -> None:
    lines, header_lines = table.lines()
    if header_lines < 0:
        for line in lines:
            builder.emit(line, "paragraph")
    elif lines:
        builder.emit("\n".join(lines), "table", header_lines)
