"""Every answer is usable, partly so, hedged, refused or misleading, and never two of these."""

from dataclasses import replace

import pytest
from cited_answers import JUDGES, cited_answer
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import evidence

from assistant.types import Answer, Evidence, Trace
from eval.cases import Case, GoldSpan
from eval.metrics.usable import OUTCOMES, Outcome, outcome_of
from eval.results import Failure, System
from eval.running.scoring import ScoringContext, first_failure, scores_of

HITS = (
    evidence("The deductible for hail is 150 euros and 300 euros for storm.", document="motor.md", context=""),
    evidence(
        "Hail is frozen rain. Der Selbstbehalt beträgt bei Hagel leider 150 euros je Schaden. "
        "La franchise pour la grêle est de 150 euros par sinistre.",
        3,
        document="b.md",
        context="",
    ),
)
CASE = Case(
    "1",
    "What are the deductibles for hail and storm?",
    ("150 and 300 euros",),
    (("150 euros", "€150"), ("300 euros",)),
    ((GoldSpan("motor.md", quote="deductible for hail is 150 euros"),),),
)
ONE_FACT = replace(CASE, must_include=(("150 euros",),))
UNANSWERABLE = Case("2", "Who won?", unanswerable=True)
WHOLE = "The deductible for hail is 150 euros and 300 euros for storm [1]."
SYSTEM = System("base+rag", "retrieval", None)


def answered(said: str, hits: tuple[Evidence, ...] = HITS, own: str = "", **changes: object) -> Answer:
    """An answer whose sentences cite the passages that its markers name."""
    return cited_answer(said, hits, trace=Trace((), "", hits, {}, said=own or said), **changes)


def judged(case: Case, answer: Answer, judges: ScoringContext = JUDGES) -> tuple[Outcome, Failure]:
    scores = scores_of(case, answer, judges)
    outcome = outcome_of(case, answer, scores)
    assert [scores[name].value for name in ("usable", "misleading", "hedged")] == [
        float(outcome == name) for name in ("usable", "misleading", "hedged")
    ]
    return outcome, first_failure(case, SYSTEM, answer, outcome, scores)


REFUSED = answered("I cannot find this.", refused=True, sentences=())


@pytest.mark.parametrize(
    ("case", "answer", "outcome", "failure"),
    [
        (CASE, answered(WHOLE), "usable", "none"),
        (CASE, answered(WHOLE, quoted=True), "usable", "quoted"),
        (UNANSWERABLE, REFUSED, "usable", "none"),
        (CASE, answered("The deductible for hail is 150 euros [1]."), "partly", "evidence ignored"),
        (CASE, answered("The deductible for hail is 150 euros [1].", hits=HITS[1:]), "partly", "retrieval miss"),
        (CASE, answered(f"Glass costs 40 euros [1]. {WHOLE}"), "partly", "another figure first"),
        (CASE, answered(f"Hail is frozen rain [2]. {WHOLE}"), "usable", "none"),
        (CASE, answered(f"(2) Hail, § 7 [2]. {WHOLE}"), "partly", "unsupported"),
        (CASE, answered(f"{WHOLE} It is never waived for anybody [1]."), "partly", "unsupported"),
        (CASE, answered(WHOLE, hits=()), "partly", "unsupported"),
        (CASE, answered(WHOLE.replace("[1]", "[2]")), "partly", "wrong citation"),
        (CASE, answered(WHOLE.replace(" [1]", "")), "partly", "wrong citation"),
        (ONE_FACT, answered("Der Selbstbehalt beträgt bei Hagel leider 150 euros je Schaden [1][2]."), "partly",
         "other language"),
        (ONE_FACT, answered("La franchise pour la grêle est de 150 euros par sinistre [1][2]."), "partly",
         "other language"),
        (replace(ONE_FACT, language="fr"), answered("The deductible for hail is 150 euros [1][2]."),
         "partly", "other language"),
        (CASE, answered("Hail is frozen rain [2]."), "misleading", "evidence ignored"),
        (CASE, answered("Hail is frozen rain [2].", quoted=True, own=WHOLE), "misleading",
         "quoted over a right answer"),
        (CASE, answered("The deductible for hail is 150 euros [1].", quoted=True, own=WHOLE), "partly",
         "quoted over a right answer"),
        (UNANSWERABLE, answered(WHOLE), "misleading", "missed refusal"),
        (replace(CASE, must_not_include=(("300 euros",),)), answered(WHOLE), "misleading", "evidence ignored"),
        (CASE, answered(WHOLE, hedged=True), "hedged", "right but hedged"),
        (CASE, answered("Hail is frozen rain [2].", hedged=True), "hedged", "hedged"),
        (UNANSWERABLE, answered(WHOLE, hedged=True), "hedged", "hedged"),
        (CASE, REFUSED, "refused", "false refusal"),
        (CASE, answered(" "), "refused", "nothing said"),
        (CASE, answered("Hello!", small_talk=True), "refused", "nothing said"),
        (UNANSWERABLE, answered(""), "refused", "nothing said"),
    ],
)  # fmt: skip
def test_an_answer_is_what_it_is_worth(case: Case, answer: Answer, outcome: Outcome, failure: Failure) -> None:
    assert judged(case, answer) == (outcome, failure)


def test_a_case_without_facts_is_judged_by_its_gold_answer_and_without_one_by_its_gold_evidence() -> None:
    without_facts = replace(CASE, must_include=())
    assert judged(replace(without_facts, answers=(WHOLE.replace(" [1]", ""),)), answered(WHOLE))[0] == "usable"
    assert judged(without_facts, answered("Hail is frozen rain [2]."))[0] == "misleading"
    evidence_alone = replace(without_facts, answers=())
    assert judged(evidence_alone, answered(WHOLE))[0] == "usable"
    assert judged(evidence_alone, answered("Hail is frozen rain [2]."))[0] == "misleading"


def test_right_answers_that_are_hedged_are_a_share_of_the_right_ones() -> None:
    def right_hedged(case: Case, answer: Answer) -> float | None:
        return scores_of(case, answer, JUDGES)["right_hedged"].value

    assert right_hedged(CASE, answered(WHOLE, hedged=True)) == 1.0
    assert right_hedged(CASE, answered(WHOLE)) == 0.0
    assert right_hedged(CASE, answered(WHOLE.replace("[1]", "[2]"), hedged=True)) is None
    for case, answer in ((CASE, answered("Hail is frozen rain [2].", hedged=True)), (UNANSWERABLE, REFUSED)):
        assert right_hedged(case, answer) is None


@settings(max_examples=100)
@given(st.text(max_size=100), st.sampled_from([CASE, ONE_FACT, UNANSWERABLE]), st.booleans(), st.booleans())
def test_every_answer_has_one_outcome(said: str, case: Case, refused: bool, hedged: bool) -> None:
    outcome, _ = judged(case, answered(said, refused=refused, hedged=hedged))
    assert outcome in OUTCOMES
    assert not case.unanswerable or (outcome == "usable") == refused
