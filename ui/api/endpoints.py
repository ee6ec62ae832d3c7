"""The API on a socket: endpoints over a service, errors in OpenAI's form, and the gate before all of it."""

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp

from assistant import __version__
from assistant.config import ServeSettings
from assistant.engines.opening import uses_server
from assistant.errors import AssistantError, UsageError
from assistant.render.records import search_json
from assistant.render.streaming import SettledText
from assistant.retrieval.retriever import refuse_long
from assistant.service import Query, ServedModel, Service
from assistant.types import Answer, Message, Update, whole_answer
from ui.api.bearer_tokens import ApiGate, Caller, Tokens, TokenScope
from ui.api.completions import Head, MeasuredEngine, asked_of, chunks, completion, refuse_long_texts
from ui.api.protocol import (
    JSON,
    ChatReply,
    ChatRequest,
    ErrorReply,
    Health,
    ModelReply,
    ModelsReply,
    RequestRefused,
    SearchReply,
    SearchRequest,
    error_response,
    from_validation,
)
from ui.api.workers import CLIENT_GONE, ClientGone, EventStream, Workers, while_connected
from ui.health import Measured, Metrics, health_of, shown
from ui.logs import watch
from ui.requests import Hosts
from ui.server import ClientLimits, open_socket, server_of
from ui.shown.templates import filled

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

_SEARCHES = 2  # at once: each computes, and the answers do so beside them
_MOST_TOOLS = 64  # of tokens with different rights
_SECONDS_BETWEEN_LOADS = 15.0  # short beside the start of a server of models
_log = logging.getLogger("uvicorn.error")
_DOCS_STYLE = Path(__file__).parents[1] / "shown" / "api.css"


def needs(scope: TokenScope) -> Any:
    """The one who sends a request, if they may do what needs ``scope``. Raises RequestRefused."""

    async def caller_of(request: Request) -> Caller:
        caller: Caller = request.scope["caller"]
        if not caller.may(scope):
            raise RequestRefused(
                f"This token may not do that; it needs the scope '{scope}'"
                f"{' and all corpora' if scope == 'admin' else ''}.",
                "See: assistant tokens --help", 403, "insufficient_scope",
            )  # fmt: skip
        return caller

    return Depends(caller_of)


MaySearch = Annotated[Caller, needs("search")]
MayAnswer = Annotated[Caller, needs("answer")]
MayAdministrate = Annotated[Caller, needs("admin")]


