"""What a reader is told beside an answer: passages not to be taken at their face value, and what other editions say."""

import re
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache

from assistant.grounding.support import Weights, support
from assistant.retrieval.editions import are_editions, title_key
from assistant.text.languages import LANGUAGES, data
from assistant.text.printing import excerpt
from assistant.text.quantities import as_written, quantities, unit_of
from assistant.text.words import answered_in, content_stems, stems
from assistant.types import Caution, Evidence, Sentence
from assistant.untrusted.injection import gives_orders

# How a text names the document whose words it claims to give.
_SECTION = r"(?:section|clause|article|abschnitt|ziffer|artikel|§)"
_OF = r"\s+(?:<section>\s*[\d.]+,?\s+(?:of|de[rsnm]|du|de)\s+)?(?:(?:the|our|de[rnms]|die|la|les?|los|las)\s+)?"
_LENT = (
    r"\b(?:according to|pursuant to|in accordance with|as (?:\w+ ){1,2}(?:in|by)|(?:set|laid) (?:out|down) in"
    r"|laut|gemäß|gemäss|entsprechend|zufolge|wie|selon|d'après|según)<of><title>"
    r"|<title>[\W\d]{0,8}(?:(?:says?|states?|provides?|stipulates?|lays? down) that"
    r"|zufolge|festleg|besag|steht|sag(?:t|en)|vorsehen)"
)
# What follows is lent, too.
_QUOTED = r"\b(?:(?:quot|cit|repeat|reproduc)(?:es?|ed|ing)|zitiert|wiederholt|cite|cita)<of><title>[^.!?]{0,60}[.:]"
# For the reader to go on there, as often as not.
_REFERRED = (
    r"\b(?:see|per|under|siehe|vgl\.?|nach|unter|voir|véase)<of><title>"
    r"|<section>\s*[\d.]+,?\s+(?:of|de[rs]|du|de)\s+(?:\w+\s+)?<title>"
    r"|<title>[\W\d]{0,8}<section>"
)
_PLACE = re.compile(rf"{_SECTION}\s*[\d.]*\d", re.IGNORECASE)
_NEVER = re.compile(r"(?!)")
_BEFORE = 200
"""Characters before a quotation in which it may be said whose it is."""
# One word names too many things: "according to flood maps" is no word of a page on floods.
_FEWEST_WORDS_OF_A_TITLE = 2
_BORNE_OUT = 0.5
"""Share of the words of a quotation that a passage of its source has to hold, and all of its numbers: so 3 of 6,125
passages get a warning (docs/log.md)."""
# A passage of another edition says the same with another value when it holds this part of the sentence's words.
_SAME_THING = 0.7
_LONGEST_QUOTE = 200  # characters, within a note of one sentence


def warning_of(hit: Evidence, start: int = 0, end: int = 0, hits: Sequence[Evidence] = ()) -> Caution:
    """What is wrong with the words of a passage from ``start`` to ``end`` in its text; empty if nothing is known.

    ``hits`` are the passages that the words may name as their source.
    """
    if gives_orders(hit.text, hit.context):
        return "orders"
    return "reported" if start < end and _is_borrowed(hit, start, end, hits) else ""


def _is_borrowed(hit: Evidence, start: int, end: int, hits: Sequence[Evidence]) -> bool:
    """Whether words are said to be another document's, "according to section 4 of the general terms", and are not.

    That document is in ``hits`` by at least one passage. A mere reference to it counts only beside a number.
    """
    sources = defaultdict[str, list[Evidence]](list)
    for other in hits:
        if other.document != hit.document and title_key(other.title) != title_key(hit.title):
            sources[other.title].append(other)
    said = hit.text[start:end]
    for title, passages in sources.items():
        lent, quoted, referred = _naming(title, hit.language)
        numbers = {*quantities(_PLACE.sub(" ", said), hit.language)} - {*quantities(title, hit.language)}
        is_named = lent.search(said) or (numbers and referred.search(said))
        if is_named or quoted.search(hit.text, max(0, start - _BEFORE), end):
            claimed = {stem for stem in content_stems(said, hit.language) if stem.isalpha()}
            claimed -= set(stems(title, hit.language))
            # A passage bears out what holds all numbers and enough of the words.
            if not any(
                numbers <= set(quantities(passage.text, passage.language))
                and len(claimed & set(stems(passage.text, passage.language))) >= _BORNE_OUT * len(claimed)
                for passage in passages
            ):
                return True
    return False


@lru_cache(maxsize=256)
def _naming(title: str, language: str) -> tuple[re.Pattern[str], ...]:
    """What lends words of a document with this title, before or behind it, and what refers to it."""
    named = [stem for stem in stems(title, language) if stem.isalpha()]
    if len([stem for stem in content_stems(title, language) if stem.isalpha()]) < _FEWEST_WORDS_OF_A_TITLE:
        return (_NEVER,) * 3
    words = r"[\W\d]{1,8}".join(rf"{stem}\w*" for stem in named)
    forms = (form.replace("<of>", _OF).replace("<section>", _SECTION) for form in (_LENT, _QUOTED, _REFERRED))
    return tuple(re.compile(form.replace("<title>", words), re.IGNORECASE) for form in forms)


def warning_notes(sentences: Sequence[Sentence]) -> tuple[str, ...]:
    """What a reader of an answer should know of the passages that are cited with a warning, each document once."""
    notes = {
        (citation.document, citation.warning): data(answered_in(sentence.text, LANGUAGES) or LANGUAGES[0], "answers")[
            citation.warning
        ].format(document=citation.document, number=citation.hit)
        for sentence in reversed(sentences)
        for citation in reversed(sentence.citations)
        if citation.warning
    }
    return tuple(reversed(notes.values()))


def version_notes(
    sentences: Sequence[Sentence], hits: Sequence[Evidence], weights: Weights, least_coverage: float
) -> tuple[str, ...]:
    """What other editions among the evidence say of the things that an answer gives a value for."""
    by_rank = {hit.rank: hit for hit in hits}
    notes = (
        _note(sentence.text, citation.quote, by_rank[citation.hit], other, weights, least_coverage)
        for sentence in sentences
        for citation in sentence.citations
        for other in hits
        if are_editions(by_rank[citation.hit], other)
    )
    return tuple(dict.fromkeys(filter(None, notes)))


def _note(sentence: str, quote: str, cited: Evidence, other: Evidence, weights: Weights, least_coverage: float) -> str:
    """The note about one other edition; empty when it says nothing else."""
    found = support(sentence, other, weights, least_coverage)
    passage = other.text[found.start : found.end]
    unit = unit_of(found.missing or "0")
    values = dict.fromkeys(value for value in quantities(passage, other.language) if unit_of(value) == unit)
    if not found.missing or not values or found.coverage < _SAME_THING:
        return ""
    texts = data(answered_in(sentence, LANGUAGES) or LANGUAGES[0], "answers")
    # Of several values it is not known which one is meant.
    several = texts["quoted"].format(excerpt(passage, _LONGEST_QUOTE))
    note: str = texts["differs"]
    return note.format(
        which=texts["older" if other.date < cited.date else "newer"],
        source=f"{other.document}, {other.date},",
        other=as_written(next(iter(values)), passage, other.language) if len(values) == 1 else several,
        own=as_written(found.missing, quote, cited.language),
        cited=f"{cited.document}, {cited.date}",
    )
