"""Whether the app answers is told to everyone, its counts to admins alone; none tells what was asked."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from fakes import ScriptedEngine
from fastapi import FastAPI
from serving import ANSWER, QUESTION, get, post, running, service_of
from signing import client_of, make_people, sign_in
from starlette.testclient import TestClient

from assistant.config import UiSettings
from assistant.service import Query, ServedModel, Service
from assistant.workspace import Workspace
from ui.access import guard
from ui.answering import AnswerQueue
from ui.api.bearer_tokens import TokenFile, Tokens
from ui.health import Measured, add_health_routes
from ui.uploads import Arrivals

MAY_SEE = {"ana": True, "eve": False}


@dataclass(frozen=True, slots=True)
class _App:
    client: TestClient
    service: Service
    answering: AnswerQueue
    tokens: TokenFile


@pytest.fixture
def app(served: Workspace, workspace: Workspace) -> Iterator[_App]:
    """The routes behind the gate, without any page."""
    people = make_people(workspace.root, ana="admin", eve="editor")
    service, named = service_of(served, ScriptedEngine(ANSWER)), TokenFile(workspace)
    answering = AnswerQueue(service)
    app = FastAPI()
    add_health_routes(app, service, answering.metrics, Tokens.of((), named))
    guard(app, UiSettings(sign_ins_per_minute=1000), people, Arrivals())
    app.add_middleware(Measured, metrics=answering.metrics, known=("/health",))
    with client_of(app) as client:
        yield _App(client, service, answering, named)
    answering.close()
    service.close()


def test_whoever_asks_is_told_whether_questions_are_answered(app: _App) -> None:
    for readiness, status in (("loading", 503), ("ready", 200), ("failed", 503)):
        app.service._state.readiness = readiness  # type: ignore[assignment]
        for path in ("/health", "/ready"):
            reply = app.client.get(path)
            assert (reply.status_code, reply.json()["status"]) == (status, readiness) and reply.json()["reason"]
        assert app.client.head("/health").status_code == status
    assert app.client.post("/health").status_code in {401, 405}


def test_counts_are_for_admins_and_their_programs(app: _App) -> None:
    assert app.client.get("/metrics").status_code == 401
    token, other = app.tokens.create("prometheus", "admin"), app.tokens.create("crm", "answer")
    for given, status in ((token, 200), (other, 403), (token[:-1], 401), ("", 401)):
        assert app.client.get("/metrics", headers={"Authorization": f"Bearer {given}"}).status_code == status
    for name, may in MAY_SEE.items():
        sign_in(app.client, name)
        assert app.client.get("/metrics").status_code == (200 if may else 403), name
        app.client.cookies.clear()
    told = {app.client.get("/metrics", headers={"Authorization": "Bearer x"}).status_code for _ in range(30)}
    assert told == {401, 429}, "guessing has an end"


def test_answers_and_requests_of_the_page_are_counted_and_nothing_that_was_asked(app: _App) -> None:
    async def ask() -> None:
        async for _ in app.answering.together([Query(ServedModel("cars"), QUESTION)], threading.Event()):
            pass

    asyncio.run(ask())
    app.client.get("/health")
    app.client.get("/sources/secret/5")
    sign_in(app.client, "ana")
    text = app.client.get("/metrics").text
    assert 'assistant_requests_total{path="/health"' in text and 'path="other"' in text
    assert sum(line.startswith("assistant_answers_total{") for line in text.splitlines()) == 1
    assert "secret" not in text and "deductible" not in text


def test_the_api_tells_the_same_at_both_addresses(served: Workspace) -> None:
    with running(service_of(served, ScriptedEngine(ANSWER)), ["secret"]) as url:
        post(
            f"{url}/v1/search",
            json={"question": QUESTION, "corpus": "cars"},
            headers={"Authorization": "Bearer secret"},
        )
        assert get(f"{url}/health").json().keys() == get(f"{url}/ready").json().keys()
        assert get(f"{url}/metrics").status_code == 401
