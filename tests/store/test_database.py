"""What stores are promised, by files and by a database server alike; and what a server that goes away does."""

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal

import psycopg
import pytest
from commands import run
from opinions import QUESTION, VERSIONS, answer

from assistant import config
from assistant.artifacts.audit import AuditLog
from assistant.config import Settings
from assistant.errors import ConfigError, StateDown, UsageError, WorkspaceError
from assistant.feedback.database import Assessment, FeedbackStore, Vote, shown_of
from assistant.store import database as module
from assistant.store.database import Database, Interrupted, again, server_of
from assistant.workspace import StateServer, Workspace, without_passwords
from bench.postgres import Postgres, empty

VERSIONS_OF_NOTES = (
    'CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, "user" TEXT NOT NULL, is_read INTEGER NOT NULL);',
    """
    ALTER TABLE notes ADD COLUMN size REAL NOT NULL DEFAULT 0.5;
    CREATE TABLE keys (key BLOB NOT NULL);
    INSERT INTO keys VALUES (randomblob(32));
    """,
)


@pytest.fixture
def notes(tmp_path: Path, state: StateServer | None) -> Database:
    return Database(tmp_path / "workspace" / "notes.sqlite", VERSIONS_OF_NOTES, state)


@pytest.fixture
def server(postgres: Postgres) -> Iterator[StateServer]:
    with empty(postgres) as one:
        yield one


def add(notes: Database, user: str, is_read: bool = False) -> int:
    with notes.opened() as rows:
        return rows.inserted('INSERT INTO notes ("user", is_read) VALUES (?, ?)', (user, is_read))


def users(notes: Database) -> list[str]:
    with notes.opened() as rows:
        return [user for (user,) in rows.execute('SELECT "user" FROM notes ORDER BY id')]


# What both promise


def test_rows_come_back_as_they_were_written(notes: Database) -> None:
    hostile = "'); DROP TABLE notes; -- 100% ? ☃"
    assert add(notes, hostile, True) < add(notes, "ben")
    with notes.opened() as rows:
        assert next(rows.named("SELECT * FROM notes ORDER BY id")) == {
            "id": 1, "user": hostile, "is_read": 1, "size": 0.5,
        }  # fmt: skip
        assert [tuple(row) for row in rows.each("SELECT id, is_read FROM notes WHERE is_read = ?", (True,))] == [(1, 1)]
        assert rows.execute("UPDATE notes SET size = ?", (1.5,)).rowcount == 2
        (key,) = rows.execute("SELECT key FROM keys").fetchone()
    assert len(key) == 32 and isinstance(key, bytes)


def test_a_transaction_is_whole_or_nothing(notes: Database) -> None:
    add(notes, "ana")
    with pytest.raises(ZeroDivisionError), notes.opened() as rows:
        rows.execute('UPDATE notes SET "user" = ?', ("ben",))
        rows.execute("DELETE FROM keys")
        raise ZeroDivisionError
    assert users(notes) == ["ana"]


def test_a_store_of_before_is_brought_up_to_date_once(
    notes: Database, tmp_path: Path, state: StateServer | None
) -> None:
    file = tmp_path / "workspace" / "notes.sqlite"
    with Database(file, VERSIONS_OF_NOTES[:1], state).opened() as rows:
        rows.execute("INSERT INTO notes (\"user\", is_read) VALUES ('ana', 0)")
    if state:
        server_of.cache_clear()  # as another process
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda _: users(notes), range(16))) == [["ana"]] * 16
    with notes.opened() as rows:
        assert rows.execute("SELECT count(*) FROM keys").fetchone() == (1,)


def test_a_store_of_a_later_version_is_left_alone(notes: Database, tmp_path: Path, state: StateServer | None) -> None:
    add(notes, "ana")
    old = Database(tmp_path / "workspace" / "notes.sqlite", VERSIONS_OF_NOTES[:1], state)
    if state:
        server_of.cache_clear()
    with pytest.raises(WorkspaceError, match="version 2; this program knows versions up to 1"):
        users(old)
    assert users(notes) == ["ana"]


def test_letters_of_both_cases_are_one(notes: Database) -> None:
    for user in ("Überschwemmung", "STRASSE", "Straße", "ΟΔΟΣ"):
        add(notes, user)
    with notes.opened() as rows:
        for word, found in (("ÜBER", [1]), ("straße", [2, 3]), ("strasse", [2, 3]), ("οδος", [4]), ("%", [])):
            statement = 'SELECT id FROM notes WHERE instr(folded("user"), ?) > 0 ORDER BY id'
            assert [id_ for (id_,) in rows.execute(statement, (word.casefold(),))] == found, word


