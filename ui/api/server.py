"""The application on a socket, until a signal ends it: then running answers end, and new ones are refused."""

import ipaddress
import socket
from collections.abc import Callable

import uvicorn

from assistant.config import ServeSettings
from assistant.errors import UsageError
from ui.api.app import create_app
from ui.api.gate import Tokens
from ui.service import Service

_PATIENCE_SECONDS = 60


def listening_socket(settings: ServeSettings, tokens: Tokens) -> socket.socket:
    """A socket on ``serve.host`` and ``serve.port``.

    Raises UsageError for an address that others can reach while there is no token, and for one that cannot be had.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        if not tokens.digests and not ipaddress.ip_address(address[0]).is_loopback:
            raise UsageError(
                f"Others could reach {settings.host} without a token.",
                "Name a file of tokens (serve.token_file), set ASSISTANT_TOKEN, or listen on 127.0.0.1.",
            )
        return socket.create_server((str(address[0]), int(address[1])), family=family)
    except OSError as error:
        raise UsageError(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror or error}.", "Choose another --port."
        ) from None


def address_of(listening: socket.socket) -> str:
    """The address of a socket as people type it."""
    host, port, *_ = listening.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def make_server(service: Service, tokens: Tokens, started: Callable[[], None]) -> uvicorn.Server:
    """The server; its ``run([socket])`` serves until SIGINT or SIGTERM. ``started``: requests are taken from now on."""
    config = uvicorn.Config(
        create_app(service, tokens),
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_PATIENCE_SECONDS,
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
