"""Calls of a page's functions that name files: nothing of the server is copied, and no address is asked."""

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from fastapi import FastAPI
from gradio.block_function import BlockFunction
from signing import client_of, in_a_loop, make_people, sign_in, small_app, upload
from starlette.testclient import TestClient

from assistant.workspace import Workspace
from ui.gradio_calls import read_call, takes_files
from ui.people import People

SECRET = b"the salary of the director"
SAY, DROP = 0, 1
"""The functions of the small app: one takes a text, the other files."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a workspace that holds secrets, a secret beside it, and links to it."""
    place = tmp_path_factory.mktemp("calls")
    for name in ("workspace/users.json", "workspace/conversations.sqlite", "outside.txt"):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_bytes(SECRET)
    arriving = place / "workspace" / "uploads" / ".arriving"
    arriving.mkdir(parents=True)
    (arriving / "link.txt").symlink_to(place / "outside.txt")
    (arriving / "folder").symlink_to(place)
    return place


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    return make_people(tmp_path_factory.mktemp("people"), ana="editor", eve="editor")


@pytest.fixture(scope="module")
def app(place: Path, people: People) -> FastAPI:
    return small_app(Workspace(place / "workspace"), people, sign_ins_per_minute=1000)


@pytest.fixture(scope="module")
def ana(app: FastAPI) -> Iterator[TestClient]:
    with client_of(app) as client:
        sign_in(client, "ana")
        yield client


@pytest.fixture(scope="module")
def eve(app: FastAPI) -> TestClient:
    client = client_of(app)
    sign_in(client, "eve")
    return client


@pytest.fixture(scope="module")
def paths(place: Path, ana: TestClient, eve: TestClient) -> dict[str, str]:
    """What a call of ana may not name, by what it is."""
    (of_ana,) = upload(ana, [("mine.txt", b"mine")]).json()
    (of_eve,) = upload(eve, [("hers.txt", SECRET)]).json()
    workspace, arriving = place / "workspace", place / "workspace" / "uploads" / ".arriving"
    return {
        "mine": of_ana,
        "environment": "/proc/self/environ",
        "users": f"{workspace}/users.json",
        "conversations": f"{workspace}/conversations.sqlite",
        "outside": f"{place}/outside.txt",
        "relative": "pyproject.toml",
        "upwards": f"{arriving}/../../users.json",
        "upwards from an own file": f"{of_ana}/../../../../users.json",
        "own by a detour": f"{arriving}/./{Path(of_ana).relative_to(arriving)}",
        "encoded": f"{arriving}/%2e%2e/%2e%2e/users.json",
        "encoded own": of_ana.replace("mine", "%6dine"),
        "link": f"{arriving}/link.txt",
        "through a link": f"{arriving}/folder/outside.txt",
        "someone else's": of_eve,
        "the folder": str(arriving),
        "file address": f"file://{workspace}/users.json",
        "address": "http://203.0.113.9:9/a.txt",
        "address of this machine": "http://127.0.0.1:9/a.txt",
        "name": "https://files.example/a.txt",
        "data": "data:text/plain;base64,c2VjcmV0",
        "empty": "",
        "zero": f"{of_ana}\0",
    }


WHICH = (
    "environment", "users", "conversations", "outside", "relative", "upwards", "upwards from an own file",
    "own by a detour", "encoded", "encoded own", "link", "through a link", "someone else's", "the folder",
    "file address", "address", "address of this machine", "name", "data", "empty", "zero",
)  # fmt: skip
META = {"meta": {"_type": "gradio.FileData"}}
SHAPES: dict[str, Any] = {
    "file": lambda path: {"path": path, **META},
    "older": lambda path: {"path": path},
    "with an address": lambda path: {"path": path, "url": path, "orig_name": "a.txt", **META},
    "address alone": lambda path: {"url": path, **META},
    "stream": lambda path: {"path": path, "is_stream": True, **META},
    "streamed away": lambda path: {"path": path, "is_stream": False, "size": 1, "mime_type": "text/plain", **META},
    "list": lambda path: [{"path": path, **META}],
    "deep": lambda path: {"a": [{"b": {"c": [[{"path": path, **META}]]}}]},
    "in a file": lambda path: {"path": 1, "meta": {"_type": "gradio.FileData", "x": {"path": path, **META}}},
    "in a component": lambda path: {"value": {"path": path, **META}, "__type__": "update"},
    "image": lambda path: {"image": {"path": path, **META}, "caption": None},
}


