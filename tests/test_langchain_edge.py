"""Our retriever as LangChain sees it."""

from pathlib import Path

import pytest
from fakes import FakeEmbedder
from langchain_core.retrievers import BaseRetriever

from assistant.config import Settings
from assistant.langchain_edge import CorpusRetriever
from assistant.retriever import Retriever
from assistant.store.catalog import Catalog
from assistant.workspace import Workspace
from ingest.pipeline import ingest


def test_a_corpus_is_a_langchain_retriever(workspace: Workspace, docs: Path, settings: Settings) -> None:
    (docs / "hail.md").write_text("# Hail\n\nHail damage is covered.")
    (docs / "trips.md").write_text("# Trips\n\nA trip may last 56 days.")
    ingest(workspace, "default", [docs], settings, embedder=FakeEmbedder())
    catalog = Catalog(workspace.corpus("default"))
    ours = Retriever(catalog, FakeEmbedder(), settings.retrieval, settings.device)
    retriever = CorpusRetriever(retriever=ours, k=1)
    assert isinstance(retriever, BaseRetriever)
    (document,) = retriever.invoke("Is hail damage covered?")
    assert document.page_content == "Hail damage is covered."
    assert document.metadata["document"] == "hail.md" and document.metadata["rank"] == 1
    catalog.close()


@pytest.mark.slow
def test_it_opens_by_the_name_of_a_corpus(workspace: Workspace, docs: Path, settings: Settings) -> None:
    (docs / "hail.md").write_text("# Hail\n\nHail damage is covered.")
    ingest(workspace, "claims", [docs], settings)
    retriever = CorpusRetriever.open("claims", workspace=workspace.root)
    assert retriever.invoke("hail")[0].metadata["document"] == "hail.md"
    retriever.retriever.catalog.close()
