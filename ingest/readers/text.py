"""Plain text: paragraphs, lists, and headings without markup by their numbers, words and capitals, in PDF lines too."""

import re
from itertools import groupby, pairwise

from assistant.types import Block, BlockKind, Document

from .clean import clean, decode, fold
from .reading_limits import Limits, check_characters

_RULES = frozenset("=-~^*#")
"""Signs that three or more of underline a title."""
_COLUMNS = re.compile(r"(?<=\S)(?:\s{3,}|\s*\|\s+)(?=\S)")
MAX_HEADING = 120  # characters: two printed lines; longer ones are sentences
_ORDINAL = r"(?:Erste|Zweite|Dritte|Vierte|Fünfte|Sechste|Siebte|Achte|Neunte|Zehnte)[rs]?"
_DIVISION = re.compile(
    rf"""
      (?P<part>        (?i: (?:Part|Teil|Buch|Book|Title|Titel) \s+ (?:[\dIVX]+|[A-Z])\b
                          | {_ORDINAL} \s (?:Teil|Buch)\b ))
    | (?P<chapter>     (?i: (?:Kapitel|Chapter) \s+ (?:[\dIVX]+|[A-Z])\b
                          | {_ORDINAL} \s (?:Kapitel|Titel|Hauptstück)\b ))
    | (?P<subdivision> (?:(?:Unter)?[Aa]bschnitt|Anhang|Anlage|Appendix|Annex|Schedule) \s+ [\dIVXA-Z]+[a-z]?\b
                          | {_ORDINAL} \s (?:Unter)?[Aa]bschnitt\b )
    | (?P<section>     (?:§{{1,2}}|Art(?:ikel|icle)?\.?|Section) \s* [\dIVX]+[a-z]?\b )
    | (?P<item>        (?i: item \s+ \d{{1,2}}[a-z]? \s* (?:[.:—–-]|\s[A-Z]) ))
    | (?P<note>        (?i: note \s+ \d{{1,3}} \s* [.:—–-] \s* \S ))
    """,
    re.VERBOSE,
)
"""What a line begins with that heads a division of laws, contracts and filings."""
_LEVELS = {"part": 1, "chapter": 2, "subdivision": 3, "section": 4, "item": 2, "note": 3}
_MONTHS = "Jan|Feb|März|Apr|Ma[iy]|Jun|Jul|Aug|Sep|O[kc]t|Nov|De[zc]"
_BULLETS = "•●▪■◦‣*–—‰➢►▶✓+" + "".join(map(chr, range(0xF020, 0xF100)))
"""With those that symbol fonts put on other letters."""
LIST_ITEM = re.compile(
    rf"\s*(?:[{_BULLETS}-](?=\s+\S)"
    rf"|\(?\d{{1,3}}[.)](?=\s+(?!{_MONTHS})[^\W\d_]|\s+[„“\"(§$])"
    r"|\(?[a-z]\)(?=\s+\S)|[a-z]\.(?=\s+[^\W\d_]{2})|\([ivx]{1,4}\)(?=\s+\S))"
)
"""How an item starts: bullet, number or letter; not ``20. Januar`` or ``z. B.`` wrapped to a line start."""
_REFERENCE = re.compile(
    r"\S\s+(?:§{1,2}|Art(?:\.|ikel|icle)?|[Ss]ections?|[Cc]lauses?|Ziff(?:\.|er)|Nr\.)\s*\d+[a-z]?$"
)
"""The number of a section at the end of a line that says more before it."""
_NUMBER = re.compile(rf"(\d{{1,3}}(?:\.\d{{1,3}}){{0,5}})[.)]?\s+(?!{_MONTHS})([A-ZÄÖÜ„“\"(].*)")
_ENDS = (".", ";", ",", ":")
_FIGURES = re.compile(r"\d[\d.,]*\s+\(?\$?\d")
_LONGEST_TITLE = 90
"""Characters of a numbered heading or one in capitals, which fit on a line; longer ones are sentences."""
_COLUMN_SHARE = 0.6
"""Of lines that show columns: all but a few, since titles and sums stand alone in a row."""
_FEWEST_CAPITALS, _MOST_FIGURES = 4, 4
"""In a line of capitals: below, it may be an abbreviation; above, a code or a row of a table."""
_DEEPEST = 16
"""Blanks before an item that are kept."""


def read_text(data: bytes, limits: Limits) -> Document:
    """Plain text in any encoding, with headings where lines look like them."""
    text, warnings = decode(data)
    check_characters(len(text), limits)
    return Document(title="", blocks=tuple(text_blocks(clean(text))), format="text", warnings=warnings)