def test_feedback_is_kept_listed_decided_and_forgotten(tmp_path: Path, state: StateServer | None) -> None:
    store = FeedbackStore(Workspace(tmp_path / "workspace", state=state))
    assert store.listed() == [] and store.votes() == [] and store.counts()["new"] == 0
    for call in (partial(store.get, 3), partial(store.accept, 3, "eve"), partial(store.reject, 3, "eve")):
        with pytest.raises(UsageError, match="no feedback 3"):
            call()
    assert not (tmp_path / "workspace").exists()
    wrong = Assessment("wrong", ("outdated",), "Ask \0 Ben.", "We pay 95 euros a night.", (1,))
    mine, bens = (store.add(user, "house", answer(), VERSIONS, wrong, {"fire.md": "h1"}) for user in ("ana", "ben"))
    vote = Vote("ana", "house", QUESTION, "base", "house", "1", "2", "second", True, QUESTION, shown_of(answer(), {}))
    store.add_vote(vote)
    assert store.accept(mine, "eve").state == "accepted" and [one.id for one in store.listed(user="ben")] == [bens]
    assert store.counts() == {"new": 1, "accepted": 1, "edited": 0, "rejected": 0}
    assert [one.evidence for one in store.votes("house")] == [vote.evidence] and store.votes("other") == []
    assert store.get(mine).versions == VERSIONS and store.get(mine).judgement.faults == ("outdated",)
    hidden = FeedbackStore(
        Workspace(tmp_path / "workspace", lambda kind, name: (kind, name) != ("adapter", "house"), state=state)
    )
    assert hidden.listed() == [] and hidden.counts()["new"] == 0
    assert store.forget("ana", "person-1") == 2 and [one.user for one in store.listed()] == ["ben", "person-1"]


def test_lines_of_the_audit_log_are_those_of_a_day_and_a_person(tmp_path: Path, state: StateServer | None) -> None:
    log = AuditLog(tmp_path / "workspace", 30, state)
    for user in ("ana", "ben"):
        log.question(user, "cars", "Is hail covered?", f"request-{user}")
    log.record("ben", "users role", "ana", role="admin", ok=True)
    log.record("ben", "config set", assignments=["state.url=postgresql://ana:hidden@db/house"])
    first, second, third, fourth = log.lines()
    assert first.details == second.details and len(str(first.details["hash"])) == 16, "one secret for all"
    assert third.details == {"role": "admin", "ok": True}
    assert fourth.details == {"assignments": ["state.url=postgresql://ana:…@db/house"]}
    day = first.at[:10]
    assert len(list(log.lines(day, day, "ben", "question"))) == 1 and list(log.lines("2999-01-01")) == []
    assert log.forget("ana", "person-1") == 1
    assert "ana" not in {word for line in log.lines() for word in (line.user, line.about)}


# What a server that goes away does


@contextmanager
def stopped(postgres: Postgres, seconds: float) -> Iterator[None]:
    """The server is away for so long, meanwhile."""
    postgres.stop("immediate")
    back = threading.Timer(seconds, postgres.start)
    back.start()
    try:
        yield
    finally:
        back.join()


def test_who_asks_while_the_server_is_away_waits_for_it(
    server: StateServer, postgres: Postgres, tmp_path: Path
) -> None:
    notes = Database(tmp_path / "notes.sqlite", VERSIONS_OF_NOTES, server)
    add(notes, "ana")
    with stopped(postgres, 1):
        assert add(notes, "ben") > 1
    assert users(notes) == ["ana", "ben"]


