"""The app: one page of Gradio a language, with a tab for each part of the work, and our own routes around it.

    /                       leads to /en or /de, by what the browser prefers
    /en  /de                the same page in each language
    /assets/…               our style sheet and script
    /sources/…              pages and files of documents (ui.sources.routes)
    /reports/NAME           a report of an evaluation (ui.shown.reports)
    /conversations/…        a conversation as a file (ui.export)

Gradio builds labels once, so there is one ``Blocks`` a language over the same context. The tabs share one page: an
answer goes on coming in while someone looks at the documents. The gate (ui.access) stands before all of it.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from fastapi import FastAPI, Request
from starlette.responses import FileResponse, RedirectResponse, Response

from assistant.errors import AssistantError, UsageError
from assistant.text.languages import LANGUAGES
from ui.access import guard
from ui.api import endpoints as api
from ui.api.bearer_tokens import TokenFile, Tokens
from ui.context import AppContext
from ui.export import add_export_route
from ui.health import Measured, add_health_routes
from ui.logs import record
from ui.pages import chat, documents, evaluation, rating, teaching, training, upkeep
from ui.pages.events import QUIET
from ui.people import Role
from ui.personal_data import drop_old
from ui.requests import Hosts
from ui.server import open_socket
from ui.shown.components import header_html
from ui.shown.reports import add_report_routes
from ui.signin import name_for_gradio
from ui.sources.routes import add_source_routes
from ui.texts import preferred
from ui.theme import ASSETS, head, make_theme
from ui.uploads import keep_arrivals_in


@dataclass(frozen=True, slots=True)
class Page:
    """A tab: what lays it out, and who sees it. What is hidden is not yet forbidden: each callback asks again."""

    name: str
    build: Callable[[AppContext], None]
    role: Role


PAGES = (
    Page("chat", chat.build, "expert"),
    Page("documents", documents.build, "editor"),
    Page("training", training.build, "editor"),
    Page("evaluation", evaluation.build, "editor"),
    Page("rating", rating.build, "editor"),
    Page("teaching", teaching.build, "editor"),
    Page("settings", upkeep.build_settings, "admin"),
    Page("health", upkeep.build_health, "editor"),
)
_UPLOADS_SECONDS = (3600, 24 * 3600)
"""Every hour, Gradio deletes what was uploaded a day ago; what was taken in lies elsewhere."""
_QUEUE_SECONDS = 0.01
"""So often Gradio looks for something to do. Its own every millisecond takes 7 % of a core, in which a model waits."""
_DROPPING_SECONDS = 3600.0
API = "/api"
_COUNTED = (
    *("/", "/api", "/assets", "/sources", "/reports", "/conversations", "/health", "/ready", "/sign-in", "/sign-out"),
    *(f"/{language}" for language in LANGUAGES),
)
"""What requests are counted by: the first part of their path."""
_log = logging.getLogger("uvicorn.error")


def create_app(context: AppContext, tokens: Tokens | None = None) -> FastAPI:
    """The application of a workspace; with ``tokens``, and be they none, the API for programs is under ``/api``."""
    keep_arrivals_in(context.workspace)
    running = _running(context)
    app = FastAPI(title="Domain assistant", docs_url=None, redoc_url=None, openapi_url=None, lifespan=running)
    app.add_api_route("/", _to_preferred, include_in_schema=False)
    app.add_api_route("/assets/{name}", _asset, include_in_schema=False)
    app.add_api_route("/favicon.ico", _icon, include_in_schema=False)
    add_source_routes(app, context.library, context.pdf_pages)
    add_report_routes(app, context.workspace)
    add_export_route(app, context)
    metrics = context.answering.metrics
    add_health_routes(app, context.service, metrics, tokens or Tokens.of((), TokenFile(context.workspace)))
    with ThreadPoolExecutor(1) as elsewhere:
        for language in LANGUAGES:
            elsewhere.submit(lambda one: asyncio.run(_mount(app, one)), context.in_language(language)).result()
    if tokens is not None:
        if context.people is not None:  # what one of them may read says nothing about their programs
            tokens.require()
        hosts = Hosts("ui", context.settings.ui, is_open=tokens.is_open)
        app.mount(API, api.create_app(context.service, tokens, hosts))
    beside = [API] if tokens and not tokens.is_open else []
    kept = partial(record, context.settings, context.workspace.root)
    guard(app, context.settings.ui, context.people, context.arrivals, *beside, record=kept)
    app.add_middleware(Measured, metrics=metrics, known=_COUNTED)
    return app


def listening_socket(context: AppContext) -> socket.socket:
    """A socket on ``ui.host`` and ``ui.port``.

    Raises UsageError for an address that others can reach while nobody signs in, and for one that cannot be had.
    """
    settings = context.settings.ui
    others = UsageError(
        f"Others could reach {settings.host} without signing in.",
        "Run: assistant users add NAME, or listen on 127.0.0.1.",
    )
    return open_socket(settings.host, settings.port, others if context.people is None else None)


def make_blocks(context: AppContext) -> Any:
    """The page in the context's language."""
    with gr.Blocks(
        title=context.text("app.title"), analytics_enabled=False, fill_width=True, delete_cache=_UPLOADS_SECONDS
    ) as blocks:
        titles = {page.name: context.text(f"tabs.{page.name}") for page in PAGES}
        header = gr.HTML(header_html(context, titles), elem_id="header", apply_default_css=False)
        tabs = []
        with gr.Tabs(elem_id="pages"):
            for page in PAGES:
                is_open = context.people is None or page.role == "expert"
                with gr.Tab(titles[page.name], id=page.name, elem_id=f"page-{page.name}", visible=is_open) as tab:
                    page.build(context)
                tab.select(None, js=f"() => window.assistant.at('{page.name}')", **QUIET)
                tabs.append(tab)

        def show_frame(request: gr.Request) -> list[object]:
            user = context.who(request)
            return [
                header_html(context, titles, user),
                *(gr.Tab(visible=user.may(page.role)) for page in PAGES),
            ]

        blocks.load(show_frame, outputs=[header, *tabs], **QUIET)
    return blocks


