"""An answer in Markdown as HTML: lists, tables, headings, emphasis and code, and nothing that leads anywhere.

Only the tags that stand here are written, without a value of a stranger in any attribute; they are ``Markup``, and
every word between them is text. Links, pictures and HTML are not Markdown here
(``assistant.text.markdown_blocks``): they stay the text that they are.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from markupsafe import Markup

from assistant.text.markdown_blocks import Line, blocks, parser
from ui.shown.templates import printable

if TYPE_CHECKING:
    from markdown_it.token import Token

_TAGS = {
    "paragraph": "p", "bullet_list": "ul", "ordered_list": "ol", "list_item": "li", "blockquote": "blockquote",
    "thead": "thead", "tbody": "tbody", "tr": "tr", "th": "th", "td": "td", "strong": "strong", "em": "em",
}  # fmt: skip
# The question is a heading of the second level.
_HEADINGS = {"h1": "h3", "h2": "h4"}
_NOTHING = Markup()
_SHORT = 24
"""Letters of a word that need not be broken."""
_EMPHASIS_BEGINS, _EMPHASIS_ENDS = re.compile(r"(?<![\w*])\*(?=[^\s*])"), re.compile(r"(?<=[^\s*])\*(?![\w*])")
_BEGUN_SIGN = re.compile(r"[ >]*+(?:[-+#]++|\d{1,2}[.)]?)?[ ]*+")


@dataclass(frozen=True, slots=True)
class StyledSpan:
    """A part of a text that is shown in its own way; ``start`` and ``end`` count in the text."""

    start: int
    end: int
    opening: Markup = _NOTHING
    """HTML before each piece of it, which ``closing`` ends."""
    closing: Markup = _NOTHING
    behind: Markup = _NOTHING
    """HTML behind its last word, in the same line."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """Words as they are shown, and where they begin in the text; or, without a place, a tag of ours."""

    html: Markup = _NOTHING
    start: int = -1
    words: str = ""


def prose(text: str, spans: Sequence[StyledSpan]) -> Markup:
    """A text in Markdown as HTML, its spans in order as they want to be shown."""
    return _joined(list(_pieces(text)), spans)


def verbatim(text: str, spans: Sequence[StyledSpan]) -> Markup:
    """A text that is no Markdown, as one of a document, in the same way."""
    return _joined([_Piece(start=0, words=text)], spans)


def settled(text: str) -> str:
    """A text that is coming in without the signs at its end of which it is not known yet what they begin."""
    lines = text.rstrip("*_`").removesuffix("\n").split("\n")
    rows = list(takewhile(lambda line: line.lstrip().startswith("|"), reversed(lines)))
    is_open = len(rows) == 2 and not any(map(str.isalnum, rows[0])) and not text.endswith("\n")
    if len(rows) == 1 or is_open:  # a line that is the header of a table, or none
        lines = lines[: -len(rows)]
    elif _BEGUN_SIGN.fullmatch(lines[-1]):
        lines[-1] = ""
    shown = "\n".join(lines)
    closing = _closing(lines[-1] if lines else "")
    return shown.rstrip() + closing if closing else shown


def _closing(line: str) -> str:
    """The signs that close what is still open in a line."""
    if line.lstrip().startswith("```"):
        return ""
    is_emphasis = len(_EMPHASIS_BEGINS.findall(line)) > len(_EMPHASIS_ENDS.findall(line))
    return f"{'`' * (line.count('`') % 2)}{'*' * is_emphasis}{'**' * (line.count('**') % 2)}"


def _joined(pieces: Sequence[_Piece], spans: Sequence[StyledSpan]) -> Markup:
    starts = [span.start for span in spans]
    last: dict[int, int] = {}  # the piece with the last words of each span
    for place, piece in enumerate(pieces):
        for one in _touched(piece, spans, starts):
            last[one] = place
    html: list[Markup | str] = []  # what is no Markup is escaped when it is joined
    for place, piece in enumerate(pieces):
        at = 0
        for one in _touched(piece, spans, starts):
            span = spans[one]
            start, end = max(at, span.start - piece.start), min(len(piece.words), span.end - piece.start)
            html += [piece.words[at:start], *_shown(piece.words[start:end], span, is_last=last[one] == place)]
            at = end
        html += [piece.html, piece.words[at:]]
    return Markup(printable(Markup().join(filter(None, html))))


def _touched(piece: _Piece, spans: Sequence[StyledSpan], starts: Sequence[int]) -> range:
    """The numbers of the spans that hold words of a piece."""
    if not piece.words:
        return range(0)
    first = bisect_right(starts, piece.start)
    first -= first > 0 and spans[first - 1].end > piece.start
    return range(first, bisect_left(starts, piece.start + len(piece.words)))


def _shown(words: str, span: StyledSpan, *, is_last: bool) -> list[Markup | str]:
    behind = span.behind if is_last else _NOTHING
    if span.opening or not behind:
        return [span.opening, words, span.closing, behind]
    # What stands behind stays on the line of the last word.
    begun, blank, word = words.rpartition(" ")
    if len(word) > _SHORT:
        return [words, behind]
    return [begun + blank, Markup('<span class="last">{}{}</span>').format(word, behind)]


def _pieces(text: str) -> Iterator[_Piece]:
    for block in blocks(text):
        opening, between, closing = map(Markup, _tags(block.token))
        yield _Piece(opening)
        for number, line in enumerate(block.lines):
            if number:
                yield _Piece(between)
            yield from _inline(line) if line.kind != "code" else (_Piece(start=line.start, words=line.text),)
        yield _Piece(closing)


def _tags(token: "Token") -> tuple[str, str, str]:
    """What stands before, between and behind the lines of a block; most tokens only begin one or end it."""
    if token.type == "fence":
        return "<pre><code>", "\n", "</code></pre>"
    name, _, end = token.type.rpartition("_")
    if not name or token.hidden:  # words, or a paragraph of a list without empty lines
        return ("<hr>" if token.type == "hr" else ""), "<br>", ""
    slash = "/" if end == "close" else ""
    if name == "table":
        return ("</table></div>" if slash else '<div class="wide" tabindex="0"><table>'), "", ""
    tag = _HEADINGS.get(token.tag, "h5") if name == "heading" else _TAGS[name]
    first = f' start="{int(number)}"' if (number := token.attrGet("start")) is not None and not slash else ""
    return f"<{slash}{tag}{first}>", "", ""


def _inline(line: Line) -> Iterator[_Piece]:
    """The words of a line, with their emphasis."""
    tokens: list[Token] = []
    parser().inline.parse(line.text, parser(), {}, tokens)
    at = 0
    for token in tokens:
        name, _, end = token.type.rpartition("_")
        written = token.markup if name in _TAGS or token.type == "text_special" else token.content
        found = max(at, line.text.find(written, at))
        at = found + len(written)
        if name in _TAGS:
            yield _Piece(Markup(f"<{'/' if end == 'close' else ''}{_TAGS[name]}>"))
        elif token.type == "code_inline":
            yield from (
                _Piece(Markup("<code>")),
                _Piece(start=line.start + found, words=token.content),
                _Piece(Markup("</code>")),
            )
        else:
            yield _Piece(start=line.start + found, words=token.content)
