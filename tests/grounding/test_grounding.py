"""Grounding: a citation that is shown supports its sentence."""

import dataclasses
import re
from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import evidence

from assistant.grounding.grounder import Grounder, ground
from assistant.grounding.support import support
from assistant.types import Grounded, Sentence, Words

FIRE = "Damage by fire, lightning and explosion is covered. The deductible is 150 euros for each claim."
FLOOD = "Flood damage is covered after a waiting period of 30 days. You bear 10 % of the loss, at least 500 euros."


def weights(terms: Iterable[str]) -> Mapping[str, float]:
    return {term: 0.1 if len(term) <= 3 else 1.0 for term in terms}


def grounded(text: str) -> list[Sentence]:
    return ground(text, [evidence(FIRE, 1), evidence(FLOOD, 2)], weights, 0.6)


def test_each_item_of_a_list_is_held_against_the_passages_with_what_opens_it() -> None:
    hit = evidence("Not covered are: damage by moles, damage by war. Covered are: damage by hail, theft of bicycles.")
    said = "Not covered are:\n- damage by moles\n- theft of bicycles\n- damage by Martians"
    *_, moles, bicycles, martians = ground(said, [hit], weights, 0.6)
    assert [moles.text, bicycles.text] == ["- damage by moles", "- theft of bicycles"]
    assert [moles.supported, bicycles.supported, martians.supported] == [True, False, False]


@pytest.mark.slow
def test_an_answer_without_end_ends() -> None:
    grounder = Grounder([evidence(FIRE)], weights, 0.6)
    said = "".join(f"Fire is covered by policy {number}, as we said. " for number in range(1, 2_000))
    for _ in grounder.feed(said[:40_000]):
        assert not grounder.is_over
    for _ in (*grounder.feed(said[40_000:]), *grounder.finish()):
        assert grounder.is_over
    assert said.startswith(grounder.said) and len(grounder.said) == 50_000
    assert grounder.text.endswith("as we said. "), "the sentence in which it was cut is left out"


@pytest.mark.parametrize(("said", "kept"), [("Hail is covered. Storm is covered up to 2", 1), ("Hail is cov", 1)])
def test_a_sentence_in_which_a_model_was_cut_supports_nothing(said: str, kept: int) -> None:
    hit = evidence("Hail is covered. Storm is covered up to 2 percent.")
    grounder = Grounder([hit], weights, 0.6)
    for _ in (*grounder.feed(said), *grounder.finish(is_cut=True)):
        pass
    assert len(grounder.sentences) == kept
    assert [sentence.supported for sentence in grounder.sentences] == [said.startswith("Hail is covered.")]
    assert "2" not in grounder.text
    whole = Grounder([hit], weights, 0.6)
    for _ in (*whole.feed("Hail is covered."), *whole.finish(is_cut=True)):
        pass
    assert whole.sentences[0].supported, "it ended with its last token"


def test_a_supported_sentence_without_marker_gets_its_citation() -> None:
    (sentence,) = grounded("Flood damage is covered after a waiting period of 30 days.")
    assert sentence.supported
    (citation,) = sentence.citations
    assert (citation.hit, citation.document) == (2, "terms-2.md")
    assert citation.quote == "Flood damage is covered after a waiting period of 30 days."
    assert citation.start == 100 + FLOOD.index("Flood") and citation.end == citation.start + len(citation.quote)


def test_of_two_places_that_say_it_the_one_that_answers_is_cited() -> None:
    near = evidence("The contract can be made until the 75th birthday.", 1)
    far = evidence("The annual travel contract can be made until the 75th birthday, at a higher premium.", 2)
    grounder = Grounder([far, near], weights, 0.6, behind=lambda some: min(0.4 * (one.hit == 2) for one in some))
    for _ in (*grounder.feed("The travel contract can be made until the 75th birthday."), *grounder.finish()):
        pass
    (sentence,) = grounder.sentences
    assert sentence.supported and sentence.to_the_point
    assert [one.hit for one in sentence.citations] == [1]


def test_a_marker_that_points_nowhere_is_removed() -> None:
    (sentence,) = grounded("Flood damage is covered after a waiting period of 30 days [7][0][12].")
    assert "[" not in sentence.text
    assert [citation.hit for citation in sentence.citations] == [2]


def test_a_marker_of_a_passage_that_does_not_say_so_is_not_shown() -> None:
    (sentence,) = grounded("Flood damage is covered after a waiting period of 30 days [1].")
    assert [citation.hit for citation in sentence.citations] == [2]


def test_a_marker_of_a_passage_that_says_so_is_kept() -> None:
    (sentence,) = grounded("The deductible is 150 euros for each claim [1].")
    assert [citation.hit for citation in sentence.citations] == [1]
    assert sentence.text == "The deductible is 150 euros for each claim."


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("The deductible is 250 euros for each claim.", "250"),
        ("Horses, dogs and elephants enjoy unlimited worldwide protection.", "%"),
    ],
)
def test_an_unsupported_sentence_is_marked_with_the_reason(sentence: str, reason: str) -> None:
    (found,) = grounded(sentence)
    assert not found.supported and not found.citations
    assert reason in found.reason


def test_without_evidence_nothing_is_supported() -> None:
    (found,) = ground("Fire is covered.", [], weights, 0.6)
    assert not found.supported and found.reason


def test_an_answer_of_nothing_but_markers_has_no_sentences() -> None:
    assert grounded("[1] [2]") == []
    assert grounded("") == []


