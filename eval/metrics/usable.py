"""What an answer is worth to the person who asked: usable, partly so, hedged, refused, or misleading.

Every answer is exactly one of these, so that their shares add up to 1. They are the judgements of TREC's question
answering (Voorhees 2003: correct; inexact or unsupported; incorrect) and of CRAG (Yang et al. 2024: a missing answer is
better than a wrong one), told from texts and spans:

    usable       states every required fact, no figure of another thing before it, and nothing that it must not, in the
                 question's language; every sentence is supported and cited, one citation meets the gold, and no
                 house rule is broken. Of a question that the documents do not answer: it is refused
    partly       shown as an answer: some of the required facts; or all of them, without something else of the above
    hedged       shown as the closest places, not as an answer
    refused      refused though the documents answer it, or nothing was said
    misleading   shown as an answer, and wrong: none of the required facts, one that it must not state, or an answer to
                 a question that the documents do not answer
"""

from collections.abc import Mapping
from typing import Literal, get_args

from assistant.text.quantities import quantities
from assistant.text.words import may_be_in
from assistant.types import Answer
from eval.cases import Case
from eval.metrics import NO_EVIDENCE, Score
from eval.metrics.answers import must_include

Outcome = Literal["usable", "partly", "hedged", "refused", "misleading"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
"""The best first."""

# An answer to a question without required facts is right from this correctness on.
_RIGHT = 0.5
# The identifier of languages errs on less: a price, a name.
_FEWEST_WORDS = 5
_NOT_RIGHT = Score(None, "the answer is not right")


def outcome_of(case: Case, answer: Answer, scores: Mapping[str, Score]) -> Outcome:
    """What an answer is; ``scores`` are its other metrics."""
    if answer.refused:
        return "usable" if case.unanswerable else "refused"
    if answer.hedged:
        return "hedged"
    if answer.small_talk or not answer.text.strip():
        return "refused"
    states_forbidden = (must_include(answer.text, case.must_not_include, case.language) or 0.0) > 0
    stated = 0.0 if case.unanswerable or states_forbidden else facts_stated(case, answer.text, scores)
    if stated == 0.0:
        return "misleading"
    is_whole = stated == 1.0 and leads_with_it(case, answer) and is_supported(scores) and cites_rightly(case, scores)
    return "usable" if is_whole and keeps_rules(scores) and speaks_language(case, answer.text) else "partly"


def facts_stated(case: Case, said: str, scores: Mapping[str, Score]) -> float:
    """Share of the required facts in a text.

    Where a case names none, an answer is right or wrong: right from a correctness of .5, and where there is no gold
    answer either, when it cites gold.
    """
    share = must_include(said, case.must_include, case.language)
    if share is not None:
        return share
    correctness = scores["correctness"].value
    return float(correctness >= _RIGHT if correctness is not None else (scores["cites_gold"].value or 0.0) > 0)


def leads_with_it(case: Case, answer: Answer) -> bool:
    """Whether no figure of another thing comes before the required one: where facts are figures, no sentence states
    any before the first one that states a fact."""
    if not any(_has_figure(alias) for fact in case.must_include for alias in fact):
        return True
    for sentence in answer.sentences:
        if (must_include(sentence.text, case.must_include, case.language) or 0.0) > 0:
            return True
        if _has_figure(sentence.text):
            return False
    return True  # a fact goes on from one sentence to the next


def is_supported(scores: Mapping[str, Score]) -> bool:
    """Whether passages were shown, and some support every sentence that claims anything."""
    faithfulness = scores["faithfulness"]
    return faithfulness.reason != NO_EVIDENCE and faithfulness.value in {None, 1.0}


def cites_rightly(case: Case, scores: Mapping[str, Score]) -> bool:
    """Whether every sentence cites what supports it, and a citation meets the gold, where the case names any."""
    return scores["citation_recall"].value == 1.0 and cites_gold(case, scores)


def cites_gold(case: Case, scores: Mapping[str, Score]) -> bool:
    """Whether a citation meets the gold, where the case names any."""
    return not case.gold or (scores["cites_gold"].value or 0.0) > 0


def keeps_rules(scores: Mapping[str, Score]) -> bool:
    """Whether no house rule is broken, where there are any."""
    return scores["keeps_all_rules"].value in {None, 1.0}


def speaks_language(case: Case, said: str) -> bool:
    """Whether a text is in the language of the question, as far as it is long enough to tell."""
    return len(said.split()) < _FEWEST_WORDS or may_be_in(said, case.language)


def usable_scores(outcome: Outcome, case: Case, answer: Answer, scores: Mapping[str, Score]) -> dict[str, Score]:
    """The metrics of one outcome. ``right_hedged`` has a value where all required facts are shown and gold is cited."""
    is_shown = outcome in {"usable", "partly", "hedged"} and not answer.refused and not case.unanswerable
    is_right = is_shown and facts_stated(case, answer.text, scores) == 1.0 and cites_gold(case, scores)
    return {
        "usable": Score(float(outcome == "usable")),
        "misleading": Score(float(outcome == "misleading")),
        "hedged": Score(float(outcome == "hedged")),
        "right_hedged": Score(float(outcome == "hedged")) if is_right else _NOT_RIGHT,
    }


def _has_figure(text: str) -> bool:
    """Whether a text states a number; ``§ 7`` and ``(2)`` only name a place."""
    return any(not one.startswith(("§", "(")) for one in quantities(text))
