"""Headers, footers and page numbers: lines that repeat from page to page and belong to none."""

import re

EDGE = 3
"""Lines at the top and at the bottom of a page that may be furniture."""
MIN_PAGES = 4
MIN_SHARE = 0.5
"""Share of all pages (or of all odd or even ones) on which a line stands that belongs to none."""
MIN_RUN_SHARE = 0.7
"""The same within the pages from its first to its last place, for the header of a chapter."""
Key = tuple[bool, str]
_DIGITS = re.compile(r"\d+")
_PAGE_NUMBER = re.compile(
    r"(?:page|seite|p\.|s\.)?\s*[-–—|(\[]?\s*(?:[A-Z]{1,2}\s?-\s?)?(?:\d{1,4}|[ivxlc]{1,7})\s*[-–—|)\]]?"
    r"(?:\s*(?:of|von|/)\s*\d{1,4})?",
    re.IGNORECASE,
)


def furniture(pages: list[list[str]]) -> list[set[int]]:
    """For each page the numbers of the lines that are furniture.

    Odd and even pages are also counted apart: books set different headers on the left and the right.
    A header of one chapter only is kept where it first stands, since there it is the chapter's heading.
    """
    edges = [_edges(lines) for lines in pages]
    dropped = [{at for at in page if _is_page_number(pages[index], at)} for index, page in enumerate(edges)]
    for step, parity in ((1, 0), (2, 0), (2, 1)):
        indexes = range(parity, len(edges), step)
        for key, places in _places(edges, indexes).items():
            if len(places) < MIN_PAGES:
                continue
            everywhere = len(places) >= MIN_SHARE * len(indexes)
            span = (places[-1][0] - places[0][0]) / step + 1
            if not everywhere and len(places) < MIN_RUN_SHARE * span:
                continue
            keeps_first = not everywhere and "#" not in key[1]
            for index, at in places[int(keeps_first) :]:
                dropped[index].add(at)
    return dropped


def _places(edges: list[dict[int, Key]], indexes: range) -> dict[Key, list[tuple[int, int]]]:
    """Edge line → the pages and line numbers where it stands, once a page."""
    places: dict[Key, list[tuple[int, int]]] = {}
    for index in indexes:
        seen: set[Key] = set()
        for at, key in edges[index].items():
            if key not in seen:
                seen.add(key)
                places.setdefault(key, []).append((index, at))
    return places


def _edges(lines: list[str]) -> dict[int, Key]:
    """Line number → whether it is at the top, and its text with figures made alike."""
    last = len(lines) - 1
    numbers = {number for number in range(len(lines)) if number < EDGE or last - number < EDGE}
    return {number: (number < EDGE, _alike(lines[number])) for number in numbers}


def _alike(line: str) -> str:
    return " ".join(_DIGITS.sub("#", line).casefold().split())


def _is_page_number(lines: list[str], number: int) -> bool:
    """A lone number as the first or one of the last two lines; a page of figures keeps its figures."""
    at_edge = number == 0 or number >= len(lines) - 2
    return at_edge and len(lines) > 2 and bool(_PAGE_NUMBER.fullmatch(lines[number].strip()))
