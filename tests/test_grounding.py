"""Grounding: a citation that is shown supports its sentence."""

import dataclasses
from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import evidence

from assistant.grounding import ground, support, without_markers
from assistant.types import Sentence

FIRE = "Damage by fire, lightning and explosion is covered. The deductible is 150 euros for each claim."
FLOOD = "Flood damage is covered after a waiting period of 30 days. You bear 10 % of the loss, at least 500 euros."


def weights(terms: Iterable[str]) -> Mapping[str, float]:
    return {term: 0.1 if len(term) <= 3 else 1.0 for term in terms}


def grounded(text: str) -> list[Sentence]:
    return ground(text, [evidence(FIRE, 1), evidence(FLOOD, 2)], weights, 0.6)


def test_a_supported_sentence_without_marker_gets_its_citation() -> None:
    (sentence,) = grounded("Flood damage is covered after a waiting period of 30 days.")
    assert sentence.supported
    (citation,) = sentence.citations
    assert (citation.hit, citation.document) == (2, "terms-2.md")
    assert citation.quote == "Flood damage is covered after a waiting period of 30 days."
    assert citation.start == 100 + FLOOD.index("Flood") and citation.end == citation.start + len(citation.quote)


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


@given(st.text(alphabet="ab [1]2.§ \n", max_size=80))
def test_markers_never_survive_and_known_ones_are_in_range(text: str) -> None:
    clean, cited = without_markers(text, 2)
    assert set(cited) <= {1, 2}
    assert without_markers(clean, 2)[1] == () or "[" in clean


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
