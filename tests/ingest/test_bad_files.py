"""Whatever lies in a folder, an ingest ends, tells what it could not take in, and takes in the rest."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from fakes import FakeEmbedder
from files import docx, with_member
from test_linear_time import slowdown
from test_pipeline import fill

from assistant.artifacts.command_reports import FileReport, IngestReport
from assistant.config import Settings
from assistant.retrieval.embedder import Embedder
from assistant.store.catalog import Catalog
from assistant.workspace import DEFAULT_CORPUS, Workspace
from ingest import pipeline
from ingest.report import print_report
from ingest.worker import file_hash

SLOW_BYTES = 18_000_000


def ingest(workspace: Workspace, docs: Path, dry_run: bool = False, **changes: float) -> IngestReport:
    settings = Settings.model_validate({"ingest": {"workers": 1, **changes}})
    return pipeline.ingest(workspace, DEFAULT_CORPUS, [docs], settings, dry_run=dry_run, embedder=FakeEmbedder())


def by_path(report: IngestReport) -> dict[str, FileReport]:
    return {file.path: file for file in report.files}


def slow_file(docs: Path, name: str = "slow.txt") -> None:
    """A file that takes seconds: many short paragraphs under the limit of characters."""
    line = "The insurer pays for damage by fire and by lightning and by nothing else at all.\n\n"
    (docs / name).write_text(line * (SLOW_BYTES // len(line)), "utf-8")


def command(*arguments: str, code: str = "") -> "subprocess.CompletedProcess[str]":
    """The real command; ``code`` runs before it."""
    start = f"{code}\nfrom assistant.cli import main\nmain()"
    return subprocess.run(
        [sys.executable, "-c", start, *arguments], capture_output=True, text=True, check=False, timeout=120
    )


# A folder full of traps

NAMES = [
    "new\nline.md",
    "\u202ertl.md",
    "n" * 247 + ".md",
    "-rf.md",
    "[bold red].md",
    "🔥.md",
    "a\\b.md",
    "q'uote\".md",
]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Path, IngestReport]:
    """One ingest of a folder with one of everything bad."""
    docs, place = tmp_path_factory.mktemp("zoo"), Path.cwd()
    fill(docs, "good.md", *NAMES)
    (docs.parent / "secret.md").write_text("secret", "utf-8")
    (docs / "empty.txt").write_bytes(b"")
    (docs / "blank.txt").write_bytes(b" \n\t ")
    (docs / "zeros.txt").write_bytes(bytes(1000))
    (docs / "noise.txt").write_bytes(bytes(range(256)) * 40)
    (docs / "surrogate.txt").write_bytes(b"Half \xed\xa0\x80 a pair, and text around it.")
    (docs / "broken.pdf").write_bytes(b"%PDF-1.7 and no more")
    (docs / "broken.docx").write_bytes(b"PK\x03\x04 and no more")
    (docs / "old.doc").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    (docs / "loop.md").symlink_to("loop.md")
    (docs / "out.md").symlink_to("../secret.md")
    (docs / "folder.md").mkdir()
    (docs / "circle").symlink_to(".")
    os.mkfifo(docs / "pipe.txt")
    Path(os.fsdecode(os.fsencode(docs) + b"/bad\xff.md")).write_text("text")
    os.chdir(docs)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("socket.txt")
        os.chdir(place)
        workspace = Workspace(docs.parent / "zoo-workspace")
        return workspace, docs, ingest(workspace, docs)


def test_one_of_everything_bad_takes_no_good_file_with_it(zoo: tuple[Workspace, Path, IngestReport]) -> None:
    files = by_path(zoo[2])
    assert {path for path, file in files.items() if file.status == "added"} >= {"good.md", *NAMES}
    assert {path for path, file in files.items() if file.status == "failed"} >= {
        "empty.txt", "blank.txt", "zeros.txt", "broken.pdf", "broken.docx", "old.doc",
    }  # fmt: skip
    assert {path for path, file in files.items() if file.status == "skipped"} == {
        "loop.md", "out.md", "circle", "pipe.txt", "socket.txt", "bad\\udcff.md",
    }  # fmt: skip


def test_every_failure_says_in_one_line_which_file_and_why(zoo: tuple[Workspace, Path, IngestReport]) -> None:
    for file in zoo[2].files:
        if file.status == "failed":
            assert file.message.startswith(file.path)
            assert "\n" not in file.message
            assert len(file.message) > len(file.path) + 10
        if file.status == "skipped":
            assert file.message


def test_a_second_look_at_it_changes_nothing(zoo: tuple[Workspace, Path, IngestReport]) -> None:
    workspace, docs, first = zoo
    again = ingest(workspace, docs)
    assert (again.documents, again.chunks) == (first.documents, first.chunks)
    assert set(again.counts) == {"failed", "skipped", "unchanged"}


def test_its_report_prints_without_control_characters(
    zoo: tuple[Workspace, Path, IngestReport],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "600")  # so that no name is folded
    print_report(zoo[2])
    out = capsys.readouterr().out
    assert "\u202e" not in out
    assert "\udcff" not in out
    assert "\\u202ertl.md" in out
    assert "[bold red].md" in out
    assert json.loads(zoo[2].to_json().encode().decode())["counts"] == zoo[2].counts


def test_no_secret_comes_in_through_a_link(zoo: tuple[Workspace, Path, IngestReport]) -> None:
    catalog = Catalog(zoo[0].corpus(DEFAULT_CORPUS))
    texts = [catalog.text(row.document_id) for row in catalog.files() if row.document_id]
    catalog.close()
    assert not any("secret" in text for text in texts)


# Files that move


def hooked(monkeypatch: pytest.MonkeyPatch, what: Callable[[Path], object]) -> None:
    """Do something to a file between its hashing and its reading."""

    def hash_then(file: Path) -> str:
        content = file_hash(file)
        if file.name == "victim.txt":
            what(file)
        return content

    monkeypatch.setattr(pipeline, "file_hash", hash_then)


@pytest.mark.parametrize("size", ["longer", "as long"])
def test_a_file_that_changes_while_it_is_read_is_left_for_the_next_time(
    workspace: Workspace, docs: Path, monkeypatch: pytest.MonkeyPatch, size: str
) -> None:
    fill(docs, "good.txt", "victim.txt")
    text = (docs / "victim.txt").read_text("utf-8")
    changed = text.upper() + (" More." if size == "longer" else "")
    with monkeypatch.context() as patched:
        hooked(patched, lambda file: file.write_text(changed, "utf-8"))
        report = ingest(workspace, docs)
    assert by_path(report)["victim.txt"].status == "failed"
    assert "changed while it was read" in by_path(report)["victim.txt"].message
    assert by_path(ingest(workspace, docs))["victim.txt"].status == "added"
    catalog = Catalog(workspace.corpus(DEFAULT_CORPUS))
    assert changed in [catalog.text(row.document_id) for row in catalog.files() if row.document_id]
    catalog.close()


def test_a_file_that_vanishes_is_told_and_then_forgotten(
    workspace: Workspace, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(docs, "good.txt", "victim.txt")
    with monkeypatch.context() as patched:
        hooked(patched, Path.unlink)
        report = ingest(workspace, docs)
    assert by_path(report)["victim.txt"].status == "failed"
    assert ingest(workspace, docs).counts == {"forgotten": 1, "unchanged": 1}


def test_a_file_that_may_not_be_read_is_told(workspace: Workspace, docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(docs, "good.txt", "locked.txt")
    real = Path.open

    def refusing(self: Path, mode: str = "r", *rest: int, **named: str | None) -> object:
        if self.name == "locked.txt":
            raise PermissionError(13, "Permission denied")
        return real(self, mode, *rest, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refusing)
    report = ingest(workspace, docs)
    assert by_path(report)["locked.txt"].message == "locked.txt cannot be read: Permission denied. Check its rights."
    assert by_path(report)["good.txt"].status == "added"


# Readers that hang, swell and die


@pytest.mark.slow
@pytest.mark.usefixtures("reading_apart")
def test_a_reader_that_takes_too_long_is_stopped(workspace: Workspace, docs: Path) -> None:
    fill(docs, "a.txt", "z.txt")
    slow_file(docs)
    started = sum(os.times()[:4])
    report = ingest(workspace, docs, timeout_seconds=1)
    assert sum(os.times()[:4]) - started < 12, "seconds of processor time, of this process and of those that it had"
    assert "took longer than 1 s (ingest.timeout_seconds)" in by_path(report)["slow.txt"].message
    assert (by_path(report)["a.txt"].status, by_path(report)["z.txt"].status) == ("added", "added")


@pytest.mark.slow
@pytest.mark.usefixtures("reading_apart")
def test_a_reader_that_takes_too_much_memory_is_stopped(workspace: Workspace, docs: Path) -> None:
    fill(docs, "a.txt", "z.txt")
    slow_file(docs)
    report = ingest(workspace, docs, memory_mb=256)
    assert by_path(report)["slow.txt"].status == "failed"
    assert "memory" in by_path(report)["slow.txt"].message
    assert (by_path(report)["a.txt"].status, by_path(report)["z.txt"].status) == ("added", "added")


@pytest.mark.slow
@pytest.mark.usefixtures("reading_apart")
def test_a_reader_that_is_killed_costs_one_file(workspace: Workspace, docs: Path) -> None:
    fill(docs, "a.txt", "z.txt")
    slow_file(docs)
    reports: list[IngestReport] = []
    run = threading.Thread(target=lambda: reports.append(ingest(workspace, docs)))
    run.start()
    killed = False
    while not killed:
        for child in psutil.Process().children():
            if "spawn_main" in " ".join(child.cmdline()) and child.cpu_times().user > 1.2:
                child.send_signal(signal.SIGKILL)
                killed = True
        time.sleep(0.05)
    run.join()
    (report,) = reports
    assert "made its reader crash (killed): it is damaged, or needs more memory" in by_path(report)["slow.txt"].message
    assert (by_path(report)["a.txt"].status, by_path(report)["z.txt"].status) == ("added", "added")


def test_a_fault_of_ours_costs_one_file(docs: Path) -> None:
    """What a reader or the chunker raises unforeseen comes back as that file's failure."""
    from concurrent.futures import Future

    from ingest.worker import ReadResult, Task, _outcome, recipe_from

    future: Future[ReadResult] = Future()
    future.set_exception(ValueError("no\nsuch thing"))
    recipe = recipe_from(Settings().ingest, FakeEmbedder().tokens)
    reading = _outcome(Task(docs / "a.md", 0, 0), future, recipe)
    assert reading.failure == "a.md could not be read: ValueError: no such thing."


