"""What the processes of an app share: texts that say who may come in, sessions, limits, and work that waits.

Without a database server (``Workspace.state``), texts are files of the workspace, and the rest is in the memory of the
one process (``ui.signin``, ``ui.requests``). Of a server, its clock counts: those of two machines differ.
"""

import hashlib
import math
import os
import secrets
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import count
from pathlib import Path
from threading import local
from typing import Any, ParamSpec, TypeVar

from anyio.to_thread import run_sync

from assistant.store.database import Database, Rows, again
from assistant.workspace import StateServer, replaced_atomically, write_lock

P = ParamSpec("P")
T = TypeVar("T")

_TEXTS = ("CREATE TABLE texts (name TEXT PRIMARY KEY, version INTEGER NOT NULL, content TEXT NOT NULL);",)
_SESSIONS = (
    """
    CREATE TABLE sessions (digest TEXT PRIMARY KEY, name TEXT NOT NULL, stamp TEXT NOT NULL,
        used_at REAL NOT NULL, ends_at REAL NOT NULL, id_token TEXT);
    CREATE INDEX sessions_used_at ON sessions (used_at);
    """,
)
# In no log of the server: after a crash there are none, and everybody has what they may.
_LIMITS = (
    """
    CREATE UNLOGGED TABLE buckets (
        name TEXT PRIMARY KEY, tokens REAL NOT NULL, at REAL NOT NULL, wait REAL NOT NULL);
    """,
)
_JOBS = (
    """
    CREATE TABLE jobs (id TEXT PRIMARY KEY, kind TEXT NOT NULL, place TEXT NOT NULL, seen REAL NOT NULL,
        is_over INTEGER NOT NULL);
    CREATE UNIQUE INDEX jobs_under_way ON jobs (kind) WHERE is_over = 0;
    """,
)
_NOW = "extract(epoch FROM clock_timestamp())::float8"
_MOST_SESSIONS = 100_000  # tens of MB
_USE_SECONDS = 60.0
"""A use is noted once in so many seconds: each note is a write, and sessions last for hours."""
_BETWEEN_CLEARINGS = 1000
"""Requests of one limit, after which it is looked for clients that have all they may again."""
_HARDLY_LESS = 1e-9
_KEPT_SECONDS = 7 * 86_400.0
STATE_SECONDS = 5
"""After so many, who was refused since the server is away may ask again."""


class KeptText:
    """A text that is read often and changed as a whole: a file of the workspace, or a row at the server."""

    def __init__(self, file: Path, state: StateServer | None = None, *, is_secret: bool = False) -> None:
        """``is_secret``: no group may read the file either."""
        self._file = file
        self._is_secret = is_secret
        self._database = Database(file.with_name("texts.sqlite"), _TEXTS, state) if state else None
        self._changed_by = local()
        """Has the transaction of a thread that changes it, which reads in it too: another one might have to wait."""

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f"{self._file.name} at {self._database.place}" if self._database else str(self._file.absolute())

    @again
    def stamp(self) -> Hashable:
        """What changes with it; None where there is none. Raises OSError, and StateDown for a server away."""
        if self._database is None:
            try:
                stat = self._file.stat()
            except FileNotFoundError:
                return None
            return stat.st_mtime_ns, stat.st_ino, stat.st_size
        stamp: Hashable = self._cell(self._database, "version")
        return stamp

    @again
    def content(self) -> bytes | None:
        """The text, in UTF-8; None where there is none. Raises as ``stamp`` does."""
        if self._database is None:
            try:
                return self._file.read_bytes()
            except FileNotFoundError:
                return None
        found = self._cell(self._database, "content")
        return None if found is None else str(found).encode()

    @contextmanager
    def changing(self, seconds: float = 10) -> Iterator[Callable[[str], None]]:
        """Yield what writes another text, while nobody else writes one. Raises as ``write_lock`` and ``stamp`` do."""
        if self._database is None:
            with write_lock(self._file.parent, timeout=seconds):
                yield self._write
            return
        with self._database.opened() as rows:
            rows.execute("SELECT pg_advisory_xact_lock(hashtext(?))", (self._file.name,))
            self._changed_by.rows = rows
            try:
                yield partial(self._write_row, rows)
            finally:
                del self._changed_by.rows

    def _cell(self, database: Database, column: str) -> Any:
        held: Rows | None = getattr(self._changed_by, "rows", None)
        with nullcontext(held) if held else database.opened() as rows:
            statement = f"SELECT {column} FROM texts WHERE name = ?"
            row = rows.execute(statement, (self._file.name,)).fetchone()
        return row[0] if row else None

    def _write(self, text: str) -> None:
        with replaced_atomically(self._file) as beside:
            # Its rights before its content: hashes can be guessed at by whoever reads them.
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if self._is_secret else 0o666)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(text)

    def _write_row(self, rows: Rows, text: str) -> None:
        rows.execute(
            "INSERT INTO texts (name, version, content) VALUES (?, 1, ?) ON CONFLICT (name)"
            " DO UPDATE SET version = texts.version + 1, content = excluded.content",
            (self._file.name, text),
        )


