"""A question that names a row and a column gets the cell where they meet; ranges are understood as ranges."""

from collections.abc import Iterable, Mapping

import pytest
from fakes import FakeEmbedder
from samples import evidence

from assistant.grounding.grounder import cite
from assistant.grounding.outcomes import QuestionPart, by_parts, outcome_of
from assistant.grounding.quoting import EarlierAnswer, Places
from assistant.grounding.spans import spans
from assistant.grounding.support import support
from assistant.grounding.tables import Row, Table, is_looked_up, means_another, named_cells
from assistant.text.quantities import ranges, without_ranges

PREMIUMS = """By age group reached in the calendar year.

| Age group | Zahn 70 | Zahn 90 | Remark |
| 0 to 20 | 7.9 | 12.6 | as of birth |
| 31 to 40 | 16.8 | 27.3 | once a year |
| 41 to 50 | 22.5 | 36.4 | once a year |
| 61 and older | 36.2 | 57.5 | once a year |
| Missing tooth | 4.5 | 4.5 | at most two |"""
ZONES = """| Zone | Home Basic | Remark |
| Zone B | 1.14 | towns of 20,000 to 200,000 inhabitants |
| Zone C | 1.46 | towns of 200,000 to 500,000 inhabitants |
| Zone D | 1.87 | cities above 500,000 inhabitants |"""
CLASSES = """| NC class before | after one claim | after 2 claims |
| NC 35 | NC 21 | NC 10 |
| NC 20 to NC 34 | NC 11 | NC 5 |
| NC 1 to NC 3 | class ½ | class M |"""
GARAGES = """| id | name | city | phone |
| PG-101 | Autohaus Kranichmoor | Hamburg | +49 40 611 |
| PG-103 | Werkstatt am Deich | Bremen | +49 40 613 |"""
KEPT = """| Data | Kept for |
| Recordings of calls | 90 days |
| Claims | ten years |"""


def alike(some: Iterable[str]) -> Mapping[str, float]:
    return dict.fromkeys(some, 1.0)


def rows_of(table: str) -> list[Row]:
    return [span.row for span in spans(evidence(table)) if span.row]


@pytest.mark.parametrize(
    ("label", "inside", "outside"),
    [
        ("41 to 50", ["45", "age of 41", "50"], ["40", "51", "ab 45", "500"]),
        ("41–50", ["45"], ["51"]),
        ("61 and older", ["61", "90", "ab 70"], ["60"]),
        ("66 Jahre und älter", ["67 Jahre"], ["65"]),
        ("ab 61", ["61", "über 61"], ["60", "under 70"]),
        ("bis 3 Jahre", ["2", "3 Jahren", "unter 3"], ["4"]),
        ("Single up to 65", ["65", "all under 60"], ["66"]),
        ("Driver under 23", ["22"], ["23"]),
        ("cities above 500,000 inhabitants", ["500,001", "over 500.000"], ["500,000"]),
        ("20,000 to 200,000 inhabitants", ["20\u202f000", "150000"], ["200,001"]),
        ("NC 20 to NC 34", ["NC 25"], ["NC 19"]),
        ("NC 10", ["NC 10"], ["NC 11"]),
    ],
)
def test_a_range_holds_what_lies_within_it(label: str, inside: list[str], outside: list[str]) -> None:
    (own,) = ranges(label)
    assert [one for one in inside if not own.holds(ranges(one)[0])] == []
    assert [one for one in outside if own.holds(ranges(one)[0])] == []


@pytest.mark.parametrize("text", ["€35", "35 euros", "35 %", "36.40", "12,5"])
def test_amounts_and_parts_are_no_ranges(text: str) -> None:
    assert ranges(text) == ()


def test_words_beside_a_range_are_kept() -> None:
    assert without_ranges("Single up to 65").split() == ["Single"]
    assert without_ranges("NC 20 to NC 34").split() == ["NC"]


@pytest.mark.parametrize(
    ("table", "question", "label"),
    [
        (PREMIUMS, "What does Zahn 90 cost at the age of 45?", "41 to 50"),
        (PREMIUMS, "Was kostet Zahn 90 mit 67 Jahren?", "61 and older"),
        (PREMIUMS, "What is the surcharge of Zahn 90 for a missing tooth?", "Missing tooth"),
        (ZONES, "Home Basic in a city with over 500,000 inhabitants?", "Zone D"),
        (ZONES, "Home Basic in a town of 300,000 inhabitants?", "Zone C"),
        (CLASSES, "To which class does NC 25 fall after 2 claims?", "NC 20 to NC 34"),
        (GARAGES, "Which phone has the garage in Bremen?", "PG-103"),
    ],
)
def test_of_the_rows_of_a_table_the_one_that_is_meant_is_found(table: str, question: str, label: str) -> None:
    meant = [row.label for row in rows_of(table) if not means_another(row, question, "en", question, surely=True)]
    assert meant == [label]
    (row,) = (row for row in rows_of(table) if row.label == label)
    assert is_looked_up(row, question, "en")


def test_a_number_in_the_name_of_a_column_names_no_row() -> None:
    question = "What does Zahn 70 cost?"
    assert not any(means_another(row, question, "en", question, surely=True) for row in rows_of(PREMIUMS))


def test_the_quotation_says_the_cell_with_the_names_of_its_row_and_its_column() -> None:
    question = "What does Zahn 90 cost a month at 45?"
    first, *_ = Places(question, [evidence(PREMIUMS)], FakeEmbedder(), lambda some: dict.fromkeys(some, 1.0)).quotes()
    assert first.text == "41 to 50: 36.4 (Zahn 90)"


