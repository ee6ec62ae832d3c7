"""The state of a workspace there and back again: all of it or nothing, whatever is killed, and never over another."""

import json
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from commands import run
from opinions import VERSIONS, answer
from signing import CHEAP, PASSWORD

from assistant.artifacts.audit import AuditLog
from assistant.errors import WorkspaceBusy, WorkspaceError
from assistant.feedback.database import Assessment, FeedbackStore, Vote
from assistant.workspace import StateServer, Workspace, locate, serving, unserved
from bench.postgres import Postgres, empty
from ui.api.bearer_tokens import TokenFile, Tokens
from ui.conversations import Conversations
from ui.jobs import Jobs
from ui.migration import TABLES, left_behind, migrate
from ui.people import People
from ui.rights import Access, RightsFile
from ui.turns import TurnReply

HOSTILE = "'); DROP TABLE turns; -- 100% ? \0 ☃\r\n"


@pytest.fixture
def server(postgres: Postgres) -> Iterator[StateServer]:
    with empty(postgres) as one:
        yield one


def people_of(workspace: Workspace) -> People:
    return People(workspace.root / "users.json", CHEAP, workspace.state)


def used(workspace: Workspace) -> str:
    """A workspace that people have used; the token of a program."""
    people_of(workspace).add("ana", "admin", PASSWORD, ["claims"])
    people_of(workspace).add("Zoë", "expert", PASSWORD)
    RightsFile(workspace).set("corpus", "claims", Access(("@claims",), ("ana",)))
    token = TokenFile(workspace).create("crm", "answer", ("claims",))
    kept, log = Conversations(workspace), AuditLog(workspace.root, 90, workspace.state)
    asks(workspace, "ana", HOSTILE)
    kept.delete("ana", asks(workspace, "ana", "What goes again?"))  # its number is given to no other
    feedback = FeedbackStore(workspace)
    for user in ("ana", "Zoë"):
        feedback.add(user, "claims", answer(), VERSIONS, Assessment("wrong", (), HOSTILE, "No."), {})
        log.question(user, "claims", "Is hail covered?")
    feedback.accept(1, "ana")
    feedback.add_vote(Vote("ana", "claims", "?", "base", "house", "A.", "B.", "first", True))
    return token


def asks(workspace: Workspace, user: str, question: str) -> int:
    kept = Conversations(workspace)
    number = kept.begin(user, question)
    first = kept.add(user, number, question, [TurnReply("claims", None, answer(question=question))])
    kept.add(user, number, "And then?", [TurnReply("claims", None, answer())])
    kept.add(user, number, "Again?", [TurnReply("claims", None, answer())], replaced=first.id)
    kept.share(user, number)
    return number


def seen(workspace: Workspace) -> dict[str, Any]:
    """What the program itself finds in a state."""
    kept, feedback = Conversations(workspace), FeedbackStore(workspace)
    lists = {name: kept.listed(name) for name in ("ana", "Zoë")}
    return {
        "people": people_of(workspace).accounts(),
        "rights": RightsFile(workspace).rights(),
        "tokens": TokenFile(workspace).tokens(),
        "lists": lists,
        "turns": [kept.turns(name, one.id) for name, some in lists.items() for one in some],
        "feedback": feedback.listed(most=-1),
        "votes": feedback.votes(),
    }


def lines(workspace: Workspace) -> list[Any]:
    return list(AuditLog(workspace.root, 90, workspace.state).lines())


def rows_in(workspace: Workspace) -> list[Any]:
    """Everything that files of a workspace hold, by ways of our own."""
    found: list[Any] = [
        (name, (workspace.root / name).read_bytes()) for name in ("users.json", "rights.json", "tokens.json")
    ]
    tables = {
        "conversations": ("conversations", "turns"),
        "feedback": ("feedback", "votes"),
        "audit": ("lines", "secret"),
    }
    for name, some in tables.items():
        with closing(sqlite3.connect(workspace.root / f"{name}.sqlite")) as connection:
            for table in some:
                found += connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
            if name != "audit":
                found += sorted(connection.execute("SELECT * FROM sqlite_sequence").fetchall())
    return found


