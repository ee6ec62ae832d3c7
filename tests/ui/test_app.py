"""The app's own addresses, the line of questions, and what refuses to start."""

import asyncio
import gc
import signal
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from apps import app_context
from browser import serving
from fastapi import FastAPI
from serving import ANSWER, QUESTION, EchoEngine, LoadedEngine, SlowEngine
from signing import LOCALHOST, client_of, make_people, sign_in
from starlette.testclient import TestClient
from working import ended, run_instead

from assistant.cli import main
from assistant.config import Origin, Settings
from assistant.errors import UsageError
from assistant.service import Query, ServedModel
from assistant.types import Answer
from assistant.workspace import Workspace
from bench.ui_load import Person, load, read_page
from ui.answering import AnswerQueue, Event, Waiting
from ui.api.bearer_tokens import TokenFile, Tokens
from ui.api.protocol import RequestRefused
from ui.app import create_app, listening_socket
from ui.export import add_export_route
from ui.people import People
from ui.server import address_of

LOCAL = "http://127.0.0.1"


def asked(question: str = QUESTION, corpus: str = "cars") -> Query:
    return Query(ServedModel(corpus), question)


async def heard(
    answering: AnswerQueue, question: Query, stop: threading.Event | None = None, events: list[Event] | None = None
) -> list[Event]:
    """All that happens; in ``events`` it can be read while it does."""
    events = [] if events is None else events
    async for some in answering.together([question], stop or threading.Event()):
        events += [what for _, what in some]
    return events


async def told(events: list[Event], what: Event) -> None:
    async with asyncio.timeout(60):
        while what not in events:
            await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def client(served: Workspace) -> TestClient:
    app = create_app(app_context(served, LoadedEngine(ANSWER)), Tokens())
    return TestClient(app, base_url=LOCAL, follow_redirects=False)


@pytest.mark.parametrize(("header", "language"), [("de", "de"), ("it", "en"), ("", "en")])
def test_the_start_leads_to_the_language_of_the_browser(client: TestClient, header: str, language: str) -> None:
    assert client.get("/", headers={"accept-language": header}).headers["location"] == f"/{language}/"


@pytest.mark.parametrize("name", ["app.css", "app.js", "icon.svg"])
def test_our_own_files_are_served(client: TestClient, name: str) -> None:
    assert client.get(f"/assets/{name}").status_code == 200


@pytest.mark.parametrize("name", ["..%2fapp.py", "%2e%2e/app.py", "app.py", ".", "", "app.css%00", "%2fetc%2fpasswd"])
def test_no_other_file_is_served(client: TestClient, name: str) -> None:
    assert client.get(f"/assets/{name}").status_code == 404


@pytest.mark.parametrize("number", ["0", "7", "-1", "x", "99999999999999999999"])
def test_only_conversations_of_the_one_who_asks_are_saved(client: TestClient, number: str) -> None:
    assert client.get(f"/conversations/{number}/export.md").status_code in {404, 422}


def test_a_page_that_is_opened_costs_little_memory(served: Workspace) -> None:
    app, person = create_app(app_context(served, LoadedEngine(ANSWER))), Person("ana")
    with serving(app) as address, httpx.Client(base_url=address, timeout=60) as client:
        page = read_page(client.get("/en/config").json())
        load(client, page, "first", person)
        tracemalloc.start()
        for number in range(10):
            load(client, page, f"visit-{number}", person)
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert not person.errors and kept < 10 * 150_000


def test_nothing_is_saved_for_nobody(served: Workspace) -> None:
    app = FastAPI()
    add_export_route(app, app_context(served, LoadedEngine(ANSWER)))
    assert TestClient(app).get("/conversations/1/export.md").status_code == 401


def test_the_api_answers_in_the_same_process(client: TestClient) -> None:
    body = {"model": "cars", "messages": [{"role": "user", "content": QUESTION}]}
    reply = client.post("/api/v1/chat/completions", json=body)
    assert "150 euros" in reply.json()["choices"][0]["message"]["content"]


