"""Who asked what of which corpus and when, and who changed what: ``audit.sqlite`` of the workspace, or its server.

    2026-12-01T13:00:00Z  ana          question    claims               {"characters": 39, "hash": "9f2c…"}
    2026-12-01T13:04:11Z  ben          upload      claims               {"files": ["tariff.pdf"]}
    2026-12-01T13:04:12Z  ben          ingest      default              {"sources": [".../uploads/claims"]}
    2026-12-01T13:09:40Z  shell:root   config set                       {"assignments": ["retrieval.k=5"]}

What is asked is kept as its length and a hash, unless its text is wanted. The hash tells only whether two questions
were the same: its key is in the database, and no export has it. Lines are kept for some days, and then they go; a
clock that jumps takes none of them.

A program of this workspace writes it; whoever may write the workspace's files could change it. Where nobody must be
able to, lines are to be exported to another machine.
"""

import getpass
import hashlib
import hmac
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assistant.errors import AssistantError, StateDown
from assistant.store.database import Database, Rows, again
from assistant.store.sql import come_of_age
from assistant.workspace import StateServer, without_passwords

FILE = "audit.sqlite"
ACTOR_VARIABLE = "ASSISTANT_ACTOR"
"""For whom a command runs that a program starts; empty where nobody has to know of it."""
_VERSIONS = (
    """
    CREATE TABLE lines (id INTEGER PRIMARY KEY, at TEXT NOT NULL, "user" TEXT NOT NULL, action TEXT NOT NULL,
        about TEXT NOT NULL, request TEXT NOT NULL, details TEXT NOT NULL);
    CREATE INDEX lines_at ON lines (at);
    CREATE INDEX lines_user ON lines ("user");
    CREATE TABLE secret (key BLOB NOT NULL);
    INSERT INTO secret VALUES (randomblob(32));
    """,
    "CREATE TABLE due (before TEXT NOT NULL, noted TEXT NOT NULL);",
)
_LONGEST_ABOUT = 200
_NOT_KEPT = "What was done is not in the audit log: %s"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AuditLine:
    """What someone did."""

    at: str
    """ISO date and time, UTC."""
    user: str
    action: str
    about: str
    """Which corpus, adapter, person or file."""
    request: str
    """The id of its request, as the log has it."""
    details: Mapping[str, Any]


class AuditLog:
    """The lines of one workspace. Bears several threads and processes."""

    def __init__(
        self, root: Path, keep_days: int, state: StateServer | None = None, *, with_questions: bool = False
    ) -> None:
        """``root`` of the workspace; ``keep_days`` of 0 keeps nothing; ``state`` as in ``Workspace``."""
        self.file = root / FILE
        self.database = Database(self.file, _VERSIONS, state)
        self._keep_days = keep_days
        self._with_questions = with_questions

    def record(self, user: str, action: str, about: str = "", request: str = "", **details: Any) -> None:
        """Keep a line. Where that is not possible the log says so, and what is done goes on."""
        try:
            self._keep(user, action, about, request, lambda _: details)
        except StateDown as error:
            _log.error(_NOT_KEPT, error)

    def question(self, user: str, corpora: str, question: str, request: str = "") -> None:
        """Keep that something was asked.

        Raises StateDown where a database server is away for long: what nobody would know of is not answered.
        """

        def told(database: Rows) -> dict[str, Any]:
            if self._with_questions:
                return {"characters": len(question), "question": question}
            (key,) = database.execute("SELECT key FROM secret").fetchone()
            hashed = hmac.new(key, question.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
            return {"characters": len(question), "hash": hashed[:16]}

        self._keep(user, "question", corpora, request, told)

    def _keep(
        self, user: str, action: str, about: str, request: str, told: Callable[[Rows], Mapping[str, Any]]
    ) -> None:
        if not self._keep_days:
            return
        now = datetime.now(UTC)
        at = now.isoformat(timespec="seconds").replace("+00:00", "Z")

        @again
        def keep() -> None:
            with self.database.opened() as database:
                details = without_passwords(json.dumps(told(database), default=str))
                database.execute(
                    'INSERT INTO lines (at, "user", action, about, request, details) VALUES (?, ?, ?, ?, ?, ?)',
                    (at, user, action, about[:_LONGEST_ABOUT], request, details),
                )
                if before := come_of_age(database, self._keep_days, now):
                    database.execute("DELETE FROM lines WHERE at < ?", (before,))

        try:
            keep()
        except StateDown:
            raise
        except AssistantError as error:
            _log.error(_NOT_KEPT, error)

    def lines(self, since: str = "", until: str = "", user: str = "", action: str = "") -> Iterator[AuditLine]:
        """Those of a time, a person and an action, the oldest first. Dates as in 2026-12-31, the last one included."""
        if not self.database.exists:
            return
        with self.database.opened() as database:
            rows = database.each(
                "SELECT at, \"user\", action, about, request, details FROM lines WHERE at >= ? AND (? = '' OR at < ?)"
                " AND (? = '' OR \"user\" = ?) AND (? = '' OR action = ?) ORDER BY id",
                (since, until, f"{until}~", user, user, action, action),
            )
            for at, who, what, about, request, details in rows:
                yield AuditLine(at, who, what, about, request, json.loads(details))

    @again
    def forget(self, user: str, stranger: str) -> int:
        """Put a made-up name into the place of a person, wherever it stands; how many lines were theirs."""
        if not self.database.exists:
            return 0
        with self.database.opened() as database:
            database.execute("UPDATE lines SET about = ? WHERE about = ?", (stranger, user))
            return database.execute('UPDATE lines SET "user" = ? WHERE "user" = ?', (stranger, user)).rowcount


def actor() -> str | None:
    """For whom this command runs: whom the program that started it names, else who sits at the terminal.

    None where nobody has to know of it.
    """
    named = os.environ.get(ACTOR_VARIABLE)
    if named is not None:
        return named or None
    try:
        return f"shell:{getpass.getuser()}"
    except (OSError, KeyError):  # a container may have no name for its user
        return f"shell:{os.getuid()}"
