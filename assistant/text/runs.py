"""Runs of items that stand in a sequence, found in a time that grows with the lengths and not with their product."""

from collections.abc import Hashable, Sequence


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
