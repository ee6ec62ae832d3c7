"""Filters as conditions of SQL, and databases brought from version to version."""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from assistant.errors import WorkspaceError
from assistant.types import Filter

T = TypeVar("T")

_VARIABLES = 900  # SQLite before 3.32 takes no more than 999 in one statement
_FILTER_COLUMNS = frozenset({"title", "format", "language", "date"})


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
        if name in _FILTER_COLUMNS:
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


def files_of(only: Filter) -> tuple[str, list[str | int]]:
    """The SQL clauses for the files, with their documents, that fit a filter, with its values."""
    conditions, values = conditions_of(only)
    return f"FROM documents JOIN files ON documents.id = document_id WHERE {' AND '.join(conditions)}", values


def chunks_of(only: Filter) -> tuple[str, list[str | int]]:
    """The SQL query for the ids of the live chunks in documents that fit a filter, with its values."""
    files, values = files_of(only)
    return f"SELECT id FROM chunks WHERE document_id IN (SELECT documents.id {files})", values


def portions(items: Sequence[T]) -> Iterator[list[T]]:
    """Lists of as many items as one statement takes."""
    for first in range(0, len(items), _VARIABLES):
        yield list(items[first : first + _VARIABLES])


def versions_in(file: Path) -> tuple[str, ...]:
    """The migrations in a file of SQL: what stands behind each line ``-- version N``."""
    return tuple(part.partition("\n")[2] for part in file.read_text(encoding="utf-8").split("\n-- version ")[1:])


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
