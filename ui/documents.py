"""What a corpus holds, read from its catalog, and what an ingest reported: plain values for the page of documents."""

import hashlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from assistant.artifacts.command_reports import IngestReport
from assistant.errors import UsageError
from assistant.service import open_corpus
from assistant.store.catalog import DocumentSummary, file_location
from assistant.types import Filter
from assistant.workspace import Workspace

_MOST_CHARACTERS = 80_000
"""Of a preview: more would only make the page slow."""


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A file of a corpus. ``summary`` is None for one that could not be read; then ``failure`` says why."""

    root: Path
    path: str
    location: Path
    failure: str
    summary: DocumentSummary | None

    @property
    def key(self) -> str:
        """Stands for the file on the page, so that no path has to come back from there."""
        return hashlib.sha256(f"{self.root}\0{self.path}".encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class PreviewPassage:
    """A passage as the assistant reads it."""

    heading: str
    pages: tuple[int, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Preview:
    """A document as the assistant reads it: its passages, as far as they fit on a page."""

    row: DocumentRow
    passages: tuple[PreviewPassage, ...]
    left_out: int
    """Passages that are not shown."""


_REPORT = TypeAdapter(IngestReport)


def documents_of(workspace: Workspace, corpus: str) -> list[DocumentRow]:
    """The files of a corpus by path; none for a corpus that does not exist."""
    if corpus not in workspace.corpus_names():
        return []
    with closing(open_corpus(workspace, corpus)) as catalog, catalog.snapshot():
        summaries = {summary.id: summary for summary in catalog.document_summaries()}
        rows = []
        for file in catalog.files():
            root = Path(file.root)
            known = summaries.get(file.document_id) if file.document_id is not None else None
            rows.append(DocumentRow(root, file.path, file_location(root, file.path), file.failure, known))
    return sorted(rows, key=lambda row: (row.path.casefold(), str(row.root)))


def matching(rows: Sequence[DocumentRow], query: str) -> list[DocumentRow]:
    """The rows that have every word of ``query`` in their path, title, language or failure."""
    words = query.casefold().split()
    found = []
    for row in rows:
        known = row.summary
        of_document = (known.title, known.language) if known else ()
        searched = " ".join((row.path, *of_document, row.failure)).casefold()
        if all(word in searched for word in words):
            found.append(row)
    return found


def document(workspace: Workspace, corpus: str, key: str) -> DocumentRow:
    """The file behind a key. Raises UsageError for one that is not, or no longer, in the corpus."""
    found = next((row for row in documents_of(workspace, corpus) if row.key == key), None)
    if found is None:
        raise UsageError("This document is not in the corpus any more.", "Choose another one.")
    return found


def preview(workspace: Workspace, corpus: str, key: str) -> Preview:
    """A document as the assistant reads it. Raises UsageError for one that is not in the corpus."""
    row = document(workspace, corpus, key)
    if row.summary is None:
        return Preview(row, (), 0)
    with closing(open_corpus(workspace, corpus)) as catalog, catalog.snapshot():
        ids = catalog.chunk_ids(Filter(documents=(row.path,)))
        own = (chunk for chunk in catalog.chunks(ids).values() if chunk.document_id == row.summary.id)
        shown: list[PreviewPassage] = []
        left_out = room = 0
        for chunk in sorted(own, key=lambda chunk: chunk.start):
            room += len(chunk.text)
            if room > _MOST_CHARACTERS:
                left_out += 1
                continue
            starts = catalog.page_starts(row.summary.id, chunk.start, chunk.end)
            shown.append(PreviewPassage(chunk.heading, tuple(page for _, page in starts), chunk.text))
    return Preview(row, tuple(shown), left_out)


def read_outcome(output: str) -> IngestReport | None:
    """The report in what an ingest printed; None if it printed none."""
    try:
        return _REPORT.validate_json(output)
    except ValidationError:
        return None
