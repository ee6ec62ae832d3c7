"""An engine in front of a base model that is no better than quotations: only its adapters speak (docs/engines.md)."""

from collections.abc import Generator, Sequence

from assistant.adapters import BASE
from assistant.engines.base import Engine
from assistant.types import Message


class ReticentEngine:
    """Says nothing to who asks the base model, so that the documents answer in their own words."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def window(self) -> int:
        """As of the engine."""
        return self._engine.window

    @property
    def control_tokens(self) -> frozenset[str]:
        """As of the engine."""
        return self._engine.control_tokens

    def count(self, messages: Sequence[Message]) -> int:
        """As of the engine."""
        return self._engine.count(messages)

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """As of the engine."""
        return self._engine.prompt_text(messages)

    def stream(
        self, messages: Sequence[Message], max_new_tokens: int, temperature: float, adapter: str | None = None
    ) -> Generator[str, None, bool]:
        """What an adapter says; of the base model nothing."""
        if adapter in (None, BASE):
            return False
        return (yield from self._engine.stream(messages, max_new_tokens, temperature, adapter))

    def complete(
        self, requests: Sequence[Sequence[Message]], max_new_tokens: int, adapter: str | None = None
    ) -> list[str]:
        """As of the engine: what is no answer, as a question that is put differently."""
        return self._engine.complete(requests, max_new_tokens, adapter)
