"""Traces: a span for each stage of an answer, in the trace of who asked, sent where a setting says; no word of it."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from typing import Any

import pytest
from fakes import ScriptedEngine
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from serving import ANSWER, QUESTION, post, running, service_of

from assistant.errors import UsageError
from assistant.workspace import Workspace
from ui import logs

CHAT = {"model": "cars", "messages": [{"role": "user", "content": QUESTION}]}
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ASKED = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-ID": "mine"}
URL = {"log": {"traces_url": "http://127.0.0.1:9/v1/traces"}}


@pytest.fixture(autouse=True)
def _sent_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans are sent in the background, by themselves every five seconds."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")


def waited_for(come: Callable[[], object]) -> None:
    for _ in range(1000):
        if come():
            return
        time.sleep(0.02)
    pytest.fail("no trace came")


def test_each_stage_of_an_answer_is_a_span_in_the_trace_of_who_asked(
    served: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = InMemorySpanExporter()
    monkeypatch.setattr(logs, "_exporter", lambda _: kept)
    with running(service_of(served, ScriptedEngine(ANSWER), URL)) as url:
        post(f"{url}/v1/chat/completions", json=CHAT, headers=ASKED)
        post(f"{url}/v1/search", json={"question": QUESTION, "corpus": "cars"})
        waited_for(kept.get_finished_spans)
    spans: dict[str, Any] = {span.name: span for span in kept.get_finished_spans()}
    assert {"answer", "retrieve", "judge", "generate", "ground"} <= set(spans)
    whole = spans.pop("answer")
    assert (f"{whole.context.trace_id:032x}", f"{whole.parent.span_id:016x}") == (TRACE, PARENT)
    assert whole.attributes == {"corpus": "cars", "adapter": "base", "outcome": "answered", "request": "mine"}
    stages = sorted(spans.values(), key=lambda span: span.start_time)
    assert all(span.parent.span_id == whole.context.span_id for span in stages)
    assert all(one.end_time <= later.start_time + 1000 for one, later in pairwise(stages))
    assert whole.start_time <= stages[0].start_time and stages[-1].end_time <= whole.end_time + 1000
    assert "deductible" not in str([span.to_json() for span in kept.get_finished_spans()])


def test_no_trace_is_sent_unless_an_address_is_named(served: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_exporter", lambda _: pytest.fail("nobody asked for it"))
    service = service_of(served, ScriptedEngine(ANSWER))
    logs.watch(service)
    service.close()


def test_who_wants_traces_without_what_sends_them_is_told(served: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(UsageError, match=r"domain-assistant\[otel\]"):
        logs.watch(service_of(served, ScriptedEngine(ANSWER), URL))


@contextmanager
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """The address of a collector, and what it was sent."""
    sent: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", sent
        server.shutdown()
        thread.join()


def test_a_collector_is_sent_them(served: Workspace) -> None:
    with collector() as (address, sent):
        with running(service_of(served, ScriptedEngine(ANSWER), {"log": {"traces_url": address}})) as url:
            post(f"{url}/v1/chat/completions", json=CHAT)
            waited_for(lambda: sent)
        resources = ExportTraceServiceRequest.FromString(sent[0]).resource_spans
        names = {span.name for one in resources for scope in one.scope_spans for span in scope.spans}
        assert {"answer", "retrieve", "judge", "generate", "ground"} <= names
