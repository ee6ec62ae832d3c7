"""The spans of a passage that may support a sentence: a sentence of it, two neighbours, or a row of a table.

What a reader knows at a span although it stands elsewhere comes along: the number of the paragraph, the line that
opens a list, the caption and the header of a table.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby, zip_longest

from assistant.grounding.tables import NO_FIT, Fit, Row, Table, looked_up_fit
from assistant.text.sentences import asks, sentence_spans
from assistant.types import Evidence, Item, StoredBlock
from assistant.untrusted.injection import believed_end

_OPENS_A_LIST = (":", ",", "–")
_ENDS = (".", "!", "?", ";")
# What opens a list or captions a table is short.
_LONGEST_INTRODUCTION = 240


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open places in the passage's text; ``introduction`` is what the span takes for said."""

    start: int
    end: int
    introduction: str = ""
    row: Row | None = None
    item: Item | None = None
    """The one that begins with it."""
    is_pair: bool = False
    """Two sentences; each of them is a span of its own too."""


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    text: str
    cells: tuple[str, ...]
    """Those of a row; a row that is torn has none, nor have those of plain text."""
    items: Mapping[int, Item]
    """The items of its block by where they begin."""


def looked_up_in(hit: Evidence, question: str) -> Fit:
    """How well a question means a row of a passage's tables of which it names a column."""
    rows = (span.row for span in spans(hit) if span.row)
    return max((looked_up_fit(row, question, hit.language) for row in rows), default=NO_FIT)


def spans(hit: Evidence) -> tuple[Span, ...]:
    """All spans of a passage, in order; the shorter first where two begin at one place.

    An order to the machine, and what follows it in the passage, is no span: it can support nothing.
    """
    believed = believed_end(hit.text, hit.context)
    return tuple(span for span in _spans(hit.text, hit.start, hit.header, hit.blocks) if span.end <= believed)


@lru_cache(maxsize=256)
def _spans(text: str, start: int, header: str, blocks: Sequence[StoredBlock]) -> tuple[Span, ...]:
    found: list[Span] = []
    introduction = ""
    for block in blocks:
        for are_rows, its in groupby(_lines(text, start, block), lambda line: bool(line.cells)):
            lines = list(its)
            if are_rows and lines[0].start == 0 and (header or block.start < start):
                found += _rows(lines, cells_of(header.rpartition("\n")[2]), introduction)
            elif are_rows:
                head, rows = lines[: block.header_lines], lines[block.header_lines :]
                found += _rows(rows or lines, head[-1].cells if head else (), introduction)
            else:
                found += _sentences(lines, introduction)
                introduction = _short(lines[-1].text)
    return tuple(found)


def _lines(text: str, start: int, block: StoredBlock) -> Iterator[_Line]:
    """The lines of a block, as far as they are in a passage that begins at ``start``."""
    items = {item.start - start: item for item in block.items}
    offset = max(0, block.start - start)
    for line in text[offset : block.end - start].split("\n"):
        if line.strip():
            yield _Line(offset, line, cells_of(line) if block.kind == "table" else (), items)
        offset += len(line) + 1


def cells_of(row: str) -> tuple[str, ...]:
    """The cells of a stored row of a table, ``| a | b |``; none of any other line."""
    row = row.strip()
    return tuple(cell.strip() for cell in row[1:-1].split("|")) if len(row) > 1 and row[0] == row[-1] == "|" else ()


def _rows(rows: list[_Line], titles: Sequence[str], introduction: str) -> Iterator[Span]:
    table = Table(tuple(titles), tuple(line.cells for line in rows))
    for line in rows:
        row = Row(line.cells, table)
        yield Span(line.start, line.start + len(line.text), f"{introduction} {titles[0] if titles else ''}", row)


def _sentences(block: list[_Line], introduction: str) -> Iterator[Span]:
    """Each sentence of a block, and each with the one after it."""
    singles: list[tuple[Span, bool]] = []
    opening = introduction
    for line in block:
        its = sentence_spans(line.text)
        item = line.items.get(line.start + its[0][0])
        known = ""
        if item and item.is_listed:
            above = opening.rstrip()
            # Letters count the parts of a sentence that has begun there.
            begins = above.endswith(_OPENS_A_LIST) or (item.mark == "letter" and not above.endswith(_ENDS))
            known = opening if begins else ""
        elif item and item.mark == "clause":
            known = line.text.split(maxsplit=1)[0]
        for start, end in its:
            span = Span(line.start + start, line.start + end, known, item=line.items.get(line.start + start))
            singles.append((span, asks(line.text[start:end])))
        if not (item and item.is_listed):
            opening = _short(line.text)
    for (span, is_question), following in zip_longest(singles, singles[1:]):
        yield span
        # What answers no would support what it was asked.
        if following and not is_question:
            yield replace(span, end=following[0].end, is_pair=True)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_INTRODUCTION else ""
