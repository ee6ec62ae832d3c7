"""Sentences that have a passage's words and say something else: each class with its true twin."""

from collections.abc import Sequence

import numpy as np
import pytest
from samples import evidence, weights

from assistant.grounding.grounder import Grounder
from assistant.grounding.support import support
from assistant.retrieval.embedder import Embedder, Meaning
from assistant.types import Citation, Evidence, Sentence, Vectors


def holds(sentence: str, passage: str, question: str = "") -> bool:
    language = "de" if {"der", "die", "das", "ein", "dem"} & set(passage.casefold().split()) else "en"
    return support(sentence, evidence(passage, language=language), weights, 0.6, question).holds


@pytest.mark.parametrize(
    ("passage", "said", "exchanged"),
    [
        ("Luggage is insured up to €10,000 per person and €20,000 per family in Journey Max.",
         "Luggage is insured up to €10,000 per person in Journey Max.", "€10,000 per family in Journey Max"),
        ("The highest sums are €5,000 per person and €10,000 per family in Journey Standard, and €10,000 per person"
         " and €20,000 per family in Journey Max.",
         "The highest sum is €10,000 per person in Journey Max.",
         "The highest sum is €10,000 per family in Journey Max."),
        ("Der Grundpreis beträgt 9,50 € je Monat, der Arbeitspreis 31 Cent je Kilowattstunde.",
         "Der Arbeitspreis beträgt 31 Cent je Kilowattstunde.", "Der Arbeitspreis beträgt 31 Cent je Monat."),
        ("Admission is €12 for adults and €7 for students.",
         "Admission is €7 for students.", "Admission is €7 for adults."),
        ("Repairs cost at most €80 per item and €200 per room.",
         "Repairs cost at most €200 per room.", "Repairs cost at most €200 per item."),
    ],
)  # fmt: skip
def test_a_number_is_said_of_what_stands_beside_it(passage: str, said: str, exchanged: str) -> None:
    assert holds(passage, passage) and holds(said, passage)
    assert not holds(exchanged, passage)


def test_one_word_in_brackets_tells_two_numbers_apart() -> None:
    passage = "Der Schutz im Ausland gilt ein Jahr (Kompakt) oder fünf Jahre (Komfort)."
    for said in (passage, "Der Schutz im Ausland gilt ein Jahr (Kompakt).", "Im Ausland gilt er fünf Jahre (Komfort)."):
        assert holds(said, passage)
    for said in ("Der Schutz gilt sonst ein Jahr (Komfort).", "Sonst ein Jahr (Komfort) oder fünf Jahre (Kompakt)."):
        assert not holds(said, passage)


@pytest.mark.parametrize(
    ("passage", "true", "false"),
    [
        ("Theft of an outboard motor must be reported to the water police within 24 hours.",
         "The theft of an outboard motor must be reported to the water police within 24 hours.",
         "The theft of an outboard motor must be reported to the insurer within 24 hours."),
        ("Theft of an outboard motor must be reported to the police.",
         "You must report the theft of an outboard motor to the police.",
         "The police must report the theft of an outboard motor to the police."),
        ("The caretaker calls the craftsmen.", "The craftsmen are called by the caretaker.",
         "The craftsmen call the caretaker."),
        ("Schäden meldet der Übungsleiter dem Hausmeister.", "Der Übungsleiter meldet dem Hausmeister Schäden.",
         "Schäden meldet der Hausmeister dem Übungsleiter."),
        ("Der Austritt ist dem Vorstand schriftlich zu erklären.",
         "Den Austritt erklären Sie schriftlich dem Vorstand.",
         "Der Austritt ist der Gemeinde schriftlich zu erklären."),
        ("Children under 14 may ride only with an adult.", "Only with an adult may children under 14 ride.",
         "Pets under 14 may ride only with an adult."),
    ],
)  # fmt: skip
def test_who_does_it_to_whom_is_what_the_passage_says(passage: str, true: str, false: str) -> None:
    assert holds(passage, passage) and holds(true, passage)
    assert not holds(false, passage)


