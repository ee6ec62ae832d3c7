"""The documents of all corpora, by what an answer says of them; files of a conversation for its own person alone."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from assistant.errors import UsageError
from assistant.service import open_corpus
from assistant.store.catalog import Catalog
from assistant.store.index import Index
from assistant.store.sql import file_location
from assistant.types import Filter, StoredBlock
from assistant.workspace import Workspace
from ui.conversations import Conversations
from ui.sources.drawing import SourceDocument

AROUND = 2400
"""Characters of a document that are shown on each side of a passage: about a page in all."""


@dataclass(frozen=True, slots=True)
class CitedSpan:
    """Words of a document, as an answer cites them. Offsets count in the stored text."""

    corpus: str
    document: str
    """Path relative to the ingested folder."""
    start: int
    end: int
    quote: str


@dataclass(frozen=True, slots=True)
class LocatedPassage:
    """A span where it stands now."""

    document: SourceDocument
    text: str
    """Of the whole document."""
    start: int
    end: int
    pages: tuple[tuple[int, int], ...]
    """(offset, page) of the pages that the span stands on; empty for formats without pages."""
    heading: str
    place: str
    tables: tuple[StoredBlock, ...] = ()
    """Those that are shown with it, or a part of them."""


class Library:
    """The documents that a workspace shows. Bears several threads."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._conversations = Conversations(workspace.whole)

    def passage(self, span: CitedSpan, user: str) -> LocatedPassage:
        """Where a span stands, for ``user``. Raises UsageError when the corpus does not hold its words any more."""
        with closing(self._opened(span.corpus, user)) as catalog, catalog.snapshot():
            for document in _documents(catalog, span.corpus, path=span.document):
                text = catalog.text(document.id)
                start = span.start
                if text[start : span.end] != span.quote:
                    start = text.find(span.quote) if span.quote else -1
                if start >= 0:
                    end = start + len(span.quote)
                    pages = catalog.page_starts(document.id, start, end) if document.pages else ()
                    near = catalog.blocks(document.id, max(0, start - AROUND), end + AROUND)
                    tables = tuple(one for one in near if one.kind == "table" and one.end > start - AROUND)
                    known = _heading(catalog, document, start)
                    return LocatedPassage(document, text, start, end, pages, *known, tables)
        raise UsageError(f"These words are not in {span.document} any more.", "Ask again: the documents have changed.")

    def document(self, corpus: str, id_: int, user: str) -> SourceDocument:
        """A document by the number that the catalog gave it. Raises UsageError for one that it does not hold."""
        with closing(self._opened(corpus, user)) as catalog:
            for document in _documents(catalog, corpus, id_=id_):
                return document
        raise UsageError("There is no such document.", "Ask again: the documents have changed.")

    def _opened(self, corpus: str, user: str) -> Index:
        """Raises UsageError for a corpus that there is not, or not for ``user``."""
        folder = self._conversations.corpus(user, corpus)
        return Catalog(folder) if folder else open_corpus(self._workspace, corpus)


def _documents(catalog: Index, corpus: str, path: str | None = None, id_: int | None = None) -> list[SourceDocument]:
    """The documents with a path, or with an id. One that lies in two folders is there twice."""
    return [
        SourceDocument(
            one.id,
            corpus,
            row.path,
            one.title,
            one.format,
            one.pages,
            row.hash,
            file_location(Path(row.root), row.path),
        )
        for row in catalog.files(path, id_)
        if row.document_id is not None
        for one in catalog.document_summaries(row.document_id)
    ]


def _heading(catalog: Index, document: SourceDocument, start: int) -> tuple[str, str]:
    """Heading path, and the place that is no page, of the chunk at an offset."""
    for chunk in catalog.chunks_in(Filter(documents=(document.path,))):
        if chunk.document_id == document.id and chunk.start <= start < chunk.end:
            return chunk.heading, chunk.place
    return "", ""
