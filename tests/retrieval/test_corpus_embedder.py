"""A corpus keeps the embedder that it was made with: the old index answers until the new one stands."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import run
from fakes import FakeEmbedder

from assistant import models
from assistant.config import EmbedderSettings, Settings
from assistant.errors import IdentityError
from assistant.retrieval import embedder as embedder_module
from assistant.retrieval.embedder import Embedder, better_embedder
from assistant.retrieval.retriever import Retriever
from assistant.store.catalog import Catalog
from assistant.workspace import Workspace
from ingest.pipeline import ingest

ENGLISH = "# Hail\n\nHail damage to the roof is covered, and so is damage to the windows of the house."
GERMAN = "# Hagel\n\nHagelschäden am Dach sind versichert, ebenso die Schäden an den Fenstern des Hauses."
# Ends as by kill -9 when the second document is about to be embedded.
KILLED = """
import os, signal, sys
from pathlib import Path
from assistant import config
from assistant.retrieval.embedder import Embedder
from assistant.workspace import Workspace
from ingest import pipeline

class Killed(Embedder):
    times = 0
    def embed_texts(self, texts):
        Killed.times += 1
        if Killed.times == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().embed_texts(texts)

pipeline.Embedder = Killed
pipeline._EMBED_WINDOWS = 1
settings, _ = config.load(assignments=[f"embedder.model={sys.argv[2]}", "ingest.calibrate=false"])
pipeline.ingest(Workspace(Path(sys.argv[1])), "default", [], settings, rebuild=True)
"""


@pytest.fixture
def catalog(workspace: Workspace, docs: Path) -> Iterator[Catalog]:
    (docs / "hail.md").write_text(ENGLISH)
    (docs / "flood.md").write_text("# Flood\n\nFlood damage is covered after thirty days.")
    ingest(workspace, "default", [docs], settings_with())
    catalog = Catalog(workspace.corpus("default"))
    yield catalog
    catalog.close()


@pytest.fixture
def other(tmp_path: Path) -> str:
    """The bundled embedder under another name, with another identity."""
    folder = tmp_path / "other"
    shutil.copytree(models.embedder_folder(models.BUNDLED), folder)
    (folder / "note.json").write_text("{}")
    return str(folder)


def settings_with(model: str = "") -> Settings:
    embedder = {"model": model} if model else {}
    return Settings.model_validate({"embedder": embedder, "ingest": {"calibrate": False, "workers": 1}})


def retriever_of(catalog: Catalog, settings: Settings) -> Retriever:
    return Retriever(catalog, Embedder(settings.embedder, settings.device), settings.retrieval, settings.device)


def made_with(catalog: Catalog) -> str:
    identity = catalog.identity()
    assert identity is not None
    return identity.embedder


@pytest.mark.slow
def test_the_old_index_answers_until_the_new_one_stands_also_when_the_rebuild_is_killed(
    catalog: Catalog, workspace: Workspace, other: str
) -> None:
    opened = retriever_of(catalog, settings_with(other))
    assert [hit.document for hit in opened.search("hail damage", 1)] == ["hail.md"]
    command = [sys.executable, "-c", KILLED, str(workspace.root), other]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert len(catalog.document_ids()) == 3, "one document of the new index is there, and both of the old one"
    for retriever in (opened, retriever_of(catalog, settings_with()), retriever_of(catalog, settings_with(other))):
        assert [hit.document for hit in retriever.search("hail damage", 1)] == ["hail.md"]
        assert retriever.embedder.settings.model == models.BUNDLED
    ingest(workspace, "default", [], settings_with(other), rebuild=True)
    assert made_with(catalog) == other
    for retriever in (opened, retriever_of(catalog, settings_with())):
        assert [hit.document for hit in retriever.search("hail damage", 1)] == ["hail.md"]
        assert retriever.embedder.settings.model == other


def test_an_update_keeps_the_embedder_and_says_so_where_another_was_set(
    catalog: Catalog, workspace: Workspace, docs: Path, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (docs / "storm.md").write_text("# Storm\n\nA storm surge is not covered.")
    assert ingest(workspace, "default", [], settings_with(other)).counts == {"added": 1, "unchanged": 2}
    assert made_with(catalog) == models.BUNDLED
    assert f"keeps its embedder, bundled: {other} takes over with --rebuild" in capsys.readouterr().err
    assert ingest(workspace, "default", [], settings_with()).counts == {"unchanged": 3}
    assert not capsys.readouterr().err


def test_a_rebuild_keeps_the_embedder_unless_one_is_set(catalog: Catalog, workspace: Workspace, other: str) -> None:
    for set_, expected in ((other, other), ("", other), (models.BUNDLED, models.BUNDLED)):
        ingest(workspace, "default", [], settings_with(set_), rebuild=True)
        assert made_with(catalog) == expected


def test_a_corpus_whose_embedder_is_gone_is_refused_and_can_be_rebuilt(
    catalog: Catalog, workspace: Workspace, docs: Path, other: str
) -> None:
    ingest(workspace, "default", [], settings_with(other), rebuild=True)
    (Path(other) / "note.json").write_text("[]")  # another embedder has come to its place

    embedder_module._opened.cache_clear()
    for attempt in (
        lambda: retriever_of(catalog, settings_with()).search("hail"),
        lambda: ingest(workspace, "default", [docs], settings_with()),
    ):
        with pytest.raises(IdentityError, match="stands for another one now") as caught:
            attempt()
        assert "--rebuild --corpus default" in caught.value.remedy
    shutil.rmtree(other)
    embedder_module._opened.cache_clear()
    with pytest.raises(IdentityError, match="There is no model folder"):
        retriever_of(catalog, settings_with()).search("hail")
    ingest(workspace, "default", [], settings_with(), rebuild=True)
    assert retriever_of(catalog, settings_with()).search("hail")


@pytest.mark.slow
def test_a_corpus_in_languages_that_its_embedder_was_not_made_for_is_told_with_the_remedy(
    workspace: Workspace, docs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSISTANT_WORKSPACE", str(workspace.root))
    (docs / "de.md").write_text(GERMAN)
    (docs / "en.md").write_text(ENGLISH)
    remedy = "Run: assistant ingest --rebuild --corpus default --set embedder.model=multilingual-e5-small"
    assert remedy not in run(capsys, "ingest", str(docs))[1], "half of it is English"
    (docs / "en.md").unlink()
    out = run(capsys, "ingest", str(docs))[1]
    assert "In 'default', most is in de, which bundled was not made for. On German law," in out and remedy in out
    (finding,) = (one for one in json.loads(run(capsys, "doctor", "--json")[1]) if one["name"] == "corpus default")
    assert (finding["severity"], finding["remedy"]) == ("warning", remedy)


@pytest.mark.parametrize(
    ("settings", "is_told"),
    [
        ({}, True),
        ({"languages": ("de",)}, False),
        ({"languages": ()}, False),
        ({"languages": ("fr",)}, True),
        ({"model": "OTHER"}, False),  # nobody has said what it knows
        ({"model": "OTHER", "languages": ("en",)}, True),
    ],
)
def test_only_an_embedder_whose_languages_are_known_is_found_wanting(
    workspace: Workspace, docs: Path, other: str, settings: dict[str, object], is_told: bool
) -> None:
    (docs / "de.md").write_text(GERMAN)
    ingest(workspace, "default", [docs], settings_with(), embedder=FakeEmbedder())
    catalog = Catalog(workspace.corpus("default"))
    named = {name: other if value == "OTHER" else value for name, value in settings.items()}
    embedder = Embedder(EmbedderSettings.model_validate(named), Settings().device)
    assert bool(better_embedder(catalog, embedder)[0]) == is_told
    catalog.close()
