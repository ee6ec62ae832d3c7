"""Markdown as models write it: its blocks, and where the words of each line stand.

Of Markdown's blocks there are paragraphs, headings, lists, quotations, tables, fenced code and rules. Nothing leads
anywhere: links, pictures, addresses and HTML are text. What models write by accident is text too: code that is only
indented, and a heading that is only underlined.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_NO_RULES = "code html_block reference lheading link image autolink html_inline entity".split()
Kind = Literal["text", "heading", "header", "cell", "code"]
_KINDS: dict[str, Kind] = {"heading_open": "heading", "th_open": "header", "td_open": "cell"}
# Signs of emphasis and code, and the backslash before a sign that is meant as such. "snake_case" is one word.
_SIGN = re.compile(r"[*`]+|(?<![^\W_])_+|_+(?![^\W_])|\\(?=[!-/:-@\[-`{-~])")
# What uses up lines of a text: the other blocks stand around these.
_LEAVES = frozenset({"inline", "fence", "hr", "table_open"})
# A paragraph or list goes on the same way whatever its first line says.
_SOME_LINE = "x\n"


@dataclass(frozen=True, slots=True)
class Outermost:
    """What lies around a line and in no list or table itself: a block, or an item, row, or line of a paragraph.

    Read behind ``before``, the text from ``start`` on has the same lines as in the whole text.
    """

    start: int = 0
    above: str = ""
    """The last line above it outside of lists."""
    before: str = ""
    """The first two lines of the table, or a line in the place of what stands above in the list or paragraph."""
    item: str | None = None
    """The number of an item above that has no words."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of words, or a cell of a table."""

    row: int
    """Of the whole text, counted from 0."""
    start: int
    """Where its words begin in the whole text: behind the signs of its block."""
    text: str
    """Its words, as they are written."""
    kind: Kind = "text"
    number: str = ""
    """Of the item of an ordered list that begins with it."""
    openings: tuple[str, ...] = ()
    """If it begins an item: the last line above each of the lists around it, the outermost first."""
    outermost: Outermost = Outermost()
    """What lies around it."""


@dataclass(frozen=True, slots=True)
class MarkdownBlock:
    """A token of markdown-it, and its lines if it has words."""

    token: "Token"
    lines: tuple[Line, ...] = ()


