"""What the servers write about themselves on standard error, and what of it is kept in the audit log.

Lines are for people, or one JSON document each for programs:

    2026-12-01T13:00:00.123Z info    POST /v1/search 200  request=8f0c… seconds=0.041 client=127.0.0.1 user=ana
    {"time": "2026-12-01T13:00:00.123Z", "level": "info", "logger": "ui.logs", "message": "POST /v1/search 200", …}

Each request has an id, which its sender is told in ``X-Request-ID``, and which stands in all that is logged for it, in
whatever thread. A sender may choose it, to find it again in logs of its own.

Of what people ask and documents say, nothing is written unless ``log.contents`` says so. Neither are the words of an
error that is none of ours, which may quote both. Whatever is written, a stranger can begin no line of their own.
"""

import json
import logging
import re
import secrets
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.artifacts.audit import AuditLog
from assistant.artifacts.cards import BASE
from assistant.config import LogSettings, Settings
from assistant.errors import AssistantError, UsageError, one_line
from assistant.service import Query, Service
from assistant.text.printing import visible
from assistant.types import Answer, Update
from assistant.workspace import Workspace
from ui.api.workers import CLIENT_GONE

if TYPE_CHECKING:
    import gradio as gr
    from opentelemetry.sdk.trace.export import SpanExporter

REQUEST_ID = "x-request-id"
_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Asked by pages and probes all the time, and of no interest unless they fail.
_ROUTINE = re.compile(r"/health|/ready|/metrics|/favicon\.ico|/assets/.*|/\w\w/(?:gradio_api|assets|static|svelte)/.*")
# In Gradio's paths: by what it knows a page, and how a file is called.
_SECRET = re.compile(r"(/heartbeat/|/file=).*")
_LONGEST_PATH = 200
_OWN_LOGGERS = ("assistant", "ingest", "ui", "uvicorn")
# Errors whose words are about the machine, or were written by us.
_TOLD = (AssistantError, OSError, sqlite3.Error)
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Request:
    id: str
    fields: dict[str, str] = field(default_factory=dict)
    """What is known of it, as who has sent it."""
    traced: str = ""
    """The trace that its sender counts it to (W3C ``traceparent``)."""


_current: ContextVar[_Request | None] = ContextVar("request", default=None)


