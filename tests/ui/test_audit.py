"""The audit log: whoever asks or changes something stands in it, no text of a question does, and it ends by itself."""

import json
import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import click
import pytest
from apps import app_context
from commands import run
from fakes import Clock, ScriptedEngine
from fastapi import FastAPI
from serving import ANSWER, QUESTION, post, running, service_of
from signing import LOCALHOST, PASSWORD, client_of, make_people, sign_in
from working import ADMIN, EDITOR, ROLES, as_

from assistant.artifacts.audit import ACTOR_VARIABLE, AuditLine, AuditLog
from assistant.cli import COMMANDS, assistant
from assistant.cli.options import READING
from assistant.config import Settings, UiSettings
from assistant.workspace import Workspace
from ui.access import guard
from ui.api.bearer_tokens import TokenFile
from ui.jobs import Jobs
from ui.logs import RequestLog, note, record
from ui.pages.upkeep import SettingsActions
from ui.uploads import Arrivals

CHAT = {"model": "cars", "messages": [{"role": "user", "content": QUESTION}]}


def lines_of(workspace: Workspace) -> list[AuditLine]:
    return list(AuditLog(workspace.root, 90).lines())


def paths(group: click.Group, before: str = "") -> Iterator[str]:
    """The commands below one, each as it is typed."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from paths(command, f"{before}{name} ")
        elif command is not None and any(option.name == "workspace" for option in command.params):
            yield f"{before}{name}"


def test_programs_that_ask_are_in_it_with_their_request_and_without_their_words(
    served: Workspace, tmp_path: Path
) -> None:
    before, named = len(lines_of(served)), TokenFile(Workspace(tmp_path))
    anas = {"Authorization": f"Bearer {named.create('ana', 'answer')}", "X-Request-ID": "mine"}
    for keeps_text in (False, True):
        service = service_of(served, ScriptedEngine(ANSWER), {"audit": {"questions": keeps_text}})
        with running(service, ["secret"], named) as url:
            mine = {"Authorization": "Bearer secret", "X-Request-ID": "mine"}
            post(f"{url}/v1/chat/completions", json=CHAT, headers=mine)
            post(f"{url}/v1/search", json={"question": QUESTION, "corpora": ["cars", "pets"]}, headers=anas)
            post(f"{url}/v1/search", json={"question": QUESTION, "corpus": "cars"})  # by nobody who is let in
    asked = lines_of(served)[before:]
    assert [(line.user, line.action, line.about, line.request) for line in asked] == [
        (token, "question", corpora, "mine")
        for token, corpora in (("token:#1", "cars"), ("token:ana", "cars+pets")) * 2
    ], "and a person who is called ana has asked nothing"
    assert asked[0].details["hash"] == asked[1].details["hash"] and asked[0].details["characters"] == len(QUESTION)
    assert "deductible" not in json.dumps([line.details for line in asked[:2]])
    assert asked[2].details["question"] == QUESTION


def test_who_asks_on_the_page_is_in_it_and_who_warms_up_is_not(served: Workspace) -> None:
    context = app_context(served, ScriptedEngine(ANSWER))
    before = len(lines_of(served))
    context.service.search("cars", "anything")
    assert len(lines_of(served)) == before
    note(user="ana")
    context.service.search("cars", QUESTION)
    assert lines_of(served)[-1].user == "ana"


def test_changes_in_the_app_and_in_the_terminal_are_in_it(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_people(workspace.root, **ROLES)
    SettingsActions(app_context(workspace, ScriptedEngine(""))).save("retrieval.k", "7", as_(ADMIN))
    monkeypatch.setenv(ACTOR_VARIABLE, EDITOR)
    place = ["--workspace", str(workspace.root)]
    run(capsys, "config", "set", "retrieval.k=5", *place)
    monkeypatch.setenv(ACTOR_VARIABLE, "")
    run(capsys, "config", "set", "retrieval.k=6", *place)
    monkeypatch.delenv(ACTOR_VARIABLE)
    run(capsys, "users", "role", EDITOR, "admin", *place)
    run(capsys, "config", "show", *place)
    told = [(line.user.partition(":")[0], line.action, line.about, dict(line.details)) for line in lines_of(workspace)]
    assert told == [
        (ADMIN, "config set", "retrieval.k", {"value": "7"}),
        (EDITOR, "config set", "", {"assignments": ["retrieval.k=5"]}),
        ("shell", "users role", EDITOR, {"role": "admin"}),
    ]
    status, out, _ = run(capsys, "audit", "list", "--user", ADMIN, "--json", *place)
    assert status == 0 and [line["about"] for line in json.loads(out)["lines"]] == ["retrieval.k"]
    status, _, _ = run(capsys, "audit", "export", str(workspace.root.parent / "out.jsonl"), *place)
    exported = [json.loads(line) for line in (workspace.root.parent / "out.jsonl").read_text().splitlines()]
    assert status == 0 and [line["action"] for line in exported][-1] == "audit export"


def test_who_signs_in_and_out_and_who_is_refused_is_in_it(workspace: Workspace) -> None:
    log = AuditLog(workspace.root, 90)
    app, kept = FastAPI(), partial(record, Settings(), workspace)
    guard(app, UiSettings(), make_people(workspace.root, ana="expert"), Arrivals(), record=kept)
    with client_of(RequestLog(app)) as client:  # type: ignore[arg-type]
        for name, password in (("ana", "wrong password"), ("my secret password", ""), ("ana", PASSWORD)):
            sign_in(client, name, password)
        client.post("/sign-out", headers={"origin": LOCALHOST})
    told = [(line.user, line.action) for line in log.lines()]
    assert told == [
        ("ana", "sign-in refused"), ("nobody", "sign-in refused"), ("ana", "sign-in"), ("ana", "sign-out"),
    ]  # fmt: skip
    assert all(line.request for line in log.lines()), "with their requests"


def test_every_command_is_in_it_unless_it_only_reads() -> None:
    known = set(paths(assistant))
    assert known >= READING, READING - known
    assert {"ingest", "forget", "train", "eval run", "backup", "restore", "users add", "tokens create", "ui"} <= known
    assert not READING & {path for path in known if path.split()[-1] in {"set", "add", "remove", "create", "export"}}
    assert {path.split()[0] for path in known} <= set(COMMANDS)


def test_work_that_a_page_starts_runs_for_the_one_who_started_it(workspace: Workspace) -> None:
    job = Jobs(workspace).start("fetch", "", ["config", "set", "retrieval.k=9"], "ana")
    jobs = Jobs(workspace)
    while jobs.status(job.id).is_under_way:
        pass
    assert [(line.user, line.action) for line in lines_of(workspace)] == [("ana", "config set")]


def test_it_is_its_owners_alone_and_ends_after_its_days(workspace: Workspace, clock: Clock) -> None:
    log = AuditLog(workspace.root, 30)
    log.record("ana", "question", "cars")
    assert stat.S_IMODE(log.file.stat().st_mode) == 0o600
    for day in range(1, 34):
        clock.days = day
        log.record("ben", "question", "cars")
        assert ("ana" in {line.user for line in log.lines()}) == (day <= 31), (
            "30 days, and the day on which it is noted"
        )
    assert len(list(log.lines())) == 32
    AuditLog(workspace.root / "none", 0).record("ana", "question")
    assert not (workspace.root / "none").exists()


@pytest.mark.parametrize("jump", [31, 400, 12 * 365])
def test_a_clock_that_jumps_ahead_takes_no_line(workspace: Workspace, clock: Clock, jump: int) -> None:
    log = AuditLog(workspace.root, 30)
    for days in (0, 1, 2, jump + 2, jump + 2.5, 3, 4, jump + 4, 5):
        clock.days = days
        log.record("ana", "question", str(days))
    assert len(list(log.lines())) == 9


def test_lines_of_many_at_once_are_all_there(workspace: Workspace) -> None:
    log = AuditLog(workspace.root, 30)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: log.question(f"user {number}", "cars", "?"), range(40)))
    assert len({line.user for line in log.lines()}) == 40


def test_a_log_that_cannot_be_kept_stops_nothing_and_is_told(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    (workspace.root / "audit.sqlite").mkdir(parents=True)
    AuditLog(workspace.root, 30).question("ana", "cars", "?")
    assert "not in the audit log" in caplog.text


def test_days_and_people_are_chosen(workspace: Workspace, tmp_path: Path) -> None:
    log = AuditLog(workspace.root, 36_500)
    for user, day in (("ana", "2026-11-30"), ("ana", "2026-12-01"), ("ben", "2026-12-01"), ("ana", "2026-12-02")):
        log.record(user, "question")
        with closing(sqlite3.connect(log.file)) as database, database:
            database.execute("UPDATE lines SET at = ? WHERE id = (SELECT max(id) FROM lines)", (f"{day}T23:59:59Z",))
    assert len(list(log.lines("2026-12-01", "2026-12-01"))) == 2
    assert len(list(log.lines(user="ana", until="2026-12-01"))) == 2
    assert not list(AuditLog(tmp_path / "none", 30).lines())


def test_a_person_who_is_forgotten_is_nobody_in_it(workspace: Workspace) -> None:
    log = AuditLog(workspace.root, 30)
    log.record("ana", "question", "cars")
    log.record("ben", "users role", "ana")
    assert log.forget("ana", "person-1") == 1
    first, second = log.lines()
    assert first.user == second.about and first.user.startswith("person-") and second.user == "ben"
