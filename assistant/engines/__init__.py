"""What runs a language model: the protocol between answers and models, and what stands in front of a model.

One module an implementation; ``assistant.engines.opening`` chooses among them.
"""

from collections.abc import Callable, Generator, Sequence
from functools import cached_property
from typing import Protocol

from assistant.artifacts.cards import BASE
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

        Closing the generator stops the model, as ``assistant.engines.thinking.until`` does at a text.
        """

    def complete(
        self, requests: Sequence[Sequence[Message]], max_new_tokens: int, adapter: str | None = None
    ) -> list[str]:
        """The likeliest answer to each of many prompts, in their order: what ``stream`` says at temperature 0.

        Empty where there were only thoughts.
        """


def warm_up(engine: Engine, words: int = 1) -> None:
    """Have a model loaded, which otherwise happens at the first question; a prompt of so many words is read."""
    engine.complete([[Message("user", "Hello" + " word" * (words - 1))]], 1)


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
