"""The words of a language that are no subject of any text, and forms made of them: ``words.yaml`` of its folder.

English and German are read together: documents of either hold sentences of the other, a question is too short to tell
its language for sure, and so all figures were measured. Any other language with a folder is read by itself, and one
without like English and German.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from assistant.text.languages import LANGUAGES, alternatives, data

_TOGETHER = ("en", "de")
_NOTHING = "(?!)"


def read_with(language: str) -> tuple[str, ...]:
    """The languages whose words count in a text of this one; "" is a text of which it is not known."""
    return (language,) if language in LANGUAGES and language not in _TOGETHER else _TOGETHER


@cache
def vocabulary(kind: str, language: str = "") -> frozenset[str]:
    """The words of one kind, as ``"stopwords"``, folded to lower case. Raises KeyError for a kind that there is not."""
    return frozenset(word for one in read_with(language) for word in _words(one)[kind].split())


@cache
def grammar(language: str = "") -> frozenset[str]:
    """The words that show how a question is built."""
    kinds = ("stopwords", "question_words", "verbs", "prepositions", "conditions", "conjunctions")
    return frozenset[str]().union(*(vocabulary(kind, language) for kind in kinds))


@cache
def no_subject(language: str = "") -> frozenset[str]:
    """The words of a question that name no subject: those of grammar, and those that ask something about a subject."""
    return grammar(language) | vocabulary("relations", language) | vocabulary("clitics", language)


@cache
def everywhere(kind: str) -> frozenset[str]:
    """The words of one kind in all languages, for texts that are read before their language is known."""
    return frozenset(word for one in LANGUAGES for word in _words(one)[kind].split())


@cache
def forms(kind: str, language: str = "") -> str:
    """The alternatives of a pattern that finds the words of one kind; it finds nothing where a language has none."""
    return _joined(_words(one)[kind] for one in read_with(language)) or _NOTHING


@cache
def whole_words(alternatives: str) -> re.Pattern[str]:
    """What finds any of some alternatives as a whole word, in whatever case."""
    return re.compile(rf"\b(?:{alternatives})\b", re.IGNORECASE)


@cache
def every_form(kind: str) -> str:
    """The same in all languages, for what people say in a conversation."""
    return _joined(_words(one)[kind] for one in LANGUAGES)


@cache
def table(kind: str, language: str = "") -> Mapping[str, Any]:
    """What one kind holds by name; where languages that are read together have the same name, alternatives of both."""
    found: dict[str, Any] = {}
    for one in read_with(language):
        for name, value in _words(one)[kind].items():
            found[name] = _joined((found.get(name, ""), value)) if isinstance(value, str) else value
    return found


def own(kind: str, language: str) -> Any:
    """What one language by itself has of a kind; English serves for those that have no folder."""
    return _words(language if language in LANGUAGES else LANGUAGES[0])[kind]


def _words(language: str) -> Mapping[str, Any]:
    words: Mapping[str, Any] = data(language, "words")
    return words


def _joined(written: Any) -> str:
    return "|".join(filter(None, map(alternatives, written)))
