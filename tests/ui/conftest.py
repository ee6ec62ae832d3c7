"""A workspace with two corpora and a server over it, once for all tests that do not change it."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from browser import chromium as chromium
from browser import left as left
from browser import visit as visit
from fakes import Clock, ScriptedEngine
from serving import ANSWER, HAIL, PETS, make_corpora, running, service_of

from assistant.workspace import Workspace
from ui import context
from ui.jobs import Jobs


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with the corpora ``cars`` and ``pets``. To be read only."""
    folder: Path = tmp_path_factory.mktemp("served")
    workspace = Workspace(folder / "workspace")
    make_corpora(workspace, folder, {"cars": {"hail.md": HAIL}, "pets": {"pets.md": PETS}})
    (workspace.adapters / "house").mkdir(parents=True)  # what is in it is the engine's business
    return workspace


@pytest.fixture(scope="session")
def address(served: Workspace) -> Iterator[str]:
    """Of a server whose engine always says ``ANSWER``; everyone is let in as often as they like."""
    service = service_of(served, ScriptedEngine(ANSWER), {"serve": {"requests_per_minute": 0}})
    with running(service) as url:
        yield url


@pytest.fixture(scope="session", autouse=True)
def _jobs_take_their_turn() -> Iterator[None]:
    """Jobs of the app do not give way to other tests, which have nobody wait for an answer."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(context, "Jobs", partial(Jobs, niceness=0))
        yield


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Of what is kept for some days."""
    clock = Clock()
    for module in ("assistant.artifacts.audit", "ui.personal_data"):
        monkeypatch.setattr(f"{module}.datetime", clock)
    return clock
