"""Where a text ends an answer, whatever engine gives it."""

from collections.abc import Iterable, Iterator, Sequence


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
