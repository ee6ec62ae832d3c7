"""On a Ray cluster of two machines, played by this one: the same corpus, whatever dies meanwhile."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest
from test_pipeline import statuses

from assistant.artifacts.command_reports import IngestReport
from assistant.config import Settings
from assistant.errors import IngestError, UsageError
from assistant.store.catalog import CATALOG_FILE
from assistant.types import Vectors
from assistant.workspace import DEFAULT_CORPUS, Workspace
from ingest import cluster, pipeline

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster

SAMPLE = Path(__file__).parents[2] / "data" / "sample" / "docs"
SETTINGS = Settings.model_validate({"ingest": {"calibrate": False, "workers": 1, "timeout_seconds": 60}})
TABLES = {
    "documents": "*",
    "blocks": "*",
    "files": "path, size, hash, document_id, failure",
    "chunks": "*",
    "windows": "*",
    "segments": "*",
    "postings": "*",
}


def ingest(workspace: Path, docs: Path, ray: str = "") -> IngestReport:
    return pipeline.ingest(Workspace(workspace), DEFAULT_CORPUS, [docs], SETTINGS, ray=ray)


def contents(workspace: Path) -> dict[str, list[Any]]:
    """All that a corpus is, to the byte."""
    with closing(sqlite3.connect(Workspace(workspace).corpus(DEFAULT_CORPUS) / CATALOG_FILE)) as database:
        return {
            name: database.execute(f"SELECT {columns} FROM {name} ORDER BY 1, 2").fetchall()
            for name, columns in TABLES.items()
        }


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    for name in ("circulars", "faq"):
        shutil.copytree(SAMPLE / name, folder / name)
    shutil.copy(SAMPLE / "de" / "zahnzusatz-bedingungen.docx", folder)
    shutil.copy(folder / "faq" / "faq-home.md", folder / "twice.md")
    (folder / "empty.md").touch()
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing that one could read")
    return folder


@pytest.fixture
def portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "_EMBED_WINDOWS", 8)  # several an ingest


@pytest.fixture(scope="module")
def machines() -> Iterator["Cluster"]:
    """A cluster with a machine of one core beside that of its head, which has one too."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patched.setenv("RAY_AUTH_TOKEN", "a token that no one else has: 8d1f1b6e")
        from ray.cluster_utils import Cluster

        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        made.add_node(num_cpus=1)
        yield made
        made.shutdown()  # type: ignore[no-untyped-call]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """What is started hears Ctrl-C, although the tests may be a background job of a shell, which does not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.usefixtures("interruptible")
