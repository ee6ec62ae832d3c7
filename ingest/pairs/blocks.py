"""The text of a chunk as headings, paragraphs, lists and tables again, each under its heading.

A chunk is a slice of a document, so its blocks are parted by empty lines; what a paragraph lost to a page break is put
together.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from assistant.store.catalog import StoredChunk
from assistant.text.sentences import sentence_spans

BlockKind = Literal["paragraph", "list", "table"]

_LONGEST_HEADING = 100
_BULLET = re.compile(r"^\s*(?:[-•*–▪◦]|\(?[a-z]{1,2}\)|\(?[ivx]{1,4}\))\s+")
_NUMBERING = re.compile(
    r"^\s*(?:§+\s*\d+\s*[a-z]?(?:\s*\(\d+\))?|(?:Part|Teil|Chapter|Kapitel|Section|Abschnitt|Article|Artikel|Art\.|Annex"
    r"|Anhang|Anlage)\s+(?:\d+|[A-Z]|[IVX]+)\b|\(?\d+(?:\.\d+)*[a-z]?[.)]?(?=\s)|\([a-z]\)|[A-Z]\.(?=\s))\s*[–—:.-]*\s*"
)
_PARAGRAPH_NUMBER = re.compile(r"^\s*(?:\(\d+[a-z]?\)|\d+\.)\s+")
# A heading in capitals that plain text has on the line of its paragraph.
_SHOUTED = re.compile(r"^(?:[A-ZÄÖÜ]{2,}[,:]? ){2,}(?=[A-ZÄÖÜ][a-zäöü])")
_GAP = re.compile(r"(?<=\S) {2,}(?=\S)")
# Statutes number their sentences.
_SENTENCE_NUMBER = re.compile(r"^\d{1,2} (?=[A-ZÄÖÜ§][a-zäöü]?)(?!(?:Nummer|Satz|Absatz)\b)")
_ENTRY = re.compile(r"\w(?:: | [–—] )\w")
_ITEM = re.compile(rf"{_BULLET.pattern}|{_PARAGRAPH_NUMBER.pattern}")
_ENDS = (".", "!", "?", ":", ";", "…", '."', ".“", ".”", ".)")


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that belong together. ``opens`` says that nothing stands between them and their heading."""

    kind: BlockKind
    lines: tuple[str, ...]
    heading: str
    opens: bool
    above: str = ""
    """What stands between them and their heading."""
    below: str = ""
    """The line right below, if it is in the same chunk."""

    @property
    def lead(self) -> str:
        """The words right above that a list goes on with: ``There is no cover for``; empty if there are none."""
        line = _PARAGRAPH_NUMBER.sub("", self.above.rpartition("\n")[2])
        return "" if line.endswith((".", "!", "?")) else line


def blocks_of(chunk: StoredChunk, continues: bool) -> list[Block]:
    """The blocks of a chunk without its headings; ``continues`` says that it goes on with the section before it."""
    heading = chunk.heading.split(" > ")[-1] if chunk.heading else ""
    opens, above, found = not continues, "", list[Block]()
    raw = _whole([part.strip("\n") for part in chunk.text.split("\n\n") if part.strip()])
    for position, part in enumerate(raw):
        lines = [line.strip() for line in part.split("\n") if line.strip()]
        if position + 1 < len(raw) and _is_heading(lines):
            heading, opens, above = lines[0], True, ""
            continue
        for kind, run in groupby(lines, key=_kind):
            found.append(Block(kind, tuple(run), heading, opens, above))
            opens, above = False, "\n".join([above, *found[-1].lines]).strip()
    after = [*(block.lines[0] for block in found[1:]), ""]
    return [replace(block, below=line) for block, line in zip(found, after, strict=False)]


def topic_of(heading: str) -> str:
    """A heading without its number: ``§ 7 Deadlines`` is about ``Deadlines``."""
    shortened = _NUMBERING.sub("", heading).strip(" .:–—-")
    return shortened or heading.strip()


def sentences_of(block: Block, first_line_only: bool = False) -> list[tuple[str, str]]:
    """The sentences of a paragraph or a list, each without numbers and bullets in front, and as it stands there.

    What only leads to a list is no sentence.
    """
    found = []
    lines = block.lines[:1] if first_line_only else block.lines
    for line, below in zip(lines, [*block.lines[1:], block.below], strict=False):
        text = item_of(line) if block.kind == "list" else _PARAGRAPH_NUMBER.sub("", line)
        text = _SHOUTED.sub("", text)
        spans = sentence_spans(text)
        if not line.endswith(_ENDS) and _ITEM.match(below):
            spans = spans[:-1]
        for start, end in spans:
            raw = text[start:end]
            found.append((_SENTENCE_NUMBER.sub("", raw), raw))
    return found


def item_of(line: str) -> str:
    """A list item without its bullet."""
    return _BULLET.sub("", line).strip()


def cells_of(line: str) -> tuple[str, ...]:
    """The cells of a table line, parted by bars or, as in text from a PDF, by gaps."""
    parts = line.strip().strip("|").split("|") if line.startswith("|") else _GAP.split(line.strip())
    return tuple(part.strip() for part in parts)


def _whole(parts: Sequence[str]) -> list[str]:
    """Paragraphs put together where a page break parted them in mid-sentence."""
    joined: list[str] = []
    for part in parts:
        before = joined[-1] if joined else ""
        is_rest = part[:1].islower() and before and not before.rstrip().endswith(_ENDS) and len(before) > 60
        if is_rest and not before.lstrip().startswith("|"):
            joined[-1] = f"{before} {part}"
        else:
            joined.append(part)
    return joined


def _kind(line: str) -> BlockKind:
    if line.startswith("|") or _GAP.search(line):
        return "table"
    return "list" if _BULLET.match(line) else "paragraph"


def _is_heading(lines: Sequence[str]) -> bool:
    only = lines[0]
    if len(lines) > 1 or len(only) > _LONGEST_HEADING or _kind(only) != "paragraph" or _ENTRY.search(only):
        return False
    has_sentence = re.search(r"[.!?] [^\W\d_]", topic_of(only)) is not None
    return only.endswith("?") or not (has_sentence or only.endswith((*_ENDS, ",")))