def test_where_people_sign_in_programs_need_a_token_and_nothing_else(served: Workspace, tmp_path: Path) -> None:
    """One app for what else is true of it: people are offered the provider, and wrong tokens have one end."""
    make_people(tmp_path, ana="admin")
    named = TokenFile(Workspace(tmp_path))
    ui = {"users_file": str(tmp_path / "users.json"), "public_url": LOCALHOST}
    oidc = {"issuer": "http://127.0.0.1:1", "client_id": "assistant"}  # where nobody listens
    context = app_context(served, LoadedEngine(ANSWER), {"ui": ui, "oidc": oidc})
    app = create_app(context, Tokens(named=named))
    ana, program = client_of(app), client_of(app)
    assert "Sign in with 127.0.0.1:1" in ana.get("/sign-in").text
    answer = ana.get("/sign-in/openid")
    assert answer.status_code == 503 and "127.0.0.1:1 cannot be reached just now" in answer.text
    sign_in(ana, "ana")
    assert [one.get("/api/v1/models").status_code for one in (ana, program)] == [401, 401]
    headers = {"Authorization": f"Bearer {named.create('crm', 'search', ('cars',))}"}
    assert [model["id"] for model in program.get("/api/v1/models", headers=headers).json()["data"]] == ["cars"]
    assert program.get("/en/", headers=headers).status_code in {303, 401}, "a token opens no page"
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    headers["Accept"] = "application/json"
    assert "search" in program.post("/api/mcp", json=asked, headers=headers).text
    wrong = {"Authorization": "Bearer wrong"}
    assert {program.get("/metrics", headers=wrong).status_code for _ in range(21)} == {401, 429}
    assert program.get("/api/v1/models", headers=wrong).status_code == 429
    assert program.get("/api/v1/models", headers=headers).status_code == 200


@pytest.mark.slow
def test_without_the_api_its_address_is_not_there(served: Workspace) -> None:
    client = TestClient(create_app(app_context(served, LoadedEngine(ANSWER))), base_url=LOCAL)
    assert client.get("/api/v1/models").status_code == 404


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_others_are_not_let_in_where_nobody_signs_in(served: Workspace, host: str) -> None:
    open_to_all = app_context(served, LoadedEngine(ANSWER), {"ui": {"host": host, "port": 0}})
    with pytest.raises(UsageError, match="without signing in"):
        listening_socket(open_to_all)


def test_others_are_let_in_where_people_sign_in(served: Workspace, tmp_path: Path) -> None:
    users = tmp_path / "users.json"
    People(users).add("ana", "expert", "correct horse battery")
    changes = {"ui": {"host": "0.0.0.0", "port": 0, "users_file": str(users)}}
    with closing(listening_socket(app_context(served, LoadedEngine(ANSWER), changes))) as listening:
        assert address_of(listening).startswith(f"http://{socket.gethostname()}:"), "others cannot go to 0.0.0.0"


