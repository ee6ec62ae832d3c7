"""The leak test: nothing that one split holds may tell another what it is asked.

Between two splits no passage, no question, no near-duplicate of a question, and no words that prove an answer may be
the same. What would leak is taken out of the less precious split.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

from assistant.artifacts.pairs import Pair
from assistant.text.words import content_stems

LEAKS = ("passage", "question", "near-duplicate question", "answer span")
_NEAR = 0.8  # four stems of five are the same; not measured
_FEWEST_SPAN_WORDS = 5  # shorter answers are alike by chance
# Of at least so many questions, what more than half of them say is the task that they share, and makes no two alike:
# with it, 89 of 100 rows of one task were near-duplicates (docs/log.md).
_FEWEST_ALIKE = 20
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
    near = _SimilarQuestions(pairs)
    for pair in sorted(pairs, key=lambda pair: _PRECIOUS[pair.split]):
        rank = _PRECIOUS[pair.split]
        marks = [("passage", _folded(passage.text)) for passage in pair.passages]
        marks.append(("question", _folded(pair.instruction)))
        if len(pair.quote.split()) >= _FEWEST_SPAN_WORDS:
            marks.append(("answer span", _folded(pair.quote)))
        what = next((mark[0] for mark in marks if seen.get(mark, rank) < rank), "")
        if not what and near.is_near(pair):
            what = "near-duplicate question"
        if what:
            found.append((pair, what))
        for mark in marks:
            seen.setdefault(mark, rank)
    return found


def _folded(text: str) -> str:
    return " ".join(text.split()).lower()


class _SimilarQuestions:
    """Finds questions of other splits that share most of their stems, by their rarest ones.

    A pair of sets of Jaccard similarity t shares one of the first ``n - ceil(t n) + 1`` stems of each, in any common
    order (prefix filtering; Bayardo, Ma and Srikant 2007).
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        stems = {id(pair): frozenset(content_stems(pair.instruction, pair.language)) for pair in pairs}
        self._counts = Counter(stem for some in stems.values() for stem in some)
        most = max(_FEWEST_ALIKE, len(pairs) / 2)
        task = frozenset(stem for stem, count in self._counts.items() if count > most)
        self._stems = {key: some - task for key, some in stems.items()}
        self._by_stem: dict[str, list[Pair]] = defaultdict(list)
        for pair in pairs:
            if pair.split != "train":  # which nothing leaks from
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
