"""The names that a server answers to: its own, told by the ``Host`` of a request.

A web page whose name was made to point here (DNS rebinding) is asked for by that name, whatever the address is. So a
server answers to the loopback names, to the address that a connection came to, to ``host`` and ``allowed_hosts`` of its
settings and, where it listens on all addresses, to the name of its machine.
"""

import ipaddress
import json
import re
import socket
from typing import Literal
from urllib.parse import urlsplit

from starlette.types import Scope

from assistant.config import ServeSettings, UiSettings
from assistant.errors import UsageError

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
# A name, or an address of IPv6 in brackets, without its zone; no user, no dot at the end.
_HOST = re.compile(r"(?P<name>\[[0-9a-f]*:[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?)(?::\d{1,5})?")
_EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})
_OPEN = {
    "ui": ("Without sign-in this app", "Run: assistant users add NAME"),
    "serve": ("Without a token this server", "Set serve.token_file or ASSISTANT_TOKEN."),
}


class WrongHost(UsageError):
    """A request for another host than this one, with the HTTP status that says so."""

    def __init__(self, message: str, remedy: str, status: int) -> None:
        super().__init__(message, remedy)
        self.status = status


class Hosts:
    """Whether a server answers to the host that a request names, on any port."""

    def __init__(
        self, section: Literal["ui", "serve"], settings: UiSettings | ServeSettings, *, is_open: bool = False
    ) -> None:
        """The names in a section of the settings; ``is_open``: none of them, because everyone is let in."""
        self._section = section
        self._is_open = is_open
        self._names = LOCAL_HOSTS if is_open else LOCAL_HOSTS | _names_in(settings)

    def check(self, scope: Scope) -> None:
        """Raise WrongHost for a request that does not name exactly one host, or one that this server is not."""
        named = [value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"host"]
        host = _HOST.fullmatch(named[0]) if len(named) == 1 else None
        # A target that is no path, as in GET http://other/, names another host than the header.
        if host is None or not scope["path"].startswith("/"):
            raise WrongHost("The request does not name one host.", "Send it to the server's own address.", 400)
        name = _canonical(host["name"])
        if name not in self._names and name != _arrived_at(scope):
            raise self._wrong(name)

    def _wrong(self, name: str) -> WrongHost:
        if self._is_open:
            who, remedy = _OPEN[self._section]
            return WrongHost(f"{who} answers to localhost only.", remedy, 421)
        setting = f"{self._section}.allowed_hosts={json.dumps([name])}"
        return WrongHost(
            f"This server does not answer to the name {name}.",
            f"If it is its own, run: assistant {self._section} --set '{setting}'",
            421,
        )


def host_of(address: str) -> str:
    """Name of the host in an address; empty if there is none."""
    try:
        return (urlsplit(address).hostname or "").lower()
    except ValueError:
        return ""


def _names_in(settings: UiSettings | ServeSettings) -> set[str]:
    public = [host_of(settings.public_url)] if isinstance(settings, UiSettings) and settings.public_url else []
    listening = _names_of_this_machine() if settings.host in _EVERY_ADDRESS else [settings.host]
    return {_canonical(name) for name in (*listening, *settings.allowed_hosts, *public)}


def _canonical(name: str) -> str:
    """A name in small letters, or an address as it is written shortest, without brackets."""
    bare = name.strip("[]").lower()
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return bare


def _arrived_at(scope: Scope) -> str:
    """The address of this machine that the connection came to; empty where it is not known."""
    try:
        address = ipaddress.ip_address((scope.get("server") or ("",))[0])
    except ValueError:
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address)


def _names_of_this_machine() -> tuple[str, ...]:
    name = socket.gethostname()
    short = name.partition(".")[0]
    return name, short, f"{short}.local"