@pytest.mark.parametrize("to_another", [False, True])
def test_there_and_back_every_row_id_hash_and_time_is_the_same(
    workspace: Workspace, server: StateServer, tmp_path: Path, to_another: bool
) -> None:
    token, there = used(workspace), replace(workspace, state=server)
    before, rows = seen(workspace), rows_in(workspace)
    held = migrate(workspace, server, back=False)
    assert {one.kind: one.count for one in held} == {
        "people": 2, "rights": 1, "tokens": 1, "conversations": 1, "turns": 3, "judgements": 2, "votes": 1,
        "audit lines": 2,
    }  # fmt: skip
    after = seen(there)
    for kind in ("people", "rights", "tokens", "votes"):
        assert after[kind] == before[kind], kind
    assert [(one.id, one.title.replace("\0", "\ufffd"), one.updated) for one in before["lists"]["ana"]] == [
        (one.id, one.title, one.updated) for one in after["lists"]["ana"]
    ]
    assert people_of(there).verified("ana", PASSWORD) and lines(there) == lines(workspace)
    assert Tokens.of([], TokenFile(there)).caller_of(f"Bearer {token}".encode())
    assert rows_in(workspace) == rows, "what is brought stays as it was"
    back = Workspace(tmp_path / "another") if to_another else workspace
    asks(there, "Zoë", "What came meanwhile?")
    assert [one.id for one in Conversations(there).listed("Zoë")] == [3], "behind one that was deleted"
    assert [one.count for one in migrate(back, server, back=True)][3:5] == [2, 6]
    assert seen(back) == seen(there) and lines(back) == lines(there)
    assert asks(back, "ana", "And here?") == 4
    for name in ("users.json", "tokens.json"):
        assert stat.S_IMODE((back.root / name).stat().st_mode) == 0o600


def test_every_table_that_files_hold_is_brought(workspace: Workspace) -> None:
    used(workspace)
    found = set()
    for name in ("conversations", "feedback", "audit"):
        with closing(sqlite3.connect(workspace.root / f"{name}.sqlite")) as connection:
            tables = connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            )
            found |= {f"{name}.{table}" for (table,) in tables if table != "due"}
    assert found == {*TABLES} - {"texts.texts"}


def test_what_is_brought_twice_is_there_once_and_what_came_since_comes_too(
    workspace: Workspace, server: StateServer
) -> None:
    used(workspace)
    first = migrate(workspace, server, back=False)
    assert migrate(workspace, server, back=False) == first and migrate(workspace, server, back=True) == first
    people_of(workspace).set_password("ana", f"{PASSWORD} 2")
    asks(workspace, "ana", "And storm?")
    AuditLog(workspace.root, 90, server).record("shell:root", "serve")
    second = migrate(workspace, server, back=False)
    there = replace(workspace, state=server)
    assert second != first and migrate(workspace, server, back=False) == second
    assert people_of(there).verified("ana", f"{PASSWORD} 2") and not people_of(there).verified("ana", PASSWORD)
    assert [one.action for one in lines(there)] == ["question", "question", "serve"]


def test_state_of_another_origin_is_never_written_over(
    workspace: Workspace, server: StateServer, tmp_path: Path
) -> None:
    other, there = Workspace(tmp_path / "other"), replace(workspace, state=server)
    used(workspace)
    people_of(other).add("ben", "admin", PASSWORD)
    migrate(workspace, server, back=False)
    asks(there, "ana", "At the server alone")
    asks(workspace, "Zoë", "In the files alone")
    before, after, others = rows_in(workspace), seen(there), seen(other)
    for place, back, told in (
        (other, False, r"postgresql://\S+ holds state of its own \(people: 2, rights: 1"),
        (other, True, r"/other holds state of its own \(people: 1\)"),
        (workspace, False, "conversations: 2, turns: 6"),
        (workspace, True, "conversations: 2, turns: 6"),
    ):
        with pytest.raises(WorkspaceError, match=told) as refused:
            migrate(place, server, back=back)
        assert "\n" not in str(refused.value)
    assert (rows_in(workspace), seen(there), seen(other)) == (before, after, others)


