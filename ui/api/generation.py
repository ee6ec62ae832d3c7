"""An engine in front of another: it ends an answer where the caller wants it to end, and counts tokens."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import Any

from assistant.engines.base import Engine
from assistant.engines.fronting import FrontingEngine
from assistant.engines.stopping import until
from assistant.types import Message

_QUESTION = Message("user", "?")


class MeasuredEngine(FrontingEngine):
    """The engine of one answer; ``prompt_tokens`` and ``completion_tokens`` are those of what was read and said."""

    def __init__(self, engine: Callable[[], Engine], stop: Sequence[str] = ()) -> None:
        """``engine`` is called when it is first needed. ``stop`` texts end an answer and are not part of it."""
        super().__init__(engine)
        self._stop = tuple(stop)
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.ran_out = False
        """Whether the answer ended because no more tokens were allowed."""

    def stream(
        self, messages: Sequence[Message], max_new_tokens: int, temperature: float, adapter: str | None = None
    ) -> Generator[str, None, bool]:
        """The answer up to the first stop text, and whether it was cut."""
        self.prompt_tokens = self.count(messages)
        said = ""
        try:
            with closing(self._stream(messages, max_new_tokens, temperature, adapter)) as pieces:
                for piece in until(pieces, self._stop):
                    said += piece
                    yield piece
        finally:
            self.completion_tokens = self._count_said(said)
        return self.ran_out

    def _stream(self, *request: Any) -> Generator[str, None, None]:
        self.ran_out = yield from self._engine.stream(*request)

    def _count_said(self, said: str) -> int:
        if not said:
            return 0
        # Some chat templates take no answer without a question.
        return self.count([_QUESTION, Message("assistant", said)]) - self.count([_QUESTION, Message("assistant", "")])
