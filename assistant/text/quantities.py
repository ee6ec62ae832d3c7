"""The numbers of a text with what they count and their limits ("at most"), its dates and ranges, in one spelling.

``€1,500`` and ``1.500 Euro`` are both the quantity ``1500€``. A number that only names a place (``§ 10``, ``(2)``,
``Article 5``) is a reference and no quantity: a passage that stands under § 10 does not say "10 %". Numbers may be
written as words: ``forty-five days`` and ``fünfundvierzig Tage`` are both ``45day``; which words are numbers is data of
a language, what they come to is told by text2num.

``3 May 2026``, ``03.05.2026`` and ``2026-05-03`` are all the date ``2026-05-03``, and no quantities. A date without a
year is ``--05-03``, one without a day ``2026-05`` (ISO 8601). Numbers between slashes count the day first, unless only
the other order gives a date.

Ranges are those that tables write: ``41–50``, ``61 and older``, ``über 500.000 Einwohner``, ``NC 20 to NC 34``. A
number alone is a range of one, so that "does the row hold what was asked" is one question: is this range within that.
"""

import math
import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import dropwhile

from assistant.text.languages import alternatives
from assistant.text.lexicon import forms, own, read_with, table
from assistant.text.words import THOUSANDS

# They say how long or how often, and measure nothing where a header or caption names them.
SPANS_OF_TIME = frozenset({"hour", "day", "workday", "week", "month", "year"})
# What all languages write.
_SIGNS = {"%": "%", "€": "€|eur", "$": r"\$|usd", "£": "£|gbp", "m²": "m²", "km": "km", "kg": "kg"}
_TIMES = ("day", "week", "month", "year", "hour")
_CLAUSE = re.compile(r"\((\d{1,3})\)")
# Amounts and parts of a whole are what tables say, not what their rows are found by.
_FIGURE = r"\d{1,12}(?:[.,]\d{1,12}){0,3}"
_AMOUNT = re.compile(
    rf"[€$£]\s?{_FIGURE}|{_FIGURE}\s?(?:[€$£%]|eur\b|euros?\b)|\d{{1,12}}[.,]\d{{1,2}}(?!\d)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class _QuantityPatterns:
    """What finds numbers in texts of a language."""

    reference: re.Pattern[str]
    one: re.Pattern[str]
    """A number only before what it counts; elsewhere it is a pronoun or an article."""
    quantity: re.Pattern[str]
    bound: re.Pattern[str]
    period: re.Pattern[str]
    """As in "€6 a month", "€9 per bicycle", "31 Cent je Kilowattstunde"."""
    range: re.Pattern[str]
    units: Mapping[str, re.Pattern[str]]
    named: Mapping[str, re.Pattern[str]]
    """The same as whole words."""
    scales: Mapping[re.Pattern[str], int]


@cache
def _patterns(language: str) -> _QuantityPatterns:
    kinds = ("references", "one", "between_number_and_unit", "at_most", "at_least", "in_a_time", "per", "ranges")
    references, one, between, most, least, in_a, per, ranges = (forms(kind, language) for kind in kinds)
    units = {
        unit: "|".join(filter(None, (_SIGNS.get(unit, ""), names))) for unit, names in table("units", language).items()
    }
    scales = table("scales", language)
    unit, time = ("|".join(f"(?:{units[name]})" for name in names) for names in (units, _TIMES))

    def compiled(pattern: str) -> re.Pattern[str]:
        return re.compile(pattern, re.IGNORECASE)

    return _QuantityPatterns(
        compiled(rf"(?P<sign>(?<!§)§{{1,2}}|\b(?:{references})\b\.?)\s*(?P<number>\d+[a-z]?)"),
        compiled(rf"\b(?:{one})(?=[ -](?:{unit})\b)"),
        compiled(
            r"(?P<before>[€$£]|\b(?:eur|usd|gbp)\b)?\s?(?P<number>\d+(?:[.,]\d+)*)"
            rf"(?:\s(?P<scale>{'|'.join(scales)})\b\.?)?(?:[\s-]?(?:(?:{between})n?[ -])?(?P<after>{unit})(?!\w))?"
        ),
        compiled(rf"\b(?:(?P<most>{most})|(?P<least>{least}))(?=\s+(?P<rest>[^,;|\n]{{1,40}}))"),
        compiled(rf"(?:\s[^\W\d_]{{2,}})?\s(?:(?:{in_a})\s(?P<time>{time})\b|(?:{per})\s(?P<unit>[^\W\d_]+))"),
        compiled(rf"\s?(?:-|–|{ranges})\s?"),
        {name: compiled(names) for name, names in units.items()},
        {name: compiled(rf"(?<!\w)(?:{names})(?!\w)") for name, names in units.items()},
        {compiled(name): value for name, value in scales.items()},
    )


@cache
def _number_words(language: str) -> re.Pattern[str]:
    """Numbers in words of one language; the group ``half`` is what is added to them, as in "two and a half"."""
    parts = "".join(
        f"(?<!{part} )" for one in read_with(language) for part in alternatives(own("parts", one)).split("|")
    )
    numbers = own("numbers", language).replace("<words>", alternatives(own("number_words", language)))
    return re.compile(rf"(?<!\w)(?<!\d[ -]){parts}{numbers}", re.IGNORECASE)


@lru_cache(maxsize=4096)
def in_figures(text: str, language: str = "") -> str:
    """``text`` with figures for its number words: ``am fünfzehnten Mai`` becomes ``am 15. Mai``."""
    for one in read_with(language):
        for written, meant in own("other_numbers", one).items():
            text = re.sub(written, meant, text, flags=re.IGNORECASE)
        text = _number_words(one).sub(lambda match, one=one: _figures(match, one), text)  # type: ignore[misc]
    return text


def _figures(match: re.Match[str], language: str) -> str:
    from text_to_num import alpha2digit

    half = match["half"] or ""
    figures: str = alpha2digit(match[0].removesuffix(half), language, 0)
    return f"{figures}.5" if half else figures


def quantities(text: str, language: str = "") -> list[str]:
    """Dates, references and quantities of ``text``: ``2026-05-03``, ``§10``, ``(2)``, ``14``, ``10%``, ``3day``."""
    return list(split_quantities(text, language)[0])


@lru_cache(maxsize=1024)  # a passage is read again for each sentence of an answer
def split_quantities(text: str, language: str = "") -> tuple[tuple[str, ...], str]:
    """The same, and the words that are left without them and without what makes them limits, as "at most"."""
    its = _patterns(language)
    found, text = dates(in_figures(text, language), language)
    found += [f"§{match['number'].lower()}" for match in its.reference.finditer(text)]
    found += [match[0] for match in _CLAUSE.finditer(text)]
    text = _plain(_CLAUSE.sub(" ", its.reference.sub(" ", its.bound.sub(" ", text))), its)
    matches = list(its.quantity.finditer(text))
    units = [_unit_of(match, its) for match in matches]
    for index in range(len(matches) - 2, -1, -1):
        between = text[matches[index].end() : matches[index + 1].start("number")]
        if not units[index] and its.range.fullmatch(between):
            units[index] = units[index + 1]  # "3 to 5 days"
    found += [_number_of(match, its) + unit for match, unit in zip(matches, units, strict=True)]
    return tuple(found), its.quantity.sub(" ", text)


@lru_cache(maxsize=1024)
def qualifiers(text: str, language: str = "") -> frozenset[tuple[str, str, str]]:
    """What a text says of its quantities: ``("10%", "limit", "at most")``, ``("48€", "period", "year")``."""
    its = _patterns(language)
    limits = ((quantities(match["rest"], language)[:1], match["most"]) for match in its.bound.finditer(text))
    found = {(one, "limit", "at most" if most else "at least") for bounded, most in limits for one in bounded}
    plain = in_digits(text, language, dated=False)
    for match in its.quantity.finditer(plain):
        if period := its.period.match(plain, match.end()):
            found.add((_number_of(match, its) + _unit_of(match, its), "period", _period_of(period, its)))
    return frozenset(found)


def placed(text: str, language: str = "") -> Iterator[tuple[str, str, str]]:
    """Each number of a text with what stands between it and the one before it, and between its unit and period and the
    next one."""
    its = _patterns(language)
    plain = in_digits(text, language, dated=False)
    matches = list(its.quantity.finditer(plain))
    periods = [its.period.match(plain, match.end()) for match in matches]
    ends = [
        (period if period and _period_of(period, its) in _TIMES else match).end()
        for match, period in zip(matches, periods, strict=True)
    ]
    for place, match in enumerate(matches):
        before = plain[ends[place - 1] if place else 0 : match.start()]
        behind = plain[ends[place] : matches[place + 1].start() if place + 1 < len(matches) else None]
        yield _number_of(match, its) + _unit_of(match, its), before, behind


def as_written(quantity: str, text: str, language: str = "") -> str:
    """A quantity of a text as a reader finds it there, number words in figures: ``5day`` as ``5 days``."""
    its = _patterns(language)
    matches = its.quantity.finditer(in_digits(text, language, dated=False))
    written = (match[0].strip() for match in matches if _number_of(match, its) + _unit_of(match, its) == quantity)
    return next(written, quantity)


def without_measures(text: str, language: str = "") -> str:
    """``text`` without the numbers that count something: ``150 Euro Eigenanteil`` is about ``Eigenanteil``."""
    its = _patterns(language)
    return its.quantity.sub(lambda match: " ; " if _unit_of(match, its) else match[0], text)


def in_digits(text: str, language: str = "", dated: bool = True) -> str:
    """``text`` with its number words, and "one" before what it counts, in digits that nothing parts; without its dates
    if it is not to be ``dated``."""
    figures = in_figures(text, language)
    return _plain(figures if dated else dates(figures, language)[1], _patterns(language))


def is_said(quantity: str, among: Set[str], in_cells: Set[str] = frozenset()) -> bool:
    """Whether a quantity of a sentence is one of those of a text; a bare number may have any unit there.

    ``in_cells`` are those of the cells of a table, where a number may stand without its unit.
    """
    said = among | in_cells
    if quantity in said or is_dated(quantity, said) or quantity.removesuffix(_behind_number(quantity)) in in_cells:
        return True
    return any(f"{quantity}{unit}" in said for unit in table("units"))


def unit_of(quantity: str) -> str:
    """What a quantity counts; empty for a bare number."""
    return "" if quantity[0] in "§(-" or quantity.count("-") else _behind_number(quantity)


def units_named(text: str, language: str = "") -> set[str]:
    """The units that a text names without a number, as a header or caption does: ``in euros``, ``in %``."""
    text = without_measures(text, language)
    return {unit for unit, named in _patterns(language).named.items() if named.search(text)}


def _behind_number(quantity: str) -> str:
    return "".join(dropwhile(lambda character: character.isdecimal() or character == ".", quantity))


def _plain(text: str, its: _QuantityPatterns) -> str:
    return its.one.sub("1", THOUSANDS.sub("", text))


def _unit_of(match: re.Match[str], its: _QuantityPatterns) -> str:
    return _unit_named(match["before"] or match["after"] or "", its)


def _period_of(match: re.Match[str], its: _QuantityPatterns) -> str:
    written = match["time"] or match["unit"]
    return _unit_named(written, its) or written.casefold()


def _unit_named(written: str, its: _QuantityPatterns) -> str:
    return next((unit for unit, names in its.units.items() if names.fullmatch(written)), "")


def _number_of(match: re.Match[str], its: _QuantityPatterns) -> str:
    number = match["number"].replace(",", ".")
    if match["scale"]:
        scale = next(value for name, value in its.scales.items() if name.fullmatch(match["scale"]))
        number = f"{float(number) * scale:.2f}" if number.count(".") <= 1 else number
    whole, point, rest = number.partition(".")
    return whole + (point + rest.rstrip("0")).rstrip(".") if rest.isdigit() else number


def dates(text: str, language: str = "") -> tuple[list[str], str]:
    """The dates of ``text`` in one spelling, and the text without them."""
    found: list[str] = []
    months = _months(language)

    def take(match: re.Match[str]) -> str:
        date = _spelled(match.groupdict(), months)
        if not date:
            return match[0]
        found.append(date)
        return " "

    for pattern in _date_patterns(language):
        text = pattern.sub(take, text)
    return found, text


def is_dated(date: str, among: Set[str]) -> bool:
    """Whether a date, or a year, is one of those of a text or says less than one of them."""
    if date.startswith("--"):
        return any(other.endswith(date[1:]) for other in among)
    return any(other == date or other.startswith(f"{date}-") for other in among)


@cache
def _months(language: str) -> Mapping[str, int]:
    return {
        name: month
        for one in read_with(language)
        for month, names in enumerate(own("months", one), 1)
        for name in names.split()
    }


@cache
def _date_patterns(language: str) -> tuple[re.Pattern[str], ...]:
    # Longest first, and as they are written: "may" is a verb.
    month = rf"(?P<month>{'|'.join(sorted(_months(language), key=len, reverse=True))})\b\.?"
    year = r"(?P<year>(?:19|20)\d\d)\b"
    day = r"\b(?P<day>\d{1,2})"
    ending, of = (forms(kind, language) for kind in ("ordinal_endings", "of_a_month"))
    return tuple(
        re.compile(pattern)
        for pattern in (
            rf"\b{year}-(?P<month>\d\d)-(?P<day>\d\d)\b",
            rf"{day}(?:{ending}|\.)?\s+(?:(?:{of})\s+)?{month}(?:,?\s+{year})?",
            rf"\b{month}\s+(?P<day>\d{{1,2}})(?:{ending})?(?!\d)(?:,?\s+{year})?",
            rf"\b{month}\s+{year}",
            rf"{day}\.\s?(?P<month>\d{{1,2}})\.\s?{year}",
            rf"{day}/(?P<month>\d{{1,2}})/{year}",
            rf"\b(?P<month>\d{{1,2}})/{year}",
            r"\b(?P<day>\d\d)\.(?P<month>\d\d)\.(?!\d)",
        )
    )


def _spelled(parts: Mapping[str, str | None], months: Mapping[str, int]) -> str:
    """The date of a match; empty when there is no such day."""
    year, day = parts.get("year"), int(parts.get("day") or 0)
    named = parts["month"] or ""
    month = months.get(named) or int(named)
    if month > 12 and 1 <= day <= 12:
        month, day = day, month
    if not (1 <= month <= 12 and day <= 31):
        return ""
    return f"{year or '-'}-{month:02}" + (f"-{day:02}" if day else "")


@dataclass(frozen=True, slots=True)
class Range:
    """From ``low`` to ``high``, both within it; as it is written, with the word before and behind it."""

    low: float
    high: float
    written: str
    words: frozenset[str]

    def holds(self, other: "Range") -> bool:
        """Whether all of another range is in this one."""
        return self.low <= other.low and other.high <= self.high


@cache
def _range_pattern() -> re.Pattern[str]:
    """A table may be in another language than the question, so that words of all languages count in both."""
    to, above, most, below = (forms(kind) for kind in ("ranges_to", "above", "at_most", "below"))
    from_on, up_to, or_more = (forms(kind) for kind in ("from_on", "up_to", "or_more"))
    return re.compile(
        rf"(?:(?P<above>\b(?:{above})\s)|(?P<below>\b(?:{below})\s)|(?P<up_to>\b(?:{up_to}|{most})\s)"
        rf"|(?P<from_on>\b(?:{from_on})\s))?(?P<before>\b[^\W\d_]+\s)?(?<![\w.,])(?P<low>\d+)"
        rf"(?:\s?(?:-|–|\b(?:{to})\b)\s?(?:[^\W\d_]+\s)?(?P<high>\d+)|(?P<or_more>\s?(?:\+|(?:[^\W\d_]+\s)?(?:{or_more})\b)))?"
        r"(?![.,]?\d)(?:\s?(?P<after>[^\W\d_]+))?",
        re.IGNORECASE,
    )


@lru_cache(maxsize=4096)
def ranges(text: str) -> tuple[Range, ...]:
    """The ranges and numbers of a text that are no amounts of money and no percentages, in order."""
    return tuple(map(_range, _range_pattern().finditer(_without_amounts(text))))


def without_ranges(text: str) -> str:
    """The words of a text beside its ranges: "Single" of "Single up to 65"."""
    return _range_pattern().sub(lambda match: f"{match['before'] or ''} {match['after'] or ''}", _without_amounts(text))


def _without_amounts(text: str) -> str:
    return THOUSANDS.sub("", _AMOUNT.sub(" ", text))


def _range(match: re.Match[str]) -> Range:
    low = float(match["low"])
    high = float(match["high"]) if match["high"] else low
    if match["above"]:
        low, high = math.nextafter(low, math.inf), math.inf
    elif match["below"]:
        low, high = -math.inf, math.nextafter(low, -math.inf)
    elif match["up_to"] and not match["high"]:
        low = -math.inf
    elif match["or_more"] or (match["from_on"] and not match["high"]):
        high = math.inf
    its = (match[name] for name in ("before", "after"))
    return Range(low, high, match[0].strip(), frozenset(word.strip().casefold() for word in its if word))
