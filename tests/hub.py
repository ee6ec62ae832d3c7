"""A stand-in of the Hugging Face hub's HTTP API for who writes a repository."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest


@dataclass
class Hub:
    """What a repository was sent."""

    is_public: bool = False
    """Whether it was there before, for everyone to see."""
    private_sets: tuple[str, ...] = ()
    """Data sets that nobody else can see."""
    created: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)


@contextmanager
def hub_here(monkeypatch: pytest.MonkeyPatch, token: str | None = "hf_test", status: int = 200) -> Iterator[Hub]:
    """The hub that huggingface_hub writes to while the block runs, as the user of ``token``; it answers ``status``."""
    from huggingface_hub import HfApi

    hub = Hub()

    class Api(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            place = f"http://{self.headers['Host']}/datasets/me/toy"
            if self.path.endswith("/repos/create"):
                hub.created.append(json.loads(body))
            elif "preupload" in self.path:
                wanted = [{"path": one["path"], "uploadMode": "regular"} for one in json.loads(body)["files"]]
                self._answer({"files": [{**one, "shouldIgnore": False} for one in wanted]})
                return
            elif "commit" in self.path:
                for one in map(json.loads, body.splitlines()):
                    if one["key"] == "file":
                        hub.files[one["value"]["path"]] = base64.b64decode(one["value"]["content"])
            self._answer({"url": place, "commitUrl": f"{place}/commit/1", "commitOid": "1", "pullRequestUrl": None})

        def do_GET(self) -> None:
            if any(f"/datasets/{name}" in self.path for name in hub.private_sets):
                assert "Authorization" not in self.headers, "it is what a stranger sees"
                self.send_error(401)
                return
            self._answer({"id": "me/toy", "sha": "0" * 40, "siblings": [], "private": not hub.is_public})

        def _answer(self, content: object) -> None:
            text = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    thread = Thread(target=server.serve_forever)
    thread.start()
    made = HfApi.__init__
    with monkeypatch.context() as patched:
        patched.setattr(HfApi, "__init__", lambda api: made(api, f"http://127.0.0.1:{server.server_port}", token))
        patched.setattr("huggingface_hub.get_token", lambda: token)
        yield hub
    server.shutdown()
    server.server_close()
    thread.join()
