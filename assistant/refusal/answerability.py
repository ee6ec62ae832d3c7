"""Whether the evidence found for a question can answer it, judged before a model is asked; and what it lacks.

The evidence is described by features, and a logistic regression, calibrated on the corpus, turns them into the
probability that it answers:

    lead              how far the similarity of the nearest passage is above the mean of the others, as the bundled
                      embedder would have it; not a number when the embedder does not understand the question
    bm25              best BM25 score, as a part of what the question's terms could give at most
    passage_coverage  part of the weight of the question's words that the best passage holds
    window_coverage   the same of its best one or two sentences, where words that begin alike count in part
    unknown           part of the weight in words that the corpus does not know
    length            logarithm of one more than the number of words that carry the subject

Others were tried and added nothing (docs/refusal.md).

A refusal says what was looked for: the words that carry the subject of a question and that no passage holds. No tagger
says which words those are, so only sure ones are taken. German writes nouns with a capital letter; in other languages
names have one. In English a word that the corpus hardly knows is likely the subject too, unless it is one of the verbs
and adjectives that any question may have.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import chain
from math import isnan, log1p, nan

from assistant.artifacts.calibration import calibration_of
from assistant.config import AnswerSettings
from assistant.retrieval.retriever import Retriever
from assistant.text.languages import LANGUAGES
from assistant.text.lexicon import no_subject, vocabulary
from assistant.text.names import Name, names
from assistant.text.overlap import weighted_coverage
from assistant.text.sentences import asks, line_sentence_spans, sentence_spans
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
_WORD = re.compile(r"[^\W_]+(?:[-.][^\W_]+)*")
_SHORTEST = 3  # letters; few nouns have less
# A word of more passages than this part is no rare one.
_RARE = 0.02
# "Bed", "fly" and "seed" are nouns; most longer words that end so are none.
_SHORTEST_OF_NO_NOUN, _ENDINGS_OF_NO_NOUN = 5, ("ed", "ly")
_NO_NOUN_STEMS = frozenset(stems(" ".join(vocabulary("no_nouns", "en")), "en"))


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
    language, lead = detect(question, retriever.languages), nan
    first, *others = sorted((hit.dense for hit in found if hit.dense is not None), reverse=True) or (nan,)
    if others and retriever.embedder.understands(language):
        lead = (first - sum(others) / len(others)) * retriever.embedder.contrast
    best = max((hit.lexical for hit in found if hit.lexical is not None), default=0.0)
    most = _BM25_MOST * sum(retriever.weights(query_terms(question, retriever.languages, language)).values())
    windows_of = (present for hit in found for _, present in windows(hit, there.language))
    window: Set[str] = max(windows_of, key=there.coverage, default=frozenset())
    total = sum(there.wanted.values())
    covered = sum(weight * _presence(term, window) for term, weight in there.wanted.items())
    return (
        lead,
        best / most if most else 0.0,
        max(map(there.coverage, there.passages)),
        covered / total if total else 0.0,
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


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to ask the model."""

    answerable: bool
    reason: str = ""
    judgement: Mapping[str, float] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    """Words of the question that carry its subject and that no passage holds, as they were asked."""


def judge(question: str, found: Sequence[Evidence], retriever: Retriever, settings: AnswerSettings) -> Verdict:
    """Hold the evidence of a question against what is known about the corpus.

    Only the best passages are looked at, however many the model is shown.
    """
    if not found:
        return Verdict(False, "nothing in the documents fits the question")
    looked_at = found[:LOOKED_AT]
    there = held(question, looked_at, retriever)
    features = features_of(question, looked_at, there, retriever)
    calibration = calibration_of(retriever.catalog, retriever.embedder.fingerprint)
    probability = calibration.probability(features)
    threshold = shifted(calibration.threshold, settings.caution)
    named = {name: value for name, value in zip(FEATURES, features, strict=True) if not isnan(value)}
    unknown = float(len(unknown_names(question, retriever)))
    judgement = {"probability": probability, "threshold": threshold, "unknown_names": unknown, **named}
    missing = missing_words(question, there, retriever)
    if probability < threshold:
        reason = f"with a probability of {1 - probability:.0%} the nearest passages do not answer the question"
        return Verdict(False, reason, judgement, missing)
    return Verdict(True, "", judgement, missing)


