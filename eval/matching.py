"""Whether one text says another: the three degrees of it that cases, leaks and scores ask for.

``folded``       the same letters and digits: equal questions, equal answers
``occurrences``  where a quote stands in a text, by its letters and digits: gold evidence
``is_verbatim``  whether a sentence stands in a text word for word: support without a doubt
"""

import re
import unicodedata
from array import array
from functools import cache, lru_cache


def folded(text: str) -> str:
    """Letters and digits of a text in one spelling: without case, accents, and anything between them.

    White space, hyphens, list marks and the rules of tables do not matter.
    """
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
        before, behind = text[max(start - 1, 0) : start], text[end : end + 1]
        if not (before and _letters(before)) and not (behind and _letters(behind)):
            spans.append((start, end))
        at = letters.find(wanted, at + 1)
    return spans


def is_verbatim(sentence: str, text: str) -> bool:
    """Whether a text has a sentence word for word, however it is broken into lines; "5 euros" is not in "15 euros"."""
    words = r"\s+".join(map(re.escape, sentence.split()))
    return bool(words) and re.search(rf"(?<!\w)(?<!\d[.,]){words}(?!\w)", text) is not None


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
