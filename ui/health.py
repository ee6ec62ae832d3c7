"""How a server is: whether it answers, and what it counts, for Prometheus.

/health, /ready     200 when questions are answered, else 503, and why; for everyone
/metrics            for who may know how much is asked; no question and no name of a document is in it
"""

import math
import time
from collections.abc import Callable, Collection
from http import HTTPStatus

from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.service import Service
from assistant.types import Answer
from ui.api.bearer_tokens import Tokens
from ui.signin import signed_in

OPEN_PATHS = frozenset({"/health", "/ready", "/metrics"})
"""Of the app: they ask by themselves who may know."""

# From a search to an answer on a slow machine; the buckets of Prometheus itself end at 10.
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_OTHER = "other"
_REASONS = {
    "ready": "Questions are answered.",
    "loading": "The models are being loaded; questions wait for them.",
    "failed": "The models could not be loaded; the server's log says why.",
}


class Metrics:
    """The counters of one server."""

    def __init__(self, running: Callable[[], int], waiting: Callable[[], int]) -> None:
        """``running`` and ``waiting`` give the present number of questions."""
        self._registry = CollectorRegistry()
        self._requests = self._counter("requests", "Requests by path and status.", "path", "status")
        self._request_seconds = self._histogram("request_seconds", "Time to the last byte of a reply.", "path")
        self._stage_seconds = self._histogram("stage_seconds", "Time of each stage of an answer.", "stage")
        self._answers = self._counter("answers", "Answers by what became of them.", "outcome")
        self._tokens = self._counter("tokens", "Tokens that models read and wrote.", "kind")
        self._gauge("running", "Questions that are being answered.", running)
        self._gauge("waiting", "Questions that wait for their turn.", waiting)

    def exposition(self) -> bytes:
        """Everything in the text format of Prometheus."""
        return generate_latest(self._registry)

    def count_request(self, path: str, status: int, seconds: float) -> None:
        """A request is over."""
        self._requests.labels(path, str(status)).inc()
        self._request_seconds.labels(path).observe(seconds)

    def count_answer(self, answer: Answer, prompt_tokens: int = 0, completion_tokens: int = 0) -> None:
        """A question was answered."""
        self._answers.labels(answer.outcome).inc()
        self._tokens.labels("prompt").inc(prompt_tokens)
        self._tokens.labels("completion").inc(completion_tokens)
        for stage, seconds in answer.timings.items():
            self._stage_seconds.labels(stage).observe(seconds)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"assistant_{name}", text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(f"assistant_{name}", text, labels, registry=self._registry, buckets=_SECONDS)

    def _gauge(self, name: str, text: str, value: Callable[[], int]) -> None:
        Gauge(f"assistant_{name}", text, registry=self._registry).set_function(value)


class Measured:
    """An application whose requests are counted by the path they were routed to, never by the one that was sent.

    Where that cannot be seen from outside, as behind the gate of the app, the first part of a path is taken of those
    in ``known``.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, known: Collection[str] = ()) -> None:
        self._app = app
        self._metrics = metrics
        self._known = known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count it when it is over."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            first = f"/{scope['path'].split('/')[1]}"
            path = getattr(scope.get("route"), "path", first if first in self._known else _OTHER)
            self._metrics.count_request(path, status, time.perf_counter() - started)


def health_of(service: Service) -> JSONResponse:
    """Whether questions can be answered, and why not."""
    readiness = service.readiness
    status = HTTPStatus.OK if readiness == "ready" else HTTPStatus.SERVICE_UNAVAILABLE
    return JSONResponse({"status": readiness, "reason": _REASONS[readiness]}, status)


def shown(metrics: Metrics) -> Response:
    """What was counted, in the text format of Prometheus."""
    return Response(metrics.exposition(), media_type=CONTENT_TYPE_LATEST)


def add_health_routes(app: FastAPI, service: Service, metrics: Metrics, tokens: Tokens) -> None:
    """The three of the app, which its gate lets through: counts are for admins, and programs with such a token."""

    async def health() -> Response:
        return health_of(service)

    async def counts(request: Request) -> Response:
        user = signed_in(request.scope)
        caller = None if user else tokens.caller_of(request.headers.get("authorization", "").encode("latin-1"))
        if (user and user.may("admin")) or (caller and caller.may("admin")):
            if caller:
                await tokens.note_use(caller)
            return shown(metrics)
        address = request.client.host if request.client else "unknown"
        if not user and not caller and (wait := tokens.guesses.wait("", address)):
            return PlainTextResponse("Too many requests.", 429, {"Retry-After": str(math.ceil(wait))})
        told = "Counts are for admins: sign in as one, or send a token of the scope 'admin'."
        return PlainTextResponse(told, 403 if user or caller else 401)

    for path in OPEN_PATHS - {"/metrics"}:
        app.add_api_route(path, health, methods=["GET", "HEAD"], include_in_schema=False)
    app.add_api_route("/metrics", counts, include_in_schema=False)
