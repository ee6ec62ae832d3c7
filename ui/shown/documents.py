"""Documents and what an ingest did with them, as HTML."""

from collections.abc import Sequence

from assistant.progress import Progress
from ui.context import AppContext
from ui.documents import DocumentRow, FileOutcome, IngestOutcome, PassageView, Preview
from ui.shown.safe import escaped
from ui.shown.work import duration
from ui.texts import shown_number

_MOST_ROWS = 500
_MOST_FILES = 200
_MOST_LIVE = 6
# In the order in which a person wants to see them.
_STATUSES = ("failed", "skipped", "forgotten", "added", "updated", "renamed")


def list_html(context: AppContext, rows: Sequence[DocumentRow], chosen: str = "") -> str:
    """Documents as a list to choose from; ``chosen`` is the key of the one that is open."""
    if not rows:
        return ""
    lines = "".join(_row_html(context, row, row.key == chosen) for row in rows[:_MOST_ROWS])
    more = len(rows) - _MOST_ROWS
    rest = _note(context.text("documents.more", count=shown_number(more, context.language))) if more > 0 else ""
    return f'<ul class="choices">{lines}</ul>{rest}'


def empty_html(context: AppContext, key: str) -> str:
    """What to do where there is nothing yet."""
    return f'<div class="empty"><h3>{_text(context, f"{key}.title")}</h3><p>{_text(context, f"{key}.what")}</p></div>'


def preview_html(context: AppContext, shown: Preview) -> str:
    """A document as the assistant reads it."""
    row, known = shown.row, shown.row.summary
    title = (known.title if known else "") or row.path
    remarks = "".join(f'<p class="remark">{escaped(one)}</p>' for one in _remarks(row))
    passages = "".join(_passage_html(context, one) for one in shown.passages)
    left = _note(context.text("documents.passages_left", count=shown.left_out)) if shown.left_out else ""
    return (
        f'<article class="preview"><header><h3>{escaped(title)}</h3><p class="meta">{escaped(_facts(context, row))}</p>'
        f'<p class="meta">{escaped(row.location)}</p></header>{remarks}{passages}{left}</article>'
    )


def live_html(context: AppContext, items: Sequence[Progress]) -> str:
    """Files while they are read: all that failed, and the last ones."""
    failed = [one for one in items if one.remark]
    last = [one for one in items if not one.remark][-_MOST_LIVE:]
    lines = "".join(
        _file_html(context, "failed" if one.remark else "read", one.item, one.remark) for one in failed + last
    )
    return f'<ul class="files">{lines}</ul>' if lines else ""


def outcome_html(context: AppContext, outcome: IngestOutcome) -> str:
    """The report of an ingest: what changed, file by file, problems first."""
    told = [file for file in outcome.files if file.status in _STATUSES or file.warnings]
    told.sort(key=lambda file: (_order(file.status), file.path))
    lines = "".join(_file_html(context, one.status, one.path, _told(one)) for one in told[:_MOST_FILES])
    more = len(told) - _MOST_FILES
    rest = _note(context.text("documents.more", count=shown_number(more, context.language))) if more > 0 else ""
    other = _passed_over(context, outcome)
    return f'<p class="summary">{escaped(_summary(context, outcome))}</p><ul class="files">{lines}</ul>{rest}{other}'


def _summary(context: AppContext, outcome: IngestOutcome) -> str:
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


def _passed_over(context: AppContext, outcome: IngestOutcome) -> str:
    if not outcome.passed_over:
        return ""
    kinds = ", ".join(f"{suffix or '–'} ({count})" for suffix, count in outcome.passed_over.items())
    return _note(context.text("documents.passed_over", kinds=kinds))


def _row_html(context: AppContext, row: DocumentRow, is_chosen: bool) -> str:
    badge = f'<span class="badge failed">{_text(context, "documents.status.failed")}</span>' if row.failure else ""
    title = (row.summary.title if row.summary else "") or row.path
    return (
        f'<li><button type="button" class="choice" data-do="choose" data-choice="{row.key}"'
        f' aria-pressed="{str(is_chosen).lower()}">'
        f'<span class="name">{escaped(title)}</span>{badge}'
        f'<span class="meta">{escaped(_facts(context, row))}</span></button></li>'
    )


def _facts(context: AppContext, row: DocumentRow) -> str:
    known = row.summary
    if known is None:
        return row.path
    pages = context.text("documents.pages", count=known.pages) if known.pages else ""
    passages = context.text("documents.passages", count=shown_number(known.chunks, context.language))
    return " · ".join(filter(None, (row.path, known.language.upper(), known.date, pages, passages)))


def _remarks(row: DocumentRow) -> list[str]:
    return [*([row.failure] if row.failure else []), *(row.summary.warnings if row.summary else ())]


def _passage_html(context: AppContext, passage: PassageView) -> str:
    pages = context.text("documents.page", page=passage.pages[0]) if passage.pages else ""
    head = " · ".join(filter(None, (passage.heading, pages)))
    return f'<section class="passage"><h4>{escaped(head)}</h4><div class="text">{escaped(passage.text)}</div></section>'


def _file_html(context: AppContext, status: str, name: str, remark: str) -> str:
    word = _text(context, f"documents.status.{status}")
    told = f'<span class="remark">{escaped(remark)}</span>' if remark else ""
    return f'<li><span class="badge {status}">{word}</span> <span class="name">{escaped(name)}</span>{told}</li>'


def _told(file: FileOutcome) -> str:
    return " ".join(filter(None, (file.message, *file.warnings)))


def _order(status: str) -> int:
    return _STATUSES.index(status) if status in _STATUSES else len(_STATUSES)


def _note(text: str) -> str:
    return f'<p class="note">{escaped(text)}</p>'


def _text(context: AppContext, key: str) -> str:
    return escaped(context.text(key))
