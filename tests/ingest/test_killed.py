"""Killed at any instant, a workspace opens, answers from its last good state, and the next ingest goes on.

A warm parent (``serve``) forks one process an ingest, so that a kill costs milliseconds. A process is killed
by the clock from outside, or by itself at the n-th line that it runs of the code that writes.
"""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest
from fakes import FakeEmbedder
from fulltext import held_in

from assistant.config import Settings
from assistant.store.catalog import CALIBRATION_FILE, CATALOG_FILE, Catalog
from assistant.store.vectors import base_of, open_index, vectors_file
from assistant.text.words import query_terms
from assistant.workspace import DEFAULT_CORPUS, Workspace

if TYPE_CHECKING:
    from _typeshed import TraceFunction

SETTINGS = Settings.model_validate({"ingest": {"workers": 2, "window_tokens": 48, "min_window_tokens": 8}})
WRITING = ("ingest/pipeline.py", "store/catalog.py", "store/lexical.py", "store/vectors.py", "assistant/workspace.py")
KILLS_BY_LINE = 28
KILLS_BY_CLOCK = 24
WORDS = [
    "apple",
    "brick",
    "cloud",
    "delta",
    "ember",
    "flint",
    "grape",
    "house",
    "ivory",
    "jewel",
    "knife",
    "lemon",
    "maple",
    "north",
    "ocean",
    "pearl",
]


# In the child


def serve() -> None:
    """For each line ``workspace folder line in_process`` on standard input: fork an ingest, print its pid."""
    from reading_here import read_here

    from ingest import pipeline

    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:  # warms the parent
        patched.setattr(pipeline, "read_all", read_here)
        write_something(Path(folder, "a.md"), random.Random(0))
        _ingest(Path(folder, "workspace"), Path(folder))
    for request in sys.stdin:
        workspace, folder, line, in_process = request.split()
        pid = os.fork()
        if not pid:
            _ingest_once(workspace, folder, int(line), in_process == "True")
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(status, flush=True)


def _ingest_once(workspace: str, folder: str, line: int, in_process: bool) -> None:
    from ingest import pipeline

    status = 1
    lines = 0

    def trace(frame: FrameType, event: str, _: object) -> "TraceFunction | None":
        nonlocal lines
        if not frame.f_code.co_filename.endswith(WRITING):
            return None
        if event == "line":
            lines += 1
            if lines == line:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    try:
        if in_process:
            from reading_here import read_here

            pipeline.read_all = read_here  # type: ignore[attr-defined]
        pipeline._EMBED_WINDOWS = 12  # several portions an ingest
        if line >= 0:
            sys.settrace(trace)
        _ingest(Path(workspace), Path(folder))
        sys.settrace(None)
        if line == 0:
            Path(workspace, "lines").write_text(str(lines))
        status = 0
    finally:
        os._exit(status)


def _ingest(workspace: Path, folder: Path) -> None:
    from ingest import pipeline

    place = Workspace(workspace)
    pipeline.ingest(place, DEFAULT_CORPUS, [folder], SETTINGS, confirmed=True, embedder=FakeEmbedder())


# In the test


