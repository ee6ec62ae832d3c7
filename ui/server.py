"""An application on a socket, until a signal ends it; and how long it waits for what a client has begun to send.

    the head of a request              ``head_seconds`` in all, else 408, or the end if nothing has come at all
    its body                           ``bytes_per_second`` at least, on average over ``window_seconds``, else 408
    an answer that nobody takes        ``window_seconds`` (Linux), else the end
    more than ``most`` of one client   429

Without these, a few hundred connections that send a byte now and then take a server's open files for ever. uvicorn
itself limits only the time between two requests. What the app takes to read a body or to answer counts for nobody.

Who is turned away may still be sending. A connection that is closed then is reset, and the answer is lost on its way;
so what comes is heard out for ``_LINGER_SECONDS``, and thrown away.
"""

import asyncio
import ctypes
import ipaddress
import logging
import platform
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Literal

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from assistant.errors import UsageError
from ui.logs import RequestLog
from ui.requests import network_of

# For a client to read why it was refused: the connection would be reset over what it still sends.
_LINGER_SECONDS = 2.0
_MOST_REFUSED = 2
"""Connections of one client from which on nobody is told why, in parts of those it may have."""
_PATIENCE_SECONDS = 60  # for answers that are under way at the end
# Longer than a proxy in front keeps an idle connection (nginx 60 s, Caddy 120 s): else it asks now and then on one that
# ends at that very moment, and tells its client of an error.
_IDLE_SECONDS = 130
_MOST_HEAPS = 2
_M_ARENA_MAX = -8  # of mallopt(3)


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """What a client may take."""

    most: int = 256
    """Connections of one address at once (of IPv6, one network of 64 bits); 0 sets no limit."""
    head_seconds: float = 30.0
    window_seconds: float = 60.0
    bytes_per_second: float = 1024.0
    is_proxy: Callable[[str], bool] = lambda _: False
    """Whether the clients of an address are many."""


class Connection(H11Protocol):
    """A connection that ends when its client keeps the server waiting."""

    def __init__(self, limits: ClientLimits, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._limits = limits
        self._timer: asyncio.TimerHandle | None = None
        self._awaited: Literal["head", "body", "end"] | None = None
        self._bytes = 0
        """Received, of a body in this window."""
        self._held_up = False
        """By this server, in this window."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request, unless the client has too many connections already."""
        super().connection_made(transport)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            milliseconds = int(1000 * self._limits.window_seconds)
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        most, count = self._limits.most, 0
        if self.client is not None and not self._limits.is_proxy(self.client[0]):
            network = network_of(self.client[0])
            clients = (one.client for one in self.connections if isinstance(one, Connection))
            count = sum(client is not None and network_of(client[0]) == network for client in clients)
        if most and count > _MOST_REFUSED * most:
            transport.abort()
        elif most and count > most:
            self._end(HTTPStatus.TOO_MANY_REQUESTS, f"More than {self._limits.most} connections at once.")
        else:
            self._await("head")

    def data_received(self, data: bytes) -> None:
        """Take in what has come, and wait for what is still to come."""
        if self._awaited == "end":
            return
        self._bytes += len(data)
        super().data_received(data)
        self._held_up |= self._holds_up()
        self._await_rest()

    def on_response_complete(self) -> None:
        """Wait for the rest of the next request, if some of it is there."""
        super().on_response_complete()
        if self._awaited != "end":
            self._await_rest()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._await(None)
        super().connection_lost(exc)

    def _await_rest(self) -> None:
        if self.conn.their_state is h11.SEND_BODY:
            self._await("body")
        else:  # between two requests, uvicorn waits by itself until some of the next one is there
            is_next = self.conn.their_state is h11.IDLE and self.timeout_keep_alive_task is None
            self._await("head" if is_next else None)

    def _await(self, what: Literal["head", "body", "end"] | None) -> None:
        """Begin to wait for something; who waits for it already goes on."""
        if what == self._awaited:
            return
        self._awaited = what
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._bytes, self._held_up = None, 0, self._holds_up()
        if what is not None:
            seconds = {
                "head": self._limits.head_seconds,
                "body": self._limits.window_seconds,
                "end": _LINGER_SECONDS,
            }
            self._timer = self.loop.call_later(seconds[what], self._look)

    def _holds_up(self) -> bool:
        """Whether the client would send more if it might: nothing is read, or it was not told yet to go on."""
        return self.flow.read_paused or (self.cycle is not None and self.cycle.waiting_for_100_continue)

    def _look(self) -> None:
        """End the connection, or give a body another window."""
        enough = self._limits.bytes_per_second * self._limits.window_seconds
        if self._awaited == "body" and (self._bytes >= enough or self._held_up or self._holds_up()):
            self._awaited = None
            self._await("body")
        elif self._awaited == "end":
            self.transport.abort()
        elif self._awaited == "head" and not self.conn.trailing_data[0]:
            self.transport.close()
        else:
            self._end(HTTPStatus.REQUEST_TIMEOUT, "The request did not come in time.")

    def _end(self, status: HTTPStatus, message: str) -> None:
        """Say why, if nothing was said yet, and close once the client has heard it."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()
            return
        if self.cycle is not None:
            self.cycle.disconnected = True  # it has nothing to say any more
        headers = [("content-type", "text/plain; charset=utf-8"), ("connection", "close")]
        response = h11.Response(status_code=status, headers=headers, reason=status.phrase)
        for event in (response, h11.Data(data=message.encode()), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.write_eof()
        self.flow.resume_reading()
        self._await("end")


def open_socket(host: str, port: int, others: UsageError | None) -> socket.socket:
    """A socket on an address. Raises UsageError for one that cannot be had, ``others`` for one that others reach."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        if others is not None and not ipaddress.ip_address(address[0]).is_loopback:
            raise others
        return socket.create_server((str(address[0]), int(address[1])), family=family)
    except OSError as error:
        raise UsageError(
            f"Cannot listen on {host}:{port}: {error.strerror or error}.", "Choose another --port."
        ) from None


def address_of(listening: socket.socket) -> str:
    """The address of a socket as people type it: of one that listens everywhere, with the name of this machine."""
    host, port, *_ = listening.getsockname()
    if host in ("0.0.0.0", "::"):
        host = socket.gethostname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def server_of(
    app: ASGIApp, started: Callable[[], None], limits: ClientLimits, patience_seconds: int = _PATIENCE_SECONDS
) -> uvicorn.Server:
    """The server; its ``run([socket])`` serves until SIGINT or SIGTERM. ``started``: requests are taken from now on."""
    config = uvicorn.Config(
        RequestLog(app),
        http=partial(Connection, limits),  # type: ignore[arg-type]  # whatever makes a protocol will do
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=patience_seconds,
    )
    if platform.libc_ver()[0] == "glibc":  # of which many threads would get a heap that no other one may use
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _MOST_HEAPS)
    return _Server(config, started)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell_started = started
        logging.getLogger("uvicorn.error").addFilter(_is_to_be_told)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._tell_started()


def _is_to_be_told(record: logging.LogRecord) -> bool:
    """Whether something is to be told: what open pages listen to is cut off at the end, as it has to be."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, asyncio.CancelledError) or str(record.msg).startswith("Cancel %s running task"))
