"""An application on a socket, until a signal ends it: then running requests end, and new ones are refused."""

import ipaddress
import socket
from collections.abc import Callable
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from assistant.errors import UsageError
from ui.connections import Connection, Limits

_PATIENCE_SECONDS = 60


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
    """The address of a socket as people type it."""
    host, port, *_ = listening.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def server_of(
    app: ASGIApp, started: Callable[[], None], limits: Limits, patience_seconds: int = _PATIENCE_SECONDS
) -> uvicorn.Server:
    """The server; its ``run([socket])`` serves until SIGINT or SIGTERM. ``started``: requests are taken from now on."""
    config = uvicorn.Config(
        app,
        http=partial(Connection, limits),  # type: ignore[arg-type]  # whatever makes a protocol will do
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=patience_seconds,
    )
    return _Server(config, started)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._tell_started()
