"""Sentences: where they end, and where they do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.text.sentences import sentence_spans


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


@pytest.mark.parametrize(
    "text",
    [
        "Nach § 4 Abs. 2 Nr. 3 gilt dies nicht.",
        "Das gilt z. B. am 3. Mai für Dr. Huber.",
        "See No. 5 of the terms, i.e. the long ones.",
        "It costs 12.50 euros.",
        "J. R. Smith signed.",
        "Call us (e.g. by phone) today!",
    ],
)
def test_a_dot_inside_a_sentence_ends_none(text: str) -> None:
    assert split(text) == [text]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("He said “stop.” Then he left.", ["He said “stop.”", "Then he left."]),
        ("Wir zahlen. Über 100 €. § 5 gilt.", ["Wir zahlen.", "Über 100 €.", "§ 5 gilt."]),
        ("The amount is 500. Pay it.", ["The amount is 500.", "Pay it."]),
    ],
)
def test_sentences_are_told_apart(text: str, parts: list[str]) -> None:
    assert split(text) == parts


@given(st.text(alphabet="ab .!?\n\t§1Ä", max_size=200))
def test_spans_are_in_order_disjoint_and_lose_only_white_space(text: str) -> None:
    position = 0
    for start, end in sentence_spans(text):
        assert position <= start < end
        assert not text[position:start].strip()
        position = end
    assert not text[position:].strip()


@pytest.mark.parametrize("text", ["Siedziba przy pl. łódzkim jest nowa.", "Дом на наб. реки стоит давно."])
def test_a_small_letter_of_any_script_begins_no_sentence(text: str) -> None:
    assert split(text) == [text]


def test_a_script_without_capitals_has_sentences() -> None:
    assert split("ეს პირველია. ეს მეორეა.") == ["ეს პირველია.", "ეს მეორეა."]
