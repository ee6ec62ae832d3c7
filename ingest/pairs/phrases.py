"""The wordings of questions in each language, and what is told apart for them: ``questions.yaml`` of its folder.

Documents of one language hold words of another, so what is told apart counts in all of them.
"""

from functools import cache
from typing import Any

from assistant.text.languages import alternatives, data, every

ANY_WORDS = 2
"""So many wordings at the end of a kind quote what they ask about, which may be no noun."""


def wordings(kind: str, language: str) -> Any:
    """What a language has of one kind; empty for one that has no questions."""
    return (data(language, "questions") or {}).get(kind, ())


@cache
def words(kind: str) -> frozenset[str]:
    """The words of one kind in all languages."""
    return frozenset(word for one in every("questions") for word in one[kind].split())


@cache
def pattern(kind: str) -> str:
    """The alternatives of a pattern that finds one kind in all languages."""
    return "|".join(filter(None, (alternatives(one[kind]) for one in every("questions"))))