KILLED = """
import os, signal, sys
from pathlib import Path
from assistant import workspace
from assistant.workspace import StateServer, Workspace
from ui import migration
where, names = {"migration": migration, "workspace": workspace, "Path": Path}[sys.argv[4]], sys.argv[5]
count, killed_at, real = [0], int(sys.argv[6]), getattr(where, names)
def killed(*arguments, **named):
    count[0] += 1
    if count[0] == killed_at:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments, **named)
setattr(where, names, killed)
migration.migrate(Workspace(Path(sys.argv[1])), StateServer(sys.argv[2]), back=sys.argv[3] == "back")
"""


def killed_at(workspace: Workspace, server: StateServer, back: bool, module: str, name: str, time: int) -> None:
    way = "back" if back else "there"
    command = [sys.executable, "-c", KILLED, str(workspace.root), server.url, way, module, name, str(time)]
    assert subprocess.run(command, capture_output=True).returncode == -signal.SIGKILL


@pytest.mark.parametrize(("name", "time"), [("_copy", 1), ("marks_for", 4), ("_go_on", 3), ("_written", 1)])
def test_a_way_there_that_is_killed_leaves_nothing_and_is_begun_anew(
    workspace: Workspace, server: StateServer, name: str, time: int
) -> None:
    used(workspace)
    rows, there = rows_in(workspace), replace(workspace, state=server)
    nothing = seen(there)
    killed_at(workspace, server, False, "migration", name, time)
    assert seen(there) == nothing and not people_of(there).accounts() and rows_in(workspace) == rows
    migrate(workspace, server, back=False)
    assert people_of(there).accounts() == people_of(workspace).accounts()


@pytest.mark.parametrize(
    ("module", "name", "time", "is_whole"),
    [
        ("migration", "_copy", 1, False),
        ("migration", "marks_for", 4, False),
        ("migration", "take_places", 2, False),
        ("workspace", "flush_to_disk", 7, False),
        ("workspace", "flush_to_disk", 8, True),
        ("Path", "replace", 3, True),
        ("workspace", "flush_to_disk", 9, True),
        ("migration", "_written", 3, True),
    ],
)
def test_a_way_back_that_is_killed_leaves_the_old_state_or_the_new_one(
    workspace: Workspace, server: StateServer, module: str, name: str, time: int, is_whole: bool
) -> None:
    used(workspace)
    migrate(workspace, server, back=False)
    there = replace(workspace, state=server)
    people_of(there).set_role("Zoë", "admin")
    asks(there, "Zoë", "What came meanwhile?")
    before = seen(workspace)
    killed_at(workspace, server, True, module, name, time)
    assert seen(locate(workspace.root)) == (seen(there) if is_whole else before)
    assert migrate(workspace, server, back=True)[3].count == 2
    assert seen(workspace) == seen(there)
    assert not (workspace.root / ".state").exists()
    assert {file.name for file in workspace.root.glob(".*.tmp/**/*")} <= {".lock"}


@pytest.mark.slow
@pytest.mark.parametrize("back", [False, True])
def test_killed_at_any_instant_it_is_all_or_nothing(workspace: Workspace, server: StateServer, back: bool) -> None:
    used(workspace)
    there = replace(workspace, state=server)
    if back:
        migrate(workspace, server, back=False)
        asks(there, "Zoë", "What came meanwhile?")
    source, target = (there, workspace) if back else (workspace, there)
    way, found = "back" if back else "there", [seen(target)]
    command = [sys.executable, "-c", KILLED, str(workspace.root), server.url, way, "migration", "migrate", "0"]
    for number in range(12):
        process = subprocess.Popen(command)
        time.sleep(0.4 + 0.1 * number)
        process.kill()
        process.wait()
        locate(workspace.root)
        found.append(seen(target))
    migrate(workspace, server, back=back)
    assert found[0] != seen(target) == found[-1] and all(one in (found[0], found[-1]) for one in found)
    assert seen(source)["people"] == seen(target)["people"]


