"""The catalog: documents, chunks, vectors and full text of one corpus, in SQLite.

Reading happens in snapshots: everything inside one ``snapshot()`` sees one generation, whatever an ingest
does meanwhile. Writing happens in ``transaction()``s and only under the workspace's write lock.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple
from pathlib import Path

import numpy as np
import numpy.typing as npt

from assistant.store import lexical, vectors
from assistant.store.blocks import insert_blocks, read_blocks, stored_blocks
from assistant.store.index import CorpusIdentity, DocumentSummary, Index, Ranking, StoredChunk, only_read
from assistant.store.lexical import Ids, LexicalIndex
from assistant.store.sql import (
    Counts,
    FileRow,
    chunks_of,
    conditions_of,
    connect,
    damage_in,
    damage_told,
    files_of,
    marks_for,
    pages_in,
    place_of,
    portions,
    transaction,
)
from assistant.types import Chunk, Document, Filter, StoredBlock, Vectors
from assistant.workspace import size_of

CATALOG_FILE = "catalog.sqlite"
CALIBRATION_FILE = "calibration.json"
_FETCH_ROWS = 4096  # 6 MiB in float32 with 384 dimensions


class Catalog:
    """One connection to one catalog file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.connection = connect(folder / CATALOG_FILE)
        self.file = place_of(folder / CATALOG_FILE)
        """What tells the file of this catalog from another that came to its place (device, inode)."""
        self._vectors: tuple[int, vectors.VectorIndex] | None = None
        self._lexical: tuple[int, LexicalIndex] | None = None
        self._among: tuple[int, Filter, Ids] | None = None
        self._calibration: tuple[int, bytes] | None = None

    @property
    def name(self) -> str:
        """Of the corpus."""
        return self.folder.name

    @property
    def origin(self) -> str:
        """The folder of the catalog."""
        return str(self.folder)

    @property
    def is_current(self) -> bool:
        """Whether the file was not deleted, or made again, since it was opened, and hears of what is written to it."""
        hears = not self.connection.execute("PRAGMA query_only").fetchone()[0]
        return hears and self.file == place_of(self.folder / CATALOG_FILE)

    def close(self) -> None:
        """Close the connection; the write-ahead log is folded in by the last one that does."""
        # What is shared by file must not outlive it: another file may come to its place on the disk.
        self._vectors = self._lexical = None
        self.connection.close()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything read inside sees one state of the catalog."""
        with damage_told(self.folder / CATALOG_FILE):
            self.connection.execute("BEGIN")
            try:
                yield
            finally:
                self.connection.execute("COMMIT")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything written inside happens, or nothing. Raises WorkspaceError when the disk refuses."""
        with transaction(self.connection, self.folder):
            yield

    # CorpusIdentity and generation

    def generation(self) -> int:
        """Number of the live generation; 0 before anything was published."""
        return int(self.meta("generation") or 0)

    def identity(self) -> CorpusIdentity | None:
        """What the live generation was made with; None before anything was published."""
        stored = self.meta("identity")
        return CorpusIdentity(**json.loads(stored)) if stored else None

    def counts(self) -> Counts:
        """How much is live."""
        return Counts(**json.loads(self.meta("counts") or ""))

    def removed_chunks(self) -> npt.NDArray[np.int64]:
        """Ids of chunks that were live since the last ``forget_removed``, and are no more."""
        rows = self.connection.execute("SELECT chunk_id FROM removed").fetchall()
        return np.array([row[0] for row in rows], np.int64)

    def forget_removed(self) -> None:
        """From now on chunks are told that will be removed. Call inside a transaction."""
        self.connection.execute("DELETE FROM removed")

    def meta(self, key: str) -> str | None:
        """What is kept of the corpus under a key."""
        row = self.connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def set_meta(self, key: str, value: str) -> None:
        """Keep something of the corpus. Call inside a transaction."""
        self.connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def calibration(self) -> bytes | None:
        """How refusals were calibrated on this corpus; the same object until it is another one."""
        file = self.folder / CALIBRATION_FILE
        try:
            written = file.stat().st_mtime_ns
            if self._calibration is None or self._calibration[0] != written:
                self._calibration = written, file.read_bytes()
        except OSError:
            return None
        return self._calibration[1]

    def size_bytes(self) -> int:
        """Of all files of the corpus."""
        return size_of(self.folder)

    def damage(self) -> str:
        """What SQLite finds wrong with the file; empty when nothing is."""
        return damage_in(self.connection)

    # Files and documents

    def files(self, path: str | None = None, document_id: int | None = None) -> list[FileRow]:
        """Known files by root and path: all, those with one relative path, or those that hold one document."""
        rows = self.connection.execute(
            "SELECT * FROM files WHERE coalesce(path = ?, true) AND coalesce(document_id = ?, ? IS NULL)"
            " ORDER BY root, path",
            (path, document_id, document_id),
        )
        return [FileRow(*row) for row in rows]

    def document_ids(self) -> dict[str, int]:
        """Key → id of every document, live or staged."""
        return dict(self.connection.execute("SELECT key, id FROM documents"))

    def document_summaries(self, document_id: int | None = None) -> list[DocumentSummary]:
        """What is known of each document, live or staged, or of one."""
        rows = self.connection.execute(
            "SELECT id, title, format, language, date, pages, characters, chunks, warnings FROM documents"
            " WHERE coalesce(id = ?, true)",
            (document_id,),
        )
        return [DocumentSummary(*(*row[:-1], tuple(json.loads(row[-1])))) for row in rows]

    def dimension(self) -> int:
        """Length of the live vectors; 0 when there are none."""
        row = self.connection.execute(
            "SELECT length(vector) FROM windows WHERE chunk_id <= ? LIMIT 1", (self.counts().last_chunk,)
        ).fetchone()
        return row[0] // np.dtype(np.float16).itemsize if row else 0

    def text(self, document_id: int, start: int = 0, end: int | None = None) -> str:
        """The stored text of a document, or a span of it."""
        length = -1 if end is None else end - start
        row = self.connection.execute(
            "SELECT CASE WHEN ? < 0 THEN substr(text, ? + 1) ELSE substr(text, ? + 1, ?) END"
            " FROM documents WHERE id = ?",
            (length, start, start, length, document_id),
        ).fetchone()
        return str(row[0])

    def page_starts(self, document_id: int, start: int, end: int) -> tuple[tuple[int, int], ...]:
        """(offset, page) of the pages that a span of a document stands on."""
        row = self.connection.execute("SELECT page_starts FROM documents WHERE id = ?", (document_id,)).fetchone()
        return pages_in(json.loads(row[0]), start, end)

    def blocks(self, document_id: int, start: int, end: int) -> tuple[StoredBlock, ...]:
        """The blocks that a span of a document holds a part of, in order."""
        return read_blocks(self.connection, document_id, start, end)

    def dated_titles(self) -> list[tuple[int, str, str]]:
        """(id, title, date) of the live documents that state a date."""
        return self.connection.execute(
            "SELECT id, title, date FROM documents WHERE date != '' AND id IN (SELECT document_id FROM files)"
        ).fetchall()

    def headed_chunks(self, document_id: int) -> list[tuple[int, str]]:
        """(id, heading) of the chunks of a document, with all headings that stand in them, in order."""
        return self.connection.execute(
            "SELECT id, heading FROM chunks WHERE document_id = ?1 UNION SELECT id, blocks.heading FROM chunks"
            " JOIN blocks USING (document_id) WHERE document_id = ?1"
            " AND blocks.start >= chunks.start AND blocks.start < chunks.end ORDER BY 1",
            (document_id,),
        ).fetchall()

    def languages(self) -> dict[str, int]:
        """Languages of live documents, most frequent first, with the number of their chunks; unknown ones are not."""
        rows = self.connection.execute(
            "SELECT language, sum(chunks) FROM documents WHERE language != '' AND id IN (SELECT document_id FROM files)"
            " GROUP BY language ORDER BY count(*) DESC, language"
        )
        return dict(rows.fetchall())

    # Staging

    def stage(
        self,
        key: str,
        document: Document,
        chunks: Sequence[Chunk],
        vectors: Sequence[Vectors],
        fingerprint: str,
    ) -> int:
        """Write one document with its chunks and the vectors of their windows, in order, not yet live.

        Call inside a transaction.
        An older document of the same key stays, under another one, until the next publishing drops it.
        """
        self.connection.execute("UPDATE documents SET key = key || ':replaced:' || id WHERE key = ?", (key,))
        row = (
            key, document.title, document.format, document.language, document.date, document.pages,
            json.dumps(document.page_starts), json.dumps(document.metadata, ensure_ascii=False),
            json.dumps(document.warnings, ensure_ascii=False), document.text, len(document.text), len(chunks),
        )  # fmt: skip
        cursor = self.connection.execute(
            "INSERT INTO documents (key, title, format, language, date, pages, page_starts, metadata, warnings, text,"
            " characters, chunks) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        document_id = int(cursor.lastrowid or 0)
        insert_blocks(self.connection, document_id, stored_blocks(document))
        remaining = iter(vectors)
        for chunk in chunks:
            cursor = self.connection.execute(
                "INSERT INTO chunks (document_id, start, end, heading, place, context) VALUES (?, ?, ?, ?, ?, ?)",
                (document_id, chunk.start, chunk.end, chunk.heading, chunk.place, chunk.context),
            )
            self.connection.executemany(
                "INSERT INTO windows (chunk_id, digest, vector) VALUES (?, ?, ?)",
                (
                    (cursor.lastrowid, digest(window, fingerprint), next(remaining).astype(np.float16).tobytes())
                    for window in chunk.windows
                ),
            )
        return document_id

    def known_vectors(self, digests: Sequence[bytes]) -> dict[bytes, Vectors]:
        """Vectors of texts that were embedded before, by digest."""
        found: dict[bytes, Vectors] = {}
        for some in portions(digests):
            rows = self.connection.execute(
                f"SELECT digest, vector FROM windows WHERE digest IN ({marks_for(some)}) GROUP BY digest", some
            )
            found.update((row[0], np.frombuffer(row[1], np.float16).astype(np.float32)) for row in rows)
        return found

    # Publishing

    def publish(
        self, added: Iterable[FileRow], removed: Iterable[FileRow], identity: CorpusIdentity, generation: int
    ) -> None:
        """Make files live in the place of others, with the documents they hold. Call inside a transaction.

        Documents that no file holds any more are dropped, and those that were staged in vain.
        """
        run, counts = self.connection.execute, self.counts()
        # Ids grow: what was staged since the last publishing stands behind all that is live.
        last = run("SELECT coalesce(max(document_id), 0) FROM files").fetchone()[0]
        staged = [row[0] for row in run("SELECT id FROM documents WHERE id > ? ORDER BY id", (last,))]
        removed = list(removed)
        self.connection.executemany(
            "DELETE FROM files WHERE root = ? AND path = ?", ((one.root, one.path) for one in removed)
        )
        self.connection.executemany("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?)", map(astuple, added))
        touched = {*staged, *(one.document_id for one in removed if one.document_id is not None)}
        held = {
            row[0]
            for some in portions(sorted(touched))
            for row in run(f"SELECT document_id FROM files WHERE document_id IN ({marks_for(some)})", some)
        }
        chunks, windows = counts.chunks, counts.windows
        for some in portions(sorted(touched - held)):
            marks = marks_for(some)
            live = f"FROM chunks WHERE document_id IN ({marks}) AND id <= {counts.last_chunk}"
            gone = [row[0] for row in run(f"SELECT id {live}", some)]
            chunks -= len(gone)
            windows -= run(f"SELECT count(*) FROM windows WHERE chunk_id IN (SELECT id {live})", some).fetchone()[0]
            lexical.forget_terms(self.connection, gone)
            run(f"INSERT INTO removed SELECT id {live}", some)
            run(f"DELETE FROM documents WHERE id IN ({marks})", some)
        lexical.index_terms(self.connection, [one for one in staged if one in held])
        (chunks_added,) = run("SELECT count(*) FROM chunks WHERE id > ?", (counts.last_chunk,)).fetchone()
        (windows_added,) = run("SELECT count(*) FROM windows WHERE chunk_id > ?", (counts.last_chunk,)).fetchone()
        (last_chunk,) = run("SELECT coalesce(max(id), 0) FROM chunks").fetchone()
        now = Counts(chunks + chunks_added, windows + windows_added, last_chunk)
        self.set_meta("counts", json.dumps(asdict(now)))
        self.set_meta("identity", json.dumps(asdict(identity)))
        self.set_meta("generation", str(generation))

    # Searching

    def window_count(self, after: int) -> int:
        """How many windows the live chunks with ids after this one have."""
        query = "SELECT count(*) FROM windows WHERE chunk_id > ? AND chunk_id <= ?"
        return int(self.connection.execute(query, (after, self.counts().last_chunk)).fetchone()[0])

    def chunk_ids(self, only: Filter) -> list[int]:
        """Ids of the live chunks in documents that fit a filter."""
        chunks, values = chunks_of(only)
        # Those of a document follow on each other: one row a document is fetched rather than one a chunk.
        spans = self.connection.execute(f"SELECT min(id), max(id) {chunks} GROUP BY document_id ORDER BY 1", values)
        return [chunk for first, last in spans for chunk in range(first, last + 1)]

    def holds(self, only: Filter) -> bool:
        """Whether any live chunk is in a document that fits a filter."""
        chunks, values = chunks_of(only)
        return self.connection.execute(f"SELECT 1 {chunks} LIMIT 1", values).fetchone() is not None

    def count(self, only: Filter) -> int:
        """How many files have a document that fits a filter."""
        query, values = files_of(only)
        return int(self.connection.execute(f"SELECT count(*) {query}", values).fetchone()[0])

    def chunk_places(self) -> dict[int, tuple[str, int]]:
        """Where each live chunk stands, by its id: the first path of its document, and its start in the text."""
        rows = self.connection.execute(
            "SELECT chunks.id, min(path), start FROM chunks JOIN files USING (document_id) GROUP BY chunks.id"
        )
        return {id_: (path, start) for id_, path, start in rows}

    def live_vectors(self, after: int = 0, up_to: int | None = None) -> Iterator[tuple[np.ndarray, Vectors]]:
        """Chunk ids (n,) and vectors (n, dimension) of all windows of live chunks, a portion at a time.

        Only of chunks with ids ``after`` one and ``up_to`` another, if given.
        """
        last = self.counts().last_chunk
        rows = self.connection.execute(
            "SELECT chunk_id, vector FROM windows WHERE chunk_id > ? AND chunk_id <= ? ORDER BY chunk_id, id",
            (after, last if up_to is None else min(up_to, last)),
        )
        while batch := rows.fetchmany(_FETCH_ROWS):
            yield (
                np.fromiter((row[0] for row in batch), np.int64, len(batch)),
                np.frombuffer(b"".join(row[1] for row in batch), np.float16).reshape(len(batch), -1).astype(np.float32),
            )

    def document_frequencies(self, query: Sequence[str]) -> dict[str, int]:
        """How many live chunks hold each term; terms that occur nowhere are left out."""
        return lexical.frequencies_of(self.connection, query)

    def nearest(self, vector: Vectors, k: int, only: Filter | None = None) -> Ranking:
        """The ``k`` chunks nearest to a unit vector, with the cosine of their nearest window.

        Call inside a snapshot.
        """
        generation = self.generation()
        if self._vectors is None or self._vectors[0] != generation:
            self._vectors = generation, vectors.open_index(self, generation)
        return self._vectors[1].search(vector, k, self._ids_in(only))

    def match(self, query: Sequence[str], k: int, only: Filter | None = None, phrases: Sequence[str] = ()) -> Ranking:
        """The ``k`` best chunks for any of the terms or phrases (of stems, with blanks), with their BM25 scores.

        Call inside a snapshot.
        """
        generation = self.generation()
        if self._lexical is None or self._lexical[0] != generation:
            self._lexical = generation, lexical.open_index(self.connection, self.file, generation)
        try:
            return self._lexical[1].search(self.connection, query, phrases, k, self._ids_in(only))
        except (ValueError, IndexError) as error:  # SQLite does not know what stands in a BLOB
            raise sqlite3.DatabaseError(f"full text is damaged ({error})") from None

    def _ids_in(self, only: Filter | None) -> Ids | None:
        """Of a filter that both sides of a search ask for, its chunks are looked up once."""
        if not only:
            return None
        generation = self.generation()
        if self._among is None or self._among[:2] != (generation, only):
            self._among = generation, only, np.asarray(self.chunk_ids(only), np.int64)
        return self._among[2]

    def chunks(self, ids: Sequence[int], only: Filter | None = None) -> dict[int, StoredChunk]:
        """Chunks by id. A document with several files is shown under the first of them that fits ``only``."""
        found: dict[int, StoredChunk] = {}
        conditions, values = conditions_of(only or Filter())
        for some in portions(ids):
            rows = self.connection.execute(
                "SELECT chunks.id, document_id, min(path), root, title, language, date,"
                " substr(text, start + 1, end - start), context, heading, place, start, end"
                " FROM chunks JOIN documents ON documents.id = document_id JOIN files USING (document_id)"
                f" WHERE {' AND '.join(conditions)} AND chunks.id IN ({marks_for(some)}) GROUP BY chunks.id",
                (*values, *some),
            )
            found.update((row[0], StoredChunk(*(*row, self.blocks(row[1], *row[-2:])))) for row in rows)
        return found

    def chunks_in(self, only: Filter, most: int | None = None) -> list[StoredChunk]:
        """The first chunks of the documents that fit a filter, by id; all of them unless told how many."""
        ids = self.chunk_ids(only)[:most]
        found = self.chunks(ids, only)
        return [found[one] for one in ids]

    def live_chunks(self) -> Iterator[StoredChunk]:
        """All live chunks by document and position; a document with several files under the first of them."""
        documents = self.connection.execute(
            "SELECT document_id, min(path) AS path, root, title, language, date"
            " FROM files JOIN documents ON documents.id = document_id GROUP BY document_id ORDER BY path, root"
        ).fetchall()
        for document in documents:
            text = self.text(document[0])  # cut in Python, as in _index_terms
            chunks = self.connection.execute(
                "SELECT id, context, heading, place, start, end FROM chunks WHERE document_id = ? ORDER BY start",
                document[:1],
            ).fetchall()
            for id_, context, heading, place, start, end in chunks:
                row = (id_, *document, text[start:end], context, heading, place, start, end)
                yield StoredChunk(*(*row, self.blocks(document[0], start, end)))


def written_here(index: Index) -> Catalog:
    """The catalog behind an index. Raises UsageError for a corpus that is only read on this machine."""
    if not isinstance(index, Catalog):
        raise only_read(index.name, index.origin)
    return index


def digest(embedded: str, fingerprint: str) -> bytes:
    """16 bytes that stand for a text as one embedder sees it."""
    return hashlib.blake2b(f"{fingerprint}\0{embedded}".encode(), digest_size=16).digest()
