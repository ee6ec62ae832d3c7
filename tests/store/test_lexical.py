"""Full text finds what SQLite's own finds, with the same scores, whatever came and went before."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fulltext import held_in
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assistant.errors import WorkspaceError
from assistant.store import lexical
from assistant.store.catalog import Catalog
from assistant.store.index import CorpusIdentity
from assistant.store.lexical import LexicalIndex
from assistant.store.sql import FileRow
from assistant.text.words import stems, terms
from assistant.types import Block, Chunk, Document

IDENTITY = CorpusIdentity("fake", "fake", "recipe")
WORDS = ("hail", "fire", "garage", "deductible", "halved", "the", "of", "insured", "window", "tooth", "crown", "wait")
VECTOR = np.ones(4, np.float32)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with closing(Catalog(tmp_path / "corpus")) as opened:
        yield opened


def publish(catalog: Catalog, new: Sequence[Sequence[tuple[str, str]]], gone: Sequence[FileRow] = ()) -> None:
    """Documents of chunks (context, text) that come, and files that go."""
    with catalog.transaction():
        rows = []
        for chunks in new:
            known = len(catalog.document_ids()) + catalog.generation() * 1_000
            start, cut = 0, []
            for context, text in chunks:
                cut.append(Chunk(start, start + len(text), text, context, "", "", (text,)))
                start += len(text) + 1
            document = Document("T", (Block("\n".join(text for _, text in chunks)),), "text", language="en")
            id_ = catalog.stage(f"{known}", document, cut, [VECTOR] * len(cut), "fake")
            rows.append(FileRow("/docs", f"{known}", 1, 1, "h", id_))
        catalog.publish(rows, gone, IDENTITY, catalog.generation() + 1)


def by_fts5(catalog: Catalog, query: Sequence[str], phrases: Sequence[str] = ()) -> dict[int, float]:
    """What SQLite's full text gives each live chunk."""
    with closing(sqlite3.connect(":memory:")) as other:
        other.execute("CREATE VIRTUAL TABLE lexical USING fts5 (context, body)")
        for chunk in catalog.live_chunks():
            row = chunk.id, *(" ".join(terms(part, "en")) for part in (chunk.context, chunk.text))
            other.execute("INSERT INTO lexical (rowid, context, body) VALUES (?, ?, ?)", row)
        asked = " OR ".join(f'"{one}"' for one in (*query, *phrases))
        found = other.execute("SELECT rowid, -bm25(lexical, 1.5) FROM lexical WHERE lexical MATCH ?", (asked,))
        return dict(found)


text = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join)
document = st.lists(st.tuples(text, text), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.tuples(st.lists(document, max_size=4), st.integers(0, 3)), min_size=1, max_size=6),
    query=st.lists(st.sampled_from(WORDS), min_size=1, max_size=6, unique=True),
    phrase=st.lists(st.sampled_from(WORDS), min_size=2, max_size=4),
    limit=st.integers(1, 12),
    most=st.sampled_from([3, 1_000]),
)
def test_scores_are_those_of_fts5_whatever_came_and_went(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[Any],
    query: list[str],
    phrase: list[str],
    limit: int,
    most: int,
) -> None:
    with pytest.MonkeyPatch.context() as patch, closing(Catalog(tmp_path_factory.mktemp("c") / "corpus")) as catalog:
        patch.setattr(lexical, "_MOST_CHUNKS", most)
        patch.setattr(lexical, "_MOST_AT_ONCE", 10 * most)
        for new, gone in steps:
            publish(catalog, new, catalog.files()[:gone])
            asked, phrases = stems(" ".join(query), "en"), [" ".join(stems(" ".join(phrase), "en"))]
            wanted = by_fts5(catalog, asked, phrases)
            found = dict(catalog.match(asked, 1_000, phrases=phrases))
            assert found == pytest.approx(wanted, rel=1e-5)
            best = catalog.match(asked, limit, phrases=phrases)
            assert [score for _, score in best] == pytest.approx(
                sorted(wanted.values(), reverse=True)[:limit], rel=1e-5
            )
            among = sorted(wanted)[::2]
            assert {
                one
                for one, _ in LexicalIndex(catalog.connection).search(catalog.connection, asked, phrases, 1_000, among)
            } == set(among)
            held = held_in(catalog.connection)
            assert held.keys() == {chunk.id for chunk in catalog.live_chunks()}


