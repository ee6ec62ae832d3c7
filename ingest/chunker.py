"""Documents become chunks: passages long enough to answer from, in windows that the embedder reads whole.

    blocks ──▶ units (a sentence, a list item, a table row)
           ──▶ windows: units of one section, packed evenly under what the embedder reads at once
           ──▶ tiny neighbours merged
           ──▶ chunks: neighbouring windows of one section, with the rows they stand in

A window may be less than a person or a model needs to understand, and in a language that the embedder does not know
it is half of that; hence chunks of several. A unit is torn only when it alone is longer than the window. Title,
headings and the header of a split table go with each window as its context, inside its size. ``Chunk.text`` is
always a slice of ``Document.text``.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from operator import attrgetter

from assistant.retrieval.tokens import TokenCounter
from assistant.text.sentences import sentence_spans
from assistant.types import BLOCK_SEPARATOR, HEADING_SEPARATOR, Block, Chunk, Document

# The context may take this part of the window, and a table's header as much again; more is cut at its start.
_CONTEXT_PART = 4
# Texts longer than this are cut before they are tokenised, to bound memory.
_PIECE_CHARACTERS = 20_000
# No token stands for more, whatever the tokenizer says: WordPiece makes one of a word of any length.
_TOKEN_CHARACTERS = 32


@dataclass(frozen=True, slots=True)
class Budget:
    """Sizes: of a window with its context, and under which neighbours are merged, both in tokens; of a chunk."""

    largest: int
    smallest: int
    characters: int
    """Most characters in a chunk of several windows."""


@dataclass(frozen=True, slots=True)
class _Unit:
    """A span of the document's text that is not torn, with its size in tokens."""

    start: int
    end: int
    tokens: int
    block: Block
    header: str = ""
    """Header of the table that this row belongs to, unless the row is part of it."""


@dataclass(frozen=True, slots=True)
class _Window:
    units: tuple[_Unit, ...]
    tokens: int

    def __add__(self, other: "_Window") -> "_Window":
        return _Window(self.units + other.units, self.tokens + other.tokens)


def chunk_document(document: Document, counter: TokenCounter, budget: Budget) -> list[Chunk]:
    """Cut a document into chunks in reading order; every word of it is in one of them or in a context."""
    text = document.text
    room = _Room(document.title, text, counter, budget.largest)
    units: list[_Unit] = []
    offset = 0
    for block in document.blocks:
        units += _block_units(block, offset, counter, room)
        offset += len(block.text) + len(BLOCK_SEPARATOR)
    windows: list[_Window] = []
    for _, placed in groupby(units, key=lambda unit: unit.block.place):
        section: list[_Unit] = []
        for _, group in groupby(placed, key=lambda unit: unit.block.heading_path):
            section.extend(group)
            if section[-1].block.kind != "heading":  # headings with no text of their own go with what follows them
                windows += _pack(section, room)
                section = []
        windows += _pack(section, room)
    chunks: Iterable[Chunk] = [_chunk(window, room) for window in _merge_tiny(windows, room, budget.smallest)]
    if not counter.is_additive:
        chunks = _recounted(chunks, counter, budget.largest)
    return list(in_their_rows(_joined(chunks, text, budget.characters), document))


