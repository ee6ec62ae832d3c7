"""From what a model says to its answer, whatever engine runs it."""

from collections.abc import Generator
from contextlib import closing

from assistant.errors import OnlyThoughtError
from assistant.models.thinking import Speech


def spoken(pieces: Generator[str, None, bool], speech: Speech) -> Generator[str, None, bool]:
    """The answer among the pieces of what a model says, empty ones while it thinks; and what ``pieces`` returns.

    Raises OnlyThoughtError when thoughts were all that came.
    """
    with closing(pieces):
        try:
            while True:
                words = speech.feed(next(pieces))
                if words or speech.is_thinking:
                    yield words
        except StopIteration as end:
            is_cut = bool(end.value)
    if words := speech.finish(is_cut):
        yield words
    if speech.has_thought and not speech.answer:
        raise OnlyThoughtError(
            "The model thought until it had no tokens left, and gave no answer."
            if is_cut
            else "The model thought, and gave no answer.",
            "Raise engine.thinking, the tokens it may think in (as in 2048), or take a model that need not think.",
        )
    return is_cut
