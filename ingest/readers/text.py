"""Plain text: paragraphs, lists and the headings that people type without markup."""

import re
from collections.abc import Iterator
from itertools import pairwise

from assistant.types import Block, BlockKind, Document

from .clean import clean, fold
from .encoding import decode
from .headings import BULLET, LIST_ITEM, heading_level, is_cited, is_numbered
from .limits import Limits, check_characters

_UNDERLINE = re.compile(r"\s*([=\-~^*#])\1{2,}\s*$")
_COLUMNS = re.compile(r"(?<=\S)(?:\s{3,}|\s*\|\s+)(?=\S)")


def read_text(data: bytes, limits: Limits) -> Document:
    """Plain text in any encoding, with headings where lines look like them."""
    text, warnings = decode(data)
    check_characters(len(text), limits)
    return Document(title="", blocks=tuple(text_blocks(clean(text))), format="text", warnings=warnings)


def text_blocks(text: str) -> list[Block]:
    """Blocks of plain text; empty lines part them."""
    blocks: list[Block] = []
    path: list[tuple[int, str]] = []
    for lines in _groups(text):
        heading, rest = _heading(lines)
        if heading:
            level, title = heading
            while path and path[-1][0] >= level:
                path.pop()
            path.append((level, title))
            blocks.append(Block(title, "heading", tuple(name for _, name in path)))
        if rest:
            kind, joined = _joined(rest)
            blocks.append(Block(joined, kind, tuple(name for _, name in path)))
    return blocks


def _groups(text: str) -> Iterator[list[str]]:
    group: list[str] = []
    for line in text.expandtabs(4).split("\n"):
        if line.strip():
            group.append(line.rstrip())
        elif group:
            yield group
            group = []
    if group:
        yield group


def _heading(lines: list[str]) -> tuple[tuple[int, str] | None, list[str]]:
    """The heading a group of lines starts with, if any, and the lines below it."""
    first = fold(lines[0])
    if len(lines) > 1 and _UNDERLINE.match(lines[1]) and len(first) <= 120:
        return (1 if "=" in lines[1] else 2, first), lines[2:]
    if (level := heading_level(first)) and (len(lines) == 1 or first.startswith("§") or _stands_apart(lines)):
        return (level, first), lines[1:]
    return None, [line for line in lines if not _UNDERLINE.match(line)]


def _stands_apart(lines: list[str]) -> bool:
    """Whether only the first line is numbered, and ends where the next word, which begins anew, had room."""
    first, *others = map(fold, lines)
    has_room = len(first) + 1 + len(others[0].split()[0]) <= max(map(len, lines))
    begins_anew = others[0][0].isupper() or bool(LIST_ITEM.match(others[0]))
    return has_room and begins_anew and is_numbered(first) and not any(map(is_numbered, others))


def _joined(lines: list[str]) -> tuple[BlockKind, str]:
    """Kind and text of one group: lists and columns keep their lines, a paragraph becomes one line."""
    if len(lines) > 1 and sum(bool(_COLUMNS.search(line.strip())) for line in lines) > 0.6 * len(lines):
        return "table", "\n".join(map(_columns, lines))
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
    return "list", "\n".join(_item(item[margin:]) for item in items)


def _columns(line: str) -> str:
    return "  ".join(map(fold, _COLUMNS.split(line.strip())))


def _item(text: str) -> str:
    """One item with its indent kept and its bullet as ``-``."""
    body = text.lstrip()
    indent = " " * min(len(text) - len(body), 16)
    return indent + fold(BULLET.sub("- ", body))