class Api:
    """The endpoints. Answers and searches have threads of their own, so that a search waits for no answer."""

    def __init__(self, service: Service) -> None:
        self.service = service
        watch(service)
        serve = service.settings.serve
        self._with_sources = serve.sources
        self._answers = Workers(service.settings.engine.parallel, serve.queue)
        self._searches = Workers(_SEARCHES, serve.queue)
        self._metrics = Metrics(lambda: self._answers.running, lambda: self._answers.waiting)
        # To make them takes longer than many a search.
        self._tools_of = lru_cache(_MOST_TOOLS)(self._make_tools)

    async def chat(self, body: ChatRequest, request: Request, caller: MayAnswer) -> Response:
        """Answer the last question of a conversation from the documents, with citations, or refuse."""
        service = self._seen_by(caller)
        model, also = service.joined(body.model)
        refuse_long_texts(body, self.service.settings.answer.question_characters)
        engine = MeasuredEngine(self.service.engine, body.stop_texts)
        updates = self._answers.stream(
            lambda: self._answer(service, asked_of(body, model, also, engine.control_tokens), engine)
        )
        head = Head(body.model)
        try:
            # What is wrong with a question shows before the first update, while a status can still say so.
            first = await while_connected(request, anext(updates))
            if body.stream:
                teller = SettledText(self.service.settings.answer, self._with_sources)
                include_usage = body.stream_options is not None and body.stream_options.include_usage
                return EventStream(chunks(head, _chained(first, updates), engine, teller, include_usage), updates)
            answer = await while_connected(request, _last(first, updates))
        except BaseException:
            await updates.aclose()
            raise
        return JSON(completion(head, answer, engine, self._with_sources))

    async def search(self, body: SearchRequest, request: Request, caller: MaySearch) -> Response:
        """Find the passages that fit a question best."""
        service = self._seen_by(caller)
        corpus, *also = service.corpora(body.names)
        refuse_long(body.question, self.service.settings.answer.question_characters)
        only = body.filter or None
        hits = await while_connected(
            request, self._searches.run(lambda: service.search(corpus, body.question, body.k, only, also))
        )
        return JSON(search_json(None, body.question, hits))

    async def models(self, caller: MaySearch) -> Response:
        """List what can be asked: every corpus by itself, answered by the base model, and with every adapter."""
        models = self._seen_by(caller).models()
        return JSON(ModelsReply(data=[_model_reply(model) for model in models]).model_dump())

    async def model(self, name: str, caller: MaySearch) -> Response:
        """Show one of them."""
        model, also = self._seen_by(caller).joined(name)
        return JSON(_model_reply(replace(model, corpus="+".join((model.corpus, *also)))).model_dump())

    async def mcp(self, caller: MaySearch) -> Response:
        """Speak MCP, the Model Context Protocol (streamable HTTP): 'search' and 'ask' as tools."""
        try:
            from ui.mcp_server import Exchange
        except ModuleNotFoundError as error:
            if error.name not in ("mcp", "mcp_types"):
                raise
            raise RequestRefused(
                "The package 'mcp' is not installed here.", "pip install 'domain-assistant[mcp]'", 501, "no_mcp"
            ) from None
        return Exchange(self._tools_of(Caller("", caller.scope, caller.corpora)))

    async def health(self) -> Response:
        """Say whether questions can be answered, and why not. Needs no token."""
        return health_of(self.service)

    async def metrics(self, _: MayAdministrate) -> Response:
        """Show counts and times in the text format of Prometheus."""
        return shown(self._metrics)

    def measured(self, app: ASGIApp) -> ASGIApp:
        """``app`` with its requests counted."""
        return Measured(app, self._metrics)

    @asynccontextmanager
    async def running(self, _: FastAPI) -> AsyncIterator[None]:
        """Load the models while questions already come in; in the end, wait for the answers that are under way."""
        ending = asyncio.Event()
        loading = asyncio.create_task(self._load_until_ready(ending))
        yield
        ending.set()
        await loading
        for workers in (self._answers, self._searches):
            await asyncio.to_thread(workers.close)

    async def _load_until_ready(self, ending: asyncio.Event) -> None:
        """A server of models may come up later than this one; what is wrong on this machine stays so."""
        await asyncio.to_thread(self._load)
        while uses_server(self.service.settings.engine) and self.service.readiness != "ready" and not ending.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), _SECONDS_BETWEEN_LOADS)
                return
            await asyncio.to_thread(self._load)

    def _load(self) -> None:
        try:
            self.service.load()
        except AssistantError as error:
            _log.error("%s", error)
        except Exception:
            _log.exception("The models cannot be loaded.")

    def _answer(self, service: Service, asked: Query, engine: MeasuredEngine) -> Generator[Update, None, None]:
        """The updates of an answer, in a worker's thread. The last one is counted."""
        self._refuse_too_long(asked, engine)
        for update in service.stream(asked, engine):
            if isinstance(update, Answer):
                self._metrics.count_answer(update, engine.prompt_tokens, engine.completion_tokens)
            yield update

    def _seen_by(self, caller: Caller) -> Service:
        return self.service.within(caller.sees(self.service.workspace))

    def _make_tools(self, caller: Caller) -> "MCPServer":
        from ui.mcp_server import create_server

        service = self._seen_by(caller)

        async def answer(query: Query) -> Answer:
            engine = MeasuredEngine(service.engine)
            async with aclosing(self._answers.stream(lambda: self._answer(service, query, engine))) as updates:
                return whole_answer([update async for update in updates])

        return create_server(service, self._searches.run, answer if caller.may("answer") else None)

    def _refuse_too_long(self, asked: Query, engine: MeasuredEngine) -> None:
        system = Message("system", self.service.answering(asked).system)
        tokens = engine.count([system, Message("user", asked.question)])
        if tokens >= engine.window:
            raise RequestRefused(
                f"The question has {tokens} tokens, the model reads {engine.window}.",
                "Ask in fewer words.",
                code="context_length_exceeded",
                param="messages",
            )


def create_app(service: Service, tokens: Tokens, hosts: Hosts) -> ASGIApp:
    """The application of a service, for the holders of ``tokens`` who ask for one of ``hosts``."""
    api = Api(service)
    app = FastAPI(
        title="Domain assistant",
        description="Answers from your own documents, with evidence, over OpenAI's protocol.",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=api.running,
    )
    _add_endpoints(app, api)

    async def docs(request: Request) -> HTMLResponse:
        return HTMLResponse(docs_page(app.openapi(), str(request.base_url).rstrip("/")))

    app.add_api_route("/docs", docs, include_in_schema=False)
    _add_error_handlers(app)
    serve = service.settings.serve
    guarded: ASGIApp = ApiGate(app, serve, tokens, hosts)
    if serve.cors_origins:  # a browser asks first, without a token
        guarded = CORSMiddleware(guarded, serve.cors_origins, allow_methods=["GET", "POST"], allow_headers=["*"])
    return api.measured(guarded)


