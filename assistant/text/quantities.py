"""The numbers of a text with what they count, in one spelling: ``€1,500`` and ``1.500 Euro`` are both ``1500€``.

A number that only names a place (``§ 10``, ``(2)``, ``Article 5``) is a reference and no quantity: a passage that
stands under § 10 does not say "10 %". Numbers may be written as words, in English and German: ``forty-five days`` and
``fünfundvierzig Tage`` are both ``45day``. Dates are taken as a whole.
"""

import re
from collections.abc import Iterator, Set
from functools import lru_cache

from assistant.text.dates import dates, is_dated
from assistant.text.numberwords import in_figures

_REFERENCE = re.compile(
    r"(?P<sign>(?<!§)§{1,2}|\b(?:art|artikel|article|clause|section|sec|ziffer|ziff|abs|absatz|no|nr|para|paragraph|page|seite)\b\.?)"
    r"\s*(?P<number>\d+[a-z]?)",
    re.IGNORECASE,
)
_TAKEN_FOR = str.maketrans("ſıİ", "sii")
_CLAUSE = re.compile(r"\((\d{1,3})\)")
_UNITS = {
    "%": r"%|percent|per cent|prozent",
    "€": r"€|eur|euros?",
    "$": r"\$|usd|dollars?",
    "£": r"£|gbp|pounds?",
    "workday": r"(?:working|business)[ -]days?|werktag(?:en?|s|es)?|arbeitstag(?:en?|s|es)?",
    "day": r"days?|tag(?:en?|s|es)?|tägige?[nrs]?",
    "week": r"weeks?|wochen?|wöchige?[nrs]?",
    "month": r"months?|monat(?:en?|s|es)?|monatige?[nrs]?",
    "year": r"years?|jahr(?:en?|s|es)?|jährige?[nrs]?",
    "hour": r"hours?|stunden?|std",
    "minute": r"minutes?|minuten?",
    "m²": r"m²|qm|square met(?:re|er)s?|quadratmetern?",
    "km": r"km|kilomet(?:re|er)[ns]?",
    "kg": r"kg|kilogram(?:s|m)?|kilos?",
    "t": r"tonnes?|tonnen?",
}
_TIMES = ("day", "week", "month", "year", "hour")
_UNIT = "|".join(f"(?:{names})" for names in _UNITS.values())
_UNIT_NAMES = {unit: re.compile(names, re.IGNORECASE) for unit, names in _UNITS.items()}
# "one" is a number only before what it counts; elsewhere it is a pronoun, and "ein" an article.
_ONE = re.compile(rf"\b(?:one|eine[mnrs]?|ein)(?=[ -](?:{_UNIT})\b)", re.IGNORECASE)
_SCALES = {"thousand": 1_000, "tausend": 1_000, "million": 1_000_000, "mio": 1_000_000, "milliarde": 1_000_000_000}
_SCALE = r"thousand|tausend|million(?:s|en)?|mio|milliarden?"
# "3 claim-free years" are 3 years; "3 working days" are no days.
_BETWEEN = (
    r"(?:insurance|calendar|claim-free|full|whole|further|more|consecutive|volle|ganze|weitere|schadenfreie)n?[ -]"
)
_QUANTITY = re.compile(
    rf"(?P<before>[€$£]|\b(?:eur|usd|gbp)\b)?\s?(?P<number>\d+(?:[.,]\d+)*)(?:\s(?P<scale>{_SCALE})\b\.?)?"
    rf"(?:[\s-]?(?:{_BETWEEN})?(?P<after>{_UNIT})(?!\w))?",
    re.IGNORECASE,
)
_MOST = (
    r"at most|up to|(?:no|not) (?:more|later|longer) than|less than|fewer than|below|a maximum of"
    r"|höchstens|maximal|bis zu|nicht (?:mehr|später|länger) als|weniger als|unter"
)
_LEAST = (
    r"at least|(?:no|not) (?:less|earlier) than|(?<!no )(?<!not )(?:more|longer) than|above|a minimum of"
    r"|mindestens|nicht (?:weniger|früher) als|(?<!nicht )(?:mehr|länger) als|oberhalb von"
)
_BOUND = re.compile(rf"\b(?:(?P<most>{_MOST})|(?P<least>{_LEAST}))(?=\s+(?P<rest>[^,;|\n]{{1,40}}))", re.IGNORECASE)
_TIME = "|".join(_UNITS[time] for time in _TIMES)
# "€6 a month", "€9 per bicycle", "31 Cent je Kilowattstunde".
_PERIOD = re.compile(
    rf"(?:\s[^\W\d_]{{2,}})?\s(?:(?:an?|im|am)\s(?P<time>{_TIME})\b"
    r"|(?:per|each|every|pro|je|jede[nrs]?)\s(?P<unit>[^\W\d_]+))",
    re.IGNORECASE,
)
_RANGE = re.compile(r"\s?(?:-|–|to|bis|or|oder|and|und)\s?", re.IGNORECASE)
_THOUSANDS = re.compile(r"(?<=\d)[.,\u00a0\u202f'’](?=\d{3}(?!\d))")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def quantities(text: str) -> list[str]:
    """Dates, references and quantities of ``text``: ``2026-05-03``, ``§10``, ``(2)``, ``14``, ``10%``, ``3day``."""
    return list(split_quantities(text)[0])


