"""Ranked chunks become passages to read: widened to their section, each text once.

A chunk is as long as the embedder's window, which may be less than a person or a model needs, and in a
language that the embedder does not know it is half of that. So a hit is widened by its neighbours under the same
headings, up to a number of characters; hits that lie inside a wider one are taken up by it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from assistant.fusion import Candidate
from assistant.store.catalog import Catalog, StoredChunk
from assistant.types import Filter

_SHINGLE_WORDS = 3

Shingles = frozenset[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Passage:
    """A candidate with the text around it; ``chunk.text`` is the text of the whole span."""

    candidate: Candidate
    chunk: StoredChunk


def read_passages(
    candidates: Iterable[Candidate],
    catalog: Catalog,
    wanted: int,
    characters: int,
    duplicate_similarity: float,
    only: Filter | None = None,
) -> list[Passage]:
    """The first ``wanted`` passages of at most ``characters`` (or one chunk), none nearly equal to a better one.

    ``duplicate_similarity`` is the share of common three-word shingles (Jaccard) from which two are equal.
    """
    passages: list[Passage] = []
    taken: set[int] = set()
    seen: list[Shingles] = []
    for candidate in candidates:
        if len(passages) == wanted:
            break
        if candidate.chunk in taken:
            continue
        chunk, parts = _widened(catalog.chunks([candidate.chunk], only)[candidate.chunk], catalog, characters, taken)
        shingles = _shingles(chunk.text)
        if any(_overlap(shingles, other) >= duplicate_similarity for other in seen):
            continue
        taken.update(parts)
        seen.append(shingles)
        passages.append(Passage(candidate, chunk))
    return passages


def _widened(chunk: StoredChunk, catalog: Catalog, characters: int, taken: set[int]) -> tuple[StoredChunk, list[int]]:
    """A chunk with its neighbours, next ones first, and the ids of all of them."""
    reach = characters - (chunk.end - chunk.start)
    if reach <= 0:
        return chunk, [chunk.id]
    section = catalog.section(chunk, reach)
    here = next(position for position, one in enumerate(section) if one.id == chunk.id)
    first = last = here
    for position in _outwards(here, len(section)):
        low, high = min(first, position), max(last, position)
        if section[high].end - section[low].start > characters or section[position].id in taken:
            continue
        if position in (first - 1, last + 1):
            first, last = low, high
    if first == last:
        return chunk, [chunk.id]
    return _joined(chunk, section[first : last + 1], catalog), [one.id for one in section[first : last + 1]]


def _outwards(here: int, length: int) -> Iterator[int]:
    """Positions around one, nearest first, the next before the previous."""
    for distance in range(1, length):
        for position in (here + distance, here - distance):
            if 0 <= position < length:
                yield position


def _joined(chunk: StoredChunk, chunks: Sequence[StoredChunk], catalog: Catalog) -> StoredChunk:
    first, last = chunks[0], chunks[-1]
    pages = [page for one in chunks for page in (one.first_page, one.last_page) if page is not None]
    return replace(
        chunk,
        start=first.start,
        context=first.context,
        end=last.end,
        text=catalog.text(first.document_id, first.start, last.end),
        first_page=min(pages, default=None),
        last_page=max(pages, default=None),
    )


def _shingles(text: str) -> Shingles:
    words = text.casefold().split()
    count = max(1, len(words) - _SHINGLE_WORDS + 1)
    return frozenset(tuple(words[first : first + _SHINGLE_WORDS]) for first in range(count))


def _overlap(one: Shingles, other: Shingles) -> float:
    """Jaccard similarity."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)