def bodies(named: Any) -> Iterator[dict[str, Any]]:
    """Every place of a call where a file can stand."""
    call = {"session_hash": "calls", "trigger_id": None, "event_data": None}
    for number in (SAY, DROP):
        yield {**call, "fn_index": number, "data": [named]}
        yield {**call, "fn_index": number, "data": [None], "event_data": named}
        yield {**call, "fn_index": number, "data": [[named], [named]], "batched": True}
        yield {**call, "fn_index": number, "data": [None], "more": named}
    yield {**call, "data": [named]}
    yield {**call, "data": [named], "simple_format": True}


ROUTES = (
    "queue/join", "queue/join/", "run/say", "run/say/", "run/predict", "run/lambda", "call/say", "call/lambda",
    "call/v2/say", "api/say", "component_server", "process_recording", "stream/calls", "cancel", "reset",
)  # fmt: skip


_asked: list[tuple[str, Any]] | None = None


def _note_address(event: str, arguments: tuple[Any, ...]) -> None:
    if _asked is not None and event in {"socket.connect", "socket.sendto", "socket.getaddrinfo"}:
        _asked.append((event, arguments))


@contextmanager
def asked_addresses() -> Iterator[list[tuple[str, Any]]]:
    """Every address that this process connects to or looks up meanwhile, by whatever library."""
    global _asked  # a hook of the interpreter is there for good
    _asked = []
    try:
        yield _asked
    finally:
        _asked = None


@pytest.fixture(scope="module", autouse=True)
def _listening_to_the_interpreter() -> None:
    sys.addaudithook(_note_address)


def arrived(place: Path) -> set[Path]:
    """All that lies where uploads do."""
    return set((place / "workspace" / "uploads").rglob("*"))


def test_an_address_that_is_asked_is_noticed() -> None:
    with asked_addresses() as asked, socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
    assert {event for event, _ in asked} >= {"socket.connect"}


@pytest.mark.parametrize("which", WHICH)
def test_no_call_names_a_file_that_its_caller_has_not_sent(
    ana: TestClient, place: Path, paths: dict[str, str], which: str
) -> None:
    before = arrived(place)
    with asked_addresses() as asked:
        routes = cycle(("queue/join", "run/say", "run/lambda"))
        for shape in SHAPES.values():
            for body, route in zip(bodies(shape(paths[which])), routes, strict=False):
                answer = ana.post(f"/en/gradio_api/{route}", json=body)
                assert answer.status_code in {403, 404}, f"{route} {body}: {answer.text[:200]}"
    assert arrived(place) == before and not asked


@pytest.mark.parametrize("route", ROUTES)
def test_no_route_takes_a_file_of_the_server(ana: TestClient, place: Path, paths: dict[str, str], route: str) -> None:
    before = arrived(place)
    with asked_addresses() as asked:
        for which in ("users", "address of this machine"):
            for body in bodies({"path": paths[which], **META}):
                more = {"component_id": 1, "fn_name": "x", "event_id": "x", "text": {"path": paths[which], **META}}
                answer = ana.post(f"/en/gradio_api/{route}", json={**body, **more})
                assert answer.status_code in {403, 404}, f"{body}: {answer.text[:200]}"
    assert arrived(place) == before and not asked


