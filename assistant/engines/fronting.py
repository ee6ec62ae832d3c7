"""What engines that stand in front of another one pass on as it is."""

from collections.abc import Sequence

from assistant.engines.base import Engine
from assistant.types import Message


class FrontingEngine:
    """Reads and counts as the engine behind it; a subclass says what becomes of answers."""

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
