"""Dates of a text in one spelling: ``3 May 2026``, ``03.05.2026`` and ``2026-05-03`` are all ``2026-05-03``.

A date without a year is ``--05-03``, one without a day ``2026-05`` (ISO 8601). Numbers between slashes count the day
first, unless only the other order gives a date.
"""

import re
from collections.abc import Set

_NAMES = (
    ("January", "Januar", "Jänner", "Jan"),
    ("February", "Februar", "Feb"),
    ("March", "März", "Mar"),
    ("April", "Apr"),
    ("May", "Mai"),
    ("June", "Juni", "Jun"),
    ("July", "Juli", "Jul"),
    ("August", "Aug"),
    ("September", "Sept", "Sep"),
    ("October", "Oktober", "Oct", "Okt"),
    ("November", "Nov"),
    ("December", "Dezember", "Dec", "Dez"),
)
_MONTH_OF = {name: month for month, names in enumerate(_NAMES, 1) for name in names}
# Longest first, and with a capital letter: "may" is a verb.
_MONTH = rf"(?P<month>{'|'.join(sorted(_MONTH_OF, key=len, reverse=True))})\b\.?"
_YEAR = r"(?P<year>(?:19|20)\d\d)\b"
_DAY = r"\b(?P<day>\d{1,2})"
_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b{_YEAR}-(?P<month>\d\d)-(?P<day>\d\d)\b",
        rf"{_DAY}(?:st|nd|rd|th|\.)?\s+(?:of\s+)?{_MONTH}(?:,?\s+{_YEAR})?",
        rf"\b{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?!\d)(?:,?\s+{_YEAR})?",
        rf"\b{_MONTH}\s+{_YEAR}",
        rf"{_DAY}\.\s?(?P<month>\d{{1,2}})\.\s?{_YEAR}",
        rf"{_DAY}/(?P<month>\d{{1,2}})/{_YEAR}",
        rf"\b(?P<month>\d{{1,2}})/{_YEAR}",
        r"\b(?P<day>\d\d)\.(?P<month>\d\d)\.(?!\d)",
    )
)


def dates(text: str) -> tuple[list[str], str]:
    """The dates of ``text`` in one spelling, and the text without them."""
    found: list[str] = []

    def take(match: re.Match[str]) -> str:
        date = _spelled(match.groupdict())
        if not date:
            return match[0]
        found.append(date)
        return " "

    for pattern in _PATTERNS:
        text = pattern.sub(take, text)
    return found, text


def is_dated(date: str, among: Set[str]) -> bool:
    """Whether a date, or a year, is one of those of a text or says less than one of them."""
    if date.startswith("--"):
        return any(other.endswith(date[1:]) for other in among)
    return any(other == date or other.startswith(f"{date}-") for other in among)


def _spelled(parts: dict[str, str | None]) -> str:
    """The date of a match; empty when there is no such day."""
    year, day = parts.get("year"), int(parts.get("day") or 0)
    named = parts["month"] or ""
    month = _MONTH_OF.get(named) or int(named)
    if month > 12 and 1 <= day <= 12:
        month, day = day, month
    if not (1 <= month <= 12 and day <= 31):
        return ""
    return f"{year or '-'}-{month:02}" + (f"-{day:02}" if day else "")
