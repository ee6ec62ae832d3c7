"""Questions to evidence: dense and full-text search over one corpus or several, fused.

question ──▶ vector ──▶ FAISS ───┐
         ──▶ stems ──▶ BM25 ─────┴─▶ fusion ──▶ (reranker) ──▶ each text once ──▶ evidence

Of several corpora what both sides of each offer is fused once. Cosines of one embedder compare as they are; BM25 counts
how rare a term is within its own corpus, and is compared all the same (docs/retrieval.md).
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cached_property
from itertools import islice
from typing import TypeVar

from assistant.config import DeviceSettings, RetrievalSettings
from assistant.errors import QuestionTooLongError, UsageError, WorkspaceError
from assistant.retrieval.editions import state_otherwise, title_key
from assistant.retrieval.embedder import Embedder, embedder_of
from assistant.retrieval.ranking import Reranker, ScoredChunk, fuse
from assistant.retrieval.served import ServedReranker
from assistant.store.index import Index, Ranking, StoredChunk
from assistant.text.overlap import Duplicates, jaccard, shingles
from assistant.text.words import DEFAULT_LANGUAGE, detect, query_terms, whole_questions
from assistant.types import Evidence, Filter, well_formed

# BM25 gives terms in more than half of all chunks no weight, but they cost most of the time.
_COMMON_PART = 0.5
# A question is searched by its rarest terms; more than this many add nothing but time.
_MOST_TERMS = 128
# Of the weight; docs/conversation.md.
_FALLBACK_SHARE = 0.2

# A store that is elsewhere takes as long for one chunk as for some.
_READ_AT_ONCE = 8
_BYTES_A_CHARACTER = 2
"""Of a question at most; of Chinese three are one, and one or two tokens."""

T = TypeVar("T")


def refuse_long(question: str, longest: int) -> None:
    """Raise QuestionTooLongError for a question of more than ``longest`` characters, before any work is done.

    In scripts of which a model reads letters in several pieces they count for more: a question has at most twice as
    many bytes (UTF-8).
    """
    for count, most, unit in (
        (len(question), longest, "characters"),
        (len(question.encode(errors="surrogatepass")), _BYTES_A_CHARACTER * longest, "bytes"),
    ):
        if count > most:
            raise QuestionTooLongError(
                f"The question has {count:,} {unit}; at most {most:,} are read.",
                "Ask in fewer words, or raise answer.question_characters.",
            )


class Retriever:
    """Searches one corpus. Cheap to create: models and index are loaded at the first question.

    Follows the corpus: when an ingest has published, the next search sees the new generation, and ``embedder`` is the
    one that it was made with.
    """

    def __init__(self, catalog: Index, embedder: Embedder, settings: RetrievalSettings, device: DeviceSettings) -> None:
        self.catalog = catalog
        self.embedder = embedder
        self._configured = embedder
        self.settings = settings
        self.device = device
        self._size = 0
        self._generation = -1
        self._languages: tuple[str, ...] = (DEFAULT_LANGUAGE,)
        self._editions: dict[str, list[tuple[str, int]]] = {}

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages of the corpus as of the last search, most frequent first."""
        return self._languages

    @property
    def size(self) -> int:
        """How many chunks the corpus has, as of the last search."""
        return self._size

    def search(
        self, question: str, k: int | None = None, only: Filter | None = None, *, fallback: str = ""
    ) -> list[Evidence]:
        """The ``k`` best chunks for a question, best first. Raises what ``search_with_tables`` raises."""
        return self.search_with_tables(question, k, only, fallback=fallback)[0]

    def search_with_tables(
        self, question: str, k: int | None = None, only: Filter | None = None, *, fallback: str = ""
    ) -> tuple[list[Evidence], list[Evidence]]:
        """The ``k`` best chunks for a question, and all candidates with rows of a table where its vector says nothing.

        Words of another language do not find a table; names and numbers may. Both have the best first. ``fallback`` is
        another wording of the question, searched for besides with less weight.

        Raises UsageError for an empty question, WorkspaceError for an empty corpus, IdentityError when the
        embedder that it was made with is gone.
        """
        question, fallback = well_formed(question), well_formed(fallback)
        if not question.strip():
            raise UsageError("The question is empty.", "Ask something.")
        wanted = k or self.settings.k
        limit = max(self.settings.candidates, wanted)
        with self.snapshot():
            own = candidates = self._candidates(question, limit, only)
            if fallback.strip() and fallback != question:
                candidates = _together(candidates, self._candidates(fallback, limit, only))
            if self.settings.reranker or self.settings.reranker_url:
                # The others are dropped: the reranker's scores have another scale.
                head = candidates[: self.settings.rerank_candidates]
                chunks = self.chunks([one.chunk for one in head])
                texts = [f"{chunks[one.chunk].context}\n{chunks[one.chunk].text}" for one in head]
                scores = self._reranker.scores(question, texts)
                rescored = [replace(one, score=score) for one, score in zip(head, scores, strict=True)]
                candidates = sorted(rescored, key=lambda one: (-one.score, one.chunk))
            hits = islice(self._distinct(candidates, only), wanted)
            found = [self.as_evidence(rank, hit, chunk) for rank, (hit, chunk) in enumerate(hits, 1)]
            return found, self._tables(question, own, only)

    def _tables(self, question: str, candidates: Sequence[ScoredChunk], only: Filter | None) -> list[Evidence]:
        if self.embedder.understands(detect(question, self.languages)):
            return []
        chunks = self.chunks([one.chunk for one in candidates], only)
        return [
            self.as_evidence(rank, one, chunks[one.chunk])
            for rank, one in enumerate(candidates, 1)
            if any(block.kind == "table" for block in chunks[one.chunk].blocks)
        ]

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """One generation of the corpus for as long as the block runs. Raises what ``search`` raises for a corpus."""
        with self.catalog.snapshot():
            self._follow()
            yield

    def newest_edition(self, hit: Evidence) -> Evidence | None:
        """The section of a hit in the newest edition of its document; None where the hit is of that, or it has none.

        Call it after a search.
        """
        title, wanted = title_key(hit.title), title_key(hit.heading)
        date, document = max(self._editions.get(title, []), default=("", 0))
        if date <= hit.date or not title or not wanted:
            return None
        with self.catalog.snapshot():
            ids = [id_ for id_, heading in self.catalog.headed_chunks(document) if title_key(heading) == wanted]
            if not ids:
                return None
            own = shingles(hit.text)
            chunks = self.catalog.chunks(ids).values()
            nearest = max(chunks, key=lambda chunk: jaccard(shingles(chunk.text), own))
            return self.as_evidence(hit.rank, ScoredChunk(nearest.id, hit.score, None, None, None, None), nearest)

    def passage(self, document: str, text: str, rank: int) -> Evidence | None:
        """Words of a document as evidence of that rank; None where they stand in it no more."""
        with self.catalog.snapshot():
            for id_ in filter(None, (file.document_id for file in self.catalog.files(path=document))):
                start = self.catalog.text(id_).find(text)
                chunks = self.catalog.chunks([chunk for chunk, _ in self.catalog.headed_chunks(id_)]).values()
                before = [chunk for chunk in chunks if chunk.start <= start]
                if before:
                    nearest = max(before, key=lambda chunk: chunk.start)
                    end = start + len(text)
                    passage = replace(
                        nearest, start=start, end=end, text=text, blocks=self.catalog.blocks(id_, start, end)
                    )
                    return self.as_evidence(rank, ScoredChunk(passage.id, 0.0, None, None, None, None), passage)
        return None

    def weights(self, some: Iterable[str]) -> Mapping[str, float]:
        """Inverse document frequency of terms, as BM25 counts it; unknown ones weigh most."""
        wanted = list(dict.fromkeys(some))
        frequencies = self.document_frequencies(wanted)
        return {term: math.log(1 + self.size / (frequencies.get(term, 0) + 0.5)) for term in wanted}

    def document_frequencies(self, terms: Sequence[str]) -> dict[str, int]:
        """How many chunks hold each term; terms that occur nowhere are left out."""
        return self.catalog.document_frequencies(terms)

    def sides(self, question: str, limit: int, only: Filter | None) -> tuple[Ranking, Ranking]:
        """What each side offers, the best first: (chunk, cosine), and (chunk, BM25). To be called in a snapshot."""
        method = self.settings.fusion
        dense: Ranking = []
        lexical: Ranking = []
        if method != "lexical":
            dense = self.catalog.nearest(self.embedder.embed_question(question), limit, only)
        if method != "dense":
            # The terms worth searching: known to the corpus, the rarest first, without those most chunks share.
            asked = query_terms(question, self._languages, detect(question, self._languages))
            frequencies = self.catalog.document_frequencies(asked)
            rare = [term for term, count in frequencies.items() if count <= _COMMON_PART * self._size]
            terms = sorted(rare or frequencies, key=lambda term: (frequencies[term], term))[:_MOST_TERMS]
            phrases = whole_questions(question, self._languages)
            lexical = self.catalog.match(terms, limit, only, phrases)
        return dense, lexical

    def _follow(self) -> None:
        """Take over what is known of a corpus as a whole where another generation is live than at the last search."""
        generation = self.catalog.generation()
        if generation == self._generation:
            return
        if not generation:
            raise WorkspaceError(f"The corpus '{self.catalog.name}' is empty.", "Run: assistant ingest FOLDER")
        self.embedder = embedder_of(self.catalog, self._configured)
        self._size = self.catalog.counts().chunks
        self._languages = tuple(self.catalog.languages()) or (DEFAULT_LANGUAGE,)
        self._editions = defaultdict(list)
        for document, title, date in self.catalog.dated_titles():
            self._editions[title_key(title)].append((date, document))
        self._generation = generation

    def _candidates(self, question: str, limit: int, only: Filter | None) -> list[ScoredChunk]:
        settings, understood = self.settings, self.embedder.understands(detect(question, self.languages))
        weights = {"dense": 1.0, "lexical": 0.0}
        weight = settings.dense_weight if understood else settings.foreign_dense_weight
        return fuse(*self.sides(question, limit, only), settings.fusion, weights.get(settings.fusion, weight))

    def _distinct(
        self, candidates: Sequence[ScoredChunk], only: Filter | None
    ) -> Iterator[tuple[ScoredChunk, StoredChunk]]:
        """The candidates with their chunks, without those that say nearly what a better one says.

        Editions of one document that state other values do not: one number may be all that was changed.
        """
        said = Duplicates(self.settings.duplicate_similarity)
        shown: list[StoredChunk] = []
        for first in range(0, len(candidates), _READ_AT_ONCE):
            some = candidates[first : first + _READ_AT_ONCE]
            chunks = self.chunks([one.chunk for one in some], only)
            for candidate in some:
                chunk = chunks[candidate.chunk]
                if said.is_new(chunk.text) or (chunk.date and state_otherwise(chunk, shown)):
                    shown.append(chunk)
                    yield candidate, chunk

    def chunks(self, ids: Sequence[int], only: Filter | None = None) -> dict[int, StoredChunk]:
        """Chunks by id, each with the document that a filter means."""
        return self.catalog.chunks(ids, only)

    def as_evidence(self, rank: int, hit: ScoredChunk, chunk: StoredChunk) -> Evidence:
        """A chunk that was found, as it is shown and cited."""
        return Evidence(
            rank=rank,
            score=hit.score,
            dense=hit.dense,
            lexical=hit.lexical,
            dense_rank=hit.dense_rank,
            lexical_rank=hit.lexical_rank,
            chunk=hit.chunk,
            document=chunk.document,
            path=str(chunk.location),
            title=chunk.title,
            date=chunk.date,
            language=chunk.language,
            context=chunk.context,
            heading=chunk.heading,
            place=chunk.place,
            page_starts=self.catalog.page_starts(chunk.document_id, chunk.start, chunk.end),
            start=chunk.start,
            end=chunk.end,
            text=chunk.text,
            blocks=chunk.blocks,
        )

    @cached_property
    def _reranker(self) -> Reranker | ServedReranker:
        if self.settings.reranker_url:
            return ServedReranker(self.settings)
        return Reranker(self.settings.reranker, self.device)


