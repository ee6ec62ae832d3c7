"""What the gate lets through to Gradio, and the headers that each response has."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from signing import client_of, make_people, sign_in, small_app, upload
from starlette.datastructures import MutableHeaders
from starlette.testclient import TestClient

from assistant.workspace import Workspace
from ui.access import app_policy, protect
from ui.gradio_calls import SessionOwners, is_open, under_page

SECRET = "the salary of the director"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a workspace, its documents, and secrets inside and outside of it."""
    place = tmp_path_factory.mktemp("place")
    workspace = place / "workspace"
    for name in ("config.yaml", "users.json", "feedback.sqlite", "corpora/cars/catalog.sqlite", "uploads/cars/a.txt"):
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace / name).write_text(SECRET, encoding="utf-8")
    (place / "outside.txt").write_text(SECRET, encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def app(place: Path, tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    people = make_people(tmp_path_factory.mktemp("people"), ana="editor", eve="editor", ben="expert")
    return small_app(Workspace(place / "workspace"), people, sign_ins_per_minute=1000, upload_mb=1, upload_files=2)


@pytest.fixture
def ana(app: FastAPI) -> Iterator[TestClient]:
    with client_of(app) as client:
        sign_in(client, "ana")
        yield client


@pytest.fixture
def eve(app: FastAPI) -> Iterator[TestClient]:
    with client_of(app) as client:
        sign_in(client, "eve")
        yield client


FILES = (
    "/etc/passwd", "outside.txt", "../outside.txt", "..%2foutside.txt", "%2e%2e/outside.txt", "....//outside.txt",
    "{place}/outside.txt", "{place}/workspace/config.yaml", "{place}/workspace/users.json",
    "{place}/workspace/feedback.sqlite", "{place}/workspace/corpora/cars/catalog.sqlite",
    "{place}/workspace/uploads/cars/a.txt", "{place}/workspace/uploads/.arriving/../cars/a.txt",
    "{place}/workspace/uploads/.arriving/../../users.json", "{place}/workspace/link.txt", "file:///etc/passwd",
    "http://localhost:1/", "http://169.254.169.254/latest/meta-data/", "https://evil.example/x.svg", "C:\\\\Windows",
    "\\\\\\\\evil.example\\\\share", "/proc/self/environ", "/dev/stdin", "%00", "", ".",
)  # fmt: skip
ROUTES = (
    "/en/gradio_api/file={file}", "/en/gradio_api/file/{file}", "/en/gradio_api/proxy={file}", "/en/static/{file}",
    "/en/assets/{file}", "/en/svelte/{file}", "/en/gradio_api/custom_component/x/client/component/{file}",
    "/en/gradio_api/stream/x/y/1/{file}", "/en/gradio_api/deep_link?deep_link={file}", "/en/{file}",
)  # fmt: skip


@pytest.mark.parametrize("route", ROUTES)
def test_no_file_can_be_read_by_its_path(ana: TestClient, place: Path, route: str) -> None:
    link = place / "workspace" / "link.txt"
    if not link.exists():
        link.symlink_to(place / "outside.txt")
    for file in FILES:
        answer = ana.get(route.format(file=file.format(place=place)))
        assert SECRET not in answer.text and "root:" not in answer.text, file
        assert answer.status_code in {200, 307, 403, 404, 422}, f"{file}: {answer.status_code}"
        if answer.status_code == 200:
            assert "gradio" in answer.text.lower(), f"{file} gave something else than the page"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/process_recording"),
        ("POST", "/gradio_api/vibe-edit"),
        ("POST", "/gradio_api/stream/x"),
        ("POST", "/gradio_api/call/say"),
        ("POST", "/gradio_api/call/v2/say"),
        ("POST", "/gradio_api/api/say"),
        ("POST", "/login"),
        ("GET", "/logout"),
        ("GET", "/gradio_api/call/say/x"),
        ("GET", "/gradio_api/token"),
        ("GET", "/gradio_api/user"),
        ("GET", "/gradio_api/dev/reload"),
        ("GET", "/gradio_api/runs"),
        ("GET", "/gradio_api/run-history/buckets"),
        ("GET", "/gradio_api/openapi.json"),
        ("GET", "/monitoring"),
        ("GET", "/monitoring/summary"),
        ("GET", "/gradio_api/vibe-code"),
        ("GET", "/gradio_api/mcp"),
        ("PUT", "/config"),
        ("DELETE", "/config"),
        ("PATCH", "/gradio_api/queue/join"),
        ("OPTIONS", "/config"),
    ],
)
def test_routes_that_the_page_does_not_need_are_shut(ana: TestClient, method: str, path: str) -> None:
    assert ana.request(method, f"/en{path}", json={} if method == "POST" else None).status_code == 404


