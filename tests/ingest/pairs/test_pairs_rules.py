"""Rules turn sentences into questions that a native speaker would ask, and leave alone what they cannot turn."""

# ruff: noqa: E501 - sentences stand beside their questions

import pytest

from ingest.pairs import english, german
from ingest.pairs.english import english_question
from ingest.pairs.german import german_question
from ingest.pairs.inversion import Casing
from ingest.pairs.structure import Rarity, keywords

ENGLISH = Casing(["we pay the repair, the things of a customer, damage, theft, drones and claims"])
GERMAN = Casing(["dass die Kosten und alle Verträge hier versichert und ersetzt sind, die wir erstatten"])


def asked(sentence: str, language: str) -> dict[str, str]:
    """Question → the word that opens its response."""
    rules, casing = (english, ENGLISH) if language == "en" else (german, GERMAN)
    return {question: opening for _, question, opening in rules.questions(sentence, casing)}


@pytest.mark.parametrize(
    ("sentence", "question", "opening"),
    [
        ("You must report the theft to the police within 3 days.", "Within what time do I have to report the theft to the police?", ""),
        ("You must report the theft to the police within 3 days.", "How long do I have to report the theft to the police?", ""),
        ("We give a first decision within 10 working days of the report.", "Within what time do you give a first decision?", ""),
        ("If the police have not found the bicycle, we pay its price.", "What happens if the police have not found the bicycle?", ""),
        ("If you are in arrears, we send a reminder.", "What happens if I am in arrears?", ""),
        ("If you’re late, the desk closes.", "What happens if I’m late?", ""),
        ("Shared flats are accepted if all adults are named in the certificate.", "Under what condition are shared flats accepted?", ""),
        ("Home Basic does not cover simple theft.", "Does Home Basic cover simple theft?", "No."),
        ("No extra premium is due for the first year.", "Is any extra premium due for the first year?", "No."),
        ("Drones above 500 grams are declined without exception.", "Are drones above 500 grams declined without exception?", "Yes."),
        ("Not covered is damage by ground water.", "Is damage by ground water covered?", "No."),
        ("The theft of a battery is covered in Home Premium up to €800.", "Up to what amount is the theft of a battery covered in Home Premium?", ""),
        ("The deductible in Partial Cover is €150 per claim, unless another is named.", "How much is the deductible in Partial Cover?", ""),
        ("Your notice must reach us by 30 November.", "By when must my notice reach you?", ""),
        ("The handler reviews all closed files each month.", "Who reviews all closed files each month?", ""),
        ("A complaint is any statement of a customer who is not content.", "What is a complaint?", ""),
        ("Lindmoor Drive ends on 31 December of each year.", "When does Lindmoor Drive end?", ""),
        ("You may change decisions up to €10,000 without asking anybody else.", "Up to what amount may I change decisions?", ""),
    ],
)  # fmt: skip
def test_english_sentences_give_these_questions(sentence: str, question: str, opening: str) -> None:
    found = asked(sentence, "en")
    assert question in found
    assert found[question] == opening