def test_a_function_without_files_does_not_take_an_own_one(ana: TestClient, paths: dict[str, str]) -> None:
    for named in ({"path": paths["mine"], **META}, [{"path": paths["mine"]}]):
        for body in bodies(named):
            if body.get("fn_index") != DROP:
                answer = ana.post("/en/gradio_api/run/say", json=body)
                assert (answer.status_code, answer.json()["detail"]) == (403, "No file is taken here.")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_what_is_looked_through_is_what_gradio_reads(ana: TestClient, paths: dict[str, str], encoding: str) -> None:
    file = json.dumps({"path": paths["users"], **META})
    content = f'{{"session_hash": "calls", "fn_index": 0, "data": ["x"], "d\\u0061ta": [{file}]}}'
    headers = {"content-type": "application/json"}
    answer = ana.post("/en/gradio_api/run/say", content=content.encode(encoding), headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (403, "No file is taken here.")


def test_an_own_file_is_taken_by_a_function_that_takes_files(ana: TestClient, place: Path) -> None:
    (path,) = upload(ana, [("good.txt", b"good")]).json()
    before = arrived(place)
    sent = {"path": path, "url": f"http://localhost:7860/en/gradio_api/file={path}", "orig_name": "good.txt", **META}
    call = {"session_hash": "good", "fn_index": DROP, "data": [[sent]], "event_data": [sent], "trigger_id": None}
    assert ana.post("/en/gradio_api/run/lambda", json=call).json()["data"] == [["good.txt"]]
    assert ana.post("/en/gradio_api/queue/join", json=call).status_code == 200
    assert '"success":true' in ana.get("/en/gradio_api/queue/data?session_hash=good").text
    assert {file.name for file in arrived(place) - before if file.stat().st_size} == set(), "it is not kept twice"


@pytest.mark.parametrize("number", [-1, 2, 1_000_000, 2**31, 2**63, 2**64, "say", "", 0.5, [], {}, "9" * 5000])
def test_a_function_that_is_not_there_is_told_and_no_error(ana: TestClient, number: object) -> None:
    for route in ("queue/join", "run/say", "run/predict"):
        call = {"session_hash": "calls", "fn_index": number, "data": ["x"], "event_id": "x"}
        assert ana.post(f"/en/gradio_api/{route}", json=call).status_code == 404, route
    assert ana.post("/en/gradio_api/cancel", json={**call, "fn_index": number}).status_code in {200, 422}
    assert ana.post("/en/gradio_api/run/nothing", json={"data": ["x"]}).status_code == 404


def test_which_functions_take_files_is_told_by_their_components() -> None:
    def page() -> list[BlockFunction]:
        with gr.Blocks(analytics_enabled=False) as blocks:
            said, shown, state = gr.Textbox(), gr.HTML(), gr.State()
            said.submit(print, [said, state, gr.Dropdown(), gr.JSON(), gr.CheckboxGroup(), gr.Number()], shown)
            for component in (gr.File(), gr.UploadButton(), gr.Image(), gr.Gallery(), gr.MultimodalTextbox()):
                said.submit(print, [said, component], shown)
            said.submit(print, said, gr.File())
        return list(blocks.fns.values())

    functions = in_a_loop(page)
    assert [takes_files(function) for function in functions] == [False, True, True, True, True, True, False]


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b"{",
        b'"x"',
        b"\xff",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"data": ["\\ud800"]}',
        b'{"\\uDFFF": 1}',
    ],
)
def test_what_is_no_object_is_no_call(body: bytes) -> None:
    with pytest.raises(ValueError):
        read_call(body)


def test_every_file_of_a_call_is_seen() -> None:
    inner = {"path": "b", "more": [{"url": "c"}]}
    assert set(read_call(json.dumps({"data": [{"path": "a", "x": inner}]}).encode()).files) == {"a", "b", None}
    assert read_call(b'{"data": ["\\ud83d\\ude00"]}').content == {"data": ["😀"]}
    assert read_call(b"").files == () and read_call(b'{"data": ["path", ["url"]]}').files == ()
