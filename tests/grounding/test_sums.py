"""Sums that questions ask for, of sentences and cells with the amounts; where either is not sure, nothing."""

from collections.abc import Iterable, Mapping

import pytest
from fakes import FakeEmbedder
from samples import evidence

from assistant.grounding.grounder import cite
from assistant.grounding.quoting import Places
from assistant.grounding.sums import computed, of_what_was_said, wanted_sum
from assistant.types import Sentence

PRICES = """Courses – monthly fee in euros

Valid from 1 January 2026. Members of the museum pay 20% less.

| Age group | Pottery | Painting | Remark |
| 0 to 20 | 7.9 | 12.6 | 3 |
| 21 to 60 | 22.5 | 1036.4 | 3 |
| 61 and older | 12 | 14 | 3 |
| Workshop | 5 per hour | 6 | in the cellar |"""
MEALS = """| Benefit | Basic | Max |
| Meals per person | €20 a day | €30 a day |
| Luggage per person | €2,000 | €4,000 |
| Luggage delay of 12 hours | €200 per person | €400 per person and bag |
| Hotel | €60 a day, 5 days | €90 a day, 5 days |
| Sports gear | none | €1,500 |"""
GERMAN = """Kurse – Beitrag im Monat in €

| Tarif | Töpfern | Malen |
| Single | 7,90 | 12,60 |
| Single mit Kind | 9,50 | 1.036,40 |
| Familie | 11 | 14 |"""
FEES = """| Item | Fee | Remark |
| Locker small | €24 per year | |
| Locker large | €39 per year | for at most 30 kg |"""
LAMPS = """| Item | Fee | Remark |
| Lamp | €2 per month | €20 per year if paid at once |
| Torch | €3 per month | |"""
GARAGES = """| Item | Fee | Remark |
| Garage | €10 a month | April to September |
| Carport | €8 a month | plus VAT |
| Cellar | €6 a month | 4 |"""
VISITS = """| Ticket | Price per person | Meals |
| Museum | €20 | €5 a day |
| Harbour | €30 | €15 a day |"""


def alike(stems: Iterable[str]) -> Mapping[str, float]:
    return dict.fromkeys(stems, 1.0)


def answered(question: str, text: str, language: str = "en", document: str = "en") -> list[str]:
    """The lines of an answer; none where nothing is computed."""
    hits = [evidence(text, language=document, title="Prices", context="Prices", heading="")]
    wanted = wanted_sum(question, language)
    if wanted is None:
        return []
    places = Places(wanted.asked, hits, FakeEmbedder(), alike)
    sentences = computed(wanted, places, hits, probability=0.9)
    assert all(one.citations for one in sentences)
    return [sentence.text for sentence in sentences]


@pytest.mark.parametrize(
    ("question", "text", "sum_"),
    [
        ("What does Painting cost a year at 45?", PRICES, "12 × €1,036.40 a month = €12,436.80 a year"),
        ("What is the annual fee of Pottery at the age of 70?", PRICES, "12 × €12 a month = €144 a year"),
        ("What do Pottery and Painting cost together at 12?", PRICES, "€7.90 + €12.60 = €20.50 a month"),
        ("Pottery and Painting together a year at 12?", PRICES, "12 × (€7.90 + €12.60) a month = €246 a year"),
        ("Pottery for a 12-year-old and a 70-year-old together?", PRICES, "€7.90 + €12 = €19.90 a month"),
        ("What does Basic pay for luggage for two people?", MEALS, "2 × €2,000 per person = €4,000 for 2 people"),
        ("A luggage delay of 12 hours in Basic for 3 persons?", MEALS, "3 × €200 per person = €600 for 3 people"),
        ("Meals in Max a week for two people?", MEALS, "2 × 7 × €30 per person a day = €420 for 2 people a week"),
        ("What do meals in Max cost a week per person?", MEALS, "7 × €30 per person a day = €210 per person a week"),
        ("What does the small locker cost a month?", FEES, "€24 a year ÷ 12 = €2 a month"),
        ("What does the Museum cost for two people?", VISITS, "2 × €20 per person = €40 for 2 people"),
        ("Meals in the Museum a week?", VISITS, "7 × €5 a day = €35 a week"),
        ("What do Meals in Museum and Harbour cost together?", VISITS, "€5 + €15 = €20 a day"),
    ],
)
def test_a_sum_stands_with_its_parts_behind_what_it_is_computed_from(question: str, text: str, sum_: str) -> None:
    *quotes, last = answered(question, text)
    assert last == sum_
    assert quotes


