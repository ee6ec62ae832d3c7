"""What people say that asks for nothing in the documents: greetings, thanks, and who is there."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Literal

from assistant.config import AnswerSettings
from assistant.text.languages import LANGUAGES, alternatives
from assistant.text.lexicon import every_form, own
from assistant.text.words import answered_in, text_in
from assistant.types import Message

Kind = Literal["greeting", "introduction", "thanks"]

_LONGEST = 80
# Greets in any language.
_GREETING = "hi|hey"


@cache
def _patterns() -> tuple[tuple[Kind | None, str, re.Pattern[str]], ...]:
    said: list[tuple[Kind | None, str, str]] = [("greeting", "", _GREETING)]
    for language in LANGUAGES:
        said += [
            ("greeting", language, alternatives(own("greetings", language))),
            ("introduction", language, alternatives(own("introductions", language))),
            ("thanks", language, alternatives(own("thanks", language))),
        ]
    said.append((None, "", every_form("acknowledging")))
    help_, addressed = rf"(?: (?:{every_form('help')}))?", rf"(?: (?:{every_form('greeted')}))?"
    # Symbols and smileys say nothing of their own.
    return tuple(
        (kind, language, re.compile(rf"(?:{one.replace('<help>', help_)}){addressed}(?!\w)\W*", re.IGNORECASE))
        for kind, language, one in said
    )


def small_talk(text: str) -> tuple[Kind, str] | None:
    """The kind and language ("" if it may be any) of a text that consists of nothing else; what is said last decides.

    Like "Hello!", "Hi, can you help me?", "Vielen Dank, tschüss". None for everything that asks for something.
    """
    rest = " ".join(text.split()).replace("’", "'")
    if len(rest) > _LONGEST:
        return None
    kind: Kind | None = None
    language = ""
    while rest:
        matches = ((said, of, match) for said, of, pattern in _patterns() if (match := pattern.match(rest)))
        found = next(matches, None)
        if found is None:
            return None
        said, of, match = found
        kind, language, rest = said or kind, of or language, rest[match.end() :]
    return (kind, language) if kind else None


def reply(text: str, history: Sequence[Message], settings: AnswerSettings) -> str:
    """What is said to small talk, in its language or that of the conversation; empty for all else.

    In a conversation "can you help me?" asks for something: only greetings and thanks are small talk there. Without
    texts in the settings nothing is.
    """
    found = small_talk(text)
    if found is None or (found[0] == "introduction" and history):
        return ""
    texts = settings.thanks if found[0] == "thanks" else settings.greeting
    said = " ".join(message.content for message in history)
    return text_in(texts, found[1] or answered_in(said, texts)) if texts else ""
