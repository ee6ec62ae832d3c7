"""Courtesies of a conversation, English and German: "thanks", "yes please", and what a yes agrees to."""

import re

from assistant.text.sentences import sentence_spans

_YES = (
    "yes|yeah|yep|sure|ok|okay|of course|please(?: do)?|go (?:on|ahead)|tell me(?: more)?|do (?:it|so|that)"
    "|i (?:would|do)|ja|jawohl|gern|gerne|klar|natürlich|bitte|mach das|machen sie das|weiter"
)
_NO = "no|nope|nein"
_THANKS = "thanks?(?: you)?(?: very much| a lot)?|well|hm+|great|fine|perfect|danke(?: schön)?|gut|super|alles klar"
_LONGEST_COURTESY = 80
_COURTESY = re.compile(rf"(?:(?:{_YES}|{_NO}|{_THANKS})(?:[\s,.!?]+|$))+", re.IGNORECASE)
_COURTESY_IN_FRONT = re.compile(rf"(?:(?:{_YES}|{_NO}|{_THANKS})\s*[,.!:–-]+\s*)+(?=\w)", re.IGNORECASE)
_AGREES = re.compile(rf"(?!(?:{_NO})\b).*?\b(?:{_YES})\b", re.IGNORECASE)
_OFFER = re.compile(
    r"^.*?\b(?:(?:shall|should|can|may|could) i|i can|i could|let me|would you like(?: me)?|do you want(?: me)?"
    r"|soll ich|ich kann|darf ich|(?:möchten|wollen) sie|möchtest du|willst du)\b"
    r"(?: (?:also|ihnen|dir|auch|gerne?|please))*"
    r"(?:,? (?:to )?(?:know|see|hear|tell you|show you|explain|wissen|sehen|hören)\b)?"
    r"(?: (?:tell|show|give|list)(?: you)?\b)?(?: (?:sagen|zeigen|erklären|nennen)\b)?[\s,]*",
    re.IGNORECASE,
)
MARKER = re.compile(r"(?<!\s)\s*\[\d+\]")


def is_courtesy(text: str) -> bool:
    """Whether somebody only agrees, declines or thanks."""
    return len(text) <= _LONGEST_COURTESY and bool(_COURTESY.fullmatch(text.strip()))


def agrees(courtesy: str) -> bool:
    """Whether a courtesy says yes."""
    return bool(_AGREES.match(courtesy.strip()))


def without_courtesy(text: str) -> str:
    """A question without the courtesies in front of it."""
    found = _COURTESY_IN_FRONT.match(text)
    return text[found.end() :] if found else text


def offered(answer: str) -> str:
    """What an answer offers to do or tell, last: "Shall I list the documents?" offers "the documents"; or empty."""
    text = MARKER.sub("", answer)
    sentences = [text[start:end] for start, end in sentence_spans(text)]
    offers = [one for one in sentences if _OFFER.match(one)] or [one for one in sentences if one.endswith("?")]
    return _OFFER.sub("", offers[-1]).rstrip(" ?.!") if offers else ""
