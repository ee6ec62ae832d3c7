"""The seam between answers and models."""

from collections.abc import Generator, Sequence
from typing import Protocol

from assistant.types import Message


class Engine(Protocol):
    """Runs one base model. Implementations load their weights at the first call."""

    @property
    def window(self) -> int:
        """How many tokens prompt and answer may have together."""

    @property
    def control_tokens(self) -> frozenset[str]:
        """Texts that the tokenizer turns into control tokens; they must not come from documents."""

    def count(self, messages: Sequence[Message]) -> int:
        """Tokens of the prompt made of ``messages``."""

    def stream(
        self, messages: Sequence[Message], max_new_tokens: int, temperature: float
    ) -> Generator[str, None, None]:
        """The answer, piece by piece. Closing the generator stops the model."""
