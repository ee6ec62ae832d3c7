"""Models behind any server that speaks OpenAI's protocol: vLLM, llama.cpp, Ollama; an adapter is a model's name there.

The server applies its own chat template, and is asked not to let the model think unless ``engine.thinking`` says so.
What it thinks all the same comes in a field of its own, or before the answer.

Where ``engine.model`` is also a folder on this machine, as it is for a server beside it, tokens are counted with the
tokenizer in it; else they are estimated.
"""

import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import yaml

from assistant.artifacts.cards import BASE
from assistant.config import EngineSettings
from assistant.engines.client import ListedModel, Server, Sleep
from assistant.engines.thinking import Speech, answer_in, has_unmarked_thought, spoken
from assistant.errors import ModelError, OnlyThoughtError, UnknownAdapterError
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
CONTROL_TOKENS = frozenset(
    token
    for family in yaml.safe_load(Path(__file__).with_name("control_tokens.yaml").read_text(encoding="utf-8")).values()
    for token in family.split()
)
"""Texts that the chat templates of well-known models are made of; in a document they may not stand as such."""


class OpenAIEngine:
    """The models of one server; several threads may ask at once, and the server says who waits."""

    def __init__(self, settings: EngineSettings, sleep: Sleep = time.sleep) -> None:
        """Raises ConfigError for an address or a key that cannot be used; nothing is sent yet."""
        self._settings = settings
        self._server = Server(settings, sleep)
        self._listed: tuple[ListedModel, ...] = ()
        self._opens_thoughts = settings.thinking > 0

    @property
    def url(self) -> str:
        """Where everything is sent to."""
        return self._server.url

    @cached_property
    def window(self) -> int:
        """What the server states, or a cautious guess; less where tokens are estimated, so that prompts fit even so.

        Raises what ``stream`` raises.
        """
        window = self._served(None).window or _UNSTATED_WINDOW
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
            "model": self._served(adapter).id,
            "messages": [asdict(message) for message in messages],
            "max_tokens": most,
            "temperature": temperature,
        }
        # Some servers know no limit: more pieces than that are too many.
        with closing(self._server.words(body, thinking > 0)) as words:
            try:
                for _ in range(most):
                    yield next(words)
                next(words)
            except StopIteration as end:
                return bool(end.value)
        return True

    def _speech(self) -> Speech:
        opens = self._opens_thoughts or bool(self._template and self._template.opens_thought)
        return Speech(unsure=opens)

    def _served(self, adapter: str | None) -> ListedModel:
        """The model or adapter as the server lists it. Else raises ModelError or UnknownAdapterError with its names."""
        chosen = None if adapter == BASE else adapter
        name = self._settings.model if chosen is None else chosen
        found = _named(name, self._listed)
        if found is None:  # it may have been loaded since
            listed = self._server.models()
            if listed is None:
                return ListedModel(id=name)
            self._listed = listed
            found = _named(name, listed)
        if found is not None:
            return found
        names = ", ".join(visible(model.id) for model in self._listed[:_NAMES_SHOWN]) or "none"
        if chosen is None:
            raise ModelError(f"{self.url} serves no model '{name}'; it has: {names}.", "Name one in engine.model.")
        raise UnknownAdapterError(
            f"{self.url} serves no adapter '{visible(name)}'; it has: {names}.", "Name one of them."
        )

    @cached_property
    def _template(self) -> "ChatTemplate | None":
        folder = Path(self._settings.model).expanduser()
        if not (folder / "tokenizer_config.json").is_file():
            return None
        from assistant.engines.template import read_template

        return read_template(folder, self._settings)


def _named(name: str, models: Sequence[ListedModel]) -> ListedModel | None:
    """The model of a name; Ollama lists ``name:latest``."""
    return next((model for model in models if model.id in {name, f"{name}:latest"}), None)


def estimated_tokens(messages: Sequence[Message]) -> int:
    """Tokens that a prompt may have: a digit is one, and so are three bytes of anything else (docs/servers.md)."""
    texts = [message.content for message in messages]
    digits = sum(character.isdecimal() for text in texts for character in text)
    others = sum(len(text.encode(errors="replace")) for text in texts) - digits
    return digits + -(-others // 3) + _TOKENS_A_TURN * (len(messages) + 1)