@pytest.mark.parametrize(
    ("age", "sentence", "holds"),
    [
        (45, "At the age of 45, Zahn 90 costs 36.4.", True),
        (45, "At the age of 45, Zahn 90 costs 57.5.", False),
        (45, "At the age of 45, Zahn 90 costs 22.5.", False),
        (70, "At the age of 70, Zahn 90 costs 57.5.", True),
        (70, "61 and older: 99 in Zahn 90.", False),
    ],
)
def test_a_sentence_about_a_number_is_held_against_the_row_of_its_range(age: int, sentence: str, holds: bool) -> None:
    question = f"What does Zahn 90 cost at the age of {age}?"
    found = support(sentence, evidence(PREMIUMS), lambda some: dict.fromkeys(some, 1.0), 0.5, question)
    assert found.holds is holds, found.objection


def test_an_amount_of_an_answer_is_no_number_in_a_range() -> None:
    table = "| Group | Standard | Max |\n| Single from 66 | 149 | 224 |\n| Single up to 65 | 79 | 119 |"
    for sentence in ("Single from 66: 149 in Max.", "Single from 66: 300 in Max.", "Single from 66: 79 in Standard."):
        assert not support(sentence, evidence(table), lambda some: dict.fromkeys(some, 1.0), 0.5).holds
    assert support("Single from 66: 224 in Max.", evidence(table), lambda some: dict.fromkeys(some, 1.0), 0.5).holds


def test_a_table_without_a_header_has_cells_without_names() -> None:
    row = Row(("Fee", "5 euros"), Table((), (("Fee", "5 euros"),)))
    assert named_cells(row, "What is the fee?", "en") == [("", "5 euros")]


@pytest.mark.parametrize(
    ("question", "stands"),
    [
        ("What does Zahn 90 cost a month at 45?", True),  # a row and a column
        ("What does Zahn 90 cost a month?", False),  # a column alone
        ("What is paid for surgery abroad at 45?", False),  # a row alone
    ],
)
def test_a_cell_that_is_asked_for_by_row_and_column_stands_for_an_answer(question: str, stands: bool) -> None:
    places = Places(question, [evidence(PREMIUMS)], FakeEmbedder(), lambda some: dict.fromkeys(some, 1.0))
    for read in ("", "It costs 99 euros."):  # models misread tables: another figure is no vote against it
        outcome = outcome_of(read, stands=False, declines=False, places=places, probability=0.0)
        assert (outcome == "quoted") == stands, read


@pytest.mark.parametrize("knows_names", [True, False])
def test_a_part_that_names_what_no_document_knows_stays_open_whatever_cell_it_asks_for(knows_names: bool) -> None:
    question = "What does Zahn 90 cost a month at 45?"
    places = Places(question, [evidence(PREMIUMS)], FakeEmbedder(), lambda some: dict.fromkeys(some, 1.0))
    part = QuestionPart(question, places, probability=0.0, knows_names=knows_names)
    _, quotes, left = by_parts([part], ())
    assert (bool(quotes), left) == (knows_names, () if knows_names else (part,))


@pytest.mark.parametrize(
    ("question", "stands"),
    [
        ("Which phone has a garage?", False),
        ("Which phone has the garage in Bremen?", True),  # a name in a cell
        ("Which Werkstatt is on the Deich?", True),  # words of this row alone
        ("Which garage is on the Deich?", False),  # one is easily said
    ],
)
def test_a_row_that_the_question_does_not_tell_from_the_others_is_no_answer(question: str, stands: bool) -> None:
    places = Places(question, [evidence(GARAGES)], FakeEmbedder(), lambda some: dict.fromkeys(some, 1.0))
    assert places.closest()
    outcome = outcome_of("", stands=False, declines=False, places=places, probability=1.1)
    assert (outcome == "quoted") == stands


@pytest.mark.parametrize(
    ("table", "question", "is_asked_for"),
    [
        (KEPT, "How long are recordings of calls kept?", True),
        (KEPT, "How long are calls?", False),  # not the whole row
        (KEPT, "How long are claims open?", False),  # one word is easily said
    ],
)
def test_a_row_of_a_single_cell_is_asked_for_by_its_whole_name(table: str, question: str, is_asked_for: bool) -> None:
    assert any(is_looked_up(row, question, "en") for row in rows_of(table)) == is_asked_for


AUTHORITY = """| Role | Payment | Refusal |
| Handler | up to 5,000 euros | none |
| Senior handler | up to 25,000 euros | up to 15,000 euros |
| Team leader | up to 75,000 euros | up to 50,000 euros |"""


@pytest.mark.parametrize(
    ("table", "cited", "asked", "question", "said"),
    [
        (
            AUTHORITY,
            "| Senior handler",
            "and a team leader?",
            "a team leader (amount a senior handler may release by payment)?",
            "Team leader: up to 75,000 euros (Payment)",
        ),
        (
            AUTHORITY,
            "| Senior handler",
            "and as refusal?",
            "as refusal (amount a senior handler may release by payment)?",
            "Senior handler: up to 15,000 euros (Refusal)",
        ),
        (PREMIUMS, "| 41 to 50", "and at 35?", "at 35 (Zahn 90 cost at 45)?", "31 to 40: 27.3 (Zahn 90)"),
    ],
)
def test_a_follow_up_gets_the_row_or_column_that_it_names_in_the_table_cited_before(
    table: str, cited: str, asked: str, question: str, said: str
) -> None:
    other = "A team leader and a senior handler may both grant goodwill beside each payment and refusal."
    hits = [evidence(other, 1, document="other.md"), evidence(table, 2)]
    start = table.index(cited)
    before = EarlierAnswer(asked, (cite(hits[1], start, table.index("|\n", start) + 1),))
    places = Places(question, hits, FakeEmbedder(), alike, before)
    assert places.quotes()[0].text == said and places.is_looked_up and not places.is_any_row