def _together(main: Sequence[ScoredChunk], other: Sequence[ScoredChunk]) -> list[ScoredChunk]:
    """The candidates of two wordings of one question, by weighted sum; of each retriever the better score is kept."""
    others = {one.chunk: one for one in other}
    joined = []
    for one in main:
        score, like = (1 - _FALLBACK_SHARE) * one.score, others.pop(one.chunk, None)
        if like is None:
            joined.append(replace(one, score=score))
        else:
            dense, lexical = _best(max, one.dense, like.dense), _best(max, one.lexical, like.lexical)
            ranks = _best(min, one.dense_rank, like.dense_rank), _best(min, one.lexical_rank, like.lexical_rank)
            joined.append(ScoredChunk(one.chunk, score + _FALLBACK_SHARE * like.score, dense, lexical, *ranks))
    joined += [replace(one, score=_FALLBACK_SHARE * one.score) for one in others.values()]
    return sorted(joined, key=lambda one: (-one.score, one.chunk))


def _best(choose: Callable[[Iterable[T]], T], one: T | None, other: T | None) -> T | None:
    known = [value for value in (one, other) if value is not None]
    return choose(known) if known else None


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
                # One of both may have run here, which tells a server's vectors for its own, and not the other way.
                if not (self.embedder.made(part.embedder.fingerprint) or part.embedder.made(self.embedder.fingerprint)):
                    one, other = self._parts[0].catalog.name, part.catalog.name
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
        place, part = next(one for one in enumerate(self._parts) if one[1].catalog.name == hit.corpus)
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
        return replace(part.as_evidence(rank, hit, chunk), corpus=part.catalog.name)