@cache
def parser() -> "MarkdownIt":
    """What reads the Markdown of models."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable("table").disable(_NO_RULES)


def blocks(text: str, around: Outermost | None = None) -> list[MarkdownBlock]:
    """The blocks of a text, or of one that goes on with what is ``around`` its first line.

    No word is lost: what is nested deeper than the parser reads stands at the end.
    """
    from markdown_it.token import Token

    text = text.translate({0: " ", ord("\r"): " "})
    tokens: list[Token] = []
    parser().block.parse(text, parser(), {}, tokens)
    source = text.split("\n")
    placing = _Placing(source, around or Outermost())
    found = [placing.block(token) for token in tokens]
    read = {row for token in tokens if token.map and token.type in _LEAVES for row in range(*token.map)}
    for row in (row for row, line in enumerate(source) if row not in read and line.strip()):
        line = placing.lost(row)
        inline = Token("inline", "", 0, map=[row, row + 1], content=line.text)
        found += [
            MarkdownBlock(Token("paragraph_open", "p", 1)),
            MarkdownBlock(inline, (line,)),
            MarkdownBlock(Token("paragraph_close", "p", -1)),
        ]
    return found


def lines(text: str, around: Outermost | None = None) -> list[Line]:
    """The lines of a text with words, in order; a row of a table is a line for each of its cells.

    What a line is, is known as soon as the first word of the next one is.
    """
    return sorted((line for block in blocks(text, around) for line in block.lines), key=lambda line: line.start)


def without_emphasis(line: str) -> tuple[str, Sequence[int]]:
    """A line without signs of emphasis and code; where its characters, and its end, stand in ``line``.

    Whether a sign is ever closed is known later than a sentence has to be judged: all of them are taken out.
    """
    edges = [0, *chain.from_iterable(match.span() for match in _SIGN.finditer(line)), len(line)]
    kept = list(zip(edges[::2], edges[1::2], strict=True))
    origins = chain.from_iterable(range(start, end) for start, end in kept)
    return "".join(line[start:end] for start, end in kept), [*origins, len(line)]


def plain_lines(text: str) -> list[str]:
    """The lines of a text that hold words, without signs of emphasis and headings."""
    plain = (without_emphasis(line)[0].strip().lstrip("#").lstrip() for line in text.splitlines())
    return [line for line in plain if any(character.isalnum() for character in line)]


class _Placing:
    """Goes through the tokens of a text and says where the words of each stand in it."""

    def __init__(self, source: list[str], around: Outermost) -> None:
        self._source = source
        self._starts = list(accumulate((len(line) + 1 for line in source), initial=0))
        self._above = [around.above]
        """The last line outside of all lists, and of each item around the token."""
        self._item = around.item
        """The number of an item that begins; empty for a bullet."""
        self._kind: Kind = "text"
        self._row, self._column = -1, 0
        """Up to where words have been found."""
        self._first = around.before.count("\n")
        """The row with which the text goes on."""
        self._outermosts = [Outermost()]
        self._header: list[str] = []
        """The first two lines of the block, which are those of a table if it is one."""

    def block(self, token: "Token") -> MarkdownBlock:
        """The next token."""
        if token.map and token.nesting >= 0:
            self._enter(token, token.map[0])
        if token.type in ("bullet_list_open", "ordered_list_open"):
            self._above.append("")
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            self._above.pop()
        elif token.type == "list_item_open":
            self._item, self._above[-1] = token.info, ""
        if token.type in ("inline", "fence") and token.map:
            first, written = token.map[0], token.content.split("\n")
            if token.type == "fence":
                self._kind, first = "code", first + 1
                written = token.content.removesuffix("\n").split("\n") if token.content else []
            else:
                written = [words.strip() for words in written]
            is_paragraph = token.type == "inline" and token.level == 1
            rows = enumerate(written, first)
            return MarkdownBlock(
                token, tuple(self._line(row, words, is_paragraph and row > first) for row, words in rows)
            )
        self._kind = _KINDS.get(token.type, "text")
        return MarkdownBlock(token)

    def _enter(self, token: "Token", row: int) -> None:
        """Note what begins in a row, if it is outermost."""
        before = None
        if token.level == 0:
            before, self._header = "", self._source[row : row + 2]
        elif self._starts[row] == self._outermosts[-1].start:
            return
        elif token.level == 1 and token.type == "list_item_open":
            line = self._source[row]
            indent = line[: len(line) - len(line.lstrip())]
            before = f"{indent}{'1' if token.info else ''}{token.markup} {_SOME_LINE}"
        elif token.level == 2 and token.type == "tr_open":
            before = "".join(f"{line}\n" for line in self._header)
        if before is not None:
            self._outermosts.append(Outermost(self._starts[row], self._above[0], before, self._item))

    def lost(self, row: int) -> Line:
        """A row that no token holds."""
        words = self._source[row].strip()
        start = self._starts[row]
        around = bisect_right(self._outermosts, start, key=lambda one: one.start) - 1
        return Line(row, start + self._source[row].index(words), words, outermost=self._outermosts[around])

    def _line(self, row: int, words: str, goes_on: bool) -> Line:
        line = self._source[row]
        column = self._column if row == self._row else 0
        if goes_on:
            self._outermosts.append(Outermost(self._starts[row], self._above[0], _SOME_LINE))
        found = line.find(words, column)
        if found < 0:  # a cell with an escaped "|"
            found = max(column, line.find(words.replace("|", "\\|"), column))
        self._row, self._column = row, found + len(words)
        number, openings = (self._item, tuple(self._above[:-1])) if self._item is not None else ("", ())
        self._item = None
        if row >= self._first:
            self._above[-1] = words
        return Line(row, self._starts[row] + found, words, self._kind, number, openings, self._outermosts[-1])
