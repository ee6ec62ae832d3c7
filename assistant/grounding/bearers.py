"""What each number of a text is said of: €20,000 "per family", 12 months "(Fixed)", "students" pay €7.

What a number is said of stands behind it, after "per", "for", "in" or in brackets, and before it. Two numbers of one
kind are told apart by the words that only one of them has: a sentence that gives one of them the words of the other
exchanges them.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

from assistant.text.lexicon import forms, vocabulary
from assistant.text.names import names
from assistant.text.quantities import in_figures, is_said, placed, quantities, unit_of
from assistant.text.words import stems, words

_MOST_PAIRS = 1_000


@dataclass(frozen=True, slots=True)
class Said:
    """A quantity with the stems of what it is said of."""

    quantity: str
    before: frozenset[str]
    behind: frozenset[str]
    around: frozenset[str]
    """All of its part of the sentence."""


@dataclass(frozen=True, slots=True)
class _Segment:
    """A part of a sentence between commas and conjunctions: quantities in it are said of the names in it."""

    quantities: frozenset[str]
    names: frozenset[frozenset[str]]


@dataclass(frozen=True, slots=True)
class _BearerPatterns:
    segment_end: re.Pattern[str]
    behind: re.Pattern[str]
    """"18 children (Nursery)", "€9 per person", "12 months for crowns": behind the number and what it counts."""
    single: re.Pattern[str]
    several: re.Pattern[str]


@cache
def _patterns(language: str) -> _BearerPatterns:
    kinds = ("parting", "said_of", "a_single", "once", "several_times")
    parting, said_of, single, once, several = (forms(kind, language) for kind in kinds)
    noun = r"(?P<noun>[^\W\d_]+)"
    return _BearerPatterns(
        re.compile(rf"[;|\n]|[,.!?](?=\s)|\b(?:{parting})\b"),
        re.compile(
            r"(?:\s+[^\W\d_]+){0,2}?\s*(?:\((?P<label>[^()\d]{1,40})\)"
            rf"|(?<!\w)(?:{said_of})\s+(?P<phrase>[^\W\d_]+(?:[\s-][^\W\d_]+){{0,3}}))",
            re.IGNORECASE,
        ),
        re.compile(rf"\b(?:{single}|1)\s{noun}|\b(?P<once>{once})\b", re.IGNORECASE),
        re.compile(rf"(?<![\d.,])(?:[2-9]|[1-9]\d+)\s{noun}|\b(?P<twice>{several})\b", re.IGNORECASE),
    )


@lru_cache(maxsize=4096)
def said(text: str, language: str) -> tuple[Said, ...]:
    """The quantities of a text in order, each with what it is said of."""
    return tuple(one for part in _patterns(language).segment_end.split(text) for one in _said(part, language))


def exchanged(claim: tuple[Said, ...], passage: tuple[Said, ...]) -> tuple[str, str] | None:
    """A quantity of a claim that the passage says of something else, and the one that it says of this; None if there is
    none, or so many that neither is a sentence."""
    if len(claim) * len(passage) > _MOST_PAIRS:
        return None
    for one in claim:
        own = [other for other in passage if other.quantity == one.quantity]
        rivals = [
            other
            for other in passage
            if other.quantity != one.quantity and unit_of(other.quantity) == unit_of(one.quantity)
        ]
        for rival in rivals:
            if own and all(_fits_better(one.around, rival, other) for other in own):
                return one.quantity, rival.quantity
    return None


def _fits_better(around: frozenset[str], rival: Said, own: Said) -> bool:
    """Whether what a claim says around a number is what only the rival is said of."""
    pairs = ((rival.before, own.before), (rival.behind, own.behind), (rival.around, own.around))
    return any(its - mine and mine and _share(around, its - mine) > _share(around, mine - its) for its, mine in pairs)


def _share(some: frozenset[str], of: frozenset[str]) -> float:
    return len(some & of) / len(of) if of else 1.0


def _said(part: str, language: str) -> Iterator[Said]:
    for quantity, before, behind in placed(part, language):
        match = _patterns(language).behind.match(behind)
        attribute = (match["label"] or match["phrase"]) if match else ""
        around = _content(f"{before} {behind}", language)
        yield Said(quantity, _content(before, language), _content(attribute, language), around)


def _content(text: str, language: str) -> frozenset[str]:
    grammar = vocabulary("stopwords", language)
    return frozenset(
        stems(" ".join(word for word in words(text) if word not in grammar and not word.isdigit()), language)
    )


def fewer(claim: str, passage: str, language: str) -> str:
    """What a claim says there is one of, where the passage says there are several; empty if nothing."""
    its = _patterns(language)
    if not (single := _counted(its.single, claim, language)):
        return ""
    several = _counted(its.several, in_figures(passage, language), language) - _counted(its.single, passage, language)
    return min(single & several, default="")


def _counted(pattern: re.Pattern[str], text: str, language: str) -> set[str]:
    return {"times" if not match["noun"] else stems(match["noun"], language)[0] for match in pattern.finditer(text)}


def misnamed(said_of: Iterable[tuple[str, frozenset[str]]], passage: str, language: str) -> str:
    """A quantity that the passage says of another name, while it says another one of this name; empty if none."""
    segments = _segments(passage, language)
    for quantity, name in said_of:
        its = [segment for segment in segments if is_said(quantity, segment.quantities)]
        of_name = [segment for segment in segments if name in segment.names]
        if not its or not of_name or any(segment in of_name or not segment.names for segment in its):
            continue
        rivals = {one for segment in of_name for one in segment.quantities if unit_of(one) == unit_of(quantity)}
        if rivals:
            return f"the passage says {', '.join(sorted(rivals))} of {' '.join(sorted(name))}, not {quantity}"
    return ""


def said_of_names(text: str, language: str) -> Iterator[tuple[str, frozenset[str]]]:
    """The quantities of a text with the name that each is said of, where there is one."""
    segments = _segments(text, language)
    everywhere = {name for segment in segments for name in segment.names}
    for segment in segments:
        its = segment.names or everywhere
        if len(its) == 1:
            yield from ((quantity, next(iter(its))) for quantity in segment.quantities)


@lru_cache(maxsize=4096)
def _segments(text: str, language: str) -> tuple[_Segment, ...]:
    return tuple(
        _Segment(
            frozenset(quantities(part, language)),
            frozenset(frozenset(words(" ".join(name))) for name in names(part, language)),
        )
        for part in _patterns(language).segment_end.split(text)
    )
