"""An engine in front of another: it ends an answer where the caller wants it to end, and counts tokens."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing

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

        def whole() -> Generator[str, None, None]:
            self.ran_out = yield from self._engine.stream(messages, max_new_tokens, temperature, adapter)

        try:
            with closing(whole()) as pieces:
                for piece in until(pieces, self._stop):
                    said += piece
                    yield piece
        finally:
            self.completion_tokens = 0
            if said:  # some chat templates take no answer without a question
                with_answer, without = Message("assistant", said), Message("assistant", "")
                self.completion_tokens = self.count([_QUESTION, with_answer]) - self.count([_QUESTION, without])
        return self.ran_out
