"""Sums that a question asks for, "a year", "for two people", "together": computed only from amounts that are cited.

A sum stands behind the words that it is computed from, and shows its parts: "12 × €36.40 a month = €436.80 a year". It
is computed from cells; sentences limit their amounts in more ways than can be told ("on Sundays", "plus VAT"). It is
not where another quantity may change it ("€50 to €60 a day"), where it is not sure for what an amount is, where the
question has a number or a word that stands beside the amount ("in Europe"), or the documents may say another sum.

A cell often holds a bare number: "36.4" is euros a month where "monthly premium in euros" stands above the table. What
is nearest is believed: the cell, its header, the label of its row, the lines above the table and the heading. Where
they leave a doubt there is no amount: a second unit, a scale ("in thousands"), "per square metre", "€9 a day, 3 days".
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from functools import cache

from assistant.grounding.grounder import cite
from assistant.grounding.outcomes import stands_for_an_answer
from assistant.grounding.quoting import Places, lines_above, row_in_words
from assistant.grounding.spans import Span, spans
from assistant.grounding.tables import (
    Row,
    is_named_in_full,
    is_told_from_others,
    named_cells,
    names_a_column,
    numbers_within,
)
from assistant.text.languages import LANGUAGES, answers, data
from assistant.text.lexicon import forms, grammar, no_subject, table, vocabulary, whole_words
from assistant.text.quantities import (
    SPANS_OF_TIME,
    as_written,
    in_digits,
    in_figures,
    qualifiers,
    quantities,
    split_quantities,
    unit_of,
    units_named,
)
from assistant.text.words import content_stems, stems, words
from assistant.types import HEADING_SEPARATOR, Evidence, Sentence

_MONEY = frozenset("€$£")
# Decimal computes with 28 digits; no amount has as many.
_LONGEST = 20
# Months have no fixed number of days, nor years of weeks.
_TIMES = {("year", "month"): 12, ("week", "day"): 7}
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Amount:
    """Some money, and what it is for."""

    value: Decimal
    unit: str
    """``€``, ``$`` or ``£``."""
    period: str
    """``year``, ``month``, ``week`` or ``day``; empty where none is told."""
    per_person: bool


_Part = tuple[Amount, Sentence]
"""An amount and the quotation that it stands in."""


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
    unit = unit_of(found[0])
    if not unit:  # that of the first line that names one, none where it names several
        named = (units_named(line, hit.language) - SPANS_OF_TIME for line in (*near[1:], *above))
        units = next(filter(None, named), set())
        unit = units.pop() if len(units) == 1 else ""
    bases = [basis_in(one, hit.language) for one in near]
    heading = [basis_in(one, hit.language) for one in above]
    is_open = any(one.is_open for one in (*bases, *heading))
    if not any(one.periods for one in bases):
        bases += heading
    return _amount(found[0], unit, bases, is_open)


def captions(hit: Evidence, span: Span) -> list[str]:
    """What stands above the table of a row and says for what its amounts are, the nearest first."""
    above = [hit.text[start:end] for start, end in lines_above(hit, span.start)]
    above.append(hit.block_at(hit.start + span.start).heading.rpartition(HEADING_SEPARATOR)[2])
    return [one for one in above if units_named(one, hit.language) & _MONEY or basis_in(one, hit.language).periods]


def _amount(quantity: str, unit: str, bases: list[Basis], is_open: bool) -> Amount | None:
    number = quantity.removesuffix(unit)
    periods = frozenset[str]().union(*(one.periods for one in bases))
    if unit not in _MONEY or is_open or len(periods) > 1 or len(number) > _LONGEST or number.count(".") > 1:
        return None
    return Amount(Decimal(number), unit, "".join(periods), any(one.per_person for one in bases))


def _says_more(cell: str, language: str) -> bool:
    """Whether a cell has words beside an amount and what it is for; "up to" are such words."""
    rest = basis_in(split_quantities(cell, language)[1], language).rest
    return any(map(str.isalnum, rest)) or any(kind == "limit" for _, kind, _ in qualifiers(cell, language))


def _is_ambiguous(cell: str, language: str) -> bool:
    """Whether three digits of a number may be thousands or decimals: "1.234" in English."""
    decimal = re.escape(data(language if language in LANGUAGES else LANGUAGES[0], "interface")["format"]["decimal"])
    return re.search(rf"\d{decimal}\d{{3}}(?!\d)|(?<!\d)0[.,]\d{{3}}(?!\d)", cell) is not None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a question wants computed."""

    asked: str
    """What it asks the documents for: the amounts, for one person and whatever period."""
    period: str
    """That of the sum; empty where the question names none."""
    persons: int
    """For how many; 0 where the question does not say."""
    is_total: bool
    """Whether it asks for several amounts together."""
    language: str