def listening_socket(settings: ServeSettings, tokens: Tokens) -> socket.socket:
    """A socket on ``serve.host`` and ``serve.port``.

    Raises UsageError for an address that others can reach while there is no token, and for one that cannot be had.
    """
    others = UsageError(
        f"Others could reach {settings.host} without a token.",
        "Run: assistant tokens create NAME, set ASSISTANT_TOKEN, or listen on 127.0.0.1.",
    )
    return open_socket(settings.host, settings.port, others if tokens.is_open else None)


def make_server(service: Service, tokens: Tokens, started: Callable[[], None]) -> uvicorn.Server:
    """The server; its ``run([socket])`` serves until SIGINT or SIGTERM. ``started``: requests are taken from now on."""
    hosts = Hosts("serve", service.settings.serve, is_open=tokens.is_open)
    limits = ClientLimits(service.settings.serve.connections)
    return server_of(create_app(service, tokens, hosts), started, limits)


def docs_page(openapi: dict[str, Any], address: str) -> str:
    """The page at /docs, from the OpenAPI document: without a script and without anything from elsewhere.

    ``address`` is what the reader reached the server by.
    """
    example = f"""curl {address}/v1/chat/completions -H 'Content-Type: application/json' \\
  -H 'Authorization: Bearer TOKEN' \\
  -d '{{"model": "default", "messages": [{{"role": "user", "content": "What is covered?"}}]}}'"""
    operations = []
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            name = str(body.get("$ref", "")).rpartition("/")[2]
            schema = openapi["components"]["schemas"].get(name, {})
            fields = []
            for field, about in schema.get("properties", {}).items():
                kinds = [
                    str(one.get("type") or one.get("$ref", "").rpartition("/")[2])
                    for one in about.get("anyOf", [about])
                ]
                kind = " or ".join(dict.fromkeys(kind for kind in kinds if kind != "null"))
                fields.append((field, kind, field in schema.get("required", ()), about.get("description", "")))
            operations.append((method.upper(), path, operation.get("description", ""), fields))
    return filled(
        "shown/api.page",
        title=openapi["info"]["title"],
        description=openapi["info"]["description"],
        example=example,
        style=Markup(_DOCS_STYLE.read_text(encoding="utf-8")),
        operations=operations,
    )


def _add_endpoints(app: FastAPI, api: Api) -> None:
    bearer = [
        Depends(
            HTTPBearer(
                auto_error=False, description="Of 'assistant tokens create', serve.token_file or ASSISTANT_TOKEN."
            )
        )
    ]
    errors: dict[int | str, dict[str, Any]] = {
        status: {"model": ErrorReply} for status in (400, 401, 403, 404, 413, 421, 429, 500, 503)
    }
    shared: dict[str, Any] = {"dependencies": bearer, "responses": errors}
    app.add_api_route("/v1/chat/completions", api.chat, methods=["POST"], response_model=ChatReply, **shared)
    app.add_api_route("/v1/search", api.search, methods=["POST"], response_model=SearchReply, **shared)
    app.add_api_route("/v1/models", api.models, response_model=ModelsReply, **shared)
    app.add_api_route("/v1/models/{name:path}", api.model, response_model=ModelReply, **shared)
    app.add_api_route("/mcp", api.mcp, methods=["POST"], response_class=Response, **shared)
    app.add_api_route("/metrics", api.metrics, response_class=Response, **shared)
    for path in ("/health", "/ready"):
        app.add_api_route(path, api.health, response_model=Health, responses={503: {"model": Health}})


def _add_error_handlers(app: FastAPI) -> None:
    @app.exception_handler(AssistantError)
    async def _ours(_: Request, error: AssistantError) -> Response:
        response = error_response(error)
        if response.status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("%s", error)
        return response

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> Response:
        return error_response(from_validation(error))

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        response = error_response(RequestRefused(f"{error.detail}.", status=status, code=status.name.lower()))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(ClientGone)
    async def _gone(_: Request, error: ClientGone) -> Response:  # noqa: ARG001
        return Response(status_code=CLIENT_GONE)

    @app.exception_handler(Exception)
    async def _unexpected(_: Request, error: Exception) -> Response:
        return error_response(error)


def _model_reply(model: ServedModel) -> ModelReply:
    return ModelReply(id=model.name, corpus=model.corpus, adapter=model.adapter)


async def _chained(first: Update, rest: AsyncGenerator[Update, None]) -> AsyncGenerator[Update, None]:
    yield first
    async for update in rest:
        yield update


async def _last(first: Update, rest: AsyncGenerator[Update, None]) -> Answer:
    return whole_answer([first, *[update async for update in rest]])
