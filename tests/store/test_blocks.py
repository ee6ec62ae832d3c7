"""Blocks are kept as readers saw them; those of older catalogs are found again, whatever kills who finds them."""

import os
import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from fakes import FakeEmbedder
from hypothesis import given
from hypothesis import strategies as st

from assistant.config import Settings
from assistant.grounding.quoting import Places
from assistant.retrieval.retriever import Retriever
from assistant.store import blocks
from assistant.store.blocks import blocks_in, items_in, stored_blocks
from assistant.store.catalog import CATALOG_FILE, Catalog
from assistant.store.index import CorpusIdentity
from assistant.types import BLOCK_SEPARATOR, Block, Document, StoredBlock

OLD = Path(__file__).parents[1] / "data" / "workspace_79cfcfc" / "corpora" / "default"
"""Three documents as an ingest of commit 79cfcfc left them, with the vectors of ``FakeEmbedder(dimension=16)``."""
OLD_TERMS = [
    ("heading", "General terms", "General terms", ""),
    ("paragraph", "General terms", "We insure the home of a person and what stands in it.", ""),
    ("heading", "General terms > § 7 Deadlines", "§ 7 Deadlines", ""),
    (
        "paragraph",
        "General terms > § 7 Deadlines",
        "(1) Every claim is reported within 14 days. (2) We answer within a week.",
        "clause clause",
    ),
    ("paragraph", "General terms > § 7 Deadlines", "You send us:", ""),
    ("list", "General terms > § 7 Deadlines", "- the form, signed;\n- the bill.", "bullet bullet"),
]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return Path(shutil.copytree(OLD, tmp_path / "old"))


def stored(catalog: Catalog, title: str) -> list[tuple[StoredBlock, str]]:
    """The blocks of the document of that title, with their texts."""
    (own,) = (one for one in catalog.document_summaries() if one.title == title)
    text = catalog.text(own.id)
    return [(one, text[one.start : one.end]) for one in catalog.blocks(own.id, 0, len(text))]


def marks(block: StoredBlock) -> str:
    return " ".join(item.mark for item in block.items)


# Older workspaces


def test_a_workspace_of_old_opens_with_the_blocks_that_its_text_shows(old: Path) -> None:
    with closing(Catalog(old)) as catalog:
        terms = stored(catalog, "General terms")
        assert [(one.kind, one.heading, text, marks(one)) for one, text in terms][:6] == OLD_TERMS
        assert [(one.kind, one.header_lines) for one, _ in terms[6:]] == [("heading", 0), ("table", 1)]
        ((fees, _),) = stored(catalog, "fees")
        assert (fees.kind, fees.header_lines, fees.place) == ("table", 1, "")
        assert [one.kind for one, _ in stored(catalog, "Hail")] == ["fields", "paragraph", "paragraph", "paragraph"]


def test_the_place_of_old_passages_is_kept_without_their_rows(old: Path) -> None:
    with closing(sqlite3.connect(old / CATALOG_FILE)) as connection:
        connection.execute("UPDATE chunks SET place = 'sheet rows 5, rows 2–31' WHERE place = 'rows 2–31'")
        connection.commit()
    with closing(Catalog(old)) as catalog:
        ((fees, _),) = stored(catalog, "fees")
        assert fees.place == "sheet rows 5"


def test_a_workspace_of_old_is_searched_and_quoted_as_before(old: Path) -> None:
    settings, embedder = Settings(), FakeEmbedder(dimension=16)
    with closing(Catalog(old)) as catalog:
        retriever = Retriever(catalog, embedder, settings.retrieval, settings.device)
        question = "Within how many days is every claim reported?"
        hits = retriever.search(question)
        assert {hit.place for hit in hits if hit.document == "fees.csv"} == {"rows 2–31", "rows 32–61"}
        quoted, *_ = Places(question, hits, embedder, retriever.weights).quotes()
        assert quoted.text == "(1) Every claim is reported within 14 days."


