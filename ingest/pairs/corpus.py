"""The documents of a corpus, as pairs are made from them: their chunks, splits and editions."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from assistant.artifacts.pairs import Split
from assistant.config import PairsSettings
from assistant.store.catalog import Catalog, StoredChunk
from ingest.pairs.split import deal, families, superseded


@dataclass(frozen=True)
class Corpus:
    """One state of one corpus."""

    name: str
    generation: int
    chunks: tuple[StoredChunk, ...]
    hashes: Mapping[str, str]
    """Content hash of every document, by path."""
    splits: Mapping[str, Split]
    older: frozenset[str]
    """Documents that a newer edition takes the place of."""
    languages: tuple[str, ...]

    @cached_property
    def state(self) -> str:
        """16 hex digits that change with any text."""
        digest = hashlib.sha256()
        for chunk in self.chunks:
            digest.update(f"{chunk.document}\0{chunk.context}\0{chunk.text}\0".encode())
        return digest.hexdigest()[:16]

    def paths(self, split: Split) -> list[str]:
        """The documents of one split."""
        return [path for path, own in self.splits.items() if own == split]


def hashes_of(catalog: Catalog) -> dict[str, str]:
    """Content hash of every document that is live in a catalog, by path."""
    return {row.path: row.hash for row in catalog.files() if row.document_id is not None}


def read_corpus(catalog: Catalog, settings: PairsSettings, before: Mapping[str, Split]) -> Corpus:
    """What is live in a catalog; documents in ``before`` keep their split."""
    with catalog.snapshot():
        chunks = tuple(catalog.live_chunks())
        related = families(chunks)
        return Corpus(
            name=catalog.folder.name,
            generation=catalog.generation(),
            chunks=chunks,
            hashes=hashes_of(catalog),
            splits=deal(related, settings.seed, settings.validation, settings.test, settings.hold_out, before),
            older=superseded(related, {chunk.document: chunk.date for chunk in chunks}),
            languages=tuple(catalog.languages()),
        )
