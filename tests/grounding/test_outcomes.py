"""What stands behind an answer that leaves out a condition or the figures of the documents."""

import pytest
from samples import evidence, weights

from assistant.grounding.grounder import ground
from assistant.grounding.outcomes import left_out

HALVED = "(1) The deductible is €150.\n(2) If a partner garage repairs the car, the deductible for hail is halved."
LENT = "Geliehene Räder sind versichert, sofern der Verleiher zustimmt. Kinder fahren mit."
REPAID = "La franchise pour la grêle est remboursée, si un garage agréé répare la voiture. Rien d'autre."


def behind(passage: str, said: str, question: str, language: str) -> list[str]:
    hits = [evidence(passage, language=language, start=0)]
    sentences = ground(said, hits, weights, 0.5)
    assert all(one.supported for one in sentences), sentences
    found = list(left_out(sentences, hits, question))
    for one in found:
        (cited,) = one.citations
        assert one.supported and passage[cited.start : cited.end] == cited.quote and one.before == "\n"
    return [one.text for one in found]


@pytest.mark.parametrize(
    ("passage", "said", "question", "language", "expected"),
    [
        (HALVED, "The deductible for hail is halved.", "What is the deductible?", "en", HALVED.partition("\n")[2]),
        (LENT, "Geliehene Räder sind versichert.", "Sind geliehene Räder dabei?", "de", LENT.partition(". ")[0] + "."),
        (REPAID, "La franchise pour la grêle est remboursée.", "Grêle ?", "fr", REPAID.partition(". ")[0] + "."),
    ],
)
def test_a_condition_that_an_answer_leaves_out_stands_behind_it(
    passage: str, said: str, question: str, language: str, expected: str
) -> None:
    assert behind(passage, said, question, language) == [expected]
    assert behind(passage, f"{said} {said}", question, language) == [expected], "once"


def test_figures_that_an_answer_leaves_out_stand_behind_it() -> None:
    drones = "(3) Drones of up to 500 g are insured in Home Plus. Kites are insured too."
    assert behind(drones, "Drones are insured in Home Plus.", "Are drones insured?", "en") == [
        drones.partition(". ")[0] + "."
    ]
    assert behind(drones, "Kites are insured too.", "Are kites insured?", "en") == []
    assert behind(drones, "Drones are insured in Home Plus.", "Is a drone of 500 g insured?", "en") == []
    assert behind(drones, "Drones of up to 500 g are insured.", "Are drones insured?", "en") == []


@pytest.mark.parametrize(
    ("said", "question"),
    [
        ("The deductible for hail is halved if a partner garage repairs the car.", "What is the deductible?"),
        ("The deductible for hail is halved.", "A partner garage repairs the car. What is the deductible for hail?"),
        ("The deductible is €150.", "What is the deductible?"),
        (f"The deductible for hail is halved. {HALVED.partition(chr(10))[2]}", "What is the deductible?"),
    ],
)
def test_what_was_said_or_asked_is_not_said_again(said: str, question: str) -> None:
    assert behind(HALVED, said, question, "en") == []


def test_rows_have_no_conditions() -> None:
    table = "| Class | When | Premium |\n| HC 3 | once in ten years, if ever | 60 euros |"
    assert behind(table, "The premium of class HC 3 is 60 euros.", "What does HC 3 cost?", "en") == []
