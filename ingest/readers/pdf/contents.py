"""Tables of contents: lines that say where the headings of a document stand, and nothing of what it says.

They hold the words of every heading, so that a search would find them in the place of the sections.
"""

import re

MIN_ENTRIES = 5
MIN_FOUND = 0.6
"""Share of the entries whose text has to stand elsewhere as a line of its own."""
_LEADER = " \t.…·_"
_PAGE = re.compile(r"[ \t.…·_](\d{1,3})\s*$")
_LONGEST_ENTRY = 200
_HEAD = re.compile(r"(?:table of )?contents|inhalt(?:sverzeichnis|sübersicht)?|index", re.IGNORECASE)


def contents(pages: list[list[str]]) -> list[set[int]]:
    """For each page the numbers of the lines that are a table of contents, with its own heading.

    Entries end with page numbers that never fall. A table of figures that looks alike is kept: its labels do not stand
    elsewhere as lines.
    """
    dropped: list[set[int]] = []
    others = {_alike(line) for lines in pages for line in lines if _entry(line) is None}
    for lines in pages:
        found: set[int] = set()
        for run in _runs(lines):
            texts = [_alike(entry[0]) for at in run if (entry := _entry(lines[at]))]
            if sum(text in others for text in texts) >= MIN_FOUND * len(texts):
                found.update(range(run[0], run[-1] + 1))
        before = min(found, default=0) - 1
        if before >= 0 and _HEAD.fullmatch(lines[before].strip()):
            found.add(before)
        dropped.append(found)
    return dropped


def _runs(lines: list[str]) -> list[list[int]]:
    """Entries that follow each other, one broken line between two at most, with page numbers that never fall."""
    runs: list[list[int]] = []
    page = 0
    for at, line in enumerate(lines):
        entry = _entry(line)
        if entry is None:
            continue
        if runs and at - runs[-1][-1] <= 2 and entry[1] >= page:
            runs[-1].append(at)
        else:
            runs.append([at])
        page = entry[1]
    return [run for run in runs if len(run) >= MIN_ENTRIES]


def _entry(line: str) -> tuple[str, int] | None:
    """Text and page number of a line that is made like an entry: ``2.1 Fire ..... 7``."""
    number = _PAGE.search(line[-_LONGEST_ENTRY:])
    text = line[: len(line) - len(number[0])].strip(_LEADER) if number and len(line) <= _LONGEST_ENTRY else ""
    return (text, int(number[1])) if number and any(map(str.isalpha, text)) else None


def _alike(text: str) -> str:
    """A line without case and punctuation."""
    return "".join(character for character in text.casefold() if character.isalnum())
