"""A backup holds what was acknowledged, is whole or none, and is believed only as it was written."""

import io
import json
import os
import signal
import sqlite3
import tarfile
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from commands import run
from fakes import FakeEmbedder

from assistant.config import Settings
from assistant.errors import AssistantError, UsageError, WorkspaceError
from assistant.store.catalog import Catalog
from assistant.work import backup as module
from assistant.work.backup import back_up, restore
from assistant.workspace import Workspace, folder_beside
from bench.storm import forked
from ingest.pipeline import ingest
from train.registry import new_folder

SETTINGS = Settings.model_validate({"ingest": {"workers": 1}})


@pytest.fixture
def used(tmp_path: Path, docs: Path) -> Workspace:
    """A workspace with a corpus, an adapter's card and a table that is written to."""
    (docs / "hail.md").write_text("# Hail\n\nThe deductible for hail damage is 150 euros.\n")
    workspace = Workspace(tmp_path / "used")
    ingest(workspace, "default", [docs], SETTINGS, embedder=FakeEmbedder())
    workspace.adapter("house").mkdir(parents=True)
    (workspace.adapter("house") / "card.json").write_text("{}")
    with closing(sqlite3.connect(workspace.root / "notes.sqlite")) as database, database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE notes (number INTEGER)")
    return workspace


def rewritten(file: Path, change: Callable[[tarfile.TarInfo, bytes], tuple[tarfile.TarInfo, bytes] | None]) -> None:
    """Write an archive again with each member changed, or left out."""
    with tarfile.open(file) as archive:
        members = [(one, archive.extractfile(one).read()) for one in archive]  # type: ignore[union-attr]
    with tarfile.open(file, "w:gz") as archive:
        for member, content in filter(None, (change(*one) for one in members)):
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def test_what_is_restored_is_what_was_there(used: Workspace, tmp_path: Path) -> None:
    made = back_up(used, tmp_path / "out" / "backup.tar.gz")
    again = Workspace(tmp_path / "again")
    assert restore(tmp_path / "out" / "backup.tar.gz", again) == made
    assert (again.adapter("house") / "card.json").read_text() == "{}"
    with closing(Catalog(used.corpus("default"))) as before, closing(Catalog(again.corpus("default"))) as after:
        assert after.generation() == before.generation() and after.files() == before.files()
        assert [*after.live_chunks()] == [*before.live_chunks()] and not after.damage()
    assert {one.stat().st_mode & 0o77 for one in [again.root, *again.root.rglob("*"), tmp_path / "out"]} == {0}
    assert not [*tmp_path.glob(".*.tmp"), *(tmp_path / "out").glob("tmp*")]


def test_what_was_acknowledged_before_is_in_it_however_much_is_written_meanwhile(
    used: Workspace, tmp_path: Path
) -> None:
    acknowledged, stop = [0], threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(used.root / "notes.sqlite", timeout=30)) as database:
            while not stop.is_set():
                with database:
                    database.execute("INSERT INTO notes VALUES (?)", (acknowledged[0] + 1,))
                acknowledged[0] += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for attempt in range(5):
            before = acknowledged[0]
            back_up(used, tmp_path / f"{attempt}.tar.gz")
            again = Workspace(tmp_path / f"again-{attempt}")
            restore(tmp_path / f"{attempt}.tar.gz", again)
            with closing(sqlite3.connect(again.root / "notes.sqlite")) as database:
                numbers = [number for (number,) in database.execute("SELECT number FROM notes ORDER BY number")]
            assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) >= before
    finally:
        stop.set()
        writer.join()


