"""A plan is the whole difference between disk and corpus, and hashes no more than it must."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.errors import ReadError
from assistant.store.sql import FileRow
from ingest.changes import Entry, FoundFile, make_plan

NAMES = ["a.md", "b.md", "c.txt", "sub/a.md", "sub/d.md", "sub/deep/e.md"]


class Corpus:
    """The files table as the pipeline would keep it, with contents instead of documents."""

    def __init__(self) -> None:
        self.rows: list[FileRow] = []
        self.hashed: list[str] = []

    def plan(self, *targets: Path) -> list[Entry]:
        self.hashed.clear()
        return make_plan(self.rows, targets, self._hash, lambda row: bool(row.failure))

    def follow(self, plan: Sequence[Entry]) -> None:
        replaced = {(entry.known.root, entry.known.path) for entry in plan if entry.known}
        self.rows = [row for row in self.rows if (row.root, row.path) not in replaced]
        self.rows += [
            FileRow(str(entry.root), entry.path, entry.file.size, entry.file.modified_ns, entry.hash, 1)
            for entry in plan
            if entry.file
        ]

    def _hash(self, file: FoundFile) -> str:
        self.hashed.append(file.path)
        return file.location.read_text("utf-8")


def put(root: Path, name: str, content: str, time: int) -> None:
    import os

    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, "utf-8")
    os.utime(file, ns=(time, time))


EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from(NAMES), st.sampled_from(["one", "two", "three"])),
        st.tuples(st.just("delete"), st.sampled_from(NAMES), st.just("")),
        st.tuples(st.just("rename"), st.sampled_from(NAMES), st.sampled_from(NAMES)),
        st.tuples(st.just("touch"), st.sampled_from(NAMES), st.just("")),
    ),
    max_size=5,
)
TARGETS = st.lists(st.sampled_from(["", "sub", "sub/deep", "."]), min_size=0, max_size=3)


@settings(max_examples=150)
@given(steps=st.lists(st.tuples(EDITS, TARGETS), min_size=1, max_size=5))
def test_whatever_happens_on_disk_the_corpus_follows(
    steps: list[tuple[list[tuple[str, str, str]], list[str]]],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        corpus, clock = Corpus(), 1_000
        put(root, "sub/deep/always.md", "always", 1)
        for edits, targets in steps:
            for kind, one, other in edits:
                clock += 1
                if kind == "write":
                    put(root, one, other, clock)
                elif kind == "delete":
                    (root / one).unlink(missing_ok=True)
                elif (root / one).exists():
                    put(root, one, (root / one).read_text("utf-8"), clock)
                    if kind == "rename":
                        (root / other).parent.mkdir(parents=True, exist_ok=True)
                        (root / one).replace(root / other)
            plan = corpus.plan(*(root / target for target in targets))
            corpus.follow(plan)
            assert len({(row.root, row.path) for row in corpus.rows}) == len(corpus.rows)
            # What lies in a target is as on disk, each file once; and a second look finds nothing.
            known = {Path(row.root, row.path): row.hash for row in corpus.rows}
            for target in targets:
                inside = {file: file.read_text("utf-8") for file in (root / target).rglob("*.*") if file.is_file()}
                assert {file: one for file, one in known.items() if file.is_relative_to(root / target)} == inside
            assert {entry.kind for entry in corpus.plan(*(root / target for target in targets))} <= {"unchanged"}
            assert corpus.hashed == []
        corpus.follow(corpus.plan(root))
        assert {row.path: row.hash for row in corpus.rows} == {
            file.relative_to(root).as_posix(): file.read_text("utf-8") for file in root.rglob("*.*") if file.is_file()
        }


def test_a_file_that_cannot_be_hashed_fails_alone(docs: Path) -> None:
    put(docs, "a.md", "one", 1)
    put(docs, "b.md", "two", 1)

    def refusing(file: FoundFile) -> str:
        if file.path == "a.md":
            raise ReadError("a.md cannot be read.", "Check its rights.")
        return "hash"

    plan = make_plan([], [docs], refusing, lambda _: False)
    assert [(entry.path, entry.kind) for entry in plan] == [("a.md", "failed"), ("b.md", "added")]
    assert plan[0].message == "a.md cannot be read. Check its rights."


def test_several_files_of_the_same_bytes_are_paired_one_to_one(docs: Path) -> None:
    corpus = Corpus()
    for name in ("a.md", "b.md"):
        put(docs, name, "same", 1)
    corpus.follow(corpus.plan(docs))
    for name in ("a.md", "b.md"):
        (docs / name).unlink()
    for name in ("x.md", "y.md", "z.md"):
        put(docs, name, "same", 2)
    kinds = sorted(entry.kind for entry in corpus.plan(docs))
    assert kinds == ["added", "renamed", "renamed"]
