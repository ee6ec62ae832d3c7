"""The rows of a sheet that each chunk stands in, as part of its place: ``sheet Claims, rows 251–273``."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from operator import attrgetter

from assistant.types import BLOCK_SEPARATOR, Block, Chunk, Document


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    row: int | None
    is_header: bool = False


_START = attrgetter("start")


def in_their_rows(chunks: Iterable[Chunk], document: Document) -> Iterator[Chunk]:
    """The chunks of a document, each with its rows where the document knows them."""
    lines = list(_lines(document.blocks))
    for chunk in chunks:
        first = bisect_right(lines, chunk.start, key=_START) - 1
        some = lines[first : bisect_left(lines, chunk.end, key=_START)]
        # A header alone stands in its own row; over others it belongs to them.
        rows = _rows(line for line in some if not line.is_header) or _rows(some)
        yield replace(chunk, place=_with_rows(chunk.place, min(rows), max(rows))) if rows else chunk


def _with_rows(place: str, first: int, last: int) -> str:
    rows = f"row {first}" if first == last else f"rows {first}–{last}"
    return f"{place}, {rows}" if place else rows


def _rows(lines: Iterable[_Line]) -> list[int]:
    return [line.row for line in lines if line.row is not None]


def _lines(blocks: Iterable[Block]) -> Iterator[_Line]:
    """The lines of blocks that know their row, and the others whole, with where they start in the document's text."""
    offset = 0
    for block in blocks:
        if block.row is None:
            yield _Line(offset, None)
        else:
            start = offset
            for number, line in enumerate(block.text.split("\n"), start=-block.header_lines):
                yield _Line(start, block.row + number, number < 0)
                start += len(line) + 1
        offset += len(block.text) + len(BLOCK_SEPARATOR)