def killed_at(line: int, folder: Path) -> bool:
    """Open a catalog in a process that is killed at the n-th line of the migration; whether it was."""
    count = 0

    def step(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.endswith(("store/sql.py", "store/blocks.py")):
            return None
        count += event == "line"
        if count > line:
            os.kill(os.getpid(), signal.SIGKILL)
        return step

    pid = os.fork()
    if not pid:
        blocks._AT_A_TIME = 1
        sys.settrace(step)
        Catalog(folder).close()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def blocks_table(folder: Path) -> list[tuple[Any, ...]]:
    with closing(Catalog(folder)):
        pass
    with closing(sqlite3.connect(folder / CATALOG_FILE)) as connection:
        assert not connection.execute("SELECT name FROM sqlite_master WHERE name = 'headings'").fetchall()
        return connection.execute("SELECT * FROM blocks").fetchall()


@pytest.mark.slow
def test_a_migration_killed_at_any_line_goes_on_where_it_was(old: Path, tmp_path: Path) -> None:
    whole = blocks_table(Path(shutil.copytree(OLD, tmp_path / "whole")))
    lines = 1
    while killed_at(lines, Path(shutil.copytree(OLD, old, dirs_exist_ok=True))):
        lines *= 2
    for line in np.linspace(1, lines, 40, dtype=int).tolist():
        shutil.copytree(OLD, old, dirs_exist_ok=True)
        for leftover in old.glob("*-wal"), old.glob("*-shm"):
            for file in leftover:
                file.unlink()
        killed_at(line, old)
        killed_at(line // 2, old)  # and again on its second way
        assert blocks_table(old) == whole, line


# What readers saw


def test_blocks_are_kept_as_readers_saw_them(tmp_path: Path) -> None:
    document = Document(
        "Terms",
        (
            Block("1. Fees", "heading", ("1. Fees",)),
            Block("- one\n  - two\n  goes on\n3. three", "list", ("1. Fees",)),
            Block("| a | b |\n| 1 | 2 |", "table", ("1. Fees",), place="sheet X", row=7, header_lines=1),
            Block("if x:\n\n    - y", "code"),
        ),
        "text",
    )
    with closing(Catalog(tmp_path)) as catalog:
        with catalog.transaction():
            id_ = catalog.stage("k", document, [], [], "fake")
        kept = catalog.blocks(id_, 0, len(document.text))
        assert kept == tuple(stored_blocks(document))
        assert [document.text[one.start : one.end] for one in kept] == [block.text for block in document.blocks]
        assert [(item.mark, item.depth) for item in kept[1].items] == [("bullet", 0), ("bullet", 1), ("number", 0)]
        assert [document.text[item.words :][:3] for item in kept[1].items] == ["one", "two", "thr"]
        assert (kept[2].row, kept[2].place, kept[2].header_lines) == (7, "sheet X", 1)
        with catalog.transaction():
            catalog.publish([], catalog.files(), CorpusIdentity("fake", "fake", "recipe"), 1)
        assert catalog.blocks(id_, 0, len(document.text)) == ()


def test_a_span_has_the_blocks_that_it_holds_a_part_of_and_their_items_in_it(tmp_path: Path) -> None:
    document = Document("T", (Block("- one\n- two\n- three", "list"), Block("End.")), "text")
    with closing(Catalog(tmp_path)) as catalog:
        with catalog.transaction():
            id_ = catalog.stage("k", document, [], [], "fake")
        (part,) = catalog.blocks(id_, 6, 11)
        assert (part.start, part.end, [item.start for item in part.items]) == (0, 19, [6])
        assert len(catalog.blocks(id_, 6, 22)) == 2


@given(st.lists(st.sampled_from(["- a", "| b | c |", "(1) d", "e", "", "§ 2 f", "  - g"]), max_size=12))
def test_blocks_of_a_text_stand_in_order_and_hold_all_that_prints(lines: list[str]) -> None:
    text = "\n".join(lines)
    found = list(blocks_in(text, 10))
    ends = [10, *(one.end for one in found)]
    assert all(end <= one.start < one.end for end, one in zip(ends, found, strict=False))
    covered = {at for one in found for at in range(one.start, one.end)}
    assert all(text[at - 10].isspace() for at in range(10, 10 + len(text)) if at not in covered)


@pytest.mark.parametrize(
    ("line", "mark"),
    [("- x", "bullet"), ("• x", "bullet"), ("12. x", "number"), ("2) x", "number"), ("a) x", "letter"),
     ("(iv) x", "letter"), ("(3) x", "clause"), ("(3a) x", "clause"), ("§ 7 x", "section"), ("2.5 x", "section"),
     ("x - y", ""), ("2026 x", ""), ("-x", ""), ("It is so. (2) x", "clause"), ("From 1 to (2) x", "")],
)  # fmt: skip
def test_a_mark_is_told_by_its_look(line: str, mark: str) -> None:
    assert [item.mark for item in items_in(line)] == [mark] * bool(mark)
    assert all(line[item.words :] == "x" for item in items_in(line))


def test_documents_without_any_word_do_not_hold_a_migration_up(old: Path) -> None:
    with closing(sqlite3.connect(old / CATALOG_FILE)) as connection:
        connection.execute("UPDATE documents SET text = ?, characters = 4", (BLOCK_SEPARATOR * 2,))
        connection.commit()
    assert [row[1:4] for row in blocks_table(old)] == [(0, 4, "paragraph")] * 3
