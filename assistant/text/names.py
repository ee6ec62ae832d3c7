"""The names in a text: ``Home Comfort``, ``Zahn 70``, ``Kiel``, ``PG-105``.

A name is told by its capital letters. English writes few other words so, except the first of a sentence. German writes
all nouns so: there a name has at least two words, or a word and a number.
"""

import re
from collections.abc import Iterator

from assistant.text.lexicon import forms, own, vocabulary
from assistant.text.quantities import dates, in_figures, without_measures

Name = tuple[str, ...]
"""The words of a name as they are written."""

_TOKEN = re.compile(r"[^\W_]+(?:[-'’&.][^\W_]+)*")
# Between the words of one name stands one blank, and nothing else.
_WITHIN = frozenset({" ", "\u00a0"})
# What ends a sentence, or numbers a clause, in its last characters; and what may stand between it and the next word.
_ENDS = re.compile(r"(?:[.!?:;•|–-]|\((?:\d{1,3}|[a-z])\))\Z")
_LONGEST_END = 5  # "(123)"
_OPENING = frozenset("\"'“”‘’«»„([")
# Luxembourgish has no folder of its own.
_OTHER_CAPITAL_NOUNS = frozenset({"lb"})
# "Zahn 70" is a name; a longer number is a year or an amount.
_MOST_DIGITS = 3


def names(text: str, language: str) -> list[Name]:
    """The names of ``text`` in order."""
    return [name for name, _, _ in _placed(_without_figures(text, language), language)]


def listed_names(text: str, language: str) -> list[list[Name]]:
    """The names that stand side by side as things of one kind: ``Home Basic, Home Comfort and Home Premium``."""
    text = _without_figures(text, language)
    joins = re.compile(rf"[,;/|]? ?(?:{forms('joining', language)})?", re.IGNORECASE)
    groups: list[list[Name]] = []
    before = 0
    for name, start, end in _placed(text, language):
        between = " ".join(text[before:start].split())
        if groups and between and joins.fullmatch(between):
            groups[-1].append(name)
        else:
            groups.append([name])
        before = end
    return [group for group in groups if len(group) > 1]


def _without_figures(text: str, language: str) -> str:
    """``text`` without its dates and what counts something, whose words are no names."""
    return without_measures(dates(in_figures(text, language), language)[1], language)


def _placed(text: str, language: str) -> Iterator[tuple[Name, int, int]]:
    capital_nouns = own("capital_nouns", language) or language in _OTHER_CAPITAL_NOUNS
    for run in _runs(text, language):
        words = tuple(match[0] for match in run)
        in_doubt = capital_nouns or _starts_sentence(text, run[0].start())
        if len(words) > 1 or _is_code(words[0]) or not in_doubt:
            yield words, run[0].start(), run[-1].end()


def _starts_sentence(text: str, place: int) -> bool:
    """Whether a sentence or a line starts with the word at ``place``."""
    opening = place
    while opening and (text[opening - 1].isspace() or text[opening - 1] in _OPENING):
        opening -= 1
    if not opening or "\n" in text[opening:place]:
        return True
    return _ENDS.search(text, max(0, opening - _LONGEST_END), opening) is not None


def _runs(text: str, language: str) -> list[list[re.Match[str]]]:
    """Words of names that stand side by side; a small number belongs to the word before it."""
    no_names = vocabulary("stopwords", language) | vocabulary("no_names", language)
    runs: list[list[re.Match[str]]] = []
    before: re.Match[str] | None = None
    for match in _TOKEN.finditer(text):
        continues = before is not None and text[before.end() : match.start()] in _WITHIN
        before = None
        if (match[0][0].isupper() or _is_code(match[0])) and match[0].casefold() not in no_names:
            if continues:
                runs[-1].append(match)
            else:
                runs.append([match])
            before = match
        elif continues and match[0].isdecimal() and len(match[0]) <= _MOST_DIGITS:
            runs[-1].append(match)
    return runs


def _is_code(word: str) -> bool:
    """Whether a word mixes capital letters and digits: ``PG-105``, ``G-26``."""
    return any(character.isdigit() for character in word) and any(character.isupper() for character in word)
