"""Whether a passage says what a sentence says: one deterministic function, with its reason.

A sentence is supported by a span of a passage that

- holds enough of its words: stems weighed by how rare they are in the corpus (inverse document frequency), so that
  "the" supports nothing; half of that if it means much the same, as an embedder says;
- and to which nothing is objected: every number, amount, date, § reference, name and quotation of the sentence is
  there, both deny the same, numbers are said of the same things, and the same does it to the same.

An answer that says too little by itself ("500 €", "No.") is understood with its question.

A row of a table is read under the columns that the sentence names, and only if the sentence names no other row
better.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from assistant.grounding.consistency import (
    Said,
    exchanged,
    fewer,
    is_restricted,
    misnamed,
    misplaced,
    missing_word,
    parted,
    said,
    said_of_names,
)
from assistant.grounding.spans import Span, spans
from assistant.grounding.tables import Row, is_any_of_its_table, means_another, named_cells, numbers_within, stems_of
from assistant.retrieval.embedder import Likeness
from assistant.text.lexicon import forms, vocabulary
from assistant.text.names import Name, names
from assistant.text.negation import Denial, affirmed, contradiction, denials
from assistant.text.overlap import weighted_coverage
from assistant.text.quantities import is_said, qualifiers, quantities, split_quantities, unit_of
from assistant.text.sentences import asks, told_before
from assistant.text.words import stems, words
from assistant.types import HEADING_SEPARATOR, Evidence

Weights = Callable[[Iterable[str]], Mapping[str, float]]

# A step is short and made of common words, which stand somewhere in many a passage: "Next step: close the file."
_FEWEST_WORDS_OF_A_STEP = 3
_LEAST_COVERAGE_OF_A_STEP = 0.8
_QUOTATION = re.compile(r"[\"“„«»]([^\"“”„«»\n]{2,300})[\"”“»«]")
_FEWEST_QUOTED_WORDS = 3  # one or two in quotation marks are a term, and nobody's words
# What has fewer is understood together with the question only: "500 €", "the studio manager".
_FEWEST_WORDS_OF_A_STATEMENT = 3
# What has no words but those of the question says that it is so: all of them have to be there.
_LEAST_COVERAGE_OF_AN_ECHO = 0.9
# Sentences in other words hold few of the passage's; what means so much the same needs half as many (docs/log.md).
_MUCH_THE_SAME, _HALF = 0.6, 0.5
# A span that holds so much less of a sentence's words than the best one is about something else. With this, the next
# one and the nearest words of negations precision rose from .944 to .970 (docs/log.md).
_BEHIND_THE_BEST = 0.2
# A pair of sentences that holds so little more than one of them borrows a number or a name from the other.
_GAIN_OF_A_PAIR = 0.1
_MAY_NAME = re.compile(r"\b(?:[^\W\d_a-zß-ÿ]|\d)[^\W_]*(?:[-'’&.][^\W_]+)*")


@dataclass(frozen=True, slots=True)
class Support:
    """How well a passage supports a sentence, and the span (in the passage's text) that does it best."""

    coverage: float
    """Part of the weight of the sentence's words that the span holds, 0..1."""
    objection: str
    """Why the span does not say the same, whatever words it holds; empty if nothing speaks against it."""
    start: int
    end: int
    holds: bool = False
    """Whether it supports the sentence: it holds enough of its words, and nothing is objected."""
    missing: str = ""
    """The number that the span lacks, if nothing else is objected to it: it says the same with another value."""
    leans: bool = False
    """Whether it holds only if the question is taken at its word; then it has to come from the place that answers."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a sentence claims, in the parts that a passage has to hold."""

    text: str
    stems: frozenset[str]
    quantities: tuple[str, ...]
    items: tuple[str, ...]
    """The numbers of its items, as "2" in "2. Send us the form.\""""
    qualifiers: frozenset[tuple[str, str, str]]
    names: tuple[Name, ...]
    name_stems: frozenset[str]
    quotations: tuple[str, ...]
    denials: tuple[Denial, ...]
    said: tuple[Said, ...]
    """Quantities with what they are said of."""
    said_of: tuple[tuple[str, frozenset[str]], ...]
    """Quantities with the name that they are said of."""
    reply: bool | None
    """Whether it begins with yes or with no; None where it begins with neither."""
    is_step: bool
    """Whether it is announced as what is to be done next."""
    asked: str
    """The question that it answers, if it says too little of its own to be understood without; or empty."""
    added: frozenset[str] | None
    """The stems that the question has not, where the question is taken at its word; else None."""
    premise: frozenset[str]
    """The stems of the question."""
    is_echo: bool
    """Whether it says nothing that the question does not."""
    question: str
    """As it was asked."""
    is_bare_no: bool
    """Whether it denies what was asked, in one word."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A span as a claim is held against it."""

    text: str
    known: str
    """What a reader knows there: headings, and what introduces the span."""
    language: str
    is_numbered: bool = False
    """Whether it is a numbered item of a list."""
    in_cells: frozenset[str] = frozenset()
    """The quantities in the cells of a row."""

    @property
    def stems(self) -> frozenset[str]:
        return stems_of(f"{self.known} {self.text}", self.language)

    @property
    def written_large(self) -> frozenset[str]:
        """The stems of words that may be part of a name: "Home Premium" is in no passage about a premium."""
        return stems_of(" ".join(_MAY_NAME.findall(f"{self.known} {self.text}")), self.language)


def support(
    sentence: str,
    hit: Evidence,
    weights: Weights,
    least_coverage: float,
    question: str = "",
    likeness: Likeness | None = None,
) -> Support:
    """The span of a passage that supports a sentence best; shorter ones win ties.

    One that nothing is objected to and that holds enough words is preferred to one with more words, if those are
    not many more: what is objected to the span that is meant speaks against the sentence. With ``likeness`` one that
    means much the same needs half as many words. With the ``question`` what says too little by itself is understood.
    """

    def held(leans: bool) -> Support:
        found = _best(sentence, hit, weights, least_coverage, question, leans)
        least = least_coverage
        if found.coverage < least and likeness and not found.objection and found.coverage >= _HALF * least:
            alike = likeness(sentence, hit.text[found.start : found.end]) >= _MUCH_THE_SAME
            least = _HALF * least if alike else least
        if found.objection or found.coverage < least:
            return found
        for part in parted(sentence, hit.text[found.start : found.end], hit.language):
            its = _best(part, hit, weights, least, question, leans=False)  # a question that joins them asks of both
            if its.objection or its.coverage < least:
                return replace(found, objection=f"it is not said of both: {its.objection or part}", missing="")
        return replace(found, holds=True, leans=leans)

    found = held(False)
    leaning = found if found.holds or not question else held(True)
    return leaning if leaning.holds else found


def _best(sentence: str, hit: Evidence, weights: Weights, least_coverage: float, question: str, leans: bool) -> Support:
    if asks(sentence):
        return Support(0.0, "a question says nothing", 0, len(hit.text))
    claim = _claim(sentence, hit.language, question, leans)
    if not (claim.stems or claim.quantities):
        return Support(0.0, "it says nothing that a passage could hold", 0, len(hit.text))
    wanted = weights(claim.stems - claim.name_stems or claim.stems)  # names have to be there anyway
    chosen = _without_idle_pairs(spans(hit), hit, wanted)
    # The same value may stand in many a place: the one is meant that fits the question.
    asking = weights(stems(claim.asked, hit.language)) if claim.asked else wanted
    # Without what introduces a span, which decides between equals: a caption is no row.
    owned = [weighted_coverage(asking, stems_of(hit.text[one.start : one.end], hit.language)) for one in chosen]
    measured = [(_measured(span, hit, claim, wanted, own), own) for span, own in zip(chosen, owned, strict=True)]
    least = max(least_coverage, max((found.coverage for found, _ in measured), default=0.0) - _BEHIND_THE_BEST)

    def rank(pair: tuple[Support, float]) -> tuple[bool, float, float, int]:
        found, own = pair
        return not found.objection and found.coverage >= least, found.coverage, own, found.start - found.end

    nothing = Support(0.0, "the passage is empty", 0, len(hit.text))
    return max(measured, key=rank, default=(nothing, 0.0))[0]


def is_factual(sentence: str) -> bool:
    """Whether a sentence says anything that a passage could hold; "Yes." and "Here it is:" do not."""
    claim = _claim(sentence, "en")
    return bool(claim.stems or claim.quantities)


def is_short(sentence: str, question: str) -> bool:
    """Whether a sentence is understood together with the question only: "500 €", "The studio manager."."""
    return bool(_claim(sentence, "en", question).asked)


def only_replies(sentence: str, question: str) -> bool:
    """Whether a sentence says no more than yes or no, be it in the words of the question."""
    return _patterns("en").bare_reply.fullmatch(sentence) is not None or _claim(sentence, "en", question).is_echo


@lru_cache(maxsize=512)
def _claim(sentence: str, language: str, question: str = "", leans: bool = False) -> _Claim:
    its_forms = _patterns(language)
    bare = its_forms.bare_reply.fullmatch(sentence) if question else None
    stated = question.rstrip(" ?\n\t")
    if bare:
        sentence = f"{bare['reply']}, {stated}"
    opening = its_forms.opening.match(sentence)
    text, items = _without_items(sentence[opening.end() :] if opening else sentence, language)
    numbers, rest = split_quantities(text, language)
    told = quantities(told_before(question), language)
    numbers = tuple(one for one in numbers if not (one in told and unit_of(one)))
    grammar = vocabulary("stopwords", language)
    content = [word for word in words(affirmed(rest, language)) if word not in grammar and not word.isdigit()]
    found = names(text, language)
    quoted = (match[1] for match in _QUOTATION.finditer(text))
    its = frozenset(stems(" ".join(content), language))
    asked = frozenset(stems(" ".join(word for word in words(question) if word not in grammar), language))
    counted = frozenset(numbers)
    adds = bare is None and not (its <= asked and counted <= frozenset(quantities(question, language)))
    says = its - asked if leans and adds else its
    is_short = bool(question) and (bare is not None or len(says) < _FEWEST_WORDS_OF_A_STATEMENT)
    context = stated if is_short else ""
    return _Claim(
        text,
        its,
        tuple(numbers),
        tuple(items),
        frozenset(qualifiers(text, language)),
        tuple(found),
        frozenset(stems(" ".join(word for name in found for word in name), language)),
        tuple(quote for quote in quoted if len(words(quote)) >= _FEWEST_QUOTED_WORDS),
        tuple(denials(text, language)),
        tuple(one for one in said(f"{context} {text}", language) if one.quantity in counted),
        tuple(said_of_names(text, language)),
        _reply(opening, language),
        bool(opening and opening["step"]),
        context,
        its - asked if leans and adds and is_short else None,
        asked,
        bool(its) and not adds and bare is None,
        question,
        bare is not None and _reply(opening, language) is False,
    )


@dataclass(frozen=True, slots=True)
class _OpeningPatterns:
    opening: re.Pattern[str]
    """What opens a sentence and claims nothing."""
    bare_reply: re.Pattern[str]
    item: re.Pattern[str]
    """The number of an item, which says where it stands in a list, not how many there are of anything."""


@cache
def _patterns(language: str) -> _OpeningPatterns:
    reply = rf"(?P<reply>{forms('yes', language)}|{forms('no', language)})"
    return _OpeningPatterns(
        re.compile(rf"\s*(?:{reply}[,.:;!–—-]+\s+)?(?P<step>(?:{forms('next_step', language)}):\s)?", re.IGNORECASE),
        re.compile(rf"\s*{reply}\s*[.!]?\s*", re.IGNORECASE),
        re.compile(
            rf"^[^\S\n]*(?:(?:{forms('step', language)})\s+)?(?P<number>\d{{1,2}})[.):]\s+",
            re.IGNORECASE | re.MULTILINE,
        ),
    )


def _reply(opening: re.Match[str] | None, language: str) -> bool | None:
    return opening["reply"].casefold() in vocabulary("yes", language) if opening and opening["reply"] else None


def _without_items(text: str, language: str) -> tuple[str, list[str]]:
    """A text without the numbers of its items, and these; "3. Mai 2026" is a date and no third item."""
    item = _patterns(language).item
    items = [match["number"] for match in item.finditer(text)]
    if not items:
        return text, []
    rest = item.sub("", text)
    counted = [*items, *quantities(rest, language)]
    return (rest, items) if sorted(counted) == sorted(quantities(text, language)) else (text, [])


def context_of(hit: Evidence) -> str:
    """What a reader knows everywhere in a passage: its headings, and the sheet or slide.

    A heading that asks is not known: what stands under it may say no.
    """
    return _known_everywhere(hit.context.partition("\n")[0], hit.blocks[0].place)


@lru_cache(maxsize=64)  # each sentence of a passage is read with it
def _known_everywhere(headings: str, place: str) -> str:
    return f"{headings.rpartition(HEADING_SEPARATOR)[0] if asks(headings) else headings} {place}"


def _measured(span: Span, hit: Evidence, claim: _Claim, wanted: Mapping[str, float], own: float) -> Support:
    known = f"{context_of(hit)} {span.introduction}"
    if span.row:
        read = _row_as_read(span.row, claim, known, hit.language)
    else:
        is_numbered = span.item is not None and span.item.mark == "number"
        read = _Read(hit.text[span.start : span.end], known, hit.language, is_numbered)
    objection = _objection(claim, read)
    if not objection and span.row:
        if means_another(span.row, f"{claim.asked} {claim.text}", hit.language, claim.question):
            objection = "another row of the table fits better"
        elif is_any_of_its_table(span.row, f"{claim.text} {claim.question}", hit.language):
            objection = "nothing tells the row from the others"
    missing = _missing_quantity(claim, read)
    coverage = weighted_coverage(wanted, read.stems) if wanted else 1.0
    if claim.added is not None:  # in its other words the question goes on, whatever a passage calls it
        own_words = {stem: weight for stem, weight in wanted.items() if stem in claim.added}
        coverage = max(coverage, weighted_coverage(own_words, read.stems) if own_words else 1.0)
    opening = _patterns(hit.language).opening.match(hit.text, hit.text.rfind("\n", 0, span.start) + 1)
    there = _reply(opening, hit.language) if opening and opening.end() >= span.start else None
    if None not in (claim.reply, there) and claim.reply != there:
        objection = objection or f"the passage says {'yes' if there else 'no'}"
    if wanted and not own and not claim.quantities:
        objection = objection or "only the headings hold its words"
    objection = objection or _too_little_of_a_step(claim, coverage)
    if not objection and claim.is_echo and coverage < _LEAST_COVERAGE_OF_AN_ECHO:
        objection = "it only repeats the question"
    is_brief = bool(claim.asked) and claim.added is None
    if not (objection or span.row or is_brief):
        premise = frozenset() if claim.added is None else claim.premise
        word = misplaced(claim.text, read.text, read.language, premise)
        objection = f"the passage says it of another: {word}" if word else ""
    reason = f"the number {missing} is missing" if missing else objection
    return Support(coverage, reason, span.start, span.end, missing="" if objection else missing)


def _without_idle_pairs(some: Sequence[Span], hit: Evidence, wanted: Mapping[str, float]) -> list[Span]:
    """All but the pairs of sentences of which one alone holds nearly as many words: what the other one holds, as a
    number or a name, is said of something else."""

    def held(span: Span) -> float:
        text = f"{context_of(hit)} {span.introduction} {hit.text[span.start : span.end]}"
        return weighted_coverage(wanted, stems_of(text, hit.language))

    alone = [(span, held(span)) for span in some if not span.is_pair]
    starts = [span.start for span, _ in alone]

    def is_idle(pair: Span) -> bool:
        first = bisect_left(starts, pair.start)
        return held(pair) < max(part for _, part in alone[first : first + 2]) + _GAIN_OF_A_PAIR

    return [span for span in some if not (span.is_pair and is_idle(span))]


def _objection(claim: _Claim, read: _Read) -> str:
    """What a claim holds and a span does not, apart from words and numbers."""
    if asks(read.text):
        return "the passage only asks"
    if word := missing_word(claim.text, f"{read.known} {read.text}", read.language):
        return f"the word {word} is missing"
    for name in claim.names:
        its = " ".join(name)
        is_there = read.written_large.issuperset(stems(its, read.language))
        # What opens a sentence with a capital, as "Kräftige Farben", may stand inside a text without it.
        inside = rf"(?<!\w){re.escape(its[:1].lower() + its[1:])}(?!\w)"
        if not is_there and not (claim.text.startswith(its) and re.search(inside, read.text)):
            return f"the name {its} is missing"
    if reason := _otherwise_qualified(claim, read):
        return reason
    folded = " ".join(words(read.text))
    for quotation in claim.quotations:
        if " ".join(words(quotation)) not in folded:
            return f"the quotation “{quotation}” is missing"
    denial = contradiction(claim.denials, denials(read.text, read.language), claim.stems)
    if claim.is_bare_no and not denial:
        return "the passage does not deny it"
    if denial and not claim.is_bare_no:
        return f"one denies and the other does not: {denial.word} {' '.join(denial.stems)}"
    if word := fewer(claim.text, read.text, read.language):
        return f"there is more than one {word}"
    if claim.reply and is_restricted(claim.text, read.text, read.language):
        return "the passage says so on a condition only"
    if pair := exchanged(claim.said, said(read.text, read.language)):
        return f"the passage says {pair[1]} of it, not {pair[0]}"
    return misnamed(claim.said_of, read.text, read.language)


def _too_little_of_a_step(claim: _Claim, coverage: float) -> str:
    if not claim.is_step:
        return ""
    if len(claim.stems) < _FEWEST_WORDS_OF_A_STEP and not claim.quantities:
        return "the step has too few words to be told from others"
    if coverage < _LEAST_COVERAGE_OF_A_STEP:
        return f"the passage holds {coverage:.0%} of the words of the step, {_LEAST_COVERAGE_OF_A_STEP:.0%} are needed"
    return ""


def _otherwise_qualified(claim: _Claim, read: _Read) -> str:
    """A quantity that is there another limit, or for another period: "at most" for "at least", a month for a year."""
    there = qualifiers(read.text, read.language)
    for quantity, kind, value in sorted(claim.qualifiers):
        values = {other for its, its_kind, other in there if (its, its_kind) == (quantity, kind)}
        if values and value not in values:
            return f"the {kind} of {quantity} is there {', '.join(sorted(values))}, not {value}"
    return ""


def _missing_quantity(claim: _Claim, read: _Read) -> str:
    known = quantities(read.known, read.language)
    # "Section 6" stands under the heading "6. Recording of calls".
    there = {*known, *quantities(read.text, read.language), *(f"§{number}" for number in known if number.isdigit())}
    # An item of a passage is the one that is meant, not its neighbour.
    wanted = (*claim.items, *claim.quantities) if read.is_numbered else claim.quantities
    return next((quantity for quantity in wanted if not is_said(quantity, there, read.in_cells)), "")


def _row_as_read(row: Row, claim: _Claim, known: str, language: str) -> _Read:
    """A row as one reads it who looks for a claim: its label, and the cells under the headers that the claim names."""
    meant = f"{claim.asked} {claim.text}"
    chosen = named_cells(row, meant, language)
    label = f"{row.label} {numbers_within(row, claim.question)}".rstrip()
    text = " | ".join([label, *(f"{header}: {cell}" for header, cell in chosen)])
    in_cells = quantities(" ; ".join([label, *(cell for _, cell in chosen)]), language)
    return _Read(text, known, language, in_cells=frozenset(in_cells))
