"""Sentences of a corpus written in other ways, for ``bench.support``: with their number, or another one, in words."""

import random
import re
from collections.abc import Iterator
from typing import Literal

from assistant.text.lexicon import vocabulary
from assistant.text.negation import denials
from assistant.text.quantities import in_figures, quantities

Form = Literal["words", "figures"]

_SMALL = {
    "en": """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen""".split(),
    "de": """null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn
    siebzehn achtzehn neunzehn""".split(),
}
_TENS = {
    "en": "- - twenty thirty forty fifty sixty seventy eighty ninety".split(),
    "de": "- - zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split(),
}
_LEAST, _MOST = 2, 9999
_NUMBER = re.compile(
    r"(?P<euros>€)?(?<![\w.,§/-])(?P<number>\d{1,4}|\d,\d{3}|\d\.\d{3})(?![\d.,/-]*\d)(?P<percent>\s?%)?"
    r"(?!\w| Mio| million)",
    re.IGNORECASE,
)
_COMMON = (7, 14, 17, 21, 30, 40, 45, 50, 70, 80, 90, 100, 120, 200, 365, 500, 1000, 2500)


def spelled(number: int, language: str) -> str:
    """A number from 2 to 9,999 in words of English or German."""
    if number >= 100:
        size = 1000 if number >= 1000 else 100
        many, rest = divmod(number, size)
        scale = {"en": {100: "hundred", 1000: "thousand"}, "de": {100: "hundert", 1000: "tausend"}}[language][size]
        behind = spelled(rest, language) if rest else ""
        if language == "de":
            return f"{spelled(many, 'de')}{scale}{'eins' if rest == 1 else behind}"
        return f"{spelled(many, 'en')} {scale}{' and' if 0 < rest < 100 else ''} {behind}".rstrip()
    if number < len(_SMALL[language]):
        return _SMALL[language][number]
    ten, one = divmod(number, 10)
    tens, ones = _TENS[language][ten], _SMALL[language][one] if one else ""
    return f"{ones}{'und' if one else ''}{tens}" if language == "de" else f"{tens}-{ones}".rstrip("-")


def one_number(text: str) -> re.Match[str] | None:
    """Where ``text``, in figures, holds the only number that it holds; None where it holds others, or a date."""
    places = list(_NUMBER.finditer(text))
    its = quantities(text)
    if len(places) != 1 or len(its) != 1 or not its[0][:1].isdigit() or its[0].count("-"):
        return None
    return places[0] if _LEAST <= _value(places[0]) <= _MOST else None


def renumbered(text: str, language: str, rng: random.Random) -> Iterator[tuple[str, str, bool]]:
    """A sentence with one number as (kind, sentence, whether it says the same); nothing for other sentences."""
    text = in_figures(text)
    place = one_number(text)
    if place is None:
        return
    value = _value(place)
    other = rng.choice([one for one in (*_COMMON, value + 1, value + 3) if one != value])
    for kind, number, form in (
        ("same number in words", value, "words"),
        ("same number in figures", value, "figures"),
        ("other number in words", other, "words"),
        ("other number in figures", other, "figures"),
    ):
        written = spelled(number, language) if form == "words" else str(number)
        if place["euros"]:
            written = f"{written} {'Euro' if language == 'de' else 'euros'}" if form == "words" else f"€{written}"
        elif place["percent"]:
            written += (" Prozent" if language == "de" else " percent") if form == "words" else place["percent"]
        changed = text[: place.start()] + written + text[place.end() :]
        yield kind, changed[:1].upper() + changed[1:], number == value


def _value(place: re.Match[str]) -> int:
    return int(re.sub(r"[.,]", "", place["number"]))


FORMS = {
    "plain": "{sentence}",
    "bullet": "- {label}: {sentence}",
    "bullet, bold label": "- **{label}**: {sentence}",
    "bullet, bold label:": "- **{label}:** {sentence}",
    "item, bold label": "1. **{label}**: {sentence}",
    "item, bold label:": "1. **{label}:** {sentence}",
    "label on a line": "{label}:\n{sentence}",
    "heading": "### {label}\n\n{sentence}",
    "bold line": "**{label}**\n{sentence}",
    "bold sentence": "**{sentence}**",
    "quotation": "> {sentence}",
    "code": "```\n{sentence}\n```",
    "list that is announced": "Here is what the documents say:\n\n* {sentence}",
    "nested list": "- **{label}:**\n  - {sentence}",
    "table of two columns": "| Item | Value |\n|---|---|\n| {label} | {sentence} |",
}
"""Answers of models in Markdown: of a sentence, behind a label that is one of its own words."""


def label_of(sentence: str, rng: random.Random) -> str:
    """One of the longer words of a sentence, with a capital; empty if it has none."""
    longer = re.findall(r"(?<![-\w])[a-zäöü]{5,}(?![-\w])", sentence)
    told = [word for word in longer if word not in vocabulary("stopwords") and not denials(f"{word} words", "en")]
    return rng.choice(told).capitalize() if told else ""
