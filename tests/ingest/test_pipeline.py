"""An ingest makes the corpus say what the folders say, and does no more work than the difference asks for."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeEmbedder
from reading_here import read_here

from assistant.artifacts.command_reports import IngestReport
from assistant.config import Settings
from assistant.doctor import _corpus
from assistant.errors import IdentityError, IngestError, UsageError, WorkspaceBusy, WorkspaceError
from assistant.retrieval.embedder import Embedder
from assistant.store import index as index_module
from assistant.store.catalog import CATALOG_FILE, Catalog
from assistant.store.index import StoredChunk
from assistant.store.vectors import open_index
from assistant.workspace import DEFAULT_CORPUS, Workspace, write_lock
from ingest import pipeline
from ingest.forgetting import forget
from ingest.worker import ReadResult, Recipe, Task, read_all

BROKEN_PDF = b"%PDF-1.7 nothing of the kind"


class Bench:
    """One corpus under test: ingests with the fake embedder and notes which files were read."""

    def __init__(self, workspace: Workspace, settings: Settings, embedder: FakeEmbedder) -> None:
        self.workspace = workspace
        self.settings = settings
        self.embedder = embedder
        self.read: list[str] = []

    def ingest(
        self,
        *targets: Path,
        corpus: str = DEFAULT_CORPUS,
        settings: Settings | None = None,
        embedder: FakeEmbedder | None = None,
        dry_run: bool = False,
        confirmed: bool = False,
        rebuild: bool = False,
    ) -> IngestReport:
        self.read.clear()
        self.embedder.embedded.clear()
        return pipeline.ingest(
            self.workspace,
            corpus,
            targets,
            settings or self.settings,
            dry_run=dry_run,
            confirmed=confirmed,
            rebuild=rebuild,
            embedder=embedder or self.embedder,
        )

    @contextmanager
    def catalog(self, corpus: str = DEFAULT_CORPUS) -> Iterator[Catalog]:
        catalog = Catalog(self.workspace.corpus(corpus))
        try:
            yield catalog
        finally:
            catalog.close()

    def found(self, words: str, corpus: str = DEFAULT_CORPUS) -> list[StoredChunk]:
        """Chunks for some words, best dense hit first: what a search would see."""
        with self.catalog(corpus) as catalog, catalog.snapshot():
            index = open_index(catalog, catalog.generation())
            hits = index.search(self.embedder.embed_question(words), 3)
            chunks = catalog.chunks([one for one, _ in hits])
            return [chunks[one] for one, _ in hits]

    def texts(self, corpus: str = DEFAULT_CORPUS) -> dict[str, str]:
        """Path → text of its document, for all files that have one."""
        with self.catalog(corpus) as catalog:
            return {row.path: catalog.text(row.document_id) for row in catalog.files() if row.document_id}


@pytest.fixture
def bench(workspace: Workspace, settings: Settings, embedder: FakeEmbedder, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench(workspace, settings, embedder)

    def noting(tasks: Sequence[Task], recipe: Recipe) -> Iterator[ReadResult]:
        made.read.extend(task.location.name for task in tasks)
        yield from read_here(tasks, recipe)

    monkeypatch.setattr(pipeline, "read_all", noting)
    return made


def fill(folder: Path, *names: str) -> None:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"The file {name} speaks about {Path(name).stem} and nothing else.", "utf-8")


def statuses(report: IngestReport) -> dict[str, str]:
    return {file.path: file.status for file in report.files}


def age(file: Path) -> None:
    """Give a file another modification time."""
    status = file.stat()
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns - 1_000_000_000))


# What is read, and what is not


def test_unchanged_files_are_not_even_opened(bench: Bench, docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(docs, "a.md", "b.md")
    bench.ingest(docs)
    assert sorted(bench.read) == ["a.md", "b.md"]
    monkeypatch.setattr(pipeline, "file_hash", lambda file: pytest.fail(f"{file} was opened"))
    report = bench.ingest(docs)
    assert (bench.read, bench.embedder.embedded) == ([], [])
    assert report.counts == {"unchanged": 2}
    assert (report.documents, report.chunks) == (2, 2)


def test_a_touched_file_is_hashed_but_not_read_and_then_unchanged(bench: Bench, docs: Path) -> None:
    fill(docs, "a.md")
    bench.ingest(docs)
    age(docs / "a.md")
    assert statuses(bench.ingest(docs)) == {"a.md": "touched"}
    assert bench.read == []
    assert statuses(bench.ingest(docs)) == {"a.md": "unchanged"}


def test_an_ingest_without_differences_publishes_nothing(bench: Bench, docs: Path) -> None:
    fill(docs, "a.md")
    bench.ingest(docs)
    bench.ingest(docs)
    with bench.catalog() as catalog:
        assert catalog.generation() == 1


def test_a_changed_file_is_read_and_its_old_text_is_gone(bench: Bench, docs: Path) -> None:
    fill(docs, "a.md", "b.md")
    bench.ingest(docs)
    (docs / "a.md").write_text("Marmalade comes from oranges.", "utf-8")
    assert statuses(bench.ingest(docs)) == {"a.md": "updated", "b.md": "unchanged"}
    assert bench.read == ["a.md"]
    assert bench.found("marmalade oranges")[0].document == "a.md"
    with bench.catalog() as catalog:
        assert catalog.counts().chunks == 2
        assert len(catalog.document_ids()) == 2


def test_a_change_that_keeps_the_size_is_seen_by_its_time(bench: Bench, docs: Path) -> None:
    (docs / "a.md").write_text("The premium is 100 euros.", "utf-8")
    bench.ingest(docs)
    (docs / "a.md").write_text("The premium is 900 euros.", "utf-8")
    age(docs / "a.md")
    bench.ingest(docs)
    assert bench.texts()["a.md"] == "The premium is 900 euros."


def test_a_renamed_file_is_not_read_and_is_found_under_its_new_name(bench: Bench, docs: Path) -> None:
    fill(docs, "a.md", "b.md")
    bench.ingest(docs)
    (docs / "sub").mkdir()
    (docs / "a.md").rename(docs / "sub" / "z.md")
    report = bench.ingest(docs)
    assert statuses(report) == {"sub/z.md": "renamed", "b.md": "unchanged"}
    assert next(file.message for file in report.files if file.status == "renamed") == "was a.md"
    assert bench.read == []
    assert bench.found("a.md speaks")[0].document == "sub/z.md"
    assert bench.found("a.md speaks")[0].location == docs / "sub" / "z.md"


def test_swapped_names_swap_documents(bench: Bench, docs: Path) -> None:
    fill(docs, "a.md", "b.md")
    bench.ingest(docs)
    before = bench.texts()
    (docs / "a.md").rename(docs / "x.md")
    (docs / "b.md").rename(docs / "a.md")
    (docs / "x.md").rename(docs / "b.md")
    age(docs / "a.md")
    bench.ingest(docs)
    assert bench.read == []
    assert bench.texts() == {"a.md": before["b.md"], "b.md": before["a.md"]}


def test_a_renamed_suffix_is_read_anew_because_another_reader_reads_it(bench: Bench, docs: Path) -> None:
    (docs / "a.md").write_text("# Head\n\nText.", "utf-8")
    fill(docs, "b.md", "c.md")
    bench.ingest(docs)
    (docs / "a.md").rename(docs / "a.txt")
    bench.ingest(docs)
    assert bench.read == ["a.txt"]


def test_a_deleted_file_is_forgotten_with_everything_of_it(bench: Bench, docs: Path) -> None:
    fill(docs, "a.md", "b.md")
    bench.ingest(docs)
    (docs / "a.md").unlink()
    report = bench.ingest(docs)
    assert statuses(report) == {"b.md": "unchanged", "a.md": "forgotten"}
    assert (report.documents, report.chunks) == (1, 1)
    assert [chunk.document for chunk in bench.found("a.md speaks")] == ["b.md"]
    with bench.catalog() as catalog:
        assert len(catalog.match(["file"], 10)) == 1
        assert len(catalog.document_ids()) == 1


def test_identical_files_are_read_and_stored_once(bench: Bench, docs: Path) -> None:
    fill(docs, "a.md")
    (docs / "copy.md").write_bytes((docs / "a.md").read_bytes())
    report = bench.ingest(docs)
    assert len(bench.read) == 1
    assert (report.documents, report.chunks) == (1, 1)
    (docs / "a.md").unlink()
    bench.ingest(docs)
    assert bench.found("speaks")[0].document == "copy.md"


def test_a_failed_file_is_tried_again_and_again(bench: Bench, docs: Path) -> None:
    fill(docs, "good.md")
    (docs / "bad.pdf").write_bytes(BROKEN_PDF)
    for _ in range(2):
        report = bench.ingest(docs)
        assert statuses(report)["bad.pdf"] == "failed"
        assert "bad.pdf" in bench.read
        assert not report.is_failure


def test_a_file_that_breaks_keeps_answering_with_its_earlier_version(bench: Bench, docs: Path) -> None:
    fill(docs, "a.txt")
    bench.ingest(docs)
    before = bench.texts()
    (docs / "a.txt").write_bytes(b"   \n")
    report = bench.ingest(docs)
    assert statuses(report) == {"a.txt": "failed"}
    assert bench.texts() == before
    (docs / "a.txt").write_text("Mended.", "utf-8")
    assert statuses(bench.ingest(docs)) == {"a.txt": "updated"}
    assert bench.texts() == {"a.txt": "Mended."}


def test_renaming_a_broken_file_does_not_pass_its_earlier_version_off_as_its_text(bench: Bench, docs: Path) -> None:
    fill(docs, "a.txt", "b.txt")
    bench.ingest(docs)
    (docs / "a.txt").write_bytes(b"   \n")
    bench.ingest(docs)
    (docs / "a.txt").rename(docs / "z.txt")
    assert statuses(bench.ingest(docs))["z.txt"] == "failed"
    assert set(bench.texts()) == {"b.txt"}


def test_reverting_a_change_during_a_failure_needs_no_reading(bench: Bench, docs: Path) -> None:
    fill(docs, "a.txt")
    content = (docs / "a.txt").read_bytes()
    bench.ingest(docs)
    (docs / "a.txt").write_bytes(b" ")
    bench.ingest(docs)
    (docs / "a.txt").write_bytes(content)
    report = bench.ingest(docs)
    assert bench.read == []
    assert statuses(report) == {"a.txt": "updated"}
    assert statuses(bench.ingest(docs)) == {"a.txt": "unchanged"}


# Vectors


def test_only_the_changed_part_of_a_document_is_embedded(bench: Bench, docs: Path) -> None:
    sections = [f"## Part {number}\n\n{f'Word{number} is said here. ' * 30}" for number in range(8)]
    (docs / "a.md").write_text("# Book\n\n" + "\n\n".join(sections), "utf-8")
    first = bench.ingest(docs)
    assert len(bench.embedder.embedded) == first.chunks >= 8
    sections[3] = sections[3].replace("Word3", "Other")
    (docs / "a.md").write_text("# Book\n\n" + "\n\n".join(sections), "utf-8")
    bench.ingest(docs)
    assert bench.read == ["a.md"]
    assert 1 <= len(bench.embedder.embedded) <= 2
    assert all("Other" in text for text in bench.embedder.embedded)


def test_stored_vectors_are_those_of_the_chunks(bench: Bench, docs: Path) -> None:
    fill(docs, "a.md", "b.md", "c.md")
    bench.ingest(docs)
    with bench.catalog() as catalog:
        for ids, stored in catalog.live_vectors():
            chunks = catalog.chunks([int(one) for one in ids])
            wanted = bench.embedder.embed_texts([f"{chunks[int(one)].context}\n{chunks[int(one)].text}" for one in ids])
            np.testing.assert_allclose(stored, wanted, atol=1e-3)


# Targets


def test_no_targets_means_all_known_roots(bench: Bench, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    fill(one, "a.md")
    fill(two, "b.md")
    bench.ingest(one, two)
    fill(one, "c.md")
    fill(two, "d.md")
    assert statuses(bench.ingest()) == {
        "a.md": "unchanged", "c.md": "added", "b.md": "unchanged", "d.md": "added",
    }  # fmt: skip


def test_a_target_says_nothing_of_other_roots(bench: Bench, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    fill(one, "a.md")
    fill(two, "b.md")
    bench.ingest(one)
    bench.ingest(two)
    (one / "a.md").unlink()
    assert statuses(bench.ingest(two)) == {"b.md": "unchanged"}
    assert set(bench.texts()) == {"a.md", "b.md"}


@pytest.mark.parametrize("order", ["child first", "parent first", "together", "together reversed"])
def test_a_folder_inside_another_is_known_once(bench: Bench, docs: Path, order: str) -> None:
    fill(docs, "a.md", "sub/b.md", "sub/deep/c.md")
    targets = [[docs / "sub"], [docs]]
    if order == "parent first":
        targets.reverse()
    if order.startswith("together"):
        targets = [[docs, docs / "sub"] if order == "together" else [docs / "sub", docs]]
    for some in targets:
        bench.ingest(*some)
    with bench.catalog() as catalog:
        assert [(row.root, row.path) for row in catalog.files()] == [
            (str(docs), "a.md"), (str(docs), "sub/b.md"), (str(docs), "sub/deep/c.md"),
        ]  # fmt: skip
    bench.ingest()
    assert bench.read == []


def test_a_wider_folder_takes_over_the_files_of_a_narrower_one_without_reading(bench: Bench, docs: Path) -> None:
    fill(docs, "sub/a.md", "sub/b.md")
    bench.ingest(docs / "sub")
    report = bench.ingest(docs)
    assert bench.read == []
    assert statuses(report) == {"sub/a.md": "renamed", "sub/b.md": "renamed"}
    fill(docs, "c.md")
    assert statuses(bench.ingest())["c.md"] == "added"


def test_a_wider_folder_after_all_files_changed_loses_nothing(bench: Bench, docs: Path) -> None:
    fill(docs, "sub/a.md")
    bench.ingest(docs / "sub")
    (docs / "sub" / "a.md").write_text("Quite another text.", "utf-8")
    assert statuses(bench.ingest(docs)) == {"sub/a.md": "updated"}
    assert bench.texts() == {"sub/a.md": "Quite another text."}


def test_the_same_target_twice_is_one(bench: Bench, docs: Path) -> None:
    fill(docs, "a.md")
    assert statuses(bench.ingest(docs, docs, docs / "a.md")) == {"a.md": "added"}


def test_another_spelling_of_a_folder_is_the_same_folder(
    bench: Bench, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(docs, "a.md", "sub/b.md")
    bench.ingest(docs)
    monkeypatch.chdir(docs / "sub")
    for spelling in (Path(".."), docs / "sub" / "..", docs / "." / ".." / docs.name):
        assert set(statuses(bench.ingest(spelling)).values()) == {"unchanged"}
    with bench.catalog() as catalog:
        assert {row.root for row in catalog.files()} == {str(docs)}


def test_a_single_file_is_a_target(bench: Bench, docs: Path) -> None:
    fill(docs, "a.md", "b.md")
    assert statuses(bench.ingest(docs / "a.md")) == {"a.md": "added"}
    assert bench.found("speaks")[0].location == docs / "a.md"
    assert statuses(bench.ingest()) == {"a.md": "unchanged"}
    # Its folder takes it over.
    assert statuses(bench.ingest(docs)) == {"a.md": "unchanged", "b.md": "added"}
    with bench.catalog() as catalog:
        assert {row.root for row in catalog.files()} == {str(docs)}


def test_a_part_of_a_known_folder_can_be_ingested_alone(bench: Bench, docs: Path) -> None:
    fill(docs, "a.md", "sub/b.md", "sub/c.md")
    bench.ingest(docs)
    fill(docs, "new.md", "sub/new.md")
    (docs / "sub" / "b.md").unlink()
    report = bench.ingest(docs / "sub")
    assert statuses(report) == {"sub/c.md": "unchanged", "sub/new.md": "added", "sub/b.md": "forgotten"}
    assert set(bench.texts()) == {"a.md", "sub/c.md", "sub/new.md"}


def test_a_known_part_that_is_gone_is_forgotten(bench: Bench, docs: Path) -> None:
    fill(docs, "a.md", "b.md", "sub/c.md")
    bench.ingest(docs)
    (docs / "sub" / "c.md").unlink()
    (docs / "sub").rmdir()
    assert statuses(bench.ingest(docs / "sub")) == {"sub/c.md": "forgotten"}


def test_a_folder_that_never_was_is_wrong_usage_and_changes_nothing(bench: Bench, docs: Path) -> None:
    fill(docs, "a.md")
    with pytest.raises(UsageError, match="no folder or file"):
        bench.ingest(docs, docs.parent / "nowhere")
    with bench.catalog() as catalog:
        assert catalog.generation() == 0


def test_corpora_do_not_see_each_other(bench: Bench, tmp_path: Path) -> None:
    fill(tmp_path / "one", "a.md")
    fill(tmp_path / "two", "b.md")
    bench.ingest(tmp_path / "one", corpus="one")
    bench.ingest(tmp_path / "two", corpus="two")
    assert set(bench.texts("one")) == {"a.md"}
    assert set(bench.texts("two")) == {"b.md"}
    assert bench.workspace.corpus_names() == ("one", "two")


@pytest.mark.parametrize("name", ["../x", "", ".hidden", "a/b", "a\\b", "x" * 65, "-o", "ä"])
def test_a_corpus_name_cannot_leave_the_workspace(bench: Bench, docs: Path, name: str) -> None:
    with pytest.raises(UsageError):
        bench.ingest(docs, corpus=name)


# Care


def snapshot(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_a_dry_run_tells_the_difference_and_changes_not_a_byte(bench: Bench, docs: Path) -> None:
    fill(docs, "a.md", "b.md", "c.md", "d.md", "e.md")
    bench.ingest(docs)
    before = snapshot(bench.workspace.root)
    (docs / "a.md").write_text("Changed.", "utf-8")
    (docs / "b.md").rename(docs / "z.md")
    (docs / "c.md").unlink()
    age(docs / "d.md")
    fill(docs, "new.md")
    report = bench.ingest(docs, dry_run=True)
    assert report.dry_run
    assert bench.read == []
    assert statuses(report) == {
        "a.md": "updated", "z.md": "renamed", "c.md": "forgotten", "d.md": "touched", "e.md": "unchanged",
        "new.md": "added",
    }  # fmt: skip
    assert (report.documents, report.chunks) == (5, 5)
    assert snapshot(bench.workspace.root) == before
    # And the real run does what was foretold.
    assert statuses(bench.ingest(docs)) == statuses(report)


def test_a_dry_run_of_a_new_corpus_leaves_no_trace(bench: Bench, docs: Path) -> None:
    fill(docs, "a.md")
    assert statuses(bench.ingest(docs, dry_run=True)) == {"a.md": "added"}
    assert not bench.workspace.root.exists()


def test_forgetting_more_than_half_needs_consent(bench: Bench, docs: Path) -> None:
    fill(docs, "a.md", "b.md", "c.md", "d.md")
    bench.ingest(docs)
    for name in ("a.md", "b.md", "c.md"):
        (docs / name).unlink()
    with pytest.raises(IngestError, match=r"3 of 4 files.*--yes"):
        bench.ingest(docs)
    assert len(bench.texts()) == 4
    foretold = bench.ingest(docs, dry_run=True)
    assert foretold.counts == {"forgotten": 3, "unchanged": 1} and "--yes" in foretold.objection
    assert bench.ingest(docs, dry_run=True, confirmed=True).objection == ""
    assert bench.ingest(docs, confirmed=True).objection == ""
    assert set(bench.texts()) == {"d.md"}


def test_forgetting_half_is_a_day_like_any_other(bench: Bench, docs: Path) -> None:
    fill(docs, "a.md", "b.md")
    bench.ingest(docs)
    (docs / "a.md").unlink()
    assert bench.ingest(docs).counts == {"forgotten": 1, "unchanged": 1}


def test_a_small_folder_that_is_gone_needs_consent_too(bench: Bench, tmp_path: Path) -> None:
    fill(tmp_path / "share", "a.md")
    fill(tmp_path / "big", "b.md", "c.md", "d.md")
    bench.ingest(tmp_path / "share", tmp_path / "big")
    (tmp_path / "share").rename(tmp_path / "unmounted")
    with pytest.raises(IngestError, match=r"there is no .*share any more"):
        bench.ingest()
    (tmp_path / "unmounted").rename(tmp_path / "share")
    assert bench.ingest().counts == {"unchanged": 4}
    (tmp_path / "share").rename(tmp_path / "unmounted")
    bench.ingest(confirmed=True)
    assert set(bench.texts()) == {"b.md", "c.md", "d.md"}


def test_a_deleted_single_file_target_is_forgotten_like_any_file(bench: Bench, docs: Path) -> None:
    fill(docs, "a.md", "b.md")
    bench.ingest(docs / "a.md", docs / "b.md")
    (docs / "a.md").unlink()
    assert statuses(bench.ingest()) == {"a.md": "forgotten", "b.md": "unchanged"}


def test_a_folder_that_may_not_be_read_today_is_not_forgotten(
    bench: Bench, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(docs, "a.md", "sub/b.md")
    bench.ingest(docs)
    scandir = os.scandir

    def refusing(path: Path) -> object:
        if Path(path).name == "sub":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("ingest.changes.os.scandir", refusing)
    report = bench.ingest(docs)
    assert statuses(report) == {"a.md": "unchanged", "sub": "skipped"}
    assert set(bench.texts()) == {"a.md", "sub/b.md"}


# Identity


def smaller(settings: Settings) -> Settings:
    ingest = settings.ingest.model_copy(update={"window_tokens": 64, "chunk_characters": 0})
    return settings.model_copy(update={"ingest": ingest})


def long_text(folder: Path, name: str = "long.md") -> None:
    text = " ".join(f"Sentence number {number} is here." for number in range(60))
    (folder / name).write_text(text, "utf-8")


def test_other_chunk_settings_are_refused_until_all_is_rebuilt(bench: Bench, docs: Path) -> None:
    long_text(docs)
    before = bench.ingest(docs)
    with pytest.raises(IdentityError, match="--rebuild"):
        bench.ingest(docs, settings=smaller(bench.settings))
    after = bench.ingest(settings=smaller(bench.settings), rebuild=True)
    assert bench.read == ["long.md"]
    assert after.chunks > 2 * before.chunks
    assert bench.ingest(docs, settings=smaller(bench.settings)).counts == {"unchanged": 1}
    with pytest.raises(IdentityError):
        bench.ingest(docs)


def test_what_another_version_has_read_answers_as_before_until_all_is_read_anew(
    bench: Bench, docs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(docs, "a.md", "b.md")
    fill(tmp_path / "more", "c.md")
    bench.ingest(docs, tmp_path / "more")
    for module in (pipeline, index_module):
        monkeypatch.setattr(module, "READERS", "6.4")
    forget(bench.workspace, DEFAULT_CORPUS, [tmp_path / "more"])
    assert bench.found("a.md")[0].document == "a.md"
    with bench.catalog() as catalog:
        live, before = catalog.identity(), catalog.document_ids()
        assert live is not None and live.is_outdated
    monkeypatch.setattr("assistant.doctor.embedder_of", lambda *_: bench.embedder)
    (finding,) = _corpus(bench.workspace.corpus(DEFAULT_CORPUS), Embedder(Settings().embedder, Settings().device))
    assert finding.severity == "warning" and "assistant ingest --corpus default" in finding.remedy
    planned = bench.ingest(dry_run=True)
    assert planned.counts == {"updated": 2} and not planned.objection
    fill(tmp_path / "new", "e.md")
    assert bench.ingest(tmp_path / "new").counts == {"updated": 2, "added": 1}
    assert sorted(bench.read) == ["a.md", "b.md", "e.md"]
    with bench.catalog() as catalog:
        now = catalog.identity()
        assert now is not None and not now.is_outdated and now.recipe != live.recipe
        assert len(catalog.document_ids()) == 3 and not before.keys() & catalog.document_ids().keys()
    assert bench.ingest().counts == {"unchanged": 3}


def test_what_another_version_has_read_stays_where_its_folder_is_not_mounted(
    bench: Bench, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(docs, "a.md", "b.md")
    bench.ingest(docs)
    for module in (pipeline, index_module):
        monkeypatch.setattr(module, "READERS", "6.4")
    docs.rename(docs.with_name("away"))
    with pytest.raises(IngestError, match="2 of 2 files are gone"):
        bench.ingest()
    assert bench.found("a.md")[0].document == "a.md"


def test_another_embedder_is_refused_until_all_is_rebuilt(bench: Bench, docs: Path) -> None:
    fill(docs, "a.md", "b.md")
    bench.ingest(docs)
    other = FakeEmbedder("other", dimension=32)
    with pytest.raises(IdentityError, match=r"fake.*other.*--rebuild"):
        bench.ingest(docs, embedder=other)
    bench.ingest(rebuild=True, embedder=other)
    assert len(other.embedded) == 2
    with bench.catalog() as catalog:
        assert catalog.dimension() == 32
        identity = catalog.identity()
        assert identity is not None
        assert identity.fingerprint == "other"


def test_rebuild_reads_everything_even_when_no_setting_changed(bench: Bench, docs: Path) -> None:
    fill(docs, "a.md", "b.md")
    bench.ingest(docs)
    report = bench.ingest(rebuild=True)
    assert sorted(bench.read) == ["a.md", "b.md"]
    assert report.counts == {"updated": 2}
    assert (report.documents, report.chunks) == (2, 2)
    assert bench.ingest(docs).counts == {"unchanged": 2}
    with bench.catalog() as catalog:
        assert len(catalog.document_ids()) == 2


def test_rebuild_with_a_new_folder_takes_it_in(bench: Bench, tmp_path: Path) -> None:
    fill(tmp_path / "one", "a.md")
    fill(tmp_path / "two", "b.md")
    assert not bench.ingest(tmp_path / "one", rebuild=True).is_failure
    assert statuses(bench.ingest(tmp_path / "two", rebuild=True)) == {"a.md": "updated", "b.md": "added"}


def test_a_file_renamed_before_a_rebuild_is_read_like_the_others(bench: Bench, docs: Path) -> None:
    long_text(docs, "long.md")
    fill(docs, "a.md")
    bench.ingest(docs)
    (docs / "long.md").rename(docs / "moved.md")
    bench.ingest(settings=smaller(bench.settings), rebuild=True)
    assert sorted(bench.read) == ["a.md", "moved.md"]
    fresh = bench.ingest(docs, settings=smaller(bench.settings), corpus="fresh")
    assert bench.ingest(docs, settings=smaller(bench.settings)).chunks == fresh.chunks


def test_vectors_of_two_embedders_never_stand_side_by_side(bench: Bench, docs: Path) -> None:
    fill(docs, "a.txt", "b.txt")
    bench.ingest(docs)
    (docs / "a.txt").write_bytes(b" ")  # can't be read any more; its old vectors have 64 dimensions
    bench.ingest(rebuild=True, embedder=FakeEmbedder("other", dimension=64))
    with bench.catalog() as catalog:
        assert [row.path for row in catalog.files() if row.document_id] == ["b.txt"]


# Locks and damage


@pytest.mark.parametrize("table", ["files", "documents", "chunks", "postings", "segments"])
def test_a_damaged_catalog_is_told_with_the_remedy(bench: Bench, docs: Path, table: str) -> None:
    fill(docs, *(f"{number}.md" for number in range(40)))
    bench.ingest(docs)
    with bench.catalog() as catalog:
        select = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        (page,) = catalog.connection.execute(select, (table,)).fetchone()
        (size,) = catalog.connection.execute("PRAGMA page_size").fetchone()
    file = bench.workspace.corpus(DEFAULT_CORPUS) / CATALOG_FILE
    with file.open("r+b") as stream:
        stream.seek((page - 1) * size)
        stream.write(b"\xff" * size)
    fill(docs, "new.md")
    with pytest.raises(WorkspaceError, match=r"ingest again|Check rights"):
        bench.ingest(docs)
    with bench.catalog() as catalog:
        assert catalog.damage()


def test_a_second_ingest_at_the_same_time_is_told_so(bench: Bench, docs: Path) -> None:
    fill(docs, "a.md")
    with (
        write_lock(bench.workspace.corpus(DEFAULT_CORPUS)),
        pytest.raises(WorkspaceBusy, match="Another process"),
    ):
        bench.ingest(docs)
    assert not bench.ingest(docs).is_failure
    with write_lock(bench.workspace.corpus("other")):
        assert not bench.ingest(docs).is_failure


HOLD = """
import sys, time
from pathlib import Path
from assistant.workspace import write_lock
with write_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_dead_process_holds_no_lock(bench: Bench, docs: Path) -> None:
    fill(docs, "a.md")
    folder = bench.workspace.corpus(DEFAULT_CORPUS)
    with subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        command = run("ingest", str(docs), "--workspace", str(bench.workspace.root))
        assert command.returncode == 1
        assert "Another process is writing" in one_line(command.stderr)
        holder.kill()
    assert not bench.ingest(docs).is_failure


