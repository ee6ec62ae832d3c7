"""How evidence is judged in one corpus, learnt from the corpus itself: nobody has to label anything.

Answerable are questions found in the structure of the documents, with the evidence that the retriever finds for them.
Unanswerable are the same questions with their document hidden, and questions of other domains. People ask in words of
their own, so each question has some of its words replaced: with those of the text it would look easier to tell the two
apart than it is. The weights are drawn towards those of the prior, so that three documents are enough.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import product

import numpy as np
import yaml

from assistant.artifacts.calibration import (
    PRIOR,
    Calibration,
    Rows,
    calibration_of,
    probabilities,
    short,
    standardised,
    write_calibration,
)
from assistant.refusal.answerability import LOOKED_AT, features_of, held
from assistant.retrieval.retriever import Retriever
from assistant.store.catalog import written_here
from assistant.text.lexicon import vocabulary
from assistant.text.words import WORD
from assistant.types import Evidence
from ingest.pairs.candidates import CandidatePair, Drops, number_of, one_of, share_of
from ingest.pairs.evidence_lists import passage_of, says
from ingest.pairs.selection import chosen, sound_candidates
from ingest.pairs.structure import Finder

_MOST_QUESTIONS = 50  # twice as many gave hardly a steadier threshold (docs/log.md)
_MOST_OF_OTHER_DOMAINS = 8  # a language: they are easy to tell, and more would outweigh the near ones
# Not every chunk gives a question.
_MOST_CHUNKS = 120
# The share of telling words that people would not use; docs/refusal.md has what others give.
_REWORDED = 0.35
# Wordings of each question: with one, the threshold depends on which words were drawn (docs/refusal.md).
_WORDINGS = 4
# How many hits are looked at, to have enough left when a document is hidden.
_DEPTH = 24
# How strongly the weights are drawn to the prior, in questions (docs/refusal.md).
_PRIOR_STRENGTH = 20.0
# The bias is drawn less, since corpora differ in it.
_BIAS_STRENGTH = 2.0
# The operating point: so precise should refusals be, if so many questions have no answer.
_PRECISION = 0.8
_UNANSWERABLE_SHARE = 0.2
_STEPS = 50  # a bound; Newton's method needs few
_SMALL_STEP = 1e-8  # moves no probability that is shown


@cache
def other_domains() -> Mapping[str, Sequence[str]]:
    """Everyday questions, by language, from domains unlike each other: most corpora answer none of them."""
    questions: Mapping[str, Sequence[str]] = yaml.safe_load(
        files("ingest").joinpath("other_domains.yaml").read_text("utf-8")
    )
    return questions


@dataclass(frozen=True, slots=True)
class Examples:
    """Features (n, f) of evidence, and whether it answers its question (n,), as 1 or 0."""

    features: Rows
    answers: Rows


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold, and how good refusals below it are: precision at the assumed share, recall."""

    threshold: float
    precision: float
    recall: float


def calibrate(retriever: Retriever, *, anew: bool = False) -> Calibration | None:
    """Fit the calibration of a corpus and keep it beside its catalog; None if the one that is there still fits.

    ``anew`` fits it in any case, as after a rebuild: the same documents may be cut in other ways.
    Raises WorkspaceError when it cannot be written, and what Retriever.search raises.
    """
    catalog, embedder = written_here(retriever.catalog), retriever.embedder.fingerprint
    hashes = {row.hash for row in catalog.files() if row.document_id is not None}
    still_fits = calibration_of(catalog, embedder).fits(hashes, embedder) and not anew
    if not hashes or still_fits:
        return None
    calibration = fitted(examples(retriever), embedder, short(hashes))
    write_calibration(catalog.folder, calibration)
    return calibration


def examples(retriever: Retriever) -> Examples:
    """Evidence that answers and evidence that does not, made from what is live in a corpus."""
    pairs: list[tuple[tuple[float, ...], bool]] = []
    # One question a chunk, of chunks from everywhere in the corpus: the same ones whenever the documents are the same,
    # since ids depend on which of them was read first.
    with retriever.catalog.snapshot():
        places = written_here(retriever.catalog).chunk_places()
        ids = sorted(places, key=lambda chunk: number_of(*places[chunk]))[:_MOST_CHUNKS]
        stored = retriever.catalog.chunks(ids)
    chunks = {chunk: stored[chunk] for chunk in ids}
    finder = Finder(list(chunks.values()), seed=0)
    found = (candidate for chunk in chunks.values() for candidate in finder.candidates(chunk, continues=False))
    by_chunk: dict[int, list[CandidatePair]] = defaultdict(list)
    for candidate in sound_candidates(found, chunks, Drops()):
        by_chunk[candidate.chunk].append(candidate)
    candidates = [chosen(by_chunk[chunk], 1, seed=0)[0] for chunk in ids if by_chunk[chunk]][:_MOST_QUESTIONS]
    others = [word for one in candidates for word in _telling(one.instruction)]
    for candidate, wording in product(candidates, range(_WORDINGS)):
        question = reworded(candidate.instruction, others, wording)
        hits = retriever.search(question, _DEPTH)
        if any(hit.chunk == candidate.chunk for hit in hits[:LOOKED_AT]):
            pairs.append((features(question, hits, retriever), True))
            if rest := without(candidate, hits):
                pairs.append((features(question, rest, retriever), False))
    for language in retriever.languages:
        for question in other_domains().get(language, ())[:_MOST_OF_OTHER_DOMAINS]:
            seen = features(question, retriever.search(question, LOOKED_AT), retriever)
            pairs += [(seen, False)] * _WORDINGS
    rows = np.asarray([row for row, _ in pairs], np.float64).reshape(len(pairs), -1)
    return Examples(rows, np.asarray([float(answers) for _, answers in pairs], np.float64))


