"""What asks for nothing in the documents: greetings, thanks, "who are you?", and a yes to what was offered."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from assistant.text.languages import LANGUAGES, alternatives
from assistant.text.lexicon import every_form, own
from assistant.text.printing import CITATION
from assistant.text.sentences import sentence_spans
from assistant.text.words import answered_in, text_in
from assistant.types import Message

Kind = Literal["greeting", "introduction", "thanks"]

# In characters: who says more than a greeting, thanks or a yes asks for something.
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


def reply(text: str, history: Sequence[Message], greeting: Mapping[str, str], thanks: Mapping[str, str]) -> str:
    """What is said to small talk, in its language or that of the conversation; empty for all else.

    In a conversation "can you help me?" asks for something: only greetings and thanks are small talk there. Without
    texts, language → what is said, nothing is.
    """
    found = small_talk(text)
    if found is None or (found[0] == "introduction" and history):
        return ""
    texts = thanks if found[0] == "thanks" else greeting
    said = " ".join(message.content for message in history)
    return text_in(texts, found[1] or answered_in(said, texts)) if texts else ""


@dataclass(frozen=True, slots=True)
class _CourtesyPatterns:
    courtesy: re.Pattern[str]
    courtesy_in_front: re.Pattern[str]
    agrees: re.Pattern[str]
    offer: re.Pattern[str]


@cache
def _courtesy_patterns() -> _CourtesyPatterns:
    yes, no, thanks = map(every_form, ("agreeing", "declining", "thanking"))
    offers, also, know, say = map(every_form, ("offers", "offers_also", "offers_to_know", "offers_to_say"))
    its = (
        rf"(?:(?:{yes}|{no}|{thanks})(?:[\s,.!?]+|$))+",
        rf"(?:(?:{yes}|{no}|{thanks})\s*[,.!:–-]+\s*)+(?=\w)",
        rf"(?!(?:{no})\b).*?\b(?:{yes})\b",
        rf"^.*?\b(?:{offers})\b(?: (?:{also}))*(?:,? (?:to )?(?:{know})\b)?(?: (?:{say})\b)?[\s,]*",
    )
    return _CourtesyPatterns(*(re.compile(one, re.IGNORECASE) for one in its))


def is_courtesy(text: str) -> bool:
    """Whether somebody only agrees, declines or thanks."""
    return len(text) <= _LONGEST and bool(_courtesy_patterns().courtesy.fullmatch(text.strip()))


def agrees(courtesy: str) -> bool:
    """Whether a courtesy says yes."""
    return bool(_courtesy_patterns().agrees.match(courtesy.strip()))


def without_courtesy(text: str) -> str:
    """A question without the courtesies in front of it."""
    found = _courtesy_patterns().courtesy_in_front.match(text)
    return text[found.end() :] if found else text


def offered(answer: str) -> str:
    """What an answer offers to do or tell, last: "Shall I list the documents?" offers "the documents"; or empty."""
    text = CITATION.sub("", answer)
    offer = _courtesy_patterns().offer
    sentences = [text[start:end] for start, end in sentence_spans(text)]
    offers = [one for one in sentences if offer.match(one)] or [one for one in sentences if one.endswith("?")]
    return offer.sub("", offers[-1]).rstrip(" ?.!") if offers else ""
