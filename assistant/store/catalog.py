"""The catalog: documents, chunks, vectors and full text of one corpus, in SQLite.

Reading happens in snapshots: everything inside one ``snapshot()`` sees one generation, whatever an ingest
does meanwhile. Writing happens in ``transaction()``s and only under the workspace's write lock.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from assistant.errors import WorkspaceError
from assistant.store.blocks import insert_blocks, read_blocks, stored_blocks
from assistant.store.schema import connect, damage_told
from assistant.store.sql import chunks_of, conditions_of, files_of, marks_for, portions
from assistant.text.words import terms
from assistant.types import Chunk, Document, Filter, StoredBlock, Vectors

CATALOG_FILE = "catalog.sqlite"
# Words of title and headings count more than words of the text; measured in docs/retrieval.md.
_CONTEXT_WEIGHT = 1.5
_FETCH_ROWS = 4096  # 6 MiB in float32 with 384 dimensions


@dataclass(frozen=True, slots=True)
class FileRow:
    """One known file. ``document_id`` is None for one that could not be read; then ``failure`` says why."""

    root: str
    path: str
    size: int
    modified_ns: int
    hash: str
    document_id: int | None
    failure: str = ""

    @property
    def location(self) -> Path:
        """Where the file is."""
        return file_location(Path(self.root), self.path)


@dataclass(frozen=True, slots=True)
class CorpusIdentity:
    """What chunks and vectors were made with; all of it has to agree for two vectors to be compared."""

    embedder: str
    """Name of the embedder, for people."""
    fingerprint: str
    recipe: str
    """Versions and settings of readers and chunker, hashed."""


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


class Catalog:
    """One connection to one catalog file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._connection = connect(folder / CATALOG_FILE)
        self.file = _file_in(folder)
        """What tells the file of this catalog from another that came to its place (device, inode)."""

    @property
    def is_current(self) -> bool:
        """Whether the file was not deleted, or made again, since it was opened, and hears of what is written to it."""
        return not self._connection.execute("PRAGMA query_only").fetchone()[0] and self.file == _file_in(self.folder)

    def close(self) -> None:
        """Close the connection; the write-ahead log is folded in by the last one that does."""
        self._connection.close()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything read inside sees one state of the catalog."""
        with damage_told(self.folder / CATALOG_FILE):
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("COMMIT")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything written inside happens, or nothing. Raises WorkspaceError when the disk refuses."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):
                raise WorkspaceError(
                    f"Cannot write to {self.folder}: {error}.", "Check rights and free space."
                ) from None
            raise

    # CorpusIdentity and generation

    def generation(self) -> int:
        """Number of the live generation; 0 before anything was published."""
        return int(self._meta("generation") or 0)

    def identity(self) -> CorpusIdentity | None:
        """What the live generation was made with; None before anything was published."""
        stored = self._meta("identity")
        return CorpusIdentity(**json.loads(stored)) if stored else None

    def _meta(self, key: str) -> str | None:
        row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def _set_meta(self, key: str, value: str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def damage(self) -> str:
        """What SQLite finds wrong with the file; empty when nothing is."""
        try:
            found = str(self._connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.DatabaseError as error:
            return str(error)
        return "" if found == "ok" else found

    # Files and documents

    def files(self, path: str | None = None, document_id: int | None = None) -> list[FileRow]:
        """Known files by root and path: all, those with one relative path, or those that hold one document."""
        rows = self._connection.execute(
            "SELECT * FROM files WHERE coalesce(path = ?, true) AND coalesce(document_id = ?, ? IS NULL)"
            " ORDER BY root, path",
            (path, document_id, document_id),
        )
        return [FileRow(*row) for row in rows]

    def document_ids(self) -> dict[str, int]:
        """Key → id of every document, live or staged."""
        return dict(self._connection.execute("SELECT key, id FROM documents"))

    def document_summaries(self, document_id: int | None = None) -> list[DocumentSummary]:
        """What is known of each document, live or staged, or of one."""
        rows = self._connection.execute(
            "SELECT id, title, format, language, date, pages, characters, chunks, warnings FROM documents"
            " WHERE coalesce(id = ?, true)",
            (document_id,),
        )
        return [DocumentSummary(*(*row[:-1], tuple(json.loads(row[-1])))) for row in rows]

    def dimension(self) -> int:
        """Length of the live vectors; 0 when there are none."""
        row = self._connection.execute(
            "SELECT length(vector) FROM windows WHERE chunk_id = (SELECT rowid FROM lexical LIMIT 1)"
        ).fetchone()
        return row[0] // np.dtype(np.float16).itemsize if row else 0

    def text(self, document_id: int, start: int = 0, end: int | None = None) -> str:
        """The stored text of a document, or a span of it."""
        length = -1 if end is None else end - start
        row = self._connection.execute(
            "SELECT CASE WHEN ? < 0 THEN substr(text, ? + 1) ELSE substr(text, ? + 1, ?) END"
            " FROM documents WHERE id = ?",
            (length, start, start, length, document_id),
        ).fetchone()
        return str(row[0])

    def page_starts(self, document_id: int, start: int, end: int) -> tuple[tuple[int, int], ...]:
        """(offset, page) of the pages that a span of a document stands on."""
        row = self._connection.execute("SELECT page_starts FROM documents WHERE id = ?", (document_id,)).fetchone()
        starts: list[list[int]] = json.loads(row[0])
        first = max((number for number, (offset, _) in enumerate(starts) if offset <= start), default=0)
        return tuple((offset, page) for offset, page in starts[first:] if offset < end)

    def blocks(self, document_id: int, start: int, end: int) -> tuple[StoredBlock, ...]:
        """The blocks that a span of a document holds a part of, in order."""
        return read_blocks(self._connection, document_id, start, end)

    def dated_titles(self) -> list[tuple[int, str, str]]:
        """(id, title, date) of the live documents that state a date."""
        return self._connection.execute(
            "SELECT id, title, date FROM documents WHERE date != '' AND id IN (SELECT document_id FROM files)"
        ).fetchall()

    def headed_chunks(self, document_id: int) -> list[tuple[int, str]]:
        """(id, heading) of the chunks of a document, with all headings that stand in them, in order."""
        return self._connection.execute(
            "SELECT id, heading FROM chunks WHERE document_id = ?1 UNION SELECT id, blocks.heading FROM chunks"
            " JOIN blocks USING (document_id) WHERE document_id = ?1"
            " AND blocks.start >= chunks.start AND blocks.start < chunks.end ORDER BY 1",
            (document_id,),
        ).fetchall()

    def languages(self) -> dict[str, int]:
        """Languages of live documents, most frequent first, with the number of their chunks; unknown ones are not."""
        rows = self._connection.execute(
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
        self._connection.execute("UPDATE documents SET key = key || ':replaced:' || id WHERE key = ?", (key,))
        row = (
            key, document.title, document.format, document.language, document.date, document.pages,
            json.dumps(document.page_starts), json.dumps(document.metadata, ensure_ascii=False),
            json.dumps(document.warnings, ensure_ascii=False), document.text, len(document.text), len(chunks),
        )  # fmt: skip
        cursor = self._connection.execute(
            "INSERT INTO documents (key, title, format, language, date, pages, page_starts, metadata, warnings, text,"
            " characters, chunks) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        document_id = int(cursor.lastrowid or 0)
        insert_blocks(self._connection, document_id, stored_blocks(document))
        remaining = iter(vectors)
        for chunk in chunks:
            cursor = self._connection.execute(
                "INSERT INTO chunks (document_id, start, end, heading, place, context) VALUES (?, ?, ?, ?, ?, ?)",
                (document_id, chunk.start, chunk.end, chunk.heading, chunk.place, chunk.context),
            )
            self._connection.executemany(
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
            rows = self._connection.execute(
                f"SELECT digest, vector FROM windows WHERE digest IN ({marks_for(some)}) GROUP BY digest", some
            )
            found.update((row[0], np.frombuffer(row[1], np.float16).astype(np.float32)) for row in rows)
        return found

    # Publishing

    def publish(self, files: Iterable[FileRow], identity: CorpusIdentity, generation: int) -> None:
        """Make these files, and the documents they hold, the live corpus. Call inside a transaction."""
        run = self._connection.execute
        run("CREATE TEMP TABLE was_live AS SELECT DISTINCT document_id AS id FROM files WHERE document_id NOT NULL")
        run("DELETE FROM files")
        self._connection.executemany(
            "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?)",
            ((f.root, f.path, f.size, f.modified_ns, f.hash, f.document_id, f.failure) for f in files),
        )
        live = "(SELECT document_id FROM files WHERE document_id NOT NULL)"
        run(
            f"DELETE FROM lexical WHERE rowid IN (SELECT id FROM chunks WHERE document_id IN was_live"
            f" AND document_id NOT IN {live})"
        )
        run(f"DELETE FROM documents WHERE id NOT IN {live}")
        self._index_terms(f"SELECT id FROM documents WHERE id IN {live} EXCEPT SELECT id FROM was_live")
        run("DROP TABLE was_live")
        self._set_meta("identity", json.dumps(asdict(identity)))
        self._set_meta("generation", str(generation))

    def _index_terms(self, documents: str) -> None:
        # Cut in Python: SQLite's substr() would walk through the whole text for every chunk of it.
        rows = self._connection.execute(f"SELECT id, language, text FROM documents WHERE id IN ({documents})")
        for document_id, language, text in rows:
            chunks = self._connection.execute(
                "SELECT id, context, start, end FROM chunks WHERE document_id = ?", (document_id,)
            )
            self._connection.executemany(
                "INSERT INTO lexical (rowid, context, body) VALUES (?, ?, ?)",
                (
                    (chunk, " ".join(terms(context, language)), " ".join(terms(text[start:end], language)))
                    for chunk, context, start, end in chunks.fetchall()
                ),
            )

    # Searching

    def chunk_count(self) -> int:
        """How many chunks are live."""
        return int(self._connection.execute("SELECT count(*) FROM lexical").fetchone()[0])

    def window_count(self) -> int:
        """How many windows, and so vectors, the live chunks have."""
        query = "SELECT count(*) FROM windows WHERE chunk_id IN (SELECT rowid FROM lexical)"
        return int(self._connection.execute(query).fetchone()[0])

    def chunk_ids(self, only: Filter) -> list[int]:
        """Ids of the live chunks in documents that fit a filter."""
        query, values = chunks_of(only)
        return [row[0] for row in self._connection.execute(f"{query} ORDER BY id", values)]

    def holds(self, only: Filter) -> bool:
        """Whether any live chunk is in a document that fits a filter."""
        query, values = chunks_of(only)
        return self._connection.execute(query, values).fetchone() is not None

    def count(self, only: Filter) -> int:
        """How many files have a document that fits a filter."""
        query, values = files_of(only)
        return int(self._connection.execute(f"SELECT count(*) {query}", values).fetchone()[0])

    def chunk_places(self) -> dict[int, tuple[str, int]]:
        """Where each live chunk stands, by its id: the first path of its document, and its start in the text."""
        rows = self._connection.execute(
            "SELECT chunks.id, min(path), start FROM chunks JOIN files USING (document_id) GROUP BY chunks.id"
        )
        return {id_: (path, start) for id_, path, start in rows}

    def live_vectors(self) -> Iterator[tuple[np.ndarray, Vectors]]:
        """Chunk ids (n,) and vectors (n, dimension) of all windows of live chunks, a portion at a time."""
        rows = self._connection.execute(
            "SELECT chunk_id, vector FROM windows WHERE chunk_id IN (SELECT rowid FROM lexical)"
        )
        while batch := rows.fetchmany(_FETCH_ROWS):
            yield (
                np.fromiter((row[0] for row in batch), np.int64, len(batch)),
                np.frombuffer(b"".join(row[1] for row in batch), np.float16).reshape(len(batch), -1).astype(np.float32),
            )

    def document_frequencies(self, query: Sequence[str]) -> dict[str, int]:
        """How many live chunks hold each term; terms that occur nowhere are left out."""
        found: dict[str, int] = {}
        for some in portions(query):
            found.update(
                self._connection.execute(f"SELECT term, doc FROM vocabulary WHERE term IN ({marks_for(some)})", some)
            )
        return found

    def match(self, query: Sequence[str], limit: int, only: Filter | None = None) -> list[tuple[int, float]]:
        """The best chunks for any of the terms: (chunk id, BM25 score), best first; higher is better."""
        if not query:
            return []
        quoted = (term.replace('"', '""') for term in query)
        expression = " OR ".join(f'"{term}"' for term in quoted)
        allowed, values = chunks_of(only) if only else ("", [])
        # The plus keeps the planner from running the full-text query once for every allowed chunk.
        condition = f"AND +rowid IN ({allowed})" if only else ""
        rows = self._connection.execute(
            f"SELECT rowid, -bm25(lexical, {_CONTEXT_WEIGHT}) AS score FROM lexical"
            f" WHERE lexical MATCH ? {condition} ORDER BY score DESC LIMIT ?",
            (expression, *values, limit),
        )
        return rows.fetchall()

    def chunks(self, ids: Sequence[int], only: Filter | None = None) -> dict[int, StoredChunk]:
        """Chunks by id. A document with several files is shown under the first of them that fits ``only``."""
        found: dict[int, StoredChunk] = {}
        conditions, values = conditions_of(only or Filter())
        for some in portions(ids):
            rows = self._connection.execute(
                "SELECT chunks.id, document_id, min(path), root, title, language, date,"
                " substr(text, start + 1, end - start), context, heading, place, start, end"
                " FROM chunks JOIN documents ON documents.id = document_id JOIN files USING (document_id)"
                f" WHERE {' AND '.join(conditions)} AND chunks.id IN ({marks_for(some)}) GROUP BY chunks.id",
                (*values, *some),
            )
            found.update((row[0], StoredChunk(*(*row, self.blocks(row[1], *row[-2:])))) for row in rows)
        return found

    def live_chunks(self) -> Iterator[StoredChunk]:
        """All live chunks by document and position; a document with several files under the first of them."""
        documents = self._connection.execute(
            "SELECT document_id, min(path) AS path, root, title, language, date"
            " FROM files JOIN documents ON documents.id = document_id GROUP BY document_id ORDER BY path, root"
        ).fetchall()
        for document in documents:
            text = self.text(document[0])  # cut in Python, as in _index_terms
            chunks = self._connection.execute(
                "SELECT id, context, heading, place, start, end FROM chunks WHERE document_id = ? ORDER BY start",
                document[:1],
            ).fetchall()
            for id_, context, heading, place, start, end in chunks:
                row = (id_, *document, text[start:end], context, heading, place, start, end)
                yield StoredChunk(*(*row, self.blocks(document[0], start, end)))


def file_location(root: Path, path: str) -> Path:
    """Where a known file is. A root is a folder with the file in it, or the file itself."""
    return root if root.name == path and not root.is_dir() else root / path


def _file_in(folder: Path) -> tuple[int, int]:
    with suppress(OSError):
        status = (folder / CATALOG_FILE).stat()
        return status.st_dev, status.st_ino
    return 0, 0  # there is none


def digest(embedded: str, fingerprint: str) -> bytes:
    """16 bytes that stand for a text as one embedder sees it."""
    return hashlib.blake2b(f"{fingerprint}\0{embedded}".encode(), digest_size=16).digest()
