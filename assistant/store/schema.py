"""The catalog's tables, one migration a version (``catalog.sql``). ``PRAGMA user_version`` counts those applied.

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
from assistant.store.sql import run_script, versions_in
from assistant.workspace import make_file

MIGRATIONS = versions_in(Path(__file__).with_name("catalog.sql"))
_BLOCKS = 4
"""In this version, documents of older ones get their blocks."""
_NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)


def connect(file: Path) -> sqlite3.Connection:
    """Open the catalog, created or migrated. Raises CatalogVersionError, or WorkspaceError if damaged.

    On a full disk, where SQLite has no room for what it keeps beside a database, it is opened as it stands: for one
    question (``query_only``), since nobody would tell this connection of what others write later.
    """
    connection, may_write = _opened(file), os.access(file.parent, os.W_OK)
    try:
        with damage_told(file):
            try:
                connection.execute("PRAGMA journal_mode = WAL")  # readers go on while an ingest writes
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in _NO_ROOM or _has_log(file):
                    raise
                connection.close()
                connection, may_write = _opened(file, as_it_stands=True), False
                connection.execute("PRAGMA query_only = ON")
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
                        "Open it once with the right to write and some free space, which brings it up to date.",
                    )
                _migrate(connection)
    except WorkspaceError:
        connection.close()
        raise
    return connection


def _opened(file: Path, as_it_stands: bool = False) -> sqlite3.Connection:
    """A connection to the file, which is made if it is missing; ``as_it_stands``: as if nobody could change it."""
    try:
        address, may_write = make_file(file).absolute().as_uri(), os.access(file.parent, os.W_OK)
        if as_it_stands or not may_write:  # SQLite has to be told how to read where it cannot write
            address = f"{address}?{'mode=ro' if _has_log(file) else 'immutable=1'}"
        # Statements, not Python, begin transactions; a connection may move between threads that take turns.
        return sqlite3.connect(address, uri=True, isolation_level=None, timeout=30, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise WorkspaceError(f"Cannot open {file}: {error}.", "Check the path and its rights.") from None


def _has_log(file: Path) -> bool:
    """Whether something was written that is not in the file itself yet."""
    log = file.with_name(f"{file.name}-wal")
    return log.exists() and log.stat().st_size > 0


@contextmanager
def damage_told(file: Path) -> Iterator[None]:
    """Turn what SQLite says of a damaged file, or of a disk without room for it, into a WorkspaceError."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        has_room = getattr(error, "sqlite_errorcode", 0) & 0xFF not in _NO_ROOM
        raise WorkspaceError(
            f"The catalog {file} cannot be used: {error}.",
            "Restore it, or delete its folder and ingest again." if has_room else "Check rights and free space.",
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
                run_script(connection, "".join(MIGRATIONS[version:target]))
                connection.execute(f"PRAGMA user_version = {target}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # Ctrl-C may come when all is committed
                connection.execute("ROLLBACK")
            raise


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
