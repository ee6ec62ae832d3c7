"""Questions to evidence: dense and full-text search over one corpus, fused.

    question ──▶ vector ──▶ FAISS ───┐
             ──▶ stems ──▶ BM25 ─────┴─▶ fusion ──▶ (reranker) ──▶ near-duplicates collapsed ──▶ evidence

Fusion: the scores of each side are scaled to 0..1 over its candidates (min-max) and summed with a weight; or
reciprocal rank fusion (Cormack et al. 2009, k = 60). ``docs/retrieval.md`` has the measurements behind the
defaults.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from assistant.config import DeviceSettings, RetrievalSettings
from assistant.embedder import Embedder
from assistant.errors import IdentityError, UsageError, WorkspaceError
from assistant.language import detect, query_terms
from assistant.reranker import Reranker
from assistant.store.catalog import Catalog, Filter, StoredChunk
from assistant.store.vectors import VectorIndex, open_index
from assistant.types import Evidence

_RRF_K = 60
# Terms in more than this part of all chunks say nothing and cost most of the time.
_COMMON_PART = 0.3
# A question is searched by its rarest terms; more than this many add nothing but time.
_MOST_TERMS = 64
_SHINGLE_WORDS = 3


@dataclass(frozen=True, slots=True)
class _Candidate:
    chunk: int
    score: float
    dense: float | None
    lexical: float | None
    dense_rank: int | None
    lexical_rank: int | None


class Retriever:
    """Searches one corpus. Cheap to create: models and index are loaded at the first question.

    Follows the corpus: when an ingest has published, the next search sees the new generation.
    """

    def __init__(
        self, catalog: Catalog, embedder: Embedder, settings: RetrievalSettings, device: DeviceSettings
    ) -> None:
        self.catalog = catalog
        self.embedder = embedder
        self.settings = settings
        self._device = device
        self._index: VectorIndex | None = None
        self._generation = -1
        self._languages: tuple[str, ...] = ()

    def search(self, question: str, k: int | None = None, only: Filter | None = None) -> list[Evidence]:
        """The ``k`` best passages for a question, best first.

        Raises UsageError for an empty question, WorkspaceError for an empty corpus, IdentityError when the
        corpus was embedded with another model.
        """
        if not question.strip():
            raise UsageError("The question is empty.", "Ask something.")
        wanted = k or self.settings.k
        with self.catalog.snapshot():
            index = self._current_index()
            among = self.catalog.chunk_ids(only) if only else None
            candidates = self._candidates(question, index, max(self.settings.candidates, wanted), among)
            return self._evidence(question, candidates, wanted)

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages of the corpus as of the last search."""
        return self._languages

    def _current_index(self) -> VectorIndex:
        generation = self.catalog.generation()
        if self._index is None or generation != self._generation:
            self._refuse_other_embedder()
            self._index = open_index(self.catalog, generation)
            self._generation = generation
            self._languages = self.catalog.languages()
        return self._index

    def _refuse_other_embedder(self) -> None:
        identity = self.catalog.identity()
        if identity is None:
            raise WorkspaceError(
                f"The corpus '{self.catalog.folder.name}' is empty.", "Run: assistant ingest FOLDER"
            )
        if identity.fingerprint != self.embedder.fingerprint:
            raise IdentityError(
                f"The corpus was embedded with {identity.embedder} ({identity.fingerprint}); configured is"
                f" {self.embedder.settings.model} ({self.embedder.fingerprint}).",
                "Set embedder.model back, or run: assistant ingest --rebuild",
            )

    def _candidates(
        self, question: str, index: VectorIndex, limit: int, among: Sequence[int] | None
    ) -> list[_Candidate]:
        fusion = self.settings.fusion
        dense: list[tuple[int, float]] = []
        lexical: list[tuple[int, float]] = []
        if fusion != "lexical":
            ids = None if among is None else np.asarray(among, np.int64)
            dense = index.search(self.embedder.embed_question(question), limit, ids)
        if fusion != "dense":
            lexical = self.catalog.match(self._lexical_query(question), limit, among)
        if fusion == "rrf":
            scores = _reciprocal_ranks(dense, lexical)
        else:
            scores = _weighted_minmax(dense, lexical, self._dense_weight(question))
        return _ranked(scores, dense, lexical)

    def _dense_weight(self, question: str) -> float:
        if self.settings.fusion in {"dense", "lexical"}:
            return 1.0 if self.settings.fusion == "dense" else 0.0
        known = self.embedder.settings.languages
        language = detect(question, self._languages) if known else ""
        is_foreign = bool(language) and language not in known
        return self.settings.foreign_dense_weight if is_foreign else self.settings.dense_weight

    def _lexical_query(self, question: str) -> list[str]:
        """The stems worth searching: known to the corpus, the rarest first, without those all chunks share."""
        frequencies = self.catalog.document_frequencies(query_terms(question, self._languages or ("en",)))
        most = _COMMON_PART * len(self._index or ())
        rare = [term for term, count in frequencies.items() if count <= most] or list(frequencies)
        return sorted(rare, key=lambda term: (frequencies[term], term))[:_MOST_TERMS]

    def _evidence(self, question: str, candidates: list[_Candidate], wanted: int) -> list[Evidence]:
        # Twice as many as wanted leave enough when near-duplicates are taken out.
        pool = candidates[: max(2 * wanted, self.settings.rerank_candidates if self.settings.reranker else 0)]
        chunks = self.catalog.chunks([candidate.chunk for candidate in pool])
        if self.settings.reranker:
            pool = self._reranked(question, pool, chunks)
        hits = _without_duplicates(pool, chunks, self.settings.duplicate_similarity, wanted)
        return [_as_evidence(rank, hit, chunks[hit.chunk]) for rank, hit in enumerate(hits, 1)]

    def _reranked(
        self, question: str, pool: list[_Candidate], chunks: Mapping[int, StoredChunk]
    ) -> list[_Candidate]:
        head = pool[: self.settings.rerank_candidates]
        texts = [f"{chunks[one.chunk].context}\n{chunks[one.chunk].text}" for one in head]
        scores = self._reranker.scores(question, texts)
        order = sorted(range(len(head)), key=lambda position: -scores[position])
        return [replace(head[position], score=scores[position]) for position in order]

    @cached_property
    def _reranker(self) -> Reranker:
        return Reranker(self.settings.reranker, self._device)


