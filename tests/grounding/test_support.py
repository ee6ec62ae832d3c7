"""Support: a passage supports what it says, and nothing that differs from it in one word that counts."""

import dataclasses
import time

import pytest
from samples import evidence, is_supported, weights

from assistant.grounding.support import is_factual, support
from assistant.types import Evidence

TABLE = """How much we pay:

| Benefit | Home Basic | Home Comfort |
| Deductible for each claim | €250 | €150 |
| Freezer contents | not covered | €500 |
| Hotel after a loss | €60 a day | €100 a day |"""


def in_language(passage: str, language: str = "en") -> Evidence:
    return evidence(passage, context="Terms > § 7 Cover", language=language)


@pytest.mark.parametrize("said", ["Yes, you can.", "No, you can't.", "Ja.", "You can. It is so.", "It does."])
def test_what_says_nothing_is_supported_by_nothing(said: str) -> None:
    hit = evidence("The desk answers within 2 working days. Nein.")
    assert support(said, hit, weights, 0.6).objection == "it says nothing that a passage could hold"


@pytest.mark.parametrize(
    ("sentence", "passage", "supported"),
    [
        ("The tow to the garage is free of charge.", "Call our toll-free hotline for the tow to the garage.", False),
        ("You are free to choose your doctor yourself.", "You may choose your doctor yourself.", True),
        ("The return of a debit is free of charge.", "For the return of a debit we charge €6.50.", False),
        ("The return of a debit is free of charge.", "No charge is made for the return of a debit.", True),
        ("You can cancel the contract at any time.", "You can cancel the contract if we raise the premium.", False),
        ("The contract can be cancelled whenever you like.", "You can cancel the contract at any time you like.", True),
        ("We pay a third of the price.", "We pay half of the price.", False),
        ("We pay half of the price.", "We pay 50% of the price.", True),
        ("The limit doubles in the second year.", "The limit doubles in the third year.", False),
        ("You get twice the price.", "You get three times the price.", False),
        ("You get twice the price of the phone.", "You get double the price of the phone.", True),
        ("The premium is due weekly.", "The premium is due monthly.", False),
        ("The premium is due monthly.", "The premium is due each month.", True),
        ("Die Prämie ist jährlich fällig.", "Die Prämie ist monatlich fällig.", False),
        ("Die Prämie ist jährlich fällig.", "Die Prämie ist jedes Jahr fällig.", True),
        ("Nur der Versicherer kann den Vertrag kündigen.", "Der Versicherer kann den Vertrag kündigen.", False),
        ("Die Rückgabe ist kostenlos.", "Die Rückgabe kostet 5 Euro.", False),
        (
            "Die Rückgabe der Karte im ersten Jahr ist kostenlos.",
            "Die Rückgabe der Karte ist im ersten Jahr gebührenfrei.",
            True,
        ),
    ],
)
def test_words_that_decide_what_is_promised_have_to_be_there(sentence: str, passage: str, supported: bool) -> None:
    language = "de" if "kann" in sentence or "Die" in sentence else "en"
    assert is_supported(sentence, in_language(passage, language)) == supported


def test_what_a_heading_asks_is_not_known_to_be_so() -> None:
    text = "Nein. Hunde brauchen eine eigene Tierhalterhaftpflicht."
    heading = "Haftpflicht > Ist mein Hund versichert?"
    for hit in (
        evidence(text, context=heading, heading=heading, language="de"),
        evidence(f"Ist mein Hund versichert?\n\n{text}", context="Haftpflicht", heading="Haftpflicht", language="de"),
        evidence(f"Ist mein Hund versichert? {text}", context="Haftpflicht", heading="Haftpflicht", language="de"),
    ):
        assert not is_supported("Ja, mein Hund ist versichert.", hit)
        assert is_supported("Hunde brauchen eine eigene Tierhalterhaftpflicht.", hit)


def test_yes_is_not_supported_by_what_stands_behind_a_no() -> None:
    no = "No. Solar devices count as contents of the house."
    yes = "Yes. Bicycles count as contents of the house. They are paid for within 10 days."
    hit = evidence(f"{no}\n\n{yes}")
    assert not is_supported("Yes. Solar devices count as contents.", hit)
    for said in (
        "No. Solar devices count as contents.",
        "Solar devices count as contents.",
        "Yes, bicycles are contents.",
    ):
        assert is_supported(said, hit)
    assert is_supported("No. They are paid for within 10 days.", hit), "that yes was said to something else"


