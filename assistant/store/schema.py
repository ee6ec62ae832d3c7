"""The catalog's tables, one migration a version. ``PRAGMA user_version`` counts those applied.

    meta        identity of the corpus and the number of the live generation
    documents   one row a distinct content: its text and what is known of it
    blocks      the paragraphs, lists, tables and headings of documents, as readers saw them
    files       one row a path: which document it holds, or why it could not be read
    chunks      passages of documents
    windows     the parts of a chunk that the embedder reads at once, with their vectors (float16)
    lexical     full-text index over the stems of live chunks; rowid = chunk id

A document is *live* when a file points to it. Documents are written as they are read, so that a killed ingest
loses nothing; files, full text and generation change together in the one transaction that publishes.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assistant.errors import CatalogVersionError, WorkspaceError
from assistant.store.blocks import fill_blocks
from assistant.workspace import make_file

MIGRATIONS = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE documents (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,        -- content hash, suffix and recipe: equal keys give equal chunks
        title TEXT NOT NULL,
        format TEXT NOT NULL,
        language TEXT NOT NULL,
        date TEXT NOT NULL,
        pages INTEGER,
        page_starts TEXT NOT NULL,       -- JSON list of [offset in text, page]
        metadata TEXT NOT NULL,          -- JSON object of strings
        warnings TEXT NOT NULL,          -- JSON list of strings
        characters INTEGER NOT NULL,
        chunks INTEGER NOT NULL,
        text TEXT NOT NULL               -- last, so that the columns before it are read without it
    );
    CREATE TABLE files (
        root TEXT NOT NULL,              -- absolute folder (or file) that was ingested
        path TEXT NOT NULL,              -- relative to root, with '/'
        size INTEGER NOT NULL,
        modified_ns INTEGER NOT NULL,
        hash TEXT NOT NULL,
        document_id INTEGER REFERENCES documents (id),
        failure TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (root, path)
    ) WITHOUT ROWID;
    CREATE INDEX files_document ON files (document_id);
    CREATE TABLE chunks (
        id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again: a vector file of old cannot mislead
        document_id INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
        start INTEGER NOT NULL,
        end INTEGER NOT NULL,
        first_page INTEGER,
        last_page INTEGER,
        heading TEXT NOT NULL,
        place TEXT NOT NULL,
        context TEXT NOT NULL,           -- title, headings and table header: embedded in front of the text
        digest BLOB NOT NULL,            -- of what was embedded, to reuse its vector
        vector BLOB NOT NULL
    );
    CREATE INDEX chunks_document ON chunks (document_id);
    CREATE INDEX chunks_digest ON chunks (digest);
    CREATE VIRTUAL TABLE lexical USING fts5 (context, body, tokenize = "unicode61 remove_diacritics 0");
    CREATE VIRTUAL TABLE vocabulary USING fts5vocab (lexical, row);
    """,
    # Chunks are copied: SQLite cannot drop a column behind a comment that holds a comma.
    """
    CREATE TABLE copied_chunks (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        document_id INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
        start INTEGER NOT NULL,
        end INTEGER NOT NULL,
        heading TEXT NOT NULL,
        place TEXT NOT NULL,
        context TEXT NOT NULL
    );
    CREATE TABLE copied_windows AS SELECT id AS chunk_id, digest, vector FROM chunks;
    INSERT INTO copied_chunks SELECT id, document_id, start, end, heading, place, context FROM chunks;
    UPDATE sqlite_sequence SET seq = (SELECT seq FROM sqlite_sequence WHERE name = 'chunks')
        WHERE name = 'copied_chunks';
    DROP TABLE chunks;
    ALTER TABLE copied_chunks RENAME TO chunks;
    CREATE INDEX chunks_document ON chunks (document_id);
    CREATE TABLE windows (
        id INTEGER PRIMARY KEY,
        chunk_id INTEGER NOT NULL REFERENCES chunks (id) ON DELETE CASCADE,
        digest BLOB NOT NULL,            -- of what was embedded, to reuse its vector
        vector BLOB NOT NULL
    );
    INSERT INTO windows (chunk_id, digest, vector) SELECT * FROM copied_windows;
    DROP TABLE copied_windows;
    CREATE INDEX windows_chunk ON windows (chunk_id);
    CREATE INDEX windows_digest ON windows (digest);
    """,
    """
    CREATE TABLE headings (
        document_id INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
        start INTEGER NOT NULL,
        end INTEGER NOT NULL,            -- of its own words
        path TEXT NOT NULL,
        PRIMARY KEY (document_id, start)
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE blocks (
        document_id INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
        start INTEGER NOT NULL,
        end INTEGER NOT NULL,
        kind TEXT NOT NULL,
        heading TEXT NOT NULL,           -- path
        place TEXT NOT NULL,
        row INTEGER,
        header_lines INTEGER NOT NULL,
        items TEXT NOT NULL,             -- JSON list of [offset in block, length of mark, mark, depth], or empty
        PRIMARY KEY (document_id, start)
    ) WITHOUT ROWID;
    """,
    "DROP TABLE headings;\n",
)
_BLOCKS = 4
"""In this version, documents of older ones get their blocks."""


