"""The same words in two texts that were set differently: the stored text of a document, and a page of its PDF.

The page breaks words at line ends, has ligatures, and may put a footer into the middle of a paragraph. So only
letters and digits are compared, and what does not stand there as a whole is found in pieces, each as long as may be.
"""

import unicodedata

from assistant.text.runs import Runs

_SHORTEST = 8
"""Pieces of fewer letters could be found anywhere."""
_LEAST = 0.5
"""With less than this part of the letters found, what was found is something else."""


def aligned(words: str, text: str, at: int = 0) -> list[int]:
    """Indices in ``text`` of the characters of ``words``, in order; empty when they do not stand there.

    If they stand there more than once, those nearest behind about ``at`` characters are meant.
    """
    wanted, _ = _letters(words)
    there, places = _letters(text)
    if not wanted:
        return []
    found = _pieces(wanted, there, at)
    if sum(end - start for start, end in found) < _LEAST * len(wanted):
        return []
    marked = (place for start, end in found for place in range(places[start], places[end - 1] + 1))
    return list(dict.fromkeys(marked))


def _pieces(wanted: str, there: str, near: int) -> list[tuple[int, int]]:
    """Where ``wanted`` stands, piece by piece from its beginning, as half-open spans of ``there``."""
    found: list[tuple[int, int]] = []
    runs = Runs(there)
    at = 0
    while at < len(wanted):
        length = runs.longest(wanted, at)
        if length >= min(_SHORTEST, len(wanted)):
            start = _nearest(wanted[at : at + length], there, near)
            near = start + length
            found.append((start, near))
        at += max(length, 1) if length >= _SHORTEST else 1
    return found


def _nearest(wanted: str, there: str, near: int) -> int:
    """Where ``wanted`` begins, as near as may be; -1 when it does not stand there."""
    behind, before = there.find(wanted, near), there.rfind(wanted, 0, near + len(wanted))
    if behind < 0 or before < 0:
        return max(behind, before)
    return behind if behind - near <= near - before else before


def _letters(text: str) -> tuple[str, list[int]]:
    """Letters and digits without case, accents kept, ligatures taken apart; and where each stood."""
    letters: list[str] = []
    places: list[int] = []
    for index, character in enumerate(text):
        for letter in unicodedata.normalize("NFKC", character).casefold():
            if letter.isalnum():
                letters.append(letter)
                places.append(index)
    return "".join(letters), places
