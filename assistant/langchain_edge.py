"""Our retriever as a LangChain component, for those who build on LangChain; nothing inside uses this.

from assistant.langchain_edge import CorpusRetriever
retriever = CorpusRetriever.open("default", k=5)
documents = retriever.invoke("hail damage deductible")
"""

from pathlib import Path
from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict

from assistant import config
from assistant.embedder import Embedder
from assistant.errors import UsageError
from assistant.presentation import hit_json
from assistant.retriever import Retriever
from assistant.store.catalog import Catalog
from assistant.workspace import DEFAULT_CORPUS, locate


class CorpusRetriever(BaseRetriever):
    """Evidence as LangChain documents: the text is the content, everything else of a hit its metadata."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    retriever: Retriever
    k: int = 8

    @classmethod
    def open(cls, corpus: str = DEFAULT_CORPUS, k: int = 8, workspace: Path | None = None) -> "CorpusRetriever":
        """The retriever of a corpus. Raises UsageError when there is none of that name."""
        space = locate(workspace)
        settings, _ = config.load(space.config_file)
        embedder = Embedder(settings.embedder, settings.device)
        if corpus not in space.corpus_names():
            raise UsageError(f"There is no corpus '{corpus}' in {space.root}.", "Run: assistant ingest FOLDER")
        catalog = Catalog(space.corpus(corpus))
        return cls(retriever=Retriever(catalog, embedder, settings.retrieval, settings.device), k=k)

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002
    ) -> list[Document]:
        return [_as_document(hit_json(hit)) for hit in self.retriever.search(query, self.k)]


def _as_document(hit: dict[str, Any]) -> Document:
    text = hit.pop("text")
    return Document(page_content=text, metadata=hit)