# The command


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", "from assistant.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def one_line(text: str) -> str:
    assert text.count("\n") == 1, text
    return text


@pytest.fixture
def command_line(bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> "CommandLine":
    monkeypatch.setattr(pipeline, "Embedder", lambda *_: bench.embedder)
    return CommandLine(bench, capsys)


class CommandLine:
    """The command in this process, with the fake embedder."""

    def __init__(self, bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
        self.workspace = bench.workspace
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Exit status, standard output, standard error."""
        from assistant.cli import main

        with pytest.raises(SystemExit) as ended:
            main(["ingest", *arguments, "--workspace", str(self.workspace.root)])
        captured = self._capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, captured.out, captured.err


def test_nothing_readable_is_a_failure_that_names_the_formats(command_line: CommandLine, docs: Path) -> None:
    (docs / "bad.pdf").write_bytes(BROKEN_PDF)
    status, out, err = command_line(str(docs))
    assert status == 1
    assert "bad.pdf" in out
    assert "the file could not be read" in one_line(err)
    assert "docx" in err


@pytest.mark.parametrize("arguments", [(), ("--dry-run",), ("/no/such/folder",)])
def test_wrong_usage_leaves_no_workspace_behind(command_line: CommandLine, arguments: Sequence[str]) -> None:
    status, out, err = command_line(*arguments)
    assert (status, out) == (2, "") and not command_line.workspace.root.exists()
    assert ("/no/such/folder" if arguments[:1] == ("/no/such/folder",) else "Name a folder") in one_line(err)


def test_a_dry_run_says_what_a_real_run_would_do_or_why_it_would_not(command_line: CommandLine, docs: Path) -> None:
    fill(docs, "a.md", "b.md", "c.md")
    foretold = "A real run would give: 3 added.\nNothing was changed; the corpus 'default' holds 0 documents, 0 chunks"
    assert foretold in command_line(str(docs), "--dry-run")[1]
    command_line(str(docs))
    (docs / "a.md").unlink()
    (docs / "b.md").unlink()
    status, out, _ = command_line("--dry-run")
    assert status == 0 and "It would be refused: 2 of 3 files are gone" in out and "add --yes" in out
    assert "refused" not in command_line("--dry-run", "--yes")[1]
    assert command_line()[0] == 1


def test_what_becomes_of_questions_without_an_answer_is_told_in_words(command_line: CommandLine, docs: Path) -> None:
    fill(docs, "a.md")
    _, out, _ = command_line(str(docs))
    assert out.splitlines()[-1].startswith("Questions that the documents do not answer are refused: ")
    (docs / "bad.pdf").write_bytes(BROKEN_PDF)
    assert "Questions that" not in command_line(str(docs / "bad.pdf"))[1], "nothing has changed"
    fill(docs, "b.md")
    assert "refuses below" in json.loads(command_line("--json")[1])["refusal"]


def test_an_empty_corpus_is_not_calibrated_and_says_nothing_of_refusals(
    command_line: CommandLine, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "calibrate", lambda *_, **__: pytest.fail("there is nothing to calibrate to"))
    (docs / "bad.pdf").write_bytes(BROKEN_PDF)
    assert "Questions that" not in command_line(str(docs))[1]


def test_an_empty_folder_is_a_failure_too(command_line: CommandLine, docs: Path) -> None:
    (docs / "program.exe").write_bytes(b"MZ")
    status, _, err = command_line(str(docs))
    assert status == 1
    assert "no readable file was found" in one_line(err)


def test_one_bad_file_among_good_ones_is_a_warning(command_line: CommandLine, docs: Path) -> None:
    fill(docs, "a.md", "b.md")
    (docs / "bad.pdf").write_bytes(BROKEN_PDF)
    status, out, err = command_line(str(docs))
    assert status == 0
    assert "1 of 3 files could not be read" in one_line(err)
    assert "2 documents" in out


def test_json_is_one_document_on_standard_output(command_line: CommandLine, docs: Path) -> None:
    fill(docs, "a.md", "b.md")
    (docs / "copy.md").write_bytes((docs / "a.md").read_bytes())
    (docs / "bad.pdf").write_bytes(BROKEN_PDF)
    status, out, _ = command_line(str(docs), "--json")
    assert status == 0
    report = json.loads(out)
    assert report["counts"] == {"failed": 1, "added": 3}
    assert (report["corpus"], report["documents"], report["chunks"]) == ("default", 2, 2)
    files = {file["path"]: file for file in report["files"]}
    text = (docs / "a.md").read_text("utf-8")
    assert (files["a.md"]["characters"], files["a.md"]["chunks"]) == (len(text), 1)
    assert files["bad.pdf"]["message"]
    assert all(file["seconds"] >= 0 for file in files.values())
    # An unchanged file still says what is in it.
    report = json.loads(command_line(str(docs), "--json")[1])
    assert report["counts"] == {"failed": 1, "unchanged": 3}
    assert {file["path"]: file["chunks"] for file in report["files"]} == {
        "a.md": 1, "b.md": 1, "copy.md": 1, "bad.pdf": 0,
    }  # fmt: skip


def test_a_missing_folder_is_wrong_usage(command_line: CommandLine, docs: Path) -> None:
    status, out, err = command_line(str(docs / "nowhere"))
    assert (status, out) == (2, "")
    assert "There is no folder or file" in one_line(err)


def test_a_workspace_that_is_a_file_is_told_in_one_line(bench: Bench, docs: Path) -> None:
    fill(docs, "a.md")
    bench.workspace.root.write_text("not a folder", "utf-8")
    command = run("ingest", str(docs), "--workspace", str(bench.workspace.root))
    assert command.returncode == 1
    assert "Cannot write to" in one_line(command.stderr)


SEPARATOR = "\x1e"
# Both commands in one process: importing torch takes most of the time.
IN_TURN = """
import json, sys
from assistant.cli import main
for last, command in enumerate(json.loads(sys.argv[1])):
    if last:
        print(end="\x1e", flush=True)
    try:
        main(command)
    except SystemExit as ended:
        assert not ended.code
"""


@pytest.mark.slow
def test_the_real_thing_from_files_to_hits(docs: Path, workspace: Workspace) -> None:
    (docs / "fire.md").write_text("# Fire\n\nWe pay when lightning strikes the house.", "utf-8")
    (docs / "pets.txt").write_text("Dogs and cats are insured against illness.", "utf-8")
    place = ["--workspace", str(workspace.root), "--json"]
    commands = [
        ["ingest", str(docs), *place],
        ["search", "Is my kitten covered when it is sick?", "-k", "1", *place],
    ]
    done = subprocess.run(
        [sys.executable, "-c", IN_TURN, json.dumps(commands)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    report, found = done.stdout.split(SEPARATOR)
    assert json.loads(report)["counts"] == {"added": 2}
    (hit,) = json.loads(found)["hits"]
    assert hit["document"] == "pets.txt"
    assert hit["text"] == (docs / "pets.txt").read_text("utf-8")[hit["start"] : hit["end"]]


def test_read_all_reads_in_other_processes_what_it_would_read_here(
    docs: Path, settings: Settings, embedder: FakeEmbedder
) -> None:
    from ingest.worker import recipe_from

    fill(docs, "a.md", "b.md", "c.md")
    tasks = [Task(file, file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(docs.iterdir())]
    recipe = recipe_from(settings.ingest, embedder.tokens)
    there = {reading.task: reading for reading in read_all(tasks, recipe)}
    for here in read_here(tasks, recipe):
        assert (there[here.task].document, there[here.task].chunks) == (here.document, here.chunks)


@pytest.mark.slow
def test_files_come_in_their_order_however_long_each_takes(
    docs: Path, settings: Settings, embedder: FakeEmbedder
) -> None:
    from ingest.worker import recipe_from

    fill(docs, "b.md", "c.md", "d.md")
    (docs / "a.md").write_text("The deductible for hail is 150 euros. " * 40_000, encoding="utf-8")
    tasks = [Task(file, file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(docs.iterdir())]
    recipe = replace(recipe_from(settings.ingest, embedder.tokens), workers=2)
    assert [reading.task for reading in read_all(tasks, recipe)] == tasks
