"""Sentences that say of two things what a passage may say of one: "Students and guests get a discount"."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from assistant.text.lexicon import forms, vocabulary
from assistant.text.words import words

# No name of a thing is longer, and no sentence joins more.
_LONGEST, _MOST = 80, 4


def parted(sentence: str, passage: str, language: str) -> Iterator[str]:
    """A sentence with only one of two things that it joins, each in turn; nothing of those that the passage joins."""
    sentence, said = " ".join(sentence.split()), f" {' '.join(words(passage))} "
    joins = re.finditer(rf"\s({forms('joining', language)})\s", sentence, re.IGNORECASE)
    for match in islice(joins, _MOST):
        before = sentence[max(0, match.start() - _LONGEST) : match.start()].split()
        behind = sentence[match.end() : match.end() + _LONGEST].split()
        left, right = _last(before, language), _first(behind, language)
        beside = words(" ".join([*before[-1:], match[1], *behind[:1]]))
        if left and right and f" {' '.join(beside)} " not in said:
            yield sentence[: match.start()] + sentence[match.end() + len(" ".join(right)) :]
            yield sentence[: match.start() - len(" ".join(left))] + sentence[match.end() :]


def _last(some: Sequence[str], language: str) -> list[str]:
    """The thing that some words end with: back to its article, or to the word of grammar before it."""
    articles = vocabulary("articles", language)
    grammar = vocabulary("stopwords", language) - articles
    kept: list[str] = []
    for word in reversed(some):
        if (kept and kept[0].casefold() in articles) or word.casefold() in grammar:
            break
        kept.insert(0, word)
    return kept if _names_a_thing(kept, language) else []


def _first(some: Sequence[str], language: str) -> list[str]:
    """The thing that some words begin with: up to the next word of grammar."""
    articles, grammar = vocabulary("articles", language), vocabulary("stopwords", language)
    kept: list[str] = []
    for word in some:
        if word.casefold() in grammar and (kept or word.casefold() not in articles):
            break
        kept.append(word)
    return kept if _names_a_thing(kept, language) else []


def _names_a_thing(some: Sequence[str], language: str) -> bool:
    is_plain = not any(character.isdigit() or character in "()" for word in some for character in word)
    return is_plain and not vocabulary("stopwords", language).issuperset(map(str.casefold, some))
