"""Number words: each number is read as what it is, and nothing else is a number."""

import time

import pytest
from samples import evidence, is_supported

from assistant.text.quantities import in_figures, quantities
from bench.written import spelled

ENGLISH = "Send us the list within {} days of the theft."
GERMAN = "Die Liste muss innerhalb von {} Tagen nach dem Diebstahl vorliegen."


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_number_is_read_as_what_it_is(language: str) -> None:
    for number in (*range(2, 1000), 1001, 1100, 1250, 2020, 2500, 4711, 9999):
        assert in_figures(f"({spelled(number, language)} x)") == f"({number} x)"


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("two hundred euros", ["200€"]),
        ("up to a thousand euros", ["1000€"]),
        ("forty-five days", ["45day"]),
        ("a forty-five-day limit", ["45day"]),
        ("between ten and twenty days", ["10day", "20day"]),
        ("ten to twenty-one days", ["10day", "21day"]),
        ("two million three hundred thousand euros", ["2300000€"]),
        ("one and a half years", ["1.5year"]),
        ("one hundred and fifty dollars", ["150$"]),
        ("5 million euros", ["5000000€"]),
        ("on the fifteenth of May 2026", ["2026-05-15"]),
        ("Section four", ["§4"]),
        ("hundert Prozent", ["100%"]),
        ("eine Million Euro", ["1000000€"]),
        ("fünfundvierzig Tage", ["45day"]),
        ("zweitausendfünfhundert Euro", ["2500€"]),
        ("zehn bis zwanzig Tage", ["10day", "20day"]),
        ("anderthalb Jahre", ["1.5year"]),
        ("zweieinhalb Stunden", ["2.5hour"]),
        ("siebzehntägige Frist", ["17day"]),
        ("am fünfzehnten Mai", ["--05-15"]),
        ("der vierte Tag", ["4"]),
    ],
)
def test_quantities_may_be_written_as_words(text: str, numbers: list[str]) -> None:
    assert quantities(text) == numbers


@pytest.mark.parametrize(
    "text",
    [
        "One of the drivers may do it, no one else, and one by one.",
        "A second driver and third parties, first of all; wait a second. You may in May.",
        "Often a tent, a weight, the network and some content.",
        "Eine der Fahrerinnen fährt ein Auto; bitte achten Sie auf den zweiten Zweifel.",
        "Achtung: gemeinnützig, einmalig, die Dreistigkeit, Hunderte von Elfen.",
        "half a million of them, and half of it",
    ],
)
def test_words_that_are_no_numbers_stay(text: str) -> None:
    assert in_figures(text) == text
    assert quantities(text) == []


@pytest.mark.parametrize(
    ("sentence", "language", "written"),
    [(ENGLISH, "en", 14), (ENGLISH, "en", 45), (ENGLISH, "en", 200), (GERMAN, "de", 14), (GERMAN, "de", 45)],
)
def test_a_number_supports_itself_and_no_other_in_words_and_in_figures(
    sentence: str, language: str, written: int
) -> None:
    for form in (str(written), spelled(written, language)):
        hit = evidence(sentence.format(form), language=language)
        for other in (written, 17, 40, 50, 1000):
            for said in (str(other), spelled(other, language)):
                assert is_supported(sentence.format(said), hit) == (other == written), (form, said)


def test_a_number_may_open_a_sentence_in_words() -> None:
    hit = evidence("14 Tage nach dem Diebstahl endet die Frist.", language="de")
    assert is_supported("Vierzehn Tage nach dem Diebstahl endet die Frist.", hit)
    assert not is_supported("Vierzig Tage nach dem Diebstahl endet die Frist.", hit)


@pytest.mark.parametrize("word", ["two ", "one hundred ", "hundert", "einund", "zwei Millionen ", "half a million "])
def test_the_time_grows_with_the_text_and_no_faster(word: str) -> None:
    began = time.process_time()
    in_figures(word * (100_000 // len(word)))
    assert time.process_time() - began < 2
