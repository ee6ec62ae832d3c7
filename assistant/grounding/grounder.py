"""An answer held against its evidence while it comes into being, sentence by sentence.

A marker that names a passage is kept only if that passage supports the sentence; a sentence without one gets the
passage that supports it best. A passage that is to be cited with a warning gives way to one that is not. What counts as
support is one function, in ``assistant.grounding.support``.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from assistant.grounding.markers import Reading
from assistant.grounding.notes import warning_of
from assistant.grounding.repetition import Repetition, goes_in_circles
from assistant.grounding.statements import GrowingStatements, Statement
from assistant.grounding.support import Support, Weights, is_short, support
from assistant.retrieval.embedder import Likeness
from assistant.text.quantities import quantities
from assistant.text.sentences import CLOSES, has_ended
from assistant.types import Citation, Evidence, Grounded, Sentence, Words
from assistant.untrusted.markup import GrowingWords

# By so much less than the best place a citation may fit the question, and still be to the point (docs/log.md).
CLEARLY_WORSE = 0.3
# What is understood together with the question only has to come from where that is answered: "500 €" is said of much.
_A_LITTLE_WORSE = 0.1
# So many figures that a place says together are said there alone (docs/log.md).
_NO_COINCIDENCE = 2
_PASSAGE = re.compile(r"<\s*(?:/\s*)?passage\b", re.IGNORECASE)
# All that a model may be asked for (``engine.max_new_tokens``) is less; a server may go on for ever.
LONGEST_ANSWER = 50_000


def cite(hit: Evidence, start: int, end: int, hits: Sequence[Evidence] = ()) -> Citation:
    """The citation of a span; ``start`` and ``end`` count in the passage's text. ``hits`` may be its source."""
    offset, quote = hit.start + start, hit.text[start:end]
    page, warning = hit.page_at(offset), warning_of(hit, start, end, hits)
    return Citation(hit.rank, hit.document, hit.path, page, offset, hit.start + end, quote, warning)


