"""The places of the passages that fit a question best: quoted where a model has no answer, and a measure of the others.

Each sentence and row of the passages is scored by the similarity of its vector to the question's, plus the weight of
the question's words that it and its headings hold, less a little for every rank. The best one is quoted, a sentence
with those after it in its clause; and a second one that is nearly as good, since the best is not always it.
An answer whose citations all fit clearly worse than the best place misses the question (docs/log.md).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from assistant.embedder import Embedder
from assistant.grounding.editions import is_superseded
from assistant.grounding.grounder import cite
from assistant.grounding.spans import Span, spans
from assistant.grounding.support import Weights, context_of, named_cells, weighted_coverage
from assistant.language import content_stems, stems
from assistant.types import Citation, Evidence, Sentence

_BULLET = re.compile(r"[-*•–]\s+")
# What begins so is said of something else: an item of a list, a clause as "(2)" or "(b)", a section as "§ 3" or "2.5".
_BEGINS_ANEW = re.compile(rf"{_BULLET.pattern}|\((?:\d{{1,2}}|[a-z])\)\s|§\s?\d|\d{{1,2}}\.\d")
_LONGEST_QUOTE = 400
# Shorter pieces are headings and labels.
_SHORTEST_SENTENCE = 25
_MOST_QUOTES = 2
# A second quotation may be so much worse than the first.
_NEARLY_AS_GOOD = 0.15
_RANK_COSTS = 0.06
# By so much less than the best place a citation may fit, and still be to the point.
_CLEARLY_WORSE = 0.3


@dataclass(frozen=True, slots=True)
class _Candidate:
    hit: Evidence
    span: Span
    text: str
    """The sentence, or the row under the headers that the question names."""


class Places:
    """The sentences and rows of some passages, by how well they fit a question; ranked when that is first needed."""

    def __init__(self, question: str, hits: Sequence[Evidence], embedder: Embedder, weights: Weights) -> None:
        """``weights`` gives each stem its weight."""
        self._question = question
        self._hits = hits
        self._embedder = embedder
        self._weights = weights

    def quotes(self) -> tuple[Sentence, ...]:
        """The best places as sentences with citations, best first: at most two, none where there is no sentence."""
        quotes: list[Sentence] = []
        for score, candidate in self._ranked:
            if len(quotes) == _MOST_QUOTES or score < self._best - _NEARLY_AS_GOOD:
                break
            quoted = _quoted(candidate)
            if not any(_overlap(quoted, other) for other in quotes):
                quotes.append(quoted)
        return tuple(quotes)

    def are_cited(self, citations: Sequence[Citation]) -> bool:
        """Whether one of the citations fits the question not clearly worse than the best place.

        Citations of places that are not ranked, as those of older editions, are not doubted.
        """
        scores = [score for score, one in self._ranked for citation in citations if _holds(one, citation)]
        return not scores or max(scores) >= self._best - _CLEARLY_WORSE

    @property
    def _best(self) -> float:
        return self._ranked[0][0]

    @cached_property
    def _ranked(self) -> list[tuple[float, _Candidate]]:
        candidates = [
            candidate
            for hit in self._hits
            if not is_superseded(hit, self._hits, self._question)
            for span in spans(hit)
            if not span.is_pair and len((candidate := _candidate(hit, span, self._question)).text) >= _SHORTEST_SENTENCE
        ]
        if not candidates:
            return []
        scores = _scores(self._question, candidates, self._embedder, self._weights)
        return sorted(zip(scores, candidates, strict=True), key=lambda one: -one[0])


def _scores(question: str, candidates: Sequence[_Candidate], embedder: Embedder, weights: Weights) -> list[float]:
    vectors = embedder.embed_texts([f"{one.hit.heading}\n{one.text}" for one in candidates])
    similarities = vectors @ embedder.embed_question(question)
    languages = {one.hit.language for one in candidates}
    wanted = {language: weights(content_stems(question, language)) for language in languages}

    def score(one: _Candidate, similarity: float) -> float:
        held = frozenset(stems(f"{context_of(one.hit)} {one.text}", one.hit.language))
        return similarity + weighted_coverage(wanted[one.hit.language], held) - _RANK_COSTS * one.hit.rank

    return [score(one, float(similarity)) for one, similarity in zip(candidates, similarities, strict=True)]


def _holds(one: _Candidate, citation: Citation) -> bool:
    start, end = one.hit.start + one.span.start, one.hit.start + one.span.end
    return one.hit.document == citation.document and citation.start < end and start < citation.end


def _overlap(one: Sentence, other: Sentence) -> bool:
    """Whether two quotations share words of a document, or say the same in two."""
    (first,), (second,) = one.citations, other.citations
    share_place = first.document == second.document and first.start < second.end and second.start < first.end
    return share_place or one.text in other.text or other.text in one.text


def _candidate(hit: Evidence, span: Span, question: str) -> _Candidate:
    text = " ".join(hit.text[span.start : span.end].split())
    if span.row:
        cells = [
            f"{cell} ({header})" if header else cell for header, cell in named_cells(span.row, question, hit.language)
        ]
        text = f"{span.row.label}: {'; '.join(cells)}"
    return _Candidate(hit, span, text)


def _quoted(best: _Candidate) -> Sentence:
    """The sentence with those after it in its clause or paragraph, while all are short; a row stands for itself."""
    hit, span = best.hit, best.span
    if span.row:
        return Sentence(best.text, True, "", (cite(hit, span.start, span.end),))
    end = span.end
    for after in spans(hit):
        if after.is_pair or after.start < end:
            continue
        is_apart = after.row or "\n\n" in hit.text[end : after.start] or _BEGINS_ANEW.match(hit.text, after.start)
        if is_apart or after.end - span.start > _LONGEST_QUOTE:
            break
        end = after.end
    text = _BULLET.sub("", " ".join(hit.text[span.start : end].split()))
    return Sentence(text, True, "", (cite(hit, span.start, end),))