def test_all_who_search_a_generation_share_its_full_text(tmp_path: Path) -> None:
    made: list[LexicalIndex] = []

    class Told(LexicalIndex):
        def __init__(self, connection: sqlite3.Connection) -> None:
            made.append(self)
            super().__init__(connection)

    with pytest.MonkeyPatch.context() as patch, closing(Catalog(tmp_path / "corpus")) as catalog:
        patch.setattr(lexical, "LexicalIndex", Told)
        publish(catalog, [[("", "hail")]])
        with closing(Catalog(tmp_path / "corpus")) as other:
            assert [one for one, _ in catalog.match(["hail"], 9)] == [one for one, _ in other.match(["hail"], 9)] != []
            assert len(made) == 1
            publish(catalog, [[("", "hail and fire")]])
            assert len(catalog.match(["hail"], 9)) == len(other.match(["hail"], 9)) == 2
            assert len(made) == 2
    made.clear()
    for file in (tmp_path / "corpus").iterdir():
        file.unlink()
    with closing(Catalog(tmp_path / "corpus")) as again:
        publish(again, [[("", "storm")], [("", "hail")]])
        publish(again, [[("", "fire")]])
        assert len(again.match(["fire"], 9)) == 1


def crowd(catalog: Catalog, documents: int) -> None:
    """Chunks of common words, the more common the earlier in the list; a document of twenty each."""
    random = np.random.default_rng(1)
    vocabulary = np.array([f"word{number}" for number in range(400)])
    ranks = np.minimum(random.zipf(1.3, (documents, 20, 30)), len(vocabulary)) - 1
    publish(catalog, [[("", " ".join(vocabulary[its])) for its in of_document] for of_document in ranks])


def test_what_is_only_looked_up_gets_its_whole_score(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd(catalog, 60)
    asked = ["word399", "word200", "word3", "word1", "word0"]
    looked_up, places = list[int](), lexical._places

    def counted(some: lexical.Places, wanted: lexical.Places) -> lexical.Ids:
        looked_up.append(len(wanted))
        return places(some, wanted)

    monkeypatch.setattr(lexical, "_places", counted)
    best = catalog.match(asked, 5)
    assert looked_up and max(looked_up) < 600, "not all chunks are looked at for common words"
    wanted = by_fts5(catalog, asked)
    assert [score for _, score in best] == pytest.approx(sorted(wanted.values(), reverse=True)[:5], rel=1e-5)
    assert dict(best) == pytest.approx({chunk: wanted[chunk] for chunk, _ in best}, rel=1e-5)


def test_segments_stay_few_and_a_changed_document_writes_little(catalog: Catalog) -> None:
    crowd(catalog, 40)
    written = []
    for number in range(30):
        publish(catalog, [[("", f"changed {number}")]], [file for file in catalog.files() if file.path == f"{number}"])
        counted = "SELECT sum(length(lengths)) / 2 FROM segments WHERE id > 1"
        written.append(catalog.connection.execute(counted).fetchone()[0])
        assert catalog.connection.execute("SELECT count(*) FROM segments").fetchone()[0] <= 7
    assert max(written) == 30, "the crowd is not written again for a few of it"
    publish(catalog, [], catalog.files()[:-10])
    (there,) = catalog.connection.execute("SELECT sum(length(lengths)) / 2 FROM segments").fetchone()
    assert there <= 3 * len(held_in(catalog.connection)), "what is mostly gone is written anew"


def test_a_term_counts_at_most_255_times_and_a_chunk_without_any_is_live(catalog: Catalog) -> None:
    publish(catalog, [[("", "hail " * 300), ("", "..."), ("", "fire")]])
    assert catalog.match(["hail"], 5)[0][0] == 1
    assert catalog.match([], 5, phrases=["hail hail"])[0][0] == 1
    assert len(held_in(catalog.connection)) == catalog.counts().chunks == 3


@pytest.mark.parametrize("damage", [b"\xff" * 6, b"12345"])
def test_damaged_postings_are_told_with_the_remedy(catalog: Catalog, damage: bytes) -> None:
    publish(catalog, [[("", "hail"), ("", "fire")]])
    catalog.connection.execute("UPDATE postings SET chunks = ? WHERE term = 'hail'", (damage,))
    with pytest.raises(WorkspaceError, match="ingest again"), catalog.snapshot():
        catalog.match(["hail"], 5)
