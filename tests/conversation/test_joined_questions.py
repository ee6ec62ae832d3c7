"""Questions that join several."""

import pytest

from assistant.conversation.followups import joined_questions


@pytest.mark.parametrize(
    ("question", "alone"),
    [
        (
            "A burglary of €12,000: within what time do I have to report it, and who releases the payment?",
            [
                "within what time do I have to report it (A burglary of €12,000)?",
                "who releases the payment (A burglary of €12,000)?",
            ],
        ),
        (
            "My laptop was stolen. Is it covered, and up to what amount?",
            ["Is it covered (My laptop was stolen)?", "up to what amount (My laptop was stolen)?"],
        ),
        (
            "What documents do I need? Where do I send them?",
            ["What documents do I need?", "Where do I send them (documents do I need)?"],
        ),
        (
            "Bis wann muss ich einen Einbruch melden und wer gibt die Zahlung frei?",
            ["Bis wann muss ich einen Einbruch melden?", "wer gibt die Zahlung frei?"],
        ),
        (
            "Was kostet das Ticket und muss ich es vorher buchen?",
            ["Was kostet das Ticket?", "muss ich es vorher buchen (Ticket)?"],
        ),
        (
            "Combien coûte la carte et qui peut la demander ?",
            ["Combien coûte la carte?", "qui peut la demander (la carte)?"],
        ),
    ],
)
def test_each_question_of_several_stands_by_itself(question: str, alone: list[str]) -> None:
    assert [one.standalone for one in joined_questions(question)] == alone


@pytest.mark.parametrize(
    "question",
    [
        "",
        "and who?",
        "When and how do I cancel?",
        "Are bicycles and tents covered?",
        "Is a bike insured when it is locked and stands in the cellar?",
        "Hello, I have a question. Is hail covered?",
        "Can I insure my son and my daughter?",
        "Sind Hunde und Katzen versichert?",
        "What is A? What is B? What is C? What is D?",
    ],
)
def test_one_question_about_several_things_is_one(question: str) -> None:
    assert joined_questions(question) == ()
