"""Courtesies of a conversation: "thanks", "yes please", and what a yes agrees to."""

import re
from dataclasses import dataclass
from functools import cache

from assistant.text.lexicon import every_form
from assistant.text.sentences import sentence_spans

_LONGEST_COURTESY = 80
MARKER = re.compile(r"(?<!\s)\s*\[\d+\]")


@dataclass(frozen=True, slots=True)
class _CourtesyPatterns:
    courtesy: re.Pattern[str]
    courtesy_in_front: re.Pattern[str]
    agrees: re.Pattern[str]
    offer: re.Pattern[str]


@cache
def _patterns() -> _CourtesyPatterns:
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
    return len(text) <= _LONGEST_COURTESY and bool(_patterns().courtesy.fullmatch(text.strip()))


def agrees(courtesy: str) -> bool:
    """Whether a courtesy says yes."""
    return bool(_patterns().agrees.match(courtesy.strip()))


def without_courtesy(text: str) -> str:
    """A question without the courtesies in front of it."""
    found = _patterns().courtesy_in_front.match(text)
    return text[found.end() :] if found else text


def offered(answer: str) -> str:
    """What an answer offers to do or tell, last: "Shall I list the documents?" offers "the documents"; or empty."""
    text = MARKER.sub("", answer)
    offer = _patterns().offer
    sentences = [text[start:end] for start, end in sentence_spans(text)]
    offers = [one for one in sentences if offer.match(one)] or [one for one in sentences if one.endswith("?")]
    return offer.sub("", offers[-1]).rstrip(" ?.!") if offers else ""