class SharedSessions:
    """Sessions as in ``ui.signin.Sessions``, of all processes of a server. Raises StateDown for a server away."""

    def __init__(self, state: StateServer, minutes: float) -> None:
        """``minutes`` without use end a session."""
        self._seconds = minutes * 60
        self._database = Database(Path("sessions"), _SESSIONS, state)

    @again
    def begin(self, name: str, stamp: str, hours: float = math.inf, id_token: str | None = None) -> str:
        """A new token for someone, for so many hours at most. ``stamp`` has to be the same whenever it is used."""
        token = secrets.token_urlsafe(32)
        with self._database.opened() as rows:
            old = "used_at < (SELECT used_at FROM sessions ORDER BY used_at DESC OFFSET ? LIMIT 1)"
            rows.execute(
                f"DELETE FROM sessions WHERE ends_at < {_NOW} OR used_at < {_NOW} - ? OR {old}",
                (self._seconds, _MOST_SESSIONS),
            )
            rows.execute(
                f"INSERT INTO sessions VALUES (?, ?, ?, {_NOW}, {_NOW} + ?, ?)",
                (digest(token), name, stamp, 3600 * hours, id_token),
            )
        return token

    @again
    def name_of(self, token: str, stamp_of: Callable[[str], str]) -> str | None:
        """Whose token it is, which counts as use; None for one that has ended or never was."""
        with self._database.opened() as rows:
            found = rows.execute(
                f"SELECT name, stamp, {_NOW} - used_at, ends_at < {_NOW} FROM sessions WHERE digest = ?",
                (digest(token),),
            ).fetchone()
        if found is None:
            return None
        name, stamp, unused, is_over = found
        if is_over or unused > self._seconds or stamp_of(name) != stamp:
            self.end(token)
            return None
        if unused > min(_USE_SECONDS, self._seconds / 10):
            with self._database.opened(is_lasting=False) as rows:
                rows.execute(f"UPDATE sessions SET used_at = {_NOW} WHERE digest = ?", (digest(token),))
        return str(name)

    @again
    def end(self, token: str) -> str | None:
        """Sign out; the id token of a session that came from the provider."""
        with self._database.opened() as rows:
            statement = "DELETE FROM sessions WHERE digest = ? RETURNING id_token"
            gone = rows.execute(statement, (digest(token),)).fetchone()
        return None if gone is None or gone[0] is None else str(gone[0])


class SharedRateLimit:
    """A token bucket for each client, as ``ui.requests.RateLimit``, of all processes of a server together."""

    def __init__(self, state: StateServer, name: str, most: int, seconds: float) -> None:
        """``most`` of 0 sets no limit; ``name`` tells this one from others."""
        self._database = Database(Path("limits"), _LIMITS, state)
        self._name = name
        self._most = most
        self._seconds = seconds
        self._asked = count(1)

    @again
    def wait(self, client: str) -> float:
        """Count a request. Returns 0, or the seconds until one is let in again, and then it is not counted.

        Raises StateDown for a server away.
        """
        if not self._most:
            return 0.0
        rate = self._most / self._seconds
        filled = f"least(?, buckets.tokens + greatest(0, {_NOW} - buckets.at) * ?)"
        of_filled = (float(self._most), rate)
        with self._database.opened(is_lasting=False) as rows:
            (wait,) = rows.execute(
                f"INSERT INTO buckets VALUES (?, ?, {_NOW}, 0) ON CONFLICT (name) DO UPDATE SET at = {_NOW},"
                f" tokens = {filled} - CASE WHEN {filled} >= ? THEN 1 ELSE 0 END,"
                f" wait = CASE WHEN {filled} >= ? THEN 0 ELSE (1 - {filled}) / ? END RETURNING wait",
                (
                    self._key(client), self._most - 1, *of_filled, *of_filled, 1 - _HARDLY_LESS,
                    *of_filled, 1 - _HARDLY_LESS, *of_filled, rate,
                ),
            ).fetchone()  # fmt: skip
            if next(self._asked) % _BETWEEN_CLEARINGS == 0:
                statement = f"DELETE FROM buckets WHERE starts_with(name, ?) AND at < {_NOW} - ?"
                rows.execute(statement, (self._key(""), self._seconds))
        return float(wait)

    @again
    def give_back(self, client: str) -> None:
        """Count the last request of a client no more."""
        with self._database.opened(is_lasting=False) as rows:
            rows.execute("UPDATE buckets SET tokens = tokens + 1 WHERE name = ?", (self._key(client),))

    def _key(self, client: str) -> str:
        return f"{self._name} {client}"


