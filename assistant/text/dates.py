"""Dates of a text in one spelling: ``3 May 2026``, ``03.05.2026`` and ``2026-05-03`` are all ``2026-05-03``.

A date without a year is ``--05-03``, one without a day ``2026-05`` (ISO 8601). Numbers between slashes count the day
first, unless only the other order gives a date.
"""

import re
from collections.abc import Mapping, Set
from functools import cache

from assistant.text.lexicon import forms, own, read_with


def dates(text: str, language: str = "") -> tuple[list[str], str]:
    """The dates of ``text`` in one spelling, and the text without them."""
    found: list[str] = []
    months = _months(language)

    def take(match: re.Match[str]) -> str:
        date = _spelled(match.groupdict(), months)
        if not date:
            return match[0]
        found.append(date)
        return " "

    for pattern in _patterns(language):
        text = pattern.sub(take, text)
    return found, text


def is_dated(date: str, among: Set[str]) -> bool:
    """Whether a date, or a year, is one of those of a text or says less than one of them."""
    if date.startswith("--"):
        return any(other.endswith(date[1:]) for other in among)
    return any(other == date or other.startswith(f"{date}-") for other in among)


@cache
def _months(language: str) -> Mapping[str, int]:
    return {
        name: month
        for one in read_with(language)
        for month, names in enumerate(own("months", one), 1)
        for name in names.split()
    }


@cache
def _patterns(language: str) -> tuple[re.Pattern[str], ...]:
    # Longest first, and as they are written: "may" is a verb.
    month = rf"(?P<month>{'|'.join(sorted(_months(language), key=len, reverse=True))})\b\.?"
    year = r"(?P<year>(?:19|20)\d\d)\b"
    day = r"\b(?P<day>\d{1,2})"
    ending, of = (forms(kind, language) for kind in ("ordinal_endings", "of_a_month"))
    return tuple(
        re.compile(pattern)
        for pattern in (
            rf"\b{year}-(?P<month>\d\d)-(?P<day>\d\d)\b",
            rf"{day}(?:{ending}|\.)?\s+(?:(?:{of})\s+)?{month}(?:,?\s+{year})?",
            rf"\b{month}\s+(?P<day>\d{{1,2}})(?:{ending})?(?!\d)(?:,?\s+{year})?",
            rf"\b{month}\s+{year}",
            rf"{day}\.\s?(?P<month>\d{{1,2}})\.\s?{year}",
            rf"{day}/(?P<month>\d{{1,2}})/{year}",
            rf"\b(?P<month>\d{{1,2}})/{year}",
            r"\b(?P<day>\d\d)\.(?P<month>\d\d)\.(?!\d)",
        )
    )


def _spelled(parts: Mapping[str, str | None], months: Mapping[str, int]) -> str:
    """The date of a match; empty when there is no such day."""
    year, day = parts.get("year"), int(parts.get("day") or 0)
    named = parts["month"] or ""
    month = months.get(named) or int(named)
    if month > 12 and 1 <= day <= 12:
        month, day = day, month
    if not (1 <= month <= 12 and day <= 31):
        return ""
    return f"{year or '-'}-{month:02}" + (f"-{day:02}" if day else "")
