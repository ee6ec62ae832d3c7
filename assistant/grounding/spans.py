"""The spans of a passage that may support a sentence: a sentence of it, two neighbours, or a row of a table.

What a reader knows at a span although it stands elsewhere comes along: the number of the paragraph, the line that
opens a list, the caption and the header of a table.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice, repeat

from assistant.text.sentences import asks, sentence_spans
from assistant.types import Evidence
from assistant.untrusted.instructions import believed_end

_ITEM = re.compile(r"\s*(?:[-*•–]|\d{1,2}[.)]|\(?[a-z]\))\s")
# Letters count the parts of a sentence that has begun above them.
_LETTER = re.compile(r"\s*\(?[a-z]\)\s")
_PARAGRAPH_NUMBER = re.compile(r"\s*(\(\d{1,3}\))")
_OPENS_A_LIST = (":", ",", "–")
_ENDS = (".", "!", "?", ";")
# What opens a list or captions a table is short.
_LONGEST_INTRODUCTION = 240


@dataclass(frozen=True, eq=False, slots=True)
class Table:
    """What the rows of a table have in common; the same only as itself."""

    labels: tuple[str, ...]
    """Of its rows: their first cells."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table: its first cell, and the others under their headers."""

    label: str
    cells: tuple[tuple[str, str], ...]
    """(header, cell)"""
    table: Table


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open places in the passage's text; ``introduction`` is what the span takes for said."""

    start: int
    end: int
    introduction: str = ""
    row: Row | None = None
    is_pair: bool = False
    """Two sentences; each of them is a span of its own too."""


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    text: str

    @property
    def cells(self) -> tuple[str, ...]:
        """Those of a row of a table; empty for any other line."""
        text = self.text.strip()
        is_row = len(text) > 1 and text.startswith("|") and text.endswith("|")
        return tuple(cell.strip() for cell in text[1:-1].split("|")) if is_row else ()


def spans(hit: Evidence) -> tuple[Span, ...]:
    """All spans of a passage, in order; the shorter first where two begin at one place.

    An order to the machine, and what follows it in the passage, is no span: it can support nothing.
    """
    believed = believed_end(hit.text, hit.context)
    return tuple(span for span in _spans(hit.text, hit.header) if span.end <= believed)


@lru_cache(maxsize=256)
def _spans(text: str, header: str) -> tuple[Span, ...]:
    found: list[Span] = []
    introduction = ""
    for block in _blocks(text):
        if block[0].cells:
            table_header = header if block[0].start == 0 and header else ""
            found += _rows(block, table_header, introduction)
        else:
            found += _sentences(block, introduction)
            introduction = _short(block[-1].text)
    return tuple(found)


def _blocks(text: str) -> Iterator[list[_Line]]:
    """Lines that belong together: until an empty line, or where a table begins or ends."""
    block: list[_Line] = []
    for line in _lines(text):
        if block and (not line.text.strip() or bool(line.cells) != bool(block[-1].cells)):
            yield block
            block = []
        if line.text.strip():
            block.append(line)
    if block:
        yield block


def _lines(text: str) -> Iterator[_Line]:
    offset = 0
    for line in text.split("\n"):
        yield _Line(offset, line)
        offset += len(line) + 1


def _rows(block: list[_Line], header: str, introduction: str) -> Iterator[Span]:
    titles = _Line(0, header.splitlines()[-1]).cells if header else block[0].cells
    rows = block if header else block[1:] or block
    table = Table(tuple(line.cells[0] for line in rows))
    for line in rows:
        label, *cells = line.cells
        under = chain(islice(titles, 1, None), repeat(""))  # rows may be longer than their header
        row = Row(label, tuple(zip(under, cells, strict=False)), table)
        yield Span(line.start, line.start + len(line.text), f"{introduction} {titles[0] if titles else ''}", row)


def _sentences(block: list[_Line], introduction: str) -> Iterator[Span]:
    """Each sentence of a block, and each with the one after it."""
    places: list[tuple[int, int, str, bool]] = []
    opening = introduction
    for line in block:
        numbered = _PARAGRAPH_NUMBER.match(line.text)
        is_item = _ITEM.match(line.text) is not None
        opens = is_item and _opens(opening.rstrip(), line.text)
        known = " ".join(filter(None, (numbered[1] if numbered else "", opening if opens else "")))
        places += [
            (line.start + start, line.start + end, known, asks(line.text[start:end]))
            for start, end in sentence_spans(line.text)
        ]
        if not is_item:
            opening = _short(line.text)
    for place, (start, end, known, is_question) in enumerate(places):
        yield Span(start, end, known)
        # What answers no would support what it was asked.
        if place + 1 < len(places) and not is_question:
            yield Span(start, places[place + 1][1], known, is_pair=True)


def _opens(above: str, item: str) -> bool:
    """Whether a list begins with the line above an item."""
    return above.endswith(_OPENS_A_LIST) or (_LETTER.match(item) is not None and not above.endswith(_ENDS))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_INTRODUCTION else ""
