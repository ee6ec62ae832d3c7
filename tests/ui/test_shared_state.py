"""What processes share at a database server: who may come in, sessions, limits; as far as it goes, as with files."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from commands import run
from fakes import ScriptedEngine
from serving import service_of
from signing import CHEAP, LOCALHOST, PASSWORD, client_of, in_a_loop
from starlette.applications import Starlette
from starlette.testclient import TestClient

from assistant.config import ServeSettings, Settings, UiSettings
from assistant.doctor import CHECKS
from assistant.errors import StateDown
from assistant.store import database
from assistant.workspace import StateServer, Workspace
from bench.postgres import Postgres, empty
from ui.access import guard
from ui.api.bearer_tokens import TokenFile, Tokens
from ui.api.endpoints import create_app
from ui.people import People, named_people
from ui.requests import Guesses, Hosts, rate_limit
from ui.rights import Access, RightsFile
from ui.shared import KeptText, SharedSessions
from ui.signin import Sessions
from ui.uploads import Arrivals

HTML = {"accept": "text/html"}


@pytest.fixture
def server(postgres: Postgres) -> Iterator[StateServer]:
    with empty(postgres) as one:
        yield one


def people_at(server: StateServer, folder: Path) -> People:
    """As a process sees them whose workspace is ``folder``."""
    return People(folder / "users.json", CHEAP, server)


def app_at(server: StateServer, people: People, **settings: int) -> Starlette:
    """A page behind the gate, as one of several processes has it."""
    from fastapi import FastAPI

    app = FastAPI()
    app.add_api_route("/page", lambda: "in")
    guard(app, UiSettings.model_validate(settings), people, Arrivals(), state=server)
    return app


def sign_in(client: TestClient, name: str, password: str = PASSWORD) -> int:
    form = {"name": name, "password": password, "next": "/page"}
    return client.post("/sign-in", data=form, headers={"origin": LOCALHOST}).status_code


def test_a_text_is_changed_by_one_at_a_time(tmp_path: Path, state: StateServer | None) -> None:
    def count(text: KeptText) -> None:
        with text.changing() as write:
            write(str(int(text.content() or b"0") + 1))

    text = KeptText(tmp_path / "workspace" / "users.json", state)
    assert text.stamp() is None and text.content() is None
    count(text)
    before = text.stamp()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(count, [KeptText(tmp_path / "workspace" / "users.json", state) for _ in range(12)]))
    assert text.content() == b"13" and text.stamp() != before
    with pytest.raises(ZeroDivisionError), text.changing():
        raise ZeroDivisionError
    assert text.content() == b"13"
    assert KeptText(tmp_path / "workspace" / "rights.json", state).content() is None


def test_people_rights_and_tokens_are_changed_for_all(tmp_path: Path, state: StateServer | None) -> None:
    here, there = (Workspace(tmp_path / (name if state else "one"), state=state) for name in ("one", "two"))
    one, other = (People(space.root / "users.json", CHEAP, state) for space in (here, there))
    one.add("ana", "expert", PASSWORD, ["claims"])
    assert other.verified("ana", PASSWORD) and other.groups() == ["claims"]
    other.set_role("ana", "editor")
    user = one.user("ana")
    assert user and user.role == "editor"
    RightsFile(here).set("corpus", "cars", Access(("ana",)))
    seen = RightsFile(there)
    assert seen.rights().may_read(user, "corpus", "cars") and seen.rights().entries == RightsFile(here).read().entries
    token = TokenFile(here).create("crm", "answer")
    tokens = Tokens(named=TokenFile(there))
    caller = tokens.caller_of(f"Bearer {token}".encode())
    assert caller and caller.name == "token:crm" and not tokens.is_open
    TokenFile(here).revoke("crm")
    assert tokens.caller_of(f"Bearer {token}".encode()) is None and not tokens.is_open
    one.remove("ana")
    assert other.user("ana") is None
    assert (tmp_path / "one" / "users.json").exists() == (state is None)


def test_commands_say_who_may_come_in_at_the_server(
    server: StateServer, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--workspace", str(workspace.root), "--set", f"state.url={server.url}"]
    status, out, _ = run(capsys, "users", "add", "ana", "--no-password", *place)
    assert status == 0 and f"users.json at {server.url}" in out
    assert named_people(Workspace(workspace.root, state=server), UiSettings()).user("ana")
    assert run(capsys, "rights", "set", "corpus", "cars", "--reader", "ana", *place)[0] == 0
    assert run(capsys, "rights", "show", *place)[1].startswith("corpus cars: ")
    assert not list(workspace.root.glob("*.json")) and not list(workspace.root.glob("users*"))


@pytest.fixture(params=["memory", "server"])
def sessions(request: pytest.FixtureRequest) -> Sessions | SharedSessions:
    return Sessions(10) if request.param == "memory" else SharedSessions(request.getfixturevalue("server"), 10)


def test_a_session_ends_with_its_stamp_its_hours_or_when_it_is_ended(sessions: Sessions | SharedSessions) -> None:
    first, second, third, over = (sessions.begin("ana", "one", *more) for more in ((), (1.0, "id"), (), (-1.0,)))
    assert sessions.name_of(first, lambda _: "one") == sessions.name_of(second, {"ana": "one"}.__getitem__) == "ana"
    assert sessions.name_of(over, lambda _: "one") is None and sessions.name_of("made up", lambda _: "one") is None
    assert sessions.end(second) == "id" and sessions.end(second) is None and sessions.end(first) is None
    assert sessions.name_of(third, lambda _: "another password") is None
    assert sessions.name_of(third, lambda _: "one") is None, "it does not come back"


def test_a_session_at_the_server_ends_when_nobody_uses_it(server: StateServer) -> None:
    sessions = SharedSessions(server, 10)
    token, other = sessions.begin("ana", "one"), sessions.begin("ben", "one")
    with database.Database(Path("sessions"), (), server).opened() as rows:
        rows.execute("UPDATE sessions SET used_at = used_at - CASE name WHEN 'ana' THEN 590 ELSE 610 END")
    assert sessions.name_of(token, lambda _: "one") == "ana" and sessions.name_of(other, lambda _: "one") is None
    with database.Database(Path("sessions"), (), server).opened() as rows:
        rows.execute("UPDATE sessions SET used_at = used_at - 590")
    assert sessions.name_of(token, lambda _: "one") == "ana", "use prolongs it"


def test_who_signs_in_at_one_process_is_known_at_the_other_until_they_sign_out(
    server: StateServer, tmp_path: Path
) -> None:
    one, other = (people_at(server, tmp_path / name) for name in ("one", "two"))
    one.add("ana", "expert", PASSWORD)
    apps = [in_a_loop(partial(app_at, server, people)) for people in (one, other)]
    with client_of(apps[0]) as here, client_of(apps[1]) as there:
        assert there.get("/page").status_code == 401
        assert sign_in(here, "ana") == 303 and here.get("/page").status_code == 200
        there.cookies.update(dict(here.cookies))
        assert there.get("/page").status_code == 200
        there.post("/sign-out", headers={"origin": LOCALHOST})
        assert here.get("/page").status_code == 401
        assert sign_in(here, "ana") == 303 and here.get("/page").status_code == 200
        other.set_password("ana", "another long password")
        assert here.get("/page").status_code == 401


def test_guesses_are_counted_together(server: StateServer, tmp_path: Path) -> None:
    people = people_at(server, tmp_path)
    people.add("ana", "expert", PASSWORD)
    apps = [in_a_loop(partial(app_at, server, people, sign_ins_per_minute=4)) for _ in range(2)]
    with client_of(apps[0]) as here, client_of(apps[1]) as there:
        assert [sign_in(client, "ana", "wrong password") for client in (here, there) * 3] == [401] * 4 + [429] * 2


@pytest.mark.parametrize("is_shared", [False, True])
def test_a_limit_lets_so_many_in_and_then_one_after_the_other(is_shared: bool, request: pytest.FixtureRequest) -> None:
    state = request.getfixturevalue("server") if is_shared else None
    limit = rate_limit("requests", 5, 3600, state=state)
    assert [limit.wait("ana") for _ in range(5)] == [0] * 5
    assert 700 < limit.wait("ana") <= 720 and 700 < limit.wait("ana") <= 720 and limit.wait("ben") == 0
    limit.give_back("ana")
    assert limit.wait("ana") == 0 and limit.wait("ana") > 0
    assert rate_limit("others", 1, 3600, state=state).wait("ana") == 0
    assert not any(rate_limit("none", 0, state=state).wait("ana") for _ in range(10))


def test_a_limit_is_one_for_all_processes_however_many_ask_at_once(server: StateServer) -> None:
    limits = [rate_limit("requests", 20, 3600, state=server) for _ in range(4)]
    with ThreadPoolExecutor(8) as threads:
        waits = list(threads.map(lambda number: limits[number % 4].wait("ana"), range(100)))
    assert waits.count(0) == 20
    guesses = Guesses("tokens", 2, state=server)
    assert [guesses.wait("", "10.0.0.1") > 0 for _ in range(3)] == [False, False, True]


def test_without_the_server_a_clear_503_says_when_to_ask_again(
    server: StateServer, postgres: Postgres, tmp_path: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = people_at(server, tmp_path)
    people.add("ana", "expert", PASSWORD)
    service = service_of(Workspace(workspace.root, state=server), ScriptedEngine(""))
    named = TokenFile(service.workspace)
    token = {"authorization": f"Bearer {named.create('crm', 'answer')}"}
    api = create_app(service, Tokens(named=named), Hosts("serve", ServeSettings()))
    app = in_a_loop(partial(app_at, server, people))
    with client_of(app) as page, TestClient(api, base_url="http://localhost:8000") as programs:
        assert sign_in(page, "ana") == 303 and programs.get("/v1/models", headers=token).status_code == 200
        monkeypatch.setattr(database, "_PATIENCE", 0.3)
        postgres.stop("immediate")
        try:
            for answer in (page.get("/page"), programs.get("/v1/models", headers=token)):
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
                assert "cannot be used" in answer.text
            with pytest.raises(StateDown):
                people.accounts()
        finally:
            postgres.start()
        assert page.get("/page").status_code == 200 and programs.get("/v1/models", headers=token).status_code == 200


def test_doctor_and_backup_say_where_people_are(
    server: StateServer,
    workspace: Workspace,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ASSISTANT_STATE__URL", server.url)
    (found,) = CHECKS["state"](Workspace(workspace.root, state=server), Settings())
    assert found.severity == "ok" and found.message.startswith("PostgreSQL 1") and server.url in found.message
    assert not list(CHECKS["state"](workspace, Settings()))
    workspace.root.mkdir()
    status, _, told = run(capsys, "backup", str(tmp_path / "out.tar.gz"), "--workspace", str(workspace.root))
    assert status == 0 and f"pg_dump '{server.url}'" in told
    assert not list(workspace.root.glob("*.sqlite")), "nor does the audit log make a file"
