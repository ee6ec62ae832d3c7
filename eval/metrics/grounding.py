"""Whether passages carry an answer: citations (ALCE), claims (RAGChecker), and how much of it is copied.

Who says whether passages support a sentence is another matter: a support function stands in for the language models of
the papers.

Citations are judged as ALCE does (Gao et al. 2023). Of claims four boolean matrices say which claims and passages say
the same (Ru et al. 2024); ``claims_of`` fills them without a model: the claims of an answer are its sentences, those of
the gold are the facts that the case requires. Copying word for word is the easiest way to be faithful, so coverage and
density of the copied fragments (Grusky et al. 2018) stand beside all of these.

How well the claim checker was measured stands beside this file, as ``bench.support --write`` keeps it: on sentences
that a script corrupted, which flatters it, and on sentences that people wrote, which are few.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from assistant.grounding.markers import Reading
from assistant.text.lexicon import vocabulary
from assistant.text.overlap import Runs
from assistant.text.sentences import sentence_spans
from assistant.text.words import words
from assistant.types import Evidence
from eval.cases import Case
from eval.gold import Group, ranks
from eval.metrics import NO_EVIDENCE, REFUSED, UNANSWERABLE, Score, score
from eval.metrics.answers import must_include, tokens

P = TypeVar("P")
"""A passage, of whatever type the support function takes."""
Supports = Callable[[str, Sequence[P]], bool]
"""Whether passages together say what a sentence says."""
Matrix = npt.NDArray[np.bool_]

_MOST_CITATIONS = 3  # as in ALCE, so that citing everything does not pay
_ABOUT_FACTS = ("hallucination", "self_knowledge", "claim_recall", "context_utilisation")
"""Metrics that need the facts that a case requires."""
CHECKER_FILE = Path(__file__).parent / "claim_checker.json"


@dataclass(frozen=True, slots=True)
class CitedSentence:
    """A sentence without markers, and the numbers (1-based) of the passages that it cites, each once."""

    text: str
    numbers: tuple[int, ...]


def cited_sentences(said: str) -> list[CitedSentence]:
    """The sentences of what a model said, with the markers in or behind them."""
    reading = Reading()
    reading.feed(said)
    spans = sentence_spans(reading.text)
    numbers: list[list[int]] = [[] for _ in spans]
    for marker in reading.markers:
        place = max((place for place, (start, _) in enumerate(spans) if start < marker.place), default=0)
        if spans:
            numbers[place].extend(marker.numbers)
    return [
        CitedSentence(reading.text[start:end], tuple(dict.fromkeys(cited)))
        for (start, end), cited in zip(spans, numbers, strict=True)
    ]


def citation_recall(sentences: Sequence[CitedSentence], passages: Sequence[P], supports: Supports[P]) -> float | None:
    """Share of the sentences that their citations, taken together, support; None without sentences.

    A sentence that cites nothing, or a number of no passage, is not supported; of many citations the first three
    count.
    """
    verdicts = [_is_supported(sentence, passages, supports) for sentence in sentences]
    return sum(verdicts) / len(verdicts) if verdicts else None


def citation_precision(
    sentences: Sequence[CitedSentence], passages: Sequence[P], supports: Supports[P]
) -> float | None:
    """Share of the citations that their sentence needs; None without citations, where ALCE has 0.

    A citation counts if its sentence is supported and it alone supports the sentence, or the others without it do
    not. As in ALCE, a sentence with a number of no passage is left out, and of many citations the first three count.
    """
    cited = needed = 0
    for sentence in sentences:
        shown = _cited(sentence, passages)
        cited += len(shown)
        if _is_supported(sentence, passages, supports):
            needed += sum(
                len(shown) == 1
                or supports(sentence.text, [passage])
                or not supports(sentence.text, shown[:place] + shown[place + 1 :])
                for place, passage in enumerate(shown)
            )
    return needed / cited if cited else None


def cites_gold(gold: Sequence[Group], cited: Sequence[Evidence]) -> float | None:
    """Share of the cited passages that meet a gold group; None without citations or gold."""
    right = [any(rank is not None for rank in ranks(gold, [passage])) for passage in cited]
    return sum(right) / len(right) if right and gold else None


def citation_scores(
    sentences: Sequence[CitedSentence], passages: Sequence[P], refused: bool, supports: Supports[P]
) -> dict[str, Score]:
    """Recall and precision of one answer; a refusal has neither."""
    if refused or not passages:
        why = REFUSED if refused else NO_EVIDENCE
        return {"citation_recall": Score(None, why), "citation_precision": Score(None, why)}
    return {
        "citation_recall": score(citation_recall(sentences, passages, supports), "the answer has no sentence"),
        "citation_precision": score(citation_precision(sentences, passages, supports), "the answer cites nothing"),
    }


def _cited(sentence: CitedSentence, passages: Sequence[P]) -> list[P]:
    """The passages of the citations that count; none where a number is that of no passage."""
    if not all(1 <= number <= len(passages) for number in sentence.numbers):
        return []
    return [passages[number - 1] for number in sentence.numbers[:_MOST_CITATIONS]]


def _is_supported(sentence: CitedSentence, passages: Sequence[P], supports: Supports[P]) -> bool:
    shown = _cited(sentence, passages)
    return bool(shown) and supports(sentence.text, shown)


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


def _share(what: Matrix) -> float | None:
    return float(what.mean()) if what.size else None


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
        return dict.fromkeys(("faithfulness", *_ABOUT_FACTS), Score(None, REFUSED if refused else NO_EVIDENCE))
    claims = claims_of(case, claimed(sentences), passages, supports)
    no_claim, no_facts = "the answer claims nothing", "the case names no facts"
    scores = {"faithfulness": score(faithfulness(claims), no_claim)}
    if not case.must_include:
        return scores | dict.fromkeys(_ABOUT_FACTS, Score(None, UNANSWERABLE if case.unanswerable else no_facts))
    return scores | {
        "hallucination": score(hallucination(claims), no_claim),
        "self_knowledge": score(self_knowledge(claims), no_claim),
        "claim_recall": score(claim_recall(claims), no_facts),
        "context_utilisation": score(context_utilisation(claims), "no passage holds a required fact"),
    }


def copy_coverage(fragments: Sequence[int], length: int) -> float | None:
    """Share of the answer's tokens that stand in a copied fragment, sum |f| / |y|; None without tokens."""
    return sum(fragments) / length if length else None


