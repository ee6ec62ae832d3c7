"""Where a passage stands, in the words of the interface."""

from collections.abc import Sequence

from assistant.text.printing import visible
from assistant.types import HEADING_SEPARATOR, Evidence
from ui.texts import Words


def source_line(hit: Evidence, words: Words) -> str:
    """``terms.pdf, p. 4 · § 7 Deadlines``, as plain text."""
    place = place_line(hit.pages, hit.place, words)
    named = f"{hit.document}, {place}" if place else hit.document
    return visible(f"{named} · {heading_line(hit.heading)}" if hit.heading else named)


def title_line(hit: Evidence, words: Words) -> str:
    """``Motor terms · § 7 Deadlines, p. 4``, as plain text: the title and the section, without the path."""
    named, section = hit.title or hit.document, hit.heading.rsplit(HEADING_SEPARATOR, 1)[-1]
    where = named if section in ("", named) else f"{named} · {section}"
    place = place_line(hit.pages, hit.place, words)
    return visible(f"{where}, {place}" if place else where)


def place_line(pages: Sequence[int], place: str, words: Words) -> str:
    """``p. 4``, ``pp. 4–5``, or the place that is no page; often nothing."""
    if not pages:
        return place
    if len(pages) == 1:
        return words("sources.page", page=pages[0])
    return words("sources.pages", first=pages[0], last=pages[-1])


def heading_line(heading: str) -> str:
    """A heading path as people read it."""
    return heading.replace(" > ", " › ")
