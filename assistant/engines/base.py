"""The seam between answers and models."""

from collections.abc import Generator, Sequence
from typing import Protocol

from assistant.types import Message


class Engine(Protocol):
    """Runs one base model, and adapters over it by name. Implementations load weights when they are first needed.

    An adapter of None is the base model by itself.
    """

    @property
    def window(self) -> int:
        """How many tokens prompt and answer may have together."""

    @property
    def control_tokens(self) -> frozenset[str]:
        """Texts that the tokenizer turns into control tokens; they must not come from documents."""

    def count(self, messages: Sequence[Message]) -> int:
        """Tokens of the prompt made of ``messages``."""

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """The prompt made of ``messages`` as the model reads it, for people to look at."""

    def stream(
        self, messages: Sequence[Message], max_new_tokens: int, temperature: float, adapter: str | None = None
    ) -> Generator[str, None, bool]:
        """The answer, piece by piece, and in the end whether it was cut since no more tokens were allowed.

        What the model thinks before is no part of it, nor of ``max_new_tokens``: ``engine.thinking`` more are allowed.
        While it thinks the pieces are empty. Raises OnlyThoughtError when no answer followed.

        Closing the generator stops the model, as ``assistant.engines.stopping.until`` does at a text.
        """

    def complete(
        self, requests: Sequence[Sequence[Message]], max_new_tokens: int, adapter: str | None = None
    ) -> list[str]:
        """The likeliest answer to each of many prompts, in their order: what ``stream`` says at temperature 0.

        Empty where there were only thoughts.
        """
