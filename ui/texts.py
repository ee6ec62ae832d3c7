"""The words of the interface, one file a language (``assistant/text/languages``), with the same keys in each.

    text("chat.ask", "de")                       →  "Fragen"
    text("documents.count", "en", count=3)       →  "3 documents"
    said("notes.txt is empty.", "de")            →  "notes.txt ist leer."

A key is a page and a name, as deep as the file is. Values are put in as they are: whoever shows a text as HTML
escapes it.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from functools import cache
from typing import Any, Protocol

from assistant.config import description_of, setting_keys
from assistant.text.languages import LANGUAGES, Language, data

# An error is a line; what is longer is a library's, and to look through it for values takes the square of its length.
_LONGEST_SAID = 1_000


class Texts(Protocol):
    """The texts of one language, as ``AppContext.text`` gives them."""

    def __call__(self, key: str, /, **values: object) -> str:
        """The text behind a key."""
        ...


def text(key: str, language: Language, **values: object) -> str:
    """The text behind a dotted key, with ``values`` in its places. Raises KeyError for a key that there is not."""
    found = texts(language)[key]
    return found.format(**values) if values else found


@cache
def texts(language: Language) -> Mapping[str, str]:
    """All texts of a language by dotted key."""
    return dict(_flattened(data(language, "interface"), ""))


def said(message: str, language: Language) -> str:
    """What the program says in English, as an error, a finding or of a file, in another language.

    Sentences that stand one behind the other are looked up one by one, and so are values of several words in them.
    What has no words in that language (``messages.yaml``) stays as it is.
    """
    key, _, does = message.partition(": ")
    if key in setting_keys() and does == description_of(key):
        return f"{key}: {explanation(key, language)}"
    for pattern, words in _messages(language) if len(message) <= _LONGEST_SAID else ():
        if found := pattern.fullmatch(message):
            values = {
                name: said(value, language) if " " in value else value for name, value in found.groupdict("").items()
            }
            behind = values.pop("behind")
            return f"{words.format(**values)} {behind}".rstrip()
    return message


@cache
def _messages(language: Language) -> list[tuple[re.Pattern[str], str]]:
    """What is said in English as patterns, those with most letters of their own first, each with the words for it."""
    found = []
    for english, words in (data(language, "messages") or {}).items():
        parts = re.split(r"{(\w+)}", english)
        own = "".join(parts[::2])
        parts[::2] = map(re.escape, parts[::2])
        parts[1::2] = [f"(?P<{name}>.+?)" for name in parts[1::2]]
        found.append((len(own), re.compile("".join(parts) + r"(?:(?<=[.?])\s(?P<behind>.+))?"), words))
    return [(pattern, words) for _, pattern, words in sorted(found, key=lambda one: -one[0])]


def field_words(setting: str, language: Language) -> tuple[str, str]:
    """What a setting is called where a page has a control for it, and what it does; empty as far as that is English."""
    words = (data(language, "fields") or {}).get(setting, "")
    return ("", words) if isinstance(words, str) else (words[0], words[1])


def explanation(setting: str, language: Language) -> str:
    """What a setting of a workspace does. Raises KeyError for one that there is not."""
    return field_words(setting, language)[1] or description_of(setting)


def preferred(accepted: str) -> Language:
    """The language of ours that an ``Accept-Language`` header wants most; English when it names none."""
    weighted = sorted((_weighted(part) for part in accepted.split(",")), key=lambda pair: -pair[1])
    return next((ours for name, weight in weighted for ours in LANGUAGES if weight and name == ours), LANGUAGES[0])


def shown_number(number: float, language: Language, decimals: int = 0) -> str:
    """A number as people of a language write it: ``1,234.5`` or ``1.234,5``."""
    written = f"{number:,.{decimals}f}"
    signs = (text("format.thousands", language), text("format.decimal", language))
    return written.translate(dict(zip(map(ord, ",."), signs, strict=True)))


def shown_date(day: date, language: Language) -> str:
    """A day as people of a language write it: ``25 Nov 2026`` or ``25.11.2026``; with the time where it has one."""
    pattern = text("format.date", language)
    return day.strftime(f"{pattern}, %H:%M" if isinstance(day, datetime) else pattern)


def language_name(code: str) -> str:
    """What a language of documents is called in itself; its code where it is none of ours."""
    return next((text("app.language", one) for one in LANGUAGES if one == code), code)


def _flattened(content: Mapping[str, Any], before: str) -> Iterator[tuple[str, str]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", str(value)


def _weighted(part: str) -> tuple[str, float]:
    """``de-AT;q=0.8`` as ``("de", 0.8)``."""
    name, _, weight = part.strip().partition(";q=")
    try:
        return name.partition("-")[0].lower(), float(weight or 1)
    except ValueError:
        return "", 0.0