def test_nothing_is_left_running_behind_a_cluster_of_its_own_that_is_interrupted(docs: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "assistant", "ingest", str(docs), "--workspace", str(tmp_path / "w")]
    environment = {**os.environ, "RAY_AUTH_TOKEN": "another token that no one else has", "HOME": str(tmp_path)}
    with subprocess.Popen(
        [*command, "--ray", "auto"], stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("Ray: 1 machine with ")
        time.sleep(2)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 1
    assert rest.strip() == "Stopped. What was done so far is kept."
    assert len(children) > 3
    assert psutil.wait_procs(children, timeout=20)[1] == []


@pytest.mark.slow
@pytest.mark.usefixtures("portions", "reading_apart")
def test_a_cluster_makes_the_same_corpus_to_the_byte(machines: "Cluster", docs: Path, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for is_changed in (False, True):
        if is_changed:
            _change(docs)
        one, other = ingest(here, docs), ingest(there, docs, machines.address)
        untimed = [[replace(file, seconds=0) for file in report.files] for report in (one, other)]
        assert untimed[0] == untimed[1]
        assert contents(here) == contents(there)
    assert {*statuses(other).values()} == {"failed", "forgotten", "renamed", "unchanged", "updated"}


def _change(docs: Path) -> None:
    (docs / "twice.md").rename(docs / "renamed.md")
    (docs / "circulars" / "2026-03-hail-season.eml").unlink()
    (docs / "faq" / "faq-home.md").write_text("# Home\n\nA deductible is what one pays oneself.\n", "utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["while files are read", "while texts are embedded"])
@pytest.mark.usefixtures("portions")
def test_a_machine_that_dies_costs_what_it_had_under_way(
    machines: "Cluster",
    docs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
) -> None:
    ingest(tmp_path / "here", docs)
    doomed = machines.worker_nodes.copy().pop()
    name = "_sent" if moment == "while files are read" else "embed"
    calls, method = [], getattr(cluster._Cluster, name)

    def killing(*arguments: Any) -> Any:
        calls.append(name)
        begun = method(*arguments)
        if len(calls) == 2:
            machines.remove_node(doomed, allow_graceful=False)
        return begun

    monkeypatch.setattr(cluster._Cluster, name, killing)
    try:
        ingest(tmp_path / "there", docs, machines.address)
    finally:
        machines.add_node(num_cpus=1)
    assert len(calls) > 3
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


@pytest.mark.slow
def test_a_file_that_takes_workers_with_it_is_told_after_the_third(
    machines: "Cluster", docs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = tmp_path / "dead"
    read = cluster._read_sent
    (docs / "poison.md").write_text("# Poison\n\nWhoever reads this dies.\n")

    def read_or_crash(name: str, data: bytes, recipes: Any) -> Any:
        if name == "poison.md":
            with dead.open("a") as file:
                file.write("x")
            os.kill(os.getpid(), signal.SIGKILL)
        return read(name, data, recipes)

    monkeypatch.setattr(cluster, "_read_sent", read_or_crash)
    report = ingest(tmp_path / "there", docs, machines.address)
    failed = {file.path: file.message for file in report.files if file.status == "failed"}
    assert failed.keys() == {"broken.pdf", "empty.md", "poison.md"}
    assert failed["poison.md"] == (
        "poison.md made 3 workers crash: it is damaged, or needs more memory than they have."
    )
    assert dead.read_text() == "xxx"


@pytest.mark.slow
@pytest.mark.usefixtures("portions")
def test_machines_embed_at_the_same_time(
    machines: "Cluster",
    docs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    met = tmp_path / "met"
    met.mkdir()

    class Meeting:
        """An embedder that waits for its first texts until another one has some too."""

        def __init__(self, recipes: Any) -> None:
            pass

        def embed(self, texts: list[str]) -> Vectors:
            (met / str(os.getpid())).touch()
            until = time.monotonic() + 60
            while len(list(met.iterdir())) < 2 and time.monotonic() < until:
                time.sleep(0.05)
            return np.ones((len(texts), 384), np.float32)

    monkeypatch.setattr(cluster, "_Embedding", Meeting)
    ingest(tmp_path / "there", docs, machines.address)
    assert len(list(met.iterdir())) == 2


@pytest.mark.slow
def test_another_embedder_on_a_machine_ends_the_ingest_in_one_line(
    machines: "Cluster", docs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes = cluster._Recipes

    def other(version: str, embedder: Any, device: Any, fingerprint: str, ingest: Any) -> Any:
        return recipes(version, embedder, device, f"{fingerprint}, as it were", ingest)

    monkeypatch.setattr(cluster, "_Recipes", other)
    with pytest.raises(IngestError, match=r"^On [\d.]+, bundled is another model .* Bring the files"):
        ingest(tmp_path / "there", docs, machines.address)


@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "ray://127.0.0.1:{port}", "somewhere", "a:b"])
def test_an_address_without_a_cluster_is_told_and_leaves_no_corpus(address: str, docs: Path, tmp_path: Path) -> None:
    with socket.socket() as bound:  # and does not listen
        bound.bind(("127.0.0.1", 0))
        address = address.format(port=bound.getsockname()[1])
        with pytest.raises(IngestError, match=rf"^There is no Ray cluster to be had at {address}: .* Start one"):
            ingest(tmp_path / "w", docs, address)
    assert Workspace(tmp_path / "w").corpus_names() == ()


def test_without_ray_the_line_that_installs_it_is_told(
    docs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'domain-assistant\[ray\]'"):
        ingest(tmp_path / "w", docs, "auto")
