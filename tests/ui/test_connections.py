"""Clients that keep a server waiting are let go, on real sockets; those that are slow for good reasons are not."""

import asyncio
import logging
import select
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from http.client import HTTPResponse
from pathlib import Path

import pytest
from fakes import ScriptedEngine
from serving import service_of
from signing import small_app
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message

from assistant.config import ServeSettings
from assistant.workspace import Workspace
from ui.api.bearer_tokens import Tokens
from ui.api.endpoints import create_app
from ui.requests import Hosts
from ui.server import ClientLimits, server_of

LIMITS = ClientLimits(most=0, head_seconds=0.4, window_seconds=0.4, bytes_per_second=100)
PATIENT = replace(LIMITS, window_seconds=1)
BODY = "POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n"


async def body(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def later(request: Request) -> Response:
    """Reads late, and answers later still."""
    await asyncio.sleep(3 * LIMITS.window_seconds)
    size = len(await request.body())
    await asyncio.sleep(3 * LIMITS.window_seconds)
    return PlainTextResponse(str(size))


async def unread(_: Request) -> Response:
    return PlainTextResponse("no")


async def stream(_: Request) -> Response:
    async def words() -> Iterator[str]:  # type: ignore[misc]
        for number in range(4):
            await asyncio.sleep(LIMITS.window_seconds)
            yield str(number)

    return StreamingResponse(words())


async def large(_: Request) -> Response:
    return PlainTextResponse("x" * 20_000_000)


ROUTES = [Route(f"/{one.__name__}", one, methods=["GET", "POST"]) for one in (body, later, unread, stream, large)]


@contextmanager
def listening(limits: ClientLimits) -> Iterator[tuple[str, int]]:
    """Where a small app listens within limits."""
    started = threading.Event()
    with socket.create_server(("127.0.0.1", 0), backlog=512) as server_socket:
        server = server_of(Starlette(routes=ROUTES), started.set, limits, patience_seconds=1)
        thread = threading.Thread(target=server.run, args=([server_socket],), daemon=True)
        thread.start()
        assert started.wait(20)
        yield server_socket.getsockname()
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[str, int]]:
    with listening(LIMITS) as place:
        yield place


def connected(place: tuple[str, int], sent: str = "") -> socket.socket:
    connection = socket.create_connection(place, timeout=120)
    connection.sendall(sent.encode())
    return connection


def answer_of(connection: socket.socket) -> tuple[int, str]:
    """Status and text of what comes."""
    response = HTTPResponse(connection)
    response.begin()
    return response.status, response.read().decode()


def dripped(connections: Sequence[socket.socket], drop: bytes = b"x") -> dict[socket.socket, bytes]:
    """What each is told while it sends a byte now and then, until all are closed."""
    told, open_ones, until = dict.fromkeys(connections, b""), set(connections), time.monotonic() + 30
    while open_ones:
        assert time.monotonic() < until, f"{len(open_ones)} of {len(connections)} are open still"
        for one in select.select(list(open_ones), [], [], 0.05)[0]:
            try:
                told[one] += (part := one.recv(1000))
            except ConnectionError:
                part = b""
            if not part:
                open_ones.discard(one)
        for one in open_ones:
            with suppress(OSError):  # it is closed, and that will be read
                one.sendall(drop)
    return told


@pytest.mark.parametrize(
    "begun",
    [
        "",
        "GE",
        "GET /body HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
        BODY.format(10_000_000),
        "POST /body HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n",
        "GET /body HTTP/1.1\r\nHost: localhost\r\n\r\nGET /body HTTP/1.1\r\nX-Second: ",
        BODY.replace("/body", "/unread").format(10_000_000),
    ],
)
def test_who_sends_a_byte_now_and_then_is_let_go(place: tuple[str, int], begun: str) -> None:
    with ExitStack() as stack:
        connections = [stack.enter_context(connected(place, begun)) for _ in range(30)]
        for told in dripped(connections).values():
            assert b"HTTP/1.1 408 " in told or "/unread" in begun, "what was answered already is not answered twice"


def test_empty_lines_are_no_request(place: tuple[str, int]) -> None:
    with connected(place) as first, connected(place, BODY.format(0)) as second:
        assert answer_of(second) == (200, "0")
        dripped([first, second], b"\r\n")


def test_who_says_nothing_is_let_go_without_a_word(place: tuple[str, int]) -> None:
    with connected(place) as connection:
        assert connection.recv(100) == b""


def test_a_body_that_stops_is_let_go(place: tuple[str, int]) -> None:
    with connected(place, BODY.format(1000) + "x" * 900) as connection:
        assert answer_of(connection) == (408, "The request did not come in time.")


