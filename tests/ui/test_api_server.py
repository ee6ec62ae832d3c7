"""Many at once, some of whom go away; an engine that fails; a server that is told to end."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes import ScriptedEngine
from serving import ANSWER, QUESTION, EchoEngine, LoadedEngine, SlowEngine, get, make_corpora, post, running, service_of

from assistant.errors import ModelError
from assistant.service import ServedModel
from assistant.workspace import Workspace

CHAT = {"model": "cars", "messages": [{"role": "user", "content": QUESTION}]}
CITIES = ("Aachen", "Bremen", "Dresden", "Erfurt", "Halle", "Jena", "Kiel", "Mainz")


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def connected(url: str) -> socket.socket:
    place = httpx.URL(url)
    return socket.create_connection((place.host, place.port))


def test_eight_at_once_get_their_own_answers(workspace: Workspace, tmp_path: Path) -> None:
    facts = {
        city: f"The office in {city} opens at {number + 1} o'clock and closes at noon"
        for number, city in enumerate(CITIES)
    }
    make_corpora(workspace, tmp_path, {"offices": {f"{city}.md": f"{fact}." for city, fact in facts.items()}})
    with (
        running(service_of(workspace, EchoEngine(), {"serve": {"requests_per_minute": 0}})) as url,
        httpx.Client() as client,
    ):

        def ask(city: str) -> tuple[str, str]:
            question = {"role": "user", "content": f"When does the office in {city} open?"}
            reply = client.post(
                f"{url}/v1/chat/completions", json={"model": "offices", "messages": [question]}, timeout=60
            )
            assert reply.status_code == 200, reply.text
            return city, reply.json()["choices"][0]["message"]["content"]

        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(ask, CITIES * 5))
    assert len(answers) == 40
    for city, text in answers:
        assert text.startswith(facts[city]), (city, text)


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_away_frees_its_place(served: Workspace, stream: bool) -> None:
    engine = SlowEngine("word " * 2000)
    service = service_of(served, engine, {"engine": {"parallel": 1}})
    with running(service) as url:
        body = json.dumps({**CHAT, "stream": stream}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        with connected(url) as client:
            client.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + body)
            assert engine.begun.acquire(timeout=60) and not engine.closed.is_set()
        while not engine.closed.wait(0.05):  # a model goes on until the server has heard that no one listens
            engine.may_go_on.release()
        assert engine.pieces_given < 2000, "the engine answered no one to the end"
        engine.may_go_on.release(10_000)
        assert post(f"{url}/v1/chat/completions", json=CHAT).status_code == 200
        wait_until(lambda: "assistant_running 0.0" in get(f"{url}/metrics").text)


def test_a_full_queue_says_when_to_come_back(served: Workspace) -> None:
    engine = SlowEngine(ANSWER)
    service = service_of(served, engine, {"engine": {"parallel": 1}, "serve": {"queue": 1}})
    with running(service) as url, ThreadPoolExecutor(2) as threads:

        def ask() -> int:
            return post(f"{url}/v1/chat/completions", json=CHAT).status_code

        def gauges() -> str:
            return get(f"{url}/metrics").text

        waiting = [threads.submit(ask) for _ in range(2)]
        wait_until(lambda: "assistant_waiting 1.0" in gauges() and "assistant_running 1.0" in gauges())
        refused = post(f"{url}/v1/chat/completions", json=CHAT)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")
        assert int(refused.headers["Retry-After"]) >= 1
        found = post(f"{url}/v1/search", json={"question": QUESTION, "corpus": "cars"})
        assert found.status_code == 200, "a search waits for no answer"
        engine.may_go_on.release(1000)
        assert [one.result() for one in waiting] == [200, 200]


class FailingEngine(LoadedEngine):
    """Fails at the first question, after one word."""

    def __init__(self, failure: Exception) -> None:
        super().__init__(ANSWER)
        self.failures = [failure]

    def stream(self, *arguments: Any, **named: Any) -> Generator[str, None, bool]:
        yield "The "
        if self.failures:
            raise self.failures.pop()
        return (yield from super().stream(*arguments, **named))


@pytest.mark.parametrize("failure", [ModelError("Out of memory.", "Ask less."), RuntimeError("secret /etc/passwd")])
def test_an_engine_that_fails_is_told_of_and_the_next_question_is_answered(
    served: Workspace, failure: Exception
) -> None:
    with running(service_of(served, FailingEngine(failure))) as url:
        events = post(f"{url}/v1/chat/completions", json={**CHAT, "stream": True}).text.split("\n\n")
        error = json.loads(events[-2].removeprefix("data: "))["error"]
        assert error["type"] == "server_error" and "secret" not in str(events)
        assert post(f"{url}/v1/chat/completions", json=CHAT).status_code == 200
    assert "Traceback" not in str(events)


def test_questions_wait_for_the_models_and_health_says_so(served: Workspace) -> None:
    may_load = threading.Event()

    class LoadingEngine(LoadedEngine):
        def complete(self, *_: Any, **__: Any) -> list[str]:
            may_load.wait(60)
            return [""]

    with running(service_of(served, LoadingEngine(ANSWER))) as url:
        health = get(f"{url}/health")
        assert (health.status_code, health.json()["status"]) == (503, "loading")
        may_load.set()
        wait_until(lambda: get(f"{url}/health").status_code == 200)


def test_a_model_that_cannot_be_loaded_is_told(served: Workspace) -> None:
    class MissingEngine(LoadedEngine):
        def complete(self, *_: Any, **__: Any) -> list[str]:
            raise ModelError("The model is missing.", "Check engine.model.")

    with running(service_of(served, MissingEngine(ANSWER))) as url:
        wait_until(lambda: get(f"{url}/health").json()["status"] == "failed")
        assert "log" in get(f"{url}/health").json()["reason"]


def test_a_server_of_models_that_comes_up_later_is_noticed(served: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.api.endpoints._SECONDS_BETWEEN_LOADS", 0.1)
    is_up = threading.Event()

    class LateEngine(LoadedEngine):
        def complete(self, *_: Any, **__: Any) -> list[str]:
            if not is_up.is_set():
                raise ModelError("Nobody answers.", "Start the server.")
            return [""]

    engine = {"url": "http://127.0.0.1:9/v1", "model": "house"}
    with running(service_of(served, LateEngine(ANSWER), {"engine": engine})) as url:
        wait_until(lambda: get(f"{url}/health").json()["status"] == "failed")
        is_up.set()
        wait_until(lambda: get(f"{url}/health").json()["status"] == "ready")


def test_a_corpus_with_an_adapter_can_be_named_where_it_is_the_only_one(workspace: Workspace, tmp_path: Path) -> None:
    make_corpora(workspace, tmp_path, {"cars": {"hail.md": "Hail damage costs 150 euros."}})
    alone = service_of(workspace, EchoEngine())
    assert alone.model("cars/base") == alone.model("base") == alone.model("cars")
    served = service_of(workspace, EchoEngine(), {"engine": {"url": "http://127.0.0.1:9/v1", "model": "house"}})
    assert served.model("cars/house") == served.model("house") == ServedModel("cars", "house")


def test_a_corpus_that_is_made_anew_or_taken_away_is_noticed(workspace: Workspace, tmp_path: Path) -> None:
    make_corpora(workspace, tmp_path / "one", {"cars": {"hail.md": "Hail damage costs 150 euros."}})
    make_corpora(workspace, tmp_path / "one", {"pets": {"pets.md": "Dogs are insured."}})
    with running(service_of(workspace, EchoEngine())) as url:

        def found() -> list[str]:
            reply = post(f"{url}/v1/search", json={"question": "What does hail damage cost?", "corpus": "cars"})
            return [hit["text"] for hit in reply.json().get("hits", [])]

        assert found() == ["Hail damage costs 150 euros."]
        for file in workspace.corpus("cars").iterdir():
            file.unlink()
        assert found() == []
        make_corpora(workspace, tmp_path / "two", {"cars": {"hail.md": "Hail damage costs 300 euros."}})
        assert found() == ["Hail damage costs 300 euros."]


SERVER = """
import sys, threading
from pathlib import Path
sys.path.insert(0, "tests")
from serving import ANSWER, SlowEngine, service_of
from assistant.config import ServeSettings
from assistant.workspace import Workspace
from ui.api.bearer_tokens import Tokens
from ui.api.endpoints import listening_socket, make_server
from ui.server import address_of

