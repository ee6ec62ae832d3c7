"""Whether the evidence found for a question can answer it, judged before a model is asked.

The evidence is described by features, and a logistic regression, calibrated on the corpus, turns them into the
probability that it answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan

from assistant.config import AnswerSettings
from assistant.refusal.calibration import calibration_of
from assistant.refusal.features import FEATURES, LOOKED_AT, features_of, held
from assistant.refusal.missing import missing_words
from assistant.retrieval.retriever import Retriever
from assistant.types import Evidence


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
    calibration = calibration_of(retriever.catalog.folder, retriever.embedder.fingerprint)
    probability = calibration.probability(features)
    threshold = shifted(calibration.threshold, settings.caution)
    named = {name: value for name, value in zip(FEATURES, features, strict=True) if not isnan(value)}
    judgement = {"probability": probability, "threshold": threshold, **named}
    if probability < threshold:
        reason = f"with a probability of {1 - probability:.0%} the nearest passages do not answer the question"
        return Verdict(False, reason, judgement, missing_words(question, there, retriever))
    return Verdict(True, judgement=judgement)


def shifted(threshold: float, caution: float) -> float:
    """A threshold whose odds are ``caution`` times as high."""
    return caution * threshold / (1 - threshold + caution * threshold)