def wanted_sum(question: str, language: str) -> Wanted | None:
    """What a question wants computed; None where that is nothing, or more than one thing."""
    language = language or LANGUAGES[0]
    several = whole_words(rf"(?:{forms('for_whom', language)}) (\d{{1,3}}) (?:{forms('people', language)})")
    figures = in_figures(question, language)
    persons = {int(number) for number in several.findall(figures)}
    basis = basis_in(several.sub("", figures), language)
    asked, together = whole_words(forms("together", language)).subn("", basis.rest)
    if len(persons) > 1 or len(basis.periods) > 1 or not (persons or basis.periods or together):
        return None
    one = answers("one_person")[language] if persons or basis.per_person else ""
    asked = f"{' '.join(asked.replace(';', ' ').rstrip(' ?.!').split())} {one}".rstrip() + "?"
    return Wanted(asked, "".join(basis.periods), sum(persons), together > 0, language)


def computed(wanted: Wanted, places: Places, hits: Sequence[Evidence], probability: float) -> tuple[Sentence, ...]:
    """What the documents say of the amounts and, behind it, the sum; nothing where either is not sure.

    ``places`` are those of ``wanted.asked`` among ``hits``; ``probability`` is that these answer it.
    """
    if places.best is None or not stands_for_an_answer(places, probability):
        return ()
    hit, span = places.best
    parts = _cells(wanted, hit, span, span.row, hits) if span.row else []
    quotes = tuple(dict.fromkeys(quote for _, quote in parts))
    citations = tuple(one for quote in quotes for one in quote.citations)
    text = calculation(wanted, [amount for amount, _ in parts])
    if not text or any(one.warning for one in citations):
        return ()
    return (*quotes, Sentence(text, True, "", citations, before="\n"))


def of_what_was_said(
    asked: str, before: str, said: Sequence[Sentence], passages: Iterable[str], language: str
) -> Sentence | None:
    """The sum that a follow-up asks for ("how much is that a month?") of the one amount that was cited before it.

    None if it asks for more, if more was said to the question ``before`` than that amount, there or in what is cited,
    or if the ``passages`` cited may say another sum.
    """
    wanted = wanted_sum(asked, language)
    if wanted is None or len(said) != 1 or not said[0].citations or any(one.warning for one in said[0].citations):
        return None
    if not _names_nothing(wanted):
        return None
    sources = (said[0].text, *(citation.quote for citation in said[0].citations))
    amounts = {amount_said_alone(source, before, language) for source in sources}
    amount = amounts.pop()
    if amounts or amount is None or any(_tells(passage, wanted, [amount], language) for passage in passages):
        return None
    text = calculation(wanted, [amount])
    return Sentence(text, True, "", said[0].citations) if text else None


def sum_besides(asked: str, before: str, language: str) -> Wanted | None:
    """The sum that a follow-up asks for ("how much is that a month?") of what the question ``before`` it asked.

    None where it names a thing of its own.
    """
    wanted = wanted_sum(asked, language)
    if wanted is None or not before or not _names_nothing(wanted):
        return None
    basis = basis_in(in_figures(before, wanted.language), wanted.language)
    earlier = " ".join(basis.rest.replace(";", " ").rstrip(" ?.!").split())
    return replace(wanted, asked=f"{earlier}?")


def _names_nothing(wanted: Wanted) -> bool:
    known = no_subject(wanted.language) | set(words(answers("one_person")[wanted.language]))
    return known.issuperset(words(wanted.asked))


def calculation(wanted: Wanted, amounts: Sequence[Amount]) -> str:
    """A sum with its parts as its reader writes them; empty where nothing is to be computed, or cannot be."""
    if len({replace(one, value=Decimal()) for one in amounts}) != 1:
        return ""
    first, period = amounts[0], wanted.period or amounts[0].period
    times, over = _TIMES.get((period, first.period), 1), _TIMES.get((first.period, period), 1)
    is_known = period == first.period or times > 1 or over > 1
    is_summed = len(amounts) == 1 or wanted.is_total
    factors = [str(one) for one in (wanted.persons, times) if one > 1]
    is_more = bool(factors) or over > 1
    if not (is_known and is_summed and (is_more or len(amounts) > 1)) or (wanted.persons and not first.per_person):
        return ""
    exact = sum((one.value for one in amounts), Decimal()) * max(wanted.persons, 1) * times
    result = exact if over == 1 else (exact / over).quantize(_CENT, ROUND_HALF_UP)

    def said(kind: str) -> str:
        return answers(kind)[wanted.language]

    one_person = [said("one_person")] if first.per_person else []
    people = [said("several_people").format(wanted.persons)] if wanted.persons > 1 else one_person
    parts = " + ".join(_money(one.value, first.unit, wanted.language) for one in amounts)
    left = [" × ".join([*factors, f"({parts})" if len(amounts) > 1 and is_more else parts])]
    left += [*one_person, *([said(f"a_{first.period}")] if first.period else [])] if is_more else []
    left += [f"÷ {over}"] if over > 1 else []
    right = [_money(result, first.unit, wanted.language), *people, *([said(f"a_{period}")] if period else [])]
    return " ".join([*left, "=" if result * over == exact else "≈", *right])


