"""Quotations: the best words of the documents, and a second place only where it is nearly as good."""

from collections.abc import Iterable, Mapping

import pytest
from fakes import FakeEmbedder
from samples import evidence

from assistant.grounding.grounder import cite
from assistant.grounding.quoting import Places
from assistant.types import Sentence

HAIL = "The deductible for hail damage to a car is 150 euros. " + "A workshop of ours lowers it. " * 6
FLOOD = "Whoever lives by a river bears ten percent of each flood loss. " + "Water from a burst pipe is no flood. " * 8
OTHER_HAIL = "The deductible for hail damage to a car is 200 euros. " + "Old contracts stay. " * 8


def alike(stems: Iterable[str]) -> Mapping[str, float]:
    return dict.fromkeys(stems, 1.0)


def quoted(question: str, *texts: str) -> tuple[Sentence, ...]:
    hits = [evidence(text, rank, document=f"{rank}.md") for rank, text in enumerate(texts, 1)]
    return Places(question, hits, FakeEmbedder(), alike).quotes()


def test_one_place_that_fits_best_by_far_is_quoted_alone() -> None:
    (only,) = quoted("What is the deductible for hail damage to a car?", FLOOD, HAIL)
    assert "150 euros" in only.text and only.supported
    assert only.citations[0].document == "2.md"


def test_a_second_place_that_fits_nearly_as_well_is_quoted_too() -> None:
    first, second = quoted("What is the deductible for hail damage to a car?", HAIL, OTHER_HAIL, FLOOD)
    assert "150 euros" in first.text and "200 euros" in second.text
    assert [one.citations[0].document for one in (first, second)] == ["1.md", "2.md"]


def test_the_same_words_are_not_quoted_twice() -> None:
    assert len(quoted("What is the deductible for hail damage to a car?", HAIL, HAIL)) == 1


def test_never_more_than_two_places_are_quoted() -> None:
    texts = [HAIL.replace("150", str(amount)) for amount in (150, 160, 170, 180)]
    assert len(quoted("What is the deductible for hail damage to a car?", *texts)) == 2


def test_an_item_of_a_list_is_quoted_without_its_bullet_and_its_neighbour() -> None:
    terms = "- The deductible for hail damage to a car is 150 euros.\n- Cars of guests are not insured here."
    (only,) = quoted("What is the deductible for hail damage to a car?", terms)
    assert only.text == "The deductible for hail damage to a car is 150 euros."
    before = "The deductible for hail damage to a car is 150 euros.\n- Cars of guests are not insured here."
    assert quoted("What is the deductible for hail damage to a car?", before)[0].text == only.text


@pytest.mark.parametrize(
    "following",
    [
        "(2) Cars of guests are not.",
        "\n(b) cars of guests;",
        "\n\nKind regards, your service.",
        "\n§ 8 Cars of guests",
        "2.5 Cars",
    ],
)
def test_a_quotation_goes_on_in_its_clause_and_ends_with_it(following: str) -> None:
    clause = (
        "(1) The deductible for hail damage to a car is 150 euros. It is halved at a hail station. It is due at once."
    )
    (only,) = quoted("What is the deductible for hail damage to a car?", f"{clause} {following}")
    assert only.text == clause
    assert only.citations[0].quote == clause


def test_a_quotation_leaves_out_what_would_make_it_long() -> None:
    first = "The deductible for hail damage to a car is 150 euros."
    (only,) = quoted("What is the deductible for hail damage to a car?", f"{first} It is halved. {'And so on, ' * 40}.")
    assert only.text == f"{first} It is halved."


@pytest.mark.parametrize("text", ["", "Hail", "# Hail\n\nCar"])
def test_without_a_sentence_nothing_is_quoted(text: str) -> None:
    assert quoted("What is the deductible for hail damage?", text) == ()
    assert Places("What is it?", [], FakeEmbedder(), alike).quotes() == ()


def test_citations_are_to_the_point_unless_other_words_fit_clearly_better() -> None:
    hits = [evidence(HAIL, 1, document="1.md"), evidence(FLOOD, 2, document="2.md")]
    places = Places("What is the deductible for hail damage to a car?", hits, FakeEmbedder(), alike)
    (best,) = places.quotes()
    assert places.are_cited(best.citations)
    assert not places.are_cited([cite(hits[1], 0, 40)])
    assert places.are_cited([cite(hits[1], 0, 40), *best.citations]), "one that fits is enough"
    assert places.are_cited([cite(evidence(OTHER_HAIL, 3, document="3.md"), 0, 40)]), "not ranked, not doubted"
