"""The paragraphs, lists and tables of a chunk, each under its heading and without the marks in front of its lines."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from assistant.store.catalog import StoredChunk
from assistant.text.sentences import sentence_spans
from assistant.types import HEADING_SEPARATOR, Mark, StoredBlock

BlockKind = Literal["paragraph", "list", "table"]

_NUMBERING = re.compile(
    r"^\s*(?:§+\s*\d+\s*[a-z]?(?:\s*\(\d+\))?|(?:Part|Teil|Chapter|Kapitel|Section|Abschnitt|Article|Artikel|Art\.|Annex"
    r"|Anhang|Anlage)\s+(?:\d+|[A-Z]|[IVX]+)\b|\(?\d+(?:\.\d+)*[a-z]?[.)]?(?=\s)|\([a-z]\)|[A-Z]\.(?=\s))\s*[–—:.-]*\s*"
)
# A heading in capitals that plain text has on the line of its paragraph.
_SHOUTED = re.compile(r"^(?:[A-ZÄÖÜ]{2,}[,:]? ){2,}(?=[A-ZÄÖÜ][a-zäöü])")
_GAP = re.compile(r"(?<=\S) {2,}(?=\S)")
# Statutes number their sentences.
_SENTENCE_NUMBER = re.compile(r"^\d{1,2} (?=[A-ZÄÖÜ§][a-zäöü]?)(?!(?:Nummer|Satz|Absatz)\b)")
_ENDS = (".", "!", "?", ":", ";", "…", '."', ".“", ".”", ".)")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a block, as it stands there and without the mark in front of it."""

    text: str
    bare: str
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that belong together. ``opens`` says that nothing stands between them and their heading."""

    kind: BlockKind
    lines: tuple[Line, ...]
    heading: str
    opens: bool
    above: tuple[Line, ...] = ()
    """What stands between them and their heading."""
    below: Line | None = None
    """The line right below, if it is in the same chunk."""

    @property
    def lead(self) -> str:
        """The words right above that a list goes on with: ``There is no cover for``; empty if there are none."""
        line = self.above[-1].bare if self.above else ""
        return "" if line.endswith((".", "!", "?")) else line


def blocks_of(chunk: StoredChunk, continues: bool) -> list[Block]:
    """The blocks of a chunk without its headings; ``continues`` says that it goes on with the section before it."""
    heading = chunk.heading.split(HEADING_SEPARATOR)[-1]
    opens, above, found = not continues, tuple[Line, ...](), list[Block]()
    for block in chunk.blocks:
        if block.kind == "heading":
            heading, opens, above = chunk.text[block.start - chunk.start : block.end - chunk.start], True, ()
            continue
        for kind, run in groupby(_lines(chunk, block), _kind):
            found.append(Block(kind, tuple(run), heading, opens, above))
            opens, above = False, above + found[-1].lines
    after = [*(block.lines[0] for block in found[1:]), None]
    return [replace(block, below=line) for block, line in zip(found, after, strict=False)]


def _lines(chunk: StoredChunk, block: StoredBlock) -> Iterator[Line]:
    items = {item.start: item for item in block.items}
    start = max(chunk.start, block.start)
    for line in chunk.text[start - chunk.start : block.end - chunk.start].split("\n"):
        its = line.strip()
        item = items.get(start + len(line) - len(line.lstrip()))
        if its and item:
            yield Line(its, chunk.text[item.words - chunk.start : start - chunk.start + len(line)].strip(), item.mark)
        elif its:
            yield Line(its, its)
        start += len(line) + 1


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
        text = _SHOUTED.sub("", line.bare)
        spans = sentence_spans(text)
        if below and below.mark and not line.text.endswith(_ENDS):
            spans = spans[:-1]
        for start, end in spans:
            raw = text[start:end]
            found.append((_SENTENCE_NUMBER.sub("", raw), raw))
    return found


def cells_of(line: str) -> tuple[str, ...]:
    """The cells of a table line, parted by bars or, as in text from a PDF, by gaps."""
    parts = line.strip().strip("|").split("|") if line.startswith("|") else _GAP.split(line.strip())
    return tuple(part.strip() for part in parts)


def _kind(line: Line) -> BlockKind:
    if line.text.startswith("|") or _GAP.search(line.text):
        return "table"
    return "list" if line.mark in {"bullet", "letter"} else "paragraph"