def connect(file: Path) -> sqlite3.Connection:
    """Open the catalog, created or migrated. Raises CatalogVersionError, or WorkspaceError if damaged."""
    try:
        make_file(file)
        address, may_write = file.absolute().as_uri(), os.access(file.parent, os.W_OK)
        if not may_write:  # SQLite has to be told how to read in a folder that cannot be written
            has_log = file.with_name(f"{file.name}-wal").exists()
            address = f"{address}?{'mode=ro' if has_log else 'immutable=1'}"
        # Statements, not Python, begin transactions; a connection may move between threads that take turns.
        connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=30, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise WorkspaceError(f"Cannot open {file}: {error}.", "Check the path and its rights.") from None
    try:
        with damage_told(file):
            connection.execute("PRAGMA journal_mode = WAL")  # readers go on while an ingest writes
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
            version = _version(connection)
            if version > len(MIGRATIONS):
                raise CatalogVersionError(
                    f"{file} has version {version}; this program knows versions up to {len(MIGRATIONS)}.",
                    "Update domain-assistant.",
                )
            if version < len(MIGRATIONS):
                if not (os.access(file, os.W_OK) and may_write):
                    raise WorkspaceError(
                        f"{file} has version {version}, not {len(MIGRATIONS)}, and may not be written.",
                        "Open it once with the right to write, which brings it up to date.",
                    )
                _migrate(connection)
    except WorkspaceError:
        connection.close()
        raise
    return connection


@contextmanager
def damage_told(file: Path) -> Iterator[None]:
    """Turn what SQLite says of a damaged file into a WorkspaceError."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise WorkspaceError(
            f"The catalog {file} cannot be used: {error}.",
            "Restore it, or delete its folder and ingest again.",
        ) from None


def _migrate(connection: sqlite3.Connection) -> None:
    """One transaction after another: what is killed goes on where it was."""
    while (version := _version(connection)) < len(MIGRATIONS):
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Asked again under the write lock: another process may have migrated meanwhile.
            version = _version(connection)
            if version != _BLOCKS or not fill_blocks(connection):
                target = _BLOCKS if version < _BLOCKS else len(MIGRATIONS)
                statement = ""  # ``executescript`` would commit our transaction midway
                for line in "".join(MIGRATIONS[version:target]).splitlines():
                    statement += line + "\n"
                    if sqlite3.complete_statement(statement):
                        connection.execute(statement)
                        statement = ""
                connection.execute(f"PRAGMA user_version = {target}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # Ctrl-C may come when all is committed
                connection.execute("ROLLBACK")
            raise


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
