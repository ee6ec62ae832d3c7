"""Languages and terms."""

import pytest

from assistant.text.languages import LANGUAGES
from assistant.text.words import (
    content_stems,
    detect,
    language_identifier,
    may_be_in,
    query_terms,
    stems,
    terms,
    whole_questions,
    words,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1,234", "1.234"),
        ("9.984 Euro", "9984 Euro"),
        ("12\u00a0000", "12000"),
        ("CAFÉ", "café"),
        ("ﬁre", "fire"),
    ],
)
def test_spellings_of_one_word_are_one_word(one: str, other: str) -> None:
    assert words(one) == words(other)


def test_decimals_and_dates_are_not_thousands() -> None:
    assert words("12.50 and 01.02.2024 and 1.2345") == [
        "12",
        "50",
        "and",
        "01",
        "02",
        "2024",
        "and",
        "1",
        "2345",
    ]


def test_inflected_forms_share_a_term() -> None:
    assert set(terms("claims", "en")) & set(terms("claim", "en"))
    assert set(stems("Versicherungen", "de")) == set(stems("Versicherung", "de"))


def test_a_part_of_a_german_compound_shares_terms_with_it() -> None:
    assert set(terms("Frist", "de")) & set(terms("Kündigungsfrist", "de"))
    assert not set(terms("frist", "en")) & set(terms("kündigungsfrist", "en"))


def test_terms_of_short_words_and_of_nothing() -> None:
    assert terms("", "de") == []
    assert terms("§", "en") == []
    assert "ab" in terms("ab", "de")


def test_question_words_are_left_out_unless_nothing_else_is_there() -> None:
    assert query_terms("How much is the deductible?", ["en"]) == stems("deductible", "en")
    assert query_terms("How long is the ladder?", ["en"]) == stems("ladder", "en")
    assert query_terms("How are long ladders carried?", ["en"]) == stems("long ladders carried", "en")
    assert query_terms("what is it", ["en"]) == stems("what is it", "en")


def test_a_question_is_searched_as_words_in_every_language_of_the_corpus() -> None:
    found = query_terms("Zahn 90 waiting periods", ["en", "de"], "en")
    assert set(stems("Zahn waiting periods", "en")) <= set(found)
    assert "zahn" in found and not any(term.startswith("00") for term in found)


def test_whole_questions_need_two_words() -> None:
    assert whole_questions("Deductible?", ["en"]) == []
    assert whole_questions("What is covered?", ["en", "de"]) == ["what is cover", "what is covered"]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The policyholder must report every claim within seven days of the loss.", "en"),
        ("Der Versicherungsnehmer muss jeden Schaden innerhalb von sieben Tagen melden.", "de"),
        ("", ""),
        ("12 345 %", ""),
    ],
)
def test_languages_are_told_and_unsure_is_said(text: str, language: str) -> None:
    assert detect(text) == language


def test_the_choice_can_be_restricted() -> None:
    assert detect("Wie hoch ist die Selbstbeteiligung?", ["de", "en"]) == "de"
    assert detect("anything at all", ["de"]) == "de"


def test_the_model_that_tells_languages_is_read_once_for_all_sets_of_them() -> None:
    every, some = language_identifier(), language_identifier(("de", "en"))
    assert some.tk_nextmove is every.tk_nextmove
    assert (set(some.labels), len(every.labels) > 90) == ({"de", "en"}, True)


def test_content_stems_keep_what_a_question_is_about() -> None:
    assert content_stems("Wie lange ist die längere Wartezeit?", "de") == stems("längere Wartezeit", "de")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_text_is_told_from_those_in_every_other_language_of_the_assistant(language: str) -> None:
    said = {
        "en": "The policyholder must report every claim within seven days of the loss.",
        "de": "Der Versicherungsnehmer muss jeden Schaden innerhalb von sieben Tagen melden.",
        "fr": "Vous devez déclarer chaque sinistre dans un délai de quatorze jours.",
    }
    assert {one for one, text in said.items() if may_be_in(text, language)} == {language}
    assert all(may_be_in(text, "") for text in said.values())