def _weighted_minmax(
    dense: Sequence[tuple[int, float]], lexical: Sequence[tuple[int, float]], weight: float
) -> dict[int, float]:
    """Weighted sum of scores scaled to 0..1 over each side's candidates; a missing side counts 0."""
    scores: dict[int, float] = {}
    for side, share in ((dense, weight), (lexical, 1.0 - weight)):
        for chunk, value in _scaled(side):
            scores[chunk] = scores.get(chunk, 0.0) + share * value
    return scores


def _scaled(side: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    if not side:
        return []
    values = [score for _, score in side]
    low, high = min(values), max(values)
    return [(chunk, (score - low) / (high - low) if high > low else 1.0) for chunk, score in side]


def _reciprocal_ranks(
    dense: Sequence[tuple[int, float]], lexical: Sequence[tuple[int, float]]
) -> dict[int, float]:
    scores: dict[int, float] = {}
    for side in (dense, lexical):
        for rank, (chunk, _) in enumerate(side, 1):
            scores[chunk] = scores.get(chunk, 0.0) + 1.0 / (_RRF_K + rank)
    return scores


def _ranked(
    scores: Mapping[int, float], dense: Sequence[tuple[int, float]], lexical: Sequence[tuple[int, float]]
) -> list[_Candidate]:
    by_dense = {chunk: (rank, score) for rank, (chunk, score) in enumerate(dense, 1)}
    by_lexical = {chunk: (rank, score) for rank, (chunk, score) in enumerate(lexical, 1)}
    none = (None, None)
    candidates = []
    for chunk, score in scores.items():
        dense_rank, dense_score = by_dense.get(chunk, none)
        lexical_rank, lexical_score = by_lexical.get(chunk, none)
        candidates.append(_Candidate(chunk, score, dense_score, lexical_score, dense_rank, lexical_rank))
    return sorted(candidates, key=lambda one: (-one.score, one.chunk))


def _without_duplicates(
    ranked: Sequence[_Candidate], chunks: Mapping[int, StoredChunk], similarity: float, wanted: int
) -> list[_Candidate]:
    """The first ``wanted`` candidates whose text is not nearly that of a better one."""
    kept: list[_Candidate] = []
    seen: list[frozenset[tuple[str, ...]]] = []
    for candidate in ranked:
        shingles = _shingles(chunks[candidate.chunk].text)
        if not any(_overlap(shingles, other) >= similarity for other in seen):
            kept.append(candidate)
            seen.append(shingles)
        if len(kept) == wanted:
            break
    return kept


def _shingles(text: str) -> frozenset[tuple[str, ...]]:
    words = text.casefold().split()
    last = max(1, len(words) - _SHINGLE_WORDS + 1)
    return frozenset(tuple(words[first : first + _SHINGLE_WORDS]) for first in range(last))


def _overlap(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    """Jaccard similarity of two sets of shingles."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


def _as_evidence(rank: int, hit: _Candidate, chunk: StoredChunk) -> Evidence:
    return Evidence(
        rank=rank,
        score=hit.score,
        dense=hit.dense,
        lexical=hit.lexical,
        dense_rank=hit.dense_rank,
        lexical_rank=hit.lexical_rank,
        chunk=chunk.id,
        document=chunk.document,
        path=str(chunk.location),
        title=chunk.title,
        date=chunk.date,
        language=chunk.language,
        context=chunk.context,
        heading=chunk.heading,
        place=chunk.place,
        pages=_pages(chunk),
        start=chunk.start,
        end=chunk.end,
        text=chunk.text,
    )


def _pages(chunk: StoredChunk) -> tuple[int, ...]:
    if chunk.first_page is None or chunk.last_page is None:
        return ()
    return tuple(range(chunk.first_page, chunk.last_page + 1))