def test_what_only_the_headings_hold_is_not_supported_by_what_stands_under_them() -> None:
    hit = evidence("Winter gear is insured.", context="Lindmoor Journey > Ski holidays", heading="Ski holidays")
    assert support("Lindmoor Journey ski holidays.", hit, weights, 0.6).objection == "only the headings hold its words"
    assert not support("Winter gear is insured on ski holidays.", hit, weights, 0.6).objection


@pytest.mark.parametrize(
    "number", ["ſieben Tage", "ſix weeks", "fıve days", "SİEBEN Tage", "5 thouſand", "5 mıllion €", "5 MİLLİONEN €"]
)
def test_letters_that_only_look_like_those_of_a_number_hurt_nobody(number: str) -> None:
    sentence = f"It lasts {number} in all."
    assert is_supported(sentence, in_language(sentence))
    assert not is_supported("It lasts 99 days in all.", in_language(sentence))


def test_a_passage_of_nothing_but_section_signs_takes_no_quadratic_time() -> None:
    began = time.process_time()
    is_supported("§ 7 covers it.", in_language("§" * 50_000))
    assert time.process_time() - began < 2


@pytest.mark.parametrize("asked", ["Wie lange ist die Wartezeit?", "“Wie lange ist die Wartezeit?”", "Wartezeit? "])
def test_a_question_is_supported_by_nothing(asked: str) -> None:
    assert not is_supported(asked, in_language("Wie lange ist die Wartezeit? Die Wartezeit ist lang.", "de"))


@pytest.mark.parametrize(
    ("language", "passage", "same", "other"),
    [
        ("en", "Report the theft within three days.", "Report the theft within 3 days.", "Report it in 3 weeks."),
        ("de", "Die Frist beträgt drei Tage.", "Die Frist beträgt 3 Tage.", "Die Frist beträgt drei Wochen."),
        ("en", "It ends on 3 May 2026.", "It ends on 2026-05-03.", "It ends on 5 March 2026."),
        ("de", "Es endet am 3. Mai 2026.", "Es endet am 03.05.2026.", "Es endet am 03.06.2026."),
        ("en", "We pay up to €1,500 for glass.", "For glass: up to 1500 euros.", "We pay $1,500 for glass."),
        ("de", "Wir zahlen 5 Millionen € je Fall.", "Wir zahlen 5.000.000 Euro je Fall.", "Wir zahlen 5 €."),
        ("en", "Damage by war is excluded.", "Damage by war is not covered.", "Damage by war is covered."),
        ("en", "The car isn't insured abroad.", "The car is not insured abroad.", "The car is insured abroad."),
        ("de", "Krieg ist nicht versichert.", "Krieg ist ausgeschlossen.", "Krieg ist versichert."),
        ("de", "Wir erstatten keine Kosten.", "Kosten erstatten wir nicht.", "Wir erstatten Kosten."),
        ("en", "Glass is paid up to €500.", "Glass is paid up to 500 euros.", "Glass is paid from at least €500."),
        ("de", "Wir zahlen höchstens 500 €.", "Wir zahlen maximal 500 Euro.", "Wir zahlen mindestens 500 €."),
        ("de", "Es kostet 48 € im Jahr.", "Es kostet 48 Euro pro Jahr.", "Es kostet 48 € im Monat."),
        ("en", "A policy in Kiel covers bikes.", "In Kiel a policy covers bikes.", "A policy in Bremen covers bikes."),
        ("de", "In Privat Komfort gilt das.", "Das gilt in Privat Komfort.", "In Privat Kompakt gilt das."),
        ("de", "Zum Auszug sind kräftige Farben zu streichen.", "Kräftige Farben sind zum Auszug zu streichen.",
         "Kräftige Böden sind zum Auszug zu streichen."),
        ("de", "Es gilt für privat komfortable Tarife.", "Privat komfortable Tarife gelten.", "Privat Komfort gilt."),
        ("en", "Rule: keep the frame number.", "Rule: “keep the frame number”.", "Rule: “keep the number frame”."),
        ("en", "The limit stands in the list.", "§ 7 sets the limit in the list.", "§ 8 sets the limit in the list."),
    ],
)  # fmt: skip
def test_another_spelling_is_supported_and_another_meaning_is_not(
    language: str, passage: str, same: str, other: str
) -> None:
    hit = in_language(passage, language)
    assert is_supported(passage, hit)
    assert is_supported(same, hit), support(same, hit, weights, 0.6)
    found = support(other, hit, weights, 0.6)
    assert not is_supported(other, hit), found
    assert found.objection or found.coverage < 0.6