def test_every_route_of_gradio_was_looked_at(app: FastAPI) -> None:
    """A newer Gradio may bring routes; whoever updates it has to look at those that are open."""
    gradio_app = next(route.app for route in app.routes if getattr(route, "path", "") == "/en")  # type: ignore[attr-defined]
    opened = {
        path
        for path, methods in gradio_app.openapi()["paths"].items()
        for method in methods
        if is_open(method.upper(), re.sub(r"\{[^}]*\}", "x", path))
    }
    assert {path.rstrip("/") for path in opened} == {
        "", "/config", "/theme.css", "/manifest.json", "/favicon.ico", "/static/{path}", "/assets/{path}",
        "/svelte/{path}", "/gradio_api/info", "/gradio_api/app_id", "/gradio_api/login_check",
        "/gradio_api/startup-events", "/gradio_api/theme.css", "/gradio_api/queue/data", "/gradio_api/queue/status",
        "/gradio_api/upload_progress", "/gradio_api/heartbeat/{session_hash}", "/gradio_api/queue/join",
        "/gradio_api/run/{api_name}", "/gradio_api/cancel", "/gradio_api/reset", "/gradio_api/upload",
    }  # fmt: skip


@pytest.mark.parametrize("path", ["/english", "/end/x", "/e", "/EN/config", "//en/config", "/sources/x"])
def test_paths_that_only_look_like_a_page_are_none(path: str) -> None:
    assert under_page(path) is None


def call(client: TestClient, text: str, session: str) -> object:
    """Call the page's function as a browser does without a queue."""
    body = {"data": [text], "session_hash": session, "fn_index": 0}
    return client.post("/en/gradio_api/run/say", json=body)


def test_a_function_knows_who_calls_it(ana: TestClient, eve: TestClient) -> None:
    assert call(ana, "hello", "s-ana").json()["data"] == ["hello to ana"]  # type: ignore[attr-defined]
    assert call(eve, "hello", "s-eve").json()["data"] == ["hello to eve"]  # type: ignore[attr-defined]


def test_nobody_uses_the_session_of_another(ana: TestClient, eve: TestClient) -> None:
    assert call(ana, "hello", "mine").status_code == 200  # type: ignore[attr-defined]
    body = {"data": ["x"], "session_hash": "mine", "fn_index": 0, "event_id": "x"}
    for path in ("queue/join", "run/say", "cancel", "reset"):
        assert eve.post(f"/en/gradio_api/{path}", json=body).status_code == 403, path
    for path in ("queue/data?session_hash=mine", "queue/data?session_hash=own&session_hash=mine", "heartbeat/mine"):
        assert eve.get(f"/en/gradio_api/{path}").status_code == 403, path


def test_the_first_who_uses_a_session_has_it_and_old_ones_are_forgotten() -> None:
    owners = SessionOwners()
    assert owners.belongs("x", "ana") and not owners.belongs("x", "eve") and owners.belongs("x", "ana")
    for number in range(10_001):
        owners.belongs(f"s{number}", "ana")
    assert len(owners._owners) <= 10_000


@pytest.mark.parametrize("content", [b"{", b"[]", b'"text"', b"[" * 100_000, b"\xff", b"null"])
def test_a_body_that_is_no_call_does_no_harm(ana: TestClient, content: bytes) -> None:
    answer = ana.post("/en/gradio_api/run/say", content=content, headers={"content-type": "application/json"})
    assert answer.status_code in {400, 422}


def test_a_body_that_is_too_large_is_refused_before_it_is_read(ana: TestClient) -> None:
    assert ana.post("/en/gradio_api/run/say", content=b"x" * (4 << 20)).status_code == 400
    assert ana.post("/en/gradio_api/run/say", content=b"x" * ((4 << 20) + 1)).status_code == 413
    parts = (b"x" * (1 << 20) for _ in range(6))
    assert ana.post("/en/gradio_api/run/say", content=parts).status_code == 413, "without a stated length, too"


def test_a_file_that_was_sent_is_its_senders_alone(ana: TestClient, eve: TestClient, place: Path) -> None:
    sent = upload(ana, [("../../../plan.txt", SECRET.encode())])
    assert sent.status_code == 200
    (path,) = sent.json()
    assert Path(path).is_relative_to(place / "workspace" / "uploads" / ".arriving")
    assert ana.get(f"/en/gradio_api/file={path}").text == SECRET
    assert eve.get(f"/en/gradio_api/file={path}").status_code == 403
    assert upload(eve, [("plan.txt", SECRET.encode())]).json() == [path], "Gradio keeps equal files once"
    assert eve.get(f"/en/gradio_api/file={path}").status_code == 200, "then it is theirs, too"


