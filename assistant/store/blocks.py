"""Blocks as the catalog keeps them: of documents as readers made them, and of text whose reader did not say.

The marks in front of lines are those that readers write: ``- `` for any bullet, ``1.``, ``a)``, ``(1)``, ``§ 1``.
"""

import json
import re
import sqlite3
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeVar, cast

from assistant.types import BLOCK_SEPARATOR, HEADING_SEPARATOR, BlockKind, Document, Item, Mark, StoredBlock

T = TypeVar("T", bound=tuple[Any, ...])
BlockRow = Sequence[Any]
"""Of a block: start, end, kind, heading, place, row, header lines, and its items in JSON."""

# At the start of a line; clauses and sections also behind a sentence, where lines of a paragraph were joined.
_ITEM = re.compile(
    r"(?:^(?P<indent> *)|(?<=[.!?;:] )(?=[(§]|\d{1,2}\.\d))"
    r"(?:(?P<bullet>[-*•–])|(?P<clause>\(\d{1,3}[a-z]?\))|(?P<number>\d{1,2}[.)])"
    r"|(?P<letter>\(?[a-z]{1,2}\)|\([ivx]{1,4}\))|(?P<section>§\s?\d+[a-z]?|\d{1,2}(?:\.\d{1,2})+[.)]?))[^\S\n]+",
    re.MULTILINE,
)
_INDENT = 2
"""Blanks that readers put in front of an item for each item that it stands in."""
_HEAD_OF_A_MAIL = ("Subject: ", "From: ", "To: ", "Cc: ", "Date: ")
# So many documents of an older catalog get their blocks in one transaction.
_AT_A_TIME = 64


def stored_blocks(document: Document) -> Iterator[StoredBlock]:
    """The blocks of a document, with where they stand in its text."""
    start = 0
    for block in document.blocks:
        end = start + len(block.text)
        path = HEADING_SEPARATOR.join(block.heading_path)
        items = () if block.kind in {"heading", "table"} else tuple(items_in(block.text, start))
        yield StoredBlock(start, end, block.kind, path, block.place, block.row, block.header_lines, items)
        start = end + len(BLOCK_SEPARATOR)


def items_in(text: str, start: int = 0) -> Iterator[Item]:
    """What begins with a mark in a text; ``start`` is where the text begins in its document."""
    for found in _ITEM.finditer(text):
        mark = cast(Mark, found.lastgroup)
        indent = len(found["indent"] or "")
        yield Item(start + found.start() + indent, start + found.end(), mark, indent // _INDENT)


def blocks_in(
    text: str, start: int = 0, headings: Sequence[tuple[int, int, str]] = (), places: Sequence[tuple[int, str]] = ()
) -> Iterator[StoredBlock]:
    """The blocks of a text whose reader did not say, as its empty lines, bars and marks look.

    ``start`` is where it begins in its document. ``headings`` are (start, end of its own words, path) and ``places``
    (start, place) of the parts of the document, both in order.
    """
    for part in text.split(BLOCK_SEPARATOR):
        lines = part.split("\n")
        are_rows = [len(one) > 1 and one[0] == one[-1] == "|" for one in map(str.strip, lines)]
        for is_table, some in groupby(zip(are_rows, lines, strict=True), key=itemgetter(0)):
            its = "\n".join(line for _, line in some)
            if its.strip():
                end = start + len(its)
                _, heading_end, heading = _last(headings, start) or (0, 0, "")
                _, place = _last(places, start) or (0, "")
                items = () if is_table or heading_end == end else tuple(items_in(its, start))
                kind: BlockKind = "table" if is_table else "paragraph"
                if heading_end == end:
                    kind = "heading"
                elif items and items[0].start == start and items[0].is_listed:
                    kind = "list"
                yield StoredBlock(start, end, kind, heading, place, None, int(is_table and "\n" in its), items)
            start += len(its) + 1
        start += len(BLOCK_SEPARATOR) - 1


def _last(some: Sequence[T], start: int) -> T | None:
    """The last of some (start, …) that begins at or before ``start``."""
    place = bisect_right(some, start, key=lambda one: one[0])
    return some[place - 1] if place else None


def insert_blocks(connection: sqlite3.Connection, document_id: int, blocks: Iterable[StoredBlock]) -> None:
    """Write the blocks of one document."""
    rows = []
    for one in blocks:
        items = [[item.start - one.start, item.words - item.start, item.mark, item.depth] for item in one.items]
        written = json.dumps(items, separators=(",", ":")) if items else ""
        known = (one.start, one.end, one.kind, one.heading, one.place, one.row, one.header_lines)
        rows.append((document_id, *known, written))
    connection.executemany("INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


def read_blocks(connection: sqlite3.Connection, document_id: int, start: int, end: int) -> tuple[StoredBlock, ...]:
    """The blocks that a span of a document holds a part of, in order."""
    return blocks_of(block_rows(connection, document_id, start, end), start, end)


def block_rows(connection: sqlite3.Connection, document_id: int, start: int, end: int) -> list[BlockRow]:
    """The rows of the blocks that a span of a document holds a part of, in order."""
    return connection.execute(
        "SELECT start, end, kind, heading, place, row, header_lines, items FROM blocks"
        " WHERE document_id = ?1 AND start < ?3 AND start >="
        " (SELECT coalesce(max(start), 0) FROM blocks WHERE document_id = ?1 AND start <= ?2) ORDER BY start",
        (document_id, start, end),
    ).fetchall()


def blocks_of(rows: Iterable[BlockRow], start: int, end: int) -> tuple[StoredBlock, ...]:
    """The blocks in rows, with the items that begin in a span."""
    blocks = []
    for *known, written in rows:
        items = ((known[0] + at, length, mark, depth) for at, length, mark, depth in json.loads(written or "[]"))
        own = tuple(Item(at, at + length, mark, depth) for at, length, mark, depth in items if start <= at < end)
        blocks.append(StoredBlock(*(*known, own)))
    return tuple(blocks)


def fill_blocks(connection: sqlite3.Connection) -> bool:
    """Give the next documents of an older catalog their blocks; whether there were any. Call inside a transaction.

    Documents get them in the order of their ids, so that the last that has some says where to go on.
    """
    documents = connection.execute(
        "SELECT id, format, text FROM documents WHERE characters > 0 AND id >"
        f" (SELECT coalesce(max(document_id), 0) FROM blocks) ORDER BY id LIMIT {_AT_A_TIME}"
    ).fetchall()
    for document_id, format_, text in documents:
        headings = connection.execute(
            "SELECT start, end, path FROM headings WHERE document_id = ? ORDER BY start", (document_id,)
        ).fetchall()
        chunks = connection.execute(
            "SELECT start, heading, place FROM chunks WHERE document_id = ? ORDER BY start", (document_id,)
        ).fetchall()
        headings = headings or [(start, start, heading) for start, heading, _ in chunks]
        places = [(start, _without_rows(place)) for start, _, place in chunks]
        blocks = list(blocks_in(text, 0, headings, places)) or [StoredBlock(0, len(text), "paragraph", "")]
        if format_ == "email" and text.startswith(_HEAD_OF_A_MAIL):
            blocks[0] = replace(blocks[0], kind="fields")
        insert_blocks(connection, document_id, blocks)
    return bool(documents)


def _without_rows(place: str) -> str:
    """The place of a passage in a sheet without the rows that it holds."""
    before, _, last = place.rpartition(", ")
    return before if last.startswith(("row ", "rows ")) and last[-1].isdecimal() else place
