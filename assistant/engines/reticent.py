"""An engine in front of a base model that is no better than quotations: only its adapters speak (docs/engines.md)."""

from collections.abc import Generator, Sequence

from assistant.artifacts.adapters import BASE
from assistant.engines.fronting import FrontingEngine
from assistant.types import Message


class ReticentEngine(FrontingEngine):
    """Says nothing to who asks the base model, so that the documents answer in their own words."""

    def stream(
        self, messages: Sequence[Message], max_new_tokens: int, temperature: float, adapter: str | None = None
    ) -> Generator[str, None, bool]:
        """What an adapter says; of the base model nothing."""
        if adapter in (None, BASE):
            return False
        return (yield from self._engine.stream(messages, max_new_tokens, temperature, adapter))
