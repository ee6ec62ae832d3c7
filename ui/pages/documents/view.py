"""What a corpus holds, read from its catalog, and what an ingest did with it: as plain values, and as HTML."""

import hashlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from assistant.artifacts.command_reports import IngestReport
from assistant.errors import UsageError
from assistant.service import open_corpus
from assistant.store.index import DocumentSummary
from assistant.store.sql import file_location
from assistant.types import Filter
from assistant.work.progress import Progress
from assistant.workspace import Workspace
from ui.context import AppContext
from ui.shown.components import Badge, ListEntry, day_of, duration
from ui.shown.templates import filled
from ui.texts import shown_number

_MOST_CHARACTERS = 80_000
"""Of a preview: more would only make the page slow."""
_MOST_ROWS = 500  # likewise; the list can be searched
_MOST_FILES = 200  # likewise
_MOST_LIVE = 6  # while files are read, so that the page does not grow
# In the order in which a person wants to see them.
_STATUSES = ("failed", "skipped", "forgotten", "added", "updated", "renamed")


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
        chunks = catalog.chunks_in(Filter(documents=(row.path,)))
        own = (chunk for chunk in chunks if chunk.document_id == row.summary.id)
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


def list_html(context: AppContext, corpus: str, rows: Sequence[DocumentRow]) -> Markup:
    """Documents of a corpus as a list to choose from."""
    failed = Badge(context.text("documents.status.failed"), "failed")
    entries = [
        ListEntry(f"{corpus}/{row.key}", _title(row), _facts(context, row), failed if row.failure else None)
        for row in rows[:_MOST_ROWS]
    ]
    return filled("pages/documents/view.listing", entries=entries, more=_more(context, len(rows) - _MOST_ROWS))


def preview_html(context: AppContext, corpus: str, shown: Preview) -> Markup:
    """A document as the assistant reads it; its pages lead to where they are shown by themselves."""
    row, known = shown.row, shown.row.summary
    pages = f"/sources/{quote(corpus, safe='')}/{known.id}/pages" if known and known.format == "pdf" else ""
    passages = [(one.heading, one.pages[0] if one.pages else None, one.text) for one in shown.passages]
    return filled(
        "pages/documents/view.preview",
        title=_title(row),
        facts=_facts(context, row),
        location=row.location,
        remarks=[*map(context.said, filter(None, (row.failure, *(known.warnings if known else ()))))],
        passages=passages,
        pages=pages,
        words=context.text,
        left_out=context.text("documents.passages_left", count=shown.left_out) if shown.left_out else "",
    )


def live_html(context: AppContext, items: Sequence[Progress]) -> Markup:
    """Files while they are read: those that failed, and the last ones."""
    failed = [one for one in items if one.remark][-_MOST_FILES:]
    last = [one for one in items if not one.remark][-_MOST_LIVE:]
    return filled(
        "pages/documents/view.live",
        lines=[
            _line(context, "failed" if one.remark else "read", one.item, context.said(one.remark))
            for one in failed + last
        ],
    )


def outcome_html(context: AppContext, outcome: IngestReport) -> Markup:
    """The report of an ingest: what changed, file by file, problems first."""
    order = {status: place for place, status in enumerate(_STATUSES)}
    told = [file for file in outcome.files if file.status in order or file.warnings]
    told.sort(key=lambda file: (order.get(file.status, len(order)), file.path))
    counts = [
        context.text(f"documents.counts.{status}", count=shown_number(outcome.counts[status], context.language))
        for status in (*_STATUSES, "unchanged", "touched")
        if outcome.counts.get(status)
    ]
    holds = context.text(
        "documents.holds",
        corpus=outcome.corpus,
        documents=shown_number(outcome.documents, context.language),
        passages=shown_number(outcome.chunks, context.language),
        time=duration(context, outcome.seconds),
    )
    kinds = ", ".join(f"{suffix or '–'} ({count})" for suffix, count in outcome.passed_over.items())
    passed_over = context.text("documents.passed_over", kinds=kinds) if kinds else ""
    return filled(
        "pages/documents/view.outcome",
        summary=f"{', '.join(counts) or context.text('documents.nothing_changed')}. {holds}",
        lines=[
            _line(
                context, one.status, one.path, " ".join(map(context.said, filter(None, (one.message, *one.warnings))))
            )
            for one in told[:_MOST_FILES]
        ],
        notes=[*filter(None, (_more(context, len(told) - _MOST_FILES), passed_over))],
    )


def forgetting_html(question: str) -> Markup:
    """What would be forgotten, as a question."""
    return filled("pages/documents/view.question", text=question)


def _title(row: DocumentRow) -> str:
    return (row.summary.title if row.summary else "") or row.path


def _facts(context: AppContext, row: DocumentRow) -> str:
    known = row.summary
    if known is None:
        return row.path

    def counted(count: int, one: str, several: str) -> str:
        return context.text(f"documents.{one if count == 1 else several}", count=shown_number(count, context.language))

    pages = counted(known.pages, "one_page", "pages") if known.pages else ""
    passages = counted(known.chunks, "passage", "passages")
    day = day_of(context, known.date)
    return " · ".join(filter(None, (row.path, known.language.upper(), day, pages, passages)))


def _more(context: AppContext, left_out: int) -> str:
    return context.text("documents.more", count=shown_number(left_out, context.language)) if left_out > 0 else ""


def _line(context: AppContext, status: str, name: str, remark: str) -> tuple[str, str, str, str]:
    return context.text(f"documents.status.{status}"), status, name, remark