@pytest.mark.parametrize(
    ("sentence", "question", "opening"),
    [
        ("Die Wartezeit beträgt acht Monate für Zahnersatz.", "Wie lang ist die Wartezeit für Zahnersatz?", ""),
        ("Die Gebühr beträgt 57,20 Euro.", "Wie hoch ist die Gebühr?", ""),
        ("Wird kein Nachweis vorgelegt, rechnen wir 35 % der Rechnung an.", "Was gilt, wenn kein Nachweis vorgelegt wird?", ""),
        ("Wenn Sie den Beitrag nicht zahlen, mahnen wir einmal.", "Was gilt, wenn ich den Beitrag nicht zahle?", ""),
        ("Einen Fahrraddiebstahl zeigen Sie innerhalb von 3 Tagen an.", "Innerhalb welcher Frist zeige ich einen Fahrraddiebstahl an?", ""),
        ("Innerhalb von 2 Arbeitstagen bestätigen wir den Eingang.", "Innerhalb welcher Frist bestätigen Sie den Eingang?", ""),
        ("Versichert ist die Ausübung von Sport.", "Ist die Ausübung von Sport versichert?", "Ja."),
        ("Nicht versichert sind Schäden durch Vorsatz.", "Sind Schäden durch Vorsatz versichert?", "Nein."),
        ("Für die Zahnvorsorge gibt es keine Wartezeit.", "Gibt es für die Zahnvorsorge eine Wartezeit?", "Nein."),
        ("Die Zahl der Behandlungen ist nicht begrenzt.", "Ist die Zahl der Behandlungen begrenzt?", "Nein."),
        ("In Privat Kompakt tragen Sie je Schaden 150 € selbst.", "Trage ich in Privat Kompakt je Schaden 150 € selbst?", "Ja."),
        ("Eine Abtretung müssen Sie uns in Textform anzeigen.", "Muss ich Ihnen eine Abtretung in Textform anzeigen?", "Ja."),
        ("Der Beitrag richtet sich nach dem Tarif.", "Wonach richtet sich der Beitrag?", ""),
        ("Reine Vermögensschäden sind bis zu 100.000 € versichert.", "Bis zu welchem Betrag sind reine Vermögensschäden versichert?", ""),
        ("Drohnen sind in Privat Komfort versichert, wenn sie privat geflogen werden.", "Unter welcher Voraussetzung sind Drohnen in Privat Komfort versichert?", ""),
    ],
)  # fmt: skip
def test_german_sentences_give_these_questions(sentence: str, question: str, opening: str) -> None:
    casing = Casing([*["Kosten und reine Schäden, die versichert sind"] * 2])
    found = {text: first for _, text, first in german.questions(sentence, casing)}
    assert question in found
    assert found[question] == opening


@pytest.mark.parametrize(
    ("sentence", "language"),
    [
        ("§ 16 What is covered  6", "en"),
        ("Learn more about disability housing grants.", "en"),
        ("Hotel costs if you cannot live at home after a covered loss.", "en"),
        ("Say what happens after a deadline without threatening.", "en"),
        ("Nobody may release a payment to a relative.", "en"),
        ("We examine whether the customer is liable at all.", "en"),
        ("In Privat Kompakt gilt dies bis zu 2.500 €.", "de"),
        ("Danach können Sie mit einer Frist von einem Monat kündigen.", "de"),
        ("Zuständig und", "de"),
        ("", "en"),
        ("", "de"),
    ],
)
def test_what_cannot_be_turned_for_sure_gives_no_question(sentence: str, language: str) -> None:
    assert not asked(sentence, language)


def test_yes_is_not_said_where_a_condition_or_a_limit_follows() -> None:
    assert asked("Crowns of ceramics are paid up to the limit of the tariff.", "en").keys()
    for opening in asked("Crowns of ceramics are paid in full, but never twice.", "en").values():
        assert opening == ""
    for opening in asked("Verblendungen werden nur bis zum Zahn 8 erstattet.", "de").values():
        assert opening == ""


def test_the_person_who_asks_is_the_other_one() -> None:
    assert english_question("may we send you our bill?") == "may you send me your bill?"
    assert english_question("what happens if you lose your key?") == "what happens if I lose my key?"
    assert english_question("is the car you own insured?") is None, "the case of 'you' cannot be told"
    assert german_question("müssen Sie uns Ihre Adresse nennen?") == "muss ich Ihnen meine Adresse nennen?"
    assert german_question("informieren wir Sie?") is None


def test_a_word_is_written_small_only_if_the_documents_write_it_so() -> None:
    casing = Casing(["We like the Home Basic line, since theft is in it. In Home Basic it is."])
    assert casing.lowered("Theft of bicycles", "en") == "theft of bicycles"
    assert casing.lowered("Home Basic covers it", "en") == "Home Basic covers it"
    assert casing.lowered("Kosten der Abwehr", "de") == "Kosten der Abwehr"
    assert casing.lowered("Ihre Beiträge", "de") == "Ihre Beiträge"
    assert casing.lowered("GKV zahlt", "de") == "GKV zahlt"


def test_a_search_is_a_few_telling_words_and_the_topic() -> None:
    rarity = Rarity([("the frame number of the bicycle", "en"), ("the bicycle", "en"), ("the premium", "en")])
    found = keywords("You must keep the frame number of the bicycle.", "Bicycles", "en", rarity, 0)
    assert found and 3 <= len(found.split()) <= 5
    assert not {"you", "the", "must"} & set(found.split())
    assert keywords("It is so.", "", "en", rarity, 0) == ""
    assert "ß" in keywords("Maßgeblich sind Größe und Ausmaß der Schäden.", "", "de", rarity, 0)
