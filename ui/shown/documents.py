"""Documents and what an ingest did with them, as HTML."""

from collections.abc import Sequence

from assistant.artifacts.reports import FileReport, IngestReport
from assistant.work.progress import Progress
from ui.context import AppContext
from ui.documents import DocumentRow, PassageView, Preview
from ui.shown.pieces import Badge, badge_html, choice_html, note_html
from ui.shown.safe import escaped
from ui.shown.work import duration
from ui.texts import shown_number

_MOST_ROWS = 500
_MOST_FILES = 200
_MOST_LIVE = 6
# In the order in which a person wants to see them.
_STATUSES = ("failed", "skipped", "forgotten", "added", "updated", "renamed")


def list_html(context: AppContext, rows: Sequence[DocumentRow]) -> str:
    """Documents as a list to choose from."""
    if not rows:
        return ""
    lines = "".join(_row(context, row) for row in rows[:_MOST_ROWS])
    return f'<ul class="choices">{lines}</ul>{_more(context, len(rows) - _MOST_ROWS)}'


def preview_html(context: AppContext, shown: Preview) -> str:
    """A document as the assistant reads it."""
    row, known = shown.row, shown.row.summary
    title = (known.title if known else "") or row.path
    remarks = "".join(f'<p class="remark">{escaped(one)}</p>' for one in _remarks(row))
    passages = "".join(_passage(context, one) for one in shown.passages)
    left = note_html(context.text("documents.passages_left", count=shown.left_out)) if shown.left_out else ""
    return (
        f'<article class="preview"><header><h3>{escaped(title)}</h3><p class="meta">{escaped(_facts(context, row))}</p>'
        f'<p class="meta">{escaped(row.location)}</p></header>{remarks}{passages}{left}</article>'
    )


def live_html(context: AppContext, items: Sequence[Progress]) -> str:
    """Files while they are read: those that failed, and the last ones."""
    failed = [one for one in items if one.remark][-_MOST_FILES:]
    last = [one for one in items if not one.remark][-_MOST_LIVE:]
    lines = "".join(_file(context, "failed" if one.remark else "read", one.item, one.remark) for one in failed + last)
    return f'<ul class="files">{lines}</ul>' if lines else ""


def outcome_html(context: AppContext, outcome: IngestReport) -> str:
    """The report of an ingest: what changed, file by file, problems first."""
    told = [file for file in outcome.files if file.status in _STATUSES or file.warnings]
    told.sort(key=lambda file: (_order(file.status), file.path))
    lines = "".join(_file(context, one.status, one.path, _told(one)) for one in told[:_MOST_FILES])
    rest = _more(context, len(told) - _MOST_FILES)
    other = _passed_over(context, outcome)
    return f'<p class="summary">{escaped(_summary(context, outcome))}</p><ul class="files">{lines}</ul>{rest}{other}'


def _summary(context: AppContext, outcome: IngestReport) -> str:
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
    return f"{', '.join(counts) or context.text('documents.nothing_changed')}. {holds}"


def _passed_over(context: AppContext, outcome: IngestReport) -> str:
    if not outcome.passed_over:
        return ""
    kinds = ", ".join(f"{suffix or '–'} ({count})" for suffix, count in outcome.passed_over.items())
    return note_html(context.text("documents.passed_over", kinds=kinds))


def _more(context: AppContext, left_out: int) -> str:
    if left_out <= 0:
        return ""
    return note_html(context.text("documents.more", count=shown_number(left_out, context.language)))


def _row(context: AppContext, row: DocumentRow) -> str:
    badge = Badge(context.text("documents.status.failed"), "failed") if row.failure else None
    title = (row.summary.title if row.summary else "") or row.path
    return choice_html(row.key, title, _facts(context, row), badge)


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


def _remarks(row: DocumentRow) -> list[str]:
    return [*([row.failure] if row.failure else []), *(row.summary.warnings if row.summary else ())]


def _passage(context: AppContext, passage: PassageView) -> str:
    pages = context.text("documents.page", page=passage.pages[0]) if passage.pages else ""
    head = " · ".join(filter(None, (passage.heading, pages)))
    return f'<section class="passage"><h4>{escaped(head)}</h4><div class="text">{escaped(passage.text)}</div></section>'


def _file(context: AppContext, status: str, name: str, remark: str) -> str:
    badge = badge_html(Badge(context.text(f"documents.status.{status}"), status))
    told = f'<span class="remark">{escaped(remark)}</span>' if remark else ""
    return f'<li>{badge} <span class="name">{escaped(name)}</span>{told}</li>'


def _told(file: FileReport) -> str:
    return " ".join(filter(None, (file.message, *file.warnings)))


def _order(status: str) -> int:
    return _STATUSES.index(status) if status in _STATUSES else len(_STATUSES)
