"""An amount for another period than the documents give it for: "€60 a day" is €420 a week.

Computed only from one amount that the answer before cites with its period, and shown with its parts; not where a second
quantity may change it ("€50 to €60 a day", "for at most 5 days"), or the documents say the sum themselves.
"""

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

from assistant.text.quantities import as_written, qualifiers, quantities, unit_of
from assistant.types import Sentence

_MONEY = frozenset("€$£")
# Months have no fixed number of days, nor years of weeks.
_TIMES = {("year", "month"): 12, ("week", "day"): 7}
_CENT = Decimal("0.01")
# Decimal computes with 28 digits; no amount has as many.
_LONGEST = 20


def per_period(asked: str, said: Iterable[Sentence], passages: Iterable[str], language: str) -> Sentence | None:
    """The one amount of what was said before for the period that a follow-up asks for at its end ("… a month?").

    None if it asks for none, if more than that amount is said, or if the ``passages`` cited have one for the period.
    """
    wanted = _periods(f"1 € {' '.join(asked.rstrip(' ?.!').split()[-2:])}", language)
    known = {
        (amount, period): sentence
        for sentence in said
        for amount, period in _periods(sentence.text, language)
        if any((amount, period) in _periods(citation.quote, language) for citation in sentence.citations)
    }
    if len(wanted) != 1 or len(known) != 1:
        return None
    ((_, period),) = wanted
    (((amount, its_period), sentence),) = known.items()
    sources = (sentence.text, *(citation.quote for citation in sentence.citations))
    measured = {one for source in sources for one in quantities(source, language) if unit_of(one)}
    is_told = any(period == other for passage in passages for _, other in _periods(passage, language))
    if is_told or measured != {amount} or len(amount) > _LONGEST:
        return None
    times, over = _TIMES.get((period, its_period)), _TIMES.get((its_period, period))
    if not (times or over):
        return None
    unit = unit_of(amount)
    value = Decimal(amount.removesuffix(unit))
    result = value * times if times else value / Decimal(over or 1)
    exactly = result == result.quantize(_CENT)
    figures = f"{result.quantize(_CENT, ROUND_HALF_UP):,.2f}".removesuffix(".00")
    if language == "de":
        figures = figures.translate(str.maketrans(".,", ",."))
    written = as_written(amount, sentence.text, language)
    amount = f"{unit}{figures}" if written.startswith(unit) else f"{figures} {unit}"
    text = f"{written} {'×' if times else '÷'} {times or over} {'=' if exactly else '≈'} {amount}"
    return Sentence(text, True, "", sentence.citations)


def _periods(text: str, language: str) -> set[tuple[str, str]]:
    """The amounts of money of a text that are for a period, with that."""
    return {
        (quantity, value)
        for quantity, kind, value in qualifiers(text, language)
        if kind == "period" and unit_of(quantity) in _MONEY
    }
