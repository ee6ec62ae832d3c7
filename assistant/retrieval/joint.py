"""Several corpora searched as one.

What both sides of each corpus offer is fused once. Cosines of one embedder compare as they are; BM25 counts how rare a
term is within its own corpus, and is compared all the same (docs/retrieval.md).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from assistant.errors import UsageError
from assistant.retrieval.ranking import Ranking, ScoredChunk
from assistant.retrieval.retriever import Retriever
from assistant.store.catalog import StoredChunk
from assistant.types import Evidence, Filter


class JointRetriever(Retriever):
    """Searches some corpora at once; a chunk's number tells which one it is from, as ``number * corpora + place``."""

    def __init__(self, parts: Sequence[Retriever]) -> None:
        """``parts``, one or more, are no one else's meanwhile."""
        first = parts[0]
        super().__init__(first.catalog, first.embedder, first.settings, first.device)
        self._parts = parts

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages of all corpora, each once."""
        return tuple(dict.fromkeys(language for part in self._parts for language in part.languages))

    @property
    def size(self) -> int:
        """How many chunks the corpora have, as of the last search."""
        return sum(part.size for part in self._parts)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """One generation of each corpus. Raises UsageError where they were made with different embedders."""
        with ExitStack() as snapshots:
            for part in self._parts:
                snapshots.enter_context(part.snapshot())
            self.embedder = self._parts[0].embedder
            for part in self._parts:
                if part.embedder.fingerprint != self.embedder.fingerprint:
                    one, other = self._parts[0].catalog.folder.name, part.catalog.folder.name
                    raise UsageError(
                        f"The corpora '{one}' and '{other}' were read with different embedders.",
                        "Ask them one at a time, or run: assistant ingest --rebuild",
                    )
            yield

    def document_frequencies(self, terms: Sequence[str]) -> dict[str, int]:
        """How many chunks hold each term."""
        counted = Counter[str]()
        for part in self._parts:
            counted.update(part.document_frequencies(terms))
        return dict(counted)

    def sides(self, question: str, limit: int, only: Filter | None) -> tuple[Ranking, Ranking]:
        """What each side offers of all corpora together, the best first."""
        together: tuple[Ranking, Ranking] = ([], [])
        for place, part in enumerate(self._parts):
            for side, ranking in zip(together, part.sides(question, limit, only), strict=True):
                side += [(chunk * len(self._parts) + place, score) for chunk, score in ranking]
        dense, lexical = (sorted(side, key=lambda one: (-one[1], one[0]))[:limit] for side in together)
        return dense, lexical

    def newest_edition(self, hit: Evidence) -> Evidence | None:
        """The section of a hit in the newest edition of its document within its corpus."""
        place, part = next(one for one in enumerate(self._parts) if one[1].catalog.folder.name == hit.corpus)
        newest = part.newest_edition(hit)
        return newest and replace(newest, chunk=newest.chunk * len(self._parts) + place, corpus=hit.corpus)

    def chunks(self, ids: Sequence[int], only: Filter | None = None) -> dict[int, StoredChunk]:
        """Chunks of all corpora by their joint ids."""
        found: dict[int, StoredChunk] = {}
        for place, part in enumerate(self._parts):
            own = [id_ // len(self._parts) for id_ in ids if id_ % len(self._parts) == place]
            found |= {id_ * len(self._parts) + place: chunk for id_, chunk in part.chunks(own, only).items()}
        return found

    def as_evidence(self, rank: int, hit: ScoredChunk, chunk: StoredChunk) -> Evidence:
        """A chunk as evidence that names its corpus."""
        part = self._parts[hit.chunk % len(self._parts)]
        return replace(part.as_evidence(rank, hit, chunk), corpus=part.catalog.folder.name)