@pytest.mark.parametrize(
    ("sentence", "supported"),
    [
        ("Deductible for each claim: €150 in Home Comfort.", True),
        ("Deductible for each claim: €250 in Home Comfort.", False),
        ("In Home Basic the deductible for each claim is 250 euros.", True),
        ("In Home Basic the deductible for each claim is 60 euros.", False),
        ("Freezer contents are not covered in Home Basic.", True),
        ("Freezer contents are covered in Home Basic.", False),
        ("Freezer contents: €150 in Home Comfort.", False),
        ("Hotel after a loss: €100 a day in Home Comfort.", True),
        ("Hotel after a loss: €100 a day in Home Premium.", False),
    ],
)
def test_a_row_supports_neither_its_neighbour_nor_another_column(sentence: str, supported: bool) -> None:
    hit = in_language(TABLE)
    found = support(sentence, hit, weights, 0.6)
    assert is_supported(sentence, hit) == supported, found
    if supported:
        assert hit.text[found.start : found.end].startswith(f"| {sentence[:4]}" if ":" in sentence else "|")


@pytest.mark.parametrize(
    ("sentence", "passage"),
    [
        ("Home Premium pays 500 euros for bikes.", "For bikes stolen at home, premium tariffs pay 500 euros."),
        ("Travel Plus pays for cancelled flights.", "We pay for travel plus cancelled flights."),
        ("Drive Plus covers glass damage.", "We cover glass damage during the drive plus towing."),
        ("Basic Plus members pay 10 euros.", "Members pay 10 euros for the basic plus 5 euros for the extra."),
    ],
)
def test_a_name_is_not_made_of_common_words_that_stand_side_by_side(sentence: str, passage: str) -> None:
    assert not is_supported(sentence, in_language(passage))


@pytest.mark.parametrize(
    "sentence",
    [
        "The week ticket costs £5.00 and is valid for 7 days.",
        "The week ticket costs £3.50 and is valid for 7 days.",
        "The validity of the week ticket is £14.00.",
        "The deposit for the week ticket is £14.00.",
    ],
)
def test_a_number_of_a_row_is_said_under_its_own_column(sentence: str) -> None:
    table = "| Ticket | Price | Validity | Deposit |\n| Day ticket | £3.50 | 1 day | £2.00 |\n"
    assert not is_supported(sentence, in_language(f"{table}| Week ticket | £14.00 | 7 days | £5.00 |"))


def test_a_row_is_not_said_of_what_no_row_names() -> None:
    reserves = "| Kind of claim | Average first reserve |\n| Storm, building | €2,100 per claim |\n"
    hit = in_language(f"{reserves}| Burglary, home contents | €3,800 per claim |")
    assert is_supported("The average first reserve for a burglary is €3,800 per claim.", hit)
    assert is_supported("The average first reserve is €3,800 per claim for home contents.", hit)
    assert not is_supported("The average first reserve for a kitchen fire is €3,800 per claim.", hit)


def test_rows_of_a_table_that_was_split_are_read_under_the_header_in_their_context() -> None:
    rows = "| Towing | €100 | €300 |\n| Glass | €50 | €80 |"
    hit = dataclasses.replace(in_language(rows), context="Terms > § 7\n| Benefit | Drive Classic | Drive Plus |")
    assert is_supported("Towing: €300 in Drive Plus.", hit)
    assert not is_supported("Towing: €300 in Drive Classic.", hit)


