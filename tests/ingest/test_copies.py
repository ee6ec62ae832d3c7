"""Copies of what lies elsewhere: what is fetched, what stays, and what a store may not do to the disk."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import boto3
import fsspec
import pytest
from click import BadParameter
from commands import run
from fsspec.implementations.memory import MemoryFile, MemoryFileSystem
from moto.server import ThreadedMotoServer

from assistant.cli.options import Duration
from assistant.config import Settings
from assistant.errors import IngestError, UsageError
from assistant.workspace import Workspace, replaced_atomically
from ingest.sources import address_at, copy_of, is_address, refresh, rounds, watchable

STORE = "memory://claims"


@pytest.fixture
def store() -> Iterator[MemoryFileSystem]:
    found: MemoryFileSystem = fsspec.filesystem("memory")
    found.store.clear()
    yield found
    found.store.clear()


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were fetched since it was last emptied."""
    found: list[str] = []
    get = MemoryFileSystem.get_file

    def told(self: MemoryFileSystem, name: str, to: str, **more: Any) -> None:
        found.append(name.removeprefix("/claims/"))
        get(self, name, to, **more)

    monkeypatch.setattr(MemoryFileSystem, "get_file", told)
    return found


def refreshed(workspace: Workspace, address: str, settings: Settings) -> Path:
    """The copy of an address after it was brought up to date without a failure."""
    assert refresh(workspace, address, settings) == []
    return copy_of(workspace, address)


def held(copy: Path) -> dict[str, str]:
    """The files of a copy and what they hold."""
    files = (file for file in copy.rglob("*") if file.is_file() and not file.name.startswith("."))
    return {file.relative_to(copy).as_posix(): file.read_text() for file in files}


def test_a_copy_says_what_the_store_says_and_nothing_is_fetched_twice(
    store: MemoryFileSystem, fetched: list[str], workspace: Workspace, settings: Settings
) -> None:
    store.pipe({"/claims/a.md": b"one", "/claims/more/b.txt": b"two", "/claims/c.zip": b"PK", "/other/d.md": b"no"})
    copy = refreshed(workspace, STORE, settings)
    assert held(copy) == {"a.md": "one", "more/b.txt": "two"}
    assert sorted(fetched) == ["a.md", "more/b.txt"]
    assert address_at(copy) == STORE
    fetched.clear()
    assert refreshed(workspace, f"{STORE}/", settings) == copy
    assert fetched == []
    store.pipe("/claims/a.md", b"new")
    store.rm("/claims/more/b.txt")
    refresh(workspace, STORE, settings)
    assert fetched == ["a.md"]
    assert held(copy) == {"a.md": "new"}


