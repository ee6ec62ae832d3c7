"""Documents become chunks: passages that the embedder reads whole.

    blocks ──▶ units (a sentence, a list item, a table row)
           ──▶ passages: units of one section, packed evenly under the embedder's window
           ──▶ tiny neighbours merged

A unit is torn only when it alone is longer than the window. Title, headings and the header of a split table
go with the chunk as its context, inside the same window. ``Chunk.text`` is always a slice of
``Document.text``.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from assistant.sentences import sentence_spans
from assistant.tokens import TokenCounter
from assistant.types import BLOCK_SEPARATOR, Block, Chunk, Document

# Raised when the same document would be cut otherwise: old corpora are then cut anew.
CHUNKER_VERSION = 2
# The context may take this part of the window, and a table's header as much again; more is cut at its start.
_CONTEXT_PART = 4
_HEADING_SEPARATOR = " > "
# Texts longer than this are cut before they are tokenised, to bound memory.
_PIECE_CHARACTERS = 20_000
# No token stands for more, whatever the tokenizer says: WordPiece makes one of a word of any length.
_TOKEN_CHARACTERS = 32


@dataclass(frozen=True, slots=True)
class Budget:
    """Sizes in tokens of the embedder: of a chunk with its context, and under which neighbours are merged."""

    largest: int
    smallest: int


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
class _Passage:
    units: tuple[_Unit, ...]
    tokens: int

    def __add__(self, other: "_Passage") -> "_Passage":
        return _Passage(self.units + other.units, self.tokens + other.tokens)


def chunk_document(document: Document, counter: TokenCounter, budget: Budget) -> list[Chunk]:
    """Cut a document into chunks in reading order; every word of it is in one of them or in a context."""
    text = document.text
    room = _Room(document.title, text, counter, budget.largest)
    sections = _sections(_units(document, counter, room))
    passages = [passage for section in sections for passage in _pack(section, room)]
    chunks = [_chunk(passage, room) for passage in _merge_tiny(passages, room, budget.smallest)]
    return chunks if counter.is_additive else list(_recounted(chunks, counter, budget.largest))


class _Room:
    """How many tokens the contexts of one document leave for text."""

    def __init__(self, title: str, text: str, counter: TokenCounter, window: int) -> None:
        self.text = text
        self._title = title
        self._counter = counter
        self._window = window - counter.special_tokens
        self._contexts: dict[tuple[tuple[str, ...], str], tuple[str, int]] = {}

    def context(self, path: tuple[str, ...], header: str = "") -> str:
        """Title, headings and table header in front of a passage."""
        return self._measured(path, header)[0]

    def left(self, path: tuple[str, ...], header: str = "") -> int:
        """Tokens for text behind that context."""
        return self._measured(path, header)[1]

    def holds(self, passage: _Passage) -> bool:
        """Whether a passage fits. Where counts do not add up, it is put together and counted."""
        lead = _lead(passage.units)
        if passage.tokens > self.left(lead.block.heading_path, lead.header):
            return False
        return self._counter.is_additive or self._counter.count(_chunk(passage, self).embedded) <= self._window

    def _measured(self, path: tuple[str, ...], header: str) -> tuple[str, int]:
        key = (path, header)
        if key not in self._contexts:
            headings = [self._title, *(heading for heading in path if heading != self._title)]
            parts = [_HEADING_SEPARATOR.join(filter(None, headings)), header]
            context = "\n".join(self._shortened(part) for part in parts if part)
            self._contexts[key] = context, max(1, self._window - self._counter.count(context))
        return self._contexts[key]

    def _shortened(self, context: str) -> str:
        """The end of a context that is too long: the nearest headings say most."""
        limit = max(1, self._window // _CONTEXT_PART)
        while (excess := self._counter.count(context) - limit) > 0:
            context = context[max(1, self._counter.cut_points(context, excess)[0]) :].lstrip()
        return context


def _units(document: Document, counter: TokenCounter, room: _Room) -> Iterator[_Unit]:
    offset = 0
    for block in document.blocks:
        yield from _block_units(block, offset, counter, room)
        offset += len(block.text) + len(BLOCK_SEPARATOR)


def _sections(units: Iterable[_Unit]) -> Iterator[list[_Unit]]:
    """Units under one heading in one place; headings with no text of their own go with what follows them."""
    for _, placed in groupby(units, key=lambda unit: unit.block.place):
        section: list[_Unit] = []
        for _, group in groupby(placed, key=lambda unit: unit.block.heading_path):
            section.extend(group)
            if section[-1].block.kind != "heading":
                yield section
                section = []
        if section:
            yield section


def _lead(units: Sequence[_Unit], first: int = 0) -> _Unit:
    """The unit whose headings are the context of a passage: its first text, past any headings."""
    rest = range(first, len(units))
    return units[next((position for position in rest if units[position].block.kind != "heading"), first)]


def _block_units(block: Block, offset: int, counter: TokenCounter, room: _Room) -> Iterator[_Unit]:
    spans = [piece for span in _unit_spans(block) for piece in _pieces(block.text, *span)]
    header, header_end = _table_header(block)
    limit = room.left(block.heading_path, header)
    sizes = counter.count_each([block.text[start:end] for start, end in spans])
    for (start, end), tokens in zip(spans, sizes, strict=True):
        for first, last, size in _torn(block.text, start, end, tokens, counter, limit):
            if block.text[first:last].isspace():
                continue
            # Where counts do not add up, the white space between two units may count too.
            least = -(-(last - first) // _TOKEN_CHARACTERS)
            weight = max(size + (not counter.is_additive), least)
            yield _Unit(offset + first, offset + last, weight, block, header if start >= header_end else "")


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


def _unit_spans(block: Block) -> list[tuple[int, int]]:
    if block.kind == "paragraph":
        return sentence_spans(block.text)
    return list(_line_spans(block.text))


def _line_spans(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for line in text.split("\n"):
        if line.strip():
            yield start, start + len(line)
        start += len(line) + 1


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while end - start > _PIECE_CHARACTERS:
        longest = start + _PIECE_CHARACTERS
        cut = text.rfind(" ", start, longest) + 1 or longest
        yield start, cut
        start = cut
    yield start, end


def _table_header(block: Block) -> tuple[str, int]:
    """The header lines of a table, and where they end."""
    if not block.header_lines:
        return "", 0
    header = "\n".join(block.text.split("\n")[: block.header_lines])
    return header, len(header)


def _pack(units: list[_Unit], room: _Room) -> Iterator[_Passage]:
    """Cut the units of one section into passages of about equal size, each within its room."""
    rest = sum(unit.tokens for unit in units)
    position = 0
    while position < len(units):
        lead = _lead(units, position)
        left = room.left(lead.block.heading_path, lead.header)
        taken = _fill(units, position, rest / -(-rest // left), left)
        passage = _passage(units[position : position + taken])
        while len(passage.units) > 1 and not room.holds(passage):
            passage = _passage(passage.units[:-1])
        yield passage
        position += len(passage.units)
        rest -= passage.tokens


def _passage(units: Sequence[_Unit]) -> _Passage:
    return _Passage(tuple(units), sum(unit.tokens for unit in units))


def _fill(units: Sequence[_Unit], position: int, target: float, left: int) -> int:
    """How many units from ``position`` on make a passage that reaches ``target`` within ``left``."""
    size = 0
    for count in range(len(units) - position):
        tokens = units[position + count].tokens
        if count and (size + tokens > left or size >= target):
            return count
        size += tokens
    return len(units) - position


def _merge_tiny(passages: Iterable[_Passage], room: _Room, smallest: int) -> list[_Passage]:
    """Join a passage to the one before it when either is tiny, they are close, and both fit."""
    merged: list[_Passage] = []
    for passage in passages:
        if merged and _belong_together(merged[-1], passage, room, smallest):
            merged[-1] += passage
        else:
            merged.append(passage)
    return merged


def _belong_together(before: _Passage, after: _Passage, room: _Room, smallest: int) -> bool:
    if min(before.tokens, after.tokens) >= smallest:
        return False
    one, other = before.units[-1].block, after.units[0].block
    shared = max(0, min(len(one.heading_path), len(other.heading_path)) - 1)
    if one.place != other.place or one.heading_path[:shared] != other.heading_path[:shared]:
        return False
    return room.holds(before + after)


def _chunk(passage: _Passage, room: _Room) -> Chunk:
    lead = _lead(passage.units)
    context = room.context(lead.block.heading_path, lead.header)
    units = _without_leading_headings(passage.units, context)
    first, last = units[0], units[-1]
    pages = [unit.block.page for unit in units if unit.block.page is not None]
    return Chunk(
        start=first.start,
        end=last.end,
        text=room.text[first.start : last.end],
        context=context,
        heading=_HEADING_SEPARATOR.join(lead.block.heading_path),
        place=lead.block.place,
        first_page=min(pages, default=None),
        last_page=max(pages, default=None),
    )


def _without_leading_headings(units: tuple[_Unit, ...], context: str) -> tuple[_Unit, ...]:
    """Drop headings in front that the context repeats anyway, whole."""
    body = next((position for position, unit in enumerate(units) if unit.block.kind != "heading"), 0)
    path = units[body].block.heading_path
    for position in range(body):
        block = units[position].block
        if path[: len(block.heading_path)] != block.heading_path or " ".join(block.text.split()) not in context:
            return units[position:]
    return units[body:]


def _recounted(chunks: Iterable[Chunk], counter: TokenCounter, largest: int) -> Iterator[Chunk]:
    """For tokenizers whose counts do not add up: halve the pieces that are too long behind their context."""
    for chunk in chunks:
        if len(chunk.text) == 1 or counter.count(chunk.embedded) + counter.special_tokens <= largest:
            yield chunk
            continue
        middle = len(chunk.text) // 2
        cut = chunk.text.rfind(" ", middle // 2, middle) + 1 or middle
        halves = (
            replace(chunk, end=chunk.start + cut, text=chunk.text[:cut]),
            replace(chunk, start=chunk.start + cut, text=chunk.text[cut:]),
        )
        yield from _recounted((half for half in halves if not half.text.isspace()), counter, largest)