@pytest.mark.parametrize(
    ("passage", "true", "false"),
    [
        ("Students get a discount of 20%. Guests pay the whole fee.", "Students get a discount of 20%.",
         "Students and guests get a discount of 20%."),
        ("The borrower pays for transport and insurance.", "The borrower pays for insurance and transport.",
         "The borrower pays for transport and audio guides."),
        ("Wir berechnen für eine Mahnung 2,50 €, für eine Sperrung 48 €.", "Für eine Sperrung berechnen wir 48 €.",
         "Für eine Mahnung und eine Sperrung berechnen wir 48 €."),
        ("A claim above €50,000 is reported to the reinsurance desk.", "Claims above €50,000 go to the desk.",
         "A claim above €50,000 is reported to a clerk or to the reinsurance desk."),
    ],
)  # fmt: skip
def test_what_is_said_of_two_is_said_of_both(passage: str, true: str, false: str) -> None:
    assert holds(true, passage)
    assert not holds(false, passage)


@pytest.mark.parametrize(
    ("question", "is_told"),
    [
        ("A burglary of €12,000: within what time is it reported?", True),
        ("I had a burglary of €12,000. Within what time is it reported?", True),
        ("Within what time is a burglary of €12,000 reported?", False),
    ],
)
def test_an_amount_that_the_question_tells_need_not_be_there(question: str, is_told: bool) -> None:
    passage = "A burglary must be reported within 48 hours."
    assert holds("A burglary of €12,000 must be reported within 48 hours.", passage, question) == is_told
    assert not holds("A burglary of €12,000 must be reported within 24 hours.", passage, question)


def test_that_a_question_joins_two_says_nothing_of_both() -> None:
    passage = "Students get a discount of 20% on the monthly fee."
    assert holds("Students get 20%.", passage, "Do students get a discount?")
    assert not holds("Students and guests get 20%.", passage, "Do students and guests get a discount?")


@pytest.mark.parametrize(
    ("passage", "true", "false"),
    [
        ("Each member may bring two guests.", "Each member may bring 2 guests.", "Each member may bring one guest."),
        ("Die Halle hat zwei Eingänge.", "Die Halle hat 2 Eingänge.", "Die Halle hat einen Eingang."),
        ("The shop has one entrance and two exits.", "The shop has one entrance.", "The shop has one exit."),
    ],
)
def test_two_of_a_thing_are_not_one(passage: str, true: str, false: str) -> None:
    assert holds(true, passage)
    assert not holds(false, passage)


def test_an_echo_of_the_question_has_to_be_there_in_all_its_words() -> None:
    passage = "The waiting period does not apply after an accident at work."
    asked = "Does the waiting period apply after an operation at work?"
    assert not holds("The waiting period does not apply after an operation at work.", passage, asked)
    assert holds("The waiting period does not apply after an accident.", passage, "Does the waiting period apply?")


def test_yes_is_no_answer_where_the_passage_says_so_on_a_condition_only() -> None:
    passage = "Children under 12 may use the pool only with an adult."
    assert not holds("Yes, children under 12 may use the pool.", passage)
    assert holds("Yes, children under 12 may use the pool, but only with an adult.", passage)


def answered(question: str, said: str, hits: Sequence[Evidence], best: int) -> Sentence:
    """``best`` is the rank of the passage that fits the question."""

    def behind(citations: Sequence[Citation]) -> float:
        return min(0.0 if citation.hit == best else 0.2 for citation in citations)

    grounder = Grounder(hits, weights, 0.6, None, behind, question)
    for _ in (*grounder.feed(said), *grounder.finish()):
        pass
    (sentence,) = grounder.sentences
    return sentence


FEES = (
    evidence("The joining fee is €25. A lost card costs €8.", 1),
    evidence("Members pay €39 a month (Flex) or €29 a month (Fixed).", 2),
    evidence("Smoking is forbidden in all rooms. You may bring two guests.", 3),
)


@pytest.mark.parametrize(
    ("question", "said", "best", "supported"),
    [
        ("How much is the joining fee?", "€25", 1, True),
        ("How much is the joining fee?", "€39", 1, False),
        ("What does Fixed cost a month?", "29 euros.", 2, True),
        ("What does Fixed cost a month?", "€39 a month", 2, False),
        ("What does Fixed cost a month?", "1", 2, False),
        ("Is smoking forbidden in the rooms?", "Yes.", 3, True),
        ("Is smoking allowed in all rooms?", "No.", 3, True),
        ("Is smoking allowed in all rooms?", "Yes.", 3, False),
        ("May I bring two guests?", "No.", 3, False),
    ],
)
def test_a_bare_value_is_held_against_the_passages_with_its_question(
    question: str, said: str, best: int, supported: bool
) -> None:
    sentence = answered(question, said, FEES, best)
    assert sentence.supported == supported, sentence
    if supported:
        assert [citation.hit for citation in sentence.citations] == [best]
        assert any(word in sentence.citations[0].quote for word in ("joining fee", "Fixed", "Smoking"))


