"""A refusal begins in the words of the house and helps; it is recognised when it is said."""

import pytest
from samples import evidence

from assistant.config import Settings
from assistant.refusal import closest_text, declines, elsewhere, may_decline, refusal_text
from assistant.types import Citation, Sentence

EN, DE = "What is the deductible for hail damage?", "Wie hoch ist die Selbstbeteiligung bei Hagel?"
FR = "Quelle est la franchise pour les dégâts de grêle ?"


@pytest.mark.parametrize(("question", "language"), [(EN, "en"), (DE, "de"), ("???", "en")])
@pytest.mark.parametrize("help_", [{}, {"missing": ["hail"]}])
def test_it_begins_with_the_house_refusal_in_the_language_of_the_question(
    settings: Settings, question: str, language: str, help_: dict[str, list[str]]
) -> None:
    text = refusal_text(question, settings.answer, **help_)
    assert text.startswith(settings.answer.refusal[language])
    assert all(word in text for words in help_.values() for word in words)
    assert declines(text, settings.answer)


def test_it_says_what_was_looked_for_in_few_words_and_the_right_quotes(settings: Settings) -> None:
    many = [f"word{number}" for number in range(50)]
    assert len(refusal_text(EN, settings.answer, many)) < 200
    assert "„Hagel“" in refusal_text(DE, settings.answer, ["Hagel"])


def test_a_house_with_another_language_gets_its_own_words_alone(settings: Settings) -> None:
    italian = settings.answer.model_copy(update={"refusal": {"it": "Non trovo una risposta."}})
    assert refusal_text(EN, italian, ["hail"]) == "Non trovo una risposta."


@pytest.mark.parametrize(("question", "page"), [(EN, "p. 4"), (DE, "S. 4"), (FR, "p. 4")])
def test_places_that_come_closest_are_told_in_the_language_of_the_question(
    settings: Settings, question: str, page: str
) -> None:
    text = "A hail station repairs it."
    shown = evidence(text, document="terms.pdf", title="Motor terms", page_starts=((0, 4),))
    place = Citation(1, "terms.pdf", shown.path, 4, 0, len(text), text)
    told = closest_text(question, settings.answer, [Sentence(text, True, "", (place,))], [shown])
    assert told.endswith(f"- Motor terms · § 1 Cover (terms.pdf, {page}): {text}")


def test_braces_in_a_question_are_only_text(settings: Settings) -> None:
    assert "{0.__class__}" in refusal_text(EN, settings.answer, ["{0.__class__}"])


def test_an_answer_is_no_refusal(settings: Settings) -> None:
    assert not declines("The deductible is 150 euros.", settings.answer)
    assert not declines("", settings.answer)


def test_a_refusal_is_known_by_its_beginning(settings: Settings) -> None:
    assert may_decline(refusal_text(EN, settings.answer)[:12], settings.answer)
    assert not may_decline("The deductible", settings.answer)


def test_documents_in_other_languages_are_told_in_the_language_of_the_question(settings: Settings) -> None:
    (told,) = elsewhere(DE, settings.answer, ["en", "fr"])
    assert "Fragen Sie auch auf Englisch, Französisch." in told
    assert elsewhere(DE, settings.answer, []) == elsewhere("?", settings.answer, ["en"]) == ()
