"""What was ingested can be taken out again: whole folders, for good, without touching a file on disk."""

import json
from pathlib import Path

import pytest
from fakes import FakeEmbedder
from test_pipeline import Bench, fill

from assistant.artifacts.command_reports import IngestReport
from assistant.cli import main
from assistant.config import Settings
from assistant.errors import IngestError, UsageError, WorkspaceBusy
from assistant.retrieval.retriever import Retriever
from assistant.workspace import DEFAULT_CORPUS, Workspace, write_lock
from ingest.forgetting import forget


@pytest.fixture
def made(workspace: Workspace, settings: Settings, embedder: FakeEmbedder, tmp_path: Path) -> Bench:
    """A corpus of the folders ``one`` (two files) and ``two`` (three files)."""
    fill(tmp_path / "one", "a.md", "sub/b.md")
    fill(tmp_path / "two", "c.md", "d.md", "e.md")
    bench = Bench(workspace, settings, embedder)
    bench.ingest(tmp_path / "one", tmp_path / "two")
    return bench


def forgotten(report: IngestReport) -> set[str]:
    assert {file.status for file in report.files} <= {"forgotten"}
    return {file.path for file in report.files}


def test_a_forgotten_folder_stays_forgotten_and_stays_on_disk(made: Bench, tmp_path: Path) -> None:
    report = forget(made.workspace, DEFAULT_CORPUS, [tmp_path / "one"])
    assert forgotten(report) == {"a.md", "sub/b.md"}
    assert (report.documents, report.chunks) == (3, 3)
    assert made.ingest().counts == {"unchanged": 3}
    assert set(made.texts()) == {"c.md", "d.md", "e.md"}
    assert {hit.document for hit in made.found("The file a.md speaks about a")} <= {"c.md", "d.md", "e.md"}
    assert (tmp_path / "one/sub/b.md").exists()
    # And it can be taken in again.
    assert made.ingest(tmp_path / "one").counts == {"added": 2}


def test_everything_can_be_forgotten_and_the_corpus_goes_on(made: Bench, tmp_path: Path) -> None:
    report = forget(made.workspace, DEFAULT_CORPUS, [tmp_path], confirmed=True)
    assert len(forgotten(report)) == 5 and (report.documents, report.chunks) == (0, 0)
    with made.catalog() as catalog:
        assert catalog.document_ids() == {}
        settings = made.settings
        assert Retriever(catalog, made.embedder, settings.retrieval, settings.device).search("file a.md") == []
    assert made.ingest(tmp_path / "two").counts == {"added": 3}
    assert made.found("The file d.md speaks about d")[0].document == "d.md"


@pytest.mark.parametrize("part", ["one/a.md", "one/sub", "two/e.md"])
def test_a_part_that_the_next_ingest_would_read_again_is_refused(made: Bench, tmp_path: Path, part: str) -> None:
    with pytest.raises(UsageError) as caught:
        forget(made.workspace, DEFAULT_CORPUS, [tmp_path / "two", tmp_path / part])
    assert str(tmp_path / part) in caught.value.message
    assert "Delete it or move it" in caught.value.remedy
    assert len(made.texts()) == 5


def test_a_file_ingested_by_itself_can_be_forgotten(made: Bench, tmp_path: Path) -> None:
    fill(tmp_path, "alone.md")
    made.ingest(tmp_path / "alone.md")
    assert forgotten(forget(made.workspace, DEFAULT_CORPUS, [tmp_path / "alone.md"])) == {"alone.md"}
    assert made.ingest().counts == {"unchanged": 5}


def test_a_folder_that_is_gone_from_disk_can_be_forgotten(made: Bench, tmp_path: Path) -> None:
    (tmp_path / "one").rename(tmp_path / "unmounted")
    assert forgotten(forget(made.workspace, DEFAULT_CORPUS, [tmp_path / "one"])) == {"a.md", "sub/b.md"}
    assert made.ingest().counts == {"unchanged": 3}


def test_a_document_that_lies_in_another_folder_too_is_kept(made: Bench, tmp_path: Path) -> None:
    (tmp_path / "two/copy.md").write_bytes((tmp_path / "one/a.md").read_bytes())
    made.ingest()
    forget(made.workspace, DEFAULT_CORPUS, [tmp_path / "one"])
    assert made.found("The file a.md speaks about a")[0].document == "copy.md"


def test_another_spelling_is_the_same_folder(made: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path / "two")
    assert forgotten(forget(made.workspace, DEFAULT_CORPUS, [Path("../one/sub/..")])) == {"a.md", "sub/b.md"}


def test_more_than_half_needs_consent(made: Bench, tmp_path: Path) -> None:
    with pytest.raises(IngestError, match=r"3 of 5 files.*--yes"):
        forget(made.workspace, DEFAULT_CORPUS, [tmp_path / "two"])
    assert len(made.texts()) == 5
    forget(made.workspace, DEFAULT_CORPUS, [tmp_path / "two"], confirmed=True)
    assert set(made.texts()) == {"a.md", "sub/b.md"}


def test_a_dry_run_forgets_nothing(made: Bench, tmp_path: Path) -> None:
    report = forget(made.workspace, DEFAULT_CORPUS, [tmp_path / "two"], dry_run=True)
    assert forgotten(report) == {"c.md", "d.md", "e.md"} and report.documents == 5
    assert "3 of 5 files would be forgotten. If you mean it, add --yes" in report.objection
    assert len(made.texts()) == 5


@pytest.mark.parametrize(
    ("target", "said"), [("tow", "Did you mean {}/two?"), ("one/none.md", "is not on disk"), ("none", "Did you mean")]
)
def test_what_was_never_ingested_is_wrong_usage(made: Bench, tmp_path: Path, target: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        forget(made.workspace, DEFAULT_CORPUS, [tmp_path / target])
    assert said.format(tmp_path) in str(caught.value)


def test_an_unknown_corpus_is_named_and_not_made(made: Bench, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no corpus 'other'.*default"):
        forget(made.workspace, "other", [tmp_path / "one"])
    assert made.workspace.corpus_names() == (DEFAULT_CORPUS,)


def test_nothing_is_forgotten_while_another_process_writes(made: Bench, tmp_path: Path) -> None:
    with write_lock(made.workspace.corpus(DEFAULT_CORPUS)), pytest.raises(WorkspaceBusy):
        forget(made.workspace, DEFAULT_CORPUS, [tmp_path / "one"])
    assert len(made.texts()) == 5


def test_only_the_live_index_is_left(made: Bench, tmp_path: Path) -> None:
    forget(made.workspace, DEFAULT_CORPUS, [tmp_path / "one"])
    assert len(list(made.workspace.corpus(DEFAULT_CORPUS).glob("vectors-*.faiss"))) == 1


def test_the_command_speaks_the_json_of_an_ingest(
    made: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["forget", str(tmp_path / "one"), "--workspace", str(made.workspace.root), "--json"])
    assert ended.value.code == 0
    report = json.loads(capsys.readouterr().out)
    assert report["counts"] == {"forgotten": 2} and report["documents"] == 3
