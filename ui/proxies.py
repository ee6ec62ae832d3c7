"""A request as its visitor sent it.

What a proxy in front of the app says of a request (``X-Forwarded-For``, ``-Host``, ``-Proto``, and who has signed in)
is believed of those in ``ui.trusted_proxies`` alone, and taken from all others. Behind this, nobody has to know of
proxies: client, scheme and ``Host`` of a request are the visitor's.
"""

import ipaddress
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import Scope

from assistant.config import UiSettings
from assistant.errors import ConfigError
from ui.hosts import host_of

# Gradio would write the last one, and what is forwarded, into its page as the address of the app.
_SAID_BY_PROXIES = frozenset({b"forwarded", b"x-real-ip", b"x-gradio-server"})


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
        try:
            known = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any((getattr(known, "ipv4_mapped", None) or known) in network for network in self._networks)

    def as_sent(self, scope: Scope) -> Scope:
        """A request without what proxies say of it, after what a trusted one says was put into its place."""
        client, told = (scope.get("client") or ("", 0)), Headers(scope=scope)
        is_trusted = self.trusts(client[0])
        headers = [
            (name, value)
            for name, value in scope["headers"]
            if (is_trusted if name == self._header else not _is_said_by_proxies(name))
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
            address = _without_port(named.strip())
            if address and not self.trusts(address):
                return address
        return proxy


def _without_port(named: str) -> str:
    """An address without the port that some proxies add: each connection would be another visitor."""
    is_bare = named.count(":") > 1 and not named.startswith("[")
    return named if is_bare else host_of(f"//{named}")


def _is_said_by_proxies(name: bytes) -> bool:
    return name.startswith(b"x-forwarded-") or name in _SAID_BY_PROXIES


def _nearest(values: Iterable[str]) -> str:
    """Of what proxies have added one after the other, what the nearest one says."""
    return ",".join(values).rpartition(",")[2].strip()