class _Room:
    """How many tokens the contexts of one document leave for text."""

    def __init__(self, title: str, text: str, counter: TokenCounter, size: int) -> None:
        self.text = text
        self._title = title
        self._counter = counter
        self._size = size - counter.special_tokens
        self._contexts: dict[tuple[tuple[str, ...], str], tuple[str, int]] = {}

    def context(self, path: tuple[str, ...], header: str = "") -> str:
        """Title, headings and table header in front of a window."""
        return self._measured(path, header)[0]

    def left(self, path: tuple[str, ...], header: str = "") -> int:
        """Tokens for text behind that context."""
        return self._measured(path, header)[1]

    def holds(self, window: _Window) -> bool:
        """Whether a window fits. Where counts do not add up, it is put together and counted."""
        lead = _lead(window.units)
        if window.tokens > self.left(lead.block.heading_path, lead.header):
            return False
        return self._counter.is_additive or self._counter.count(_chunk(window, self).windows[0]) <= self._size

    def _measured(self, path: tuple[str, ...], header: str) -> tuple[str, int]:
        key = (path, header)
        if key not in self._contexts:
            headings = [self._title, *(heading for heading in path if heading != self._title)]
            parts = [HEADING_SEPARATOR.join(filter(None, headings)), header]
            limit, kept = max(1, self._size // _CONTEXT_PART), []
            for part in filter(None, parts):  # the end of one that is too long: the nearest headings say most
                while (excess := self._counter.count(part) - limit) > 0:
                    part = part[max(1, self._counter.cut_points(part, excess)[0]) :].lstrip()
                kept.append(part)
            context = "\n".join(kept)
            self._contexts[key] = context, max(1, self._size - self._counter.count(context))
        return self._contexts[key]


def _lead(units: Sequence[_Unit], first: int = 0) -> _Unit:
    """The unit whose headings are the context of a window: its first text, past any headings."""
    rest = range(first, len(units))
    return units[next((position for position in rest if units[position].block.kind != "heading"), first)]


def _block_units(block: Block, offset: int, counter: TokenCounter, room: _Room) -> Iterator[_Unit]:
    if block.kind in {"paragraph", "fields"}:
        whole = sentence_spans(block.text)
    else:
        whole = [line.span() for line in re.finditer(".+", block.text) if line[0].strip()]
    spans: list[tuple[int, int]] = []
    for start, end in whole:
        while end - start > _PIECE_CHARACTERS:
            longest = start + _PIECE_CHARACTERS
            cut = block.text.rfind(" ", start, longest) + 1 or longest
            spans.append((start, cut))
            start = cut
        spans.append((start, end))
    header = "\n".join(block.text.split("\n")[: block.header_lines])
    limit = room.left(block.heading_path, header)
    sizes = counter.count_each([block.text[start:end] for start, end in spans])
    for (start, end), tokens in zip(spans, sizes, strict=True):
        for first, last, size in _torn(block.text, start, end, tokens, counter, limit):
            if block.text[first:last].isspace():
                continue
            # Where counts do not add up, the white space between two units may count too.
            least = -(-(last - first) // _TOKEN_CHARACTERS)
            weight = max(size + (not counter.is_additive), least)
            yield _Unit(offset + first, offset + last, weight, block, header if start >= len(header) else "")


def _torn(
    text: str, start: int, end: int, tokens: int, counter: TokenCounter, limit: int
) -> Iterator[tuple[int, int, int]]:
    """A span as it is, or cut at white space if it alone is longer than ``limit``: (start, end, tokens)."""
    if tokens <= limit or end - start == 1:
        yield start, end, tokens
        return
    # Several tokens may begin in one character, and a piece may count more than as a part of the whole: then
    # it is cut again.
    points = counter.cut_points(text[start:end], limit) or [(end - start) // 2]
    cuts = sorted({start, end, *(start + point for point in points)})
    if len(cuts) == 2:
        cuts.insert(1, start + (end - start) // 2)
    pieces = list(pairwise(cuts))
    sizes = counter.count_each([text[first:last] for first, last in pieces])
    for (first, last), size in zip(pieces, sizes, strict=True):
        yield from _torn(text, first, last, size, counter, limit)


def _pack(units: list[_Unit], room: _Room) -> Iterator[_Window]:
    """Cut the units of one section into windows of about equal size, each within its room."""
    rest = sum(unit.tokens for unit in units)
    position = 0
    while position < len(units):
        lead = _lead(units, position)
        left = room.left(lead.block.heading_path, lead.header)
        target, size, end = rest / -(-rest // left), 0, position
        while end < len(units) and (end == position or (size + units[end].tokens <= left and size < target)):
            size += units[end].tokens
            end += 1
        window = _window(units[position:end])
        while len(window.units) > 1 and not room.holds(window):
            window = _window(window.units[:-1])
        yield window
        position += len(window.units)
        rest -= window.tokens


def _window(units: Sequence[_Unit]) -> _Window:
    return _Window(tuple(units), sum(unit.tokens for unit in units))


def _merge_tiny(windows: Iterable[_Window], room: _Room, smallest: int) -> list[_Window]:
    """Join a window to the one before it when either is tiny, they are close, and both fit."""
    merged: list[_Window] = []
    for window in windows:
        if merged and min(merged[-1].tokens, window.tokens) < smallest:
            one, other = merged[-1].units[-1].block, window.units[0].block
            shared = max(0, min(len(one.heading_path), len(other.heading_path)) - 1)
            is_close = one.place == other.place and one.heading_path[:shared] == other.heading_path[:shared]
            if is_close and room.holds(merged[-1] + window):
                merged[-1] += window
                continue
        merged.append(window)
    return merged


def _chunk(window: _Window, room: _Room) -> Chunk:
    lead = _lead(window.units)
    context = room.context(lead.block.heading_path, lead.header)
    # Headings in front that the context repeats anyway, whole, are left out.
    units = window.units
    while (block := units[0].block).kind == "heading" and units[0] is not lead:
        is_above = lead.block.heading_path[: len(block.heading_path)] == block.heading_path
        if not is_above or " ".join(block.text.split()) not in context:
            break
        units = units[1:]
    start, end = units[0].start, units[-1].end
    text = room.text[start:end]
    heading = HEADING_SEPARATOR.join(lead.block.heading_path)
    return Chunk(start, end, text, context, heading, lead.block.place, (_embedded(context, text),))


def _embedded(context: str, text: str) -> str:
    return f"{context}\n{text}" if context else text


def _recounted(chunks: Iterable[Chunk], counter: TokenCounter, largest: int) -> Iterator[Chunk]:
    """For tokenizers whose counts do not add up: halve the pieces that are too long behind their context."""
    for chunk in chunks:
        if len(chunk.text) == 1 or counter.count(chunk.windows[0]) + counter.special_tokens <= largest:
            yield chunk
            continue
        middle = len(chunk.text) // 2
        cut = chunk.text.rfind(" ", middle // 2, middle) + 1 or middle
        halves = (_part(chunk, 0, cut), _part(chunk, cut, len(chunk.text)))
        yield from _recounted((half for half in halves if not half.text.isspace()), counter, largest)


def _part(chunk: Chunk, first: int, last: int) -> Chunk:
    text = chunk.text[first:last]
    start = chunk.start + first
    return replace(chunk, start=start, end=start + len(text), text=text, windows=(_embedded(chunk.context, text),))


def _joined(chunks: Iterable[Chunk], text: str, characters: int) -> Iterator[Chunk]:
    """Join neighbours under one heading into chunks of about equal length, each of at most ``characters``."""
    for _, group in groupby(chunks, key=lambda chunk: (chunk.heading, chunk.place)):
        section = list(group)
        position = 0
        while position < len(section):
            start = section[position].start
            length = section[-1].end - start
            target = length / -(-length // max(1, characters))
            count = 1
            for before, chunk in ((section[at - 1], section[at]) for at in range(position + 1, len(section))):
                if chunk.end - start > characters or before.end - start >= target:
                    break
                count += 1
            some = section[position : position + count]
            windows = tuple(window for chunk in some for window in chunk.windows)
            end = some[-1].end
            yield replace(some[0], end=end, text=text[some[0].start : end], windows=windows)
            position += count


@dataclass(frozen=True, slots=True)
class _SheetLine:
    start: int
    row: int | None
    is_header: bool = False


_START = attrgetter("start")


def in_their_rows(chunks: Iterable[Chunk], document: Document) -> Iterator[Chunk]:
    """The chunks of a document, each with its rows where the document knows them."""
    # The lines of blocks that know their row, and the others whole, with where they start in the document's text.
    lines: list[_SheetLine] = []
    offset = 0
    for block in document.blocks:
        if block.row is None:
            lines.append(_SheetLine(offset, None))
        else:
            start = offset
            for number, line in enumerate(block.text.split("\n"), start=-block.header_lines):
                lines.append(_SheetLine(start, block.row + number, number < 0))
                start += len(line) + 1
        offset += len(block.text) + len(BLOCK_SEPARATOR)
    for chunk in chunks:
        first = bisect_right(lines, chunk.start, key=_START) - 1
        some = lines[first : bisect_left(lines, chunk.end, key=_START)]
        # A header alone stands in its own row; over others it belongs to them.
        rows = _rows_of(line for line in some if not line.is_header) or _rows_of(some)
        if rows:
            told = f"rows {min(rows)}–{max(rows)}" if len(set(rows)) > 1 else f"row {rows[0]}"
            chunk = replace(chunk, place=f"{chunk.place}, {told}" if chunk.place else told)
        yield chunk


def _rows_of(lines: Iterable[_SheetLine]) -> list[int]:
    return [line.row for line in lines if line.row is not None]
