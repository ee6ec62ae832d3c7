"""What it takes in any language to turn a statement into a question: the letter at its head, and a wrong amount in it.

What the documents state and is turned into a question is nearly always answered by yes. Of those with an amount, half
ask for a larger one instead, so that a model learns to look before it says yes: "Must I report the theft within 9
days?" – "No. You must report the theft within 3 days." An amount is only ever raised: what is allowed up to 500 is
allowed at 250 too, but not at 1,000.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ingest.pairs import phrases
from ingest.pairs.candidates import one_of, share_of

Rule = Iterator[tuple[str, str, str]]
"""(kind, question, word that opens the response or "")."""
_WITHIN = re.compile(r"(?<=[\w,;)] )[^\W\d_][\w'’-]*")
_FIRST = re.compile(r"[^\W\d_][\w'’-]*")
_NO = {"Yes.": "No.", "Ja.": "Nein."}
_SHARE = 0.5
_FACTORS = (1.5, 2.0, 3.0)
_UNITS = phrases.pattern("amount_units")
_AMOUNT = re.compile(
    rf"(?P<sign>[€$£]\s?)?(?<![\w.,§/-])(?P<number>\d{{1,3}}(?:[.,]\d{{3}})++|\d++)(?![\d.,]*\d)(?P<unit>\s?(?:{_UNITS})(?!\w))?",
    re.IGNORECASE,
)
_LONGEST_FLOOR = 40
_LONGEST_NUMBER = 20
# Above what is said to be the least, everything holds.
_FLOOR = re.compile(rf"\b(?:{phrases.pattern('floors')})\s+$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Turned:
    """A statement with its verb in front: ``does the policy cover hail``, ``gilt die Wartezeit für Zahnersatz``."""

    text: str
    is_negative: bool


class Casing:
    """How often each word is written small, and how often with a capital, inside sentences."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._small: Counter[str] = Counter()
        self._large: Counter[str] = Counter()
        for text in texts:
            for word in _WITHIN.findall(text):
                (self._small if word[0].islower() else self._large)[word.lower()] += 1

    def lowered(self, text: str, language: str) -> str:
        """``text`` with its first letter small, if its first word is one that is written so."""
        found = _FIRST.match(text)
        if found is None or not found.group()[0].isupper() or found.group()[1:] != found.group()[1:].lower():
            return text
        if language == "de" and found.group().startswith(("Ihr", "Sie")):
            return text  # a form of address, whose small twin is another word
        word = found.group().lower()
        small, large = self._small[word], self._large[word]
        # Where nothing is known: in German it is likely a noun; elsewhere a name only if the next word is large too.
        is_name = language == "de" or text[found.end() + 1 : found.end() + 2].isupper()
        is_small = small >= large if small or large else not is_name
        return text[0].lower() + text[1:] if is_small else text


def contrasted(question: str, opening: str, seed: int) -> tuple[str, str] | None:
    """A yes-or-no question with another amount, and the word that opens its response; None where it stays as it is."""
    if opening not in _NO or share_of(seed, "contrast", question) >= _SHARE:
        return None
    for place in _AMOUNT.finditer(question):
        number = place["number"]
        if len(number) > _LONGEST_NUMBER:
            continue
        # Larger whole numbers in the same spelling.
        separator = next((sign for sign in number if not sign.isdigit()), "")
        is_share = (place["unit"] or "").strip().lower() in {"%", "percent", "prozent"}
        larger = [int(re.sub(r"\D", "", number)) * factor for factor in _FACTORS]
        raised = [
            f"{int(one):,}".replace(",", separator)
            for one in larger
            if one.is_integer() and one > 0 and not (is_share and one > 100)
        ]
        has_unit = place["sign"] or place["unit"]
        if has_unit and raised and not _FLOOR.search(question, max(0, place.start() - _LONGEST_FLOOR), place.start()):
            other = one_of(raised, seed, question)
            start, end = place.span("number")
            return f"{question[:start]}{other}{question[end:]}", _NO[opening]
    return None
