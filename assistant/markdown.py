"""Markdown as models write it: its blocks, and where the words of each line stand.

Of Markdown's blocks there are paragraphs, headings, lists, quotations, tables, fenced code and rules. Nothing leads
anywhere: links, pictures, addresses and HTML are text. What models write by accident is text too: code that is only
indented, and a heading that is only underlined.
"""

import re
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
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


@dataclass(frozen=True, slots=True)
class Block:
    """A token of markdown-it, and its lines if it has words."""

    token: "Token"
    lines: tuple[Line, ...] = ()


@cache
def parser() -> "MarkdownIt":
    """What reads the Markdown of models."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable("table").disable(_NO_RULES)


def blocks(text: str) -> list[Block]:
    """The blocks of a text. No word is lost: what is nested deeper than the parser reads stands at the end."""
    from markdown_it.token import Token

    text = text.translate({0: " ", ord("\r"): " "})
    tokens: list[Token] = []
    parser().block.parse(text, parser(), {}, tokens)
    source = text.split("\n")
    read = {row for token in tokens if token.map and token.type in _LEAVES for row in range(*token.map)}
    for row in (row for row, line in enumerate(source) if row not in read and line.strip()):
        inline = Token("inline", "", 0, map=[row, row + 1], content=source[row].strip())
        tokens += [Token("paragraph_open", "p", 1), inline, Token("paragraph_close", "p", -1)]
    placing = _Placing(source)
    return [placing.block(token) for token in tokens]


def lines(text: str) -> list[Line]:
    """The lines of a text with words, in order; a row of a table is a line for each of its cells.

    What a line is, is known as soon as the first word of the next one is.
    """
    return sorted((line for block in blocks(text) for line in block.lines), key=lambda line: line.start)


def without_emphasis(line: str) -> tuple[str, list[int]]:
    """A line without signs of emphasis and code; where its characters, and its end, stand in ``line``.

    Whether a sign is ever closed is known later than a sentence has to be judged: all of them are taken out.
    """
    signs = {place for match in _SIGN.finditer(line) for place in range(*match.span())}
    origins = [place for place in range(len(line)) if place not in signs]
    return "".join(line[place] for place in origins), [*origins, len(line)]


def plain_lines(text: str) -> list[str]:
    """The lines of a text that hold words, without signs of emphasis and headings."""
    plain = (without_emphasis(line)[0].strip().lstrip("#").lstrip() for line in text.splitlines())
    return [line for line in plain if any(character.isalnum() for character in line)]


class _Placing:
    """Goes through the tokens of a text and says where the words of each stand in it."""

    def __init__(self, source: list[str]) -> None:
        self._source = source
        self._starts = list(accumulate((len(line) + 1 for line in source), initial=0))
        self._above = [""]
        """The last line outside of all lists, and of each list around the token."""
        self._item: str | None = None
        """The number of an item that begins; empty for a bullet."""
        self._kind: Kind = "text"
        self._row, self._column = -1, 0
        """Up to where words have been found."""

    def block(self, token: "Token") -> Block:
        """The next token."""
        if token.type in ("bullet_list_open", "ordered_list_open"):
            self._above.append("")
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            self._above.pop()
        elif token.type == "list_item_open":
            self._item = token.info
        if token.type in ("inline", "fence") and token.map:
            first, written = token.map[0], token.content.split("\n")
            if token.type == "fence":
                self._kind, first = "code", first + 1
                written = token.content.removesuffix("\n").split("\n") if token.content else []
            else:
                written = [words.strip() for words in written]
            return Block(token, tuple(self._line(row, words) for row, words in enumerate(written, first)))
        self._kind = _KINDS.get(token.type, "text")
        return Block(token)

    def _line(self, row: int, words: str) -> Line:
        line = self._source[row]
        column = self._column if row == self._row else 0
        found = line.find(words, column)
        if found < 0:  # a cell with an escaped "|"
            found = max(column, line.find(words.replace("|", "\\|"), column))
        self._row, self._column = row, found + len(words)
        number, openings = (self._item, tuple(self._above[:-1])) if self._item is not None else ("", ())
        self._item = None
        self._above[-1] = words
        return Line(row, self._starts[row] + found, words, self._kind, number, openings)