def test_a_file_that_could_run_in_the_page_is_only_downloaded(ana: TestClient) -> None:
    (path,) = upload(ana, [("page.html", b"<script>alert(1)</script>")]).json()
    answer = ana.get(f"/en/gradio_api/file={path}")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_uploads_are_limited_in_size_and_to_those_who_are_signed_in(app: FastAPI, ana: TestClient) -> None:
    assert upload(ana, [("a.txt", b"x" * (1 << 20))]).status_code == 200
    assert upload(ana, [("a.txt", b"x" * ((1 << 20) + 1))]).status_code == 413, "one file"
    assert upload(ana, [(f"{number}.txt", b"x" * (1 << 20)) for number in range(3)]).status_code == 413, "together"
    assert ana.post("/en/gradio_api/upload", content=_endless()).status_code in {400, 413}
    with client_of(app) as ben:
        assert upload(ben, [("a.txt", b"x")]).status_code == 401
        sign_in(ben, "ben")
        assert upload(ben, [("a.txt", b"x")]).status_code == 200, "an expert asks a file of their own"


def _endless() -> Iterator[bytes]:
    for _ in range(8):
        yield b"x" * (1 << 20)


def test_every_inline_script_of_the_page_is_named_by_its_hash_and_no_other_may_run(ana: TestClient) -> None:
    page = ana.get("/en/")
    script_sources = _sources(page.headers["content-security-policy"], "script-src")
    assert "'unsafe-inline'" not in script_sources
    inline = re.findall(rb"<script(?![^>]*src=)[^>]*>(.*?)</script", page.content, re.DOTALL)
    assert inline
    for script in inline:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'" in script_sources
    allowed = {"'self'", "data:", "blob:", "'unsafe-inline'", "'unsafe-eval'", "'none'"}
    for directive in page.headers["content-security-policy"].split("; "):
        _, *sources = directive.split(" ")
        assert {one for one in sources if not one.startswith("'sha256-")} <= allowed, directive


def test_the_page_is_compressed_for_those_who_can_read_it(ana: TestClient) -> None:
    small, plain = (ana.get("/en/", headers={"accept-encoding": one}) for one in ("br, gzip", "identity"))
    assert small.headers["content-encoding"] == "gzip" and "content-encoding" not in plain.headers
    assert small.content == plain.content
    assert int(small.headers["content-length"]) < int(plain.headers["content-length"]) / 3
    assert small.headers["content-security-policy"] == plain.headers["content-security-policy"]


def test_scripts_for_the_head_are_named_too_and_one_in_a_text_is_not() -> None:
    config = json.dumps({"head": "<script>ours()</script>", "title": "x"}).encode().replace(b"<", b"\\u003c")
    page = b"<script>window.gradio_config = " + config + b";</script>"
    ours = base64.b64encode(hashlib.sha256(b"ours()").digest()).decode()
    assert ours in app_policy(page)
    hostile = json.dumps({"head": "", "title": "<script>theirs()<\\/script>"}).encode().replace(b"<", b"\\u003c")
    theirs = base64.b64encode(hashlib.sha256(b"theirs()").digest()).decode()
    assert theirs not in app_policy(b"<script>window.gradio_config = " + hostile + b";</script>")


def test_every_response_has_the_headers_that_make_a_browser_careful(app: FastAPI, ana: TestClient) -> None:
    with client_of(app) as nobody:
        answers = [
            ana.get("/en/"),
            ana.get("/en/config"),
            ana.get("/nowhere"),
            nobody.get("/en/"),
            nobody.get("/sign-in"),
        ]
        answers += [ana.post("/en/gradio_api/upload", content=b"x"), ana.get("/en/gradio_api/file=/etc/passwd")]
    for answer in answers:
        headers = answer.headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY" and headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store", "what one person was shown is not kept for the next"
        assert "access-control-allow-origin" not in headers


def test_a_page_that_brings_a_policy_of_its_own_keeps_it() -> None:
    headers = MutableHeaders({"content-security-policy": "sandbox; frame-ancestors 'self'"})
    protect(headers)
    assert headers["content-security-policy"] == "sandbox; frame-ancestors 'self'"
    assert headers["x-frame-options"] == "SAMEORIGIN"


def test_what_has_a_gate_of_its_own_passes_this_one(app: FastAPI) -> None:
    with client_of(app) as nobody:
        assert nobody.get("/v1/models").status_code == 404
        assert nobody.get("/v1x").status_code == 401


def _sources(policy: str, directive: str) -> list[str]:
    return next(part.split(" ")[1:] for part in policy.split("; ") if part.startswith(f"{directive} "))
