"""The catalog opens what it knows, refuses what it does not, and shows one state at a time."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import DIMENSION, FakeEmbedder
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.errors import CatalogVersionError, WorkspaceError
from assistant.store import sql
from assistant.store.catalog import CATALOG_FILE, Catalog
from assistant.store.index import CorpusIdentity
from assistant.store.sql import FileRow
from assistant.store.vectors import open_index
from assistant.text.words import query_terms
from assistant.types import Block, Chunk, Document, Filter

IDENTITY = CorpusIdentity("fake", "fake", "recipe")
EMBEDDER = FakeEmbedder()


def chunk_of(text: str, start: int, end: int, context: str = "") -> Chunk:
    """A chunk of one window."""
    part = text[start:end]
    return Chunk(start, end, part, context, "", "", (f"{context}\n{part}" if context else part,))


def publish(
    catalog: Catalog, texts: dict[str, str], generation: int = 1, metadata: dict[str, str] | None = None
) -> None:
    """Make a corpus of one file and one chunk a text; texts that are stored already are kept."""
    known = catalog.document_ids()
    with catalog.transaction():
        for text in dict.fromkeys(texts.values()):
            if text not in known:
                document = Document("Title", (Block(text),), "text", 1, "2024-01-31", "en", metadata or {})
                chunk = chunk_of(text, 0, len(text), "Title")
                known[text] = catalog.stage(text, document, [chunk], [*EMBEDDER.embed_texts([text])], "fake")
        rows = [FileRow("/docs", path, 1, 1, text, known[text]) for path, text in texts.items()]
        catalog.publish(rows, catalog.files(), IDENTITY, generation)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    opened = Catalog(tmp_path / "corpus")
    yield opened
    opened.close()


def texts_of(catalog: Catalog, hits: Sequence[tuple[int, float]]) -> list[str]:
    chunks = catalog.chunks([one for one, _ in hits])
    return [chunks[one].text for one, _ in hits]


# Versions and damage


def test_a_catalog_of_a_newer_program_is_refused_with_both_versions(catalog: Catalog) -> None:
    with sqlite3.connect(catalog.folder / CATALOG_FILE) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(CatalogVersionError, match=f"version 99.* up to {len(sql.MIGRATIONS)}.*Update"):
        Catalog(catalog.folder)


def test_an_older_catalog_is_migrated_and_keeps_its_content(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(catalog, {"a.md": "Fire is insured."})
    migration = "CREATE TABLE later (id INTEGER);\nINSERT INTO later SELECT id FROM documents;\n"
    monkeypatch.setattr(sql, "MIGRATIONS", (*sql.MIGRATIONS, migration))
    for _ in range(2):  # once is enough
        newer = Catalog(catalog.folder)
        assert [row.path for row in newer.files()] == ["a.md"]
        assert newer.connection.execute("SELECT count(*) FROM later").fetchone() == (1,)
        newer.close()


def test_a_catalog_of_the_first_version_is_migrated_with_its_vectors(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / CATALOG_FILE) as connection:
        connection.executescript(sql.MIGRATIONS[0] + "PRAGMA user_version = 1;")
        connection.execute(
            "INSERT INTO documents VALUES (1, 'k', 'T', 'text', 'en', '', 1, '[]', '{}', '[]', 9, 1, 'Fire yes.')"
        )
        connection.execute("INSERT INTO files VALUES ('/docs', 'a.md', 1, 1, 'h', 1, '')")
        vector = EMBEDDER.embed_texts(["Fire yes."])[0].astype(np.float16).tobytes()
        connection.execute("INSERT INTO chunks VALUES (7, 1, 0, 9, 1, 1, 'H', '', 'T', x'00', ?)", (vector,))
        connection.execute("INSERT INTO lexical (rowid, context, body) VALUES (7, 't', 'fire')")
    connection.close()
    catalog = Catalog(tmp_path)
    assert catalog.chunks([7])[7].text == "Fire yes."
    assert (catalog.counts().chunks, catalog.window_count(0)) == (1, 1)
    ((ids, stored),) = catalog.live_vectors()
    assert ids.tolist() == [7]
    np.testing.assert_allclose(stored, EMBEDDER.embed_texts(["Fire yes."]), atol=1e-3)
    assert open_index(catalog, 1).search(stored[0], 5)[0][0] == 7
    catalog.close()


def test_a_migration_that_fails_changes_nothing(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(catalog, {"a.md": "Fire is insured."})
    broken = "CREATE TABLE later (id INTEGER);\nINSERT INTO nowhere VALUES (1);\n"
    with monkeypatch.context() as patched:
        patched.setattr(sql, "MIGRATIONS", (*sql.MIGRATIONS, broken))
        with pytest.raises(WorkspaceError, match="nowhere"):
            Catalog(catalog.folder)
    assert catalog.connection.execute("SELECT name FROM sqlite_master WHERE name = 'later'").fetchall() == []
    Catalog(catalog.folder).close()


class Interrupted(sqlite3.Connection):
    """Ctrl-C comes when all is committed."""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        done = super().execute(sql, *values)
        if sql == "COMMIT":
            raise KeyboardInterrupt
        return done


def test_ctrl_c_at_the_end_of_a_migration_is_no_damage(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / CATALOG_FILE, factory=Interrupted, isolation_level=None)
    with closing(connection), pytest.raises(KeyboardInterrupt):
        sql._migrate(connection)
    Catalog(tmp_path).close()


def test_who_opens_a_new_catalog_waits_for_another_who_does(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / CATALOG_FILE, isolation_level=None, check_same_thread=False)
    with closing(other):
        other.execute("BEGIN IMMEDIATE")
        waits = threading.Timer(0.1, other.rollback)
        waits.start()
        Catalog(tmp_path).close()
        waits.join()


@pytest.mark.parametrize("content", [b"not a database at all, but longer than its header would be" * 99, b"SQLite"])
def test_a_file_that_is_no_catalog_is_told_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / CATALOG_FILE).write_bytes(content)
    with pytest.raises(WorkspaceError, match="ingest again"):
        Catalog(tmp_path)


def test_a_failed_transaction_leaves_nothing(catalog: Catalog) -> None:
    publish(catalog, {"a.md": "Fire is insured."})
    with pytest.raises(ZeroDivisionError), catalog.transaction():
        catalog.publish([], catalog.files(), IDENTITY, 2)
        raise ZeroDivisionError
    assert catalog.generation() == 1
    assert len(catalog.match(["fire"], 5)) == 1
    publish(catalog, {"a.md": "Fire is insured.", "b.md": "Fire is not."}, 2)
    assert len(catalog.match(["fire"], 5)) == 2


READ_ONLY = """
import os, sys
from pathlib import Path
import faiss
from assistant.store.catalog import Catalog
from assistant.types import Filter
from assistant.store.vectors import open_index
os.setuid(65534)
catalog = Catalog(Path(sys.argv[1]))
with catalog.snapshot():
    index = open_index(catalog, catalog.generation())
    print(len(index), len(catalog.match(["fire"], 5, Filter(folder="*"))))
