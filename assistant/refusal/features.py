"""What the evidence of a question looks like, in numbers: the features that its answerability is judged by.

    lead              how far the similarity of the nearest passage is above the mean of the others, as the bundled
                      embedder would have it; not a number when the embedder does not understand the question
    bm25              best BM25 score, as a part of what the question's terms could give at most
    passage_coverage  part of the weight of the question's words that the best passage holds
    window_coverage   the same of its best one or two sentences, where words that begin alike count in part
    unknown           part of the weight in words that the corpus does not know
    length            logarithm of one more than the number of words that carry the subject

Others were tried and added nothing (docs/refusal.md).
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from math import log1p, nan

from assistant.grounding.support import weighted_coverage
from assistant.retrieval.retriever import Retriever
from assistant.text.sentences import line_sentence_spans
from assistant.text.words import DEFAULT_LANGUAGE, content_stems, detect, query_terms, stems
from assistant.types import Evidence

FEATURES = ("lead", "bm25", "passage_coverage", "window_coverage", "unknown", "length")

# How many of the best passages are looked at, however many the model is shown.
LOOKED_AT = 4
_WINDOW_SENTENCES = 2  # as spans have that support a sentence
# What a term can add to a BM25 score is its inverse document frequency times this (k1 = 1.2).
_BM25_MOST = 2.2
# Words that begin alike are likely of one family: "insured", "insurance". One such counts as half of the word itself.
_FAMILY_LETTERS, _FAMILY_SHARE = 5, 0.7
_FAMILY_CREDIT = 0.5


@dataclass(frozen=True, slots=True)
class Held:
    """What a question names, and what its evidence holds of it."""

    language: str
    """Of those of the corpus, the one in which the evidence holds most."""
    wanted: Mapping[str, float]
    """Weight of each stem that carries the subject."""
    passages: tuple[Set[str], ...]
    """The stems of each passage with its context."""

    @property
    def together(self) -> Set[str]:
        """The stems of all passages."""
        return frozenset[str]().union(*self.passages)

    def coverage(self, present: Set[str]) -> float:
        """Part of the weight of what the question names that is among ``present``, 0..1."""
        return weighted_coverage(self.wanted, present)


def held(question: str, found: Sequence[Evidence], retriever: Retriever) -> Held:
    """What the evidence, of which there is some, holds of a question."""

    def in_language(language: str) -> Held:
        passages = tuple(frozenset(stems(f"{hit.context} {hit.text}", language)) for hit in found)
        return Held(language, retriever.weights(content_stems(question, language)), passages)

    found_in = (in_language(language) for language in retriever.languages or (DEFAULT_LANGUAGE,))
    return max(found_in, key=lambda one: one.coverage(one.together))


def features_of(question: str, found: Sequence[Evidence], there: Held, retriever: Retriever) -> tuple[float, ...]:
    """The values of FEATURES, in their order, for evidence of which there is some."""
    language = detect(question, retriever.languages)
    return (
        _lead(found) * retriever.embedder.contrast if retriever.embedder.understands(language) else nan,
        _bm25(question, language, found, retriever),
        max(map(there.coverage, there.passages)),
        _window_coverage(found, there),
        1.0 - weighted_coverage(there.wanted, retriever.document_frequencies(list(there.wanted))),
        log1p(len(there.wanted)),
    )


def windows(hit: Evidence, language: str) -> list[tuple[str, Set[str]]]:
    """The single sentences of a passage, and each two neighbours, with their stems and those of its headings."""
    spans = line_sentence_spans(hit.text)
    headings = frozenset(stems(hit.context, language))
    said = [frozenset(stems(hit.text[start:end], language)) for start, end in spans]
    return [
        (hit.text[spans[first][0] : spans[last][1]], headings.union(*said[first : last + 1]))
        for first in range(len(spans))
        for last in range(first, min(first + _WINDOW_SENTENCES, len(spans)))
    ]


def _lead(found: Sequence[Evidence]) -> float:
    values = sorted((hit.dense for hit in found if hit.dense is not None), reverse=True)
    if len(values) < 2:
        return nan
    return values[0] - sum(values[1:]) / (len(values) - 1)


def _bm25(question: str, language: str, found: Sequence[Evidence], retriever: Retriever) -> float:
    terms = query_terms(question, retriever.languages, language)
    best = max((hit.lexical for hit in found if hit.lexical is not None), default=0.0)
    most = _BM25_MOST * sum(retriever.weights(terms).values())
    return best / most if most else 0.0


def _window_coverage(found: Sequence[Evidence], there: Held) -> float:
    windows_of = (present for hit in found for _, present in windows(hit, there.language))
    best: Set[str] = max(windows_of, key=there.coverage, default=frozenset())
    total = sum(there.wanted.values())
    return sum(weight * _presence(term, best) for term, weight in there.wanted.items()) / total if total else 0.0


def _presence(term: str, present: Set[str]) -> float:
    """1 if a term is there, a part of it if a word of its family or a compound with it is."""
    if term in present:
        return 1.0
    if len(term) < _FAMILY_LETTERS or term.isdigit():
        return 0.0
    beginning = term[: max(_FAMILY_LETTERS, int(_FAMILY_SHARE * len(term)))]
    is_near = any(
        word.startswith(beginning) or term in word or (len(word) >= _FAMILY_LETTERS and word in term)
        for word in present
    )
    return _FAMILY_CREDIT if is_near else 0.0
