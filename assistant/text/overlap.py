"""What texts have in common.

Near duplicates share most of their three-word shingles (Broder 1997). Runs of items that stand in two sequences are
found in a time that grows with the lengths and not with their product.
"""

from collections.abc import Container, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

_SHINGLE_WORDS = 3  # as above

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


def weighted_coverage(wanted: Mapping[str, float], present: Container[str]) -> float:
    """Part of the weight of the wanted terms that is present, 0..1; 0 when nothing is wanted."""
    total = sum(wanted.values())
    return sum(weight for term, weight in wanted.items() if term in present) / total if total else 0.0


class Runs:
    """All runs of a sequence, as of the words of a document, in its suffix automaton (Blumer et al. 1985).

    A state stands for the runs that end at the same places. It knows the states that they go on to, and the one of
    the longest end of theirs that stands at more places.
    """

    def __init__(self, sequence: Sequence[Hashable]) -> None:
        self._on: list[dict[Hashable, int]] = [{}]
        lengths, ends = [0], [-1]
        last = 0
        for item in sequence:
            at, last = last, len(lengths)
            self._on.append({})
            lengths.append(lengths[at] + 1)
            ends.append(0)
            while at >= 0 and item not in self._on[at]:
                self._on[at][item] = last
                at = ends[at]
            if at < 0:
                continue
            known = self._on[at][item]
            if lengths[known] > lengths[at] + 1:  # only its shorter runs stand here too
                shorter = len(lengths)
                self._on.append(dict(self._on[known]))
                lengths.append(lengths[at] + 1)
                ends.append(ends[known])
                ends[known] = shorter
                while at >= 0 and self._on[at].get(item) == known:
                    self._on[at][item] = shorter
                    at = ends[at]
                known = shorter
            ends[last] = known

    def longest(self, other: Sequence[Hashable], start: int) -> int:
        """How many items of another sequence, from ``start`` on, are a run of this one."""
        state, place = 0, start
        while place < len(other) and (following := self._on[state].get(other[place])) is not None:
            state, place = following, place + 1
        return place - start