def test_a_server_that_stays_away_is_told_and_then_at_once(
    server: StateServer, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = Database(tmp_path / "notes.sqlite", VERSIONS_OF_NOTES, server)
    add(notes, "ana")
    monkeypatch.setattr(module, "_PATIENCE", 0.5)
    postgres.stop()
    try:
        with pytest.raises(StateDown, match="cannot be used"):
            users(notes)
        began = time.monotonic()
        with pytest.raises(StateDown):
            users(notes)
        assert time.monotonic() - began < 0.3
    finally:
        postgres.start()
    assert users(notes) == ["ana"]


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_a_transaction_that_a_restart_breaks_off_is_begun_anew(
    server: StateServer, postgres: Postgres, tmp_path: Path, how: Literal["fast", "immediate"]
) -> None:
    notes, tries = Database(tmp_path / "notes.sqlite", VERSIONS_OF_NOTES, server), list[int]()
    add(notes, "ana")

    def begin() -> int:
        with notes.opened() as rows:
            number = rows.inserted("INSERT INTO notes (\"user\", is_read) VALUES ('ben', 0)")
            tries.append(number)
            if len(tries) == 1:
                postgres.restart(how)
            rows.execute("UPDATE notes SET size = 3 WHERE id = ?", (number,))
            return number

    with pytest.raises(Interrupted):
        begin()
    assert users(notes) == ["ana"]
    tries.clear()
    assert again(begin)() == tries[1] and users(notes) == ["ana", "ben"]


@pytest.mark.parametrize("is_kept", [True, False])
def test_what_was_kept_though_nobody_heard_of_it_is_there_once(
    server: StateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_kept: bool
) -> None:
    """The connection breaks in the COMMIT: before the server has done it, or behind."""
    notes = Database(tmp_path / "notes.sqlite", VERSIONS_OF_NOTES, server)
    add(notes, "ana")
    execute, breaks = psycopg.Connection.execute, [True]

    def broken(connection: "psycopg.Connection[object]", query: object, *rest: object, **named: object) -> object:
        if not breaks or b"COMMIT" not in (query if isinstance(query, bytes) else b""):
            return execute(connection, query, *rest, **named)  # type: ignore[call-overload]
        breaks.clear()
        if is_kept:
            execute(connection, query, *rest, **named)  # type: ignore[call-overload]
        connection.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(psycopg.Connection, "execute", broken)
    again(partial(add, notes, "ben"))()
    assert not breaks and users(notes) == ["ana", "ben"]


@pytest.mark.slow
def test_restarts_under_load_lose_nothing_and_keep_nothing_twice(
    server: StateServer, postgres: Postgres, tmp_path: Path
) -> None:
    notes = Database(tmp_path / "notes.sqlite", VERSIONS_OF_NOTES, server)
    until, chance = time.monotonic() + 12, random.Random(5)
    kept: list[str] = []

    def write(worker: int) -> None:
        number = 0
        while time.monotonic() < until:
            again(partial(add, notes, f"{worker}-{number}"))()
            kept.append(f"{worker}-{number}")
            number += 1

    with ThreadPoolExecutor(8) as threads:
        work = [threads.submit(write, worker) for worker in range(8)]
        hows: tuple[Literal["fast", "immediate"], ...] = ("fast", "immediate", "immediate")
        for how in hows:
            time.sleep(chance.uniform(0.5, 2))
            postgres.restart(how)
        for one in work:
            one.result()
    assert len(kept) > 100 and sorted(users(notes)) == sorted(kept)


def test_one_who_waits_for_another_in_a_ring_begins_anew(server: StateServer, tmp_path: Path) -> None:
    notes, meet = Database(tmp_path / "notes.sqlite", VERSIONS_OF_NOTES, server), threading.Barrier(2)
    ids, met = [add(notes, "ana"), add(notes, "ben")], set[int]()

    @again
    def change(first: int) -> None:
        with notes.opened() as rows:
            rows.execute("UPDATE notes SET size = size + 1 WHERE id = ?", (ids[first],))
            if first not in met:
                met.add(first)
                meet.wait()
            rows.execute("UPDATE notes SET size = size + 1 WHERE id = ?", (ids[1 - first],))

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(change, (0, 1)))
    with notes.opened() as rows:
        assert rows.execute("SELECT min(size), max(size) FROM notes").fetchone() == (2.5, 2.5)


def test_what_the_server_refuses_is_one_line(server: StateServer, tmp_path: Path) -> None:
    notes = Database(tmp_path / "notes.sqlite", VERSIONS_OF_NOTES, server)
    with pytest.raises(WorkspaceError, match=r"refuses: .+no_such_table") as told, notes.opened() as rows:
        rows.execute("SELECT 1 FROM no_such_table")
    assert "\n" not in str(told.value) and not isinstance(told.value, StateDown)
    assert users(notes) == [], "the connection is used again"


# Where it is said, and that no password is


def test_a_password_is_taken_from_its_file_alone_and_told_nowhere(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for url in ("postgresql://ana:hidden@db/house", "postgresql://db/house?password=hidden"):
        with pytest.raises(ConfigError) as told:
            config.load(assignments=[f"state.url={url}"], environment={})
        assert "state.password_file" in str(told.value) and "hidden" not in str(told.value)
        status, out, error = run(capsys, "config", "set", f"state.url={url}", "--workspace", str(workspace.root))
        assert status == 2 and "hidden" not in out + error
        assert "hidden" not in without_passwords(f"x {url} y") and without_passwords(url).endswith(("house", "…"))
    for wrong in ("mysql://db/house", "postgresql://db", "house"):
        with pytest.raises(ConfigError):
            config.load(assignments=[f"state.url={wrong}"], environment={})
    missing = StateServer("postgresql://ana@localhost:1/house", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="password_file"):
        users(Database(tmp_path / "notes.sqlite", VERSIONS_OF_NOTES, missing))


def test_settings_say_where_a_workspace_keeps_its_people(workspace: Workspace) -> None:
    settings, _ = config.load(assignments=["state.url=postgresql://ana@db/house", "state.password_file=/run/pw"])
    assert config.stated(workspace, settings).state == StateServer("postgresql://ana@db/house", "/run/pw")
    assert config.stated(workspace, Settings()).state is None
    assert config.stated(workspace, settings).whole.state is not None