def _money(value: Decimal, unit: str, language: str) -> str:
    """An amount as its reader writes it, with all its decimals; in cents unless it is whole."""
    decimals = -int(value.normalize().as_tuple().exponent)
    signs = data(language, "interface")["format"]
    written = f"{value:,.{max(decimals, 2) if decimals > 0 else 0}f}"
    figures = written.translate({ord(","): signs["thousands"], ord("."): signs["decimal"]})
    return answers("money")[language].format(unit=unit, figures=figures)


def _cells(wanted: Wanted, hit: Evidence, span: Span, row: Row, hits: Sequence[Evidence]) -> list[_Part]:
    """The amounts of the cells that a question names, in one row or, of several rows, in one column."""
    rows = [(span, row)]
    if not is_told_from_others(row, wanted.asked, hit.language):
        rows = _rows_named(wanted.asked, hit, row) if wanted.is_total else []
    chosen = [(one, its, _named_amounts(wanted.asked, hit, one, its)) for one, its in rows]
    if len(chosen) > 1 and any(len(cells) != 1 for _, _, cells in chosen):
        return []
    if any(_is_limited(its, [cell for _, cell, _ in cells], wanted.asked, hit.language) for _, its, cells in chosen):
        return []
    parts: list[_Part] = []
    known = [hit.context, hit.heading, hit.blocks[0].place, *row.table.titles[:1], *captions(hit, span)]
    for one, its, cells in chosen:
        quote = row_in_words(its, [(header, cell) for header, cell, _ in cells])
        sentence = Sentence(quote, True, "", (cite(hit, one.start, one.end, hits),), before="\n")
        parts += [(amount, sentence) for _, _, amount in cells]
        known += [*its.texts, *(header for header, _, _ in cells), numbers_within(its, wanted.asked)]
    of_table = (cell for its in row.table.rows for cell in its)
    near = " ; ".join((hit.text, *row.table.titles, *of_table, *captions(hit, span)))
    is_told = _tells(near, wanted, [amount for amount, _ in parts], hit.language)
    return [] if is_told or not _knows_all(wanted.asked, hit, known) else parts


def _is_limited(row: Row, chosen: Sequence[str], asked: str, language: str) -> bool:
    """Whether another cell of a row says in words what the question does not: "April to September", "plus VAT"."""
    others = (cell for cell in row.texts[1:] if cell not in chosen)
    said = " ".join(cell for cell in others if not any(map(unit_of, quantities(cell, language))))
    beside = set(content_stems(said, language)).difference(content_stems(asked, language))
    return any(word[0].isalpha() for word in beside)


def _rows_named(asked: str, hit: Evidence, row: Row) -> list[tuple[Span, Row]]:
    """The rows of a table that a question names, each by words or a number of its own; none if one is named by those
    of another."""
    named = [
        (span, span.row)
        for span in spans(hit)
        if span.row and span.row.table is row.table and is_named_in_full(span.row, asked, hit.language)
    ]
    by = [{*stems(one.label, hit.language), *numbers_within(one, asked).split()} for _, one in named]
    return [] if any(one < other for one in by for other in by) else named


def _named_amounts(asked: str, hit: Evidence, span: Span, row: Row) -> list[tuple[str, str, Amount]]:
    """The cells that a question names, each with its amount; none if one has no amount, or none is named and several
    measure something."""
    cells = named_cells(row, asked, hit.language)
    if not names_a_column(row, asked, hit.language):
        cells = [(header, cell) for header, cell in cells if any(map(unit_of, quantities(cell, hit.language)))] or cells
        cells = cells if len(cells) == 1 else []
    amounts = [amount_of_cell(hit, span, *one) for one in cells]
    return [(*cell, amount) for cell, amount in zip(cells, amounts, strict=True) if amount] if all(amounts) else []


def _tells(text: str, wanted: Wanted, amounts: Iterable[Amount], language: str) -> bool:
    """Whether a text may tell another sum than that of some amounts: one for the period, for several people or of
    several things. What it is for is not told: an annual pass may be another thing, or the same paid at once."""
    kinds = [forms("sum_for_several", language)] if wanted.persons > 1 else []
    kinds += [forms("sum_of_several", language)] if wanted.is_total else []
    if any(wanted.period not in {"", amount.period} for amount in amounts):
        kinds += [table("sum_for_a_period", language)[wanted.period]]
    figures = in_figures(text, language)
    return any(whole_words(kind).search(figures) for kind in kinds)


def _knows_all(asked: str, hit: Evidence, known: Iterable[str]) -> bool:
    """Whether all that a question names of a passage is known of the amount, and each of its numbers."""
    its = " ".join(known)
    subject = " ".join(word for word in words(asked) if word not in no_subject(hit.language))
    beside = set(stems(hit.text, hit.language)) - set(stems(its, hit.language))

    def numbers(text: str) -> set[str]:
        return {word for word in words(in_digits(text, hit.language)) if word[0].isdigit()}

    return beside.isdisjoint(stems(subject, hit.language)) and numbers(asked) <= numbers(its)
