"""Documents and what an ingest did with them, as HTML."""

from collections.abc import Sequence

from markupsafe import Markup

from assistant.artifacts.command_reports import IngestReport
from assistant.work.progress import Progress
from ui.context import AppContext
from ui.documents import DocumentRow, Preview
from ui.shown.components import Badge, ListEntry
from ui.shown.jobs import duration
from ui.shown.templates import filled
from ui.texts import shown_number

_MOST_ROWS = 500
_MOST_FILES = 200
_MOST_LIVE = 6
# In the order in which a person wants to see them.
_STATUSES = ("failed", "skipped", "forgotten", "added", "updated", "renamed")


def list_html(context: AppContext, rows: Sequence[DocumentRow]) -> Markup:
    """Documents as a list to choose from."""
    failed = Badge(context.text("documents.status.failed"), "failed")
    entries = [
        ListEntry(row.key, _title(row), _facts(context, row), failed if row.failure else None)
        for row in rows[:_MOST_ROWS]
    ]
    return filled("documents.listing", entries=entries, more=_more(context, len(rows) - _MOST_ROWS))


def preview_html(context: AppContext, shown: Preview) -> Markup:
    """A document as the assistant reads it."""
    row, known = shown.row, shown.row.summary
    passages = []
    for one in shown.passages:
        page = context.text("documents.page", page=one.pages[0]) if one.pages else ""
        passages.append((" · ".join(filter(None, (one.heading, page))), one.text))
    return filled(
        "documents.preview",
        title=_title(row),
        facts=_facts(context, row),
        location=row.location,
        remarks=[*filter(None, [row.failure]), *(known.warnings if known else ())],
        passages=passages,
        left_out=context.text("documents.passages_left", count=shown.left_out) if shown.left_out else "",
    )


def live_html(context: AppContext, items: Sequence[Progress]) -> Markup:
    """Files while they are read: those that failed, and the last ones."""
    failed = [one for one in items if one.remark][-_MOST_FILES:]
    last = [one for one in items if not one.remark][-_MOST_LIVE:]
    return filled(
        "documents.live",
        lines=[_line(context, "failed" if one.remark else "read", one.item, one.remark) for one in failed + last],
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
        "documents.outcome",
        summary=f"{', '.join(counts) or context.text('documents.nothing_changed')}. {holds}",
        lines=[
            _line(context, one.status, one.path, " ".join(filter(None, (one.message, *one.warnings))))
            for one in told[:_MOST_FILES]
        ],
        notes=[*filter(None, (_more(context, len(told) - _MOST_FILES), passed_over))],
    )


def forgetting_html(question: str) -> Markup:
    """What would be forgotten, as a question."""
    return filled("documents.question", text=question)


def _title(row: DocumentRow) -> str:
    return (row.summary.title if row.summary else "") or row.path


def _facts(context: AppContext, row: DocumentRow) -> str:
    known = row.summary
    if known is None:
        return row.path
    pages = context.text("documents.pages", count=known.pages) if known.pages else ""
    count = shown_number(known.chunks, context.language)
    passages = (
        context.text("documents.passage") if known.chunks == 1 else context.text("documents.passages", count=count)
    )
    return " · ".join(filter(None, (row.path, known.language.upper(), known.date, pages, passages)))


def _more(context: AppContext, left_out: int) -> str:
    return context.text("documents.more", count=shown_number(left_out, context.language)) if left_out > 0 else ""


def _line(context: AppContext, status: str, name: str, remark: str) -> tuple[str, str, str, str]:
    return context.text(f"documents.status.{status}"), status, name, remark
