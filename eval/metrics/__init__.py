"""Functions from texts to numbers; here what a metric gives of one answer, and every metric that there is.

A metric gives a value, or None with the reason why there is nothing to score: never a silent 0, 1 or NaN.
"""

import math
from dataclasses import dataclass
from typing import Literal

UNANSWERABLE = "the documents hold no answer to the question"
REFUSED = "a refusal says nothing that could be scored"
NO_EVIDENCE = "no passage was shown"


@dataclass(frozen=True, slots=True)
class Score:
    """A finite value, or None with the reason why there is nothing to score."""

    value: float | None
    reason: str = ""

    def __post_init__(self) -> None:
        if (self.value is None) == (not self.reason):
            raise ValueError(f"a score has a value or a reason, not {self}")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"a score is a finite number, not {self.value}")


def score(value: float | None, otherwise: str) -> Score:
    """The value of a formula; where it has none the reason ``otherwise``, and NaN is no value."""
    if value is None:
        return Score(None, otherwise)
    if not math.isfinite(value):
        return Score(None, f"the formula gave {value}")
    return Score(float(value))


Group = Literal["outcome", "retrieval", "answers", "grounding", "copying", "refusal", "style", "language model"]
Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of one answer: its group, which direction is better, and what it means in one line."""

    name: str
    group: Group
    better: Better
    meaning: str

    def gain(self, difference: float) -> float:
        """A difference, so that more is better."""
        return -difference if self.better == "lower" else difference


METRICS = (
    Metric("usable", "outcome", "higher", "right, supported, cited and in the house's way; or rightly refused"),
    Metric("misleading", "outcome", "lower", "shown as an answer, and wrong; or answered where there is no answer"),
    Metric("hedged", "outcome", "neither", "shown as the closest places, not as an answer"),
    Metric("right_hedged", "outcome", "lower", "right answers that were shown as the closest places only"),
    Metric("recall@1", "retrieval", "higher", "share of the gold groups that the best passage meets"),
    Metric("recall@3", "retrieval", "higher", "share of the gold groups that the three best passages meet"),
    Metric("recall@5", "retrieval", "higher", "share of the gold groups that the five best passages meet"),
    Metric("recall@10", "retrieval", "higher", "share of the gold groups that the ten best passages meet"),
    Metric("success@1", "retrieval", "higher", "whether the best passage meets any gold group"),
    Metric("success@3", "retrieval", "higher", "whether the three best passages meet any gold group"),
    Metric("success@5", "retrieval", "higher", "whether the five best passages meet any gold group"),
    Metric("success@10", "retrieval", "higher", "whether the ten best passages meet any gold group"),
    Metric("mrr@10", "retrieval", "higher", "1 / rank of the first passage that meets gold"),
    Metric("ndcg@10", "retrieval", "higher", "gold among the first ten passages, early ranks counting more"),
    Metric("context_precision", "retrieval", "higher", "precision at each rank that meets a new gold group"),
    Metric("correctness", "answers", "higher", "mean of token_f1, must_include and semantic_similarity"),
    Metric("exact_match", "answers", "higher", "the answer is a gold answer, but for case, articles, punctuation"),
    Metric("token_f1", "answers", "higher", "tokens in common with the best gold answer"),
    Metric("token_recall", "answers", "higher", "share of a gold answer's tokens that the answer has"),
    Metric("must_include", "answers", "higher", "share of the required facts that the answer states"),
    Metric("rouge_l", "answers", "higher", "longest common subsequence with the best gold answer"),
    Metric("chrf", "answers", "higher", "runs of characters in common with the best gold answer"),
    Metric("semantic_similarity", "answers", "higher", "cosine of the embeddings of answer and gold answer"),
    Metric("faithfulness", "grounding", "higher", "share of the sentences that a shown passage supports"),
    Metric("hallucination", "grounding", "lower", "share of the sentences that neither passages nor gold say"),
    Metric("self_knowledge", "grounding", "neither", "share of the sentences that only the gold answer says"),
    Metric("claim_recall", "grounding", "higher", "share of the required facts that a shown passage holds"),
    Metric("context_utilisation", "grounding", "higher", "of the facts that were shown, the share that was said"),
    Metric("citation_recall", "grounding", "higher", "share of the sentences that their citations support"),
    Metric("citation_precision", "grounding", "higher", "share of the citations that their sentence needs"),
    Metric("cites_gold", "grounding", "higher", "share of the cited passages that meet a gold group"),
    Metric("copy_coverage", "copying", "neither", "share of the answer's words copied from passages"),
    Metric("copy_density", "copying", "neither", "mean length of the copied run that a word stands in"),
    Metric("false_refusal", "refusal", "lower", "answerable questions that were refused"),
    Metric("missed_refusal", "refusal", "lower", "unanswerable questions that were answered"),
    Metric("crag", "refusal", "higher", "+1 right, 0 refused, -1 wrong"),
    Metric("rules_kept", "style", "higher", "share of the house rules that the answer keeps"),
    Metric("keeps_all_rules", "style", "higher", "whether the answer breaks no house rule"),
    Metric("house_voice", "style", "higher", "how likely the text is in the voice of the house"),
)
"""Every metric of one answer, in the order of a report."""

PRIMARY = ("usable", "misleading", "correctness", "recall@5", "false_refusal")
"""What a run is judged by, declared before any: tests of these are adjusted for their number."""

GRADED = "correctness"
"""How right an answer is by degrees, where usable knows two only: what questions are ordered by."""

MARGIN = 0.02
"""The difference of a metric that nobody would mind, unless a gate says otherwise."""

_BY_NAME = {metric.name: metric for metric in METRICS}


def metric_of(name: str) -> Metric:
    """What is known about a metric. Raises KeyError for one that does not exist."""
    return _BY_NAME[name]
