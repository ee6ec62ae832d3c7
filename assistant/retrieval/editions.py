"""Editions: documents of one title with different dates. The newest comes first.

A passage of an older edition brings the same section of the newest one along, or gives way to it if it says the same.

Two passages are of one title when their documents' titles are equal but for numbers: "General Terms 2024" and
"General Terms 2026".
"""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from assistant.store.index import StoredChunk
from assistant.text.overlap import jaccard, shingles
from assistant.text.quantities import quantities
from assistant.types import Evidence

_NUMBER = re.compile(r"(?:(?<!\W)\W++)?\d+\W*+")
# From this part of common word sequences on, two editions say the same; their numbers have to be equal besides.
_SAME_TEXT = 0.9

Dated = Evidence | StoredChunk
"""A passage of a document that may have other editions."""


def are_editions(one: Dated, other: Dated) -> bool:
    """Whether two passages come from different editions of one document."""
    differ = one.document != other.document and one.date != other.date
    key = title_key(one.title)
    return bool(differ and one.date and other.date and key and key == title_key(other.title))


def state_otherwise(one: Dated, others: Sequence[Dated]) -> bool:
    """Whether another edition is among ``others``, and none of them that has this title has these numbers."""
    titled = [other for other in others if title_key(other.title) == title_key(one.title)]
    own = set(quantities(one.text))
    is_other = any(are_editions(one, other) for other in titled)
    return is_other and all(set(quantities(other.text)) != own for other in titled)


def with_newest(
    hits: Sequence[Evidence], question: str, newest: Callable[[Evidence], Evidence | None]
) -> list[Evidence]:
    """Evidence with the same section of the newest edition in front of an older one, or in its place if both say the
    same. ``newest`` finds it, if there is one. A question that names the year of an edition gets that one.
    """
    asked = set(quantities(question))
    found: list[Evidence] = []
    known = {hit.chunk for hit in hits}
    for hit in hits:
        newer = newest(hit) if hit.date and hit.date[:4] not in asked else None
        if newer is None or newer.chunk in known:
            found.append(hit)
            continue
        known.add(newer.chunk)
        is_alike = jaccard(shingles(newer.text), shingles(hit.text)) >= _SAME_TEXT
        say_the_same = is_alike and set(quantities(newer.text)) == set(quantities(hit.text))
        found += [newer] if say_the_same else [newer, hit]
    return [replace(hit, rank=rank) for rank, hit in enumerate(found, 1)]


def newest_first(hits: Sequence[Evidence], question: str) -> list[Evidence]:
    """Evidence in which, among passages of one section, the newest edition takes the best place and its rank.

    A question that names the year of an edition keeps the order it was found in.
    """
    asked = set(quantities(question))
    sections: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, hit in enumerate(hits):
        if hit.date:
            sections[title_key(hit.title), title_key(hit.heading)].append(place)
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
    same_section = any(title_key(other.heading) == title_key(hit.heading) for other in newer)
    return same_section and hit.date[:4] not in quantities(question)


def title_key(title: str) -> str:
    """A title or heading without its numbers, by which editions and their sections are known."""
    return _NUMBER.sub(" ", title.casefold()).strip()
