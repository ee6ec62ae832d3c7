"""Lines of PDF pages to blocks: headings, paragraphs, lists and tables, page by page, and sentences over their ends.

Words that were parted at a line end are joined again.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise, takewhile

from assistant.types import Block, BlockKind

from ..clean import fold
from ..text import LIST_ITEM, MAX_HEADING, heading_level, is_cited, is_division, is_numbered, plain_bullet
from .tablefinder import find_table
from .textlines import CELL, OTHER_SIZE, UP, PdfLine, plain_title

_CONTINUED = re.compile(r"[\s—–-]*\(?(?:continued|cont['’]?d|fortsetzung)\.?\)?$", re.IGNORECASE)
_UNIT = re.compile(
    r"\(?(?:[$€£]|dollars|amounts)?\s*\(?in\s+(?:millions|thousands|billions|mio|tsd|t?eur)", re.IGNORECASE
)
"""The unit of a table, set bold over it like a heading."""
MAX_HEADING_LINES = 4  # more lines of large letters are a cover or a quotation
LARGER = 1.12
"""Times the body size from which a line is set as a heading."""
MAX_PATH = 6  # as deep as in HTML
_HEAD_LINES = 5
"""Lines at the top of a page within which an open heading is repeated."""
_GAP, _TIGHT = 1.3, 0.95
"""Usual distances between lines from which a paragraph ends, and the line heights that are the least of them."""
_POINTS = 0.6
"""Points of size within which two lines are set alike."""
_COLUMN = 20
"""Points: lines that begin within so many share their right edge."""
_SHORT = 4
"""Line heights before the right edge at which a line has ended early: about eight letters."""
_INDENT = 0.8
"""Line heights by which the first line of a paragraph is set in at the least."""
_SHORT_TEXT = 45
"""Characters of a line that has ended early, where its place is not known."""
_LONGEST_BOLD = 90
"""Characters of a heading that only its weight tells."""

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_SUSPENDED = frozenset({
    "und", "oder", "bzw", "sowie", "noch", "bis", "als", "and", "or", "to", "nor", "but", "et", "ou", "y",
    "o", "e", "en", "of",
})  # fmt: skip
COMPOUNDING = frozenset({"de", "nl", "sv", "da", "no", "nb", "fi", "hu"})
"""Languages that write compounds as one word: a hyphen before a small letter only parts a line."""

Key = tuple[float, ...]
"""Order of a heading among headings: a smaller key is further out."""


@dataclass(slots=True)
class Layout:
    """What is known of the whole document, and the headings that are open."""

    body_size: float
    body_emphasis: int
    words: frozenset[str]
    language: str
    outline: dict[int, dict[str, int]]
    """Page → title (letters and figures only) → depth, from the bookmarks."""
    open: list[tuple[Key, str]] = field(default_factory=list)

    def path(self) -> tuple[str, ...]:
        return tuple(text for _, text in self.open)


def layout_of(
    pages: list[list[PdfLine]], words: frozenset[str], language: str, outline: dict[int, dict[str, int]]
) -> Layout:
    """The document's body style is the one that most characters are set in."""
    styles: Counter[tuple[float, int]] = Counter()
    for lines in pages:
        for line in lines:
            styles[round(line.size * 2) / 2, line.emphasis] += len(line.text)
    (size, emphasis), _ = styles.most_common(1)[0] if styles else ((0.0, 0), 0)
    return Layout(size, emphasis, words, language, outline)


def page_blocks(lines: list[PdfLine], page: int, layout: Layout) -> Iterator[Block]:
    """The blocks of one page in order; no block reaches over its end."""
    view = _Page(lines, layout, page)
    at = 0
    while at < len(lines):
        if table := find_table(lines, at, view.leading):
            yield Block(table.text, "table", layout.path(), page, header_lines=table.header_lines)
            at = table.end
        elif found := view.heading(at):
            key, text, at = found
            plain = _CONTINUED.sub("", text)
            if at <= _HEAD_LINES and any(plain == other for _, other in layout.open):
                continue  # a heading that is open already, repeated at the top of the next page
            while layout.open and (layout.open[-1][0] >= key or len(layout.open) >= MAX_PATH):
                layout.open.pop()
            layout.open.append((key, text))
            yield Block(text, "heading", layout.path(), page)
        else:
            kind, text, at = view.passage(at)
            if text:
                yield Block(text, kind, layout.path(), page)


