"""How often a password may be tried, so that guessing is slow and keeps nobody out.

    a browser that has signed in with the name before ──▶ tries of its own
    any other ──▶ those of its address, and those that the name has for all others together

The first kind shows a device cookie ("Slow Down Online Guessing Attacks with Device Cookies", OWASP): while strangers
use up what a name has, its owner still gets in. A try that succeeds does not count.
"""

import ipaddress
import time
from collections.abc import Callable

from ui.api.limits import RateLimit
from ui.people import composed

_HOUR_SECONDS = 3600
# So many times the tries that an address has in a minute a name has in an hour; by default 30, so that in a month one
# of 22,000 passwords may be right. NIST (SP 800-63B, 5.2.2) asks for at most 100 at once.
_OF_A_NAME = 5
_LONGEST_NAME = 100
_NETWORK_BITS = 64
"""Of an IPv6 address: whoever has one has all of its network."""


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
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    found = getattr(found, "ipv4_mapped", None) or found
    is_short = isinstance(found, ipaddress.IPv4Address)
    return str(found if is_short else ipaddress.IPv6Network((int(found), _NETWORK_BITS), strict=False))


def _key(name: str, device: str = "") -> str:
    # A name may be written in several ways of Unicode, and be of any length.
    return f"{composed(name)[:_LONGEST_NAME]}\0{device}"
