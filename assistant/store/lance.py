"""Corpora in tables of Lance, on a shared disk or in an object store: for any number of readers that keep nothing.

    corpora.lance             a row a corpus: its live generation, and which version of each table holds it
    claims/chunks.lance       a row a window of a chunk and file of its document: the vector, and what filters ask for;
                              in that of the first window also text, blocks and terms
    claims/documents.lance    a row a document: text, blocks, pages
    claims/files.lance        a row a file, with what filters ask for
    claims/frequencies.lance  how many chunks hold each term

A publish (``assistant.store.shared``) adds versions to the tables of a corpus; they are live once its row names them.
So a reader sees all of a generation or nothing of it, and needs no lock. Full text is Lance's, over our terms: it
offers candidates, which are ranked by the formula of ``assistant.store.lexical`` (docs/retrieval.md).
"""

import functools
import json
import math
import os
import re
import threading
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from assistant.errors import UsageError, WorkspaceError
from assistant.store.blocks import blocks_of
from assistant.store.index import CorpusIdentity, DocumentSummary, Ranking, StoredChunk
from assistant.store.lexical import scores_of, times_in
from assistant.store.sql import Counts, FileRow, pages_in, predicate, quoted
from assistant.text.printing import excerpt
from assistant.text.words import stems
from assistant.types import Filter, StoredBlock, Vectors

if TYPE_CHECKING:
    import pyarrow as pa

SCHEME = "lance:"
TABLES = ("chunks", "documents", "files", "frequencies")
FORMAT = 1
"""Raised when tables mean something else than before."""
# One cell in so many is searched (docs/log.md has the recall), and no fewer than that.
_SEARCHED_PART, _LEAST_CELLS = 3, 8
# Lance ranks a little otherwise than we do: so many times as many hold 99 of our best 100 (docs/log.md).
_CANDIDATES = 1.5
# No more chunks are read to see whether the words of a question stand in them one after another.
_MOST_READ = 256
_MOST_KEPT = 100_000
"""Terms of which a reader remembers how many chunks hold them."""
_OF_ITS_SOURCE = re.compile(r",? /\S+\.rs:\d+(:\d+)?")
_LONGEST_REASON = 300  # characters, as of a server's
_SHOWN = ("id", "document", "path", "root", "title", "language", "date", "text", "context", "heading", "place", "start",
          "end", "blocks", "page_starts")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Live:
    """What is live of a corpus, as its row in ``corpora.lance`` has it."""

    generation: int
    identity: CorpusIdentity
    counts: Counts
    rows: int
    """Of ``chunks.lance``: vectors, those of a document with several files several times."""
    terms: int
    """In all chunks together, as BM25 counts their lengths."""
    cells: int
    """Of the index of vectors; 0 where all of them are compared."""
    versions: Mapping[str, int]
    """Of each table."""
    calibration: str | None = None
    format: int = FORMAT

    def to_json(self) -> str:
        """As it is stored."""
        return json.dumps(asdict(self), ensure_ascii=False)


def live_from(content: str, name: str) -> Live:
    """Read back what ``to_json`` wrote. Raises WorkspaceError for what a newer program wrote."""
    stored = json.loads(content)
    if stored["format"] > FORMAT:
        raise WorkspaceError(f"The tables of '{name}' were written by a newer program.", "Update domain-assistant.")
    return Live(**{**stored, "identity": CorpusIdentity(**stored["identity"]), "counts": Counts(**stored["counts"])})


