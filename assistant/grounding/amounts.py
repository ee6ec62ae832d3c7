"""Amounts of money with what they are for, a month or a person, as a sentence, a cell or what heads its table says it.

A cell often holds a bare number: "36.4" is euros a month where "monthly premium in euros" stands above the table. What
is nearest is believed: the cell, its header, the label of its row, the lines above the table and the heading. Where
they leave a doubt there is no amount: a second unit, a scale ("in thousands"), "per square metre", "€9 a day, 3 days".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from assistant.grounding.spans import Span
from assistant.text.languages import LANGUAGES, data
from assistant.text.lexicon import forms, grammar, table, vocabulary, whole_words
from assistant.text.quantities import (
    as_written,
    in_digits,
    qualifiers,
    quantities,
    split_quantities,
    unit_of,
    units_named,
)
from assistant.text.words import words
from assistant.types import HEADING_SEPARATOR, Evidence

_MONEY = frozenset("€$£")
# They say how long or how often, and measure nothing where a header names them.
_TIMES = frozenset({"hour", "day", "workday", "week", "month", "year"})
# Decimal computes with 28 digits; no amount has as many.
_LONGEST = 20
_LONGEST_CAPTION = 240


@dataclass(frozen=True, slots=True)
class Amount:
    """Some money, and what it is for."""

    value: Decimal
    unit: str
    """``€``, ``$`` or ``£``."""
    period: str
    """``year``, ``month``, ``week`` or ``day``; empty where none is told."""
    per_person: bool


@dataclass(frozen=True, slots=True)
class Basis:
    """For what amounts are, as far as a text says it: "monthly premium per person"."""

    periods: frozenset[str]
    per_person: bool
    is_open: bool
    """Whether they are for each of something else too, a square metre, or in thousands."""
    rest: str
    """The text without that."""


@dataclass(frozen=True, slots=True)
class _BasisPatterns:
    periods: Mapping[str, re.Pattern[str]]
    per_person: re.Pattern[str]
    behind: re.Pattern[str]
    """The same right behind an amount."""
    other: re.Pattern[str]
    """What it is for besides: "per claim", "and night"; ``;`` stands for a period or a person."""


@cache
def _patterns(language: str) -> _BasisPatterns:
    periods = table("periods", language)
    every = "|".join((*periods.values(), forms("per_person", language)))
    scales = "|".join(table("scales", language))
    joining, per, whom = (forms(kind, language) for kind in ("joining", "per", "for_whom"))
    return _BasisPatterns(
        {period: whole_words(names) for period, names in periods.items()},
        whole_words(forms("per_person", language)),
        re.compile(rf"(?:,?\s(?:{every})\b)*", re.IGNORECASE),
        re.compile(
            rf";\s(?:{joining})\s[^\W\d_]+\s*(?:$|[.,;)])|(?:;|\b(?:{whom})\s|^|\s)(?:{per})\s|/|\b(?:{scales})",
            re.IGNORECASE,
        ),
    )


def basis_in(text: str, language: str) -> Basis:
    """For what a text says that amounts are."""
    its = _patterns(language)
    rest, is_person = its.per_person.subn(";", text)
    periods = set()
    for period, pattern in its.periods.items():
        rest, times = pattern.subn(";", rest)
        periods |= {period} if times else set()
    return Basis(frozenset(periods), is_person > 0, its.other.search(rest) is not None, rest)


def amount_said_alone(text: str, asked: str, language: str) -> Amount | None:
    """The amount of a sentence that says nothing but it, for what it is, and what was ``asked``: "The card costs €5 a
    month." What it is for has to stand right behind it, and nothing behind that."""
    measured = quantities(text, language)
    if len(measured) != 1 or not unit_of(measured[0]):
        return None
    written = as_written(measured[0], text, language)
    before, _, behind = in_digits(text, language, dated=False).partition(written)
    stating = re.search(rf"\b(?:{forms('stating_amounts', language)})\s$", before, re.IGNORECASE)
    attached = _patterns(language).behind.match(behind)
    if stating is None or attached is None or behind[attached.end() :].strip(" .!"):
        return None
    pointing = ("articles", "determiners", "pronouns", "anaphora", "inner_anaphora")
    known = frozenset(words(asked)) - grammar(language)
    known = known.union(*(vocabulary(kind, language) for kind in pointing)) - vocabulary("negations", language)
    if not known.issuperset(words(before[: stating.start()])):
        return None
    return _amount(measured[0], unit_of(measured[0]), [basis_in(attached[0], language)], is_open=False)


def amount_of_cell(hit: Evidence, span: Span, header: str, cell: str) -> Amount | None:
    """The amount that a cell of a row, ``span``, holds alone; ``header`` is that of its column."""
    found = quantities(cell, hit.language)
    if span.row is None or len(found) != 1 or _says_more(cell, hit.language) or _is_ambiguous(cell, hit.language):
        return None
    near = (cell, header.replace("_", " "), span.row.label)
    above = captions(hit, span)
    unit = unit_of(found[0]) or _unit_from((*near[1:], *above), hit.language)
    bases = [basis_in(one, hit.language) for one in near]
    heading = [basis_in(one, hit.language) for one in above]
    is_open = any(one.is_open for one in (*bases, *heading))
    if not any(one.periods for one in bases):
        bases += heading
    return _amount(found[0], unit, bases, is_open)


def captions(hit: Evidence, span: Span) -> list[str]:
    """What stands above the table of a row and says for what its amounts are, the nearest first."""
    start = hit.start + span.start
    table_block = hit.block_at(start)
    above = []
    for block in reversed([one for one in hit.blocks if one.start < table_block.start]):
        if block.kind != "paragraph" or (block.heading, block.place) != (table_block.heading, table_block.place):
            break
        above.append(hit.text[max(0, block.start - hit.start) : block.end - hit.start])
    above.append(table_block.heading.rpartition(HEADING_SEPARATOR)[2])
    return [
        one
        for one in above
        if len(one) <= _LONGEST_CAPTION
        and (units_named(one, hit.language) & _MONEY or basis_in(one, hit.language).periods)
    ]


def _amount(quantity: str, unit: str, bases: list[Basis], is_open: bool) -> Amount | None:
    number = quantity.removesuffix(unit)
    periods = frozenset[str]().union(*(one.periods for one in bases))
    if unit not in _MONEY or is_open or len(periods) > 1 or len(number) > _LONGEST or number.count(".") > 1:
        return None
    return Amount(Decimal(number), unit, "".join(periods), any(one.per_person for one in bases))


def _unit_from(lines: tuple[str, ...], language: str) -> str:
    """The unit of a bare number: that of the first line that names one, empty where it names several."""
    named = (units_named(line, language) - _TIMES for line in lines)
    units = next(filter(None, named), set())
    return units.pop() if len(units) == 1 else ""


def _says_more(cell: str, language: str) -> bool:
    """Whether a cell has words beside an amount and what it is for; "up to" are such words."""
    rest = basis_in(split_quantities(cell, language)[1], language).rest
    return any(map(str.isalnum, rest)) or any(kind == "limit" for _, kind, _ in qualifiers(cell, language))


def _is_ambiguous(cell: str, language: str) -> bool:
    """Whether three digits of a number may be thousands or decimals: "1.234" in English."""
    decimal = re.escape(data(language if language in LANGUAGES else LANGUAGES[0], "interface")["format"]["decimal"])
    return re.search(rf"\d{decimal}\d{{3}}(?!\d)|(?<!\d)0[.,]\d{{3}}(?!\d)", cell) is not None
