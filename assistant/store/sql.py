"""SQLite: the catalog's tables, databases brought from version to version; filters as conditions, of Lance as well.

The tables, one migration a version (``catalog.sql``). ``PRAGMA user_version`` counts those applied.

    meta        identity of the corpus, number of the live generation, counts of what is live, the dense base
    documents   one row a distinct content: its text and what is known of it
    blocks      the paragraphs, lists, tables and headings of documents, as readers saw them
    files       one row a path: which document it holds, or why it could not be read
    chunks      passages of documents
    windows     the parts of a chunk that the embedder reads at once, with their vectors (float16)
    segments    parts of the full text, with how many terms each of their chunks has
    postings    the chunks of a segment that hold a term
    frequencies how many live chunks hold each term
    removed     chunks that were live when the base of the dense index was written, and are gone

A document is *live* when a file points to it. Documents are written as they are read, so that a killed ingest
loses nothing; files, full text and generation change together in the one transaction that publishes.
"""

import json
import os
import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar

from assistant.errors import CatalogVersionError, WorkspaceError
from assistant.store.blocks import fill_blocks
from assistant.store.lexical import fill_postings
from assistant.types import Filter
from assistant.workspace import make_file

T = TypeVar("T")


class Executes(Protocol):
    """What runs statements: a connection of SQLite, or one transaction of a store (``assistant.store.database``)."""

    def execute(self, statement: str, values: Sequence[Any] = ..., /) -> Any:
        """A cursor with the rows."""


_FILLED = {4: fill_blocks, 7: fill_postings}
"""In these versions, catalogs of older ones get what SQL alone cannot give them; True as long as something is left."""
_NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
_PATIENCE = 30  # seconds that one writer waits for another
_VARIABLES = 900  # SQLite before 3.32 takes no more than 999 in one statement
FILTER_COLUMNS = frozenset({"title", "format", "language", "date"})


def versions_in(file: Path) -> tuple[str, ...]:
    """The migrations in a file of SQL: what stands behind each line ``-- version N``."""
    return tuple(part.partition("\n")[2] for part in file.read_text(encoding="utf-8").split("\n-- version ")[1:])


MIGRATIONS = versions_in(Path(__file__).with_name("catalog.sql"))


@dataclass(frozen=True, slots=True)
class Counts:
    """How much of a corpus is live, as ``meta`` keeps it."""

    chunks: int
    windows: int
    """And so vectors."""
    last_chunk: int
    """All chunks up to this id are live, those with greater ones are staged."""


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


def file_location(root: Path, path: str) -> Path:
    """Where a known file is. A root is a folder with the file in it, or the file itself."""
    return root if root.name == path and not root.is_dir() else root / path


