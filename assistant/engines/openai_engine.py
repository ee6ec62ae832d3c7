"""Models behind servers that speak OpenAI's protocol: vLLM, llama.cpp, Ollama; an adapter is a model's name there.

Of several servers the one that is up and has least to do is asked. One that is down, busy or failing gives way to the
next, as long as it has said nothing; when none has answered, they are asked again, later each time and not before the
moment that they name themselves. A single one that is silent is not asked again: it may still be at work, and asking
again would double that.

The server applies its own chat template, and is asked not to let the model think unless ``engine.thinking`` says so.
What it thinks all the same comes in a field of its own, or before the answer.

Where ``engine.model`` is also a folder on this machine, as it is for a server beside it, tokens are counted with the
tokenizer in it; else they are estimated.
"""

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING, TypeVar

import yaml

from assistant.artifacts.cards import BASE, adapter_names
from assistant.config import EngineSettings
from assistant.engines.client import ListedModel, Server, SilentError, Unanswered, checked_urls, seconds_to_wait
from assistant.engines.thinking import Speech, answer_in, has_unmarked_thought, spoken
from assistant.errors import ModelError, OnlyThoughtError, UnknownAdapterError
from assistant.text.printing import visible
from assistant.types import Message
from assistant.work.progress import note

if TYPE_CHECKING:
    from assistant.engines.template import ChatTemplate

T = TypeVar("T")
R = TypeVar("R")
Sleep = Callable[[float], None]

# What Ollama reads unless told otherwise; it cuts longer prompts without a word.
_UNSTATED_WINDOW = 4096
# An estimate may be so far below the truth (docs/servers.md).
_LOWEST_ESTIMATE = 0.75
_NAMES_SHOWN = 10  # an error is one line
# What chat templates put around each turn.
_TOKENS_A_TURN = 6
CONTROL_TOKENS = frozenset(
    token
    for family in yaml.safe_load(Path(__file__).with_name("control_tokens.yaml").read_text(encoding="utf-8")).values()
    for token in family.split()
)
"""Texts that the chat templates of well-known models are made of; in a document they may not stand as such."""


class _Servers:
    """Servers that run the same models."""

    def __init__(self, settings: EngineSettings, sleep: Sleep) -> None:
        self.all = [Server(url, settings) for url in checked_urls(settings.url)]
        self._attempts = settings.attempts
        self._sleep = sleep
        self._lock = Lock()
        self._at_work = Counter[Server]()
        """Requests that each is answering."""
        self._failures = Counter[Server]()
        """Of each since it last answered."""
        self._rests_until: dict[Server, float] = {}
        """Monotonic seconds, of those that failed."""

    def asked(self, once: Callable[[Server], Generator[T, None, R]]) -> Generator[T, None, R]:
        """What ``once`` gives and returns at one of the servers; at another one as long as it raises Unanswered.

        Raises what else ``once`` raises, and ModelError when each server has been asked ``engine.attempts`` times.
        """
        tried = Counter[Server]()
        while True:
            with self._chosen(tried) as server:
                try:
                    result = yield from once(server)
                except (Unanswered, SilentError) as error:
                    failure = error
                else:
                    self._rests_until.pop(server, None)
                    self._failures.pop(server, None)
                    return result
            tried[server] += 1
            self._failures[server] += 1
            after = failure.retry_after if isinstance(failure, Unanswered) else ""
            self._rests_until[server] = time.monotonic() + seconds_to_wait(after, self._failures[server])
            if any(tried[other] < tried[server] for other in self.all):
                note(f"{server.url}: {str(failure).rstrip('.')}; another server is asked.")
            elif isinstance(failure, SilentError):
                raise failure
            else:
                self._wait(server, tried[server], failure)

    @contextmanager
    def _chosen(self, tried: Mapping[Server, int]) -> Iterator[Server]:
        """The one that has failed this question least often, does not rest, and has least to do; one thing more now."""
        with self._lock:
            now = time.monotonic()
            server = min(
                self.all, key=lambda one: (tried.get(one, 0), self._rests_until.get(one, 0) > now, self._at_work[one])
            )
            self._at_work[server] += 1
        try:
            yield server
        finally:
            with self._lock:
                self._at_work[server] -= 1

    def _wait(self, server: Server, attempt: int, failure: Unanswered) -> None:
        """Until all are asked once more. Raises ModelError when that has been done often enough."""
        if attempt == self._attempts:
            who = f"{server.url} did not answer"
            if (count := len(self.all)) > 1:
                who = f"None of {count} servers answered, {server.url} for one,"
            raise ModelError(f"{who} in {attempt} attempts: {failure}.", "Start it, or wait for it; check engine.url.")
        seconds = seconds_to_wait(failure.retry_after, attempt)
        note(f"{server.url}: {failure}; asked again in {seconds:.0f} s.")
        self._sleep(seconds)


