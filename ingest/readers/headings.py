"""Headings without markup: what numbering and capitals say, for plain text and PDF lines."""

import re

MAX_HEADING = 120
_SECTION = re.compile(
    r"(§{1,2}|Art(?:ikel|icle)?\.?|Abschnitt|Section|Anhang|Anlage|Appendix|Annex|Schedule)\s*[\dIVXA-Z]+[a-z]?\b"
)
_CHAPTER = re.compile(
    r"(?:Part|Teil|Kapitel|Chapter|Buch|Book|Title|Titel)\s+(?:[\dIVX]+|[A-Z])\b|(?:Erster|Zweiter|Dritter|Vierter|Fünfter|Sechster|Siebter|Achter)\s(?:Teil|Abschnitt|Titel)",
    re.IGNORECASE,
)
_ITEM = re.compile(r"item\s+\d{1,2}[a-z]?\s*(?:[.:—–-]|\s[A-Z])", re.IGNORECASE)
_NOTE = re.compile(r"note\s+\d{1,3}\s*[.:—–-]\s*\S", re.IGNORECASE)
_NUMBER = re.compile(r"(\d{1,3}(?:\.\d{1,3}){0,5})[.)]?\s+([A-ZÄÖÜ„“\"(].*)")
_SENTENCE_END = re.compile(r"[.;,:]$")


def heading_level(line: str) -> int:
    """Depth of the heading that a line is (1 outermost), or 0 when it is none."""
    if not line or len(line) > MAX_HEADING:
        return 0
    if _CHAPTER.match(line) and not _SENTENCE_END.search(line):
        return 1
    if _SECTION.match(line) and not _runs_on(line):
        return 3
    if _ITEM.match(line):
        return 2
    if _NOTE.match(line) and not _runs_on(line):
        return 3
    if (match := _NUMBER.match(line)) and _is_title(match.group(2)):
        return 1 + match.group(1).count(".")
    return 2 if _is_capitals(line) else 0


def is_division(line: str) -> bool:
    """Parts, chapters and filing items: outermost in a document whatever size they are set in."""
    return bool(_CHAPTER.match(line) or _ITEM.match(line))


def _runs_on(line: str) -> bool:
    """A reference inside a sentence, wrapped to the start of a line, is no heading."""
    return bool(_SENTENCE_END.search(line)) or bool(re.search(r"\)?\s[a-zäöü]+[.,;]\s", line))


def _is_title(rest: str) -> bool:
    return len(rest) <= 90 and not _SENTENCE_END.search(rest) and not re.search(r"\d[\d.,]*\s+\(?\$?\d", rest)


def _is_capitals(line: str) -> bool:
    """A short line in capitals, as filings and contracts head their parts."""
    letters = [character for character in line if character.isalpha()]
    if len(letters) < 4 or len(line) > 90 or len(line.split()) < 2:
        return False
    return all(character.isupper() for character in letters) and sum(map(str.isdigit, line)) <= 4
