"""Ranges of numbers as tables write them: ``41–50``, ``61 and older``, ``über 500.000 Einwohner``, ``NC 20 to NC 34``.

A number alone is a range of one, so that "does the row hold what was asked" is one question: is this range within that.
"""

import math
import re
from dataclasses import dataclass
from functools import cache, lru_cache

from assistant.text.lexicon import forms

_THOUSANDS = re.compile(r"(?<=\d)[.,\u00a0\u202f'’](?=\d{3}(?!\d))")
# Amounts and parts of a whole are what tables say, not what their rows are found by.
_NUMBER = r"\d{1,12}(?:[.,]\d{1,12}){0,3}"
_AMOUNT = re.compile(
    rf"[€$£]\s?{_NUMBER}|{_NUMBER}\s?(?:[€$£%]|eur\b|euros?\b)|\d{{1,12}}[.,]\d{{1,2}}(?!\d)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Range:
    """From ``low`` to ``high``, both within it; as it is written, with the word before and behind it."""

    low: float
    high: float
    written: str
    words: frozenset[str]

    def holds(self, other: "Range") -> bool:
        """Whether all of another range is in this one."""
        return self.low <= other.low and other.high <= self.high


@cache
def _pattern() -> re.Pattern[str]:
    """A table may be in another language than the question, so that words of all languages count in both."""
    to, above, most, below = (forms(kind) for kind in ("ranges_to", "above", "at_most", "below"))
    from_on, up_to, or_more = (forms(kind) for kind in ("from_on", "up_to", "or_more"))
    return re.compile(
        rf"(?:(?P<above>\b(?:{above})\s)|(?P<below>\b(?:{below})\s)|(?P<up_to>\b(?:{up_to}|{most})\s)"
        rf"|(?P<from_on>\b(?:{from_on})\s))?(?P<before>\b[^\W\d_]+\s)?(?<![\w.,])(?P<low>\d+)"
        rf"(?:\s?(?:-|–|\b(?:{to})\b)\s?(?:[^\W\d_]+\s)?(?P<high>\d+)|(?P<or_more>\s?(?:\+|(?:[^\W\d_]+\s)?(?:{or_more})\b)))?"
        r"(?![.,]?\d)(?:\s?(?P<after>[^\W\d_]+))?",
        re.IGNORECASE,
    )


@lru_cache(maxsize=4096)
def ranges(text: str) -> tuple[Range, ...]:
    """The ranges and numbers of a text that are no amounts of money and no percentages, in order."""
    return tuple(map(_range, _pattern().finditer(_plain(text))))


def without_ranges(text: str) -> str:
    """The words of a text beside its ranges: "Single" of "Single up to 65"."""
    return _pattern().sub(lambda match: f"{match['before'] or ''} {match['after'] or ''}", _plain(text))


def _plain(text: str) -> str:
    return _THOUSANDS.sub("", _AMOUNT.sub(" ", text))


def _range(match: re.Match[str]) -> Range:
    low = float(match["low"])
    high = float(match["high"]) if match["high"] else low
    if match["above"]:
        low, high = math.nextafter(low, math.inf), math.inf
    elif match["below"]:
        low, high = -math.inf, math.nextafter(low, -math.inf)
    elif match["up_to"] and not match["high"]:
        low = -math.inf
    elif match["or_more"] or (match["from_on"] and not match["high"]):
        high = math.inf
    its = (match[name] for name in ("before", "after"))
    return Range(low, high, match[0].strip(), frozenset(word.strip().casefold() for word in its if word))