def test_nothing_is_migrated_while_a_server_of_the_workspace_runs(workspace: Workspace, server: StateServer) -> None:
    used(workspace)
    with serving(workspace.root), serving(workspace.root):
        for back in (False, True):
            with pytest.raises(WorkspaceBusy, match="A server of"):
                migrate(workspace, server, back=back)
    migrate(workspace, server, back=False)


def test_no_server_starts_meanwhile_but_one_whose_workspace_cannot_be_written_does(tmp_path: Path) -> None:
    with (
        unserved(tmp_path / "workspace"),
        pytest.raises(WorkspaceBusy, match="being migrated"),
        serving(tmp_path / "workspace"),
    ):
        raise AssertionError
    with serving(tmp_path / "none"):
        assert not (tmp_path / "none").exists()
    (tmp_path / "odd" / ".serving.lock").mkdir(parents=True)
    with serving(tmp_path / "odd"):
        pass
    with pytest.raises(WorkspaceError, match="Cannot write"), unserved(tmp_path / "odd"):
        raise AssertionError


def test_nothing_is_migrated_while_a_job_is_under_way(workspace: Workspace, server: StateServer) -> None:
    used(workspace)
    job = Jobs(workspace).start("doctor", "", ["doctor"], "ana")
    with pytest.raises(WorkspaceBusy, match=job.id):
        migrate(workspace, server, back=False)
    while Jobs(workspace).under_way():
        time.sleep(0.1)
    migrate(workspace, server, back=False)


def test_a_file_that_cannot_be_read_is_told_and_nothing_is_brought(workspace: Workspace, server: StateServer) -> None:
    used(workspace)
    for content in (b"{", b"[1]", b"\xff"):
        (workspace.root / "users.json").write_bytes(content)
        with pytest.raises(WorkspaceError) as told:
            migrate(workspace, server, back=False)
        assert "\n" not in str(told.value)
    assert not TokenFile(replace(workspace, state=server)).tokens()


def test_the_command_says_what_both_hold_and_a_server_says_what_it_leaves_behind(
    workspace: Workspace, server: StateServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    used(workspace)
    place = ("--workspace", str(workspace.root))
    monkeypatch.setattr("ui.api.endpoints.make_server", lambda *_: SimpleNamespace(run=lambda _: None))

    def served() -> str:
        status, _, told = run(capsys, "serve", "--port", "0", "--set", f"state.url={server.url}", *place)
        assert status == 0
        return told

    bring = f"assistant migrate --state --to '{server.url}' --workspace '{workspace.root}'"
    assert f"{workspace.root} do. Bring it: {bring}\n" in served()
    status, out, told = run(capsys, "migrate", "--state", "--to", server.url, *place)
    assert status == 0 and out.startswith(f"The state is the same here and at {server.url}:\n  people")
    assert told == f"Have it used: assistant config set 'state.url={server.url}'\n"
    assert "Bring it" not in served()
    status, out, _ = run(capsys, "migrate", "--state", "--from", server.url, *place, "--json")
    assert status == 0 and [one["kind"] for one in json.loads(out)["state"]][:2] == ["people", "rights"]
    for wrong in (
        ["--state"], ["--state", "claims", "--to", server.url], ["--state", "--all", "--to", server.url],
        ["--state", "--to", "lance:/srv"], ["--state", "--to", "postgresql://ana:secret@db/house"],
    ):  # fmt: skip
        assert run(capsys, "migrate", *wrong, *place)[0] == 2, wrong


def test_who_has_nothing_to_leave_behind_is_told_nothing(workspace: Workspace, server: StateServer) -> None:
    there = replace(workspace, state=server)
    assert not left_behind(there) and not workspace.root.exists()
    used(workspace)
    assert left_behind(there)
    people_of(there).add("ben", "admin", PASSWORD)
    assert not left_behind(there)
