"""The app: one page of Gradio a language, with a tab for each part of the work, and our own routes around it.

    /                       leads to /en or /de, by what the browser prefers
    /en  /de                the same page in each language
    /assets/…               our style sheet and script
    /sources/…              pages and files of documents (ui.sources.view)
    /reports/NAME           a report of an evaluation (ui.pages.evaluation.view)
    /conversations/…        a conversation as a file (ui.export)

Gradio builds labels once, so there is one ``Blocks`` a language over the same context. The tabs share one page: an
answer goes on coming in while someone looks at the documents. The gate (ui.access) stands before all of it.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI, Request
from starlette.responses import FileResponse, RedirectResponse, Response

from assistant.errors import AssistantError, UsageError
from assistant.service import open_corpus
from assistant.text.languages import LANGUAGES
from assistant.workspace import Resource
from ui.access import guard
from ui.api import endpoints as api
from ui.api.bearer_tokens import TokenFile, Tokens
from ui.context import AppContext
from ui.export import add_export_route
from ui.gradio_calls import PageSessions, apps_of
from ui.health import Measured, add_health_routes
from ui.logs import record
from ui.oidc import provider_of
from ui.pages import chat, documents, evaluation, people, rating, teaching, training, upkeep
from ui.pages.evaluation.view import add_report_routes
from ui.pages.events import QUIET
from ui.people import NOBODY, Role
from ui.personal_data import drop_old
from ui.requests import Hosts
from ui.server import open_socket
from ui.shown.components import header_html
from ui.signin import name_for_gradio
from ui.sources.view import add_source_routes
from ui.texts import preferred
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
    Page("people", people.build_people, "admin"),
    Page("settings", upkeep.build_settings, "admin"),
    Page("health", upkeep.build_health, "editor"),
)
_UPLOADS_SECONDS = (3600, 24 * 3600)
"""Every hour, Gradio deletes what was uploaded a day ago; what was taken in lies elsewhere."""
_QUEUE_SECONDS = 0.01
"""So often Gradio looks for something to do. Its own every millisecond takes 7 % of a core, in which a model waits."""
_TAKING_SECONDS = 1.0
_DROPPING_SECONDS = 3600.0
_WAITING_SECONDS = 1.0
"""Until it is looked again whether other work has ended."""
API = "/api"
_COUNTED = (
    *("/", "/api", "/assets", "/sources", "/reports", "/conversations", "/health", "/ready", "/sign-in", "/sign-out"),
    *(f"/{language}" for language in LANGUAGES),
)
"""What requests are counted by: the first part of their path."""
_log = logging.getLogger("uvicorn.error")
# How it looks. The colours stand in assets/app.css, once for light and once for dark; here Gradio's names for them are
# pointed there. Fonts are those of the system: nothing is loaded from elsewhere.
ASSETS = Path(__file__).parent / "assets"
_FRAME = ".gradio-container, .gradio-container :is(.main, main) { padding: 0 !important; max-width: none !important; }"
"""Not in a sheet: Gradio's scripts ask for those, and the page would move to its edges when they have come."""
_FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
_COLOURS = {
    "body_background_fill": "var(--page)",
    "body_text_color": "var(--ink)",
    "body_text_color_subdued": "var(--soft)",
    "background_fill_primary": "var(--surface)",
    "background_fill_secondary": "var(--sunken)",
    "border_color_primary": "var(--line)",
    "border_color_accent": "var(--accent)",
    "color_accent": "var(--accent)",
    "color_accent_soft": "var(--accent-soft)",
    "link_text_color": "var(--accent)",
    "link_text_color_hover": "var(--accent)",
    "link_text_color_active": "var(--accent)",
    "link_text_color_visited": "var(--accent)",
    "block_background_fill": "var(--surface)",
    "block_border_color": "var(--line)",
    "block_label_background_fill": "var(--surface)",
    "block_label_text_color": "var(--soft)",
    "block_title_text_color": "var(--ink)",
    "block_info_text_color": "var(--soft)",
    "panel_background_fill": "var(--page)",
    "input_background_fill": "var(--surface)",
    "input_border_color": "var(--line)",
    "input_border_color_focus": "var(--accent)",
    "input_placeholder_color": "var(--soft)",
    "checkbox_background_color_selected": "var(--accent)",
    "checkbox_border_color": "var(--soft)",
    "checkbox_border_color_selected": "var(--accent)",
    "checkbox_border_color_focus": "var(--accent)",
    "checkbox_label_background_fill": "var(--surface)",
    "checkbox_label_background_fill_selected": "var(--accent-soft)",
    "checkbox_label_text_color_selected": "var(--ink)",
    "button_primary_background_fill": "var(--accent)",
    "button_primary_background_fill_hover": "var(--accent-strong)",
    "button_primary_text_color": "var(--accent-ink)",
    "button_primary_border_color": "var(--accent)",
    "button_secondary_background_fill": "var(--surface)",
    "button_secondary_background_fill_hover": "var(--sunken)",
    "button_secondary_text_color": "var(--ink)",
    "button_secondary_border_color": "var(--line)",
    "button_cancel_background_fill": "var(--danger-soft)",
    "button_cancel_background_fill_hover": "var(--danger-soft)",
    "button_cancel_text_color": "var(--danger)",
    "button_cancel_border_color": "var(--danger)",
    "slider_color": "var(--accent)",
    "table_border_color": "var(--line)",
    "table_even_background_fill": "var(--surface)",
    "table_odd_background_fill": "var(--sunken)",
    "table_text_color": "var(--ink)",
    "error_background_fill": "var(--danger-soft)",
    "error_text_color": "var(--danger)",
    "error_border_color": "var(--danger)",
}
_SHAPES = {
    "block_shadow": "none",
    "block_border_width": "1px",
    "block_radius": "12px",
    "container_radius": "12px",
    "input_radius": "10px",
    "input_shadow": "none",
    "input_shadow_focus": "none",
    "button_large_radius": "10px",
    "button_medium_radius": "10px",
    "button_small_radius": "8px",
    "button_large_text_weight": "550",
    "button_primary_shadow": "none",
    "button_secondary_shadow": "none",
    "block_title_text_weight": "550",
    "layout_gap": "16px",
    "form_gap_width": "0px",
}


