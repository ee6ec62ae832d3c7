"""Whether a passage says what a sentence says: one deterministic function, with its reason.

A sentence is supported by a passage when some window of it (one sentence, or two neighbours) holds enough of
the weight of the sentence's words, and the passage holds every number of the sentence. Words weigh by how rare they
are in the corpus (inverse document frequency), so that "the" supports nothing.
"""

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from assistant.language import stems
from assistant.prompt import without_delimiters
from assistant.quantities import is_said, quantities
from assistant.sentences import line_sentence_spans, sentence_spans
from assistant.types import Citation, Evidence, Grounded, Sentence, Words

Weights = Callable[[Iterable[str]], Mapping[str, float]]

_MARKER = re.compile(r"\s*\[\s*(\d{1,3})\s*\]")
# What may yet become a marker, at the end of a growing text.
_UNFINISHED = re.compile(r"\s*(\[[\s\d]*)?$")
_WINDOW_SENTENCES = 2


@dataclass(frozen=True, slots=True)
class Support:
    """How well a passage supports a sentence, and the span (in the passage's text) that does it best."""

    coverage: float
    missing_number: str
    start: int
    end: int


def without_markers(sentence: str, known: int) -> tuple[str, tuple[int, ...]]:
    """A sentence without ``[n]`` markers, and the passages they name; numbers of no passage are dropped."""
    numbers = (int(number) for number in _MARKER.findall(sentence))
    cited = tuple(dict.fromkeys(number for number in numbers if 1 <= number <= known))
    return _MARKER.sub("", sentence).strip(), cited


def support(sentence: str, hit: Evidence, weights: Weights, least_coverage: float) -> Support:
    """The window of a passage that supports a sentence best; shorter ones win ties.

    One that holds all numbers of the sentence and enough of its words is preferred to one with more words.
    """
    wanted = weights(stems(sentence, hit.language))
    numbers, heading_numbers = quantities(sentence), set(quantities(hit.context))
    headings = set(stems(hit.context, hit.language))

    def measure(start: int, end: int) -> Support:
        text = hit.text[start:end]
        present = headings.union(stems(text, hit.language))
        there = heading_numbers.union(quantities(text))
        missing = next((number for number in numbers if not is_said(number, there)), "")
        return Support(weighted_coverage(wanted, present), missing, start, end)

    def rank(found: Support) -> tuple[bool, float, int]:
        is_enough = not found.missing_number and found.coverage >= least_coverage
        return is_enough, found.coverage, found.start - found.end

    nothing = Support(0.0, next(iter(numbers), ""), 0, len(hit.text))
    return max((measure(start, end) for start, end in _windows(hit.text)), key=rank, default=nothing)


def weighted_coverage(wanted: Mapping[str, float], present: Container[str]) -> float:
    """Part of the weight of the wanted terms that is present, 0..1; 0 when nothing is wanted."""
    total = sum(wanted.values())
    return sum(weight for term, weight in wanted.items() if term in present) / total if total else 0.0


def cite(hit: Evidence, start: int, end: int) -> Citation:
    """The citation of a span; ``start`` and ``end`` count in the passage's text."""
    offset = hit.start + start
    return Citation(hit.rank, hit.document, hit.path, hit.page_at(offset), offset, hit.start + end, hit.text[start:end])


class Grounder:
    """Holds a growing answer against its evidence, sentence by sentence.

    A marker that names a passage is kept only if that passage supports the sentence; a sentence without one gets
    the passage that supports it best. A reader never sees a marker, nor part of one.
    """

    def __init__(self, hits: Sequence[Evidence], weights: Weights, least_coverage: float) -> None:
        self.said = ""
        """What the model said, word for word."""
        self.sentences: list[Sentence] = []
        self._hits = hits
        self._weights = weights
        self._least = least_coverage
        self._shown = 0
        self._looked_at = 0

    @property
    def text(self) -> str:
        """What the model said, without passage tags that it copied, up to where it began to repeat itself."""
        return without_repetition(without_delimiters(self.said)).strip()

    @property
    def repeats_itself(self) -> bool:
        """Whether a sentence was said twice: small models that have no more to say begin again."""
        sentences = [self.said[start:end] for start, end in sentence_spans(self.said)]
        return len(set(sentences)) < len(sentences)

    def feed(self, piece: str) -> Iterator[Words | Grounded]:
        """The next words of the model: what a reader may see of them, and sentences that they complete."""
        self.said += piece
        text = self.text
        yield from self._words(_UNFINISHED.sub("", text))
        yield from self._complete(text, sentence_spans(text)[:-1])

    def finish(self) -> Iterator[Words | Grounded]:
        """The model has ended: what was held back."""
        text = self.text
        yield from self._words(text)
        yield from self._complete(text, sentence_spans(text))

    def _words(self, text: str) -> Iterator[Words]:
        visible = _MARKER.sub("", text)
        if len(visible) > self._shown:
            yield Words(visible[self._shown :])
            self._shown = len(visible)

    def _complete(self, text: str, spans: Sequence[tuple[int, int]]) -> Iterator[Grounded]:
        for start, end in spans[self._looked_at :]:
            if without_markers(text[start:end], 0)[0]:
                self.sentences.append(_grounded(text[start:end], self._hits, self._weights, self._least))
                yield Grounded(self.sentences[-1])
        self._looked_at = max(self._looked_at, len(spans))


def ground(text: str, hits: Sequence[Evidence], weights: Weights, least_coverage: float) -> list[Sentence]:
    """The sentences of a whole answer, each with the citations that support it."""
    grounder = Grounder(hits, weights, least_coverage)
    for _ in (*grounder.feed(text), *grounder.finish()):
        pass
    return grounder.sentences


def without_repetition(text: str) -> str:
    """``text`` up to the first sentence that was already said."""
    said: set[str] = set()
    for start, end in sentence_spans(text):
        if text[start:end] in said:
            return text[:start]
        said.add(text[start:end])
    return text


def _grounded(marked: str, hits: Sequence[Evidence], weights: Weights, least: float) -> Sentence:
    sentence, cited = without_markers(marked, len(hits))
    measured = [(support(sentence, hit, weights, least), hit) for hit in hits]
    supporting = [pair for pair in measured if pair[0].coverage >= least and not pair[0].missing_number]
    named = [pair for pair in supporting if pair[1].rank in cited]
    chosen = named or sorted(supporting, key=lambda pair: -pair[0].coverage)[:1]
    if chosen:
        return Sentence(sentence, True, "", tuple(cite(hit, found.start, found.end) for found, hit in chosen))
    return Sentence(sentence, False, _why_not(measured, least))


def _why_not(measured: Sequence[tuple[Support, Evidence]], least: float) -> str:
    if not measured:
        return "no passage was shown"
    best = max((found for found, _ in measured), key=lambda found: found.coverage)
    if best.coverage >= least:
        return f"no passage that says this holds the number {best.missing_number}"
    return f"the best passage holds {best.coverage:.0%} of its words, {least:.0%} are needed"


def _windows(text: str) -> Iterable[tuple[int, int]]:
    spans = line_sentence_spans(text)
    for first in range(len(spans)):
        for last in range(first, min(first + _WINDOW_SENTENCES, len(spans))):
            yield spans[first][0], spans[last][1]