def connect(file: Path) -> sqlite3.Connection:
    """Open the catalog, created or migrated. Raises CatalogVersionError, or WorkspaceError if damaged.

    On a full disk, where SQLite has no room for what it keeps beside a database, it is opened as it stands: for one
    question (``query_only``), since nobody would tell this connection of what others write later.
    """
    connection, may_write = _opened(file), os.access(file.parent, os.W_OK)
    try:
        with damage_told(file):
            try:
                write_ahead(connection)
            except sqlite3.OperationalError as error:
                connection.close()
                connection, may_write = opened_without_room(file, error), False
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
        return sqlite3.connect(address, uri=True, isolation_level=None, timeout=_PATIENCE, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise WorkspaceError(f"Cannot open {file}: {error}.", "Check the path and its rights.") from None


def write_ahead(database: sqlite3.Connection) -> None:
    """Keep what is written in a log beside the database, so that readers go on meanwhile.

    Two who open a new database at once wait for each other here: SQLite refuses this change, and no other, at once.
    """
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


def opened_without_room(file: Path, error: Exception) -> sqlite3.Connection:
    """A database that could not be opened for ``error``, to be read as it stands, and not for long: nobody would tell
    this connection of what others write. Raises the error where it is another one than a full disk's, and where
    something was written that is not in the file itself yet.
    """
    if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _NO_ROOM or _has_log(file):
        raise error
    connection = _opened(file, as_it_stands=True)
    connection.execute("PRAGMA query_only = ON")
    return connection


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


def damage_in(connection: sqlite3.Connection) -> str:
    """What SQLite finds wrong with a database; empty when nothing is."""
    try:
        found = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        return str(error)
    return "" if found == "ok" else found


def place_of(file: Path) -> tuple[int, int]:
    """What tells a file from another that came to its place: device and inode; zeros where there is none."""
    with suppress(OSError):
        status = file.stat()
        return status.st_dev, status.st_ino
    return 0, 0


@contextmanager
def transaction(connection: sqlite3.Connection, folder: Path) -> Iterator[None]:
    """Everything written inside happens, or nothing. Raises WorkspaceError when the disk of ``folder`` refuses."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    except BaseException as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if isinstance(error, sqlite3.OperationalError):
            raise WorkspaceError(f"Cannot write to {folder}: {error}.", "Check rights and free space.") from None
        raise


def _migrate(connection: sqlite3.Connection) -> None:
    """One transaction after another: what is killed goes on where it was."""
    while (version := _version(connection)) < len(MIGRATIONS):
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Asked again under the write lock: another process may have migrated meanwhile.
            version = _version(connection)
            if version not in _FILLED or not _FILLED[version](connection):
                target = min((one for one in _FILLED if one > version), default=len(MIGRATIONS))
                run_script(connection, "".join(MIGRATIONS[version:target]))
                connection.execute(f"PRAGMA user_version = {target}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # Ctrl-C may come when all is committed
                connection.execute("ROLLBACK")
            raise


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def run_script(database: sqlite3.Connection, script: str) -> None:
    """Run statements in the transaction that is open; ``executescript`` would commit it midway."""
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            database.execute(statement)
            statement = ""


def migrate(database: sqlite3.Connection, name: str, versions: Sequence[str]) -> None:
    """Bring a database to the last of its versions, in one transaction that its opener commits.

    ``PRAGMA user_version`` counts those applied. Raises WorkspaceError for a database of a newer program.
    """
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version > len(versions):
        raise WorkspaceError(
            f"{name} has version {version}; this program knows versions up to {len(versions)}.",
            "Update domain-assistant.",
        )
    if version < len(versions):
        database.execute("BEGIN IMMEDIATE")
        # Asked again under the write lock: another process may have migrated meanwhile.
        version = database.execute("PRAGMA user_version").fetchone()[0]
        run_script(database, "".join(versions[version:]))
        database.execute(f"PRAGMA user_version = {len(versions)}")


def come_of_age(database: Executes, days: int, now: datetime) -> str:
    """Before when what is kept for so many days goes now, as ISO date and time without a zone; empty: nothing goes.

    A clock that jumps ahead must not delete. So it is asked once a day, by the clock of ``now``, what has come of age,
    which is noted (table ``due``), and goes when that clock has gone on for a day. One that was set back notes anew.
    """
    told, yesterday, old = (
        moment.replace(tzinfo=None).isoformat(timespec="seconds")
        for moment in (now, now - timedelta(days=1), now - timedelta(days=days))
    )
    before, noted = database.execute("SELECT before, noted FROM due").fetchone() or ("", "")
    if yesterday < noted <= told:
        return ""
    database.execute("DELETE FROM due")
    database.execute("INSERT INTO due VALUES (?, ?)", (old, told))
    return min(before, old) if noted <= told else ""  # the days may have become more since


def marks_for(items: Sequence[object]) -> str:
    """A question mark for each item, as SQL wants them."""
    return ", ".join("?" * len(items))


def conditions_of(only: Filter) -> tuple[list[str], list[str | int]]:
    """A filter as SQL conditions over documents and files, with their values."""
    conditions, values = ["true"], list[str | int]()
    if only.documents:
        conditions.append(f"path IN ({marks_for(only.documents)})")
        values.extend(only.documents)
    if only.folder:
        conditions.append("path GLOB ?")
        # A plain name means everything in that folder.
        values.append(only.folder if set("*?[") & set(only.folder) else f"{only.folder.rstrip('/')}/*")
    for name, value in only.metadata.items():
        if name in FILTER_COLUMNS:
            conditions.append(f"{name} = ?")
            values.append(value)
        else:
            conditions.append(
                "EXISTS (SELECT 1 FROM json_each(metadata) WHERE json_each.key = ? AND json_each.value = ?)"
            )
            values.extend((name, value))
    if only.since:
        conditions.append("date >= ?")
        values.append(only.since)
    if only.until:
        conditions.append("date != '' AND substr(date, 1, ?) <= ?")
        values.extend((len(only.until), only.until))
    return conditions, values


def predicate(only: Filter | None) -> str:
    """A filter as a condition over tables of Lance; empty where all fits."""
    if not only:
        return ""
    conditions = []
    if only.documents:
        conditions.append(f"path IN ({', '.join(map(quoted, only.documents))})")
    if only.folder:
        conditions.append(_lies_in(only.folder))
    for name, value in only.metadata.items():
        own = f"{name} = {quoted(value)}"
        conditions.append(own if name in FILTER_COLUMNS else f"array_has(metadata, {quoted(metadatum(name, value))})")
    if only.since:
        conditions.append(f"date >= {quoted(only.since)}")
    if only.until:  # what begins with it, or with less, comes before what follows on it
        after = only.until[:-1] + chr(ord(only.until[-1]) + 1)
        conditions.append(f"date != '' AND date < {quoted(after)}")
    return " AND ".join(conditions)


def metadatum(name: str, value: str) -> str:
    """What a file states of itself, as ``metadata`` lists it."""
    return json.dumps([name, value], ensure_ascii=False)


def _lies_in(folder: str) -> str:
    """Paths that fit a pattern of SQLite's GLOB."""
    if not set("*?[") & set(folder):
        return f"starts_with(path, {quoted(folder.rstrip('/') + '/')})"
    if not set("*?[") & set(folder[:-1]) and folder.endswith("*"):
        return f"starts_with(path, {quoted(folder[:-1])})"
    parts = re.findall(r"\[\^?\]?[^\]]*\]|.", folder, re.DOTALL)
    return f"regexp_like(path, {quoted('(?s)^' + ''.join(map(_pattern, parts)) + '$')})"


def _pattern(part: str) -> str:
    if len(part) == 1:
        # A bracket that nothing closes fits nothing.
        return {"*": ".*", "?": ".", "[": r"[^\s\S]"}.get(part) or re.escape(part)
    negation = "^" if part.startswith("[^") else ""
    characters = re.sub(r"[\[\]\\^&~]", r"\\\g<0>", part[1 + len(negation) : -1])
    return f"[{negation}{characters}]"


def quoted(text: str) -> str:
    """A text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def files_of(only: Filter) -> tuple[str, list[str | int]]:
    """The SQL clauses for the files, with their documents, that fit a filter, with its values."""
    conditions, values = conditions_of(only)
    return f"FROM documents JOIN files ON documents.id = document_id WHERE {' AND '.join(conditions)}", values


def chunks_of(only: Filter) -> tuple[str, list[str | int]]:
    """The SQL clauses for the live chunks in documents that fit a filter, with its values."""
    files, values = files_of(only)
    return f"FROM chunks WHERE document_id IN (SELECT documents.id {files})", values


def pages_in(starts: Sequence[Sequence[int]], start: int, end: int) -> tuple[tuple[int, int], ...]:
    """(offset, page) of the pages that a span stands on, of those of its document."""
    first = max((number for number, (offset, _) in enumerate(starts) if offset <= start), default=0)
    return tuple((offset, page) for offset, page in starts[first:] if offset < end)


def portions(items: Sequence[T]) -> Iterator[list[T]]:
    """Lists of as many items as one statement takes."""
    for first in range(0, len(items), _VARIABLES):
        yield list(items[first : first + _VARIABLES])
