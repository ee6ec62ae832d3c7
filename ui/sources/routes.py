"""Documents as a browser sees them: the panel beside the chat, and the addresses of pages and files.

The panel shows a passage on its page where there is one, else in its text. An address has a corpus, the number of a
document, a page; never a path. The gate says who may ask.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Annotated
from urllib.parse import quote

from fastapi import FastAPI, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from assistant.errors import AssistantError, ReadError
from assistant.text.languages import Language
from ui.api.workers import CLIENT_GONE, ClientGone, while_connected
from ui.conversations import is_private
from ui.people import User
from ui.shown.chat import missing_html, pages_html, text_html
from ui.shown.corpus_contents import page_html
from ui.signin import signed_in
from ui.sources.drawing import SourceDocument
from ui.sources.library import CitedSpan, Library
from ui.sources.pdfpages import HurtfulPage, Locks, PdfPages
from ui.texts import preferred, said, text

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
