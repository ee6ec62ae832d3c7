"""What of an answer comes from the passages, and what of the passages reached the answer: RAGChecker's algebra.

Four boolean matrices say which claims and passages say the same (Ru et al. 2024); who fills them is another matter.
``claims_of`` fills them without a model: the claims of an answer are its sentences, those of the gold are the facts
that the case requires.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assistant.text.lexicon import vocabulary
from assistant.text.words import words
from assistant.types import Evidence
from eval.cases import Case
from eval.metrics.answers import must_include
from eval.metrics.citations import Supports
from eval.metrics.score import NO_EVIDENCE, REFUSED, UNANSWERABLE, Score, score

Matrix = npt.NDArray[np.bool_]

METRICS = ("faithfulness", "hallucination", "self_knowledge", "claim_recall", "context_utilisation")
_NO_CLAIM = "the answer claims nothing"
_NO_FACTS = "the case names no facts"
_NONE_RETRIEVED = "no passage holds a required fact"


@dataclass(frozen=True, slots=True)
class Claims:
    """Who says what: r claims of the response, g claims of the gold answer, c passages."""

    response_in_context: Matrix
    """(r, c)"""
    response_in_gold: Matrix
    """(r,)"""
    gold_in_context: Matrix
    """(g, c)"""
    gold_in_response: Matrix
    """(g,)"""

    def __post_init__(self) -> None:
        expected = (len(self.response_in_gold), len(self.gold_in_response))
        if (len(self.response_in_context), len(self.gold_in_context)) != expected:
            raise ValueError(f"the matrices are of {expected} claims, but have other numbers of rows")

    @property
    def is_faithful(self) -> Matrix:
        """(r,): whether any passage says it."""
        return np.asarray(self.response_in_context.any(axis=1))

    @property
    def is_retrieved(self) -> Matrix:
        """(g,): whether any passage says it."""
        return np.asarray(self.gold_in_context.any(axis=1))


def faithfulness(claims: Claims) -> float | None:
    """Share of the response's claims that a passage says."""
    return _share(claims.is_faithful)


def hallucination(claims: Claims) -> float | None:
    """Share of the response's claims that neither a passage nor the gold answer says."""
    return _share(~claims.is_faithful & ~claims.response_in_gold)


def self_knowledge(claims: Claims) -> float | None:
    """Share of the response's claims that the gold answer says and no passage does."""
    return _share(~claims.is_faithful & claims.response_in_gold)


def claim_recall(claims: Claims) -> float | None:
    """Share of the gold claims that a passage says."""
    return _share(claims.is_retrieved)


def context_utilisation(claims: Claims) -> float | None:
    """Of the gold claims that a passage says, the share that the response says; None where no passage says any."""
    return _share(claims.gold_in_response[claims.is_retrieved])


def claimed(sentences: Sequence[str]) -> list[str]:
    """The sentences that claim something: no questions, and nothing without a word that has a subject."""
    grammar = vocabulary("stopwords")
    return [text for text in sentences if not text.rstrip().endswith("?") and not grammar.issuperset(words(text))]


def claims_of(
    case: Case, sentences: Sequence[str], passages: Sequence[Evidence], supports: Supports[Evidence]
) -> Claims:
    """The matrices of one answer. A sentence is right if it states a required fact; a passage says a sentence if it
    supports it, and a fact if one of its aliases stands in it."""

    def states(text: str, fact: Sequence[str], language: str) -> bool:
        return must_include(text, [fact], language) == 1.0

    facts, said = case.must_include, " ".join(sentences)
    shape = (len(sentences), len(passages))
    shown = [(f"{passage.context} {passage.text}", passage.language) for passage in passages]
    return Claims(
        np.array([supports(text, [passage]) for text in sentences for passage in passages], bool).reshape(shape),
        np.array([any(states(text, fact, case.language) for fact in facts) for text in sentences], bool),
        np.array([states(text, fact, language) for fact in facts for text, language in shown], bool).reshape(
            len(facts), len(passages)
        ),
        np.array([states(said, fact, case.language) for fact in facts], bool),
    )


def claim_scores(
    case: Case, sentences: Sequence[str], passages: Sequence[Evidence], refused: bool, supports: Supports[Evidence]
) -> dict[str, Score]:
    """All metrics of one answer. What is right and wrong in it is known only where the case names facts."""
    if refused or not passages:
        return dict.fromkeys(METRICS, Score(None, REFUSED if refused else NO_EVIDENCE))
    claims = claims_of(case, claimed(sentences), passages, supports)
    no_facts = "" if case.must_include else UNANSWERABLE if case.unanswerable else _NO_FACTS
    scores = {"faithfulness": score(faithfulness(claims), _NO_CLAIM)}
    if no_facts:
        return scores | dict.fromkeys(METRICS[1:], Score(None, no_facts))
    return scores | {
        "hallucination": score(hallucination(claims), _NO_CLAIM),
        "self_knowledge": score(self_knowledge(claims), _NO_CLAIM),
        "claim_recall": score(claim_recall(claims), _NO_FACTS),
        "context_utilisation": score(context_utilisation(claims), _NONE_RETRIEVED),
    }


def _share(what: Matrix) -> float | None:
    return float(what.mean()) if what.size else None