@given(st.text(max_size=200), st.text(max_size=200))
def test_spans_of_support_lie_inside_the_passage(sentence: str, passage: str) -> None:
    found = support(sentence, evidence(passage), weights, 0.6)
    assert 0 <= found.start <= found.end <= len(passage)
    assert 0.0 <= found.coverage <= 1.0 + 1e-9


def test_a_number_elsewhere_in_the_passage_does_not_support_a_sentence() -> None:
    passage = "The deductible for hail damage is 300 euros per claim. Glass is free. Towing is paid up to 500 euros."
    (found,) = ground("The deductible for hail damage is 500 euros per claim.", [evidence(passage)], weights, 0.6)
    assert not found.supported and "500" in found.reason


@pytest.mark.parametrize(
    ("sentence", "passage"),
    [
        ("The flood cover is 10 % of the value.", "The flood cover is a part of the value."),  # stands under § 10
        ("Report flood cover within 2 days.", "(2) Report flood cover within 14 days."),
        ("The flood cover is 20 % of the value.", "The flood cover is €20 of the value."),
        ("The flood cover is 1.5 % of the value.", "The flood cover is 15 % of the value."),
    ],
)
def test_a_number_of_another_kind_supports_nothing(sentence: str, passage: str) -> None:
    hit = dataclasses.replace(evidence(passage), context="Terms > § 10 Flood cover")
    (found,) = ground(sentence, [hit], weights, 0.6)
    assert not found.supported


@pytest.mark.parametrize(
    ("sentence", "passage"),
    [
        ("The flood cover is 1,500 euros.", "The flood cover is €1,500.00 a year."),
        ("The flood cover is 1500.", "The flood cover is 1.500 € a year."),
        ("The flood cover is 10 percent.", "The flood cover is 10% of it."),
        ("The flood cover stands in § 10.", "The flood cover is a part of the value."),
        ("The flood cover of 14 days.", "The flood cover lasts 14 days."),
    ],
)
def test_the_same_quantity_in_another_spelling_supports(sentence: str, passage: str) -> None:
    hit = dataclasses.replace(evidence(passage), context="Terms > § 10 Flood cover")
    (found,) = ground(sentence, [hit], weights, 0.4)
    assert found.supported, found.reason


def test_a_citation_names_the_page_that_its_span_stands_on() -> None:
    first = "Hail damage to the roof is covered. "
    passage = first + "Towing is paid up to 500 euros."
    hit = evidence(passage, page_starts=((0, 4), (100 + len(first), 5)))
    (found,) = ground("Towing is paid up to 500 euros.", [hit], weights, 0.6)
    assert found.citations[0].page == 5 and hit.pages == (4, 5)


ANSWERS = (
    "Flood damage is covered after a waiting period of 30 days [2]. The deductible is 150 euros for each claim. [1] So",
    "Yes. Fire is covered [1][2]. <passage id='1'> Fire is covered. Fire is covered [1]. And so on",
    "No, flood damage is not. [7] The deductible is 150 euros [passage 1] for each claim【1】 <pass",
)


def told(*pieces: str) -> tuple[str, list[Sentence]]:
    """What a reader sees of an answer that comes in pieces, and its sentences."""
    grounder = Grounder([evidence(FIRE, 1), evidence(FLOOD, 2)], weights, 0.6)
    updates = [update for piece in pieces for update in grounder.feed(piece)]
    updates += grounder.finish()
    shown = "".join(update.text for update in updates if isinstance(update, Words))
    assert shown == grounder.text, "what was shown is the answer"
    assert [update.sentence for update in updates if isinstance(update, Grounded)] == grounder.sentences
    return shown, grounder.sentences


@pytest.mark.parametrize("answer", ANSWERS)
def test_any_split_of_the_stream_gives_the_words_sentences_and_citations_of_the_whole(answer: str) -> None:
    whole = told(answer)
    assert told(*answer) == whole
    assert all(told(answer[:place], answer[place:]) == whole for place in range(len(answer)))


@given(st.lists(st.sampled_from([*re.findall(r"\S+\s*", " ".join(ANSWERS)), "[1", "]", "<", "\n", " "]), max_size=20))
def test_any_words_in_any_order_are_shown_as_they_would_be_at_once(pieces: list[str]) -> None:
    whole = told("".join(pieces))
    assert told(*pieces) == whole == told(*"".join(pieces))


def test_a_marker_behind_the_full_stop_belongs_to_the_sentence_before_it() -> None:
    said = "Fire is covered. [1] Damage is covered. [2] A claim"
    both = [evidence("Fire is covered. Damage is covered.", rank) for rank in (1, 2)]
    cited = [[citation.hit for citation in sentence.citations] for sentence in ground(said, both, weights, 0.6)]
    assert cited[:2] == [[1], [2]]


def test_yes_says_nothing_without_the_sentence_behind_it() -> None:
    (sentence,) = grounded("Yes. Damage by fire, lightning and explosion is covered [1].")
    assert sentence.supported and sentence.text.startswith("Yes. Damage")
    (alone,) = grounded("Yes.")
    assert not alone.supported


def test_a_sentence_that_begins_like_an_earlier_one_is_shown_once_it_differs() -> None:
    shown, sentences = told("Fire is covered. ", "Fire is ", "covered abroad. ", "Fire is covered. ", "Fire is")
    assert shown == "Fire is covered. Fire is covered abroad."
    assert len(sentences) == 2
