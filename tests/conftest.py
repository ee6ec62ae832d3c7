"""What most tests start from: a workspace, a folder of documents, and an embedder that costs nothing."""

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from fakes import FakeEmbedder
from reading_here import read_here

from assistant.config import Settings
from assistant.workspace import StateServer, Workspace
from bench.postgres import Postgres, empty, running
from ingest import pipeline, worker

# How long an example takes says what else the machine does; a folder that examples share is filled anew by each.
_UNASKED = (hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture)
hypothesis.settings.register_profile("any machine", deadline=None, suppress_health_check=_UNASKED)
hypothesis.settings.load_profile("any machine")


_kept = [0]
"""How many modules were there when it was last said that they stay."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-pictures", action="store_true", help="Keep pages as they look now (tests/ui/pictures).")


def pytest_collection() -> None:
    """What is imported and collected stays: to look at it for what may go was a fifth of the time that it took."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.enable()
    gc.set_threshold(20_000, 20, 50)


@pytest.fixture(scope="module", autouse=True)
def _what_is_imported_stays() -> None:
    """To look at all of it for what may go was an eighth of the time of all tests."""
    if len(sys.modules) > 1.1 * _kept[0]:
        gc.collect()
        gc.freeze()
        _kept[0] = len(sys.modules)


@pytest.fixture(scope="session", autouse=True)
def _reading_here() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pipeline, "read_all", read_here)
        yield


@pytest.fixture
def reading_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read in processes of their own, as they are outside of tests."""
    monkeypatch.setattr(pipeline, "read_all", worker.read_all)


@pytest.fixture
def figures() -> None:
    """Asked for by tests that look at the figures of a report; drawing them takes most of its time."""


@pytest.fixture(autouse=True)
def _no_figures_unless_asked_for(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    page = sys.modules.get("eval.report.html_page")
    if page and "figures" not in request.fixturenames:
        monkeypatch.setattr(page, "figures_of", lambda *_: {})


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace that does not exist yet."""
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """An empty folder for documents."""
    folder = tmp_path / "docs"
    folder.mkdir()
    return folder


@pytest.fixture
def embedder() -> FakeEmbedder:
    return FakeEmbedder()


@pytest.fixture(scope="session")
def settings() -> Settings:
    """Settings with one reading process, which starts sooner than two."""
    return Settings.model_validate({"ingest": {"workers": 1}})


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A database server; whoever stops it starts it again."""
    with running() as server:
        yield server


@pytest.fixture(params=["files", "postgres"])
def state(request: pytest.FixtureRequest) -> Iterator[StateServer | None]:
    """Where a store keeps its rows: each test that asks for it is run with files, and with a database server."""
    if request.param == "files":
        yield None
        return
    with empty(request.getfixturevalue("postgres")) as server:
        yield server
