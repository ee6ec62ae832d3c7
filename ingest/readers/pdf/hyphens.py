"""Lines to one paragraph: words that were parted at a line end are joined again."""

import re
from collections.abc import Iterable

_PARTED = re.compile(r"([^\W\d_]+)-$")
_LETTERS = re.compile(r"[^\W\d_]+")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_SUSPENDED = frozenset({
    "und", "oder", "bzw", "sowie", "noch", "bis", "als", "and", "or", "to", "nor", "but", "et", "ou", "y",
    "o", "e", "en", "of",
})  # fmt: skip
COMPOUNDING = frozenset({"de", "nl", "sv", "da", "no", "nb", "fi", "hu"})
"""Languages that write compounds as one word: a hyphen before a small letter only parts a line."""


def words_of(texts: Iterable[str]) -> frozenset[str]:
    """The words of a document's lines in small letters; halves of words parted at a line end do not count."""
    words: set[str] = set()
    parted = False
    for text in texts:
        found = _WORD.findall(text.casefold())
        start = int(parted)
        parted = text.endswith("-")
        words.update(found[start : len(found) - int(parted)])
    return frozenset(words)


def join_lines(lines: Iterable[str], words: frozenset[str] = frozenset(), language: str = "") -> str:
    """One line of text: ``Versiche-/rung`` is joined, ``Kranken-/und``, ``fixed-/rate`` keep the hyphen."""
    text = ""
    for line in map(str.strip, lines):
        parted = _PARTED.search(text[-80:])
        following = _LETTERS.match(line)
        if not text:
            text = line
        elif not parted or not line:
            text = f"{text}{line}" if text.endswith("-") and line[:1].isdigit() else f"{text} {line}"
        elif following and following[0].casefold() in _SUSPENDED:
            text = f"{text} {line}"
        elif following and following[0][0].islower() and not _keeps_hyphen(parted[1], following[0], words, language):
            text = f"{text[:-1]}{line}"
        else:
            text = f"{text}{line}"
    return text


def _keeps_hyphen(before: str, after: str, words: frozenset[str], language: str) -> bool:
    """Whether the hyphen belongs to the word: the document's own words decide, then the language."""
    before, after = before.casefold(), after.casefold()
    if f"{before}{after}" in words:
        return False
    if f"{before}-{after}" in words:
        return True
    return language not in COMPOUNDING and before in words and after in words
