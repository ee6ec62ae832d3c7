"""The words of the interface: the same in every language, and numbers and dates as each writes them."""

import re
import string
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from assistant.config import description_of, setting_keys
from assistant.text.languages import LANGUAGES, Language, data
from ui.pages.training import MORE
from ui.texts import explanation, field_words, preferred, shown_date, shown_number, text, texts

CODE = Path(__file__).parents[2] / "ui"


def places(of: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(of) if name is not None}


def test_every_language_has_the_same_keys_with_the_same_places() -> None:
    english, german = texts("en"), texts("de")
    assert english.keys() == german.keys()
    assert {key for key in english if places(english[key]) != places(german[key])} == set()


def test_every_text_stands_somewhere() -> None:
    files = (file for file in CODE.rglob("*") if file.suffix in {".py", ".jinja"})
    code = "\n".join(file.read_text(encoding="utf-8") for file in files)
    whole = set(re.findall(r"""["']([a-z_]+(?:\.[a-z0-9_]+)+)["']""", code))
    begun = tuple(map("".join, re.findall(r"""f["']([a-z_]+\.[a-z0-9_.]*)\{|["']([a-z_]+\.[a-z0-9_.]*)["'] ~""", code)))
    assert [key for key in texts("en") if key not in whole and not key.startswith(begun)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_empty_or_of_another_type(language: Language) -> None:
    assert all(value and value not in ("None", "True", "False") for value in texts(language).values())


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_every_setting_is_explained_in_every_language(language: Language) -> None:
    of_trainings = {f"train.{key}" for key in (*MORE, "pairs")}
    assert set(data(language, "fields")) == {*setting_keys(), *of_trainings}
    explained = {key: field_words(key, language) for key in data(language, "fields")}
    assert [key for key, (_, does) in explained.items() if len(does) < 20] == []
    assert {key for key, (name, _) in explained.items() if name} == of_trainings


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_what_is_typed_as_it_stands_is_so_in_every_language(language: Language) -> None:
    typed = re.compile(r"\b(?:[a-z]+\.[a-z_]{3,}|ASSISTANT_[A-Z_]+|https?://[^ ;]+\d\S*?|--[a-z]+)(?=[ ;,)]|$)")
    for key in setting_keys():
        assert set(typed.findall(description_of(key))) <= set(typed.findall(explanation(key, language)))


def test_a_key_that_there_is_not_is_told() -> None:
    with pytest.raises(KeyError):
        text("chat.no_such_text", "en")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de-AT,de;q=0.9,en;q=0.5", "de"),
        ("en-GB,en;q=0.9", "en"),
        ("it,de;q=0.3", "de"),
        ("en;q=0,de;q=0.1", "de"),
        ("", "en"),
        ("it", "en"),
        ("de;q=x,,;q=", "en"),
    ],
)
def test_the_browser_says_which_language(header: str, language: str) -> None:
    assert preferred(header) == language


def test_numbers_and_dates_are_written_as_each_language_does() -> None:
    assert (shown_number(1234.5, "en", 1), shown_number(1234.5, "de", 1)) == ("1,234.5", "1.234,5")
    assert (shown_date(date(2026, 11, 5), "en"), shown_date(date(2026, 11, 5), "de")) == ("05 Nov 2026", "05.11.2026")
    assert shown_date(datetime(2026, 11, 5, 14, 3, tzinfo=UTC), "de") == "05.11.2026, 14:03"


def test_values_are_put_in_as_they_are() -> None:
    assert text("app.forbidden", "en", role="{admin}", name="<b>", own="{}").count("{admin}") == 1
