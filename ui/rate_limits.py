"""How often one client may ask, and how often a password or token may be tried.

Guessing is slow and keeps nobody out:

    a browser that has signed in with the name before ──▶ tries of its own
    any other ──▶ those of its address, and those that the name has for all others together

The first kind shows a device cookie ("Slow Down Online Guessing Attacks with Device Cookies", OWASP): while strangers
use up what a name has, its owner still gets in. A try that succeeds does not count.
"""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from ui.people import composed
from ui.requests import address_in

_MOST_CLIENTS = 10_000  # a few MB
_HOUR_SECONDS = 3600
# So many times the tries that an address has in a minute a name has in an hour; by default 30, so that in a month one
# of 22,000 passwords may be right. NIST (SP 800-63B, 5.2.2) asks for at most 100 at once.
_OF_A_NAME = 5
_LONGEST_NAME = 100  # characters; people of ours have at most 64
_NETWORK_BITS = 64
"""Of an IPv6 address: whoever has one has all of its network."""


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


class Guesses:
    """Tries that are left, by address, by name and by device."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """``per_minute`` are those of one address. ``clock`` gives seconds."""
        self._of_address = RateLimit(per_minute, clock=clock)
        self._of_name = RateLimit(per_minute * _OF_A_NAME, _HOUR_SECONDS, clock)

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


def network_of(address: str) -> str:
    """What one visitor has of addresses: one of IPv4, a network of IPv6; what is no address is taken as it is."""
    found = address_in(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(found), _NETWORK_BITS), strict=False))
    return str(found or address)


def _key(name: str, device: str = "") -> str:
    # A name may be written in several ways of Unicode, and be of any length.
    return f"{composed(name)[:_LONGEST_NAME]}\0{device}"