def shifted(threshold: float, caution: float) -> float:
    """A threshold whose odds are ``caution`` times as high."""
    return caution * threshold / (1 - threshold + caution * threshold)


def unknown_names(question: str, retriever: Retriever) -> tuple[Name, ...]:
    """The names in what a question asks that no document knows, as "VW Golf"; those in what it only tells may be any.

    Of 10 questions with one, of 637 about four corpora, 9 have no answer there (docs/log.md).
    """
    sentences = (question[start:end] for start, end in sentence_spans(question))
    asked = " ".join(one for one in sentences if asks(one))
    language = detect(question, {*retriever.languages, *LANGUAGES})
    # Who writes all in capitals marks nothing with them; nor do they where nobody knows whether all nouns have one.
    found = names(asked, language) if language and asked != asked.upper() else []
    spelled = {name: [stems(" ".join(name), language) for language in retriever.languages] for name in found}
    known = retriever.document_frequencies(list(chain.from_iterable(chain.from_iterable(spelled.values()))))
    return tuple(name for name, its in spelled.items() if not any(known.keys() >= set(one) for one in its))


def missing_words(question: str, there: Held, retriever: Retriever) -> tuple[str, ...]:
    """Words of a question, as they were asked; none where it is not sure which of them carry its subject."""
    present = there.together
    asked = unicodedata.normalize("NFKC", question)
    candidates = [
        (word, begins)
        for word, begins in _words(asked)
        if word.casefold() not in no_subject(there.language) and present.isdisjoint(content_stems(word, there.language))
    ]
    # Written as a name, or in German as a noun; at the beginning of a sentence every word is. Who writes all in
    # capitals marks nothing with them.
    marks = asked != asked.upper()
    sure = {
        word
        for word, begins in candidates
        if marks and len(word) > 1 and ((word[0].isupper() and not begins) or any(map(str.isdigit, word)))
    }
    if detect(question, {*retriever.languages, "en", "de"}) == "en":
        others = [word for word, _ in candidates if word not in sure and _may_be_noun(word)]
        sure |= _rarest(others, there.language, retriever)
    return tuple(dict.fromkeys(word for word, _ in candidates if word in sure))


def _words(text: str) -> Iterator[tuple[str, bool]]:
    """The words of a text, and whether each begins a sentence."""
    end = 0
    for match in _WORD.finditer(text):
        between = text[end : match.start()]
        yield match[0], between.rstrip('"“„(').rstrip().endswith(tuple(".:;!?")) or not (end or between.strip())
        end = match.end()


def _may_be_noun(word: str) -> bool:
    folded = word.casefold()
    is_known = _NO_NOUN_STEMS.intersection(stems(word, "en"))
    is_likely_none = len(word) >= _SHORTEST_OF_NO_NOUN and folded.endswith(_ENDINGS_OF_NO_NOUN)
    return len(word) >= _SHORTEST and not (is_known or is_likely_none)


def _rarest(some: Sequence[str], language: str, retriever: Retriever) -> set[str]:
    """Those that the corpus does not know; if it knows all, those that are rare in it."""
    its_stems = {word: stems(word, language) for word in some}
    known = retriever.document_frequencies(list(chain.from_iterable(its_stems.values())))
    frequencies = {word: max((known.get(stem, 0) for stem in its), default=0) for word, its in its_stems.items()}
    unknown = {word for word, count in frequencies.items() if not count}
    return unknown or {word for word, count in frequencies.items() if count <= _RARE * retriever.size}
