"""What a server counts, for Prometheus. No question and no name of a document is in it."""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.types import Answer

# From a search to an answer on a slow machine; the buckets of Prometheus itself end at 10.
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_OTHER = "other"


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

    def count_answer(self, answer: Answer, prompt_tokens: int, completion_tokens: int) -> None:
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
    """An application whose requests are counted by the path they were routed to, never by the one that was sent."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

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
            path = getattr(scope.get("route"), "path", _OTHER)
            self._metrics.count_request(path, status, time.perf_counter() - started)
