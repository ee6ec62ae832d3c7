"""A house with six documents, ingested: one that a test may change, and copies of one that none does."""

import shutil
from pathlib import Path

import pytest
from pairing import DOCUMENTS, House

from assistant.config import Settings
from assistant.workspace import Workspace


def built(workspace: Workspace, docs: Path, settings: Settings) -> House:
    """A corpus of six documents of four chunks each."""
    small = settings.ingest.model_copy(update={"min_window_tokens": 0, "chunk_characters": 0})
    house = House(workspace, docs, settings.model_copy(update={"ingest": small}))
    house.write(*DOCUMENTS)
    house.ingest()
    return house


@pytest.fixture
def living(workspace: Workspace, docs: Path, settings: Settings) -> House:
    """A house whose documents a test may change and ingest again."""
    return built(workspace, docs, settings)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> House:
    """Ingested once, never changed."""
    folder = tmp_path_factory.mktemp("template")
    (folder / "docs").mkdir()
    return built(Workspace(folder / "workspace"), folder / "docs", settings)


@pytest.fixture
def house(workspace: Workspace, template: House) -> House:
    """A house whose documents stay as they are."""
    shutil.copytree(template.workspace.root, workspace.root)
    return House(workspace, template.docs, template.settings)
