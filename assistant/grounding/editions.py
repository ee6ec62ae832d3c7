"""Editions: documents of one title with different dates. The newest comes first, and what another says is told.

Two passages are of one title when their documents' titles are equal but for numbers: "General Terms 2024" and
"General Terms 2026".
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from assistant.grounding.quantities import as_written, quantities, unit_of
from assistant.grounding.support import Weights, support
from assistant.language import detect
from assistant.types import Evidence, Sentence

# A passage of another edition says the same with another value when it holds this part of the sentence's words.
_SAME_THING = 0.7
_NUMBER = re.compile(r"\W*\d+\W*")
_NOTES = {
    "en": "{which} version differs: {source} says {other}, not {own} as {cited}.",
    "de": "{which} Fassung weicht ab: {source} nennt {other}, nicht {own} wie {cited}.",
}
_WHICH = {"en": ("A newer", "An older"), "de": ("Eine neuere", "Eine ältere")}


def are_editions(one: Evidence, other: Evidence) -> bool:
    """Whether two passages come from different editions of one document."""
    differ = one.document != other.document and one.date != other.date
    return bool(differ and one.date and other.date and one.title and _key(one.title) == _key(other.title))


def newest_first(hits: Sequence[Evidence], question: str) -> list[Evidence]:
    """Evidence in which, among passages of one section, the newest edition takes the best place and its rank.

    A question that names the year of an edition keeps the order it was found in.
    """
    asked = set(quantities(question))
    sections: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, hit in enumerate(hits):
        if hit.date:
            sections[_key(hit.title), _key(hit.heading)].append(place)
    ordered = list(hits)
    for places in sections.values():
        editions = [hits[place] for place in places]
        if len({hit.document for hit in editions}) > 1 and not asked & {hit.date[:4] for hit in editions}:
            newest = sorted(editions, key=lambda hit: hit.date, reverse=True)  # stable: rank decides between equals
            for place, hit in zip(places, newest, strict=True):
                ordered[place] = hit
    return [replace(hit, rank=before.rank) for hit, before in zip(ordered, hits, strict=True)]


def is_superseded(hit: Evidence, hits: Sequence[Evidence], question: str) -> bool:
    """Whether the evidence holds the same section of a newer edition, and the question does not ask for this one."""
    newer = (other for other in hits if are_editions(hit, other) and other.date > hit.date)
    same_section = any(_key(other.heading) == _key(hit.heading) for other in newer)
    return same_section and hit.date[:4] not in quantities(question)


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
    unit = unit_of(found.missing) if found.missing else ""
    values = [value for value in quantities(passage) if unit_of(value) == unit]
    if not unit or not values or found.coverage < _SAME_THING:
        return ""
    language = detect(sentence, _NOTES) or "en"
    return _NOTES[language].format(
        which=_WHICH[language][other.date < cited.date],
        source=f"{other.document}, {other.date},",
        other=as_written(values[0], passage),
        own=as_written(found.missing, quote),
        cited=f"{cited.document}, {cited.date}",
    )


def _key(title: str) -> str:
    return _NUMBER.sub(" ", title.casefold()).strip()