@lru_cache(maxsize=1024)  # a passage is read again for each sentence of an answer
def split_quantities(text: str) -> tuple[tuple[str, ...], str]:
    """The same, and the words that are left without them and without what makes them limits, as "at most"."""
    found, text = dates(in_figures(text))
    found += [f"§{match['number'].lower()}" for match in _REFERENCE.finditer(text)]
    found += [match[0] for match in _CLAUSE.finditer(text)]
    text = _plain(_CLAUSE.sub(" ", _REFERENCE.sub(" ", _BOUND.sub(" ", text))))
    matches = list(_QUANTITY.finditer(text))
    units = [_unit_of(match) for match in matches]
    for index in range(len(matches) - 2, -1, -1):
        between = text[matches[index].end() : matches[index + 1].start("number")]
        if not units[index] and _RANGE.fullmatch(between):
            units[index] = units[index + 1]  # "3 to 5 days"
    found += [_number_of(match) + unit for match, unit in zip(matches, units, strict=True)]
    return tuple(found), _QUANTITY.sub(" ", text)


@lru_cache(maxsize=1024)
def qualifiers(text: str) -> frozenset[tuple[str, str, str]]:
    """What a text says of its quantities: ``("10%", "limit", "at most")``, ``("48€", "period", "year")``."""
    limits = ((quantities(match["rest"])[:1], match["most"]) for match in _BOUND.finditer(text))
    found = {(quantity, "limit", "at most" if most else "at least") for its, most in limits for quantity in its}
    plain = _plain(dates(in_figures(text))[1])
    for match in _QUANTITY.finditer(plain):
        if period := _PERIOD.match(plain, match.end()):
            found.add((_number_of(match) + _unit_of(match), "period", _period_of(period)))
    return frozenset(found)


def placed(text: str) -> Iterator[tuple[str, str, str]]:
    """Each number of a text with what stands between it and the one before it, and between its unit and period and the
    next one."""
    plain = _plain(dates(in_figures(text))[1])
    matches = list(_QUANTITY.finditer(plain))
    periods = [_PERIOD.match(plain, match.end()) for match in matches]
    ends = [
        (period if period and _period_of(period) in _TIMES else match).end()
        for match, period in zip(matches, periods, strict=True)
    ]
    for place, match in enumerate(matches):
        before = plain[ends[place - 1] if place else 0 : match.start()]
        behind = plain[ends[place] : matches[place + 1].start() if place + 1 < len(matches) else None]
        yield _number_of(match) + _unit_of(match), before, behind


def as_written(quantity: str, text: str) -> str:
    """A quantity of a text as a reader finds it there, number words in figures: ``5day`` as ``5 days``."""
    matches = _QUANTITY.finditer(_plain(dates(in_figures(text))[1]))
    written = (match[0].strip() for match in matches if _number_of(match) + _unit_of(match) == quantity)
    return next(written, quantity)


def without_measures(text: str) -> str:
    """``text`` without the numbers that count something: ``150 Euro Eigenanteil`` is about ``Eigenanteil``."""
    return _QUANTITY.sub(lambda match: " ; " if _unit_of(match) else match[0], text)


def in_digits(text: str) -> str:
    """``text`` with its number words, and "one" before what it counts, in digits that nothing parts."""
    return _plain(in_figures(text))


def is_said(quantity: str, among: Set[str], in_cells: Set[str] = frozenset()) -> bool:
    """Whether a quantity of a sentence is one of those of a text; a bare number may have any unit there.

    ``in_cells`` are those of the cells of a table, where a number may stand without its unit.
    """
    if quantity in among or quantity in in_cells or is_dated(quantity, among | in_cells):
        return True
    if (number := _NUMBER.match(quantity)) and number[0] in in_cells:
        return True
    return any(f"{quantity}{unit}" in among | in_cells for unit in _UNITS)


def unit_of(quantity: str) -> str:
    """What a quantity counts; empty for a bare number."""
    return "" if quantity[0] in "§(-" or quantity.count("-") else _NUMBER.sub("", quantity, count=1)


def _plain(text: str) -> str:
    return _ONE.sub("1", _THOUSANDS.sub("", text))


def _unit_of(match: re.Match[str]) -> str:
    return _unit_named(match["before"] or match["after"] or "")


def _period_of(match: re.Match[str]) -> str:
    written = match["time"] or match["unit"]
    return _unit_named(written) or written.casefold()


def _unit_named(written: str) -> str:
    return next((unit for unit, names in _UNIT_NAMES.items() if names.fullmatch(written)), "")


def _small(written: str) -> str:
    """In small letters, also those that only a pattern that ignores case takes for an s or an i: "ſieben"."""
    return written.translate(_TAKEN_FOR).lower()


def _number_of(match: re.Match[str]) -> str:
    number = match["number"].replace(",", ".")
    if match["scale"]:
        scale = next(value for name, value in _SCALES.items() if _small(match["scale"]).startswith(name))
        number = f"{float(number) * scale:.2f}" if number.count(".") <= 1 else number
    whole, point, rest = number.partition(".")
    return whole + (point + rest.rstrip("0")).rstrip(".") if rest.isdigit() else number
