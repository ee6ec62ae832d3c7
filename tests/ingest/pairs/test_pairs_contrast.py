"""A question with a wrong amount is answered by no, and only where the amount makes it wrong."""

import re

import pytest

from ingest.pairs.inversion import contrasted

SEEDS = range(40)


def contrasts(question: str, opening: str = "Yes.") -> set[tuple[str, str]]:
    found = (contrasted(question, opening, seed) for seed in SEEDS)
    return {one for one in found if one is not None}


@pytest.mark.parametrize(
    ("question", "opening", "answer"),
    [
        ("Must I report the theft within 3 days?", "Yes.", "No."),
        ("Is luggage covered up to €1,500?", "Yes.", "No."),
        ("Zahlen Sie bis zu 2.500 € je Schaden?", "Ja.", "Nein."),
        ("Do you pay 60% of the repair?", "Yes.", "No."),
    ],
)
def test_an_amount_is_raised_and_the_answer_turned(question: str, opening: str, answer: str) -> None:
    found = contrasts(question, opening)
    assert found
    before = int(re.sub(r"\D", "", question))
    for other, word in found:
        assert word == answer
        assert int(re.sub(r"\D", "", other)) > before
        assert re.sub(r"[\d.,]+", "#", other) == re.sub(r"[\d.,]+", "#", question)


@pytest.mark.parametrize(
    ("question", "opening"),
    [
        ("Is hail covered?", "Yes."),
        ("Is hail covered up to 500 euros?", "No."),
        ("Is hail covered up to 500 euros?", ""),
        ("Does § 12 of the General Terms apply?", "Yes."),
        ("Do the terms of 2026 hold for my contract?", "Yes."),
        ("Must the car be older than 3 cars of Drive Plus 2 in class NC 20?", "Yes."),
        ("Do you need at least 14 days?", "Yes."),
        ("Gilt das für Reisen über 56 Tage?", "Ja."),
        ("Do you pay 80% of it?", "Yes."),
    ],
)
def test_what_stays_true_or_names_no_amount_is_left_alone(question: str, opening: str) -> None:
    assert not contrasts(question, opening)


def test_about_half_are_turned_and_the_same_ones_each_time() -> None:
    questions = [f"Must I tell you within {number} days?" for number in range(2, 202)]
    turned = [contrasted(question, "Yes.", 0) for question in questions]
    assert 70 < sum(one is not None for one in turned) < 130
    assert turned == [contrasted(question, "Yes.", 0) for question in questions]