def test_several_figures_that_one_place_says_together_are_no_coincidence() -> None:
    question = "What do I pay a month?"
    assert answered(question, "€39 or €29 a month", FEES, 1).supported
    assert not answered(question, "€39 a month", FEES, 1).supported
    assert not answered(question, "€39 or €25 a month", FEES, 1).supported


class Turning(Embedder):
    """Texts as directions: a text begins with its angle in degrees; unrelated ones are 60 degrees apart."""

    def __init__(self) -> None:
        self.count = 0

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        self.count += len(texts)
        if not texts[0][0].isdigit():
            return np.tile(np.array([[1.0, 0.0]], np.float32), (len(texts), 1)) * np.float32(0.5**0.5)
        angles = [np.radians(float(text.split()[0])) for text in texts]
        return np.array([[np.cos(angle), np.sin(angle)] for angle in angles], np.float32)


def test_likeness_begins_where_unrelated_sentences_are_and_ends_at_one() -> None:
    embedder = Turning()
    meaning = Meaning(embedder)
    assert meaning.likeness("0 a", "60 b") == pytest.approx(0.0, abs=1e-6)
    assert meaning.likeness("0 a", "0 c") == pytest.approx(1.0)
    seen = embedder.count
    assert 0 < meaning.likeness("0 a", "30 d") < 1 and embedder.count == seen + 1, "each text is embedded once"


def test_what_means_the_same_needs_fewer_words_and_all_the_facts() -> None:
    hit = evidence("Applicants submit the completed form to the office within 14 days.")
    said = "You have 14 days to hand in the completed papers at the office."
    assert not support(said, hit, weights, 0.6).holds
    assert support(said, hit, weights, 0.6, likeness=lambda *_: 0.7).holds
    assert not support(said, hit, weights, 0.6, likeness=lambda *_: 0.5).holds
    other = said.replace("14", "15")
    assert not support(other, hit, weights, 0.6, likeness=lambda *_: 0.9).holds


@pytest.mark.parametrize(
    ("passage", "question", "true", "false"),
    [
        ("The panel is free of charge. Its decision binds us up to a value in dispute of €10,000.",
         "Up to which amount is a ruling of the arbitrator binding on the shop?",
         "The ruling of the arbitrator is binding on the shop up to an amount of €10,000.",
         "The ruling of the arbitrator is binding on the shop up to an amount of €20,000."),
        ("Old stock is destroyed by 31 January 2026.",
         "Until when do we have to throw away the printed leaflets?",
         "We have to throw away the printed leaflets by 31 January 2026.",
         "We have to throw away the printed leaflets by 31 March 2026."),
        ("Das Gremium ist die erste Stelle. Seine Entscheidung bindet den Laden bis zu 900 €.",
         "Bis zu welchem Betrag bindet ein Schiedsspruch den Laden?",
         "Ein Schiedsspruch bindet den Laden bis zu einem Betrag von 900 €.",
         "Ein Schiedsspruch bindet den Laden bis zu einem Betrag von 800 €."),
    ],
)  # fmt: skip
def test_what_the_question_says_is_not_what_its_answer_claims(
    passage: str, question: str, true: str, false: str
) -> None:
    assert holds(true, passage, question)
    assert not holds(true, passage), "nobody has asked"
    assert not holds(false, passage, question)


def test_an_answer_in_the_words_of_the_question_says_something() -> None:
    passage, question = "Members may borrow three books for 14 days.", "How long may members borrow books?"
    assert not holds("Members may borrow books for long.", "Books are heavy. Members pay dues.", question)
    assert not holds("How long members may borrow books.", "Books are heavy. Members pay dues.", question)
    assert holds("Members may borrow books for 14 days.", passage, question)
    assert not holds("Members may borrow books for 21 days.", passage, question)
