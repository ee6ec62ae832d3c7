"""Models behind servers that speak OpenAI's protocol: vLLM, llama.cpp, Ollama; an adapter is a model's name there.

The server applies its own chat template, and is asked not to let the model think unless ``engine.thinking`` says so.
What it thinks all the same comes in a field of its own, or before the answer.

Where ``engine.model`` is also a folder on this machine, as it is for a server beside it, tokens are counted with the
tokenizer in it; else they are estimated.
"""

import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import httpx
import yaml
from pydantic import BaseModel, ValidationError

from assistant.artifacts.cards import BASE, adapter_names
from assistant.config import EngineSettings
from assistant.engines.thinking import CLOSING, OPENING, Speech, answer_in, has_unmarked_thought, spoken
from assistant.errors import ModelError, OnlyThoughtError, UnknownAdapterError
from assistant.models.servers import (
    Access,
    RefusedError,
    Server,
    ServerPool,
    Sleep,
    Unanswered,
    engine_access,
    reason_in,
)
from assistant.text.printing import visible
from assistant.types import Message

if TYPE_CHECKING:
    from assistant.engines.template import ChatTemplate

# What Ollama reads unless told otherwise; it cuts longer prompts without a word.
_UNSTATED_WINDOW = 4096
# An estimate may be so far below the truth (docs/servers.md).
_LOWEST_ESTIMATE = 0.75
_NAMES_SHOWN = 10  # an error is one line
# What chat templates put around each turn.
_TOKENS_A_TURN = 6
# Of a server that takes no adapters while it runs, or finds none in the folder.
_NOT_TAKEN = frozenset({400, 403, 404, 405})
_VLLM = "vllm"
# How vLLM ends an answer that it could not finish.
_GIVEN_UP = frozenset({"abort", "error"})
_OUT_OF_TOKENS = "length"
# vLLM, SGLang and llama.cpp know it, Ollama passes over it, OpenAI refuses it.
_SWITCH = "chat_template_kwargs"
CONTROL_TOKENS = frozenset(
    token
    for family in yaml.safe_load(Path(__file__).with_name("control_tokens.yaml").read_text(encoding="utf-8")).values()
    for token in family.split()
)
"""Texts that the chat templates of well-known models are made of; in a document they may not stand as such."""


class _ListedModel(BaseModel):
    """A model or adapter as the server lists it."""

    id: str
    max_model_len: Any = None
    meta: Any = None
    owned_by: Any = None

    @property
    def window(self) -> int | None:
        """Tokens of prompt and answer together, as vLLM and llama.cpp state them; None where nothing is stated."""
        stated = self.max_model_len or (self.meta.get("n_ctx") if isinstance(self.meta, dict) else None)
        return stated if isinstance(stated, int) else None


class _ModelList(BaseModel):
    data: tuple[_ListedModel, ...]


class _Delta(BaseModel):
    content: str | None = None
    # Thoughts, by the names that vLLM, llama.cpp and SGLang or Ollama have for them.
    reasoning_content: Any = None
    reasoning: Any = None


class _Choice(BaseModel):
    delta: _Delta = _Delta()
    finish_reason: str | None = None


class _Event(BaseModel):
    choices: tuple[_Choice, ...] = ()
    error: Any = None

    @property
    def words(self) -> str:
        return (self.choices[0].delta.content if self.choices else None) or ""

    @property
    def is_thought(self) -> bool:
        delta = self.choices[0].delta if self.choices else _Delta()
        return bool(delta.reasoning_content or delta.reasoning)

    @property
    def end(self) -> str:
        """Why the answer ends here; empty while it goes on."""
        return (self.choices[0].finish_reason if self.choices else None) or ""