@pytest.mark.parametrize(
    ("question", "language", "sum_"),
    [
        ("Was kostet Malen im Jahr für einen Single mit Kind?", "de", "12 × 1.036,40 € im Monat = 12.436,80 € im Jahr"),
        ("Was ist der Jahresbeitrag für Töpfern für die Familie?", "de", "12 × 11 € im Monat = 132 € im Jahr"),
        ("Was kosten Töpfern und Malen zusammen für eine Familie?", "de", "11 € + 14 € = 25 € im Monat"),
        ("How much is Malen for Familie a year?", "en", "12 × €14 a month = €168 a year"),
        ("Combien coûte Malen pour Familie par an ?", "fr", "12 × 14\u202f€ par mois = 168\u202f€ par an"),
    ],
)
def test_a_sum_is_written_as_its_reader_writes_whatever_the_document_does(
    question: str, language: str, sum_: str
) -> None:
    assert answered(question, GERMAN, language, document="de")[-1:] == [sum_]


def test_the_rows_that_are_added_are_quoted_each_with_its_own_citation() -> None:
    lines = answered("What does Pottery cost for a 12-year-old and a 70-year-old together?", PRICES)
    assert lines[:2] == ["0 to 20: 7.9 (Pottery)", "61 and older: 12 (Pottery)"]


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("What does Painting cost at 45?", PRICES),
        ("What does Painting cost a month at 45?", PRICES),
        ("What does Painting cost a week at 45?", PRICES),
        ("What does Painting cost a year?", PRICES),
        ("What does Painting cost for two people at 45?", PRICES),
        ("What does Painting cost a year at 45 for members of the museum?", PRICES),
        ("What does Painting cost a year at 45 with 2 discounts?", PRICES),
        ("What does Pottery at 12 and Painting at 45 cost together?", PRICES),
        ("What does the Workshop in Pottery cost a year?", PRICES),
        ("What does Painting cost a year at 45?", PRICES.replace("monthly fee", "monthly fee per square metre")),
        ("What does Painting cost a year at 45?", PRICES.replace("in euros", "in thousands of euros")),
        ("What does Painting cost a year at 45?", PRICES.replace("in euros", "in euros or %")),
        ("What does Painting cost a year at 45?", PRICES.replace(" in euros", "")),
        ("What does Painting cost a year at 45?", PRICES.replace("monthly fee", "fee, monthly and annual")),
        ("What does Painting cost a year at 45?", PRICES.replace("1036.4", "1.036")),
        ("How much is a luggage delay of 12 hours in Max for 3 persons?", MEALS),
        ("How much is the hotel in Max a week?", MEALS),
        ("What do Basic and Max pay together for sports gear?", MEALS),
        ("What does the large locker cost a month?", FEES),
        ("What does the lamp cost a year?", LAMPS),
        ("What does the torch cost a year?", LAMPS),
        ("Meals in the Museum a week?", VISITS.replace("€5 a day", "up to €5 a day")),
        ("Meals in the Museum a week?", VISITS.replace("€5 a day", "about €5 a day")),
        ("What does the card cost a month?", "The library card costs €119 a year."),
    ],
)
def test_nothing_is_computed_where_it_is_not_sure_of_what(question: str, text: str) -> None:
    assert answered(question, text) == []


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("What does the Museum cost for two people?", "| Museum for two | €35 | €9 a day |"),
        ("What does the Museum cost for two people?", "| Kurs für Paare | 50 € | €9 a day |"),
        ("What does the Museum cost for two people?", "| Groups from 10 people | €15 | €9 a day |"),
        ("What does the Museum cost for two people?", "\nFamilies pay €50."),
        ("Meals in the Museum a week?", "| Weekly pass | €9 | €30 |"),
        ("Meals in the Museum a week?", "\nFor one week it is €30."),
        ("What do Meals in Museum and Harbour cost together?", "| Total | €45 | €18 a day |"),
        ("What do Meals in Museum and Harbour cost together?", "| Half board | €45 | €18 a day |"),
    ],
)
def test_nothing_is_computed_where_another_row_or_column_may_say_it(question: str, told: str) -> None:
    assert answered(question, VISITS)
    assert answered(question, f"{VISITS}\n{told}") == []


