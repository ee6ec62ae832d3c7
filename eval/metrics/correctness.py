"""How right an answer is: all answer metrics of one answer, and the one headline that a run is judged by."""

from eval.cases import Case
from eval.metrics.answers import exact_match, must_include, token_f1, token_recall
from eval.metrics.overlap import chrf, rouge_l
from eval.metrics.score import UNANSWERABLE, Score, score
from eval.metrics.similarity import Embed, semantic_similarity

HEADLINE = ("token_f1", "must_include", "semantic_similarity")
"""What ``correctness`` is the mean of, decided before any run."""

_NO_ANSWERS = "the case has no gold answer"
_NO_FACTS = "the case names no facts"


def answer_scores(case: Case, answer: str, refused: bool, embed: Embed) -> dict[str, Score]:
    """All metrics of what was said to one question. A refusal says nothing, which is wrong where there is an answer.

    ``correctness`` is the mean of those parts of ``HEADLINE`` that the case allows: they depend on the case alone,
    so that two systems are judged by the same parts.
    """
    said = "" if refused else answer
    golds, language = case.answers, case.language
    why = UNANSWERABLE if case.unanswerable else _NO_ANSWERS
    scores = {
        "exact_match": score(exact_match(said, golds, language), why),
        "token_f1": score(token_f1(said, golds, language), why),
        "token_recall": score(token_recall(said, golds, language), why),
        "rouge_l": score(rouge_l(said, golds, language), why),
        "chrf": score(chrf(said, golds), why),
        "semantic_similarity": score(semantic_similarity(said, golds, embed), why),
        "must_include": score(
            must_include(said, case.must_include, language), UNANSWERABLE if case.unanswerable else _NO_FACTS
        ),
    }
    return scores | {"correctness": correctness(scores, why)}


def correctness(scores: dict[str, Score], otherwise: str) -> Score:
    """Mean of the parts of ``HEADLINE`` that have a value; without any the reason ``otherwise``."""
    parts = [value for name in HEADLINE if (value := scores[name].value) is not None]
    return score(sum(parts) / len(parts) if parts else None, otherwise)