"""


def searched_by_nobody(folder: Path) -> tuple[str, str]:
    """What a search by somebody prints who may not write."""
    (folder / CATALOG_FILE).chmod(0o444)
    folder.chmod(0o555)
    command = [sys.executable, "-c", READ_ONLY, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    folder.chmod(0o755)
    return done.stdout, done.stderr


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become nobody")
def test_a_workspace_that_cannot_be_written_can_be_searched(catalog: Catalog) -> None:
    publish(catalog, {"a.md": "Fire is insured."})
    catalog.close()
    readable = Path("/dev/shm" if Path("/dev/shm").is_dir() else "/tmp") / f"read-only-{os.getpid()}"
    try:
        shutil.copytree(catalog.folder, readable)
        assert searched_by_nobody(readable) == ("1 1\n", "")
        with closing(sqlite3.connect(readable / CATALOG_FILE, isolation_level=None)) as older:
            older.execute("PRAGMA user_version = 1")
        assert "has version 1, not" in searched_by_nobody(readable)[1]
    finally:
        readable.chmod(0o755)
        shutil.rmtree(readable)


def without_room(folder: Path) -> Path:
    """What stands in the way of all that SQLite would put beside a catalog in ``folder``, as a full disk does."""
    in_the_way = folder / f"{CATALOG_FILE}-shm"
    in_the_way.symlink_to(folder / "nowhere" / "shm")
    return in_the_way


def test_on_a_full_disk_a_catalog_is_read_as_it_stands_for_one_question(catalog: Catalog) -> None:
    publish(catalog, {"a.md": "Fire is insured."})
    catalog.close()
    in_the_way = without_room(catalog.folder)
    with closing(Catalog(catalog.folder)) as makeshift:
        assert texts_of(makeshift, makeshift.match(["fire"], 5)) == ["Fire is insured."]
        assert not makeshift.is_current, "the next question opens it again, and sees what was written meanwhile"
        with pytest.raises(WorkspaceError, match="Check rights and free space"):
            publish(makeshift, {"b.md": "Hail is insured."})
    in_the_way.unlink()
    with closing(Catalog(catalog.folder)) as again:
        publish(again, {"b.md": "Hail is insured."}, 2)
        assert again.is_current


def test_on_a_full_disk_nobody_is_told_to_delete_what_was_not_folded_in_yet(catalog: Catalog, tmp_path: Path) -> None:
    publish(catalog, {"a.md": "Fire is insured."})
    killed = tmp_path / "killed"
    killed.mkdir()
    for name in (CATALOG_FILE, f"{CATALOG_FILE}-wal"):
        shutil.copyfile(catalog.folder / name, killed / name)
    without_room(killed)
    with pytest.raises(WorkspaceError) as refused:
        Catalog(killed)
    assert refused.value.remedy == "Check rights and free space."


# Snapshots


def test_a_snapshot_sees_one_generation_whatever_is_published_meanwhile(catalog: Catalog) -> None:
    publish(catalog, {"a.md": "Fire is insured."})
    writer = Catalog(catalog.folder)
    with catalog.snapshot():
        before = catalog.generation()
        publish(writer, {"b.md": "Water is insured."}, 2)
        assert catalog.generation() == before == 1
        index = open_index(catalog, before)
        hits = index.search(EMBEDDER.embed_question("insured"), 5)
        assert texts_of(catalog, hits) == ["Fire is insured."]
        assert texts_of(catalog, catalog.match(["insur"], 5)) == ["Fire is insured."]
        assert [row.path for row in catalog.files()] == ["a.md"]
    with catalog.snapshot():
        assert catalog.generation() == 2
        assert texts_of(catalog, catalog.match(["insur"], 5)) == ["Water is insured."]
    writer.close()


# Full text


@pytest.mark.parametrize(
    "term",
    ['"', '""', 'fire"water', "fire AND", "AND", "OR", "NOT", "NEAR(fire, 2)", "NEAR", "*", "fi*",
     "^fire", "context:fire", "(", ")", "-fire", "+", "'", "\\", "🔥", "", " ", "a" * 10_000, "{a b}:c",
     "fire -- x", "; DROP TABLE files"],
)  # fmt: skip
def test_no_term_is_an_operator(catalog: Catalog, term: str) -> None:
    publish(catalog, {"a.md": "Fire is insured.", "b.md": "Water and near."})
    assert catalog.match([term], 5) is not None
    assert texts_of(catalog, catalog.match([term, "fire"], 5))[0] == "Fire is insured."
    assert len(catalog.files()) == 2


@settings(max_examples=200)
@given(question=st.text(max_size=60))
def test_no_question_breaks_the_search(catalog: Catalog, question: str) -> None:
    terms = query_terms(question, ("en", "de"))
    catalog.document_frequencies(terms)
    catalog.match(terms, 5)


def test_ten_thousand_words_are_a_question_too(catalog: Catalog) -> None:
    publish(catalog, {"a.md": "Fire is insured."})
    many = [f"word{number}" for number in range(10_000)]
    assert len(catalog.match([*many, "fire"], 5)) == 1
    assert catalog.document_frequencies([*many, "fire"]) == {"fire": 1}


def test_better_matches_come_first_with_higher_scores(catalog: Catalog) -> None:
    publish(catalog, {
        "a.md": "Fire fire fire.", "b.md": "Fire and many other words about quite different things.",
        "c.md": "Water.", "d.md": "Storm.", "e.md": "Theft.",
    })  # fmt: skip
    hits = catalog.match(["fire"], 5)
    assert texts_of(catalog, hits)[0] == "Fire fire fire."
    assert hits[0][1] > hits[1][1] > 0


def test_match_stays_within_the_filter(catalog: Catalog) -> None:
    publish(catalog, {"a.md": "Fire one.", "b.md": "Fire two.", "sub/c.md": "Fire three."})
    assert texts_of(catalog, catalog.match(["fire"], 5, Filter(folder="sub/*"))) == ["Fire three."]
    assert catalog.match(["fire"], 5, Filter(folder="other/*")) == []
    assert len(catalog.match(["fire"], 5)) == 3


@pytest.mark.parametrize(
    ("only", "paths"),
    [
        (Filter(documents=("a.md",)), {"a.md"}),
        (Filter(documents=("a.md", "sub/c.md")), {"a.md", "sub/c.md"}),
        (Filter(folder="sub/*"), {"sub/c.md"}),
        (Filter(metadata={"language": "en"}), {"a.md", "b.md", "sub/c.md"}),
        (Filter(metadata={"language": "de"}), set()),
        (Filter(metadata={"author": 'O\'Neill "x"'}), {"a.md", "b.md", "sub/c.md"}),
        (Filter(metadata={"author'; DROP TABLE files; --": "x"}), set()),
        (Filter(documents=("a.md",), folder="sub/*"), set()),
        (Filter(documents=("' OR 1=1 --",)), set()),
    ],
)
def test_a_filter_lets_through_what_fits_all_its_parts(catalog: Catalog, only: Filter, paths: set[str]) -> None:
    texts = {"a.md": "Fire one.", "b.md": "Fire two.", "sub/c.md": "Fire three."}
    publish(catalog, texts, metadata={"author": 'O\'Neill "x"'})
    found = catalog.chunks(catalog.chunk_ids(only)).values()
    assert {chunk.document for chunk in found} == paths
    assert len(catalog.files()) == 3


def test_a_filter_of_many_documents_has_no_limit_of_its_own(catalog: Catalog) -> None:
    publish(catalog, {"a.md": "Fire one.", "b.md": "Fire two."})
    many = Filter(documents=(*(f"{number}.md" for number in range(40_000)), "b.md"))
    assert len(catalog.chunk_ids(many)) == 1


# Spans and vectors


def test_spans_count_characters_beyond_the_basic_plane(catalog: Catalog) -> None:
    text = "🔥🔥 e\u0301 保険 " * 50
    document = Document("T", (Block(text),), "text")
    chunks = [chunk_of(text, start, start + 7) for start in range(0, 70, 7)]
    with catalog.transaction():
        one = catalog.stage("k", document, chunks, [*EMBEDDER.embed_texts([chunk.text for chunk in chunks])], "fake")
        catalog.publish([FileRow("/docs", "a", 1, 1, "h", one)], catalog.files(), IDENTITY, 1)
    assert catalog.text(one) == text
    stored = catalog.chunks(catalog.chunk_ids(Filter(folder="*")))
    assert [(chunk.start, chunk.end, chunk.text) for chunk in stored.values()] == [
        (chunk.start, chunk.end, chunk.text) for chunk in chunks
    ]


def test_a_long_document_is_published_in_linear_time(catalog: Catalog) -> None:
    import time

    def seconds(characters: int, key: str) -> float:
        text = "ä word " * (characters // 7)
        chunks = [chunk_of(text, start, start + 700) for start in range(0, len(text) - 700, 700)]
        vectors = np.tile(EMBEDDER.embed_question("x"), (len(chunks), 1))
        with catalog.transaction():
            one = catalog.stage(key, Document("T", (Block(text),), "text"), chunks, [*vectors], "fake")
            started = time.perf_counter()
            catalog.publish([FileRow("/docs", key, 1, 1, key, one)], catalog.files(), IDENTITY, 1)
            return time.perf_counter() - started

    seconds(70_000, "warm")
    assert seconds(4_000_000, "long") < 8 * max(seconds(1_000_000, "short"), 0.1)


def test_known_vectors_are_those_of_the_same_text_and_model(catalog: Catalog) -> None:
    from assistant.store.catalog import digest

    publish(catalog, {"a.md": "Fire is insured."})
    same, other = digest("Title\nFire is insured.", "fake"), digest("Title\nFire is insured.", "other")
    found = catalog.known_vectors([same, other])
    assert set(found) == {same}
    assert found[same].shape == (DIMENSION,)
    np.testing.assert_allclose(found[same], EMBEDDER.embed_question("Fire is insured."), atol=1e-3)


def test_ids_are_never_used_again(catalog: Catalog) -> None:
    publish(catalog, {"a.md": "Fire."})
    (first,) = catalog.chunk_ids(Filter(folder="*"))
    publish(catalog, {}, 2)
    publish(catalog, {"b.md": "Water."}, 3)
    assert catalog.chunk_ids(Filter(folder="*"))[0] > first


def filled(catalog: Catalog, documents: int) -> None:
    """Documents of three chunks each with common words, in ten folders."""
    random = np.random.default_rng(1)
    words = np.array([f"word{number}" for number in range(40)])
    texts = {
        f"{number % 10}/{number}.md": "\n\n".join(" ".join(random.choice(words, 30)) for _ in range(3))
        for number in range(documents)
    }
    publish(catalog, texts)


@pytest.mark.parametrize("only", [Filter(folder="3/*"), Filter(("3/3.md", "4/4.md")), Filter(folder="[1-5]/*")])
def test_a_filter_finds_what_is_left_of_a_search_without_one(catalog: Catalog, only: Filter) -> None:
    filled(catalog, 60)
    allowed = catalog.chunk_ids(only)
    for query in (["word1"], ["word2", "word30", "word7"], ["nothing"]):
        everything = catalog.match(query, 1000)
        assert catalog.match(query, 1000, only) == [row for row in everything if row[0] in allowed]
    assert catalog.holds(only)
    assert not catalog.holds(Filter(folder="elsewhere/*"))


def test_a_filter_costs_no_search_for_each_chunk_it_lets_through(catalog: Catalog) -> None:
    filled(catalog, 600)
    query = [f"word{number}" for number in range(10)]

    def cost(only: Filter | None) -> float:
        def once() -> float:
            began = time.process_time()
            catalog.match(query, 10, only)
            return time.process_time() - began

        return min(once() for _ in range(5))

    unfiltered = cost(None)
    for only in (Filter(folder="[0-4]/*"), Filter(folder="3/*"), Filter(("3/3.md",))):
        assert cost(only) < 5 * unfiltered