class Victim:
    """The warm parent, and the ingests it forks."""

    def __init__(self, process: "subprocess.Popen[str]", workspace: Workspace, docs: Path) -> None:
        self._process = process
        self.workspace = workspace
        self.docs = docs

    def start(self, line: int = -1, in_process: bool = True) -> int:
        """Start an ingest; its process id."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{self.workspace.root} {self.docs} {line} {in_process}\n")
        self._process.stdin.flush()
        return self._answer()

    def wait(self) -> int:
        """How the ingest ended: 0, or the signal that ended it."""
        return self._answer()

    def _answer(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


@pytest.fixture(scope="module")
def parent() -> Iterator["subprocess.Popen[str]"]:
    code = "import sys; sys.path[:0] = sys.argv[1:]; from test_killed import serve; serve()"
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    with subprocess.Popen(
        [sys.executable, "-c", code, *folders], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def victim(parent: "subprocess.Popen[str]", workspace: Workspace, docs: Path) -> Victim:
    workspace.root.mkdir()
    return Victim(parent, workspace, docs)


def write_something(file: Path, chance: random.Random) -> None:
    paragraphs = [
        f"{chance.choice(WORDS).title()} {' '.join(chance.choices(WORDS, k=12))}." for _ in range(chance.randint(2, 8))
    ]
    # The title is stated: one that is made from a file's name outlives its renaming.
    file.write_text("\n\n".join([f"# About {chance.choice(WORDS)}", *paragraphs]), "utf-8")


def change(folder: Path, chance: random.Random) -> None:
    """Add, change, rename, copy, break and delete some files."""
    files = sorted(folder.glob("*.*"))
    for number in range(chance.randint(1, 3)):
        write_something(folder / f"new{chance.randrange(10**9)}{number}.md", chance)
    for file in chance.sample(files, min(len(files), 5)):
        match chance.randrange(5):
            case 0 if len(files) > 6:
                file.unlink()
            case 1:
                file.rename(file.with_stem(f"moved{chance.randrange(10**9)}"))
            case 2:
                file.with_stem(f"copy{chance.randrange(10**9)}").write_bytes(file.read_bytes())
            case _:
                write_something(file, chance)


State = dict[str, str]


def state_of_disk(folder: Path) -> State:
    return {file.name: file.read_text("utf-8").removeprefix("# ") for file in folder.iterdir()}


def state_of_corpus(workspace: Workspace) -> State:
    """Path → text; on the way, everything that has to be true of a good corpus."""
    folder = workspace.corpus(DEFAULT_CORPUS)
    if not (folder / CATALOG_FILE).exists():
        return {}
    catalog = Catalog(folder)
    try:
        with sqlite3.connect(folder / CATALOG_FILE) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        connection.close()
        with catalog.snapshot():
            files = catalog.files()
            state = {row.path: catalog.text(row.document_id) for row in files if row.document_id}
            assert len(state) == len(files)
            index = open_index(catalog, catalog.generation())
            assert len(index) == catalog.counts().chunks
            if state:
                question = FakeEmbedder().embed_question(next(iter(state.values())))
                hits = index.search(question, 5)
                chunks = catalog.chunks([one for one, _ in hits])
                assert len(chunks) == len(hits) > 0
                assert all(chunk.text in state[chunk.document] for chunk in chunks.values())
            for word in WORDS[:4]:
                stems = query_terms(word, {*catalog.languages(), "en"})
                matched = catalog.chunks([one for one, _ in catalog.match(stems, 1000)])
                shown = {chunk.document_id for chunk in matched.values()}
                assert shown == {row.document_id for row in files if word in state[row.path].lower()}
    finally:
        catalog.close()
    return state


def content(workspace: Workspace) -> tuple[list[Any], ...]:
    """Everything that is stored, apart from numbers that depend on history."""
    with sqlite3.connect(workspace.corpus(DEFAULT_CORPUS) / CATALOG_FILE) as connection:
        queries = (
            "SELECT root, path, size, modified_ns, hash, failure, key FROM files JOIN documents ON id = document_id",
            "SELECT key, title, format, language, date, pages, metadata, warnings, characters, chunks, text"
            " FROM documents",
            "SELECT key, start, end, heading, place, context, digest, vector FROM windows"
            " JOIN chunks ON chunks.id = chunk_id JOIN documents ON documents.id = document_id",
            "SELECT term, chunks FROM frequencies",
        )
        found = [sorted(connection.execute(query).fetchall()) for query in queries]
        places = "SELECT chunks.id, key, start FROM chunks JOIN documents ON documents.id = document_id"
        held = held_in(connection)
        found.append(sorted((key, start, sorted(held[id_].items())) for id_, key, start in connection.execute(places)))
    connection.close()
    return tuple(found)


def assert_equals_fresh(victim: Victim, tmp_path: Path) -> None:
    """An undisturbed ingest completes, leaves nothing lying about, and equals one into a fresh workspace."""
    victim.start()
    assert victim.wait() == 0
    assert state_of_corpus(victim.workspace) == state_of_disk(victim.docs)
    fresh = Victim(victim._process, Workspace(tmp_path / "fresh"), victim.docs)
    fresh.start()
    assert fresh.wait() == 0
    assert content(victim.workspace) == content(fresh.workspace)
    folder = victim.workspace.corpus(DEFAULT_CORPUS)
    catalog = Catalog(folder)
    keep = {CATALOG_FILE, CALIBRATION_FILE, ".lock", vectors_file(folder, base_of(catalog).generation).name}
    ids = np.concatenate([ids for ids, _ in catalog.live_vectors()])
    index = open_index(catalog, catalog.generation())
    zero = np.zeros(catalog.dimension(), np.float32)
    assert {one for one, _ in index.search(zero, len(ids))} == set(ids.tolist())
    catalog.close()
    assert {file.name for file in folder.iterdir()} == keep


def count_lines(victim: Victim) -> tuple[int, float]:
    """How many lines of the writing code one ingest runs, and the seconds of processor time that it takes."""
    pid, seconds = victim.start(line=0), 0.0
    while is_running(pid):
        seconds = max(seconds, processor_seconds(pid))
        time.sleep(0.005)
    assert victim.wait() == 0
    return int((victim.workspace.root / "lines").read_text()), seconds


def processor_seconds(pid: int) -> float:
    """What a process has computed so far; 0 of one that is gone."""
    with suppress(psutil.NoSuchProcess):
        times = psutil.Process(pid).cpu_times()
        return times.user + times.system
    return 0.0


def kill_often(victim: Victim, chance: random.Random, kills: Sequence[tuple[str, int]]) -> int:
    """Change the folder, ingest, kill; the corpus is then what it was or what it should be. How many died."""
    before = state_of_corpus(victim.workspace)
    lines, seconds, killed = 0, 0.0, 0
    for position, (how, _) in enumerate(kills):
        if position % 2 == 0:  # every other run goes on where the killed one was
            change(victim.docs, chance)
        if position % 10 == 0:  # what a whole ingest takes, of processor time: others may compute too
            lines, seconds = count_lines(victim)
            before = state_of_corpus(victim.workspace)
            change(victim.docs, chance)
        if how == "line":
            victim.start(line=chance.randint(1, lines))
        else:
            pid = victim.start()
            instant = chance.uniform(0, seconds / 3)  # counting lines slows it down
            while is_running(pid) and processor_seconds(pid) < instant:
                time.sleep(0.001)
            with suppress(ProcessLookupError):  # it may have ended
                os.kill(pid, signal.SIGKILL)
        killed += victim.wait() == signal.SIGKILL
        now = state_of_corpus(victim.workspace)
        assert now in (before, state_of_disk(victim.docs)), f"half done after kill {position} by {how}"
        before = now
    return killed


@pytest.mark.slow
@pytest.mark.parametrize(("how", "kills"), [("line", KILLS_BY_LINE), ("clock", KILLS_BY_CLOCK)])
def test_killed_at_any_instant_the_corpus_is_good(victim: Victim, tmp_path: Path, how: str, kills: int) -> None:
    chance = random.Random(4711 + kills)
    for number in range(10):
        write_something(victim.docs / f"{number}.md", chance)
    killed = kill_often(victim, chance, [(how, number) for number in range(kills)])
    assert killed > kills * 0.6
    assert_equals_fresh(victim, tmp_path)


@pytest.mark.slow
def test_killed_with_its_readers_it_leaves_no_process_behind(victim: Victim, tmp_path: Path) -> None:
    chance = random.Random(11)
    for number in range(30):
        write_something(victim.docs / f"{number}.md", chance)
    # So long that its reader would go on for a while, were it not for the watch that it keeps.
    line = "Apple brick cloud delta. Ember flint grape.\n\n"
    (victim.docs / "long.md").write_text(line * (18_000_000 // len(line)), "utf-8")
    for delay in (0.35, 1.5):
        pid = victim.start(in_process=False)
        time.sleep(delay)
        orphans = psutil.Process(pid).children(recursive=True)
        os.kill(pid, signal.SIGKILL)
        victim.wait()
        assert_ended(partial(running, [one.pid for one in orphans]), 20)
        state_of_corpus(victim.workspace)
        change(victim.docs, chance)
    (victim.docs / "long.md").unlink()
    assert_equals_fresh(victim, tmp_path)


# Ctrl-C

COMMAND = """
import sys
sys.path[:0] = [sys.argv.pop(1)]
ready = sys.argv.pop(1)
from fakes import FakeEmbedder
from assistant.cli import main
from ingest import pipeline
pipeline.Embedder = lambda *_: FakeEmbedder()
open(ready, "w").close()
main()
"""


@pytest.mark.slow
def test_interrupted_it_says_one_line_and_the_next_ingest_goes_on(docs: Path, workspace: Workspace) -> None:
    chance = random.Random(5)
    text = " ".join(chance.choices(WORDS, k=4000))
    for number in range(30):
        (docs / f"{number}.md").write_text(f"Number {number}. {text}", "utf-8")
    ready = docs.parent / "ready"
    command = [
        sys.executable, "-c", COMMAND, str(Path(__file__).parents[1]), str(ready),
        "ingest", str(docs), "--workspace", str(workspace.root), "--set", "ingest.workers=2",
    ]  # fmt: skip
    for delay in (0.1, 0.25, 0.4, 0.6):
        # A session of its own: as at a terminal, the signal goes to the reading processes too.
        ready.unlink(missing_ok=True)
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # What runs in the background may have been told to ignore it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        while not ready.exists():
            time.sleep(0.01)
        time.sleep(delay)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 1, (delay, out, err)
        # Click ends the line with the ^C on it first.
        assert err.lstrip("\n") == "Stopped. What was done so far is kept.\n", delay
        assert out == ""
        assert_ended(partial(session_of, process.pid), 60)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(state_of_corpus(workspace)) == 30


def session_of(leader: int) -> list[int]:
    """Running processes of a session."""
    found = []
    for pid in psutil.pids():
        with suppress(OSError):
            found += [pid] if os.getsid(pid) == leader else []
    return running(found)


def running(pids: list[int]) -> list[int]:
    return [pid for pid in pids if is_running(pid)]


def is_running(pid: int) -> bool:
    """Whether a process runs; one that only waits for its parent to notice its end does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def assert_ended(left: Callable[[], list[int]], seconds: float) -> None:
    """Wait until no process is left."""
    patience = time.monotonic() + seconds
    while pids := left():
        assert time.monotonic() < patience, pids
        time.sleep(0.01)