@pytest.mark.parametrize(
    ("sentence", "supported"),
    [
        ("The deductible is €150 in Home Comfort.", True),
        ("The deductible is €250 in Home Comfort.", False),
        ("The deductible is €250 in Home Basic and €150 in Home Comfort.", True),
        ("The deductible is €150 in Home Basic and €250 in Home Comfort.", False),
    ],
)
def test_what_is_said_of_one_name_is_not_said_of_another(sentence: str, supported: bool) -> None:
    hit = in_language("For each claim the deductible is €250 in Home Basic and €150 in Home Comfort.")
    assert is_supported(sentence, hit) == supported


@pytest.mark.parametrize(
    "sentence",
    [
        "Drive Plus covers the cable.",
        "Cables are covered up to €5,000 in Drive Classic.",
        "The wallbox is covered in 3 days.",
    ],
)
def test_a_neighbouring_sentence_lends_neither_its_number_nor_its_name(sentence: str) -> None:
    hit = in_language("In Drive Classic cables are covered. In Drive Plus a wallbox costs €5,000. Wait 3 days.")
    assert not is_supported(sentence, hit)


def test_an_item_is_read_with_the_line_that_opens_its_list() -> None:
    hit = in_language("After a loss you must:\n- report it to the police;\n- keep the broken things.")
    found = support("After a loss you must keep the broken things.", hit, weights, 0.8)
    assert hit.text[found.start : found.end] == "- keep the broken things." and found.coverage == 1.0


@pytest.mark.parametrize(
    ("sentence", "supported"),
    [
        ("1. Report the theft.", True),
        ("Step 1: Report the theft.", True),
        ("What to do:\n2) Report the theft within 3 days.", True),
        ("2. Report the theft within 5 days.", False),
        ("1. Mahnung ist fällig.", False),
    ],
)
def test_the_number_of_an_item_claims_nothing(sentence: str, supported: bool) -> None:
    assert is_supported(sentence, in_language("Report the theft within three days.")) is supported


@pytest.mark.parametrize(
    ("step", "supported"),
    [
        ("Next step: send a list of the stolen goods to the police.", True),
        ("Yes. Next step: send a list of the stolen goods to the police.", True),
        ("Nächster Schritt: send a list of the stolen goods.", True),
        ("Next step: send the list within 14 days.", True),
        ("Next step: send the list within 15 days.", False),
        ("Next step: send the list of broken goods to your doctor.", False),
        ("Next step: send the list.", False),
    ],
)
def test_a_step_is_held_against_a_passage_without_its_label_and_has_to_say_enough(step: str, supported: bool) -> None:
    passage = in_language("You must send a list of the stolen goods to the police within 14 days. A next step follows.")
    assert is_supported(step, passage) is supported, support(step, passage, weights, 0.6)


def test_an_item_of_a_passage_is_not_its_neighbour() -> None:
    steps = in_language("1. Report the theft.\n2. Send us the keys.")
    assert is_supported("2. Send us the keys.", steps) and not is_supported("1. Send us the keys.", steps)
    fees = in_language("1. Mahnung: 5 €.\n2. Mahnung: 10 €.", "de")
    assert is_supported("2. Mahnung: 10 €.", fees) and not is_supported("1. Mahnung: 10 €.", fees)
    ends = in_language("Es endet am 3. Mai 2026.", "de")
    assert is_supported("3. Mai 2026 endet es.", ends) and not is_supported("4. Mai 2026 endet es.", ends)


def test_a_question_supports_nothing() -> None:
    hit = in_language("When must I buy the insurance after booking?\n\nWithin 14 days.")
    assert not is_supported("You must buy the insurance after booking.", hit)


def test_a_sentence_denied_by_the_span_it_is_about_finds_no_other_support() -> None:
    hit = in_language("Trips to the moon are not covered by the policy. Trips to the sea end with the policy.")
    assert not is_supported("Trips to the moon are covered by the policy.", hit)


@pytest.mark.parametrize(
    ("sentence", "factual"), [("Yes.", True), ("Here it is:", False), ("14 days.", True), ("…", False)]
)
def test_only_sentences_with_words_or_numbers_are_factual(sentence: str, factual: bool) -> None:
    assert is_factual(sentence) == factual