async def _mount(app: FastAPI, context: AppContext) -> None:
    """In an event loop of its own: where there is none, Gradio makes several and closes none of them."""
    blocks = make_blocks(context)
    blocks._queue.sleep_when_free = _QUEUE_SECONDS
    gr.mount_gradio_app(
        app,
        blocks,
        path=f"/{context.language}",
        auth_dependency=name_for_gradio,
        max_file_size=f"{context.settings.ui.upload_mb}mb",
        theme=make_theme(),
        head=head(),
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        enable_monitoring=False,
    )


def _running(context: AppContext) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    def load() -> None:
        """Load the models, and search each corpus once: an index is opened by the first who needs it."""
        context.service.load()
        for corpus in context.workspace.corpus_names():
            context.service.search(corpus, context.text("chat.question"))

    def prepare() -> None:
        for step in (context.conversations.clear_files, load):
            try:
                step()
            except AssistantError as error:
                _log.error("%s", error)
            except Exception:
                _log.exception("The app is not prepared for the first who asks.")

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        """Load the models before a page takes the processor; in the end, wait for the answers that are under way."""
        await asyncio.to_thread(prepare)
        await asyncio.to_thread(context.pdf_pages.warm_up)
        dropping = asyncio.create_task(_drop_old(context))
        yield
        dropping.cancel()
        await asyncio.to_thread(context.pdf_pages.close)
        await asyncio.to_thread(context.answering.close)

    return running


async def _drop_old(context: AppContext) -> None:
    """Every hour, conversations go that have come of age."""
    while True:
        try:
            await asyncio.to_thread(drop_old, context.workspace, context.settings.ui.keep_days)
        except AssistantError as error:
            _log.error("%s", error)
        await asyncio.sleep(_DROPPING_SECONDS)


async def _asset(name: str) -> Response:
    known = {file.name for file in ASSETS.iterdir()}
    return (
        FileResponse(ASSETS / name, headers={"Cache-Control": "no-cache"})
        if name in known
        else Response(status_code=404)
    )


async def _icon() -> Response:
    return FileResponse(ASSETS / "icon.svg")


async def _to_preferred(request: Request) -> Response:
    return RedirectResponse(f"/{preferred(request.headers.get('accept-language', ''))}/")
