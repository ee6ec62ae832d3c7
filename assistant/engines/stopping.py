"""From what a model says to its answer, whatever engine runs it: without thoughts, and up to a text that ends it."""

from collections.abc import Generator, Iterable, Iterator, Sequence
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


def until(pieces: Iterable[str], stop: Sequence[str]) -> Iterator[str]:
    """The pieces up to the first of the ``stop`` texts; how a text is cut into pieces makes no difference."""
    held = ""
    for piece in pieces:
        held += piece
        # The text that is complete first ends the answer; of those complete at once, the longest.
        ends = [(place + len(text), place) for text in stop if (place := held.find(text)) >= 0]
        if ends:
            yield held[: min(ends)[1]]
            return
        safe = len(held) - _begun(held, stop)
        yield held[:safe]
        held = held[safe:]
    yield held


def _begun(text: str, stop: Sequence[str]) -> int:
    """Characters at the end of ``text`` that may be the beginning of a stop text."""
    longest = max(map(len, stop), default=0)
    lengths = range(min(longest - 1, len(text)), 0, -1)
    return next((length for length in lengths if any(end.startswith(text[-length:]) for end in stop)), 0)
