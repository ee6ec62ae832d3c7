"""What servers write: a line a request with its id, no word of what was asked, and none that a stranger has begun."""

import contextvars
import io
import json
import logging
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr
import pytest
from apps import app_context
from fakes import ScriptedEngine
from hypothesis import given
from hypothesis import strategies as st
from serving import ANSWER, QUESTION, LoadedEngine, get, post, running, service_of
from signing import client_of, make_people, sign_in, small_app
from starlette.testclient import TestClient

from assistant.config import LogSettings
from assistant.service import Query, ServedModel
from assistant.workspace import Workspace
from ui.logs import LogFormatter, RequestLog

CHAT = {"model": "cars", "messages": [{"role": "user", "content": QUESTION}]}
HEAD = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (?:debug|info|warning|error) ")
# What an attacker would have to write for a line of their own.
FORGED = "x\n2026-01-01T00:00:00.000Z error   all was lost\r\u2028\x1b[2J\x85"


class FailingEngine(LoadedEngine):
    """Tells in its error what it was asked."""

    def stream(self, messages: Any, *_: Any, **__: Any) -> Generator[str, None, bool]:
        yield from ()
        raise RuntimeError(f"{messages[-1].content} {FORGED}")


@contextmanager
def logged(**settings: Any) -> Iterator[io.StringIO]:
    """What is written while the block runs, from ``info`` on."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(LogFormatter(LogSettings(**settings)))
    loggers = [logging.getLogger(name) for name in ("assistant", "ui", "uvicorn")]
    before = [logger.level for logger in loggers]
    logging.getLogger().addHandler(handler)
    for logger in loggers:
        logger.setLevel("INFO")
    try:
        yield written
    finally:
        logging.getLogger().removeHandler(handler)
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def test_a_request_has_one_line_and_an_id_that_all_it_causes_bears(served: Workspace) -> None:
    with logged(format="json") as written, running(service_of(served, ScriptedEngine(ANSWER))) as url:
        reply = post(f"{url}/v1/chat/completions", json=CHAT, headers={"X-Request-ID": "mine-1"})
        others = [
            get(f"{url}/v1/models"),
            *(get(f"{url}/v1/models", headers={"X-Request-ID": forged}) for forged in ("a b", "x" * 65, '"}{"')),
            get(f"{url}/nowhere"),
            get(f"{url}/v1/models", headers={"host": "evil.example"}),
        ]
    assert reply.headers.get_list("x-request-id") == ["mine-1"]
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    answered, over = (line for line in lines if line.get("request") == "mine-1")
    assert answered["outcome"] in {"answered", "quoted"}
    assert answered["corpus"] == "cars" and "question" not in answered
    assert over["message"] == "POST /v1/chat/completions 200" and over["client"] == "127.0.0.1"
    assert over["seconds"] >= 0 and over["level"] == "info" and over["time"].endswith("Z")
    for other in others:
        (line,) = (one for one in lines if one.get("request") == other.headers["x-request-id"])
        assert line["message"].endswith(f" {other.status_code}")
    assert len({other.headers["x-request-id"] for other in others}) == len(others)


@pytest.mark.parametrize("format_", ["text", "json"])
def test_nothing_that_was_asked_or_answered_is_written_unless_it_is_asked_for(served: Workspace, format_: str) -> None:
    for engine in (ScriptedEngine(ANSWER), FailingEngine(ANSWER)):
        for contents in (False, True):
            with logged(format=format_, contents=contents) as written, running(service_of(served, engine)) as url:
                post(f"{url}/v1/chat/completions", json=CHAT)
                post(f"{url}/v1/chat/completions", json={**CHAT, "stream": True})
                post(f"{url}/v1/search", json={"question": QUESTION, "corpus": "cars"})
                get(f"{url}/v1/models?question=deductible")
            said = [word for word in ("deductible", "hail damage", "150 euros") if word in written.getvalue()]
            assert bool(said) == contents, written.getvalue()
            assert format_ == "text" or all(map(json.loads, written.getvalue().splitlines()))


@given(st.text(max_size=40).map(lambda text: f"{text}\n{FORGED}"), st.sampled_from(["text", "json"]))
def test_whatever_strangers_send_a_record_is_one_line(text: str, format_: Any) -> None:
    formatter = LogFormatter(LogSettings(format=format_, contents=True))
    try:
        raise ValueError(text)
    except ValueError as error:
        record = logging.LogRecord("ui", logging.ERROR, "", 1, text, None, (type(error), error, error.__traceback__))
    record.fields, record.contents = {"user": text}, {"question": text}
    lines = formatter.format(record).split("\n")
    assert "".join(lines).isprintable()
    if format_ == "json":
        assert len(lines) == 1 and json.loads(lines[0])["question"] == text == json.loads(lines[0])["message"]
    else:
        assert HEAD.match(lines[0]) and all(line.startswith("    | ") for line in lines[1:])
        assert any("ValueError" in line for line in lines)


def test_a_path_cannot_begin_a_line_nor_tell_a_page_or_file(workspace: Workspace) -> None:
    people = make_people(workspace.root, ana="expert")
    with logged() as written, client_of(RequestLog(small_app(workspace, people))) as ana:  # type: ignore[arg-type]
        assert ana.get("/en/gradio_api/heartbeat/s3ss10n").status_code == 401
        sign_in(ana, "ana")
        for path in ("/a%0a2026-01-01T00:00:00.000Z%20error", "/en/"):
            assert "x-request-id" in ana.get(path).headers
        ana.get("/en/gradio_api/file=/srv/salaries.pdf")
        ana.get("/en/?question=secret")
    lines = written.getvalue().splitlines()
    assert all(HEAD.match(line) for line in lines)
    assert not re.search("s3ss10n|salaries|secret", written.getvalue())
    assert [line for line in lines if "/en/ 200" in line and "user=ana" in line and "request=" in line]


def test_what_a_page_asks_through_the_queue_of_gradio_has_the_id_of_its_call(served: Workspace) -> None:
    context = app_context(served, ScriptedEngine(ANSWER))
    call = gr.Request(username="local", session_hash="s", headers={"x-request-id": "call-7"})

    def ask() -> None:
        context.who(call)
        context.service.ask(Query(ServedModel("cars"), QUESTION))

    with logged(format="json") as written:
        contextvars.copy_context().run(ask)
    assert json.loads(written.getvalue())["request"] == "call-7"


def test_routine_is_not_told_and_a_failure_is() -> None:
    async def app(scope: Any, _receive: Any, send: Any) -> None:
        if scope["path"] == "/breaks":
            raise ValueError("secret")
        await send({"type": "http.response.start", "status": 503 if scope["path"] == "/ready" else 200, "headers": []})
        await send({"type": "http.response.body"})

    client = TestClient(RequestLog(app), raise_server_exceptions=False)
    with logged() as written:
        for path in ("/health", "/en/gradio_api/queue/data", "/assets/app.js", "/ready", "/breaks"):
            client.get(path)
    told = [line.split(" ")[1:] for line in written.getvalue().splitlines()]
    assert [(line[0], *[word for word in line if word.startswith("/")]) for line in told] == [
        ("warning", "/ready"), ("warning", "/breaks"),
    ]  # fmt: skip