engine = SlowEngine(ANSWER + " It hails a lot. It hails today.")

def go_on():
    for line in sys.stdin:
        engine.may_go_on.release(int(line))

threading.Thread(target=go_on, daemon=True).start()
listening = listening_socket(ServeSettings(port=0), Tokens())
server = make_server(
    service_of(Workspace(Path(sys.argv[1])), engine), Tokens(), lambda: print(address_of(listening), flush=True)
)
server.run([listening])
"""


def test_a_server_that_is_told_to_end_lets_running_answers_end(served: Workspace) -> None:
    command = [sys.executable, "-c", SERVER, str(served.root)]
    folder, pipe = Path(__file__).parent.parent.parent, subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=folder) as process:
        assert process.stdin and process.stdout
        url = process.stdout.readline().strip()
        print(6, file=process.stdin, flush=True)  # words that the engine may say
        with httpx.stream("POST", f"{url}/v1/chat/completions", json={**CHAT, "stream": True}, timeout=60) as reply:
            lines = reply.iter_lines()
            assert next(lines).startswith("data:")
            process.send_signal(signal.SIGTERM)
            wait_until(lambda: refuses(url))
            print(1000, file=process.stdin, flush=True)
            rest = list(lines)
        assert "data: [DONE]" in rest
        assert process.wait(60) in (0, -signal.SIGTERM)


def refuses(url: str) -> bool:
    try:
        connected(url).close()
    except ConnectionRefusedError:
        return True
    return False


def test_metrics_count_requests_answers_and_tokens_and_hold_no_question(served: Workspace) -> None:
    with running(service_of(served, ScriptedEngine(ANSWER))) as url:
        post(f"{url}/v1/chat/completions", json=CHAT)
        post(f"{url}/v1/chat/completions", json={**CHAT, "model": "secret-name"})
        get(f"{url}/a/path/of/a/stranger")
        text = get(f"{url}/metrics").text
    assert 'assistant_requests_total{path="/v1/chat/completions",status="200"} 1.0' in text
    assert 'assistant_requests_total{path="/v1/chat/completions",status="404"} 1.0' in text
    assert 'assistant_requests_total{path="other",status="404"} 1.0' in text
    assert 'assistant_answers_total{outcome="answered"} 1.0' in text
    assert re.search(r'assistant_stage_seconds_count\{stage="retrieve"\} 1.0', text)
    assert re.search(r'assistant_tokens_total\{kind="completion"\} [1-9]', text)
    assert "stranger" not in text and "secret" not in text and "hail" not in text


def test_a_question_of_more_tokens_than_the_model_reads_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    make_corpora(workspace, tmp_path, {"cars": {"hail.md": "Hail is covered."}})
    with running(service_of(workspace, LoadedEngine("Yes.", tokens_a_character=3))) as url:
        asked = {"model": "cars", "messages": [{"role": "user", "content": "漢" * 2000}]}
        reply = post(f"{url}/v1/chat/completions", json=asked)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "context_length_exceeded")
