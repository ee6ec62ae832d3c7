"""Words that decide what a sentence promises: without them it says something else, however few they are."""

import re
from collections.abc import Mapping
from functools import cache

from assistant.text.lexicon import forms, table


def missing_word(sentence: str, passage: str, language: str) -> str:
    """The first of these words that a sentence holds and a passage does not say; empty when there is none."""
    for words, said in _groups(language).items():
        if (found := words.search(sentence)) and not said.search(passage):
            return found[0]
    return ""


def is_restricted(sentence: str, passage: str, language: str) -> bool:
    """Whether a passage says on a condition only what a sentence says without any."""
    only = _any(forms("restrictions", language))
    return only.search(sentence) is None and only.search(passage) is not None


@cache
def _groups(language: str) -> Mapping[re.Pattern[str], re.Pattern[str]]:
    """Groups of words that say the same, each with all words by which a passage says as much."""
    others = table("counted_otherwise", language)
    groups = [(words, "") for words in table("decisive", language).values()]
    groups += [(words, others[name]) for name, words in table("counted", language).items()]
    return {_any(words): _any("|".join(filter(None, (words, other)))) for words, other in groups if words}


@cache
def _any(words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{words})\b", re.IGNORECASE)
