"""Whatever a model says and whatever a case lacks, every metric is there with a finite value or a reason."""

from dataclasses import replace

import pytest
from cited_answers import JUDGES, cited_answer
from fakes import FakeEmbedder
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import evidence

from assistant.types import Answer, Evidence
from eval.cases import Case, GoldSpan
from eval.running.scoring import scores_of

EMBED = FakeEmbedder().embed_texts
HITS = (
    evidence("The deductible for hail is 150 euros.", document="motor.md", context=""),
    evidence("Glass is covered.", 3, document="glass.md", context=""),
)
CASE = Case(
    "1",
    "What is the deductible for hail?",
    ("150 euros",),
    (("150 euros", "€150"),),
    ((GoldSpan("motor.md", quote="deductible for hail is 150 euros"),),),
)
CASES = [
    CASE,
    replace(CASE, must_include=()),
    replace(CASE, answers=(), must_include=()),
    replace(CASE, gold=()),
    Case("2", "Who won?", unanswerable=True),
]


def answered(said: str, hits: tuple[Evidence, ...] = HITS, refused: bool = False) -> Answer:
    return cited_answer(said, hits, **({"refused": True, "sentences": ()} if refused else {}))


def test_a_perfect_answer_is_perfect() -> None:
    scores = scores_of(CASE, answered("The deductible for hail is 150 euros [1]."), JUDGES)
    for name in ("recall@1", "mrr@10", "must_include", "faithfulness", "citation_recall", "citation_precision", "crag"):
        assert scores[name].value == 1.0, name
    assert scores["cites_gold"].value == 1.0
    assert scores["hallucination"].value == scores["false_refusal"].value == 0.0


def test_a_wrong_citation_is_seen_though_ranks_have_gaps() -> None:
    right = scores_of(CASE, answered("Glass is covered [2]."), JUDGES)
    assert (right["citation_recall"].value, right["cites_gold"].value) == (1.0, 0.0)
    scores = scores_of(CASE, answered("The deductible for hail is 150 euros [2]."), JUDGES)
    assert scores["citation_recall"].value == scores["cites_gold"].value == 0.0


def test_the_headline_is_the_mean_of_its_declared_parts() -> None:
    scores = scores_of(CASE, answered("It is 150 euros [1]."), JUDGES)
    parts = [scores[name].value for name in ("token_f1", "must_include", "semantic_similarity")]
    assert scores["correctness"].value == pytest.approx(sum(part or 0 for part in parts) / 3)
    without_facts = scores_of(CASES[1], answered("It is 150 euros [1]."), JUDGES)
    assert without_facts["correctness"].value == pytest.approx(((parts[0] or 0) + (parts[2] or 0)) / 2)


def test_a_false_refusal_is_wrong_and_not_unfaithful() -> None:
    scores = scores_of(
        CASE, answered("I cannot find this in your documents, not even 150 euros.", refused=True), JUDGES
    )
    assert scores["correctness"].value == scores["token_f1"].value == 0.0
    assert scores["false_refusal"].value == 1.0
    for name in ("faithfulness", "citation_recall", "citation_precision", "copy_density", "cites_gold", "rules_kept"):
        assert scores[name].reason == "a refusal says nothing that could be scored", name


def test_a_question_without_an_answer_is_scored_by_its_refusal_alone() -> None:
    right = scores_of(CASES[-1], answered("I cannot find this.", refused=True), JUDGES)
    valued = {name for name, score in right.items() if score.value is not None}
    assert valued == {"missed_refusal", "crag", "usable", "misleading", "hedged"}
    missed = scores_of(CASES[-1], answered("The deductible for hail is 150 euros [1]."), JUDGES)
    assert (missed["missed_refusal"].value, missed["crag"].value) == (1.0, -1.0)
    assert missed["faithfulness"].value == 1.0
    assert missed["hallucination"].value is None


@pytest.mark.parametrize("case", CASES, ids=["whole", "no facts", "no answers", "no gold", "unanswerable"])
@pytest.mark.parametrize(
    "said",
    ["", " \n ", "…", "[1]", "[9][1-3]", "nan", "\ud800", "\x00<script>", "§ 7"],
)
def test_every_metric_has_a_value_or_a_reason(case: Case, said: str) -> None:
    names = set(scores_of(CASE, answered("x"), JUDGES))
    for hits in (HITS, ()):
        for refused in (False, True):
            scores = scores_of(case, answered(said, hits, refused), JUDGES)
            assert set(scores) == names
            assert all(score.value is None or score.value == score.value for score in scores.values())


@pytest.mark.parametrize("said", ["a" * 100_000, "hail " * 20_000, "Hail is covered [1]. " * 5_000], ids=len)
def test_an_endless_answer_is_scored_like_any_other(said: str) -> None:
    scores = scores_of(CASE, answered(said), JUDGES)
    assert scores["exact_match"].value == scores["must_include"].value == 0.0
    assert scores["recall@1"].value == 1.0


BOUNDED = {"copy_density": float("inf"), "crag": 1.0}


@settings(max_examples=60)
@given(st.text(max_size=200), st.sampled_from(CASES))
def test_no_answer_takes_a_metric_out_of_its_range(said: str, case: Case) -> None:
    for name, score in scores_of(case, answered(said), JUDGES).items():
        least = -1.0 if name == "crag" else 0.0
        assert score.value is None or least <= score.value <= BOUNDED.get(name, 1.0 + 1e-6), name
