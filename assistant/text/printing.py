"""How texts from strangers, numbers and files are written where people read them.

Files are called by their relative paths, told apart where two folders have the same one.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from assistant.text.sentences import CLOSES

CITATION = re.compile(r"(?<!\s)\s*\[\d+(?:\s*,\s*\d+)*\]")
"""Where a text names the passages that it rests on: ``[1]``, ``[1, 2]``; with the blanks in front of it."""
_LONGEST_EXCERPT = 160  # two lines of a terminal


def with_marker(sentence: str, numbers: Iterable[int]) -> str:
    """A sentence that names the passages it rests on before its full stop: there grounding reads it."""
    words = sentence.rstrip(CLOSES).rstrip(".!?…")
    return f"{words} [{', '.join(map(str, numbers))}]{sentence[len(words) :]}"


def visible(text: str, *, keep_lines: bool = False) -> str:
    """Text from a stranger, fit for a terminal: what does not print is shown by its code."""
    return "".join(
        character
        if character.isprintable() or (keep_lines and character == "\n")
        else " "
        if character.isspace()
        else character.encode("unicode_escape").decode()
        for character in text
    )


def excerpt(text: str, longest: int = _LONGEST_EXCERPT) -> str:
    """One line of a passage, cut at a word."""
    line = visible(" ".join(text.split()))
    if len(line) <= longest:
        return line
    blank = line.rfind(" ", 0, longest)
    return line[: blank if blank > 0 else longest] + " …"


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural unless it is one."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def names_of(files: Iterable[tuple[str, Path]]) -> dict[Path, str]:
    """Name by location, for files given as (relative path, location).

    A name is the relative path; where others have it too, so many folders stand before it that they differ.
    """
    alike: dict[str, set[Path]] = defaultdict(set)
    for path, location in files:
        alike[path].add(location)
    names: dict[Path, str] = {}
    for path, locations in alike.items():
        names.update(dict.fromkeys(locations, path) if len(locations) == 1 else _told_apart(path, locations))
    return names


def _told_apart(path: str, locations: set[Path]) -> dict[Path, str]:
    parts = len(PurePosixPath(path).parts)
    while True:
        parts += 1
        names = {location: PurePosixPath(*location.parts[-parts:]).as_posix() for location in locations}
        if len(set(names.values())) == len(locations):
            return names
