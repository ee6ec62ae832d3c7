"""How often one client may ask."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

_MOST_CLIENTS = 10_000


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
