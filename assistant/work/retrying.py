"""When a server that failed or is busy is asked again."""

import contextlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_WAIT = 60.0


def seconds_to_wait(retry_after: str, attempt: int) -> float:
    """Seconds until the next attempt: what the server asks for, else 1, 2, 4 …; a minute at most.

    ``retry_after`` is the header of that name (RFC 9110), seconds or a date; empty where there is none. ``attempt`` is
    the number of the one that failed, 1 for the first.
    """
    asked = _seconds(retry_after.strip())
    return min(LONGEST_WAIT, 2.0 ** (attempt - 1) if asked is None else max(0.0, asked))


def _seconds(retry_after: str) -> float | None:
    if retry_after.replace(".", "", 1).isdecimal():
        return float(retry_after)
    with contextlib.suppress(ValueError, TypeError):  # a date without a zone cannot be compared
        return (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds()
    return None
