"""A small HTTP server that speaks the OpenAI chat protocol, computes whatever else it is to, and misbehaves as it is
told."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """One reply to come: its status, text, headers, and how long it takes."""

    text: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    pause: float = 0.0
    """Seconds between the words of a stream, or the bytes of another reply."""
    cut: int | None = None
    """The connection breaks after so many words of a stream."""
    raw: str | None = None
    """The body as it is, in place of one made of ``text``."""
    reasoning: tuple[str, str] | None = None
    """A field for thoughts, and what it says before the text."""
    unknown: str = ""
    """A request with a field of this name is refused."""
    ended: str = "stop"
    """Why a stream ends."""
    echo: bool = False
    """The text is what the user said last."""


class Endpoint:
    """Gives its replies one after the other, the last one for ever, and keeps what it was asked.

    ``models`` is what it lists; None when it keeps no list.
    """

    def __init__(self, replies: Sequence[Reply]) -> None:
        self.replies = list(replies)
        self.models: list[dict[str, Any]] | None = None
        self.loads_adapters = False
        """Whether it takes folders of adapters while it runs, as vLLM does; else it has no such address."""
        self.computes: dict[str, Callable[[dict[str, Any]], Any]] = {}
        """What it sends back from other addresses than that of chats, by their last part, where a reply is as it is."""
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.lock = threading.Lock()
        self.hung_up = threading.Event()
        """The caller closed the connection before the answer's end."""
        self.at_once = 0
        self.most_at_once = 0
        self.url = ""

    def next(self, request: dict[str, Any]) -> Reply:
        """The reply to a request."""
        with self.lock:
            self.requests.append(request)
            return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    @contextmanager
    def busy(self) -> Iterator[None]:
        """One more request is being answered."""
        with self.lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            yield
        finally:
            with self.lock:
                self.at_once -= 1


@contextmanager
def serving(*replies: Reply, models: Sequence[str | dict[str, Any]] | None = None) -> Iterator[Endpoint]:
    """An endpoint on a free port of this machine while the block runs; ``models`` are names, or whole entries."""
    endpoint = Endpoint(replies or (Reply(),))
    if models is not None:
        endpoint.models = [{"id": model} if isinstance(model, str) else model for model in models]

    class Handler(_Handler):
        of = endpoint

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    endpoint.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    of: Endpoint

    def do_GET(self) -> None:
        self.of.headers.append(dict(self.headers))
        if self.path.endswith("/models") and self.of.models is not None:
            self._send(Reply(raw=json.dumps({"object": "list", "data": self.of.models})))
        else:
            self._send(Reply("Not Found", 404))

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.of.headers.append(dict(self.headers))
        if self.path.endswith("/load_lora_adapter"):
            if self.of.loads_adapters and self.of.models is not None:
                self.of.models.append({"id": request["lora_name"], "root": request["lora_path"]})
            self._send(Reply("", 200 if self.of.loads_adapters else 404))
            return
        reply = self.of.next(request)
        if reply.echo:
            reply = Reply(request["messages"][-1]["content"], seconds=reply.seconds, pause=reply.pause)
        if reply.unknown and reply.unknown in request:
            reply = Reply(f"Unrecognized request argument supplied: {reply.unknown}", 400)
        compute = self.of.computes.get(self.path.rsplit("/", 1)[-1])
        with self.of.busy():
            time.sleep(reply.seconds)
            if compute and reply.status == 200 and reply.raw is None:
                reply = compute(request)
                reply = reply if isinstance(reply, Reply) else Reply(raw=json.dumps(reply))
            try:
                if request.get("stream") and reply.status == 200 and reply.raw is None:
                    self._stream(reply)
                else:
                    self._send(reply)
            except (BrokenPipeError, ConnectionResetError):
                self.of.hung_up.set()  # the caller has lost its patience, as it should

    def _send(self, reply: Reply) -> None:
        content = reply.raw
        if content is None:
            whole = _completion(reply.text) if reply.status == 200 else {"error": {"message": reply.text}}
            content = json.dumps(whole)
        self._head(reply, {"Content-Type": "application/json", "Content-Length": str(len(content.encode()))})
        encoded = content.encode()
        for byte in encoded if reply.pause else ():
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(reply.pause)
        if not reply.pause:
            self.wfile.write(encoded)

    def _stream(self, reply: Reply) -> None:
        self._head(reply, {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"})
        field, thought = reply.reasoning or ("", "")
        events = [
            _event({"role": "assistant", "content": ""}),
            *(_event({field: word}) for word in re.findall(r"\s*\S+", thought)),
            *(_event({"content": word}) for word in re.findall(r"\s*\S+", reply.text)),
        ]
        for event in events[: None if reply.cut is None else reply.cut + 1]:
            self._chunk(f"data: {event}\n\n")
            time.sleep(reply.pause)
        if reply.cut is None:
            self._chunk(f": a comment\n\ndata: {_event({}, reply.ended)}\n\ndata: [DONE]\n\n")
            self._chunk("")

    def _chunk(self, text: str) -> None:
        content = text.encode()
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
        self.wfile.flush()

    def _head(self, reply: Reply, headers: dict[str, str]) -> None:
        self.send_response(reply.status)
        for name, value in {**headers, "Connection": "close", **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def _event(delta: dict[str, Any], finish: str | None = None) -> str:
    return json.dumps({"object": "chat.completion.chunk", "choices": [{"delta": delta, "finish_reason": finish}]})


def _completion(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "x",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
