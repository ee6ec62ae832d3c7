"""Texts cut into pieces that carry marks: gold, cited, differing. A page shows the pieces; nothing here is HTML."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Span = tuple[int, int]

_WORD_OR_GAP = re.compile(r"\w+|\W+")
_WORD = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text with the names of its marks, separated by blanks; empty for plain text."""

    text: str
    marks: str = ""


def marked(text: str, spans: Mapping[str, Sequence[Span]]) -> list[Piece]:
    """``text`` in pieces; ``spans`` are half-open, by mark, and may overlap or lie outside of the text."""
    borders = {0, len(text)}
    for some in spans.values():
        borders.update(min(max(border, 0), len(text)) for span in some for border in span)
    ordered = sorted(borders)
    return [
        Piece(text[start:end], " ".join(name for name, some in spans.items() if _covers(some, start, end)))
        for start, end in pairwise(ordered)
    ]


def differing(text: str, words: Collection[str]) -> list[Piece]:
    """``text`` in pieces; those of words that are not among ``words`` (see ``words_of``) are marked ``differs``."""
    pieces: list[Piece] = []
    for part in _WORD_OR_GAP.findall(text):
        marks = "differs" if _is_word(part) and part.casefold() not in words else ""
        if pieces and pieces[-1].marks == marks:
            pieces[-1] = Piece(pieces[-1].text + part, marks)
        else:
            pieces.append(Piece(part, marks))
    return pieces


def words_of(text: str) -> frozenset[str]:
    """The words of a text, without case."""
    return frozenset(part.casefold() for part in _WORD_OR_GAP.findall(text) if _is_word(part))


def _is_word(part: str) -> bool:
    return bool(_WORD.match(part))


def _covers(spans: Sequence[Span], start: int, end: int) -> bool:
    return any(first <= start and end <= last for first, last in spans)