class Shared:
    """The corpora at one address, for all threads of a process."""

    def __init__(self, url: str) -> None:
        """Raises UsageError without the package. Nothing is looked up yet."""
        # Warnings of its own are for whoever writes against it.
        os.environ.setdefault("LANCE_LOG", "error")
        os.environ.setdefault("LANCE_INCLUDE_VECTOR_CENTROIDS", "false")
        try:
            import lance
        except ImportError:
            raise UsageError(f"{url} needs the package pylance.", "pip install 'domain-assistant[lance]'") from None
        self.url = url
        place = url.removeprefix(SCHEME)
        self._root = place.rstrip("/") if "://" in place else str(Path(place).expanduser().absolute())
        session = lance.Session()  # type: ignore[attr-defined]
        self._open = functools.partial(lance.dataset, session=session)
        self._lock = threading.Lock()
        self._corpora: Any = None
        self._seen: tuple[int, dict[str, Live]] = (0, {})

    def names(self) -> tuple[str, ...]:
        """The corpora that are there, sorted. Raises WorkspaceError when the place cannot be read."""
        return tuple(sorted(self.live()))

    def live(self) -> dict[str, Live]:
        """What is live now of each corpus. Raises WorkspaceError when the place cannot be read."""
        with self._lock, self.told():
            self._corpora = self._corpora or self.table("corpora")
            if self._corpora is None:
                return {}
            newest = self._corpora.latest_version
            if newest != self._seen[0]:
                rows = self._open(self.place("corpora"), version=newest).to_table()
                names, contents = (rows[column].to_pylist() for column in ("name", "live"))
                rows_of = zip(names, contents, strict=True)  # one without content is being deleted
                found = {name: live_from(content, name) for name, content in rows_of if content}
                # A calibration stays the same object until it is another one.
                before = self._seen[1]
                found = {name: before[name] if before.get(name) == one else one for name, one in found.items()}
                self._seen = newest, found
            return self._seen[1]

    def place(self, *names: str) -> str:
        """Where a table lies."""
        return f"{self._root}/{'/'.join(names)}.lance"

    def table(self, *names: str, version: int | None = None) -> Any:
        """A table at a version, the last one if none is given; None where there is none."""
        try:
            return self._open(self.place(*names), version=version)
        except ValueError as error:
            if version is None and "was not found" in str(error):
                return None
            raise

    def drop(self, corpus: str) -> None:
        """Delete all that lies in the folder of a corpus, whatever a run that was killed has left there."""
        import lance
        import pyarrow as pa

        folder = f"{self._root}/{corpus}"
        # Lance deletes a table and all in its folder, and nothing else: so the folder becomes one.
        lance.write_dataset(pa.table({"name": pa.array([], pa.string())}), folder, mode="overwrite")
        lance.LanceDataset.drop(folder)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Turn what Lance says of a place that cannot be read or written into a WorkspaceError of one line."""
        try:
            yield
        except (OSError, ValueError, RuntimeError) as error:
            said = _OF_ITS_SOURCE.sub("", " ".join(str(error).split()))
            reason = excerpt(said, _LONGEST_REASON).rstrip(". ")
            told = f"{self.url} cannot be used: {reason}."
            raise WorkspaceError(told, "Check address, network and rights.") from None


@functools.cache
def shared_at(url: str) -> Shared:
    """The corpora at an address, once a process. Raises UsageError without the package."""
    return Shared(url)


class LanceIndex:
    """One corpus of a shared store, to be read: an ``Index``."""

    def __init__(self, shared: Shared, name: str) -> None:
        """Raises WorkspaceError when the place cannot be read."""
        self.name = name
        self.origin = shared.url
        self.file: Hashable = (shared.url, name)
        self.is_current = True
        self._shared = shared
        self._live: Live | None = None
        self._tables: dict[str, Any] = {}
        self._calibration: tuple[str, bytes] | None = None
        self._frequencies: dict[str, int] = {}
        self._pages: dict[tuple[int, int, int], tuple[tuple[int, int], ...]] = {}
        self._follow()

    def _follow(self) -> None:
        live = self._shared.live().get(self.name)
        if self._live and not live:
            raise UsageError(f"There is no corpus '{self.name}' at {self.origin} any more.", "Choose another one.")
        if live is not self._live:
            with self._shared.told():
                versions = live.versions if live else {}
                self._tables = {
                    one: self._shared.table(self.name, one, version=version) for one, version in versions.items()
                }
            self._live = live
            self._frequencies.clear()
        self._pages.clear()

    def close(self) -> None:
        """Nothing is held that others do not need."""

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything read inside sees one generation.

        Raises WorkspaceError when the place cannot be read, UsageError for a corpus that was deleted.
        """
        self._follow()
        try:
            with self._shared.told():
                yield
        except WorkspaceError:
            self._follow()  # that it was deleted meanwhile is what is told
            raise

    # What is live

    def generation(self) -> int:
        """Number of the live generation; 0 where nothing is."""
        return self._live.generation if self._live else 0

    def identity(self) -> CorpusIdentity | None:
        """What it was made with."""
        return self._live.identity if self._live else None

    def counts(self) -> Counts:
        """How much is live."""
        return self._live.counts if self._live else Counts(0, 0, 0)

    def calibration(self) -> bytes | None:
        """How refusals were calibrated; the same object until it is another one."""
        content = self._live.calibration if self._live else None
        if content is None:
            return None
        if self._calibration is None or self._calibration[0] is not content:
            self._calibration = content, content.encode()
        return self._calibration[1]

    def size_bytes(self) -> int:
        """Of the rows that are live, without what is indexed."""
        fields = (field for table in self._tables.values() for field in table.stats.data_stats().fields)
        return sum(field.bytes_on_disk for field in fields)

    # Files and documents

    def files(self, path: str | None = None, document_id: int | None = None) -> list[FileRow]:
        """Known files by root and path: all, those with one relative path, or those that hold one document."""
        wanted = [] if path is None else [f"path = {quoted(path)}"]
        wanted += [] if document_id is None else [f"document = {document_id}"]
        columns = ("root", "path", "size", "modified_ns", "hash", "document", "failure")
        rows = (FileRow(*row) for row in self._rows("files", columns, " AND ".join(wanted)))
        return sorted(rows, key=lambda row: (row.root, row.path))

    def document_summaries(self, document_id: int | None = None) -> list[DocumentSummary]:
        """What is known of each document, or of one."""
        columns = ("id", "title", "format", "language", "date", "pages", "characters", "chunks", "warnings")
        rows = self._rows("documents", columns, "" if document_id is None else f"id = {document_id}")
        return [DocumentSummary(*(*row[:-1], tuple(json.loads(row[-1])))) for row in rows]

    def dated_titles(self) -> list[tuple[int, str, str]]:
        """(id, title, date) of the documents that state a date."""
        return self._rows("documents", ("id", "title", "date"), "date != ''")

    def languages(self) -> dict[str, int]:
        """Languages of documents, most frequent first, with the number of their chunks; unknown ones are not."""
        documents, chunks = Counter[str](), Counter[str]()
        for language, count in self._rows("documents", ("language", "chunks"), "language != ''"):
            documents[language] += 1
            chunks[language] += count
        return {one: chunks[one] for one in sorted(documents, key=lambda one: (-documents[one], one))}

    def text(self, document_id: int, start: int = 0, end: int | None = None) -> str:
        """The stored text of a document, or a span of it."""
        return str(self._of_document(document_id, "text")[start:end])

    def page_starts(self, document_id: int, start: int, end: int) -> tuple[tuple[int, int], ...]:
        """(offset, page) of the pages that a span of a document stands on."""
        known = self._pages.get((document_id, start, end))
        if known is not None:
            return known
        return pages_in(json.loads(self._of_document(document_id, "page_starts")), start, end)

    def blocks(self, document_id: int, start: int, end: int) -> tuple[StoredBlock, ...]:
        """The blocks that a span of a document holds a part of, in order."""
        rows = json.loads(self._of_document(document_id, "blocks"))
        first = max((row[0] for row in rows if row[0] <= start), default=0)
        return blocks_of([row for row in rows if first <= row[0] < end], start, end)

    def headed_chunks(self, document_id: int) -> list[tuple[int, str]]:
        """(id, heading) of the chunks of a document, with all headings that stand in them, in order."""
        found: set[tuple[int, str]] = set()
        columns, conditions = ("id", "heading", "start", "end", "blocks"), f"document = {document_id} AND window = 0"
        for id_, heading, start, end, blocks in self._rows("chunks", columns, conditions):
            found |= {(id_, heading), *((id_, row[3]) for row in json.loads(blocks) if start <= row[0] < end)}
        return sorted(found)

    def _of_document(self, document_id: int, column: str) -> Any:
        ((value,),) = self._rows("documents", (column,), f"id = {document_id}")
        return value

    # Searching

    def holds(self, only: Filter) -> bool:
        """Whether any chunk is in a document that fits a filter."""
        return bool(self._rows("chunks", ("id",), predicate(only), limit=1))

    def count(self, only: Filter) -> int:
        """How many files have a document that fits a filter."""
        conditions = " AND ".join(filter(None, ("document IS NOT NULL", predicate(only))))
        return int(self._tables["files"].count_rows(conditions)) if self._live else 0

    def nearest(self, vector: Vectors, k: int, only: Filter | None = None) -> Ranking:
        """The ``k`` chunks nearest to a unit vector, with the cosine of their nearest window."""
        if not self._live or not self._live.counts.chunks:
            return []
        rows, chunks, cells = self._live.rows, self._live.counts.chunks, self._live.cells
        nearest = {"column": "vector", "q": vector, "k": min(rows, -(-k * rows // chunks)), "metric": "dot"}
        if cells:
            nearest["minimum_nprobes"] = max(_LEAST_CELLS, cells // _SEARCHED_PART)
            if not only:  # a filter may leave less in them than is wanted
                nearest["maximum_nprobes"] = nearest["minimum_nprobes"]
        found = self._found("chunks", ("id", "vector"), predicate(only), nearest=nearest)
        if not len(found):
            return []
        # Lance compares in 16 bits, which is off by up to .0004.
        windows = found["vector"].combine_chunks().flatten().to_numpy().reshape(len(found), -1)
        best: dict[int, float] = {}
        for chunk, cosine in zip(found["id"].to_pylist(), (windows.astype(np.float32) @ vector).tolist(), strict=True):
            best[chunk] = max(cosine, best.get(chunk, cosine))
        return _best(best, k)

    def match(self, query: Sequence[str], k: int, only: Filter | None = None, phrases: Sequence[str] = ()) -> Ranking:
        """The ``k`` best chunks for any of the terms or phrases (of stems, with blanks), with their BM25 scores."""
        if not self._live or not self._live.counts.chunks:
            return []
        chunks, frequencies = self._live.counts.chunks, self.document_frequencies(query)
        holding = {phrase: self._holding(phrase.split()) for phrase in phrases}
        found = dict(self._offered([*frequencies], k, only))
        if others := {chunk for some in holding.values() for chunk in some} - found.keys():
            among = f"{_among(others)} AND window = 0"
            conditions = " AND ".join(filter(None, (among, predicate(only))))
            found |= _terms_by_chunk(self._rows("chunks", ("id", "terms", "context_terms"), conditions))
        held = [*frequencies.values(), *map(len, holding.values())]
        columns = {term: place for place, term in enumerate((*frequencies, *holding))}
        times = np.zeros((2, len(found), len(held)), np.float32)
        for row, (chunk, (words, of_context)) in enumerate(found.items()):
            for part, some in enumerate((words[:of_context], words[of_context:])):
                for term, count in Counter(filter(frequencies.__contains__, some)).items():
                    times[part, row, columns[term]] = count
            for phrase, its in holding.items():
                times[:, row, columns[phrase]] = its.get(chunk, (0, 0))
        lengths = np.array([max(1, len(words)) for words, _ in found.values()], np.float32)
        scores = scores_of(times[0], times[1], held, chunks, lengths / (self._live.terms / chunks))
        return _best({chunk: score for chunk, score in zip(found, scores.tolist(), strict=True) if score > 0}, k)

    def _offered(self, terms: Sequence[str], k: int, only: Filter | None) -> "dict[int, tuple[list[str], int]]":
        """Candidates for the best ``k``, with their terms and how many of these are of the context."""
        from lance.query import MatchQuery

        assert self._live is not None, "it was asked before"
        if not terms:
            return {}
        most = math.ceil(_CANDIDATES * k * self._live.rows / self._live.counts.windows)
        query = MatchQuery(" ".join(terms), "terms")
        columns = ("id", "terms", "context_terms")
        return _terms_by_chunk(self._rows("chunks", columns, predicate(only), full_text_query=query, limit=most))

    def _holding(self, phrase: Sequence[str]) -> dict[int, tuple[int, int]]:
        """Which chunks hold some stems one after another, how often in context and text."""
        from lance.query import FullTextOperator, MatchQuery

        frequencies = self.document_frequencies(phrase)
        if not frequencies or len(frequencies) < len({*phrase}):
            return {}
        query = MatchQuery(" ".join(phrase), "terms", operator=FullTextOperator.AND)
        columns = ("id", "context", "text", "language")
        held = {}
        for id_, *parts, language in self._rows("chunks", columns, full_text_query=query, limit=_MOST_READ):
            context, body = (times_in(phrase, stems(part, language)) for part in parts)
            if context or body:
                held[id_] = context, body
        return held

    def document_frequencies(self, query: Sequence[str]) -> dict[str, int]:
        """How many chunks hold each term; terms that occur nowhere are left out."""
        if len(self._frequencies) > _MOST_KEPT:
            self._frequencies.clear()
        if unknown := dict.fromkeys((term for term in query if term not in self._frequencies), 0):
            wanted = f"term IN ({', '.join(map(quoted, unknown))})"
            self._frequencies |= unknown | dict(self._rows("frequencies", ("term", "chunks"), wanted))
        return {term: count for term in query if (count := self._frequencies[term])}

    # Chunks

    def chunks(self, ids: Sequence[int], only: Filter | None = None) -> dict[int, StoredChunk]:
        """Chunks by id. A document with several files is shown under the first of them that fits ``only``."""
        if not ids:
            return {}
        conditions = " AND ".join(filter(None, (_among(ids), predicate(only))))
        # Other windows are left out here: to ask for the first ones would read this column of all chunks.
        rows = [row[1:] for row in self._rows("chunks", ("window", *_SHOWN), conditions) if row[0] == 0]
        found: dict[int, StoredChunk] = {}
        for *known, start, end, blocks, page_starts in sorted(rows, key=lambda row: row[:4]):
            id_, document = known[:2]
            if id_ not in found:
                self._pages[document, start, end] = pages_in(json.loads(page_starts), start, end)
                found[id_] = StoredChunk(*(*known, start, end, blocks_of(json.loads(blocks), start, end)))
        return found

    def chunks_in(self, only: Filter, most: int | None = None) -> list[StoredChunk]:
        """The first chunks of the documents that fit a filter, by id; all of them unless told how many."""
        conditions = " AND ".join(filter(None, ("window = 0", predicate(only))))
        ids = sorted({id_ for (id_,) in self._rows("chunks", ("id",), conditions)})[:most]
        found = self.chunks(ids, only)
        return [found[one] for one in ids]

    def _rows(self, table: str, columns: Sequence[str], conditions: str = "", **more: Any) -> list[Any]:
        if self._live is None:
            return []
        found = self._found(table, columns, conditions, **more)
        return list(zip(*(found[column].to_pylist() for column in columns), strict=True))

    def _found(self, table: str, columns: Sequence[str], conditions: str, **more: Any) -> "pa.Table":
        scanner = self._tables[table].scanner(
            list(columns), conditions or None, prefilter=True, disable_scoring_autoprojection=True, **more
        )
        found: pa.Table = scanner.to_table()
        return found


def _terms_by_chunk(rows: Iterable[Sequence[Any]]) -> dict[int, tuple[list[str], int]]:
    return {id_: (terms.split(), of_context) for id_, terms, of_context in rows}


def _best(scores: Mapping[int, float], k: int) -> Ranking:
    return sorted(scores.items(), key=lambda one: (-one[1], one[0]))[:k]


def _among(ids: Iterable[int]) -> str:
    return f"id IN ({', '.join(map(str, ids))})"
