"""An answer in the documents' own words, for when a model has none that they support.

Each sentence and row of the passages is scored by the similarity of its vector to the question's plus the weight of the
question's words that it and its headings hold. The best one is quoted, a sentence with the one after it where both are
short.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from assistant.embedder import Embedder
from assistant.grounding.editions import is_superseded
from assistant.grounding.grounder import cite
from assistant.grounding.spans import Span, spans
from assistant.grounding.support import Weights, context_of, named_cells, weighted_coverage
from assistant.language import content_stems, stems
from assistant.types import Evidence, Sentence

_LONGEST_QUOTE = 300
# Shorter pieces are headings and labels.
_SHORTEST_SENTENCE = 25


@dataclass(frozen=True, slots=True)
class _Candidate:
    hit: Evidence
    span: Span
    text: str
    """The sentence, or the row under the headers that the question names."""


def quote(
    question: str,
    hits: Sequence[Evidence],
    embedder: Embedder,
    weights: Weights,
) -> Sentence | None:
    """The sentence of the passages that fits the question best, cited; None when there is no sentence at all."""
    candidates = [
        candidate
        for hit in hits
        if not is_superseded(hit, hits, question)
        for span in spans(hit)
        if not span.is_pair and len((candidate := _candidate(hit, span, question)).text) >= _SHORTEST_SENTENCE
    ]
    if not candidates:
        return None
    vectors = embedder.embed_texts([f"{one.hit.heading}\n{one.text}" for one in candidates])
    similarities = vectors @ embedder.embed_question(question)
    languages = {hit.language for hit in hits}
    wanted = {language: weights(content_stems(question, language)) for language in languages}

    def score(place: int) -> float:
        one = candidates[place]
        language = one.hit.language
        held = frozenset(stems(f"{context_of(one.hit)} {one.text}", language))
        return float(similarities[place]) + weighted_coverage(wanted[language], held)

    best = candidates[max(range(len(candidates)), key=score)]
    return _quoted(best)


def _candidate(hit: Evidence, span: Span, question: str) -> _Candidate:
    text = " ".join(hit.text[span.start : span.end].split())
    if span.row:
        cells = [
            f"{cell} ({header})" if header else cell for header, cell in named_cells(span.row, question, hit.language)
        ]
        text = f"{span.row.label}: {'; '.join(cells)}"
    return _Candidate(hit, span, text)


def _quoted(best: _Candidate) -> Sentence:
    """The sentence with the one after it, if both are short; a row stands for itself."""
    hit, span = best.hit, best.span
    following = (other for other in spans(hit) if not other.is_pair and other.start >= span.end)
    after = next(following, None)
    if span.row or after is None or after.row or after.end - span.start > _LONGEST_QUOTE:
        return Sentence(best.text, True, "", (cite(hit, span.start, span.end),))
    text = " ".join(hit.text[span.start : after.end].split())
    return Sentence(text, True, "", (cite(hit, span.start, after.end),))
