"""A tiny base model on disk, and a workspace with pairs to train it on."""

from pathlib import Path

import pytest
from toys import general_of, toy_model, write_toy_pairs

from assistant.config import Settings
from assistant.workspace import Workspace


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_model(tmp_path_factory.mktemp("base") / "toy")


@pytest.fixture
def general(base: Path) -> Settings:
    return general_of(base)


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    """A workspace with the pairs ``toy``."""
    workspace = Workspace(tmp_path / "workspace")
    write_toy_pairs(workspace)
    return workspace


@pytest.fixture(autouse=True)
def short_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tiny model never ends of itself."""
    monkeypatch.setattr("train.validation_answers._LONGEST_ANSWER", 8)


@pytest.fixture
def plots() -> None:
    """Asked for by tests that look at plots; drawing them takes most of the time of a tiny training."""


@pytest.fixture(autouse=True)
def no_plots_unless_asked_for(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "plots" not in request.fixturenames:
        monkeypatch.setattr("train.watch.Curves.plot", lambda *_: None)
