"""Texts that say nearly the same, by the three-word shingles they share (Broder 1997)."""

from dataclasses import dataclass, field

_SHINGLE_WORDS = 3

Shingles = frozenset[tuple[str, ...]]


@dataclass(slots=True)
class Duplicates:
    """Remembers texts and tells whether another is nearly one of them.

    ``similarity`` is the Jaccard share of common shingles from which two texts are equal.
    """

    similarity: float
    _seen: list[Shingles] = field(default_factory=list)

    def is_new(self, text: str) -> bool:
        """Whether no earlier text was nearly this one; if so, it is remembered."""
        own = shingles(text)
        if any(jaccard(own, other) >= self.similarity for other in self._seen):
            return False
        self._seen.append(own)
        return True


def shingles(text: str) -> Shingles:
    """The runs of three words in a text; of a shorter one the text as a whole."""
    words = text.casefold().split()
    count = max(1, len(words) - _SHINGLE_WORDS + 1)
    return frozenset(tuple(words[first : first + _SHINGLE_WORDS]) for first in range(count))


def jaccard(one: Shingles, other: Shingles) -> float:
    """Size of the intersection over size of the union."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)
