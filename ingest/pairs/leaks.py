"""The leak test: nothing that a model is trained on may tell it what it is tested on.

Between two splits no passage, no question, no near-duplicate of a question, and no words that prove an answer may be
the same. What would leak is taken out of the less precious split; the test then runs over what is written.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from assistant.artifacts.pairs import Pair
from assistant.text.words import content_stems
from ingest.pairs.filters import folded

LEAKS = ("passage", "question", "near-duplicate question", "answer span")
_NEAR = 0.8
_FEWEST_SPAN_WORDS = 5
_PRECIOUS = {"test": 0, "validation": 1, "train": 2}


def leaks(pairs: Sequence[Pair]) -> dict[str, int]:
    """How many pairs share something with a pair of a more precious split, by what it is."""
    found = dict.fromkeys(LEAKS, 0)
    for _, what in leaking(pairs):
        found[what] += 1
    return found


def leaking(pairs: Sequence[Pair]) -> list[tuple[Pair, str]]:
    """The pairs that share something with one of a more precious split, and what: the first found of each."""
    seen: dict[tuple[str, str], int] = {}
    found = []
    near = _NearQuestions(pairs)
    for pair in sorted(pairs, key=lambda pair: _PRECIOUS[pair.split]):
        rank = _PRECIOUS[pair.split]
        marks = list(_marks(pair))
        what = next((mark[0] for mark in marks if seen.get(mark, rank) < rank), "")
        if not what and near.is_near(pair):
            what = "near-duplicate question"
        if what:
            found.append((pair, what))
        for mark in marks:
            seen.setdefault(mark, rank)
    return found


def _marks(pair: Pair) -> Iterable[tuple[str, str]]:
    for passage in pair.passages:
        yield "passage", folded(passage.text).lower()
    yield "question", folded(pair.instruction).lower()
    if len(pair.quote.split()) >= _FEWEST_SPAN_WORDS:
        yield "answer span", folded(pair.quote).lower()


class _NearQuestions:
    """Finds questions of other splits that share most of their stems, by their rarest ones.

    A pair of sets of Jaccard similarity t shares one of the first ``n - ceil(t n) + 1`` stems of each, in any common
    order (prefix filtering; Bayardo, Ma and Srikant 2007).
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._stems = {id(pair): frozenset(content_stems(pair.instruction, pair.language)) for pair in pairs}
        self._counts = Counter(stem for some in self._stems.values() for stem in some)
        self._by_stem: dict[str, list[Pair]] = defaultdict(list)
        for pair in pairs:
            for stem in self._prefix(pair):
                self._by_stem[stem].append(pair)

    def is_near(self, pair: Pair) -> bool:
        mine, rank = self._stems[id(pair)], _PRECIOUS[pair.split]
        return any(
            _PRECIOUS[other.split] < rank and self._similarity(mine, self._stems[id(other)]) >= _NEAR
            for stem in self._prefix(pair)
            for other in self._by_stem[stem]
        )

    def _prefix(self, pair: Pair) -> list[str]:
        stems = sorted(self._stems[id(pair)], key=lambda stem: (self._counts[stem], stem))
        return stems[: len(stems) - math.ceil(_NEAR * len(stems)) + 1]

    @staticmethod
    def _similarity(one: frozenset[str], other: frozenset[str]) -> float:
        shared = len(one & other)
        return shared / (len(one) + len(other) - shared) if shared else 0.0
