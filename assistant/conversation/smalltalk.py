"""What people say that asks for nothing in the documents, English and German: greetings, thanks, and who is there."""

import re
from collections.abc import Mapping
from typing import Literal

Kind = Literal["greeting", "thanks"]

_LONGEST = 60
_ADDRESSED = r"(?: (?:there|all|everyone|everybody|together|assistant|again|zusammen|nochmal|wieder))?"
_SAID: tuple[tuple[Kind, str, str], ...] = (
    ("greeting", "", "hi|hey"),
    ("greeting", "en", r"hello|greetings|good (?:morning|afternoon|evening|day)"),
    ("greeting", "en", r"who are you|what are you|what can you do(?: for me)?|how are you(?: today)?|are you there"),
    ("greeting", "en", r"(?:can|could) you help me|help"),
    ("greeting", "de", r"hallo|guten (?:tag|morgen|abend)|moin|servus|gr(?:ü|ue)(?:ß|ss) gott|gr(?:ü|ue)ezi"),
    ("greeting", "de", r"wer (?:bist du|sind sie)|was (?:kannst du|können sie)(?: alles)?(?: (?:tun|für mich tun))?"),
    ("greeting", "de", r"wie geht(?:'s| es|s)?(?: dir| ihnen)?|(?:kannst du|können sie) mir helfen|hilfe"),
    ("thanks", "en", r"thanks(?: a lot| so much)?|thank you(?: very much| so much)?|that helped|(?:good)?bye"),
    ("thanks", "de", r"danke(?: schön| sehr)?|dankeschön|(?:vielen|besten|herzlichen) dank|tschüss|auf wiedersehen"),
)
_BETWEEN = r"[\s,.!?–-]*"
_PATTERNS = tuple(
    (kind, language, re.compile(rf"(?:{said}){_ADDRESSED}{_BETWEEN}", re.IGNORECASE)) for kind, language, said in _SAID
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
        for said, of, pattern in _PATTERNS:
            if found := pattern.match(rest):
                kind, language, rest = said, of or language, rest[found.end() :]
                break
        else:
            return None
    return (kind, language) if kind else None


def reply(text: str, greeting: Mapping[str, str], thanks: Mapping[str, str]) -> str:
    """What is said to small talk, from texts by language; the first one serves all others. Empty for all else."""
    found = small_talk(text)
    if found is None:
        return ""
    kind, language = found
    texts = greeting if kind == "greeting" else thanks
    return texts.get(language) or next(iter(texts.values()))