def test_a_backup_that_fails_leaves_the_one_of_before(
    used: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "backup.tar.gz"
    back_up(used, target)
    before = target.read_bytes()

    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_added", full)
    with pytest.raises(OSError, match="No space"):
        back_up(used, target)
    assert target.read_bytes() == before and {one.name for one in tmp_path.iterdir()} == {
        "backup.tar.gz",
        "used",
        "docs",
    }


def test_a_file_that_goes_meanwhile_is_left_out(
    used: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = module._added

    def removing(archive: tarfile.TarFile, name: str, file: io.BufferedReader) -> str:
        (used.root / "notes.sqlite").unlink(missing_ok=True)
        return added(archive, name, file)

    monkeypatch.setattr(module, "_added", removing)
    assert "notes.sqlite" not in back_up(used, tmp_path / "backup.tar.gz").files
    assert restore(tmp_path / "backup.tar.gz", Workspace(tmp_path / "again")).files


@pytest.mark.parametrize(
    "change",
    [
        lambda one, content: (one, content.replace(b"{}", b"[]")),
        lambda one, content: None if one.name.endswith("card.json") else (one, content),
        lambda one, content: (one.replace(name="../x"), content) if one.name.endswith("card.json") else (one, content),
        lambda one, content: (
            (one.replace(name="/tmp/x"), content) if one.name.endswith("card.json") else (one, content)
        ),
        lambda one, content: (
            (one.replace(name="more/x"), content) if one.name.endswith("card.json") else (one, content)
        ),
        lambda one, content: (one, content if one.name != "backup.json" else b"[1]"),
        lambda one, content: (one, content if one.name != "backup.json" else b"{"),
        lambda one, content: None if one.name == "backup.json" else (one, content),
    ],
)
def test_a_backup_that_was_changed_is_refused_and_leaves_nothing(
    used: Workspace, tmp_path: Path, change: Callable[..., tuple[tarfile.TarInfo, bytes] | None]
) -> None:
    target, again = tmp_path / "backup.tar.gz", Workspace(tmp_path / "again")
    back_up(used, target)
    rewritten(target, change)
    with pytest.raises(WorkspaceError, match="no whole backup"):
        restore(target, again)
    assert {one.name for one in tmp_path.iterdir()} == {"backup.tar.gz", "used", "docs"}


def test_a_backup_that_is_cut_off_anywhere_is_refused(used: Workspace, tmp_path: Path) -> None:
    target = tmp_path / "backup.tar.gz"
    back_up(used, target)
    whole = target.read_bytes()
    for part in range(10):
        target.write_bytes(whole[: len(whole) * part // 10])
        with pytest.raises(WorkspaceError, match="no whole backup"):
            restore(target, Workspace(tmp_path / "again"))
    target.write_bytes(whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:])
    with pytest.raises(WorkspaceError, match="no whole backup"):
        restore(target, Workspace(tmp_path / "again"))
    assert {one.name for one in tmp_path.iterdir()} == {"backup.tar.gz", "used", "docs"}


def test_nothing_that_is_there_is_written_over(used: Workspace, tmp_path: Path) -> None:
    target = tmp_path / "backup.tar.gz"
    back_up(used, target)
    with pytest.raises(WorkspaceError, match="holds something already"):
        restore(target, used)
    with pytest.raises(UsageError, match="in the workspace itself"):
        back_up(used, used.root / "backup.tar.gz")
    with pytest.raises(AssistantError, match="There is no workspace"):
        back_up(Workspace(tmp_path / "none"), target)
    (tmp_path / "empty").mkdir()
    restore(target, Workspace(tmp_path / "empty"))


def test_the_commands_say_what_is_in_it(used: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, again = tmp_path / "backup.tar.gz", tmp_path / "again"
    status, out, _ = run(capsys, "backup", str(file), "--workspace", str(used.root))
    assert status == 0 and "corpora: 1, adapters: 1" in out
    status, out, _ = run(capsys, "restore", str(file), "--workspace", str(again))
    assert status == 0 and "corpora: 1, adapters: 1" in out and "assistant doctor" in out
    status, out, err = run(capsys, "restore", str(file), "--workspace", str(again))
    assert status == 1 and "holds something already" in err and "Traceback" not in err
    assert json.loads(run(capsys, "documents", "--json", "--workspace", str(again))[1])["files"][0]["path"] == "hail.md"


def _backing_up(used: Workspace, target: Path, monkeypatch: pytest.MonkeyPatch, die: Callable[..., str]) -> None:
    monkeypatch.setattr(module, "_added", die)
    back_up(used, target)


def _restoring(used: Workspace, target: Path, monkeypatch: pytest.MonkeyPatch, die: Callable[..., str]) -> None:
    back_up(used, target)
    monkeypatch.setattr(module, "flush_to_disk", die)
    restore(target, Workspace(target.with_name("again")))


def _saving(_used: Workspace, target: Path, _patch: pytest.MonkeyPatch, die: Callable[..., str]) -> None:
    with new_folder(target.with_name("cars"), force=False) as folder:
        (folder / "adapter_model.safetensors").write_bytes(b"half")
        die()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="cannot fork")
@pytest.mark.parametrize("work", [_backing_up, _restoring, _saving])
def test_what_a_killed_process_left_goes_with_the_next_one_and_what_is_under_way_stays(
    used: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    work: Callable[[Workspace, Path, pytest.MonkeyPatch, Callable[..., str]], None],
) -> None:
    place = tmp_path / "out"
    place.mkdir()
    (place / ".theirs.0123abcd.tmp").mkdir()  # of another program

    def die(*_: object) -> str:
        os.kill(os.getpid(), signal.SIGKILL)
        return ""

    killed = forked(lambda _: work(used, place / "backup-monday.tar.gz", monkeypatch, die))
    left = set(place.glob(".*.tmp")) - {place / ".theirs.0123abcd.tmp"}
    assert killed.status == -signal.SIGKILL and len(left) == 1, "else the rest shows nothing"
    with folder_beside(place / "house") as under_way:
        under_way.mkdir()
        back_up(used, place / "backup-tuesday.tar.gz")
        assert under_way.is_dir()
    assert [one.name for one in place.glob(".*")] == [".theirs.0123abcd.tmp"]


def test_what_is_not_whole_yet_is_in_no_backup(used: Workspace, tmp_path: Path) -> None:
    with folder_beside(used.adapter("cars")) as folder:
        folder.mkdir()
        (folder / "adapter_model.safetensors").write_bytes(b"half")
        assert not [path for path in back_up(used, tmp_path / "backup.tar.gz").files if "cars" in path]
