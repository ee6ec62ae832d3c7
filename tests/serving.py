"""A server on a free port of this machine, over small corpora and an engine that does as it is told."""

import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from fakes import FakeEmbedder, ScriptedEngine

from assistant.config import Settings
from assistant.engines import Engine
from assistant.service import Service
from assistant.types import Message
from assistant.workspace import Workspace
from ingest.pipeline import ingest
from ui.api.bearer_tokens import TokenFile, Tokens
from ui.api.endpoints import listening_socket, make_server
from ui.server import address_of

HAIL = "Hail damage to the car is covered. The deductible for hail damage is 150 euros."
PETS = "Dogs of the household are insured. Horses are not insured under this policy."
QUESTION = "What is the deductible for hail damage?"
ANSWER = "The deductible for hail damage is 150 euros."


# Other work may have the processor: what is asked of a server is waited for longer than httpx would.
get, post = partial(httpx.get, timeout=60.0), partial(httpx.post, timeout=60.0)


class LoadedEngine(ScriptedEngine):
    """Is loaded without saying anything."""

    def complete(self, *_: Any, **__: Any) -> list[str]:
        return [""]


class EchoEngine(LoadedEngine):
    """Says the first sentence of the first passage it is shown."""

    def __init__(self) -> None:
        super().__init__("")

    def stream(self, messages: Sequence[Message], *_: Any, **__: Any) -> Generator[str, None, bool]:
        passage = messages[-1].content.split("\n")[1]
        for word in passage.split(". ")[0].removesuffix(".").split(" "):
            yield f"{word} "
        return False


class SlowEngine(LoadedEngine):
    """Waits before every word until it may go on, and notes when an answer has ended."""

    def __init__(self, answer: str) -> None:
        super().__init__(answer)
        self.may_go_on = threading.Semaphore(0)
        self.begun = threading.Semaphore(0)
        self.closed = threading.Event()

    def stream(self, *arguments: Any, **named: Any) -> Generator[str, None, bool]:
        self.begun.release()
        try:
            for piece in super().stream(*arguments, **named):
                assert self.may_go_on.acquire(timeout=60), "nobody let it go on"
                yield piece
            return False
        finally:
            self.closed.set()


def make_corpora(workspace: Workspace, folder: Path, corpora: Mapping[str, Mapping[str, str]]) -> None:
    """Ingest ``{corpus: {file name: text}}``."""
    settings = Settings.model_validate({"ingest": {"workers": 1}})
    for corpus, files in corpora.items():
        docs = folder / corpus
        docs.mkdir(parents=True)
        for name, text in files.items():
            (docs / name).write_text(f"# {name.partition('.')[0].title()}\n\n{text}\n", encoding="utf-8")
        ingest(workspace, corpus, [docs], settings, embedder=FakeEmbedder())


def service_of(workspace: Workspace, engine: Engine, changes: Mapping[str, Mapping[str, Any]] | None = None) -> Service:
    """A service with ``engine``; ``changes`` are settings by section."""
    settings = Settings.model_validate(changes or {})
    return Service(workspace, settings, FakeEmbedder(), lambda: engine)


@contextmanager
def running(service: Service, tokens: Sequence[str] = (), named: TokenFile | None = None) -> Iterator[str]:
    """The address of a server that runs while the block does."""
    known, started = Tokens.of(tokens, named), threading.Event()
    with listening_socket(service.settings.serve.model_copy(update={"port": 0}), known) as listening, closing(service):
        server = make_server(service, known, started.set)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            assert started.wait(60), "the server did not start"
            yield address_of(listening)
        finally:
            server.should_exit = True
            thread.join(60)
            assert not thread.is_alive(), "the server did not end"
