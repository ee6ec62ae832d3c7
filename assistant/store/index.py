"""What is asked of a corpus, wherever it is stored: readers see no more of a store than its ``Index``.

    assistant.store.catalog  SQLite and FAISS in the workspace: what an ingest writes, and the truth
    assistant.store.lance    tables on a shared disk or in an object store, for readers on several machines

A filter goes down as what it says, and each store finds the documents that fit in its own way. Everything asked inside
one ``snapshot()`` is answered from one generation.
"""

import hashlib
from collections.abc import Hashable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from assistant.errors import UsageError
from assistant.store import READERS
from assistant.store.sql import Counts, FileRow, file_location
from assistant.types import Filter, StoredBlock, Vectors

Ranking = list[tuple[int, float]]
"""Chunk ids with scores, best first."""


@dataclass(frozen=True, slots=True)
class CorpusIdentity:
    """What chunks and vectors were made with; all of it has to agree for two vectors to be compared."""

    embedder: str
    """Name of the embedder, for people."""
    fingerprint: str
    recipe: str
    """Versions and settings of readers and chunker, hashed."""
    readers: str = "5.4"
    """Their versions; as they were before that was kept."""

    @property
    def is_outdated(self) -> bool:
        """Whether this program would read the same files otherwise."""
        return self.readers != READERS


@dataclass(frozen=True, slots=True)
class DocumentSummary:
    """A document without its text. ``pages`` is None where the format has none."""

    id: int
    title: str
    format: str
    language: str
    date: str
    pages: int | None
    characters: int
    chunks: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A chunk as search shows it, with the document it belongs to."""

    id: int
    document_id: int
    document: str
    root: str
    title: str
    language: str
    date: str
    text: str
    context: str
    heading: str
    place: str
    start: int
    end: int
    blocks: tuple[StoredBlock, ...]
    """Those that the text holds a part of."""

    @property
    def location(self) -> Path:
        """Where the file is that this chunk was read from."""
        return file_location(Path(self.root), self.document)


class Index(Protocol):
    """One corpus to be read, for one thread at a time."""

    @property
    def name(self) -> str:
        """Of the corpus."""

    @property
    def origin(self) -> str:
        """Where it is stored, for people."""

    @property
    def file(self) -> Hashable:
        """What tells this corpus from another that came to its place; with the generation, from all it ever said."""

    @property
    def is_current(self) -> bool:
        """Whether it hears of what is published from now on."""

    def close(self) -> None:
        """Nothing is asked of it any more."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Everything read inside sees one generation. Raises WorkspaceError for a store that cannot be read."""

    def generation(self) -> int:
        """Number of the live generation; 0 before anything was published."""

    def identity(self) -> CorpusIdentity | None:
        """What the live generation was made with; None before anything was published."""

    def counts(self) -> Counts:
        """How much is live."""

    def calibration(self) -> bytes | None:
        """How refusals were calibrated on it, as ``assistant.artifacts.calibration`` writes it; the same object until
        it is another one."""

    def size_bytes(self) -> int:
        """Of what is stored."""

    def files(self, path: str | None = None, document_id: int | None = None) -> list[FileRow]:
        """Known files by root and path: all, those with one relative path, or those that hold one document."""

    def document_summaries(self, document_id: int | None = None) -> list[DocumentSummary]:
        """What is known of each document, or of one."""

    def dated_titles(self) -> list[tuple[int, str, str]]:
        """(id, title, date) of the documents that state a date."""

    def languages(self) -> dict[str, int]:
        """Languages of documents, most frequent first, with the number of their chunks; unknown ones are not."""

    def text(self, document_id: int, start: int = 0, end: int | None = None) -> str:
        """The stored text of a document, or a span of it."""

    def page_starts(self, document_id: int, start: int, end: int) -> tuple[tuple[int, int], ...]:
        """(offset, page) of the pages that a span of a document stands on."""

    def blocks(self, document_id: int, start: int, end: int) -> tuple[StoredBlock, ...]:
        """The blocks that a span of a document holds a part of, in order."""

    def headed_chunks(self, document_id: int) -> list[tuple[int, str]]:
        """(id, heading) of the chunks of a document, with all headings that stand in them, in order."""

    def holds(self, only: Filter) -> bool:
        """Whether any chunk is in a document that fits a filter."""

    def count(self, only: Filter) -> int:
        """How many files have a document that fits a filter."""

    def nearest(self, vector: Vectors, k: int, only: Filter | None = None) -> Ranking:
        """The ``k`` chunks nearest to a unit vector, with the cosine of their nearest window."""

    def match(self, query: Sequence[str], k: int, only: Filter | None = None, phrases: Sequence[str] = ()) -> Ranking:
        """The ``k`` best chunks for any of the terms or phrases (of stems, with blanks), with their BM25 scores."""

    def document_frequencies(self, query: Sequence[str]) -> dict[str, int]:
        """How many chunks hold each term; terms that occur nowhere are left out."""

    def chunks(self, ids: Sequence[int], only: Filter | None = None) -> dict[int, StoredChunk]:
        """Chunks by id. A document with several files is shown under the first of them that fits ``only``."""

    def chunks_in(self, only: Filter, most: int | None = None) -> list[StoredChunk]:
        """The first chunks of the documents that fit a filter, by id; all of them unless told how many."""


@dataclass(frozen=True, slots=True)
class Held:
    """How much of one kind a store holds of a corpus."""

    kind: str
    count: int
    digest: str
    """Of what it says, in any order: the sum of the SHA-256 of its rows, in 64 hex digits."""


def held(kind: str, rows: Iterable[Sequence[Any]]) -> Held:
    """How much rows say, in whatever order they come."""
    count = total = 0
    for row in rows:
        count += 1
        total += int.from_bytes(hashlib.sha256(repr(tuple(row)).encode()).digest(), "big")
    return Held(kind, count, f"{total % (1 << 256):064x}")


def only_read(corpus: str, origin: str) -> UsageError:
    """What is told of a corpus that nothing on this machine may change."""
    return UsageError(f"The corpus '{corpus}' is read from {origin}.", "Run this where it was ingested.")
