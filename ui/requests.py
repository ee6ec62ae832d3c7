"""A request as its visitor sent it: its host, its body before anything else reads it, and how often its client asks.

A web page whose name was made to point here (DNS rebinding) is asked for by that name, whatever the address is. So a
server answers to the loopback names, to the address that a connection came to, to ``host`` and ``allowed_hosts`` of its
settings and, where it listens on all addresses, to the name of its machine.

What a proxy in front of the app says of a request (``X-Forwarded-For``, ``-Host``, ``-Proto``, and who has signed in)
is believed of those in ``ui.trusted_proxies`` alone, and taken from all others. Behind this, nobody has to know of
proxies: client, scheme and ``Host`` of a request are the visitor's.

Guessing a password or a token is slow and keeps nobody out:

    a browser that has signed in with the name before ──▶ tries of its own
    any other ──▶ those of its address, and those that the name has for all others together

The first kind shows a device cookie ("Slow Down Online Guessing Attacks with Device Cookies", OWASP): while strangers
use up what a name has, its owner still gets in. A try that succeeds does not count.
"""

import ipaddress
import json
import math
import re
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope

from assistant.config import ServeSettings, UiSettings
from assistant.errors import ConfigError, UsageError
from assistant.workspace import StateServer
from ui.people import composed
from ui.shared import SharedRateLimit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
# A name, or an address of IPv6 in brackets, without its zone; no user, no dot at the end.
_HOST = re.compile(r"(?P<name>\[[0-9a-f]*:[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?)(?::\d{1,5})?")
_EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})
_OPEN = {
    "ui": ("Without sign-in this app", "Run: assistant users add NAME"),
    "serve": ("Without a token this server", "Run: assistant tokens create NAME"),
}
# Gradio would write the last one, and what is forwarded, into its page as the address of the app.
_SAID_BY_PROXIES = frozenset({b"forwarded", b"x-real-ip", b"x-gradio-server"})
_MOST_CLIENTS = 10_000  # a few MB
_HOUR_SECONDS = 3600
# So many times the tries that an address has in a minute a name has in an hour; by default 30, so that in a month one
# of 22,000 passwords may be right. NIST (SP 800-63B, 5.2.2) asks for at most 100 at once.
_OF_A_NAME = 5
_LONGEST_NAME = 100  # characters; people of ours have at most 64
_NETWORK_BITS = 64
"""Of an IPv6 address: whoever has one has all of its network."""


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
        self._names = LOCAL_HOSTS
        if not is_open:
            public = [host_of(settings.public_url)] if isinstance(settings, UiSettings) and settings.public_url else []
            listening: tuple[str, ...] = (settings.host,)
            if settings.host in _EVERY_ADDRESS:
                name = socket.gethostname()
                short = name.partition(".")[0]
                listening = (name, short, f"{short}.local")
            self._names |= {_canonical(name) for name in (*listening, *settings.allowed_hosts, *public)}

    def check(self, scope: Scope) -> None:
        """Raise WrongHost for a request that does not name exactly one host, or one that this server is not."""
        named = [value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"host"]
        host = _HOST.fullmatch(named[0]) if len(named) == 1 else None
        # A target that is no path, as in GET http://other/, names another host than the header.
        if host is None or not scope["path"].startswith("/"):
            raise WrongHost("The request does not name one host.", "Send it to the server's own address.", 400)
        name = _canonical(host["name"])
        # Or the address of this machine that the connection came to, where that is known.
        if name not in self._names and name != str(address_in((scope.get("server") or ("",))[0]) or ""):
            if self._is_open:
                who, remedy = _OPEN[self._section]
                raise WrongHost(f"{who} answers to localhost only.", remedy, 421)
            setting = f"{self._section}.allowed_hosts={json.dumps([name])}"
            raise WrongHost(
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


def _canonical(name: str) -> str:
    """A name in small letters, or an address as it is written shortest, without brackets."""
    bare = name.strip("[]").lower()
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return bare


def address_in(text: str) -> Address | None:
    """The address that a text is, that of IPv4 where it stands in one of IPv6; None for what is none."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


class Proxies:
    """Those that are believed."""

    def __init__(self, settings: UiSettings) -> None:
        """Raises ConfigError for ``ui.trusted_proxies`` that are no addresses, or that a trusted header needs."""
        try:
            self._networks = [ipaddress.ip_network(address, strict=False) for address in settings.trusted_proxies]
        except ValueError as error:
            raise ConfigError(
                f"ui.trusted_proxies: {error}.", "Write addresses or networks, as in 10.0.0.0/8."
            ) from None
        self._header = settings.trusted_header.lower().encode("latin-1")
        if self._header and not self._networks:
            raise ConfigError(
                "ui.trusted_header is believed of no proxy.",
                "Set ui.trusted_proxies to the address that the proxy connects from, as in 127.0.0.1.",
            )

    def trusts(self, address: str) -> bool:
        """Whether something of this address is believed."""
        known = address_in(address)
        return known is not None and any(known in network for network in self._networks)

    def as_sent(self, scope: Scope) -> Scope:
        """A request without what proxies say of it, after what a trusted one says was put into its place."""
        client, told = (scope.get("client") or ("", 0)), Headers(scope=scope)
        is_trusted = self.trusts(client[0])
        headers = [
            (name, value)
            for name, value in scope["headers"]
            if (
                is_trusted
                if name == self._header
                else not name.startswith(b"x-forwarded-") and name not in _SAID_BY_PROXIES
            )
        ]
        if not is_trusted:
            return {**scope, "headers": headers}
        if host := _nearest(told.getlist("x-forwarded-host")):
            headers = [
                *((name, value) for name, value in headers if name != b"host"),
                (b"host", host.encode("latin-1")),
            ]
        scheme = "https" if _nearest(told.getlist("x-forwarded-proto")) == "https" else scope["scheme"]
        return {**scope, "headers": headers, "scheme": scheme, "client": (self._visitor(told, client[0]), client[1])}

    def _visitor(self, told: Headers, proxy: str) -> str:
        """Who was seen by the last proxy of those that are trusted: what stands before it may be made up."""
        for named in reversed(",".join(told.getlist("x-forwarded-for")).split(",")):
            address = named.strip()
            if address.startswith("[") or address.count(":") <= 1:
                address = host_of(f"//{address}")  # without the port: each connection would be another visitor
            if address and not self.trusts(address):
                return address
        return proxy


def _nearest(values: Iterable[str]) -> str:
    """Of what proxies have added one after the other, what the nearest one says."""
    return ",".join(values).rpartition(",")[2].strip()


async def body_of(receive: Receive, headers: Headers, most: int, too_large: Exception) -> bytes:
    """The whole body. Raises ``too_large`` for one of more than ``most`` bytes, before it is all there.

    Raises ClientDisconnect where the rest of it will not come.
    """
    if stated_length(headers) > most:
        raise too_large
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > most:
            raise too_large
    return bytes(body)


def again(body: bytes, receive: Receive) -> Receive:
    """``receive`` that gives a body which was read already, and then what comes after it."""
    parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return parts.pop() if parts else await receive()

    return replayed


def stated_length(headers: Headers) -> int:
    """Bytes of the body as its header has them; 0 for a header that is no number."""
    stated = headers.get("content-length", "")
    return int(stated) if stated.isdecimal() and len(stated) < 20 else 0


class RateLimit:
    """A token bucket for each client: ``most`` requests at once, and then as many in ``seconds``.

    Clients that have not asked for longest are forgotten first; there are never more than 10,000.
    """

    def __init__(self, most: int, seconds: float = 60, clock: Callable[[], float] = time.monotonic) -> None:
        """``most`` of 0 sets no limit. ``clock`` gives seconds."""
        self._most = most
        self._rate = most / seconds
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, client: str) -> float:
        """Count a request. Returns 0, or the seconds until one is let in again, and then it is not counted."""
        if not self._most:
            return 0.0
        now = self._clock()
        left, then = self._buckets.pop(client, (float(self._most), now))
        left = min(self._most, left + (now - then) * self._rate)
        allowed = left >= 1 or math.isclose(left, 1)
        self._buckets[client] = (left - 1 if allowed else left, now)
        if len(self._buckets) > _MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - left) / self._rate

    def give_back(self, client: str) -> None:
        """Count the last request of a client no more."""
        if client in self._buckets:
            left, then = self._buckets[client]
            self._buckets[client] = (left + 1, then)


def rate_limit(
    name: str,
    most: int,
    seconds: float = 60,
    clock: Callable[[], float] = time.monotonic,
    state: StateServer | None = None,
) -> RateLimit | SharedRateLimit:
    """A limit of this process or, with ``state``, one that all processes of that server have in common by its name."""
    return SharedRateLimit(state, name, most, seconds) if state else RateLimit(most, seconds, clock)


class Guesses:
    """Tries that are left, by address, by name and by device."""

    def __init__(
        self,
        what: str,
        per_minute: int,
        clock: Callable[[], float] = time.monotonic,
        state: StateServer | None = None,
    ) -> None:
        """``per_minute`` are those of one address. ``clock`` gives seconds; ``what`` and ``state``: see rate_limit."""
        self._of_address = rate_limit(f"{what} address", per_minute, clock=clock, state=state)
        self._of_name = rate_limit(f"{what} name", per_minute * _OF_A_NAME, _HOUR_SECONDS, clock, state)

    def wait(self, name: str, address: str, device: str = "") -> float:
        """Count a try. Returns 0, or the seconds until the next one. ``device`` is a browser that ``name`` has used."""
        if device:
            return self._of_name.wait(_key(name, device))
        return self._of_address.wait(network_of(address)) or self._of_name.wait(_key(name))

    def give_back(self, name: str, address: str, device: str = "") -> None:
        """Count a try no more: it has succeeded."""
        self._of_name.give_back(_key(name, device))
        if not device:
            self._of_address.give_back(network_of(address))


@lru_cache(1024)  # of every open connection it is asked whenever another one comes
def network_of(address: str) -> str:
    """What one visitor has of addresses: one of IPv4, a network of IPv6; what is no address is taken as it is."""
    found = address_in(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(found), _NETWORK_BITS), strict=False))
    return str(found or address)


def _key(name: str, device: str = "") -> str:
    # A name may be written in several ways of Unicode, and be of any length.
    return f"{composed(name)[:_LONGEST_NAME]}\0{device}"
