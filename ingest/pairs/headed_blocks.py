"""The paragraphs, lists and tables of a chunk, each under its heading and without the marks in front of its lines."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from assistant.store.index import StoredChunk
from assistant.text.sentences import sentence_spans
from assistant.types import HEADING_SEPARATOR, Mark, StoredBlock

BlockKind = Literal["paragraph", "list", "table"]

_NUMBERING = re.compile(
    r"^\s*(?:§+\s*\d+\s*[a-z]?(?:\s*\(\d+\))?|(?:Part|Teil|Chapter|Kapitel|Section|Abschnitt|Article|Artikel|Art\.|Annex"
    r"|Anhang|Anlage)\s+(?:\d+|[A-Z]|[IVX]+)\b|\(?\d+(?:\.\d+)*[a-z]?[.)]?(?=\s)|\([a-z]\)|[A-Z]\.(?=\s))\s*[–—:.-]*\s*"
)
# A heading in capitals that plain text has on the line of its paragraph.
_SHOUTED = re.compile(r"^(?:[A-ZÄÖÜ]{2,}[,:]? ){2,}(?=[A-ZÄÖÜ][a-zäöü])")
# Statutes number their sentences.
_SENTENCE_NUMBER = re.compile(r"^\d{1,2} (?=[A-ZÄÖÜ§][a-zäöü]?)(?!(?:Nummer|Satz|Absatz)\b)")
_ENDS = (".", "!", "?", ":", ";", "…", '."', ".“", ".”", ".)")


@dataclass(frozen=True, slots=True)
class BlockLine:
    """A line of a block, as it stands there and without the mark in front of it."""

    text: str
    bare: str
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class HeadedBlock:
    """Lines that belong together. ``opens`` says that nothing stands between them and their heading."""

    kind: BlockKind
    lines: tuple[BlockLine, ...]
    heading: str
    opens: bool
    above: tuple[BlockLine, ...] = ()
    """What stands between them and their heading."""
    below: BlockLine | None = None
    """The line right below, if it is in the same chunk."""
    header: tuple[str, ...] = ()
    """Of a table: the lines over its columns, in the chunk or repeated in its context."""

    @property
    def lead(self) -> str:
        """The words right above that a list goes on with: ``There is no cover for``; empty if there are none."""
        line = self.above[-1].bare if self.above else ""
        return "" if line.endswith((".", "!", "?")) else line


def blocks_of(chunk: StoredChunk, continues: bool) -> list[HeadedBlock]:
    """The blocks of a chunk without its headings; ``continues`` says that it goes on with the section before it."""
    heading = chunk.heading.split(HEADING_SEPARATOR)[-1]
    opens, above, found = not continues, tuple[BlockLine, ...](), list[HeadedBlock]()
    for block in chunk.blocks:
        if block.kind == "heading":
            heading, opens, above = chunk.text[block.start - chunk.start : block.end - chunk.start], True, ()
            continue
        lines = list(_lines(chunk, block))
        header: list[str] = []
        if block.header_lines:
            begins = block.start >= chunk.start
            known = [line.text for line in lines] if begins else chunk.context.split("\n")[1:]
            header = known[: block.header_lines] if begins else known[-block.header_lines :]

        def kind_of(line: BlockLine, is_table: bool = block.kind == "table") -> BlockKind:
            return "table" if is_table else "list" if line.mark in {"bullet", "letter"} else "paragraph"

        for kind, run in groupby(lines, kind_of):
            found.append(HeadedBlock(kind, tuple(run), heading, opens, above, header=tuple(header)))
            opens, above = False, above + found[-1].lines
    after = [*(block.lines[0] for block in found[1:]), None]
    return [replace(block, below=line) for block, line in zip(found, after, strict=False)]


def _lines(chunk: StoredChunk, block: StoredBlock) -> Iterator[BlockLine]:
    items = {item.start: item for item in block.items}
    start = max(chunk.start, block.start)
    for line in chunk.text[start - chunk.start : block.end - chunk.start].split("\n"):
        its = line.strip()
        item = items.get(start + len(line) - len(line.lstrip()))
        if its and item:
            yield BlockLine(
                its, chunk.text[item.words - chunk.start : start - chunk.start + len(line)].strip(), item.mark
            )
        elif its:
            yield BlockLine(its, its)
        start += len(line) + 1


def topic_of(heading: str) -> str:
    """A heading without its number: ``§ 7 Deadlines`` is about ``Deadlines``."""
    shortened = _NUMBERING.sub("", heading).strip(" .:–—-")
    return shortened or heading.strip()


def sentences_of(block: HeadedBlock, first_line_only: bool = False) -> list[tuple[str, str]]:
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
