"""The documents of a corpus, as pairs are made from them: their chunks, splits and editions."""

from collections.abc import Mapping
from dataclasses import dataclass

from assistant.config import PairsSettings
from assistant.pairs import Split
from assistant.store.catalog import Catalog, StoredChunk
from ingest.pairs.split import deal, families, superseded


@dataclass(frozen=True, slots=True)
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

    def paths(self, split: Split) -> list[str]:
        """The documents of one split."""
        return [path for path, own in self.splits.items() if own == split]


def read_corpus(catalog: Catalog, settings: PairsSettings, before: Mapping[str, Split]) -> Corpus:
    """What is live in a catalog; documents in ``before`` keep their split."""
    with catalog.snapshot():
        chunks = tuple(catalog.live_chunks())
        related = families(chunks)
        return Corpus(
            name=catalog.folder.name,
            generation=catalog.generation(),
            chunks=chunks,
            hashes={row.path: row.hash for row in catalog.files() if row.document_id is not None},
            splits=deal(related, settings.seed, settings.validation, settings.test, settings.hold_out, before),
            older=superseded(related, {chunk.document: chunk.date for chunk in chunks}),
            languages=catalog.languages(),
        )
