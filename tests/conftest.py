"""What most tests start from: a workspace, a folder of documents, and an embedder that costs nothing."""

from pathlib import Path

import hypothesis
import pytest
from fakes import FakeEmbedder

from assistant.config import Settings
from assistant.workspace import Workspace

# How long an example takes says what else the machine does; a folder that examples share is filled anew by each.
_UNASKED = (hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture)
hypothesis.settings.register_profile("any machine", deadline=None, suppress_health_check=_UNASKED)
hypothesis.settings.load_profile("any machine")


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
