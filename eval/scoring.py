"""All metrics of one answer to one case, by name.

    scores = scores_of(case, assistant.ask(case.question), judges)
    scores["correctness"].value     0.62
    scores["faithfulness"].reason   "a refusal says nothing that could be scored"

Which names there are depends on nothing: a metric that does not apply is there with its reason. Metrics of a whole
run (refusal precision, latency, house voice, bits per byte) are in their own modules.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from assistant.types import Answer, Evidence
from eval.cases import Case
from eval.metrics.citations import CitedSentence, citation_scores, cites_gold
from eval.metrics.claims import claim_scores
from eval.metrics.copying import copy_scores
from eval.metrics.correctness import answer_scores
from eval.metrics.refusal import refusal_scores, reply_of
from eval.metrics.retrieval import retrieval_scores
from eval.metrics.score import REFUSED, Score, score
from eval.metrics.similarity import Embed
from eval.metrics.style import StyleRule, style_scores
from eval.metrics.usable import outcome_of, usable_scores

_NO_GOLD_CITED = "the answer cites nothing, or the case names no gold evidence"


@dataclass(frozen=True, slots=True)
class Judges:
    """What metrics ask that is no arithmetic."""

    supports: Callable[[str, Sequence[Evidence], str], bool]
    """Whether any of some passages supports a sentence that answers a question."""
    embed: Embed
    rules: Sequence[StyleRule] = ()


def scores_of(case: Case, answer: Answer, judges: Judges) -> dict[str, Score]:
    """Every metric of one answer. Give gold quotes their places first (``eval.gold.located``)."""
    refused, hits = answer.refused, answer.hits
    said = [sentence.text for sentence in answer.sentences]

    def supports(sentence: str, passages: Sequence[Evidence]) -> bool:
        return judges.supports(sentence, passages, answer.standalone_question)

    scores = retrieval_scores(case, answer.trace.found if answer.trace else hits)
    scores |= answer_scores(case, answer.text, refused, judges.embed)
    scores |= claim_scores(case, said, hits, refused, supports)
    scores |= citation_scores(_cited(answer), hits, refused, supports)
    scores["cites_gold"] = _cites_gold(case, answer)
    scores |= copy_scores(answer.text, [hit.text for hit in hits], refused, case.language)
    scores |= refusal_scores(case, reply_of(refused, answer.hedged), scores["must_include"])
    scores |= style_scores(answer.text, refused, judges.rules, case.language)
    return scores | usable_scores(outcome_of(case, answer, scores), case, answer, scores)


def _cited(answer: Answer) -> list[CitedSentence]:
    """The sentences as a reader sees them, their citations as places in ``answer.hits``."""
    places = {hit.rank: place for place, hit in enumerate(answer.hits, 1)}
    return [
        CitedSentence(
            sentence.text, tuple(dict.fromkeys(places.get(citation.hit, 0) for citation in sentence.citations))
        )
        for sentence in answer.sentences
    ]


def _cites_gold(case: Case, answer: Answer) -> Score:
    if answer.refused:
        return Score(None, REFUSED)
    ranks = {citation.hit for sentence in answer.sentences for citation in sentence.citations}
    return score(cites_gold(case.gold, [hit for hit in answer.hits if hit.rank in ranks]), _NO_GOLD_CITED)
