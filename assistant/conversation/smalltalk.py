"""What people say that asks for nothing in the documents, English and German: greetings, thanks, and who is there."""

import re
from collections.abc import Sequence
from typing import Literal

from assistant.config import AnswerSettings
from assistant.text.words import detect, text_in
from assistant.types import Message

Kind = Literal["greeting", "introduction", "thanks"]

_LONGEST = 80
_ADDRESSED = r"(?: (?:there|all|everyone|everybody|together|assistant|again|you|zusammen|nochmals?|wieder))?"
_HELP = r"(?: for (?:all )?(?:the|your) help| für (?:die|ihre|deine) hilfe)?"
_SAID: tuple[tuple[Kind | None, str, str], ...] = (
    ("greeting", "", "hi|hey"),
    ("greeting", "en", r"hello|greetings|good (?:morning|afternoon|evening|day)"),
    (
        "introduction",
        "en",
        r"who are you|what are you|what can you do(?: for me)?|how are you(?: today)?|are you there",
    ),
    ("introduction", "en", r"(?:can|could) you help me|help"),
    ("greeting", "de", r"hallo|guten (?:tag|morgen|abend)|moin|servus|gr(?:ü|ue)(?:ß|ss) gott|gr(?:ü|ue)ezi"),
    ("introduction", "de", r"wer (?:bist du|sind sie)|was (?:kannst du|können sie)(?: alles)?(?: (?:für mich )?tun)?"),
    ("introduction", "de", r"wie geht(?:'s| es|s)?(?: dir| ihnen)?|(?:kannst du|können sie) mir helfen|hilfe"),
    ("thanks", "en", rf"(?:thanks|thank you|thx)(?: a lot| (?:so|very) much)?{_HELP}|that helped|(?:good)?bye"),
    ("thanks", "de", rf"(?:danke|dankeschön|(?:vielen|besten|herzlichen) dank)(?: schön| sehr| dir| ihnen)?{_HELP}"),
    ("thanks", "de", r"tschüss|auf wiedersehen"),
    # Alone they agree to something, and are understood from what was said before.
    (None, "", r"ok|okay|great|perfect|fine|nice|super|gut|prima|alles klar"),
)
# Symbols and smileys say nothing of their own.
_PATTERNS = tuple(
    (kind, language, re.compile(rf"(?:{said}){_ADDRESSED}(?!\w)\W*", re.IGNORECASE)) for kind, language, said in _SAID
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
        matches = ((said, of, match) for said, of, pattern in _PATTERNS if (match := pattern.match(rest)))
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
    return text_in(texts, found[1] or detect(said, texts)) if texts else ""
