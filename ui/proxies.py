"""What a proxy in front of the app says of a request, where it is one that is believed."""

import ipaddress
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import Scope

from assistant.errors import ConfigError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(addresses: Iterable[str]) -> tuple[Network, ...]:
    """Addresses and networks as they are written in the settings. Raises ConfigError for one that is none."""
    try:
        return tuple(ipaddress.ip_network(address, strict=False) for address in addresses)
    except ValueError as error:
        raise ConfigError(f"ui.trusted_proxies: {error}.", "Write addresses or networks, as in 10.0.0.0/8.") from None


def is_from(trusted: Iterable[Network], scope: Scope) -> bool:
    """Whether the connection comes from one of these."""
    try:
        address = ipaddress.ip_address((scope.get("client") or ("",))[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in trusted)


def client_address(trusted: Iterable[Network], scope: Scope) -> str:
    """Where a request comes from; behind a trusted proxy, what that proxy saw."""
    told = Headers(scope=scope).get("x-forwarded-for", "").rpartition(",")[2].strip()
    return told if told and is_from(trusted, scope) else str((scope.get("client") or ("unknown",))[0])


def is_https(trusted: Iterable[Network], scope: Scope) -> bool:
    """Whether the browser's connection is encrypted."""
    told = Headers(scope=scope).get("x-forwarded-proto", "")
    return scope.get("scheme") == "https" or (told == "https" and is_from(trusted, scope))
