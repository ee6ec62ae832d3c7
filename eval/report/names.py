"""What metrics, first failures and systems are called where people read them, beside their names in results.json.

title_of("crag")            right less wrong
formula_of("base+rag - base")   base+rag − base
"""

import re
from collections.abc import Mapping, Sequence

from eval.gate import GOLD_IN_CORPUS
from eval.measures import Measure
from eval.metrics.usable import OUTCOMES, Outcome
from eval.results import FAILURES, Failure, Results, System

MINUS = "−"

TITLES: Mapping[str, str] = {
    "usable": "usable answers",
    "misleading": "misleading answers",
    "hedged": "only the closest places shown",
    "right_hedged": "right, and only the closest places shown",
    **{f"recall@{k}": f"right passages in the first {k}" for k in (3, 5, 10)},
    "recall@1": "right passage comes first",
    **{f"success@{k}": f"a right passage in the first {k}" for k in (3, 5, 10)},
    "success@1": "a right passage comes first",
    "mrr@10": "how early the first right passage comes",
    "ndcg@10": "how early right passages come",
    "context_precision": "right passages come before others",
    "correctness": "correctness",
    "exact_match": "word for word",
    "token_f1": "words in common",
    "token_recall": "gold words said",
    "must_include": "required facts said",
    "rouge_l": "words in the same order",
    "chrf": "characters in common",
    "semantic_similarity": "similar meaning",
    "faithfulness": "sentences supported",
    "hallucination": "sentences made up",
    "self_knowledge": "right, though not in the passages",
    "claim_recall": "required facts shown",
    "context_utilisation": "shown facts said",
    "citation_recall": "sentences supported by their citations",
    "citation_precision": "citations that are needed",
    "cites_gold": "citations of a right passage",
    "copy_coverage": "words copied",
    "copy_density": "length of copies",
    "false_refusal": "refused, should have answered",
    "missed_refusal": "answered, should have refused",
    "crag": "right less wrong",
    "rules_kept": "house rules kept",
    "keeps_all_rules": "all house rules kept",
    "house_voice": "house voice",
    GOLD_IN_CORPUS: "gold still in the documents",
}
"""Metric → a few words for somebody who does not know it."""

_EFFECTS = {
    "interaction": "adapter together with retrieval",
    "model": "model against quoting",
    "baseline": "against the baseline",
}

OUTCOME_MEANINGS: Mapping[Outcome, str] = {
    "usable": "states every required fact, each sentence supported and rightly cited, in the language of the question "
    "and by the house rules; or rightly refused",
    "partly": "states some of the required facts, or all of them with another fault",
    "hedged": "shown as the closest places, not as an answer",
    "refused": "refused though the documents answer the question, or nothing was said",
    "misleading": "shown as an answer, and wrong: none of the required facts, or the documents do not answer it",
}
"""What each outcome means."""

FAILURE_TITLES: Mapping[Failure, str] = {failure: failure for failure in FAILURES} | {"none": "nothing wrong"}

FAILURE_MEANINGS: Mapping[Failure, str] = {
    "none": "in the model's own words, or rightly refused",
    "quoted": "not by the model: its own words had no support in the passages or missed the question, "
    "so the passages are quoted instead",
    "quoted over a right answer": "the model's own words stated every required fact, and gave way to a quotation that "
    "does not",
    "style only": "right, but a house rule is broken",
    "other language": "right, but not in the language of the question",
    "nothing said": "neither an answer nor a refusal",
    "hedged": "the places shown do not state every required fact, or are others than the gold",
    "right but hedged": "the places shown state every required fact, and gold is among them",
    "retrieval miss": "a passage that the answer needs was not shown to the model",
    "evidence ignored": "the passages were shown, and the answer still does not say what it should",
    "wrong without evidence": "the model alone, without passages, says something else",
    "another figure first": "states the required figure, behind one of another thing",
    "unsupported": "says what it should, but a sentence has no support in the passages",
    "wrong citation": "says what it should, but a citation is missing or points to the wrong passage",
    "false refusal": "refused, though the documents answer the question",
    "missed refusal": "answered, though the documents do not answer the question",
}
"""What each first failure means."""

# Where what results.json says about a metric needs knowledge of other metrics.
_MEANINGS = {
    "correctness": "how much of the gold answer is said",
    "crag": f"1 for a right answer, 0 for a refusal, {MINUS}1 for a wrong answer",
}
_KINDS = {
    "closed book": "{model} alone, without documents",
    "retrieval": "{model} with retrieval: it is shown the passages found, and answers from them",
    "oracle": "{model}, shown the right passages instead of those found",
    "noise": "{model}, shown the right passages among the best wrong ones",
    "extractive": "no model: the best sentence of the passages found",
}
_NEGATIVE = re.compile(r"(?<![\w.)\]-])-(?=\.?\d)")


def title_of(metric: str) -> str:
    """A metric in a few words; its own name when it has no others."""
    return TITLES.get(metric, metric)


def meaning_of(measure: Measure) -> str:
    """What a metric measures, in a line."""
    return _MEANINGS.get(measure.name, measure.meaning)


def system_words(system: System) -> str:
    """Who answers."""
    model = f"the model with the adapter {system.adapter}" if system.adapter else "the base model"
    return _KINDS[system.kind].format(model=model)


def effect_title(name: str) -> str:
    """An effect in a few words."""
    return _EFFECTS.get(name, name)


def formula_of(formula: str) -> str:
    """A difference of systems with true minus signs; a hyphen within a name stays one."""
    return formula.replace(" - ", f" {MINUS} ")


def typeset(text: str) -> str:
    """Words of ours with true minus signs before numbers; a hyphen within a word or a date stays one."""
    return _NEGATIVE.sub(MINUS, text)


def failure_groups(results: Results) -> list[tuple[Outcome, Sequence[Failure]]]:
    """Each outcome that occurs with its first failures, the worst outcome first."""
    counts = results.first_failures.values()
    occurring = {outcome: set().union(*(one.get(outcome, {}) for one in counts)) for outcome in reversed(OUTCOMES)}
    return [(outcome, [one for one in FAILURES if one in some]) for outcome, some in occurring.items() if some]
