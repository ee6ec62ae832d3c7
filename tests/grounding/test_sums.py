"""Amounts for another period than the documents give them for."""

import pytest
from samples import evidence

from assistant.grounding.grounder import cite
from assistant.grounding.sums import per_period
from assistant.types import Sentence


def said(text: str) -> list[Sentence]:
    hit = evidence(text)
    return [Sentence(text, True, "", (cite(hit, 0, len(text)),))]


@pytest.mark.parametrize(
    ("asked", "before", "language", "sum_"),
    [
        ("how much is that a month?", "The card costs €119 a year.", "en", "€119 ÷ 12 ≈ €9.92"),
        ("How much is it per week?", "We pay up to €60 a day.", "en", "€60 × 7 = €420"),
        ("and a year?", "The fee is 100 euros per month.", "en", "100 euros × 12 = 1,200 €"),
        ("Wie viel ist das im Jahr?", "Der Zuschlag beträgt 104,50 € im Monat.", "de", "104,50 € × 12 = 1.254 €"),
    ],
)
def test_an_amount_is_shown_for_another_period_with_its_parts(
    asked: str, before: str, language: str, sum_: str
) -> None:
    found = per_period(asked, said(before), [before], language)
    assert found is not None
    assert found.text == sum_
    assert found.citations[0].quote == before


@pytest.mark.parametrize(
    ("asked", "before"),
    [
        ("how much is that a month?", "The card costs €119."),
        ("how much is that a month?", "The card costs €119 a year, for students €60 a year."),
        ("how much is that a month?", "We pay up to €60 a day."),
        ("how much is that a year?", "The card costs €119 a year."),
        ("how much is that?", "The card costs €119 a year."),
        ("how many days a month?", "You have 30 days a year."),
    ],
)
def test_nothing_is_computed_where_it_is_not_sure_what_of(asked: str, before: str) -> None:
    assert per_period(asked, said(before), [before], "en") is None


@pytest.mark.parametrize(
    "before",
    [
        "We pay €50 to €60 a day.",
        "We pay between €50 and €60 a day.",
        "We pay €60 a day for at most 5 days.",
        "We pay €60 a day, with a discount of 5% from the third on.",
        f"We pay €{'9' * 40} a day.",
    ],
)
def test_nothing_is_computed_from_an_amount_that_another_may_change(before: str) -> None:
    assert per_period("how much is that a week?", said(before), [before], "en") is None


@pytest.mark.parametrize("told", ["Paid monthly, it is €4.50 a month.", "Members pay €2 per month."])
def test_nothing_is_computed_where_the_documents_say_it(told: str) -> None:
    before = "The card costs €48 a year."
    assert per_period("and a month?", said(before), [f"{before} {told}"], "en") is None
    assert per_period("and a month?", said(before), [before], "en") is not None