class Grounder:
    """Reads the words of a model as they come: what a reader may see of them, and each sentence with its citations.

    However the words are cut into pieces, what is shown, the sentences and the citations are the same.
    """

    def __init__(
        self,
        hits: Sequence[Evidence],
        weights: Weights,
        least_coverage: float,
        patience: int | None = None,
        behind: Callable[[Sequence[Citation]], float] = lambda _: 0.0,
        question: str = "",
        likeness: Likeness | None = None,
    ) -> None:
        """``hits`` are the passages in the prompt, in its order: the first is number 1.

        After ``patience`` unsupported sentences in a row the model has strayed; None bears any number.
        ``behind`` says of citations by how much they fit the question worse than the best place of the passages;
        ``likeness`` how alike two texts are in meaning.
        """
        self.said = ""
        """What the model said, word for word."""
        self.sentences: list[Sentence] = []
        self._hits = hits
        self._weights = weights
        self._least = least_coverage
        self._patience = patience
        self._behind = behind
        self._question = question
        self._likeness = likeness
        self._end: int | None = None
        self._has_ended = False
        self._cut_at: int | None = None
        self._plain = GrowingWords()
        self._reading = Reading()
        self._repetition = Repetition()
        self._statements = GrowingStatements()
        self._looked = 0
        """No passage of the model's own begins before this place."""
        self._read = 0
        self._judged: dict[tuple[object, ...], Sentence] = {}
        self._settled = 0
        """How many statements have been dealt with."""
        self._told = 0
        """Where the last sentence ends."""
        self._shown = 0

    @property
    def text(self) -> str:
        """What the model said to the reader, up to where it strayed or began to repeat itself."""
        return self._reading.text[: self._repetition.end].rstrip()[: self._end]

    @property
    def stands(self) -> bool:
        """Whether a sentence is supported and to the point."""
        return any(sentence.supported and sentence.to_the_point for sentence in self.sentences)

    @property
    def is_over(self) -> bool:
        """Whether nothing that the model may yet say counts: small models begin again, or stray from the passages."""
        is_long = len(self.said) == LONGEST_ANSWER
        has_strayed = self._end is not None or self._repetition.end < len(self._reading.text)
        return self._has_ended or is_long or has_strayed

    def feed(self, piece: str) -> Iterator[Words | Grounded]:
        """The next words of the model: what a reader may see of them, and sentences that they complete."""
        self.said = (self.said + piece)[:LONGEST_ANSWER]
        self._hear()
        text = self.text
        if self._statements.has_more(text):
            found = self._statements.read(text)
            yield from self._complete(text, found, len(found) - 1)
        yield from self._words(self.text[: self._repetition.safe_end])

    def finish(self, *, is_cut: bool = False) -> Iterator[Words | Grounded]:
        """The model has ended: what was held back. A sentence in which it was cut is left out behind others."""
        self._hear(is_whole=True)
        text = self.text
        found = self._statements.read(text)
        is_cut = is_cut or len(self.said) == LONGEST_ANSWER
        if is_cut and len(found) > self._settled and not has_ended(text, closes=CLOSES + "*_`|"):
            self._cut_at = found[-1].start
            if len(found) > 1:
                self._end = self._cut_at
                text, found = self.text, found[:-1]
        yield from self._complete(text, found, len(found))
        yield from self._words(self.text)

    def _hear(self, *, is_whole: bool = False) -> None:
        """Take in what the model said, up to where it goes on with passages of its own."""
        own = self.said
        for tag in _PASSAGE.finditer(self.said, self._looked):
            if any(map(str.isalnum, self._plain.read(self.said[: tag.start()]))):
                own = self.said[: tag.start()]
                break
            self._looked = tag.end()
        else:
            self._looked = max(self._looked, self.said.rfind("<"))
        self._has_ended = own != self.said
        plain = self._plain.read(own, is_whole=is_whole)
        self._reading.feed(plain[self._read :])
        self._read = len(plain)
        self._repetition.read(self._reading.text)

    def _words(self, visible: str) -> Iterator[Words]:
        if len(visible) > self._shown:
            yield Words(visible[self._shown :])
            self._shown = len(visible)

    def _complete(self, text: str, found: Sequence[Statement], count: int) -> Iterator[Words | Grounded]:
        """Ground the first ``count`` statements, as far as that has not been done."""
        for place in range(self._settled, count):
            self._settled += 1
            one = found[place]
            if not one.claims:
                continue
            yield from self._words(text[: one.end])
            following = found[place + 1].start if place + 1 < len(found) else None
            cited = self._cited(one.start if place else -1, following)
            # What is said again and again is judged once.
            case = text[one.start : one.end], one.claims, tuple(hit.rank for hit in cited), one.start == self._cut_at
            if case not in self._judged:
                self._judged[case] = self._grounded(case[0], one, cited)
            self.sentences.append(replace(self._judged[case], before=text[self._told : one.start]))
            self._told = one.end
            yield Grounded(self.sentences[-1])
            latest = self.sentences[-self._patience :] if self._patience else []
            if len(latest) == self._patience and not any(sentence.supported for sentence in latest):
                self._end = one.end
                return

    def _cited(self, start: int, following: int | None) -> list[Evidence]:
        """The passages named in a sentence or behind it, before the next; numbers of no passage are dropped."""
        markers = self._reading.markers
        first = bisect_right(markers, start, key=lambda marker: marker.place)
        end = None if following is None else bisect_right(markers, following, key=lambda marker: marker.place)
        numbers = (number for marker in markers[first:end] for number in marker.numbers)
        return [self._hits[number - 1] for number in dict.fromkeys(numbers) if 1 <= number <= len(self._hits)]

    def _grounded(self, sentence: str, statement: Statement, cited: Sequence[Evidence]) -> Sentence:
        """A sentence with what supports it: every claim of it has to be supported."""
        if (is_cut := statement.start == self._cut_at) or goes_in_circles(sentence):
            return Sentence(sentence, False, "it was cut off" if is_cut else "it goes round in circles")
        citations: list[Citation] = []
        for claim in statement.claims:
            judged = (self._weights, self._least, self._question, self._likeness)
            measured = [(support(claim, hit, *judged), hit) for hit in self._hits]
            enough = [(found, hit) for found, hit in measured if found.holds]
            if not enough:
                return Sentence(sentence, False, _why_not([found for found, _ in measured], self._least))
            by_itself = [(found, hit) for found, hit in enough if not found.leans]
            enough = by_itself or enough
            places = [(found.coverage, cite(hit, found.start, found.end, self._hits), hit) for found, hit in enough]
            places = [place for place in places if not place[1].warning] or places
            if not by_itself or is_short(claim, self._question):
                nearest = min((citation for _, citation, _ in places), key=lambda one: self._behind([one]))
                said = set(quantities(claim)) - set(quantities(self._question))
                if self._behind([nearest]) > (_A_LITTLE_WORSE if len(said) < _NO_COINCIDENCE else CLEARLY_WORSE):
                    return Sentence(sentence, False, "the passage that says it does not answer the question")
                citations.append(nearest)
                continue
            named = [citation for _, citation, hit in places if hit in cited]
            places = [place for place in places if self._behind([place[1]]) <= CLEARLY_WORSE] or places
            citations += named or [max(places, key=lambda place: place[0])[1]]
        each = tuple(dict.fromkeys(citations))
        return Sentence(sentence, True, "", each, self._behind(each) <= CLEARLY_WORSE)


def ground(text: str, hits: Sequence[Evidence], weights: Weights, least_coverage: float) -> list[Sentence]:
    """The sentences of a whole answer, each with the citations that support it."""
    grounder = Grounder(hits, weights, least_coverage)
    for _ in (*grounder.feed(text), *grounder.finish()):
        pass
    return grounder.sentences


def _why_not(measured: Sequence[Support], least: float) -> str:
    if not measured:
        return "no passage was shown"
    best = max(measured, key=lambda found: found.coverage)
    if best.coverage >= least:
        return best.objection
    return f"the best passage holds {best.coverage:.0%} of its words, {least:.0%} are needed"
