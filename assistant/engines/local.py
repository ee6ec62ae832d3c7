"""What engines that run in this process have in common: prompts to tokens, tokens to text, and the queue between."""

from collections.abc import Callable, Generator, Iterable, Sequence
from functools import cached_property
from pathlib import Path

from assistant.config import DeviceSettings, EngineSettings
from assistant.engines.adapted import AdaptedModel
from assistant.engines.scheduler import Batch, Request, Scheduler
from assistant.engines.template import ChatTemplate
from assistant.engines.thinking import Speech, spoken
from assistant.errors import ModelError
from assistant.models.loading import choose
from assistant.types import Message

# A cautious guess: few models that are made to read passages have less, and most state what they have.
_UNSTATED_WINDOW = 4096
# What a tokenizer writes for the beginning of a character whose other bytes are still to come.
_INCOMPLETE = "\ufffd"


class LocalEngine:
    """One model in this process, with the adapters of a workspace; many may ask at once.

    A subclass says what computes: ``_batch``.
    """

    def __init__(self, settings: EngineSettings, device: DeviceSettings, adapters: Path | None = None) -> None:
        """``adapters`` is the folder that adapters are taken from by name."""
        self._settings = settings
        self._weights = AdaptedModel(settings, choose(device), adapters, settings.quantize)
        self._scheduler = Scheduler(self._batch, settings.parallel)

    def _batch(self, adapter: str | None) -> Batch:
        """The batch that speaks with an adapter. Raises AdapterError or IdentityError when it cannot be used."""
        raise NotImplementedError

    @property
    def template(self) -> ChatTemplate:
        """The tokenizer and chat template of the model."""
        return self._weights.template

    @cached_property
    def window(self) -> int:
        """The model's positions, or a cautious guess where its configuration states none."""
        config = self._weights.config.get_text_config()
        return int(getattr(config, "max_position_embeddings", None) or _UNSTATED_WINDOW)

    @property
    def control_tokens(self) -> frozenset[str]:
        """Special and added tokens of the tokenizer."""
        return self.template.control_tokens

    def count(self, messages: Sequence[Message]) -> int:
        """Tokens of the prompt made of ``messages``."""
        return len(self.template.prompt_ids(messages))

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """The prompt with the control tokens of the chat template."""
        return self.template.prompt_text(messages)

    def stream(
        self, messages: Sequence[Message], max_new_tokens: int, temperature: float, adapter: str | None = None
    ) -> Generator[str, None, bool]:
        """The answer, piece by piece, and whether it was cut. Closing the generator frees its place for the next one.

        Raises ModelError when the model fails, as it does out of memory, OnlyThoughtError when it only thought;
        AdapterError and IdentityError for an adapter that cannot be used.
        """
        answering = self._scheduler.start(self._request(messages, max_new_tokens, temperature, adapter))

        def said() -> Generator[str, None, bool]:
            yield from pieces(answering, self.template.decoded)
            return answering.ran_out

        try:
            return (yield from spoken(said(), self._speech()))
        finally:
            answering.close()

    def _speech(self) -> Speech:
        return Speech(self.template.opens_thought if self.template.thinks else "")

    def complete(
        self, requests: Sequence[Sequence[Message]], max_new_tokens: int, adapter: str | None = None
    ) -> list[str]:
        """The likeliest answer to each of many prompts, in their order; who streams meanwhile goes first.

        Raises what ``stream`` raises.
        """
        started = self._scheduler.start_all(
            [self._request(messages, max_new_tokens, 0.0, adapter) for messages in requests]
        )
        try:
            found = []
            for answering in started:
                speech = self._speech()
                said = self.template.decoded(list(answering))
                found.append(speech.feed(said) + speech.finish(answering.ran_out))
            return found
        finally:
            for answering in started:
                answering.close()

    def _request(
        self, messages: Sequence[Message], max_new_tokens: int, temperature: float, adapter: str | None
    ) -> Request:
        """Raises ModelError when the window has no room for the prompt and an answer."""
        prompt = self.template.prompt_ids(messages)
        if len(prompt) >= self.window:
            raise ModelError(
                f"A prompt has {len(prompt)} tokens, the model reads {self.window}.", "Lower answer.prompt_tokens."
            )
        room = self.window - len(prompt)
        return Request(tuple(prompt), min(max_new_tokens + self._settings.thinking, room), temperature, adapter)


def pieces(tokens: Iterable[int], decoded: Callable[[Sequence[int]], str]) -> Generator[str, None, None]:
    """Text as it grows with each token; what may still change with the next one is held back.

    Together the pieces are what ``decoded`` makes of all tokens at once.
    """
    said: list[int] = []
    shown = ""
    for token in tokens:
        said.append(token)
        text = decoded(said)
        if text.endswith(_INCOMPLETE) or not text.startswith(shown):
            continue
        if text != shown:
            yield text[len(shown) :]
            shown = text
    rest = decoded(said)[len(shown) :]
    if rest:
        yield rest