def create_app(context: AppContext, tokens: Tokens | None = None) -> FastAPI:
    """The application of a workspace; with ``tokens``, and be they none, the API for programs is under ``/api``."""
    keep_arrivals_in(context.workspace)
    running = _running(context)
    app = FastAPI(title="Domain assistant", docs_url=None, redoc_url=None, openapi_url=None, lifespan=running)
    app.add_api_route("/", _to_preferred, include_in_schema=False)
    app.add_api_route("/assets/{name}", _asset, include_in_schema=False)
    app.add_api_route("/favicon.ico", _icon, include_in_schema=False)
    add_source_routes(app, lambda user: context.seen_by(user).library, context.pdf_pages)
    add_report_routes(app, lambda user: context.seen_by(user).workspace)
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
    kept = partial(record, context.settings, context.workspace)
    provider = provider_of(context.settings)
    guard(
        app,
        context.settings.ui,
        context.people,
        context.arrivals,
        *beside,
        record=kept,
        provider=provider,
        state=context.workspace.state,
    )
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
        # The page is the same for all who sign in: nobody has, when it is laid out.
        nobodys = context.seen_by(NOBODY) if context.people else context
        header = gr.HTML(header_html(context, titles), elem_id="header", apply_default_css=False)
        tabs = []
        with gr.Tabs(elem_id="pages"):
            for page in PAGES:
                is_open = context.people is None or page.role == "expert"
                with gr.Tab(titles[page.name], id=page.name, elem_id=f"page-{page.name}", visible=is_open) as tab:
                    page.build(nobodys)
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


def make_theme() -> gr.themes.Base:
    """The theme; what Gradio has a second colour for in the dark is the same variable."""
    theme = gr.themes.Base(font=_FONT, font_mono=_MONO, primary_hue="teal", neutral_hue="stone", radius_size="md")
    known = set(gr.themes.Base.set.__code__.co_varnames)
    dark = {f"{name}_dark": value for name, value in _COLOURS.items() if f"{name}_dark" in known}
    return theme.set(**_COLOURS, **dark, **_SHAPES)


def head() -> str:
    """What stands in the page's head."""
    names = ("app.css", "work.css", "teaching.css")
    sheets = "".join(f'<link rel="stylesheet" href="/assets/{name}">' for name in names)
    scripts = "".join(
        f'<script src="/assets/{name}.js" defer></script>' for name in ("app", "focus", "drafts", "address", "jobs")
    )
    icon = '<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">'
    return f"<style>{_FRAME}</style>{icon}{sheets}{scripts}"


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
    apps_of(app)[f"/{context.language}"].state_holder = PageSessions(blocks)


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
        besides = [asyncio.create_task(work) for work in (_drop_old(context), _read_anew(context), _take_jobs(context))]
        yield
        for work in besides:
            work.cancel()
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


async def _take_jobs(context: AppContext) -> None:
    """Where machines share a server, this one begins what waits there and it may do."""
    told = ""
    while context.workspace.state is not None:
        try:
            taken = await asyncio.to_thread(context.jobs.take, context.settings.state.takes)
            told = ""
        except AssistantError as error:
            taken = None
            if told != str(error):  # not every second
                _log.error("%s", error)
            told = str(error)
        if taken is None:
            await asyncio.sleep(_TAKING_SECONDS)


async def _read_anew(context: AppContext) -> None:
    """Corpora that another version of this program has read are read anew, one after the other.

    Meanwhile they answer as before. It is nobody's work, and what hinders it stands there; each start tries once.
    """

    def is_outdated(corpus: str) -> bool:
        with closing(open_corpus(context.workspace, corpus)) as catalog:
            made_with = catalog.identity()
        return made_with is not None and made_with.is_outdated

    for corpus in await asyncio.to_thread(context.workspace.corpus_names):
        try:
            if not await asyncio.to_thread(is_outdated, corpus):
                continue
            while await asyncio.to_thread(context.jobs.under_way, "ingest"):
                await asyncio.sleep(_WAITING_SECONDS)
            own: Resource = "corpus", corpus
            arguments = ["ingest", "--json", f"--corpus={corpus}"]
            await asyncio.to_thread(context.jobs.start, "ingest", corpus, arguments, "", (own,), (own,))
        except AssistantError as error:
            _log.error("'%s' is not read anew: %s", corpus, error)


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