class OpenAIEngine:
    """The models of servers; several threads may ask at once, and the servers say who waits."""

    def __init__(self, settings: EngineSettings, adapters: Path | None = None, sleep: Sleep = time.sleep) -> None:
        """Nothing is sent yet. ``adapters`` is the folder of those that a server may load from there.

        Raises ConfigError for an address or a key that cannot be used.
        """
        self._settings = settings
        self._adapters = adapters
        self._servers = _Servers(settings, sleep)
        self._opens_thoughts = settings.thinking > 0

    @property
    def url(self) -> str:
        """Where everything is sent to: one address, or several and commas."""
        return ", ".join(server.url for server in self._servers.all)

    @cached_property
    def window(self) -> int:
        """What a server states, or a cautious guess; less where tokens are estimated, so that prompts fit even so.

        Raises what ``stream`` raises.
        """

        def stated(server: Server) -> Generator[int, None, None]:
            yield self._served(server, None).window or _UNSTATED_WINDOW

        (window,) = self._servers.asked(stated)
        return window if self._template else int(window * _LOWEST_ESTIMATE)

    @cached_property
    def control_tokens(self) -> frozenset[str]:
        """Those of well-known chat templates, because the server's is not known, and those of the tokenizer at hand."""
        return CONTROL_TOKENS | (self._template.control_tokens if self._template else frozenset())

    def count(self, messages: Sequence[Message]) -> int:
        """Tokens of the prompt made of ``messages``; estimated where the tokenizer is out of reach."""
        return len(self._template.prompt_ids(messages)) if self._template else estimated_tokens(messages)

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """The prompt as the tokenizer at hand makes it, or the turns as they are sent."""
        if self._template:
            return self._template.prompt_text(messages)
        return "\n\n".join(f"{message.role}: {message.content}" for message in messages)

    def stream(
        self, messages: Sequence[Message], max_new_tokens: int, temperature: float, adapter: str | None = None
    ) -> Generator[str, None, bool]:
        """The answer, piece by piece, and whether it was cut.

        Closing the generator closes the connection, and the server stops.
        Raises ModelError when the server is down, refuses, talks nonsense, stops in the middle, has no such model, or
        gives thoughts for an answer; UnknownAdapterError when it has no such adapter.
        """
        speech = self._speech()
        is_cut = yield from spoken(self._words(messages, max_new_tokens, temperature, adapter), speech)
        if not speech.has_thought and has_unmarked_thought(speech.answer):
            self._opens_thoughts = True
            raise ModelError(
                f"The model at {self.url} thinks, and the server does not mark where the thoughts begin.",
                "Ask again; set engine.thinking, or let the server parse them (vLLM: --reasoning-parser).",
            )
        return is_cut

    def complete(
        self, requests: Sequence[Sequence[Message]], max_new_tokens: int, adapter: str | None = None
    ) -> list[str]:
        """The likeliest answer to each of many prompts, in their order; ``engine.parallel`` of them at once.

        Raises what ``stream`` raises; then what was not asked yet is not asked any more.
        """

        has_failed = Event()

        def completed(messages: Sequence[Message]) -> str:
            if has_failed.is_set():
                return ""
            words = spoken(self._words(messages, max_new_tokens, 0.0, adapter), self._speech())
            try:
                return answer_in("".join(words))
            except OnlyThoughtError:
                return ""
            except BaseException:
                has_failed.set()
                raise

        with ThreadPoolExecutor(self._settings.parallel) as beside:
            return list(beside.map(completed, requests))

    def _words(
        self, messages: Sequence[Message], max_new_tokens: int, temperature: float, adapter: str | None
    ) -> Generator[str, None, bool]:
        """What the model says, thoughts included, and whether it was cut."""
        most = max_new_tokens
        if thinking := self._settings.thinking:
            most += max(0, min(thinking, self.window - self.count(messages) - most))
        body = {
            "messages": [asdict(message) for message in messages],
            "max_tokens": most,
            "temperature": temperature,
        }

        def said(server: Server) -> Generator[str, None, bool]:
            named = {"model": self._served(server, adapter).id, **body}
            # Some servers know no limit: more pieces than that are too many.
            with closing(server.words(named, thinking > 0)) as words:
                try:
                    for _ in range(most):
                        yield next(words)
                    next(words)
                except StopIteration as end:
                    return bool(end.value)
            return True

        return (yield from self._servers.asked(said))

    def _speech(self) -> Speech:
        opens = self._opens_thoughts or bool(self._template and self._template.opens_thought)
        return Speech(unsure=opens)

    def _served(self, server: Server, adapter: str | None) -> ListedModel:
        """The model or adapter as a server lists it. Else raises ModelError or UnknownAdapterError with its names."""
        chosen = None if adapter == BASE else adapter
        name = self._settings.model if chosen is None else chosen
        found = server.model(name)
        if not found and chosen and self._adapters and chosen in adapter_names(self._adapters):
            found = server.take_adapter(chosen, self._adapters / chosen)
        if found:
            return found
        names = ", ".join(visible(model.id) for model in server.listed[:_NAMES_SHOWN]) or "none"
        if chosen is None:
            raise ModelError(f"{server.url} serves no model '{name}'; it has: {names}.", "Name one in engine.model.")
        raise UnknownAdapterError(
            f"{server.url} serves no adapter '{visible(name)}'; it has: {names}.", "Name one of them."
        )

    @cached_property
    def _template(self) -> "ChatTemplate | None":
        folder = Path(self._settings.model).expanduser()
        if not (folder / "tokenizer_config.json").is_file():
            return None
        from assistant.engines.template import read_template

        return read_template(folder, self._settings)


def estimated_tokens(messages: Sequence[Message]) -> int:
    """Tokens that a prompt may have: a digit is one, and so are three bytes of anything else (docs/servers.md)."""
    texts = [message.content for message in messages]
    digits = sum(character.isdecimal() for text in texts for character in text)
    others = sum(len(text.encode(errors="replace")) for text in texts) - digits
    return digits + -(-others // 3) + _TOKENS_A_TURN * (len(messages) + 1)
