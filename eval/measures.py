"""What a report knows about each metric: its group, which direction is better, and what it means in one line."""

from dataclasses import dataclass
from typing import Literal

Group = Literal["outcome", "retrieval", "answers", "grounding", "copying", "refusal", "style", "language model"]
Better = Literal["higher", "lower", "neither"]


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric of one answer, as a report shows it."""

    name: str
    group: Group
    better: Better
    meaning: str

    def gain(self, difference: float) -> float:
        """A difference, so that more is better."""
        return -difference if self.better == "lower" else difference


MEASURES = (
    Measure("usable", "outcome", "higher", "right, supported, cited and in the house's way; or rightly refused"),
    Measure("misleading", "outcome", "lower", "shown as an answer, and wrong; or answered where there is no answer"),
    Measure("hedged", "outcome", "neither", "shown as the closest places, not as an answer"),
    Measure("right_hedged", "outcome", "lower", "right answers that were shown as the closest places only"),
    Measure("recall@1", "retrieval", "higher", "share of the gold groups that the best passage meets"),
    Measure("recall@3", "retrieval", "higher", "share of the gold groups that the three best passages meet"),
    Measure("recall@5", "retrieval", "higher", "share of the gold groups that the five best passages meet"),
    Measure("recall@10", "retrieval", "higher", "share of the gold groups that the ten best passages meet"),
    Measure("success@1", "retrieval", "higher", "whether the best passage meets any gold group"),
    Measure("success@3", "retrieval", "higher", "whether the three best passages meet any gold group"),
    Measure("success@5", "retrieval", "higher", "whether the five best passages meet any gold group"),
    Measure("success@10", "retrieval", "higher", "whether the ten best passages meet any gold group"),
    Measure("mrr@10", "retrieval", "higher", "1 / rank of the first passage that meets gold"),
    Measure("ndcg@10", "retrieval", "higher", "gold among the first ten passages, early ranks counting more"),
    Measure("context_precision", "retrieval", "higher", "precision at each rank that meets a new gold group"),
    Measure("correctness", "answers", "higher", "mean of token_f1, must_include and semantic_similarity"),
    Measure("exact_match", "answers", "higher", "the answer is a gold answer, but for case, articles, punctuation"),
    Measure("token_f1", "answers", "higher", "tokens in common with the best gold answer"),
    Measure("token_recall", "answers", "higher", "share of a gold answer's tokens that the answer has"),
    Measure("must_include", "answers", "higher", "share of the required facts that the answer states"),
    Measure("rouge_l", "answers", "higher", "longest common subsequence with the best gold answer"),
    Measure("chrf", "answers", "higher", "runs of characters in common with the best gold answer"),
    Measure("semantic_similarity", "answers", "higher", "cosine of the embeddings of answer and gold answer"),
    Measure("faithfulness", "grounding", "higher", "share of the sentences that a shown passage supports"),
    Measure("hallucination", "grounding", "lower", "share of the sentences that neither passages nor gold say"),
    Measure("self_knowledge", "grounding", "neither", "share of the sentences that only the gold answer says"),
    Measure("claim_recall", "grounding", "higher", "share of the required facts that a shown passage holds"),
    Measure("context_utilisation", "grounding", "higher", "of the facts that were shown, the share that was said"),
    Measure("citation_recall", "grounding", "higher", "share of the sentences that their citations support"),
    Measure("citation_precision", "grounding", "higher", "share of the citations that their sentence needs"),
    Measure("cites_gold", "grounding", "higher", "share of the cited passages that meet a gold group"),
    Measure("copy_coverage", "copying", "neither", "share of the answer's words copied from passages"),
    Measure("copy_density", "copying", "neither", "mean length of the copied run that a word stands in"),
    Measure("false_refusal", "refusal", "lower", "answerable questions that were refused"),
    Measure("missed_refusal", "refusal", "lower", "unanswerable questions that were answered"),
    Measure("crag", "refusal", "higher", "+1 right, 0 refused, -1 wrong"),
    Measure("rules_kept", "style", "higher", "share of the house rules that the answer keeps"),
    Measure("keeps_all_rules", "style", "higher", "whether the answer breaks no house rule"),
    Measure("house_voice", "style", "higher", "how likely the text is in the voice of the house"),
)
"""Every metric of one answer, in the order of a report."""

PRIMARY = ("usable", "misleading", "correctness", "recall@5", "false_refusal")
"""What a run is judged by, declared before any: tests of these are adjusted for their number."""

GRADED = "correctness"
"""How right an answer is by degrees, where usable knows two only: what questions are ordered by."""

MARGIN = 0.02
"""The difference of a metric that nobody would mind, unless a gate says otherwise."""

_BY_NAME = {measure.name: measure for measure in MEASURES}


def measure_of(name: str) -> Measure:
    """What is known about a metric. Raises KeyError for one that does not exist."""
    return _BY_NAME[name]
