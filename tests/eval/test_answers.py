"""Answer metrics agree with their definitions, in English and German."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.metrics.answers import exact_match, must_include, token_f1, token_recall, tokens

TEXTS = st.text(alphabet="ab 1.,€§[]", max_size=30)


def test_normalisation_drops_case_articles_punctuation_and_markers() -> None:
    assert tokens("The deductible, a fee [1][2, 3], is €1,500.50!") == ["deductible", "fee", "is", "1500.5"]
    assert tokens("Die Selbstbeteiligung beträgt 1.500,50 €.", "de") == ["selbstbeteiligung", "beträgt", "1500.5"]


def test_the_same_amount_counts_the_same_however_it_is_written() -> None:
    assert tokens("€1,500.00") == tokens("1500 €") == tokens("1.500,00 €", "de")


def test_a_year_before_an_amount_is_no_part_of_it() -> None:
    assert tokens("Seit 2024 150 Euro", "de") == ["seit", "2024", "150", "euro"]
    assert tokens("12 345 Euro", "de") == tokens("12.345 Euro", "de") == ["12345", "euro"]
    assert tokens("1,234,567 in 2024,100 more") == ["1234567", "in", "2024,100", "more"]


def test_a_letter_that_is_an_article_too_is_an_answer() -> None:
    assert exact_match("A", ["a"]) == 1.0
    for said in ("", "B", "class B"):
        assert exact_match(said, ["A"]) == token_f1(said, ["A"]) == must_include(said, [["A"]]) == 0.0
    assert must_include("It is in class A.", [["A"]]) == must_include("the hail", [["a hail"]]) == 1.0


@pytest.mark.parametrize(
    ("answer", "gold", "f1", "recall"),
    [
        ("within 14 days", "14 days", 0.8, 1.0),
        ("14 days", "within 14 days", 0.8, 2 / 3),
        ("no idea", "14 days", 0.0, 0.0),
        ("days days days", "14 days", 0.4, 0.5),
        ("", "14 days", 0.0, 0.0),
    ],
)
def test_f1_and_recall_by_hand(answer: str, gold: str, f1: float, recall: float) -> None:
    assert token_f1(answer, [gold]) == pytest.approx(f1)
    assert token_recall(answer, [gold]) == pytest.approx(recall)


def test_the_best_gold_answer_counts() -> None:
    assert token_f1("14 days", ["three weeks", "14 days"]) == 1.0
    assert exact_match("The 14 days.", ["three weeks", "14 days"]) == 1.0


def test_without_gold_there_is_no_score() -> None:
    assert token_f1("x", []) is exact_match("x", []) is token_recall("x", []) is must_include("x", []) is None


def test_a_fact_is_found_by_an_alias_and_on_word_borders_only() -> None:
    assert must_include("You have three days.", [["3 days", "three days"]]) == 1.0
    assert must_include("You have 13 days.", [["3 days"]]) == 0.0
    assert must_include("3 days, and 500 euros", [["3 days"], ["€600", "600 euros"]]) == 0.5


@given(TEXTS, TEXTS)
def test_scores_lie_between_nothing_and_all_and_f1_is_symmetric(one: str, other: str) -> None:
    score = token_f1(one, [other])
    assert score is not None
    assert 0 <= score <= 1
    assert score == token_f1(other, [one])
    assert token_f1(one, [one]) == 1


def test_f1_is_the_harmonic_mean_of_precision_and_recall() -> None:
    from collections import Counter

    answer, gold = "storm and hail are covered from wind force 8", "covered from wind force 8 on"
    own, wanted = answer.split(), gold.split()
    shared = sum((Counter(own) & Counter(wanted)).values())
    precision, recall = shared / len(own), shared / len(wanted)
    assert token_f1(answer, [gold]) == pytest.approx(2 * precision * recall / (precision + recall))