def write_logs(settings: LogSettings) -> None:
    """Write what this process logs to standard error, in place of what was set up before."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogFormatter(settings))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)  # libraries tell at lower levels what they are sent
    for name in _OWN_LOGGERS:
        logging.getLogger(name).setLevel(settings.level.upper())


def note(**fields: str) -> None:
    """What became known of the request that is being answered, as ``user`` and, behind a proxy, ``client``."""
    if (request := _current.get()) is None:
        _current.set(request := _Request(""))
    request.fields.update(fields)


def follow(request: "gr.Request") -> None:
    """What is logged from here on belongs to a request of the page.

    Gradio does its work behind a queue, where nothing else tells which request it is done for.
    """
    if given := getattr(request, "headers", {}).get(REQUEST_ID):
        _current.set(_Request(given, {"user": request.username or ""}))


def record(settings: Settings, workspace: Workspace, user: str, action: str, about: str = "", **details: Any) -> None:
    """Keep what ``user`` does in the audit log of a workspace, with the request by which they do it."""
    request = _current.get()
    _audit_log(settings, workspace).record(user, action, about, request.id if request else "", **details)


def watch(service: Service) -> None:
    """Have each question of a service in the audit log, each answer in the log and, where one is named, a trace of it.

    A question that no request has asked, as one that only warms up, is nobody's. Raises UsageError where traces are
    wanted and what sends them is not installed.
    """
    send_trace = _traces(service.settings.log.traces_url) if service.settings.log.traces_url else None

    def observe(query: Query, update: Update | None) -> None:
        corpora, request = "+".join((query.model.corpus, *query.also)), _current.get()
        if update is None and request and "user" in request.fields:
            audit = _audit_log(service.settings, service.workspace)
            audit.question(request.fields["user"], corpora, query.question, request.id)
        elif isinstance(update, Answer):
            seconds = {f"{stage}_seconds": round(spent, 3) for stage, spent in update.timings.items()}
            asked = {"corpus": corpora, "adapter": query.model.adapter or BASE}
            _log.info(
                "A question was answered.",
                extra={
                    "fields": {**asked, "outcome": update.outcome, **seconds},
                    "contents": {"question": query.question, "answer": update.text},
                },
            )

            if send_trace is not None:
                send_trace(update, {**asked, "outcome": update.outcome})

    service.observe = observe


def _exporter(url: str) -> "SpanExporter":
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ModuleNotFoundError:
        raise UsageError("What sends traces is not installed.", "pip install 'domain-assistant[otel]'") from None
    exporter: SpanExporter = OTLPSpanExporter(url)
    return exporter


def _traces(url: str) -> Callable[[Answer, Mapping[str, str]], None]:
    """What sends an answer to a collector: a span for the whole of it, and in that one for each of its stages.

    Stages follow one another, and their times are known when the answer is there; so nothing else has to know of it.
    """
    exporter = _exporter(url)
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import set_span_in_context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    provider = TracerProvider(resource=Resource.create({"service.name": "domain-assistant"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer(__name__)

    def send(answer: Answer, told: Mapping[str, str]) -> None:
        request, ends = _current.get(), time.time_ns()
        sender = TraceContextTextMapPropagator().extract({"traceparent": request.traced if request else ""})
        at = ends - int(1e9 * sum(answer.timings.values()))
        fields = {**told, "request": request.id if request else ""}
        whole = tracer.start_span("answer", sender, start_time=at, attributes=fields)
        for stage, seconds in answer.timings.items():
            span = tracer.start_span(stage, set_span_in_context(whole), start_time=at)
            at += int(1e9 * seconds)
            span.end(at)
        whole.end(ends)

    return send


def _audit_log(settings: Settings, workspace: Workspace) -> AuditLog:
    kept = settings.audit
    return AuditLog(workspace.root, kept.keep_days, workspace.state, with_questions=kept.questions)


class LogFormatter(logging.Formatter):
    """Records as lines. A record may have ``fields`` and, for ``log.contents`` alone, ``contents`` by name."""

    def __init__(self, settings: LogSettings) -> None:
        super().__init__()
        self._settings = settings

    def format(self, record: logging.LogRecord) -> str:
        """One line; for people, a traceback stands in lines behind it that cannot be taken for others."""
        request = _current.get()
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields = {
            **({"request": request.id} if request and request.id else {}),
            **(request.fields if request else {}),
            **getattr(record, "fields", {}),
            **(getattr(record, "contents", {}) if self._settings.contents else {}),
        }
        lines = list(self._traceback(record.exc_info[1])) if record.exc_info and record.exc_info[1] else []
        if self._settings.format == "json":
            return json.dumps({**told, **fields, **({"traceback": "\n".join(lines)} if lines else {})}, default=str)
        said = "".join(f" {name}={_word(value)}" for name, value in fields.items())
        head = f"{told['time']} {told['level']:7} {visible(told['message'])}{' ' if said else ''}{said}"
        return "\n".join([head, *(f"    | {visible(line)}" for line in lines)])

    def _traceback(self, error: BaseException) -> Iterator[str]:
        before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if before is not None:
            yield from self._traceback(before)
            yield "then:"
        for frame in traceback.format_tb(error.__traceback__):
            yield from frame.rstrip().splitlines()
        is_told = self._settings.contents or isinstance(error, _TOLD)
        yield f"{type(error).__name__}: {one_line(error) if is_told else '(log.contents: true tells its words)'}"


def _word(value: object) -> str:
    """A value behind ``name=``: in quotes where it would not be one word."""
    text = str(value)
    return text if re.fullmatch(r"[\w.:/@+-]+", text) else json.dumps(text)


class RequestLog:
    """An application whose requests have an id and, once they are over, a line."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and log it when its last byte is sent."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "")
        id_ = given if _GIVEN_ID.fullmatch(given) else secrets.token_hex(8)
        client = (scope.get("client") or ("unknown",))[0]
        request = _Request(id_, {"client": client}, Headers(scope=scope).get("traceparent", ""))
        others = [header for header in scope["headers"] if header[0] != REQUEST_ID.encode()]
        token, started, status = _current.set(request), time.perf_counter(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (REQUEST_ID.encode(), id_.encode())]
            await send(message)

        try:
            await self._app({**scope, "headers": [*others, (REQUEST_ID.encode(), id_.encode())]}, receive, noting)
        except Exception:
            status = status or HTTPStatus.INTERNAL_SERVER_ERROR
            raise
        finally:
            level = logging.WARNING if status >= 500 else logging.INFO
            if status < 400 and _ROUTINE.fullmatch(scope["path"]):
                level = logging.DEBUG
            path = _SECRET.sub(r"\1…", scope["path"])[:_LONGEST_PATH]
            fields = {"seconds": round(time.perf_counter() - started, 3)}
            _log.log(level, "%s %s %d", scope["method"], path, status or CLIENT_GONE, extra={"fields": fields})
            _current.reset(token)