def copy_density(fragments: Sequence[int], length: int) -> float | None:
    """Mean length of the fragment that a token of the answer stands in, sum |f|^2 / |y|; None without tokens."""
    return sum(size * size for size in fragments) / length if length else None


def copied_fragments(answer: Sequence[str], source: Sequence[str]) -> list[int]:
    """Lengths of the longest runs of tokens that stand in the source too, taken greedily from the left."""
    runs = Runs(source)
    fragments = []
    start = 0
    while start < len(answer):
        if length := runs.longest(answer, start):
            fragments.append(length)
        start += max(length, 1)
    return fragments


def copy_scores(answer: str, passages: Sequence[str], refused: bool, language: str) -> dict[str, Score]:
    """Coverage and density of one answer."""
    if refused or not passages:
        why = REFUSED if refused else NO_EVIDENCE
        return {"copy_coverage": Score(None, why), "copy_density": Score(None, why)}
    own = tokens(answer, language)
    fragments = copied_fragments(own, [token for passage in passages for token in tokens(passage, language)])
    return {
        "copy_coverage": score(copy_coverage(fragments, len(own)), "the answer has no words"),
        "copy_density": score(copy_density(fragments, len(own)), "the answer has no words"),
    }


@dataclass(frozen=True, slots=True)
class Rate:
    """A share with its 95 % interval over documents."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class CheckerFigures:
    """How it judges sentences of which somebody knows whether a passage supports them."""

    accepted: Rate
    """Of the supported ones, those that it accepts."""
    rejected: Rate
    """Of the others, those that it rejects."""


@dataclass(frozen=True, slots=True)
class CheckerReport:
    """Both sets, as of a day."""

    date: str
    corrupted: CheckerFigures
    handwritten: CheckerFigures
    even: CheckerFigures
    """The handwritten ones, with every word counting the same: needs no corpus, so that a test can compare."""


_REPORT = TypeAdapter(CheckerReport)


def read_checker_report() -> CheckerReport:
    """The figures that came with the program."""
    return _REPORT.validate_json(CHECKER_FILE.read_bytes())


def write_checker_report(report: CheckerReport) -> None:
    """Keep new ones."""
    CHECKER_FILE.write_bytes(_REPORT.dump_json(report, indent=2) + b"\n")