def over_pages(blocks: Iterable[Block], layout: Layout) -> Iterator[Block]:
    """The blocks of all pages in order; a sentence that the end of a page has parted is whole again."""
    open_block: Block | None = None
    for block in blocks:
        # A sentence at the foot of a page may go on at the head of the next, under the same headings.
        if (
            open_block
            and open_block.last_page is not None
            and block.page == open_block.last_page + 1
            and open_block.kind in {"paragraph", "list"}
            and block.kind == "paragraph"
            and open_block.heading_path == block.heading_path
            and block.text[:1].islower()
            and not _ends_sentence(open_block.text)
        ):
            text = join_lines((open_block.text, block.text), layout.words, layout.language)
            turn = (len(text) - len(block.text), block.page or 0)
            open_block = replace(open_block, text=text, turns=(*open_block.turns, turn))
            continue
        if open_block:
            yield open_block
        open_block = block
    if open_block:
        yield open_block


class _Page:
    """One page's lines with the measures that the rules need."""

    def __init__(self, lines: list[PdfLine], layout: Layout, number: int) -> None:
        self.lines = lines
        self.layout = layout
        self.titles = layout.outline.get(number, {})
        steps = sorted(a.top - b.top for a, b in pairwise(lines) if 0 < a.top - b.top < 3 * (a.size or 1))
        self.leading = steps[len(steps) // 3] if steps else 0.0
        """The usual distance from line to line, in points."""
        self.right_edges: dict[int, float] = {}
        for line in lines:
            column = round(line.left / _COLUMN)
            self.right_edges[column] = max(self.right_edges.get(column, 0.0), line.right)

    def gap_before(self, at: int) -> bool:
        """Whether more than the usual distance parts a line from the one above, or a column starts."""
        if at == 0:
            return True
        above, line = self.lines[at - 1], self.lines[at]
        if not line.size or not above.size:
            return False
        down = above.top - line.top
        return down < -UP * line.size or down > _GAP * max(self.leading, _TIGHT * line.size)

    def heading(self, at: int) -> tuple[Key, str, int] | None:
        """Key and text of the heading that starts here, and the line after it."""
        for end in range(at + 1, min(at + 1 + MAX_HEADING_LINES, len(self.lines) + 1)) if self.titles else ():
            depth = self.titles.get(plain_title(" ".join(line.text for line in self.lines[at:end])))
            if depth is not None:  # the title of a bookmark is printed on these lines
                return (0.0, depth), self._text(at, end), end
        first = self.lines[at]
        end = at + 1
        if self._is_larger(first) or self._is_emphasised(first):
            # Long headings wrap: what is set like the first line and follows closely belongs to it.
            while end < len(self.lines) and end - at < MAX_HEADING_LINES + 1:
                line = self.lines[end]
                alike = abs(line.size - first.size) < _POINTS and line.emphasis == first.emphasis
                if not alike or self.gap_before(end) or is_numbered(fold(line.text)) or CELL in line.text:
                    break
                end += 1
        text = self._text(at, end)
        if len(text) > MAX_HEADING or sum(map(str.isalpha, text)) < 3 or text[-1] in ",;":
            return None
        key = self._style_key(at, end, text)
        return (key, text, end) if key else None

    def _text(self, at: int, end: int) -> str:
        return fold(join_lines((line.text for line in self.lines[at:end]), self.layout.words, self.layout.language))

    def _is_larger(self, line: PdfLine) -> bool:
        return bool(line.size) and line.size >= LARGER * self.layout.body_size

    def _is_emphasised(self, line: PdfLine) -> bool:
        return line.emphasis > self.layout.body_emphasis

    def _style_key(self, at: int, end: int, text: str) -> Key | None:
        """How far out a heading stands by its size, its numbering and its weight; none for running text."""
        line = self.lines[at]
        level = heading_level(text)
        if (CELL in line.text and not level) or _UNIT.match(text):
            return None
        larger, emphasised = self._is_larger(line), self._is_emphasised(line)
        apart = self.gap_before(at)
        if apart and end < len(self.lines) and not self.gap_before(end):
            last, below = self.lines[end - 1], self.lines[end]
            apart = below.emphasis != last.emphasis or abs(below.size - last.size) >= _POINTS
        if is_division(text) and level and (larger or emphasised or apart):
            return (0.5, level)
        body = -round(self.layout.body_size)
        is_title = not text[0].islower() and (level > 0 or not _ends_sentence(text))
        if larger and is_title and end - at <= MAX_HEADING_LINES:
            return (1.0, -round(line.size), level or 5.0)
        if level and (emphasised or apart or not line.size):
            return (1.0, body, level)
        if emphasised and apart and is_title and len(text) <= _LONGEST_BOLD:
            return (1.0, body, 8.0 - line.emphasis)
        return None

    def passage(self, at: int) -> tuple[BlockKind, str, int]:
        """The paragraph or list that starts here, and the line after it."""
        items: list[str] = []
        while at < len(self.lines) and LIST_ITEM.match(self.lines[at].text):
            if items and (self.heading(at) or find_table(self.lines, at, self.leading)):
                break
            end = self._paragraph_end(at)
            items.append(plain_bullet(self._text(at, end)))
            at = end
        if items:
            return "list", "\n".join(items), at
        end = self._paragraph_end(at)
        return "paragraph", self._text(at, end), end

    def _paragraph_end(self, at: int) -> int:
        end = at + 1
        while end < len(self.lines) and not self._breaks(at, end):
            end += 1
        return end

    def _breaks(self, start: int, at: int) -> bool:
        """Whether a new paragraph starts at line ``at`` of one that started at ``start``."""
        above, line = self.lines[at - 1], self.lines[at]
        begins_item = LIST_ITEM.match(line.text) and not is_cited(above.text, line.text)
        if begins_item or find_table(self.lines, at, self.leading):
            return True
        if line.size and above.size:
            column = round(above.left / _COLUMN)
            edge = max(self.right_edges.get(near, 0.0) for near in (column - 1, column, column + 1))
            early = edge - _SHORT * above.size
            if self.gap_before(at):
                # A sentence may run from the foot of one column to the head of the next.
                to_next_column = line.top > above.top and line.left > above.left
                is_alike = above.right > early and abs(line.size - above.size) < _POINTS
                goes_on = to_next_column and (line.text[:1].islower() or is_alike) and not _ends_sentence(above.text)
                return not goes_on or self.heading(at) is not None
            if abs(line.size - above.size) >= OTHER_SIZE * above.size:
                return True
            ended = _ends_sentence(above.text)
            indent = line.left - above.left
            if ended and (above.right < early or (indent > _INDENT * line.size and at - start > 1)):
                return True
        elif len(above.text) < _SHORT_TEXT and _ends_sentence(above.text):
            return True
        return self.heading(at) is not None


def _ends_sentence(text: str) -> bool:
    return text.rstrip('”"’)').endswith((".", "!", "?", ":", ";"))


def words_of(texts: Iterable[str]) -> frozenset[str]:
    """The words of a document's lines in small letters; halves of words parted at a line end do not count."""
    words: set[str] = set()
    parted = False
    for text in texts:
        found = _WORD.findall(text.casefold())
        start = int(parted)
        parted = text.endswith("-")
        words.update(found[start : len(found) - int(parted)])
    return frozenset(words)


def join_lines(lines: Iterable[str], words: frozenset[str] = frozenset(), language: str = "") -> str:
    """One line of text: ``Versiche-/rung`` is joined, ``Kranken-/und``, ``fixed-/rate`` keep the hyphen."""
    text = ""
    for line in map(str.strip, lines):
        if not text:
            text = line
            continue
        before = "".join(takewhile(str.isalpha, text[-2:-81:-1]))[::-1].casefold() if text.endswith("-") else ""
        after = "".join(takewhile(str.isalpha, line)).casefold() if before else ""
        if not before or not line:
            text = f"{text}{line}" if text.endswith("-") and line[:1].isdigit() else f"{text} {line}"
        elif after in _SUSPENDED:
            text = f"{text} {line}"
        elif after and line[0].islower():
            # Whether the hyphen belongs to the word: the document's own words decide, then the language.
            is_kept = f"{before}-{after}" in words or (
                language not in COMPOUNDING and before in words and after in words
            )
            is_kept = is_kept and f"{before}{after}" not in words
            text = f"{text if is_kept else text[:-1]}{line}"
        else:
            text = f"{text}{line}"
    return text
