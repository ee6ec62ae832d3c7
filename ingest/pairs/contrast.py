"""Yes-or-no questions with a wrong amount, so that a model learns to look before it says yes.

What the documents state and is turned into a question is nearly always answered by yes. Of those with an amount, half
ask for a larger one instead: "Must I report the theft within 9 days?" – "No. You must report the theft within 3 days."
An amount is only ever raised: what is allowed up to 500 is allowed at 250 too, but not at 1,000.
"""

import re
from collections.abc import Iterator

from ingest.pairs.candidate import one_of, share_of

_NO = {"Yes.": "No.", "Ja.": "Nein."}
_SHARE = 0.5
_FACTORS = (1.5, 2.0, 3.0)
_UNITS = (
    r"%|€|percent|euros?|pounds?|dollars?|hours?|days?|weeks?|months?|years?|km|kilometres?|persons?|times"
    r"|Prozent|Stunden?|Tagen?|Tage|Wochen?|Monaten?|Monate|Jahren?|Jahre|Kilometern?|Personen|Mal"
)
_AMOUNT = re.compile(
    rf"(?P<sign>[€$£]\s?)?(?<![\w.,§/-])(?P<number>\d{{1,3}}(?:[.,]\d{{3}})++|\d++)(?![\d.,]*\d)(?P<unit>\s?(?:{_UNITS})(?!\w))?",
    re.IGNORECASE,
)
_LONGEST_FLOOR = 40
_LONGEST_NUMBER = 20
# Above what is said to be the least, everything holds.
_FLOOR = re.compile(
    r"\b(?:at least|more than|over|from|after|above|minimum(?: of)?|mindestens|mehr als|über|ab|nach)\s+$",
    re.IGNORECASE,
)


def contrasted(question: str, opening: str, seed: int) -> tuple[str, str] | None:
    """A yes-or-no question with another amount, and the word that opens its response; None where it stays as it is."""
    if opening not in _NO or share_of(seed, "contrast", question) >= _SHARE:
        return None
    for place in _AMOUNT.finditer(question):
        number = place["number"]
        if len(number) > _LONGEST_NUMBER:
            continue
        raised = list(_raised(number, is_share=(place["unit"] or "").strip().lower() in {"%", "percent", "prozent"}))
        has_unit = place["sign"] or place["unit"]
        if has_unit and raised and not _FLOOR.search(question, max(0, place.start() - _LONGEST_FLOOR), place.start()):
            other = one_of(raised, seed, question)
            start, end = place.span("number")
            return f"{question[:start]}{other}{question[end:]}", _NO[opening]
    return None


def _raised(number: str, is_share: bool) -> Iterator[str]:
    """Larger whole numbers in the same spelling."""
    separator = next((sign for sign in number if not sign.isdigit()), "")
    value = int(re.sub(r"\D", "", number))
    for factor in _FACTORS:
        larger = value * factor
        if larger.is_integer() and larger > value and not (is_share and larger > 100):
            grouped = f"{int(larger):,}".replace(",", separator)
            yield grouped if separator else str(int(larger))
