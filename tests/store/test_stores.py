"""What every store of a corpus keeps to: the same documents give the same answers wherever they are stored.

What is expected is worked out here, from the documents that were published.
"""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeEmbedder

from assistant.store.catalog import CALIBRATION_FILE, Catalog
from assistant.store.index import CorpusIdentity, Index
from assistant.store.lance import LanceIndex, Shared
from assistant.store.shared import bring
from assistant.store.sql import FileRow
from assistant.text.words import terms
from assistant.types import Block, Chunk, Document, Filter
from ingest.pipeline import publish

EMBEDDER = FakeEmbedder()
IDENTITY = CorpusIdentity("fake", "fake", "recipe")


@dataclass(frozen=True)
class Told:
    """A document of a test: parts that become chunks, each with so many windows."""

    parts: tuple[str, ...]
    title: str = "Terms"
    language: str = "en"
    date: str = ""
    windows: int = 1
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def document(self) -> Document:
        blocks = tuple(Block(part, heading_path=(f"{self.title} {number}",)) for number, part in enumerate(self.parts))
        return Document(
            self.title, blocks, "markdown", 1, self.date, self.language, dict(self.metadata), ("a warning",)
        )

    def chunks(self) -> Iterator[Chunk]:
        text, end = self.document.text, 0
        for number, part in enumerate(self.parts):
            start = text.index(part, end)
            end = start + len(part)
            words = part.split()
            step = max(1, math.ceil(len(words) / self.windows))
            windows = tuple(" ".join(words[first : first + step]) for first in range(0, len(words), step))
            yield Chunk(start, end, part, self.title, f"{self.title} {number}", "", windows)


@dataclass
class Store:
    """A store that is written to and read again."""

    catalog: Catalog
    opened: Callable[[], Index]
    """One more reader of what is there."""
    brought: Callable[[], None]
    """What the catalog has published is there now."""
    index: Index

    def publish(self, files: Mapping[str, Told | str], root: str = "/docs") -> None:
        """Make these the files of the corpus; a text is why one could not be read."""
        known = self.catalog.document_ids()
        rows = []
        with self.catalog.transaction():
            for path, told in files.items():
                if isinstance(told, str):
                    rows.append(FileRow(root, path, 1, 2, path, None, told))
                    continue
                key = repr(told)
                if key not in known:
                    chunks = [*told.chunks()]
                    vectors = EMBEDDER.embed_texts([window for chunk in chunks for window in chunk.windows])
                    known[key] = self.catalog.stage(key, told.document, chunks, [*vectors], "fake")
                rows.append(FileRow(root, path, 1, 2, key, known[key]))
        publish(self.catalog, self.catalog.files(), rows, IDENTITY)
        self.brought()


HAIL = Told(
    ("Hail on the roof is insured.", "The deductible is 150 euros.", "Ask how long it takes."), date="2024-01-31"
)
TRIP = Told(("A trip may last up to 56 days abroad.",), "Trips", date="2025", metadata={"author": 'Anna\'s "A"'})
FRIST = Told(("Die Kündigungsfrist beträgt drei Monate.",), "Kündigung", "de")
LONG = Told((" ".join(f"clause {number} insured" for number in range(12)),), "Long", windows=4)
FILES: Mapping[str, Told | str] = {
    "policies/home/hail.md": HAIL,
    "policies/trip's.md": TRIP,
    "old/hail copy.md": HAIL,
    "de/frist.md": FRIST,
    "policies_x/long_%.md": LONG,
    "empty.pdf": "empty.pdf is empty",
}


