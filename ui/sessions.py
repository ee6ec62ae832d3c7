"""Who is signed in: random tokens, of which only a digest is kept, in the memory of this process.

A session ends when it was not used for a while, when its owner signs out, and when their password changes.
"""

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_MOST_SESSIONS = 10_000


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