def text_blocks(text: str) -> list[Block]:
    """Blocks of plain text; empty lines part them."""
    blocks: list[Block] = []
    path: list[tuple[int, str]] = []
    for is_text, group in groupby(text.expandtabs(4).split("\n"), key=lambda line: bool(line.strip())):
        if not is_text:
            continue
        lines = [line.rstrip() for line in group]
        first = fold(lines[0])
        level = heading_level(first)
        if len(lines) > 1 and _is_underline(lines[1]) and len(first) <= MAX_HEADING:
            level, lines = 1 if "=" in lines[1] else 2, lines[2:]
        elif level and (len(lines) == 1 or first.startswith("§") or _stands_apart(lines)):
            lines = lines[1:]
        else:
            level, lines = 0, [line for line in lines if not _is_underline(line)]
        if level:
            while path and path[-1][0] >= level:
                path.pop()
            path.append((level, first))
            blocks.append(Block(first, "heading", tuple(name for _, name in path)))
        if lines:
            kind, joined = _joined(lines)
            blocks.append(Block(joined, kind, tuple(name for _, name in path)))
    return blocks


def _is_underline(line: str) -> bool:
    bare = line.strip()
    return len(bare) > 2 and bare[0] in _RULES and not bare.strip(bare[0])


def _stands_apart(lines: list[str]) -> bool:
    """Whether only the first line is numbered, and ends where the next word, which begins anew, had room."""
    first, *others = map(fold, lines)
    has_room = len(first) + 1 + len(others[0].split()[0]) <= max(map(len, lines))
    begins_anew = others[0][0].isupper() or bool(LIST_ITEM.match(others[0]))
    return has_room and begins_anew and is_numbered(first) and not any(map(is_numbered, others))


def _joined(lines: list[str]) -> tuple[BlockKind, str]:
    """Kind and text of one group: lists and columns keep their lines, a paragraph becomes one line."""
    if len(lines) > 1 and sum(bool(_COLUMNS.search(line.strip())) for line in lines) > _COLUMN_SHARE * len(lines):
        return "table", "\n".join("  ".join(map(fold, _COLUMNS.split(line.strip()))) for line in lines)
    starts = [
        bool(LIST_ITEM.match(line)) and not is_cited(above, line) for above, line in pairwise(["", *map(fold, lines)])
    ]
    if not starts[0] or (sum(starts) == 1 and len(lines) == 1 and not lines[0].lstrip().startswith(("-", "*", "•"))):
        return "paragraph", fold(" ".join(lines))
    parts: list[list[str]] = []
    for line, is_start in zip(lines, starts, strict=True):
        if is_start:
            parts.append([line.rstrip()])
        else:
            parts[-1].append(fold(line))
    items = list(map(" ".join, parts))
    margin = min(len(item) - len(item.lstrip()) for item in items)
    lines = [item[margin:] for item in items]
    indents = [" " * min(len(line) - len(line.lstrip()), _DEEPEST) for line in lines]
    bodies = [plain_bullet(fold(line)) for line in lines]
    return "list", "\n".join(indent + body for indent, body in zip(indents, bodies, strict=True))


def plain_bullet(item: str) -> str:
    """An item with ``-`` in place of another bullet."""
    return f"- {item[1:].lstrip()}" if item[:1] in _BULLETS and item[1:2].isspace() else item


def heading_level(line: str) -> int:
    """Depth of the heading that a line is (1 outermost), or 0 when it is none."""
    if not line or len(line) > MAX_HEADING:
        return 0
    division = _division(line)
    if division and (division == "item" or not _runs_on(line)):
        return _LEVELS[division]
    if match := _NUMBER.match(line):
        number, rest = match.groups()
        if len(rest) <= _LONGEST_TITLE and not rest.endswith(_ENDS) and not _FIGURES.search(rest):
            return 1 + number.count(".")
    # A short line in capitals, as filings and contracts head their parts.
    letters = [character for character in line if character.isalpha()]
    if len(letters) < _FEWEST_CAPITALS or len(line) > _LONGEST_TITLE or len(line.split()) < 2:
        return 0
    return 2 if all(map(str.isupper, letters)) and sum(map(str.isdigit, line)) <= _MOST_FIGURES else 0


def is_division(line: str) -> bool:
    """Parts, chapters and filing items: outermost in a document whatever size they are set in."""
    return _division(line) in {"part", "chapter", "item"}


def is_numbered(line: str) -> bool:
    """Whether a number or a word like *Part* says that a new heading starts here."""
    return bool(_division(line) or _NUMBER.match(line))


def begins_section(line: str) -> bool:
    """Whether a line is the heading of a part, chapter, annex or section by its first word alone."""
    return _division(line) in {"part", "chapter", "subdivision", "section"} and not _runs_on(line)


def is_cited(above: str, item: str) -> bool:
    """Whether an item starts with the number of a subsection that the line above refers to: ``§ 11`` ``(2)``."""
    return item.startswith("(") and item[1:2].isdigit() and bool(_REFERENCE.search(above))


def _division(line: str) -> str | None:
    """The name of the division that a line heads by its first word and number."""
    match = _DIVISION.match(line)
    return match.lastgroup if match else None


def _runs_on(line: str) -> bool:
    """A reference inside a sentence, wrapped to the start of a line, is no heading."""
    ends = (word[:-1] for word in line.split()[1:-1] if word[-1] in ".,;")
    return line.endswith(_ENDS) or any(word.isalpha() and word.islower() for word in ends)
