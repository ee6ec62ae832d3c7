"""Engines that stand in front of another one, and what they pass on as it is."""

from collections.abc import Callable, Generator, Sequence
from functools import cached_property

from assistant.artifacts.cards import BASE
from assistant.engines.base import Engine
from assistant.types import Message


class FrontingEngine:
    """Reads, counts and completes as the engine behind it; a subclass says what becomes of answers."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        """``engine`` is called when it is first needed."""
        self._make_engine = engine

    @cached_property
    def _engine(self) -> Engine:
        return self._make_engine()

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

    def complete(
        self, requests: Sequence[Sequence[Message]], max_new_tokens: int, adapter: str | None = None
    ) -> list[str]:
        """As of the engine: what is no answer, as a question that is put differently."""
        return self._engine.complete(requests, max_new_tokens, adapter)


class ReticentEngine(FrontingEngine):
    """Says nothing to who asks the base model, so that the documents answer in their own words."""

    def stream(
        self, messages: Sequence[Message], max_new_tokens: int, temperature: float, adapter: str | None = None
    ) -> Generator[str, None, bool]:
        """What an adapter says; of the base model nothing."""
        if adapter in (None, BASE):
            return False
        return (yield from self._engine.stream(messages, max_new_tokens, temperature, adapter))