def test_a_dry_run_fetches_nothing(
    store: MemoryFileSystem,
    fetched: list[str],
    workspace: Workspace,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store.pipe("/claims/a.md", b"one")
    with pytest.raises(UsageError, match="here yet"):
        refresh(workspace, STORE, settings, dry_run=True)
    copy = refreshed(workspace, STORE, settings)
    store.pipe({"/claims/a.md": b"two", "/claims/b.md": b"new"})
    fetched.clear()
    capsys.readouterr()
    refresh(workspace, STORE, settings, dry_run=True)
    assert (fetched, held(copy)) == ([], {"a.md": "one"})
    assert "2 files would be fetched." in capsys.readouterr().err
    store.rm("/claims/a.md")
    refresh(workspace, STORE, settings, dry_run=True)
    assert "1 file would be fetched, 1 would be gone." in capsys.readouterr().err


def test_what_a_killed_run_left_half_written_goes(
    store: MemoryFileSystem, workspace: Workspace, settings: Settings
) -> None:
    store.pipe("/claims/more/a.md", b"one")
    copy = refreshed(workspace, STORE, settings)
    with replaced_atomically(copy / "more" / "a.md") as beside:
        beside.write_text("one", "utf-8")
        beside.with_name(beside.name.replace("a.md", "b.md")).write_text("half", "utf-8")
    assert len(list((copy / "more").iterdir())) == 2
    refresh(workspace, STORE, settings)
    assert [file.name for file in (copy / "more").iterdir()] == ["a.md"]


def test_no_name_in_a_store_leads_out_of_its_copy(
    store: MemoryFileSystem, workspace: Workspace, settings: Settings
) -> None:
    names = ["../out.md", "more/../../out.md", "back\\slash.md", "line\nbreak.md", "x" * 300 + ".md", "a//b.md"]
    for name in [*names, ".source.jsonl", ".hidden.md", "~$lock.docx", "good.md"]:
        store.store[f"/claims/{name}"] = MemoryFile(store, f"/claims/{name}", data=b"text")
    failures, copy = refresh(workspace, STORE, settings), copy_of(workspace, STORE)
    assert held(copy) == {"good.md": "text"}
    assert [path.name for path in workspace.sources.iterdir()] == [copy.name]
    assert not list(workspace.root.rglob("out.md"))
    assert {one.path for one in failures} == set(names)
    assert all("its name" in one.message for one in failures)


def test_what_cannot_be_fetched_stays_as_it_was_and_stops_nothing_else(
    store: MemoryFileSystem,
    workspace: Workspace,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store.pipe({"/claims/a.md": b"one", "/claims/b.md": b"two"})
    copy = refreshed(workspace, STORE, settings)
    store.pipe({"/claims/a.md": b"one, new", "/claims/b.md": b"two, new", "/claims/c.md": b"three"})
    get = MemoryFileSystem.get_file

    def fails(self: MemoryFileSystem, name: str, to: str, **more: Any) -> None:
        if name.endswith("a.md"):
            Path(to).write_text("hal")
            raise RuntimeError("the line\nwent dead")
        get(self, name, to, **more)

    monkeypatch.setattr(MemoryFileSystem, "get_file", fails)
    (failure,) = refresh(workspace, STORE, settings)
    assert held(copy) == {"a.md": "one", "b.md": "two, new", "c.md": "three"}
    assert (failure.path, failure.message) == ("a.md", "was not fetched: the line went dead")
    monkeypatch.undo()
    refresh(workspace, STORE, settings)
    assert held(copy)["a.md"] == "one, new"


def test_where_nothing_can_be_fetched_the_first_reason_is_told(
    store: MemoryFileSystem, workspace: Workspace, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.pipe("/claims/a.md", b"one")

    def fails(*_: Any, **__: Any) -> None:
        raise OSError("no rights to read")

    monkeypatch.setattr(MemoryFileSystem, "get_file", fails)
    with pytest.raises(IngestError, match=r"Nothing can be fetched from memory://claims: no rights to read\."):
        refresh(workspace, STORE, settings)


def test_a_run_that_is_killed_keeps_what_it_has_fetched(
    store: MemoryFileSystem,
    fetched: list[str],
    workspace: Workspace,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store.pipe({f"/claims/{number}.md": b"text" for number in range(5)})
    copy = copy_of(workspace, STORE)
    get = MemoryFileSystem.get_file
    listing: list[str] = []

    def stops(self: MemoryFileSystem, name: str, to: str, **more: Any) -> None:
        if name.endswith("3.md"):
            listing.append((copy / ".source.jsonl").read_text())
            raise KeyboardInterrupt
        get(self, name, to, **more)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(MemoryFileSystem, "get_file", stops)
        refresh(workspace, STORE, settings)
    # As a power cut leaves it: no tidy end, and a line that was cut off.
    (copy / ".source.jsonl").write_text(listing[0] + '{"path": "4.md", "ver')
    fetched.clear()
    refresh(workspace, STORE, settings)
    assert fetched == ["3.md", "4.md"]
    assert len(held(copy)) == 5


def test_what_was_deleted_from_a_copy_is_fetched_again(
    store: MemoryFileSystem, workspace: Workspace, settings: Settings
) -> None:
    store.pipe("/claims/a.md", b"one")
    copy = refreshed(workspace, STORE, settings)
    (copy / "a.md").unlink()
    refresh(workspace, STORE, settings)
    assert held(copy) == {"a.md": "one"}


@pytest.mark.parametrize(
    ("address", "error", "told"),
    [
        ("nonsense://x", UsageError, "in no store that is known: nonsense"),
        ("abfs://x/y", UsageError, "needs a library that is not installed"),
        ("memory://nothing-here", IngestError, "There is no file at"),
        ("sftp://[bad/x", IngestError, "cannot be looked at"),
        ("sftp://x.example:port/x", IngestError, "cannot be looked at"),
        ("webdav:///x", IngestError, "cannot be looked at"),
        ("https://[bad/x", UsageError, "no address of a web site"),
    ],
)
def test_an_address_that_cannot_be_looked_at_is_told_in_a_line(
    workspace: Workspace, settings: Settings, address: str, error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told) as raised:
        refresh(workspace, address, settings)
    assert "\n" not in str(raised.value)


def test_a_source_that_does_not_answer_leaves_the_corpus_as_it_was(
    store: MemoryFileSystem,
    workspace: Workspace,
    docs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (docs / "here.md").write_text("# Here\n\nThe badge costs 12 euros if it is lost.\n")
    store.pipe("/claims/there.md", b"# There\n\nThe key costs 40 euros if it is lost.\n")
    place = ("--corpus", "both", "--workspace", str(workspace.root))
    quick = ("--set", "ingest.calibrate=false", "--set", "ingest.workers=1")
    status, told, _ = run(capsys, "ingest", str(docs), STORE, *place, *quick)
    assert status == 0 and "2 documents" in told

    def down(*_: Any, **__: Any) -> None:
        raise OSError("no route to host")

    with monkeypatch.context() as patched:
        patched.setattr(MemoryFileSystem, "find", down)
        (docs / "new.md").write_text("# New\n\nThe lamp costs 9 euros if it is lost.\n")
        status, told, complaints = run(capsys, "ingest", *place, *quick)
        assert status == 0 and "3 documents" in told
        assert "1 of 4 files could not be read" in complaints
        assert f"{STORE} cannot be looked at: no route to host." in " ".join(told.split())
        assert run(capsys, "ingest", STORE, *place, *quick)[0] == 1, "named, it is an error"
    assert STORE in run(capsys, "documents", *place)[1]
    status, told, _ = run(capsys, "forget", STORE, *place)
    assert status == 0 and "1 forgotten" in told


def test_an_address_with_a_password_goes_nowhere(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    address = "webdav://ann:geheim@files.example/claims"
    for command in ("ingest", "forget"):
        status, out, told = run(capsys, command, address, "--workspace", str(workspace.root))
        assert status == 2 and "holds a password" in told
        assert "geheim" not in out + told
    assert not workspace.root.exists()


@pytest.mark.parametrize("text", ["s3://x/y", "https://docs.example", "webdav+https://x/y"])
def test_addresses_are_told_from_folders(text: str) -> None:
    assert is_address(text)
    assert not any(map(is_address, ["./docs", "/srv/docs", "C:\\docs", "a:b", "s3:/x", "file:///srv/docs", "x://"]))


def test_times_are_read_as_people_write_them() -> None:
    times = {"90s": 90.0, "30m": 1800.0, "1h": 3600.0, "2d": 172_800.0}
    for text, seconds in times.items():
        assert Duration().convert(text, None, None) == seconds
    for text in ["", "1", "h", "0h", "1.5h", "-1h", "1w", "1h30m", "999999d"]:
        with pytest.raises(BadParameter, match="as in 30m"):
            Duration().convert(text, None, None)


def test_what_lies_elsewhere_alone_cannot_be_watched(workspace: Workspace, docs: Path) -> None:
    with pytest.raises(UsageError, match="--every 1h"):
        watchable(workspace, "none", [STORE])
    assert watchable(workspace, "none", [STORE, str(docs)]) == [docs]


def test_a_round_comes_when_documents_change_and_for_nothing_else(docs: Path) -> None:
    inside = Workspace(docs / "kept")
    moments = rounds(None, [docs], inside)
    came = Event()

    def wait() -> None:
        next(moments)
        came.set()

    Thread(target=wait, daemon=True).start()
    time.sleep(0.5)
    for file in (inside.root / "catalog.sqlite", docs / ".assistant" / "config.yaml"):
        file.parent.mkdir()
        file.write_text("text")
    assert not came.wait(2)
    (docs / "new.md").write_text("text")
    assert came.wait(10)


def test_a_file_that_is_saved_by_renaming_is_watched_on(docs: Path, workspace: Workspace) -> None:
    file = docs / "a.md"
    file.write_text("one")
    moments = rounds(None, [file], workspace)
    for text in ("two", "three"):
        time.sleep(0.5)
        (docs / "beside").write_text(text)
        (docs / "beside").replace(file)
        next(moments)


@pytest.fixture(scope="module")
def bucket() -> Iterator[dict[str, str]]:
    """An S3 store on this machine with a bucket 'claims'; the variables that lead there."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)
    client.create_bucket(Bucket="claims")
    for number in range(3):
        text = f"# Rule {number}\n\nThe fee of class {number} is {number + 7} euros a year.\n"
        client.put_object(Bucket="claims", Key=f"rules/rule-{number}.md", Body=text.encode())
    client.put_object(Bucket="claims", Key="rules/", Body=b"")  # what some programs make for a folder
    yield {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    server.stop()


def test_a_corpus_is_kept_fresh_from_s3(
    bucket: dict[str, str], workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in bucket.items():
        monkeypatch.setenv(name, value)
    more = ("--corpus", "rules", "--workspace", str(workspace.root), "--set", "ingest.calibrate=false", "--json")
    status, told, complaints = run(capsys, "ingest", "s3://claims/rules", *more)
    assert status == 0 and json.loads(told)["counts"] == {"added": 3}, complaints
    client = boto3.client("s3", endpoint_url=bucket["AWS_ENDPOINT_URL"], region_name="us-east-1")
    client.put_object(Bucket="claims", Key="rules/rule-1.md", Body=b"# Rule 1\n\nThe fee of class 1 is 99 euros.\n")
    client.delete_object(Bucket="claims", Key="rules/rule-2.md")
    status, told, complaints = run(capsys, "ingest", *more)
    assert json.loads(told)["counts"] == {"forgotten": 1, "updated": 1, "unchanged": 1}
    assert "1 file fetched of 2, 1 gone" in complaints
    status, _, told = run(capsys, "ingest", "s3://nobody/has/this", *more)
    assert status == 1 and told.count("\n") == 1 and "s3://nobody/has/this" in told


def test_a_copy_goes_with_the_last_corpus_of_it(
    bucket: dict[str, str], workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in bucket.items():
        monkeypatch.setenv(name, value)
    address, place = "s3://claims/rules", ("--workspace", str(workspace.root))
    for corpus in ("one", "two"):
        made = ("ingest", address, "--corpus", corpus, *place, "--set", "ingest.calibrate=false")
        assert run(capsys, *made)[0] == 0
    copy = copy_of(workspace, address)
    for corpus, stays in (("one", True), ("two", False)):
        assert run(capsys, "forget", address, "--corpus", corpus, *place, "--yes", "--dry-run")[0] == 0
        assert copy.exists()
        assert run(capsys, "forget", address, "--corpus", corpus, *place, "--yes")[0] == 0
        assert copy.exists() == stays


def test_a_copy_that_lost_its_address_is_told(
    bucket: dict[str, str], workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in bucket.items():
        monkeypatch.setenv(name, value)
    more = ("--corpus", "rules", "--workspace", str(workspace.root), "--set", "ingest.calibrate=false")
    assert run(capsys, "ingest", "s3://claims/rules", *more)[0] == 0
    listing = copy_of(workspace, "s3://claims/rules") / ".source.jsonl"
    listing.write_text("{damaged\n" + listing.read_text("utf-8").partition("\n")[2], "utf-8")
    _, told, _ = run(capsys, "ingest", *more)
    assert "what it is a copy of is lost; name it again" in told
    assert run(capsys, "ingest", "s3://claims/rules", *more)[0] == 0
    assert "is lost" not in run(capsys, "ingest", *more)[1]


@pytest.mark.slow
def test_a_folder_is_watched_and_looked_at_every_now_and_then(workspace: Workspace, docs: Path) -> None:
    (docs / "a.md").write_text("# A\n\nThe badge costs 12 euros if it is lost.\n")
    place = ["--corpus", "kept", "--workspace", str(workspace.root), "--set", "ingest.calibrate=false"]
    command = [sys.executable, "-m", "assistant", "ingest", str(docs), *place]
    for how in (["--watch"], ["--every", "1s"]):
        with subprocess.Popen([*command, *how], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            try:
                assert any("1 document" in line for line in process.stdout)
                (docs / "b.md").write_text("# B\n\nThe key costs 40 euros if it is lost.\n")
                assert any("2 documents" in line for line in process.stdout)
            finally:
                process.kill()
        (docs / "b.md").unlink()
        subprocess.run([*command, "--yes"], check=True, capture_output=True)
