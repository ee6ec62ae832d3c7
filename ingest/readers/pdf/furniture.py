"""Lines of a PDF that say nothing of what it says: headers, footers and page numbers, and tables of contents.

Headers and footers repeat from page to page and belong to none. Contents hold the words of every heading, so that a
search would find them in the place of the sections.
"""

import re

from .layout import plain_title

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
MIN_ENTRIES = 5
MIN_FOUND = 0.6
"""Share of the entries whose text has to stand elsewhere as a line of its own."""
_LEADER = " \t.…·_"
_PAGE = re.compile(r"[ \t.…·_](\d{1,3})\s*$")
_LONGEST_ENTRY = 200
_HEAD = re.compile(r"(?:table of )?contents|inhalt(?:sverzeichnis|sübersicht)?|index", re.IGNORECASE)


def furniture(pages: list[list[str]]) -> list[set[int]]:
    """For each page the numbers of the lines that are furniture.

    Odd and even pages are also counted apart: books set different headers on the left and the right.
    A header of one chapter only is kept where it first stands, since there it is the chapter's heading.
    """
    edges: list[dict[int, Key]] = []
    dropped: list[set[int]] = []
    for lines in pages:
        last = len(lines) - 1
        numbers = [number for number in range(len(lines)) if number < EDGE or last - number < EDGE]
        # Whether a line is at the top, and its text with figures made alike.
        plain = {number: " ".join(_DIGITS.sub("#", lines[number]).casefold().split()) for number in numbers}
        edges.append({number: (number < EDGE, text) for number, text in plain.items()})
        # A lone number as the first or one of the last two lines; a page of figures keeps its figures.
        ends = [number for number in numbers if number == 0 or number >= last - 1] if last > 1 else []
        dropped.append({number for number in ends if _PAGE_NUMBER.fullmatch(lines[number].strip())})
    for step, parity in ((1, 0), (2, 0), (2, 1)):
        indexes = range(parity, len(edges), step)
        places: dict[Key, list[tuple[int, int]]] = {}
        for index in indexes:
            for key, at in {key: at for at, key in reversed(edges[index].items())}.items():  # once a page
                places.setdefault(key, []).append((index, at))
        for key, found in places.items():
            if len(found) < MIN_PAGES:
                continue
            everywhere = len(found) >= MIN_SHARE * len(indexes)
            span = (found[-1][0] - found[0][0]) / step + 1
            if everywhere or len(found) >= MIN_RUN_SHARE * span:
                keeps_first = not everywhere and "#" not in key[1]
                for index, at in found[int(keeps_first) :]:
                    dropped[index].add(at)
    return dropped


def contents(pages: list[list[str]]) -> list[set[int]]:
    """For each page the numbers of the lines that are a table of contents, with its own heading.

    Entries end with page numbers that never fall. A table of figures that looks alike is kept: its labels do not stand
    elsewhere as lines.
    """
    dropped: list[set[int]] = []
    others = {plain_title(line) for lines in pages for line in lines if _entry(line) is None}
    for lines in pages:
        found: set[int] = set()
        runs: list[list[int]] = []
        page = 0
        for at, line in enumerate(lines):
            if (entry := _entry(line)) is None:
                continue
            if runs and at - runs[-1][-1] <= 2 and entry[1] >= page:  # one broken line between two at most
                runs[-1].append(at)
            else:
                runs.append([at])
            page = entry[1]
        for run in runs:
            if len(run) < MIN_ENTRIES:
                continue
            texts = [plain_title(entry[0]) for at in run if (entry := _entry(lines[at]))]
            if sum(text in others for text in texts) >= MIN_FOUND * len(texts):
                found.update(range(run[0], run[-1] + 1))
        before = min(found, default=0) - 1
        if before >= 0 and _HEAD.fullmatch(lines[before].strip()):
            found.add(before)
        dropped.append(found)
    return dropped


def _entry(line: str) -> tuple[str, int] | None:
    """Text and page number of a line that is made like an entry: ``2.1 Fire ..... 7``."""
    number = _PAGE.search(line[-_LONGEST_ENTRY:])
    text = line[: len(line) - len(number[0])].strip(_LEADER) if number and len(line) <= _LONGEST_ENTRY else ""
    return (text, int(number[1])) if number and any(map(str.isalpha, text)) else None
