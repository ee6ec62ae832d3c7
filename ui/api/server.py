"""The API on a socket."""

import socket
from collections.abc import Callable

import uvicorn

from assistant.config import ServeSettings
from assistant.errors import UsageError
from assistant.service import Service
from ui.api.app import create_app
from ui.api.gate import Tokens
from ui.requests import Hosts
from ui.server import ClientLimits, open_socket, server_of
from ui.server import address_of as address_of


def listening_socket(settings: ServeSettings, tokens: Tokens) -> socket.socket:
    """A socket on ``serve.host`` and ``serve.port``.

    Raises UsageError for an address that others can reach while there is no token, and for one that cannot be had.
    """
    others = UsageError(
        f"Others could reach {settings.host} without a token.",
        "Name a file of tokens (serve.token_file), set ASSISTANT_TOKEN, or listen on 127.0.0.1.",
    )
    return open_socket(settings.host, settings.port, None if tokens.digests else others)


def make_server(service: Service, tokens: Tokens, started: Callable[[], None]) -> uvicorn.Server:
    """The server; its ``run([socket])`` serves until SIGINT or SIGTERM. ``started``: requests are taken from now on."""
    hosts = Hosts("serve", service.settings.serve, is_open=not tokens.digests)
    limits = ClientLimits(service.settings.serve.connections)
    return server_of(create_app(service, tokens, hosts), started, limits)