@contextmanager
def memory_of_children() -> Iterator[list[int]]:
    """The processes that this one has started, in bytes, every few milliseconds.

    Until a child becomes another program, it shows the memory of this process, whatever other tests left in it.
    """
    this, seen, ended = psutil.Process(), [0], threading.Event()

    def look() -> None:
        while not ended.wait(0.01):
            for child in this.children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    memory = child.memory_info().rss
                    if child.cmdline() != this.cmdline():
                        seen.append(memory)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        ended.set()
        looking.join()


@pytest.mark.slow
@pytest.mark.parametrize("size", [200_000_000, 230_000_000])
@pytest.mark.usefixtures("reading_apart")
def test_two_hundred_megabytes_of_text_are_refused_soon_and_cheaply(
    workspace: Workspace, docs: Path, size: int
) -> None:
    fill(docs, "a.txt")
    with (docs / "big.txt").open("wb") as stream:
        line = b"The insurer pays for damage by fire and by lightning, and by nothing else.\n"
        for _ in range(size // (len(line) * 10_000) + 1):
            stream.write(line * 10_000)
    started = sum(os.times()[:4])
    with memory_of_children() as seen:
        report = ingest(workspace, docs)
    assert sum(os.times()[:4]) - started < 20, "seconds of processor time, of this process and of those that it had"
    assert 0 < max(seen) < 2_500 << 20
    assert "characters" in by_path(report)["big.txt"].message
    assert by_path(report)["a.txt"].status == "added"


def test_a_file_over_the_limit_is_not_even_opened(
    workspace: Workspace, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(docs, "a.txt")
    with (docs / "huge.txt").open("wb") as stream:
        stream.truncate(2 << 20)
    hashed: list[str] = []

    def noting(file: Path) -> str:
        hashed.append(file.name)
        return file_hash(file)

    monkeypatch.setattr(pipeline, "file_hash", noting)
    report = ingest(workspace, docs, max_file_mb=1)
    assert by_path(report)["huge.txt"].message == (
        "huge.txt has 2 MiB; ingest.max_file_mb is 1. Raise the limit or split the file."
    )
    assert hashed == ["a.txt"]


def test_what_a_file_may_unpack_to_is_a_setting(workspace: Workspace, docs: Path) -> None:
    (docs / "large.docx").write_bytes(with_member(docx(), "word/media/plan.bmp", b" " * (1 << 20)))
    (refused,) = ingest(workspace, docs, max_unpacked_mb=1).files
    assert refused.status == "failed" and "raise ingest.max_unpacked_mb" in refused.message
    assert ingest(workspace, docs, max_unpacked_mb=2).counts == {"added": 1}


# Many files, and no room


@pytest.mark.slow
def test_five_thousand_unchanged_files_take_two_seconds_and_no_torch(workspace: Workspace, docs: Path) -> None:
    real = Embedder(Settings().embedder, Settings().device).fingerprint
    for number in range(5_000):
        folder = docs / str(number % 50)
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.txt").write_text(f"File {number}.", "utf-8")
    embedder = FakeEmbedder(real)
    pipeline.ingest(workspace, DEFAULT_CORPUS, [docs], Settings(), embedder=embedder)
    code = "import atexit, sys; atexit.register(lambda: print('torch' in sys.modules, file=sys.stderr))"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = command("ingest", str(docs), "--workspace", str(workspace.root), "--json", code=code)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert json.loads(done.stdout)["counts"] == {"unchanged": 5000}
    assert done.stderr == "False\n"
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2 * slowdown()


LIMITED = """
import resource, sys
sys.path[:0] = {tests!r}
from fakes import FakeEmbedder
from reading_here import read_here
from ingest import pipeline
from ingest.readers.clean import language_of
pipeline.Embedder = lambda *_: FakeEmbedder()
pipeline.read_all = read_here
language_of("This unpacks a model into a temporary file, before there is no room for one.", "")
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("spare", [0, 30_000, 100_000, 140_000])
def test_a_full_disk_is_told_in_one_line_and_costs_nothing(workspace: Workspace, docs: Path, spare: int) -> None:
    fill(docs, "a.txt")
    first = ingest(workspace, docs)
    folder = workspace.corpus(DEFAULT_CORPUS)
    for number in range(60):
        (docs / f"{number}.txt").write_text(f"Number {number} speaks of fire and water. " * 50, "utf-8")
    limit = (folder / "catalog.sqlite").stat().st_size + spare
    code = LIMITED.format(tests=[str(Path(__file__).parents[1]), str(Path(__file__).parent)], limit=limit)
    done = command("ingest", str(docs), "--workspace", str(workspace.root), code=code)
    assert done.returncode == 1, done.stdout
    assert done.stderr.count("\n") == 1, done.stderr
    assert "free" in done.stderr.lower()
    catalog = Catalog(folder)
    assert catalog.damage() == ""
    assert catalog.generation() == 1
    assert [row.path for row in catalog.files()] == ["a.txt"]
    catalog.close()
    assert not [file for file in folder.iterdir() if file.suffix == ".tmp"]
    assert ingest(workspace, docs).documents == first.documents + 60
