"""The state of a workspace brought from its files to a database server, or back: ``assistant migrate --state``.

    users.json, rights.json, tokens.json            texts.texts
    conversations.sqlite                   ◀──▶     conversations.conversations, conversations.turns
    feedback.sqlite                                 feedback.feedback, feedback.votes
    audit.sqlite                                    audit.lines, audit.secret

SQLite takes the files as schemas of one database, so that the same statements read and write both sides. What comes
takes the place of what is there, and only where that is nothing, or is what both held when one was last brought to the
other; the server remembers that (``brought``). The audit log alone goes on behind the lines that come: whoever migrates
stands in it already.

At the server all is one transaction. Files are made whole in a folder beside, and take their places together.
Sessions and limits of the app are in no file; the files of conversations stay where they are.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, replace
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from assistant.artifacts import audit
from assistant.artifacts.audit import AuditLog
from assistant.errors import WorkspaceBusy, WorkspaceError
from assistant.feedback.database import FEEDBACK_FILE, FeedbackStore
from assistant.store.database import Database, Rows, SqliteRows, as_kept
from assistant.store.index import Held, held
from assistant.store.sql import marks_for
from assistant.workspace import (
    StateServer,
    Workspace,
    folder_beside,
    make_file,
    make_folder,
    take_places,
    unserved,
    write_lock,
)
from ui import conversations
from ui.api.bearer_tokens import TOKENS_FILE
from ui.conversations import Conversations
from ui.jobs import Jobs
from ui.people import USERS_FILE
from ui.rights import RIGHTS_FILE
from ui.shared import KeptText

_TEXTS = {"people": USERS_FILE, "rights": RIGHTS_FILE, "tokens": TOKENS_FILE}
_SECRET = (USERS_FILE, TOKENS_FILE)
_FILES = {"conversations": conversations.FILE, "feedback": FEEDBACK_FILE, "audit": audit.FILE}
"""By the schemas that they are."""
_NUMBERED = {
    "conversations": "conversations.conversations", "turns": "conversations.turns",
    "judgements": "feedback.feedback", "votes": "feedback.votes",
}  # fmt: skip
TABLES = ("texts.texts", *_NUMBERED.values(), "audit.secret", "audit.lines")
"""Each behind those that it refers to. What comes of age (``due``) is noted anew."""
_LINE = 'at, "user", action, about, request, details'
_VERSIONS = ("CREATE TABLE brought (held TEXT NOT NULL);",)
_VALUES_AT_ONCE = 900  # as of ``portions``


def migrate(workspace: Workspace, server: StateServer, *, back: bool) -> tuple[Held, ...]:
    """Bring the state in the files of a workspace to a server, or ``back``; what both hold of it then.

    Raises WorkspaceBusy while a server of the workspace or long work runs, WorkspaceError where other state is there
    already, and StateDown. Then nothing has changed.
    """
    at_server = replace(workspace, state=server)
    with unserved(workspace.root), write_lock(workspace.root, timeout=10):
        take_places(workspace.root)
        for one in (replace(workspace, state=None), at_server):
            if job := Jobs(one).under_way():
                raise WorkspaceBusy(f"A job is under way: {job.job.id}.", "Wait until it has ended, or stop it.")
        with _at_server(at_server) as there:
            there.execute(f"LOCK TABLE {', '.join(TABLES)}")
            there.execute("SET LOCAL statement_timeout = 0")
            what = _taken_back(workspace.root, there) if back else _brought(workspace.root, there, server.url)
            there.execute("DELETE FROM brought")
            there.execute("INSERT INTO brought VALUES (?)", (_written(what),))
    return what


def left_behind(workspace: Workspace) -> bool:
    """Whether the server of a workspace keeps nothing yet, and its files do. Raises StateDown."""
    with _at_server(workspace) as there:
        if not _is_empty(there):
            return False
    with suppress(WorkspaceError), _in_files(workspace.root) as here:
        return not _is_empty(here)
    return False


def _brought(root: Path, there: Rows, url: str) -> tuple[Held, ...]:
    with _in_files(root) as here:
        here.execute("BEGIN IMMEDIATE")
        what = _held_in(here, here)
        if what != _held_in(there, here):
            _refuse_other(there, what, there, url, "Name an empty database.")
            _copy(here, there, _own_lines(there, here))
            _refuse_different(what, _held_in(there, here), url)
            for table in _NUMBERED.values():
                schema, name = table.split(".")
                seen = here.execute(f"SELECT max(seq) FROM {schema}.sqlite_sequence WHERE name = ?", (name,)).fetchone()
                _go_on(there, table, seen[0] or 0)
            _go_on(there, "audit.lines", there.execute("SELECT coalesce(max(id), 0) FROM audit.lines").fetchone()[0])
    return what


def _taken_back(root: Path, there: Rows) -> tuple[Held, ...]:
    what = _held_in(there, there)
    with _in_files(root) as here:
        if what == _held_in(here, there):
            return what
        _refuse_other(here, what, there, str(root), "Name another workspace by --workspace.")
        own = _own_lines(here, there)
    with folder_beside(root / "state") as new:
        _brought_up_to_date(Workspace(make_folder(new)))
        with _in_files(new) as here:
            here.execute("BEGIN")
            _copy(there, here, own)
            for table in _NUMBERED.values():
                schema, name = table.split(".")
                (last,) = there.execute(
                    f"SELECT last_value - CASE WHEN is_called THEN 0 ELSE 1 END FROM {table}_id_seq"
                ).fetchone()
                here.execute(f"DELETE FROM {schema}.sqlite_sequence WHERE name = ?", (name,))
                here.execute(f"INSERT INTO {schema}.sqlite_sequence VALUES (?, ?)", (name, last))
            for name, content in here.execute("SELECT name, content FROM texts.texts").fetchall():
                file = make_file(new / name)
                if name in _SECRET:
                    file.chmod(0o600)
                file.write_bytes(content.encode())
            here.execute("COMMIT")
        with _in_files(new) as here:
            _refuse_different(what, _held_in(here, there), str(root))
        take_places(root, new)
    return what


def _go_on(there: Rows, table: str, last: int) -> None:
    """Have ids go on behind the last that was given: no address of what was deleted leads to something new."""
    there.execute(f"ALTER TABLE {table} ALTER COLUMN id RESTART WITH {last + 1}")


def _brought_up_to_date(workspace: Workspace, *, only_existing: bool = False) -> None:
    """Have the databases of a workspace, made where they are missing, be those of this program."""
    log = AuditLog(workspace.root, 1, workspace.state)
    for database in (Conversations(workspace).database, FeedbackStore(workspace).database, log.database):
        if database.exists or not only_existing:
            with database.opened():
                pass


@contextmanager
def _at_server(workspace: Workspace) -> Iterator[Rows]:
    """One transaction over all that a server keeps. Raises what ``Database.opened`` raises."""
    KeptText(workspace.root / USERS_FILE, workspace.state).stamp()  # and so their table is there
    _brought_up_to_date(workspace)
    with Database(Path("migration"), _VERSIONS, workspace.state).opened() as rows:
        yield rows


@contextmanager
def _in_files(root: Path) -> Iterator[Rows]:
    """The files of a workspace as one database; those that are missing are empty, and stay missing."""
    try:
        with (
            TemporaryDirectory() as empty,
            closing(sqlite3.connect(":memory:", 30, isolation_level=None)) as connection,
        ):
            _brought_up_to_date(Workspace(Path(empty)))
            _brought_up_to_date(Workspace(root), only_existing=True)
            for schema, name in _FILES.items():
                file = root / name if (root / name).exists() else Path(empty) / name
                connection.execute(f"ATTACH ? AS {schema}", (str(file),))
            connection.execute("ATTACH ':memory:' AS texts")
            connection.execute("CREATE TABLE texts.texts (name TEXT, version INTEGER, content TEXT)")
            for name in _TEXTS.values():
                with suppress(FileNotFoundError):
                    content, version = (root / name).read_bytes().decode(), (root / name).stat().st_mtime_ns
                    connection.execute("INSERT INTO texts.texts VALUES (?, ?, ?)", (name, version, content))
            yield SqliteRows(connection)
    except (OSError, sqlite3.Error, UnicodeDecodeError) as error:
        raise WorkspaceError(f"The state in {root} cannot be used: {error}.", "Check rights and free space.") from None


def _held_in(rows: Rows, source: Rows) -> tuple[Held, ...]:
    """What one side holds; of the audit log, what ``source`` holds of it."""
    texts = dict(rows.execute("SELECT name, content FROM texts.texts"))
    found = []
    for kind, name in _TEXTS.items():
        count = _entries(name, texts.get(name, "{}"))
        found.append(replace(held(kind, [(texts[name],)] if count else []), count=count))
    found += [held(kind, _plain(rows, f"SELECT * FROM {table}")) for kind, table in _NUMBERED.items()]
    (last,) = source.execute("SELECT coalesce(max(id), 0) FROM audit.lines").fetchone()
    return *found, held("audit lines", _plain(rows, f"SELECT id, {_LINE} FROM audit.lines WHERE id <= {last}"))


def _plain(rows: Rows, statement: str) -> Iterator[tuple[object, ...]]:
    """Rows as the server keeps them, of which no text has a NUL."""
    return (tuple(as_kept(row)) for row in rows.each(statement))


def _entries(name: str, content: str) -> int:
    """How many people, rights or tokens a text holds. Raises WorkspaceError for one that holds something else."""
    try:
        return sum(len(entries) for entries in json.loads(content).values())
    except (ValueError, AttributeError, TypeError) as error:
        raise WorkspaceError(f"{name} cannot be read: {error}.", "Mend it first.") from None


def _is_empty(rows: Rows) -> bool:
    texts = rows.execute("SELECT name, content FROM texts.texts").fetchall()
    return not any(_entries(name, content) for name, content in texts if name in _TEXTS.values()) and not any(
        rows.execute(f"SELECT EXISTS (SELECT 1 FROM {table})").fetchone()[0] for table in _NUMBERED.values()
    )


def _written(what: Sequence[Held]) -> str:
    """What is remembered of both sides: all but the audit log, to which each adds lines of its own."""
    return json.dumps([asdict(one) for one in what[:-1]])


def _refuse_other(target: Rows, what: Sequence[Held], there: Rows, place: str, remedy: str) -> None:
    """Raise WorkspaceError where what came would take the place of what it was not made from."""
    before, now = there.execute("SELECT held FROM brought").fetchone(), _held_in(target, target)
    if not _is_empty(target) and _written(now) not in (_written(what), *(before or ())):
        counts = ", ".join(f"{one.kind}: {one.count:,}" for one in now[:-1] if one.count)
        raise WorkspaceError(f"{place} holds state of its own ({counts}), which would be lost.", remedy)


def _refuse_different(what: Sequence[Held], brought: Sequence[Held], place: str) -> None:
    for one, other in zip(what, brought, strict=True):
        if one != other:
            raise WorkspaceError(
                f"{one.kind} would not be the same at {place}: {one.count:,} and {other.count:,}.",
                "Run this again when nobody else writes.",
            )


def _own_lines(target: Rows, source: Rows) -> list[tuple[object, ...]]:
    """The lines of an audit log that the other one has not, in order."""
    statement = f"SELECT {_LINE} FROM audit.lines ORDER BY id"
    lines = [*_plain(target, statement)]
    own = Counter(lines)
    own.subtract(line for line in _plain(source, statement) if line in own)
    found = []
    for line in lines:
        if own[line] > 0:
            own[line] -= 1
            found.append(line)
    return found


def _copy(source: Rows, target: Rows, own_lines: Sequence[Sequence[object]]) -> None:
    """Have a side hold what the other one holds, and its own lines of the audit log behind it."""
    for table in reversed(TABLES):
        target.execute(f"DELETE FROM {table}")
    for table in TABLES:
        names = [column[0] for column in source.execute(f"SELECT * FROM {table} LIMIT 0").description]
        columns = ", ".join(f'"{name}"' for name in names)
        rows = source.each(f"SELECT {columns} FROM {table} ORDER BY 1")
        while some := list(islice(rows, _VALUES_AT_ONCE // len(names))):
            marks = ", ".join([f"({marks_for(names)})"] * len(some))
            target.execute(f"INSERT INTO {table} ({columns}) VALUES {marks}", [*chain.from_iterable(some)])
    (last,) = source.execute("SELECT coalesce(max(id), 0) FROM audit.lines").fetchone()
    for number, line in enumerate(own_lines, last + 1):
        target.execute(f"INSERT INTO audit.lines (id, {_LINE}) VALUES (?, ?, ?, ?, ?, ?, ?)", (number, *line))