class _ChatServer(Server):
    """A server that completes chats."""

    def __init__(self, url: str, access: Access) -> None:
        """Raises ConfigError for a key that cannot be used."""
        super().__init__(url, access)
        self.listed: tuple[_ListedModel, ...] = ()
        """What it listed last."""
        self._takes_switch: bool | None = None
        """Whether it knows what is told to its chat template; None before its first answer."""

    def model(self, name: str) -> _ListedModel | None:
        """The model or adapter of a name, as the server lists it; None where it does not.

        A server that keeps no list has whatever it is asked for. Raises what ``words`` raises.
        """
        found = _named(name, self.listed)
        if found is None:  # it may have been loaded since
            listed = self._models()
            if listed is None:
                return _ListedModel(id=name)
            self.listed = listed
            found = _named(name, listed)
        return found

    def take_adapter(self, name: str, folder: Path) -> _ListedModel | None:
        """The adapter in a folder, which a vLLM that sees it too may load while it runs; None elsewhere.

        vLLM does with VLLM_ALLOW_RUNTIME_LORA_UPDATING=1. Raises what ``words`` raises.
        """
        if not any(model.owned_by == _VLLM for model in self.listed):
            return None
        place = {"lora_name": name, "lora_path": str(folder.resolve())}
        with self.response("POST", "load_lora_adapter", place) as response:
            if response.status_code in _NOT_TAKEN:
                return None
            self.refuse(response)
        return self.model(name)

    def _models(self) -> tuple[_ListedModel, ...] | None:
        with self.response("GET", "models") as response:
            if response.status_code == httpx.codes.NOT_FOUND:
                return None
            self.refuse(response)
            try:
                return _ModelList.model_validate_json(self.read(response)).data
            except ValidationError:
                self.complain("its list of models is none")

    def words(self, body: dict[str, Any], thinks: bool = False) -> Generator[str, None, bool]:
        """An answer to a chat request as it comes, and in the end whether the server cut it, out of tokens.

        ``thinks`` is told to the server's chat template, unless the server knows no such field. Thoughts that come in a
        field of their own leave a mark before the answer, and an empty piece for each of their words.
        Closing the generator closes the connection: the server stops.

        Raises Unanswered when the server is down, busy or failing and has said nothing; ModelError when it refuses,
        talks nonsense, is silent (SilentError), or stops in the middle.
        """
        body = {**body, "stream": True}
        if self._takes_switch is not False:
            switch = {_SWITCH: {"enable_thinking": thinks, "thinking": thinks}}
            try:
                return (yield from self._chat({**body, **switch}))
            except RefusedError:
                if self._takes_switch:
                    raise
        return (yield from self._chat(body))

    def _chat(self, body: dict[str, Any]) -> Generator[str, None, bool]:
        end, begun, thinking = "", False, False
        try:
            with self.response("POST", "chat/completions", body) as response:
                self.refuse(response)
                self._takes_switch = _SWITCH in body
                kind = response.headers.get("content-type", "")
                if not kind.startswith("text/event-stream"):
                    self.complain(f"it sent '{self.told(kind)}', not a stream")
                for event in self._events(response):
                    end = event.end or end
                    if event.is_thought and not begun:
                        yield "" if thinking else OPENING
                        thinking = True
                    if event.words:
                        yield CLOSING + event.words if thinking else event.words
                        begun, thinking = begun or not event.words.isspace(), False
        except Unanswered as error:
            if begun or thinking:
                raise ModelError(f"{self.url} stopped in the middle of an answer: {error}.", "Ask again.") from None
            raise
        return end == _OUT_OF_TOKENS

    def _events(self, response: httpx.Response) -> Iterator[_Event]:
        """Server-sent events up to the last. Raises Unanswered when the stream ends before the answer does."""
        has_ended = False
        for line in response.iter_lines():
            field, _, data = line.partition(":")
            if field not in {"data", "error"}:
                continue
            if data.strip() == "[DONE]":
                return
            try:
                event = _Event.model_validate_json(data)
            except ValidationError:
                self.complain(f"it sent '{self.told(data)}'")
            if field == "error" or event.error is not None:
                raise Unanswered(self.told(reason_in(data)))
            if event.end in _GIVEN_UP:
                raise Unanswered("it gave up")
            has_ended = has_ended or bool(event.end)
            yield event
        if not has_ended:
            raise Unanswered("its answer has no end")


class OpenAIEngine:
    """The models of servers; several threads may ask at once, and the servers say who waits."""

    def __init__(self, settings: EngineSettings, adapters: Path | None = None, sleep: Sleep = time.sleep) -> None:
        """Nothing is sent yet. ``adapters`` is the folder of those that a server may load from there.

        Raises ConfigError for an address or a key that cannot be used.
        """
        self._settings = settings
        self._adapters = adapters
        self._servers = ServerPool(engine_access(settings), _ChatServer, sleep)
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

        window = self._servers.call(lambda server: self._served(server, None).window) or _UNSTATED_WINDOW
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

        def said(server: _ChatServer) -> Generator[str, None, bool]:
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

    def _served(self, server: _ChatServer, adapter: str | None) -> _ListedModel:
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


def _named(name: str, models: Sequence[_ListedModel]) -> _ListedModel | None:
    """The model of a name; Ollama lists ``name:latest``."""
    return next((model for model in models if model.id in {name, f"{name}:latest"}), None)