def test_nothing_is_computed_where_a_header_may_say_it() -> None:
    rows = "| Ticket | Price per person | Price for two |\n| Museum | €20 | €35 |"
    question = "How much is the Price per person of the Museum for two people?"
    assert answered(question, rows) == []
    assert answered(question, rows.replace("for two", "in winter"))


@pytest.mark.parametrize(
    "question",
    ["Was kosten Single mit Kind und Familie in Malen zusammen?", "Was kosten Single und Familie mit Kind zusammen?"],
)
def test_a_row_that_is_named_by_the_words_of_another_is_not_added(question: str) -> None:
    assert answered(question, GERMAN, "de", document="de") == []


def test_rows_are_added_only_if_the_question_names_what_stands_beside_their_range() -> None:
    rows = "| Group | Max |\n| Single up to 65 | 1 |\n| Single from 66 | 2 |\n| Family from 66 | 3 |"
    text = f"Fee in euros a year\n\n{rows}"
    assert answered("What does Max cost in total for a single of 70?", text) == []
    assert answered("What does Max cost a month for a single of 70?", text)[-1:] == ["€2 a year ÷ 12 ≈ €0.17 a month"]


def said(text: str) -> list[Sentence]:
    hit = evidence(text)
    return [Sentence(text, True, "", (cite(hit, 0, len(text)),))]


@pytest.mark.parametrize(
    ("asked", "before", "text", "language", "sum_"),
    [
        (
            "how much is that a month?",
            "What is the price of the card?",
            "The card costs €119 a year.",
            "en",
            "€119 a year ÷ 12 ≈ €9.92 a month",
        ),
        (
            "and a year?",
            "How much is the fee?",
            "The fee is 100 euros per month.",
            "en",
            "12 × €100 a month = €1,200 a year",
        ),
        (
            "and for two people?",
            "What do we pay?",
            "We pay €25 per person.",
            "en",
            "2 × €25 per person = €50 for 2 people",
        ),
        (
            "Wie viel ist das im Jahr?",
            "Wie hoch ist der Zuschlag?",
            "Der Zuschlag beträgt 104,50 € im Monat.",
            "de",
            "12 × 104,50 € im Monat = 1.254 € im Jahr",
        ),
        (
            "Et par an ?",
            "Combien coûte la carte ?",
            "La carte coûte 10 € par mois.",
            "fr",
            "12 × 10\u202f€ par mois = 120\u202f€ par an",
        ),
    ],
)
def test_a_follow_up_gets_the_sum_of_what_was_cited_before_it(
    asked: str, before: str, text: str, language: str, sum_: str
) -> None:
    found = of_what_was_said(asked, before, said(text), [text], language)
    assert found is not None
    assert found.text == sum_
    assert found.citations[0].quote == text


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("how much is that a month?", "The card costs €119."),
        ("how much is that a month?", "The card costs €119 a year, for students €60 a year."),
        ("how much is that a month?", "The card costs €60 a day."),
        ("how much is that a year?", "The card costs €119 a year."),
        ("how much is that?", "The card costs €119 a year."),
        ("how many days a month?", "The card costs 30 days a year."),
        ("and the fee in Kiel a month?", "The card costs €119 a year."),
        ("and for two people?", "The card costs €119 a year."),
        ("and a month?", "The card costs €1.2.3 a year."),
    ],
)
def test_nothing_is_computed_of_what_was_said_where_it_is_not_sure_of_what(asked: str, text: str) -> None:
    assert of_what_was_said(asked, "What does the card cost?", said(text), [text], "en") is None


