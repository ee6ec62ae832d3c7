"""Who is signed in, and how often a password may be tried.

A session is a random token, of which only a digest is kept, in the memory of this process. It ends when it was not used
for a while, when its owner signs out, and when their password changes.

Guessing is slow and keeps nobody out:

    a browser that has signed in with the name before ──▶ tries of its own
    any other ──▶ those of its address, and those that the name has for all others together

The first kind shows a device cookie ("Slow Down Online Guessing Attacks with Device Cookies", OWASP): while strangers
use up what a name has, its owner still gets in. A try that succeeds does not count.
"""

import hashlib
import ipaddress
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from ui.api.limits import RateLimit
from ui.people import composed

_MOST_SESSIONS = 10_000
_HOUR_SECONDS = 3600
# So many times the tries that an address has in a minute a name has in an hour; by default 30, so that in a month one
# of 22,000 passwords may be right. NIST (SP 800-63B, 5.2.2) asks for at most 100 at once.
_OF_A_NAME = 5
_LONGEST_NAME = 100
_NETWORK_BITS = 64
"""Of an IPv6 address: whoever has one has all of its network."""


@dataclass(frozen=True, slots=True)
class _Session:
    name: str
    stamp: str
    used_at: float


class Sessions:
    """Token → name, for as long as the token is used. May be asked by several threads."""

    def __init__(self, minutes: float, clock: Callable[[], float] = time.monotonic) -> None:
        """``minutes`` without use end a session. ``clock`` gives seconds."""
        self._seconds = minutes * 60
        self._clock = clock
        self._sessions: OrderedDict[str, _Session] = OrderedDict()  # the one used longest ago comes first
        self._lock = threading.Lock()

    def begin(self, name: str, stamp: str) -> str:
        """A new token for someone. ``stamp`` has to be the same whenever the token is used."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._forget_ended()
            self._sessions[_digest(token)] = _Session(name, stamp, self._clock())
        return token

    def name_of(self, token: str, stamp_of: Callable[[str], str]) -> str | None:
        """Whose token it is, which counts as use; None for one that has ended or never was."""
        key, now = _digest(token), self._clock()
        with self._lock:
            session = self._sessions.get(key)
            if session is None:
                return None
            if now - session.used_at > self._seconds or stamp_of(session.name) != session.stamp:
                del self._sessions[key]
                return None
            self._sessions[key] = _Session(session.name, session.stamp, now)
            self._sessions.move_to_end(key)
            return session.name

    def end(self, token: str) -> None:
        """Sign out."""
        with self._lock:
            self._sessions.pop(_digest(token), None)

    def _forget_ended(self) -> None:
        now = self._clock()
        while self._sessions:
            oldest = next(iter(self._sessions.values()))
            if now - oldest.used_at <= self._seconds and len(self._sessions) < _MOST_SESSIONS:
                return
            self._sessions.popitem(last=False)


def _digest(token: str) -> str:
    # The table is searched by digest, so that the time it takes tells nothing about a token.
    return hashlib.sha256(token.encode()).hexdigest()


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