class JobQueue:
    """Long work that waits for a machine which may do it, and which one does it. Raises StateDown for a server away."""

    def __init__(self, state: StateServer) -> None:
        self._database = Database(Path("jobs"), _JOBS, state)

    @again
    def add(self, job: str, kind: str) -> str:
        """Have a job wait; the one of its kind that is under way instead, empty where there is none."""
        with self._database.opened() as rows:
            rows.execute(f"DELETE FROM jobs WHERE is_over = 1 AND seen < {_NOW} - ?", (_KEPT_SECONDS,))
            rows.execute(
                f"INSERT INTO jobs VALUES (?, ?, '', {_NOW}, 0) ON CONFLICT (kind) WHERE is_over = 0 DO NOTHING",
                (job, kind),
            )
            (found,) = rows.execute("SELECT id FROM jobs WHERE kind = ? AND is_over = 0", (kind,)).fetchone()
        return "" if found == job else str(found)

    @again
    def take(self, place: str, kinds: Sequence[str], passed_over: Sequence[str] = ()) -> str | None:
        """Give the job that waits longest to ``place``, to no other; None where none of these kinds waits."""
        with self._database.opened() as rows:
            row = rows.execute(
                f"UPDATE jobs SET place = ?, seen = {_NOW} WHERE id = (SELECT id FROM jobs WHERE is_over = 0"
                " AND place = '' AND kind = ANY(?) AND id != ALL(?) ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)"
                " RETURNING id",
                (place, list(kinds), list(passed_over)),
            ).fetchone()
        return str(row[0]) if row else None

    @again
    def keep(self, job: str) -> bool:
        """Say that a job still runs; False where it was given up meanwhile."""
        with self._database.opened(is_lasting=False) as rows:
            return rows.execute(f"UPDATE jobs SET seen = {_NOW} WHERE id = ? AND is_over = 0", (job,)).rowcount == 1

    @again
    def end(self, job: str, *, only_waiting: bool = False) -> bool:
        """Have the next of its kind come; False for one that has ended, or that does not wait ``only_waiting``."""
        statement = "UPDATE jobs SET is_over = 1 WHERE id = ? AND is_over = 0 AND (place = '' OR ? = 0)"
        with self._database.opened() as rows:
            return rows.execute(statement, (job, only_waiting)).rowcount == 1

    @again
    def put_back(self, job: str) -> None:
        """Have a job wait again."""
        with self._database.opened() as rows:
            rows.execute("UPDATE jobs SET place = '' WHERE id = ? AND is_over = 0", (job,))

    @again
    def place(self, job: str) -> tuple[str, float] | None:
        """Which machine has a job, empty while it waits, and for how many seconds nobody has said that it runs.

        None where it is over. While the server was away, nobody could say so.
        """
        silent = f"{_NOW} - greatest(seen, extract(epoch FROM pg_postmaster_start_time())::float8)"
        with self._database.opened() as rows:
            statement = f"SELECT place, {silent} FROM jobs WHERE id = ? AND is_over = 0"
            row = rows.execute(statement, (job,)).fetchone()
        return (str(row[0]), float(row[1])) if row else None


def forget(state: StateServer, name: str) -> None:
    """Leave nothing of a person among sessions and limits, nor of what texts were before."""
    sessions, limits = Database(Path("sessions"), _SESSIONS, state), Database(Path("limits"), _LIMITS, state)
    with sessions.opened() as rows:
        rows.execute("DELETE FROM sessions WHERE name = ?", (name,))
    with limits.opened() as rows:
        rows.execute("DELETE FROM buckets WHERE instr(name, ?) > 0", (name,))
    for database in (sessions, limits, Database(Path("texts"), _TEXTS, state)):
        database.compact()


async def apart(state: StateServer | None, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """What ``work`` returns; done in a thread where it asks a server, for which the event loop must not wait."""
    return await run_sync(partial(work, *arguments, **named)) if state else work(*arguments, **named)


def digest(token: str) -> str:
    """What is kept of a token, and searched by: so the time that it takes tells nothing about it."""
    return hashlib.sha256(token.encode()).hexdigest()
