"""Texts by their letters and digits alone: white space, hyphens, list marks and the rules of tables do not matter."""

import unicodedata
from array import array
from functools import cache, lru_cache


def folded(text: str) -> str:
    """Letters and digits of a text in one spelling: without case, accents, and anything between them."""
    return _folded(text)[0]


def occurrences(quote: str, text: str) -> list[tuple[int, int]]:
    """Half-open spans of ``text`` that say ``quote``, folded, from word border to word border.

    "50 euros" does not stand in "150 euros".
    """
    wanted = folded(quote)
    if not wanted:
        return []
    letters, places = _folded(text)
    spans = []
    at = letters.find(wanted)
    while at >= 0:
        start, end = places[at], places[at + len(wanted) - 1] + 1
        if not _continues(text, start - 1) and not _continues(text, end):
            spans.append((start, end))
        at = letters.find(wanted, at + 1)
    return spans


def _continues(text: str, place: int) -> bool:
    return 0 <= place < len(text) and bool(_letters(text[place]))


@lru_cache(maxsize=4096)
def _folded(text: str) -> "tuple[str, array[int]]":
    """Folded text, and for each of its letters the place in ``text`` that it comes from."""
    letters: list[str] = []
    places = array("I")
    for place, character in enumerate(text):
        for letter in _letters(character):
            letters.append(letter)
            places.append(place)
    return "".join(letters), places


@cache
def _letters(character: str) -> str:
    decomposed = unicodedata.normalize("NFKD", character).casefold()
    return "".join(letter for letter in decomposed if letter.isalnum())