def reworded(question: str, others: Sequence[str], wording: int) -> str:
    """A question with some of its telling words replaced by ``others``, as if asked in words the text does not use;
    other ones in each ``wording``."""

    def word(match: re.Match[str]) -> str:
        is_kept = not _telling(match[0]) or share_of("reworded", question, match[0], wording) >= _REWORDED
        return match[0] if is_kept else one_of(others, question, match[0], wording)

    return WORD.sub(word, question)


def _telling(question: str) -> list[str]:
    return [word for word in WORD.findall(question) if word.lower() not in vocabulary("stopwords")]


def features(question: str, hits: Sequence[Evidence], retriever: Retriever) -> tuple[float, ...]:
    """What the evidence of a question looks like, as it is judged when somebody asks."""
    looked_at = hits[:LOOKED_AT]
    return features_of(question, looked_at, held(question, looked_at, retriever), retriever)


def without(candidate: CandidatePair, hits: Sequence[Evidence]) -> list[Evidence]:
    """The evidence as it would be without the document of a question, and without others that answer it too."""
    return [hit for hit in hits if hit.document != candidate.document and not says(passage_of(hit), candidate)]


def fitted(some: Examples, embedder: str, documents: tuple[str, ...]) -> Calibration:
    """The weights that fit some examples, drawn to the prior, with the operating point that they give."""
    if not 0 < some.answers.sum() < len(some.answers):  # nothing to tell apart: the prior stands for itself
        return Calibration(PRIOR.weights, PRIOR.threshold, embedder=embedder, documents=documents)
    rows = standardised(some.features)
    importance = np.full(len(rows), 1 / _WORDINGS)
    weights = fit(rows, some.answers, np.asarray(PRIOR.weights), _PRIOR_STRENGTH, importance)
    point = operating_point(probabilities(rows, weights), some.answers)
    return Calibration(
        weights=tuple(weights.tolist()),
        threshold=point.threshold,
        embedder=embedder,
        documents=documents,
        answerable=int(some.answers.sum()),
        unanswerable=int(len(some.answers) - some.answers.sum()),
        precision=point.precision,
        recall=point.recall,
    )


def fit(rows: Rows, answers: Rows, start: Rows, strength: float, importance: Rows | None = None) -> Rows:
    """Weights of a logistic regression of ``answers`` (n,) on ``rows`` (n, f + 1), drawn to ``start``.

    Penalised likelihood by Newton's method: ``strength`` times the squared distance to ``start``, halved, is added
    (a Gaussian prior on the weights). ``importance`` (n,) counts each example; all equally if it is not given.
    """
    counts = np.ones(len(answers)) if importance is None else importance
    penalty = np.full(rows.shape[1], strength)
    penalty[-1] = min(strength, _BIAS_STRENGTH)

    def loss(weights: Rows) -> float:
        sums = rows @ weights
        likelihood = counts @ (np.logaddexp(0.0, sums) - answers * sums)
        return float(likelihood + 0.5 * penalty @ (weights - start) ** 2)

    weights = start.astype(np.float64)
    for _ in range(_STEPS):
        given = probabilities(rows, weights)
        gradient = rows.T @ (counts * (given - answers)) + penalty * (weights - start)
        curvature = (rows * (counts * given * (1 - given))[:, None]).T @ rows + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        while loss(weights - step) > loss(weights) and np.abs(step).max() > _SMALL_STEP:
            step = step / 2  # where the curvature is flat, a whole step goes too far
        weights = weights - step
        if np.abs(step).max() <= _SMALL_STEP:
            break
    return weights


def operating_point(given: Rows, answers: Rows) -> OperatingPoint:
    """The threshold that refuses most while refusals stay precise; the most precise one if none is.

    ``given`` (n,) are probabilities that the evidence answers. Precision is reckoned for the assumed share of
    questions without an answer, whatever the share among the examples is.
    """
    values = np.unique(given)
    points = [_point(float(threshold), given, answers) for threshold in (values[:-1] + values[1:]) / 2]
    precise = [point for point in points if point.precision >= _PRECISION]
    if precise:
        return max(precise, key=lambda point: point.recall)
    return max(points, key=lambda point: point.precision, default=_point(PRIOR.threshold, given, answers))


def _point(threshold: float, given: Rows, answers: Rows) -> OperatingPoint:
    refused = given < threshold
    right, wrong = float(refused[answers == 0].mean()), float(refused[answers == 1].mean())
    expected = _UNANSWERABLE_SHARE * right, (1 - _UNANSWERABLE_SHARE) * wrong
    return OperatingPoint(threshold, expected[0] / sum(expected) if sum(expected) else 1.0, right)
