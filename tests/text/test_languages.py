"""Each language is one folder of data: with the same keys, all of them used, and no more than that."""

import re
from pathlib import Path

import pytest

from assistant.text.languages import LANGUAGES, alternatives, data
from assistant.text.lexicon import read_with, table, vocabulary
from assistant.text.words import answered_in

ROOT = Path(__file__).parents[2]
_SETS = ("stopwords", "prepositions", "demonstratives", "negations", "relations", "no_names")


@pytest.mark.parametrize("name", ["words", "answers", "interface"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_keys(language: str, name: str) -> None:
    assert list(data(language, name)) == list(data(LANGUAGES[0], name))


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_language_holds_by_name_has_the_same_names(language: str) -> None:
    for kind in ("decisive", "counted", "counted_otherwise", "units"):
        assert data(language, "words")[kind].keys() == data(LANGUAGES[0], "words")[kind].keys(), kind
    assert len(data(language, "words")["months"]) == 12


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts_have_the_places_of_the_english_ones(language: str) -> None:
    for kind, text in data(language, "answers").items():
        assert set(re.findall(r"\{\w*\}", text)) == set(re.findall(r"\{\w*\}", data("en", "answers")[kind])), kind


def test_no_kind_of_words_is_idle() -> None:
    files = (file for top in ("assistant", "ingest", "eval", "ui") for file in (ROOT / top).rglob("*.py"))
    product = "".join(file.read_text(encoding="utf-8") for file in files)
    assert [kind for kind in data("en", "words") if f'"{kind}"' not in product and f"'{kind}'" not in product] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_value_makes_a_pattern_or_a_set_of_words(language: str) -> None:
    for kind, value in data(language, "words").items():
        if isinstance(value, str):
            re.compile(alternatives(value).replace("<words>", "x").replace("<noun>", "x").replace("<help>", ""))
            assert all(word.islower() for word in vocabulary(kind, language) if kind in _SETS), kind


def test_english_and_german_are_read_together_and_others_by_themselves() -> None:
    assert read_with("en") == read_with("de") == read_with("") == read_with("nl") == ("en", "de")
    assert all(read_with(language) == (language,) for language in LANGUAGES if language not in ("en", "de"))
    assert {"the", "und"} <= vocabulary("stopwords", "en") == vocabulary("stopwords", "de")
    assert table("opposites", "en")["ausgeschlossen"] == "versichert"


def test_a_short_question_is_answered_in_no_language_of_which_it_has_no_word() -> None:
    assert answered_in("hail damage deductible motor?", LANGUAGES) == "en"
    assert answered_in("Wie hoch ist die Selbstbeteiligung?", LANGUAGES) == "de"