@pytest.fixture(params=["catalog", "lance"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    folder = tmp_path / "corpora" / "claims"
    shared = Shared(f"lance:{tmp_path}/shared")

    def opened() -> Index:
        return Catalog(folder) if request.param == "catalog" else LanceIndex(shared, "claims")

    with closing(Catalog(folder)) as catalog, closing(opened()) as index:

        def brought() -> None:
            if request.param != "catalog":
                bring(catalog, shared)

        yield Store(catalog, opened, brought, index)


@pytest.fixture
def full(store: Store) -> Iterator[Store]:
    store.publish(FILES)
    with store.index.snapshot():
        yield store


def bm25(index: Index, query: list[str], phrases: list[str]) -> dict[int, float]:
    """By the formula of Robertson and Zaragoza 2009, words of the context one and a half times."""
    chunks = index.chunks_in(Filter())
    held = {one.id: (terms(one.context, one.language), terms(one.text, one.language)) for one in chunks}
    mean = sum(len(context) + len(text) for context, text in held.values()) / len(held)
    scores: defaultdict[int, float] = defaultdict(float)
    for term in [*query, *phrases]:
        words = term.split()

        def times(some: list[str], words: list[str] = words) -> int:
            return sum(some[first : first + len(words)] == words for first in range(len(some)))

        counts = {id_: (times(context), times(text)) for id_, (context, text) in held.items()}
        count = sum(any(one) for one in counts.values())
        weight = max(1e-6, math.log((len(held) - count + 0.5) / (count + 0.5)))
        for id_, (context, text) in counts.items():
            if context or text:
                weighed = 1.5 * context + text
                part = 0.25 + 0.75 * sum(map(len, held[id_])) / mean
                scores[id_] += weight * 2.2 * weighed / (weighed + 1.2 * part)
    return dict(scores)


def cosines(index: Index, question: str) -> dict[int, float]:
    """Of the nearest window of each chunk."""
    vector = EMBEDDER.embed_question(question)
    documents = {told.title: told for told in FILES.values() if isinstance(told, Told)}
    found = {}
    for one in index.chunks_in(Filter()):
        chunk = next(chunk for chunk in documents[one.title].chunks() if chunk.start == one.start)
        windows = EMBEDDER.embed_texts(list(chunk.windows)).astype(np.float16).astype(np.float32)
        found[one.id] = float((windows @ vector).max())
    return found


FILTERS = (
    Filter(("policies/trip's.md",)),
    Filter(("policies/home/hail.md", "de/frist.md")),
    Filter(folder="policies"),
    Filter(folder="polic*"),
    Filter(folder="policies?x/*%.md"),
    Filter(folder="[!o]*/hail*"),
    Filter(folder="[^od-e]*"),
    Filter(metadata={"language": "de"}),
    Filter(metadata={"author": 'Anna\'s "A"', "format": "markdown"}),
    Filter(metadata={"author": "Anna"}),
    Filter(metadata={"title": "Trips"}, since="2024"),
    Filter(since="2024-01-31", until="2024"),
    Filter(since="2024-01", until="2024"),
    Filter(until="2025"),
    Filter(("old/hail copy.md",), "policies"),
)


def wanted_by(only: Filter, path: str, told: Told) -> bool:
    """Whether a file fits, as ``Filter`` says it; in SQLite's patterns only ``^`` says what may not stand there."""
    from fnmatch import translate
    from re import match

    known = {"title": told.title, "language": told.language, "format": "markdown", "date": told.date}
    glob = (
        only.folder.replace("[!o]", "[o!]").replace("[^", "[!") if set("*?[") & set(only.folder) else f"{only.folder}/*"
    )
    return (
        (not only.documents or path in only.documents)
        and (not only.folder or bool(match(translate(glob), path)))
        and all({**told.metadata, **known}.get(name) == value for name, value in only.metadata.items())
        and (not only.since or told.date >= only.since)
        and (not only.until or (told.date != "" and told.date[: len(only.until)] <= only.until))
    )


def test_before_anything_is_published_it_holds_nothing(store: Store) -> None:
    with store.index.snapshot():
        assert store.index.generation() == 0 and store.index.identity() is None
        assert store.index.files() == [] and not store.index.holds(Filter())


def test_it_tells_what_was_published(full: Store) -> None:
    index, catalog = full.index, full.catalog
    assert (index.name, index.generation(), index.identity()) == ("claims", 1, IDENTITY)
    assert index.counts() == catalog.counts() and (index.counts().chunks, index.counts().windows) == (6, 9)
    assert index.languages() == {"en": 5, "de": 1}
    assert index.files() == catalog.files() and len(index.files()) == 6
    assert [row.path for row in index.files("empty.pdf")] == ["empty.pdf"] and index.files("none") == []
    hail = index.files("policies/home/hail.md")[0].document_id
    assert [row.path for row in index.files(document_id=hail)] == ["old/hail copy.md", "policies/home/hail.md"]
    key = {one.id: one for one in index.document_summaries()}
    assert key == {one.id: one for one in catalog.document_summaries()}
    assert index.document_summaries(hail) == [key[hail or 0]] and key[hail or 0].warnings == ("a warning",)
    assert sorted(index.dated_titles()) == sorted(catalog.dated_titles())
    assert index.size_bytes() > 0 and index.is_current


def test_a_document_can_be_read_in_whole_and_in_part(full: Store) -> None:
    for row in full.index.files():
        if (id_ := row.document_id) is None:
            continue
        told = FILES[row.path]
        assert isinstance(told, Told)
        text = told.document.text
        assert full.index.text(id_) == text and full.index.text(id_, 3, 11) == text[3:11]
        assert full.index.page_starts(id_, 0, 5) == full.catalog.page_starts(id_, 0, 5)
        for start, end in ((0, len(text)), (5, 6), (len(text) - 1, len(text))):
            assert full.index.blocks(id_, start, end) == full.catalog.blocks(id_, start, end) != ()
        assert full.index.headed_chunks(id_) == full.catalog.headed_chunks(id_) != []


def test_the_nearest_chunks_come_first_each_with_its_nearest_window(full: Store) -> None:
    for question in ("clause 11 insured", "a trip abroad", "hail on the roof"):
        wanted = cosines(full.index, question)
        found = full.index.nearest(EMBEDDER.embed_question(question), 100)
        assert dict(found) == pytest.approx(wanted, abs=1e-5) and len(found) == len(wanted)
        assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
        few = full.index.nearest(EMBEDDER.embed_question(question), 2)
        assert 0 < len(few) <= 2 and few == found[: len(few)]


@pytest.mark.parametrize(
    ("query", "phrases"),
    [(["hail"], []), (["insur", "roof", "term"], []), (["trip", "hail", "none"], []), (["long"], ["how long"]),
     (["it"], ["how long it take"]), ([], ["long how"]), (["00frist"[:6]], [])],
)  # fmt: skip
def test_full_text_ranks_by_bm25(full: Store, query: list[str], phrases: list[str]) -> None:
    wanted = bm25(full.index, query, phrases)
    found = full.index.match(query, 100, phrases=phrases)
    assert dict(found) == pytest.approx(wanted, rel=1e-4)
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
    assert full.index.match(query, 1, phrases=phrases) == found[:1]


def test_it_knows_how_many_chunks_hold_a_term(full: Store) -> None:
    held = [{*terms(one.context, "en"), *terms(one.text, "en")} for one in full.index.chunks_in(Filter())]
    counted = Counter(term for some in held for term in some)
    asked = ["hail", "insur", "term", "none", "it's", "trip"]
    assert full.index.document_frequencies(asked) == {term: counted[term] for term in asked if counted[term]}
    assert full.index.document_frequencies([]) == {}


@pytest.mark.parametrize("only", FILTERS, ids=repr)
def test_a_filter_leaves_of_everything_what_fits(full: Store, only: Filter) -> None:
    index = full.index
    fits = {path for path, told in FILES.items() if isinstance(told, Told) and wanted_by(only, path, told)}
    paths = {
        one.id: {row.path for row in index.files(document_id=one.document_id)} for one in index.chunks_in(Filter())
    }
    allowed = {id_ for id_, its in paths.items() if its & fits}
    assert index.holds(only) == bool(fits) and index.count(only) == len(fits)
    assert {one.id for one in index.chunks_in(only)} == allowed
    vector = EMBEDDER.embed_question("insured hail trip")
    words = ["insur", "trip", "monat"]
    for found, everything in (
        (index.nearest(vector, 100, only), index.nearest(vector, 100)),
        (index.match(words, 100, only, ["how long"]), index.match(words, 100, None, ["how long"])),
    ):
        assert found == [one for one in everything if one[0] in allowed]
    shown = index.chunks([*allowed, 10_000], only)
    assert shown.keys() == allowed
    for one in shown.values():
        assert one.document == min(paths[one.id] & fits)


def test_chunks_are_shown_as_they_were_cut(full: Store) -> None:
    ids = [one.id for one in full.index.chunks_in(Filter())]
    assert ids == sorted(ids) and [one.id for one in full.index.chunks_in(Filter(), 2)] == ids[:2]
    assert full.index.chunks(ids) == full.catalog.chunks(ids)
    assert full.index.chunks([]) == {} and full.index.chunks([max(ids) + 1]) == {}


def test_a_snapshot_sees_nothing_of_a_publish_and_the_next_one_all(full: Store) -> None:
    index = full.index
    before = index.chunks_in(Filter())
    fresh = Told(("Frost is insured as well.",), "Frost")
    full.publish({"frost.md": fresh, "policies/trip's.md": TRIP})
    assert index.generation() == 1 and index.chunks_in(Filter()) == before and len(index.files()) == 6
    assert [one for one, _ in index.match(["frost"], 5)] == []
    with closing(full.opened()) as other, other.snapshot():
        assert other.generation() == 2 and other.counts() == full.catalog.counts()
        assert {row.path for row in other.files()} == {"frost.md", "policies/trip's.md"}
        assert len(other.match(["frost"], 5)) == 1 and other.match(["hail"], 5) == []
        assert len(other.nearest(EMBEDDER.embed_question("hail"), 10)) == 2
        assert other.document_frequencies(["hail", "insur", "trip"]) == {"insur": 1, "trip": 1}


def test_a_file_that_moved_is_found_under_its_new_path_alone(store: Store) -> None:
    store.publish({"a.md": HAIL, "b.md": TRIP})
    store.publish({"moved/a.md": HAIL, "b.md": TRIP})
    with store.index.snapshot():
        assert store.index.generation() == 2
        assert {one.document for one in store.index.chunks_in(Filter())} == {"moved/a.md", "b.md"}
        assert not store.index.holds(Filter(("a.md",))) and store.index.count(Filter(folder="moved")) == 1
        assert len(store.index.nearest(EMBEDDER.embed_question("hail"), 10)) == 4


def test_a_changed_document_takes_the_place_of_the_one_before(store: Store) -> None:
    store.publish({"a.md": HAIL, "b.md": TRIP})
    store.publish({"a.md": replace(HAIL, parts=("Snow on the roof is not insured.",)), "b.md": TRIP})
    with store.index.snapshot():
        assert store.index.match(["hail"], 5) == [] and len(store.index.match(["snow"], 5)) == 1
        assert dict(store.index.match(["roof", "term"], 5)) == pytest.approx(bm25(store.index, ["roof", "term"], []))
        assert store.index.counts() == store.catalog.counts()


def test_an_emptied_corpus_finds_nothing(store: Store) -> None:
    store.publish({"a.md": HAIL})
    store.publish({"b.md": "cannot be read"})
    with store.index.snapshot():
        assert store.index.nearest(EMBEDDER.embed_question("hail"), 3) == [] == store.index.match(["hail"], 3)
        assert store.index.chunks_in(Filter()) == [] and store.index.counts().chunks == 0
        assert [row.failure for row in store.index.files()] == ["cannot be read"]


def test_a_calibration_comes_along_and_is_read_once(store: Store) -> None:
    store.publish({"a.md": HAIL})
    with store.index.snapshot():
        assert store.index.calibration() is None
    (store.catalog.folder / CALIBRATION_FILE).write_text(json.dumps({"threshold": 1}))
    store.brought()
    with store.index.snapshot():
        content = store.index.calibration()
        assert content == b'{"threshold": 1}' and store.index.calibration() is content
