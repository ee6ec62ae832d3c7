"""Whether an adapter was trained on what it is tested with: cases against the pairs it learnt from.

A case is *held out* when no pair shows or comes from one of its gold documents. A held-out case *leaks* when a pair
asks the same question, or nearly the same, or shares thirteen words in a row with it (the usual length; Brown et al.
2020). Pairs of the test split teach nothing and are not looked at; those of the validation split chose the adapter.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from assistant.artifacts.pairs import Pair
from assistant.text.words import content_stems, words
from eval.cases import Case
from eval.folding import folded

Kind = Literal["same question", "near-duplicate question", "13 words in a row"]

_GRAM_WORDS = 13
# Share of common content stems from which two questions are nearly the same; as between the splits of pairs.
_NEAR = 0.8


@dataclass(frozen=True, slots=True)
class Leak:
    """A case, a pair that tells it, and what they share."""

    case: str
    pair: str
    kind: Kind
    shared: str


def held_out(cases: Iterable[Case], pairs: Iterable[Pair]) -> list[Case]:
    """The cases about documents that nothing was learnt from; unanswerable ones are about none."""
    seen = frozenset[str]().union(*(pair.documents for pair in _learnt(pairs)))
    return [case for case in cases if not case.documents & seen]


def leaks(cases: Sequence[Case], pairs: Iterable[Pair]) -> list[Leak]:
    """The first leak of each case that has one, in the order of the cases."""
    learnt = _learnt(pairs)
    # What a follow-up asks is in the conversation before it.
    alone = [pair for pair in learnt if not pair.history]
    questions = {folded(pair.instruction): pair for pair in reversed(alone)}
    near = _NearQuestions(alone)
    overlaps = _overlaps(cases, learnt)
    found = (_same(case, questions) or near.find(case) or overlaps.get(case.id) for case in cases)
    return [leak for leak in found if leak]


def unlearnt(cases: Iterable[Case], pairs: Sequence[Pair]) -> list[Case]:
    """The cases that are held out and do not leak: nothing told any of them to who learnt these pairs."""
    some = held_out(cases, pairs)
    leaked = {leak.case for leak in leaks(some, pairs)}
    return [case for case in some if case.id not in leaked]


def _learnt(pairs: Iterable[Pair]) -> list[Pair]:
    return [pair for pair in pairs if pair.split != "test"]


def _question(case: Case) -> str:
    return case.standalone_question or case.question


def _same(case: Case, questions: dict[str, Pair]) -> Leak | None:
    pair = questions.get(folded(_question(case)))
    return Leak(case.id, pair.id, "same question", pair.instruction) if pair else None


def _overlaps(cases: Sequence[Case], pairs: Sequence[Pair]) -> dict[str, Leak]:
    """The first run of words that each case shares with a pair, by the id of the case."""
    cases_of: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for case in cases:
        quotes = (span.quote for group in case.gold for span in group)
        for text in (_question(case), *case.answers, *quotes):
            for gram in _grams(text):
                cases_of[gram].append(case.id)
    found: dict[str, Leak] = {}
    for text, pair in _texts(pairs):
        for gram in _grams(text):
            for case_id in cases_of.get(gram, ()):
                found.setdefault(case_id, Leak(case_id, pair.id, "13 words in a row", " ".join(gram)))
    return found


def _texts(pairs: Sequence[Pair]) -> Iterator[tuple[str, Pair]]:
    """All texts that pairs teach, each once: many pairs show the same passages."""
    seen: set[str] = set()
    for pair in pairs:
        for text in (pair.instruction, pair.response, *(passage.text for passage in pair.passages)):
            if text not in seen:
                seen.add(text)
                yield text, pair


def _grams(text: str) -> Iterator[tuple[str, ...]]:
    found = words(text)
    return (tuple(found[first : first + _GRAM_WORDS]) for first in range(len(found) - _GRAM_WORDS + 1))


def _stems(question: str, language: str) -> list[str]:
    """What a question is about; a lone letter is what an apostrophe leaves behind."""
    return [stem for stem in content_stems(question, language) if len(stem) > 1 or stem.isdigit()]


class _NearQuestions:
    """Finds the pair whose question shares most of its content stems with a case's (Jaccard)."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._pairs = pairs
        self._sizes: list[int] = []
        self._by_stem: defaultdict[str, list[int]] = defaultdict(list)
        for number, pair in enumerate(pairs):
            found = _stems(pair.instruction, pair.language)
            self._sizes.append(len(found))
            for stem in found:
                self._by_stem[stem].append(number)

    def find(self, case: Case) -> Leak | None:
        wanted = _stems(_question(case), case.language)
        shared = Counter(number for stem in wanted for number in self._by_stem.get(stem, ()))
        likeness = {number: common / (len(wanted) + self._sizes[number] - common) for number, common in shared.items()}
        best = max(likeness, key=lambda number: (likeness[number], -number), default=None)
        if best is None or likeness[best] < _NEAR:
            return None
        return Leak(case.id, self._pairs[best].id, "near-duplicate question", self._pairs[best].instruction)
