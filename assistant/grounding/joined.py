"""Sentences that say of two things what a passage may say of one: "Students and guests get a discount"."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from assistant.text.stopwords import STOPWORDS
from assistant.text.words import words

_JOINS = re.compile(r"\s(and|or|und|oder|sowie)\s", re.IGNORECASE)
_ARTICLES = frozenset("a an the das dem den der des die ein eine einem einen einer eines".split())
# No name of a thing is longer, and no sentence joins more.
_LONGEST, _MOST = 80, 4


def parted(sentence: str, passage: str) -> Iterator[str]:
    """A sentence with only one of two things that it joins, each in turn; nothing of those that the passage joins."""
    sentence, said = " ".join(sentence.split()), f" {' '.join(words(passage))} "
    for match in islice(_JOINS.finditer(sentence), _MOST):
        before = sentence[max(0, match.start() - _LONGEST) : match.start()].split()
        behind = sentence[match.end() : match.end() + _LONGEST].split()
        left, right = _last(before), _first(behind)
        beside = words(" ".join([*before[-1:], match[1], *behind[:1]]))
        if left and right and f" {' '.join(beside)} " not in said:
            yield sentence[: match.start()] + sentence[match.end() + len(" ".join(right)) :]
            yield sentence[: match.start() - len(" ".join(left))] + sentence[match.end() :]


def _last(some: Sequence[str]) -> list[str]:
    """The thing that some words end with: back to its article, or to the word of grammar before it."""
    kept: list[str] = []
    for word in reversed(some):
        if (kept and kept[0].casefold() in _ARTICLES) or word.casefold() in STOPWORDS - _ARTICLES:
            break
        kept.insert(0, word)
    return kept if _names_a_thing(kept) else []


def _first(some: Sequence[str]) -> list[str]:
    """The thing that some words begin with: up to the next word of grammar."""
    kept: list[str] = []
    for word in some:
        if word.casefold() in STOPWORDS and (kept or word.casefold() not in _ARTICLES):
            break
        kept.append(word)
    return kept if _names_a_thing(kept) else []


def _names_a_thing(some: Sequence[str]) -> bool:
    is_plain = not any(character.isdigit() or character in "()" for word in some for character in word)
    return is_plain and not STOPWORDS.issuperset(map(str.casefold, some))
