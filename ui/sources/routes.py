"""Addresses of pages and files: a corpus, the number of a document, a page; never a path. The gate says who may ask."""

from typing import Annotated
from urllib.parse import quote

from fastapi import FastAPI, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from assistant.errors import AssistantError
from ui.api.connection import CLIENT_GONE, ClientGone, while_connected
from ui.signin import signed_in
from ui.sources.library import Library
from ui.sources.pdfpages import PdfPages

Number = Annotated[int, Path(ge=0, lt=1 << 63)]
"""In an address; SQLite can look up no larger one."""
_A_DAY = "private, max-age=86400"
"""The address names the content: a page may be kept by the browser of the one who asked."""


def add_source_routes(app: FastAPI, library: Library, pages: PdfPages) -> None:
    """The pictures of pages, and the files themselves."""

    async def picture(request: Request, corpus: str, document: Number, page: Number) -> Response:
        user = signed_in(request.scope)
        try:
            known = await run_in_threadpool(library.document, corpus, document)
            content = await while_connected(request, pages.picture(known, page, user.name if user else ""))
        except AssistantError as error:
            return _missing(error)
        except ClientGone:
            return Response(status_code=CLIENT_GONE)
        return Response(content, media_type="image/webp", headers={"Cache-Control": _A_DAY})

    async def original(corpus: str, document: Number) -> Response:
        try:
            content, name = await run_in_threadpool(_original, library, corpus, document)
        except AssistantError as error:
            return _missing(error)
        return Response(content, media_type="application/octet-stream", headers=saved_as(name))

    app.add_api_route("/sources/{corpus}/{document}/pages/{page}", picture, include_in_schema=False)
    app.add_api_route("/sources/{corpus}/{document}/original", original, include_in_schema=False)


def saved_as(name: str) -> dict[str, str]:
    """Headers under which a browser saves a file and never shows it."""
    return {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }


def _original(library: Library, corpus: str, document: int) -> tuple[bytes, str]:
    known = library.document(corpus, document)
    return known.original(), known.path.rpartition("/")[2]


def _missing(error: AssistantError) -> Response:
    return PlainTextResponse(str(error), 404)
