"""Documents as a browser sees them: the panel beside the chat, and the addresses of pages and files.

The panel shows a passage on its page where there is one, else in its text. An address has a corpus, the number of a
document, a page; never a path. The gate says who may ask.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import FastAPI, Path, Request
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from assistant.errors import AssistantError, ReadError, UsageError
from assistant.grounding.spans import cells_of
from assistant.text.languages import Language
from assistant.types import StoredBlock
from ui.api.workers import CLIENT_GONE, ClientGone, while_connected
from ui.conversations import is_private
from ui.people import User
from ui.shown.templates import filled, heading_line, place_line
from ui.signin import signed_in
from ui.sources.drawing import Sheet, SourceDocument
from ui.sources.library import AROUND, CitedSpan, Library, LocatedPassage
from ui.sources.pdfpages import HurtfulPage, Locks, PdfPages
from ui.texts import Texts, preferred, said, text

_MOST_SHEETS = 12
"""Pages of a passage that are shown; a passage that someone made up may go on for thousands."""
Number = Annotated[int, Path(ge=0, lt=1 << 63)]
"""In an address; SQLite can look up no larger one."""
_VIEW_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_A_DAY = "private, max-age=86400"
"""The address names the content: a page may be kept by the browser of the one who asked."""


async def panel_html(library: Library, pages: PdfPages, span: CitedSpan, language: Language, client: str) -> str:
    """A passage as the reader sees it; if it is gone, the words as they were cited. ``client`` asks."""
    words = partial(text, language=language)
    try:
        passage = await asyncio.to_thread(library.passage, span, client)
    except AssistantError as error:
        return missing_html(said(error.message, language), said(error.remedy, language), span.quote, words)
    if passage.document.format != "pdf" or not passage.pages:
        return text_html(passage, words)
    ends = [*(offset for offset, _ in passage.pages[1:]), passage.end]
    sheets = []
    try:
        for (offset, page), end in list(zip(passage.pages, ends, strict=True))[:_MOST_SHEETS]:
            start = max(offset, passage.start)
            marked, before = passage.text[start : min(end, passage.end)], passage.text[offset:start]
            sheets.append((page, await pages.sheet(passage.document, page, marked, len(before), client)))
        return pages_html(passage, sheets, words)
    except HurtfulPage:
        return text_html(passage, words, note=words("sources.not_drawn"))
    except ReadError as error:
        return text_html(passage, words, note=said(str(error), language))


def pages_html(passage: LocatedPassage, sheets: Sequence[tuple[int, Sheet]], words: Texts) -> Markup:
    """A passage on the pages of its file: ``sheets`` by page number."""
    return filled(
        "sources/view.pages",
        **_source(passage, words),
        sheets=sheets,
        is_marked=any(sheet.boxes for _, sheet in sheets),
        quote=passage.text[passage.start : passage.end],
    )


def text_html(passage: LocatedPassage, words: Texts, note: str = "") -> Markup:
    """A passage in the text of its document, with what stands around it."""
    first, last = max(0, passage.start - AROUND), min(len(passage.text), passage.end + AROUND)
    first = passage.text.rfind("\n", 0, first) + 1 if first else 0
    shown, at = Markup(), first
    for table in passage.tables:
        shown += _around(passage, at, table.start) + _table(passage, table, first, last)
        at = max(at, table.end + 1)
    shown += _around(passage, at, last)
    return filled(
        "sources/view.text",
        **_source(passage, words),
        remark=note,
        shown=shown,
        is_first=first == 0,
        is_last=last == len(passage.text),
    )


def _around(passage: LocatedPassage, begin: int, end: int) -> Markup:
    """Some text of a document, with what was cited of it marked."""
    end = max(begin, end)
    start, stop = (min(max(begin, at), end) for at in (passage.start, passage.end))
    text = passage.text
    return filled("sources/view.around", before=text[begin:start], marked=text[start:stop], behind=text[stop:end])


def _table(passage: LocatedPassage, table: StoredBlock, first: int, last: int) -> Markup:
    """The header of a table, and its rows that begin between ``first`` and ``last``."""
    rows, offset = [], table.start
    lines = passage.text[table.start : table.end].split("\n")
    for line in lines:
        if first <= offset < last:
            is_cited = passage.start < offset + len(line) and offset < passage.end
            rows.append((offset, cells_of(line) or (line,), is_cited))
        offset += len(line) + 1
    head = [cells_of(line) or (line,) for line in lines[: table.header_lines]]
    behind = table.start + sum(len(line) + 1 for line in lines[: table.header_lines])
    below = [(cells, is_cited) for offset, cells, is_cited in rows if offset >= behind]
    return filled("sources/view.table", head=head, rows=below)


def missing_html(message: str, remedy: str, quote: str, words: Texts) -> Markup:
    """A passage that is not there any more: the words as they were cited."""
    return filled("sources/view.missing", message=message, remedy=remedy, quote=quote, words=words)


def _source(passage: LocatedPassage, words: Texts) -> dict[str, Any]:
    """What the frame around a passage shows: its document, where it stands there, and where pages and file are had."""
    document = passage.document
    pages = tuple(page for _, page in passage.pages)
    place = " · ".join(filter(None, (place_line(pages, passage.place, words), heading_line(passage.heading))))
    address = f"/sources/{quote(document.corpus)}/{document.id}"
    return {"document": document, "place": place, "address": address, "words": words}


def page_html(document: SourceDocument, page: int, language: Language) -> Markup:
    """A page of a document by itself, whole, with links to its neighbours.

    Raises UsageError for a page that the document has not.
    """
    if not 1 <= page <= (document.pages or 0):
        raise UsageError(f"{document.path} has no page {page}.", f"It has {document.pages or 0}.")
    return filled(
        "sources/view.page", document=document, page=page, language=language, words=partial(text, language=language)
    )


def add_source_routes(app: FastAPI, library_of: Callable[[User | None], Library], pages: PdfPages) -> None:
    """The pictures of pages, pages by themselves, and the files, of the library that somebody has."""

    lines = Locks()

    async def document_of(request: Request, corpus: str, number: int) -> tuple[SourceDocument, str]:
        user = signed_in(request.scope)
        name = user.name if user else ""
        # One at a time for a person: fifty clicks at once would compute in forty threads, and everybody else wait.
        async with lines.held(name):
            return await run_in_threadpool(lambda: library_of(user).document(corpus, number, name)), name

    async def picture(request: Request, corpus: str, document: Number, page: Number) -> Response:
        async def drawn() -> bytes:
            known, user = await document_of(request, corpus, document)
            return await pages.picture(known, page, user)

        try:
            content = await while_connected(request, drawn())
        except AssistantError as error:
            return _missing(request, error)
        except ClientGone:
            return Response(status_code=CLIENT_GONE)
        kept = "no-store" if is_private(corpus) else _A_DAY
        return Response(content, media_type="image/webp", headers={"Cache-Control": kept})

    async def view(request: Request, corpus: str, document: Number, page: Number) -> Response:
        try:
            known, _ = await document_of(request, corpus, document)
            shown = page_html(known, page, _language(request))
        except AssistantError as error:
            return _missing(request, error)
        return HTMLResponse(shown, headers={"Content-Security-Policy": _VIEW_POLICY})

    async def original(request: Request, corpus: str, document: Number) -> Response:
        try:
            known, _ = await document_of(request, corpus, document)
            content = await run_in_threadpool(known.original)
        except AssistantError as error:
            return _missing(request, error)
        name = known.path.rpartition("/")[2]
        return Response(content, media_type="application/octet-stream", headers=saved_as(name))

    app.add_api_route("/sources/{corpus}/{document}/pages/{page}", picture, include_in_schema=False)
    app.add_api_route("/sources/{corpus}/{document}/pages/{page}/view", view, include_in_schema=False)
    app.add_api_route("/sources/{corpus}/{document}/original", original, include_in_schema=False)


def saved_as(name: str) -> dict[str, str]:
    """Headers under which a browser saves a file and never shows it."""
    return {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }


def _missing(request: Request, error: AssistantError) -> Response:
    return PlainTextResponse(said(str(error), _language(request)), 404)


def _language(request: Request) -> Language:
    return preferred(request.headers.get("accept-language", ""))