LIMITED = [
    "{} does not cost €10 a month.", "Students with {} pay €10 a month.", "In summer {} costs €10 a month.",
    "No {} costs €10 a month.", "{} costs only €10 a month.", "{} may cost €10 a month.", "At 65 {} costs €10 a month.",
    *(
        f"{{}} costs {limit} a month."
        for limit in (
            "up to €10", "at least €10", "about €10", "around €10", "from €10", "€10 to €20", "between €10 and €20",
            f"€{'9' * 40}",
        )
    ),
    *(
        f"{{}} costs €10 a month{limit}."
        for limit in (
            " on weekdays", " from April to September", " in summer", " until June 2025", " except in August",
            " in the first year and then more", " for students", " plus VAT", " each", " of work", " for 5 months",
            ", with a discount of 5%", " at most", " or more", " (members: half)", "; motorcycles half",
        )
    ),
]  # fmt: skip
GERMAN_LIMITED = [
    "{} kostet nicht 10 € im Monat.", "{} kostet ab 10 € im Monat.", "{} kostet bis zu 10 € im Monat.",
    "{} kostet höchstens 10 € im Monat.", "Werktags kostet {} 10 € im Monat.", "{} kostet 10 € im Monat zzgl. Steuer.",
    "{} kostet 10 € im Monat nicht.", "{} kostet etwa 10 € im Monat.", "Keine {} kostet 10 € im Monat.",
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "language"), [*((one, "en") for one in LIMITED), *((one, "de") for one in GERMAN_LIMITED)]
)
def test_nothing_is_computed_from_an_amount_that_its_sentence_limits(text: str, language: str) -> None:
    """Neither of a follow-up nor of a whole question."""
    before, asked, whole = {
        "en": ("What does parking cost?", "and a year?", "What does parking cost a year?"),
        "de": ("Was kostet die Karte?", "und im Jahr?", "Was kostet die Karte im Jahr?"),
    }[language]
    text = text.format({"en": "parking", "de": "Karte"}[language])
    assert of_what_was_said(asked, before, said(text), [text], language) is None
    assert answered(whole, text, language, document=language) == []


def test_nothing_is_computed_of_what_was_said_with_something_else_or_without_its_source() -> None:
    question, text = "What does parking cost?", "Parking costs €10 a month."
    assert of_what_was_said("and a year?", question, said(text), [text], "en") is not None
    assert (
        of_what_was_said("and a year?", question, [*said(text), *said("Motorcycles pay half.")], [text], "en") is None
    )
    assert of_what_was_said("and a year?", question, [Sentence(text, False, "", ())], [text], "en") is None


@pytest.mark.parametrize("told", ["Paid monthly, it is €4.50 a month.", "Members pay €2 per month."])
def test_nothing_is_computed_where_the_documents_say_it(told: str) -> None:
    question, text = "What does the card cost?", "The card costs €48 a year."
    assert of_what_was_said("and a month?", question, said(text), [f"{text} {told}"], "en") is None
    assert of_what_was_said("and a month?", question, said(text), [text], "en") is not None


@pytest.mark.parametrize(("thing", "is_computed"), [("garage", False), ("carport", False), ("cellar", True)])
def test_what_another_cell_of_the_row_says_in_words_may_limit_the_amount(thing: str, is_computed: bool) -> None:
    assert bool(answered(f"What does the {thing} cost a year?", GARAGES)) is is_computed


def test_a_mention_of_the_calendar_year_tells_no_yearly_sum_and_an_amount_for_it_does() -> None:
    asked, line = "What does Painting cost a year at 45?", "Valid from 1 January 2026."
    counted = PRICES.replace(line, "By age reached in the calendar year.")
    assert answered(asked, counted)[-1] == "12 × €1,036.40 a month = €12,436.80 a year"
    assert answered(asked, PRICES.replace(line, "At most 900 euros per calendar year.")) == []


@pytest.mark.parametrize(
    ("question", "text", "lines"),
    [
        ("What does Painting cost at 45?", PRICES, ["Courses – monthly fee in euros"]),
        (
            "What does Painting cost at 45?",
            PRICES.replace("2026. Members of the museum pay 20% less.", "2026, by age in the year."),
            ["Courses – monthly fee in euros"],
        ),
        ("Was kostet Malen für Familie?", GERMAN, ["Kurse – Beitrag im Monat in €"]),
        ("What is the fee of Locker small?", f"Fees in euros\n\n{FEES}", []),
        ("What does Basic pay for meals per person?", f"Benefits in euros\n\n{MEALS}", []),
    ],
)
def test_a_bare_number_of_a_table_is_quoted_with_the_line_that_says_its_unit(
    question: str, text: str, lines: list[str]
) -> None:
    hit = evidence(text, title="Prices", context="Prices", heading="")
    _, *behind = Places(question, [hit], FakeEmbedder(), alike).quotes(most=1)
    assert [one.text for one in behind] == lines
    for one in behind:
        (cited,) = one.citations
        assert hit.text[cited.start - hit.start : cited.end - hit.start] == one.text