@pytest.mark.slow
def test_what_another_version_has_read_is_read_anew_in_turn_after_a_start(
    served: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_instead(monkeypatch, "import time; time.sleep(.2)")
    monkeypatch.setattr("ui.app._WAITING_SECONDS", 0.01)
    context = app_context(served, LoadedEngine(ANSWER))
    with TestClient(create_app(context), base_url=LOCAL):
        assert context.jobs.newest("ingest") is None
    monkeypatch.setattr("assistant.store.index.READERS", "6.4")
    with TestClient(create_app(context), base_url=LOCAL):
        since = time.monotonic()
        while len(context.jobs.all("ingest")) < 2:
            assert time.monotonic() - since < 300
            time.sleep(0.01)
        ended(context)
    started = sorted(context.jobs.all("ingest"), key=lambda one: one.job.created)
    assert [one.job.arguments[2:] for one in started] == [("--corpus=cars",), ("--corpus=pets",)]
    assert {one.state for one in started} == {"done"}


def test_questions_get_their_own_answers_in_turn(served: Workspace) -> None:
    answering = AnswerQueue(app_context(served, EchoEngine()).service)

    async def all_at_once() -> list[list[Event]]:
        questions = [asked(QUESTION, "cars"), asked("Are dogs insured?", "pets")] * 4
        return await asyncio.gather(*(heard(answering, one) for one in questions))

    for number, events in enumerate(asyncio.run(all_at_once())):
        answer = events[-1]
        assert isinstance(answer, Answer)
        assert ("ail" in answer.text, "og" in answer.text) == ((True, False) if number % 2 == 0 else (False, True))
    answering.close()


def test_who_waits_is_told_the_place_and_who_comes_too_late_is_told_that(served: Workspace) -> None:
    engine = SlowEngine(ANSWER)
    context = app_context(served, engine, {"engine": {"parallel": 1}, "ui": {"queue": 2}, "answer": {"caution": 0}})
    answering = context.answering

    async def three() -> list[list[Event]]:
        first = asyncio.create_task(heard(answering, asked()))
        await asyncio.to_thread(engine.begun.acquire)
        seen: tuple[list[Event], ...] = ([], [])
        others = [asyncio.create_task(heard(answering, asked(), events=events)) for events in seen]
        for place, events in enumerate(seen, 1):
            await told(events, Waiting(place))
        with pytest.raises(RequestRefused):
            await heard(answering, asked())
        engine.may_go_on.release(100)
        return await asyncio.gather(first, *others)

    first, second, third = asyncio.run(three())
    assert not any(isinstance(one, Waiting) for one in first)
    for place, events in ((1, second), (2, third)):
        assert events[0] == Waiting(place) and isinstance(events[-1], Answer)
    answering.close()


def test_who_gives_up_leaves_the_line(served: Workspace) -> None:
    engine = SlowEngine(ANSWER)
    context = app_context(served, engine, {"engine": {"parallel": 1}, "ui": {"queue": 1}, "answer": {"caution": 0}})
    answering = context.answering

    async def given_up() -> list[Event]:
        first = asyncio.create_task(heard(answering, asked()))
        await asyncio.to_thread(engine.begun.acquire)
        for _ in range(2):
            stop = threading.Event()
            events: list[Event] = []
            second = asyncio.create_task(heard(answering, asked(), stop, events))
            await told(events, Waiting(1))
            with pytest.raises(RequestRefused):
                await heard(answering, asked())
            stop.set()
            await second
        events = []
        last = asyncio.create_task(heard(answering, asked(), events=events))
        await told(events, Waiting(1))
        engine.may_go_on.release(100)
        await first
        return await last

    assert [event for event in asyncio.run(given_up()) if isinstance(event, Waiting)] == [Waiting(1)]
    answering.close()


def test_a_stop_ends_the_model(served: Workspace) -> None:
    engine = SlowEngine(ANSWER)
    answering = app_context(served, engine, {"answer": {"caution": 0}}).answering

    async def stopped() -> list[Event]:
        stop = threading.Event()
        task = asyncio.create_task(heard(answering, asked(), stop))
        await asyncio.to_thread(engine.begun.acquire)
        stop.set()
        events = await asyncio.wait_for(task, 60)
        engine.may_go_on.release(100)
        return events

    assert not any(isinstance(event, Answer) for event in asyncio.run(stopped()))
    assert engine.closed.wait(60) and engine.pieces_given < 5
    answering.close()


@pytest.mark.slow
def test_the_settings_of_the_command_line_are_told_as_its_own(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def seen(_workspace: Workspace, settings: Settings, origins: tuple[Origin, ...], _service: object) -> None:
        given = [origin.key for origin in origins if origin.source == "command line"]
        raise UsageError(f"{settings.retrieval.k} {settings.ui.port} {given}")

    monkeypatch.setattr("ui.context.make_context", seen)
    with pytest.raises(SystemExit):
        main(["ui", "--set", "retrieval.k=7", "--port", "0", "--workspace", str(workspace.root)])
    assert "7 0 ['retrieval.k', 'ui.port']" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_says_where_the_app_is_and_ends_on_request(served: Workspace) -> None:
    command = [sys.executable, "-m", "assistant", "ui", "--port", "0", "--api", "--workspace", str(served.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        watchdog = threading.Timer(300, process.kill)
        watchdog.start()
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("The app is open: http://127.0.0.1:"), line
            address = line.split()[4]
            assert httpx.get(f"{address}/en/", timeout=60).status_code == 200
            assert httpx.get(f"{address}/api/v1/models", timeout=60).status_code == 200
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
        finally:
            watchdog.cancel()
            process.kill()