def test_a_slow_upload_that_goes_on_is_taken() -> None:
    head = BODY.replace("Content-Length: {}", "Transfer-Encoding: chunked")
    with listening(PATIENT) as place, connected(place, head) as connection:
        sent, until = 0, time.monotonic() + 3 * PATIENT.window_seconds
        while time.monotonic() < until:
            connection.sendall(b"64\r\n" + b"x" * 100 + b"\r\n")
            sent += 100
            assert not select.select([connection], [], [], 0.1)[0], "it was cut"
        connection.sendall(b"0\r\n\r\n")
        assert answer_of(connection) == (200, str(sent))


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_a_server_that_takes_its_time_blames_nobody(place: tuple[str, int], size: int) -> None:
    with connected(place, BODY.replace("/body", "/later").format(size) + "x" * size) as connection:
        assert answer_of(connection) == (200, str(size))


def test_who_waits_for_a_word_to_go_on_is_not_slow(place: tuple[str, int]) -> None:
    expecting = BODY.replace("/body", "/later").replace("Host", "Expect: 100-continue\r\nHost").format(10)
    with connected(place, expecting) as connection:
        assert b"100" in connection.recv(1000)
        connection.sendall(b"x" * 10)
        assert answer_of(connection) == (200, "10")


def test_a_stream_goes_on_as_long_as_it_takes(place: tuple[str, int]) -> None:
    with connected(place, "GET /stream HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n") as connection:
        told = b"".join(iter(lambda: connection.recv(1000), b""))
    assert told.endswith(b"1\r\n3\r\n0\r\n\r\n")


def test_what_a_page_listens_to_is_cut_off_at_the_end_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    begun = "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with ExitStack() as later_than_the_server, listening(LIMITS) as place:
        later_than_the_server.enter_context(connected(place, begun)).recv(1)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def status_of(connection: socket.socket) -> int:
    with suppress(OSError):  # it is refused, and that will be read
        connection.sendall(b"GET /unread HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return answer_of(connection)[0]


def is_let_in(place: tuple[str, int]) -> bool:
    with connected(place) as connection, suppress(ConnectionError):
        return status_of(connection) == 200
    return False


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system does not tell")
def test_who_takes_no_answer_is_let_go() -> None:
    with listening(replace(LIMITS, most=1, window_seconds=1.5)) as place:
        asking = "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n"
        with connected(place, asking) as connection:
            assert connection.recv(1)
            assert not is_let_in(place)
            until = time.monotonic() + 20
            while not is_let_in(place):
                assert time.monotonic() < until


def test_who_is_refused_while_sending_hears_why() -> None:
    with listening(ClientLimits(most=1)) as place, connected(place, BODY.format(0)) as first:
        assert answer_of(first)[0] == 200
        with connected(place, BODY.format(5_000_000) + "x" * 5_000_000) as one_more:
            assert answer_of(one_more)[0] == 429


def test_one_client_has_so_many_connections_and_no_more() -> None:
    with listening(ClientLimits(most=3)) as place, ExitStack() as stack:
        kept = [stack.enter_context(connected(place)) for _ in range(3)]
        assert [status_of(one) for one in kept] == [200] * 3
        with connected(place) as one_more:
            assert answer_of(one_more) == (429, "More than 3 connections at once.")
        kept[0].close()
        until = time.monotonic() + 20
        while not is_let_in(place):
            assert time.monotonic() < until
    with (
        listening(ClientLimits(most=3, is_proxy=lambda address: address == "127.0.0.1")) as place,
        ExitStack() as stack,
    ):
        assert {status_of(stack.enter_context(connected(place))) for _ in range(10)} == {200}


@pytest.mark.parametrize("path", ["/sign-in", "/en/gradio_api/run/say", "/en/gradio_api/upload", "/v1/search"])
def test_half_a_body_is_no_request_and_no_error(served: Workspace, tmp_path: Path, path: str) -> None:
    app: ASGIApp = small_app(Workspace(tmp_path))
    if path == "/v1/search":
        app = create_app(service_of(served, ScriptedEngine("")), Tokens(), Hosts("serve", ServeSettings()))
    begun, kind = b'{"data": ["x"], "fn_index": 0}', b"application/json"
    if path.endswith("upload"):
        begun = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\na'
        kind = b"multipart/form-data; boundary=x"
    parts: list[Message] = [
        {"type": "http.request", "body": begun, "more_body": True},
        {"type": "http.disconnect"},
    ]
    told: list[Message] = []

    async def receive() -> Message:
        return parts.pop(0) if len(parts) > 1 else parts[0]

    async def send(message: Message) -> None:
        told.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", kind)]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers, "scheme": "http"}
    asyncio.run(app({**scope, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 7860)}, receive, send))  # type: ignore[arg-type]
    assert {message.get("status", 499) for message in told} <= {499}


def test_an_idle_connection_outlives_that_of_a_proxy_in_front() -> None:
    # nginx lets go of one after 60 seconds, Caddy after 120; the other way round a request meets an end now and then.
    assert server_of(Starlette(), lambda: None, ClientLimits()).config.timeout_keep_alive > 120
