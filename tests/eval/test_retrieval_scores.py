"""Retrieval metrics: equal to ir-measures where both apply, and by span where they do not."""

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import evidence

from assistant.types import Evidence
from eval.cases import Case, GoldSpan
from eval.gold import located, ranks
from eval.matching import occurrences
from eval.metrics.retrieval import context_precision, ndcg, recall, reciprocal_rank, retrieval_scores, success

TEXT = "The deductible for hail is 150 euros. It is halved at a hail station. Glass is covered too."


def hit(document: str, rank: int = 1, start: int = 0, text: str = "words") -> Evidence:
    return evidence(text, rank, document=document, start=start, end=start + len(text), context="")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_metrics_agree_with_ir_measures_on_random_rankings() -> None:
    generator = np.random.default_rng(1)
    for _ in range(50):
        documents = [str(number) for number in range(30)]
        relevant = generator.choice(documents, size=generator.integers(1, 8), replace=False).tolist()
        ranked = generator.permutation(documents)[:20].tolist()
        met = ranks([(GoldSpan(name),) for name in relevant], [hit(name) for name in ranked])
        ours = {
            "nDCG@10": ndcg(met, 10),
            "RR@10": reciprocal_rank(met, 10),
            "R@5": recall(met, 5),
            "Success@3": success(met, 3),
            "AP@20": context_precision(met, 20),
        }
        # Average precision divides by all relevant documents, context precision by those that were found.
        assert ours["AP@20"] is not None
        ours["AP@20"] *= sum(rank is not None for rank in met) / len(relevant)
        measures = [ir_measures.parse_measure(name) for name in ours]
        run = {"q": {name: 1.0 / rank for rank, name in enumerate(ranked, 1)}}
        reference = ir_measures.calc_aggregate(measures, {"q": dict.fromkeys(relevant, 1)}, run)
        assert {str(measure): pytest.approx(value) for measure, value in reference.items()} == ours


def test_any_span_meets_a_group_and_every_group_counts() -> None:
    gold = [(GoldSpan("a"), GoldSpan("b")), (GoldSpan("c"),)]
    met = ranks(gold, [hit("x"), hit("b"), hit("a")])
    assert met == (2, None)
    assert (recall(met, 3), success(met, 3), reciprocal_rank(met, 10)) == (0.5, 1.0, 0.5)


def test_a_group_pays_once_however_many_passages_hold_it() -> None:
    case = Case("1", "?", ("x",), gold=((GoldSpan("a"),), (GoldSpan("c"),)))
    once = retrieval_scores(case, [hit("a"), hit("x"), hit("x")])
    copies = retrieval_scores(case, [hit("a"), hit("a"), hit("a")])
    assert once == copies
    assert once["recall@3"].value == 0.5


def test_a_span_is_met_when_half_of_its_characters_were_retrieved() -> None:
    gold = [(GoldSpan("a", start=10, end=20),)]
    assert ranks(gold, [hit("a", start=0, text="x" * 14)]) == (None,)
    assert ranks(gold, [hit("a", start=0, text="x" * 15)]) == (1,)
    assert ranks(gold, [hit("b", start=0, text="x" * 30)]) == (None,)


def test_two_passages_may_meet_a_span_together_but_the_same_one_twice_may_not() -> None:
    gold = [(GoldSpan("a", start=10, end=20),)]
    left, right = hit("a", start=0, text="x" * 13), hit("a", start=18, text="x" * 9)
    assert ranks(gold, [left, hit("b"), right]) == (3,)
    assert ranks(gold, [left, left, left]) == (None,)


def test_a_quote_is_found_whatever_the_layout_and_never_inside_of_a_longer_word() -> None:
    gold = [(GoldSpan("a", quote="deductible of 50 euros"),)]
    assert ranks(gold, [hit("a", text="| Deductible\nof  **50** Euros |")]) == (1,)
    assert ranks(gold, [hit("a", text="deductible of 150 euros")]) == (None,)
    assert ranks([(GoldSpan("a", quote="50 euros"),)], [hit("a", text="costs 150 euros")]) == (None,)
    assert ranks(gold, [hit("b", text="deductible of 50 euros")]) == (None,)


def test_a_page_or_a_document_may_be_gold() -> None:
    on_page = evidence("x", document="a", page_starts=((0, 3), (90, 4)))
    assert ranks([(GoldSpan("a", page=4),), (GoldSpan("a", page=5),), (GoldSpan("a"),)], [on_page]) == (1, None, 1)


def test_scores_survive_another_way_of_cutting() -> None:
    case = Case("1", "?", ("x",), gold=((GoldSpan("a", quote="It is halved at a hail station."),),))
    (placed,), problems = located([case], {"a": TEXT}.get)
    assert not problems
    for size in (30, 45, 60, 90):
        chunks = [hit("a", start=at, text=TEXT[at : at + size]) for at in range(0, len(TEXT), size)]
        assert retrieval_scores(placed, chunks)["recall@5"].value == 1.0


def test_gold_that_stands_nowhere_is_told() -> None:
    span = GoldSpan("a", quote="no such words")
    case = Case("7", "?", ("x",), gold=((span, GoldSpan("b", quote="y"), GoldSpan("a", start=5, end=500)),))
    (same,), problems = located([case], {"a": TEXT}.get)
    assert same == case
    assert [("'7'" in problem) for problem in problems] == [True, True, True]
    assert "does not say “no such words”" in problems[0]
    assert "no document 'b'" in problems[1]
    assert "ends before character 500" in problems[2]


def test_a_quote_that_stands_twice_is_met_by_either() -> None:
    case = Case("1", "?", ("x",), gold=((GoldSpan("a", quote="hail"),),))
    (placed,), _ = located([case], {"a": TEXT}.get)
    assert [TEXT[span.start : span.end] for span in placed.gold[0]] == ["hail", "hail"]


def test_a_passage_that_meets_everything_at_once_is_perfect() -> None:
    met = ranks([(GoldSpan("a"),), (GoldSpan("a", quote="words"),)], [hit("a")])
    assert (ndcg(met, 10), recall(met, 1), context_precision(met, 1)) == (1.0, 1.0, 1.0)


def test_where_there_is_nothing_to_score_it_says_why() -> None:
    unanswerable = retrieval_scores(Case("1", "?", unanswerable=True), [hit("a")])
    assert {score.reason for score in unanswerable.values()} == {"the documents hold no answer to the question"}
    without_gold = retrieval_scores(Case("1", "?", ("x",)), [hit("a")])
    assert {score.reason for score in without_gold.values()} == {"the case names no gold evidence"}
    nothing = retrieval_scores(Case("1", "?", ("x",), gold=((GoldSpan("a"),),)), [])
    assert nothing.pop("context_precision").reason == "nothing was retrieved"
    assert {score.value for score in nothing.values()} == {0.0}


@given(st.lists(st.one_of(st.none(), st.integers(1, 12)), min_size=1, max_size=6), st.integers(1, 12))
def test_all_metrics_lie_between_nothing_and_all(met: list[int | None], k: int) -> None:
    for metric in (recall, success, reciprocal_rank, ndcg, context_precision):
        value = metric(met, k)
        assert value is not None
        assert 0 <= value <= 1


@given(st.text(max_size=40), st.text(max_size=5), st.text(max_size=5))
def test_a_quote_is_found_where_it_stands(quote: str, before: str, after: str) -> None:
    text = f"{before} {quote} {after}"
    spans = occurrences(quote, text)
    if any(map(str.isalnum, quote)):
        assert any(text[start:end].strip() in quote for start, end in spans)
    assert all(0 <= start < end <= len(text) for start, end in spans)
