"""Quotations: the best words of the documents, and a second place only where it is nearly as good."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest
from fakes import FakeEmbedder
from samples import evidence

from assistant.grounding.grounder import cite
from assistant.grounding.quoting import EarlierAnswer, Places
from assistant.store.blocks import blocks_in
from assistant.types import Evidence, Sentence

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


def test_items_with_bullets_stay_apart_and_dashes_stay() -> None:
    question = "What do we cover by the house policy?"
    listed = (
        "We cover by the house policy the following:\n- fire damage\n- water damage or\n- theft, from 8 - 12 o'clock."
    )
    (only,) = quoted(question, listed)
    end = "fire damage; water damage or theft, from 8 - 12 o'clock."
    assert only.text == f"We cover by the house policy the following: {end}"


def test_an_answer_is_quoted_without_the_tables_and_paragraphs_behind_it() -> None:
    asked = "Is damage by hail to a greenhouse covered?"
    text = (
        f"{asked}\n\nNo. It is not.\n\n| a | b |\n| x | y |\n\nDamage by hail to a greenhouse is covered by a clause."
    )
    first, *_ = quoted(asked, text)
    assert first.text == "Damage by hail to a greenhouse is covered by a clause."


def test_the_head_of_a_mail_is_not_quoted() -> None:
    mail = "Subject: Hail damage to a car\nDate: Mon, 16 Mar 2026, hail damage to a car\n\nIt costs you 150 euros."
    head, body = blocks_in(mail, 100)
    hit = evidence(mail, blocks=(replace(head, kind="fields"), body))
    found = Places("Hail damage to a car?", [hit], FakeEmbedder(), alike).quotes()
    assert not any(one.text.startswith(("Subject", "Date")) for one in found)


def test_what_has_nothing_to_do_with_a_question_is_not_quoted() -> None:
    assert quoted("Who wrote Faust?", HAIL, FLOOD) == ()


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
        "(2) Guests are not.",
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


@pytest.mark.parametrize("before", ["(1) Guests are not.", "Kind regards, your service.\n\n", "- cars of guests;\n"])
def test_a_quotation_begins_with_its_clause(before: str) -> None:
    clause = "(2) It is due at once. The deductible for hail damage to a car is 150 euros."
    (only,) = quoted("What is the deductible for hail damage to a car?", f"{before} {clause}")
    assert only.text == clause
    assert only.citations[0].quote == clause


def test_a_quotation_leaves_out_what_would_make_it_long() -> None:
    first = "The deductible for hail damage to a car is 150 euros."
    (only,) = quoted("What is the deductible for hail damage to a car?", f"{first} It is halved. {'And so on, ' * 40}.")
    assert only.text == f"{first} It is halved."
    (only,) = quoted("What is the deductible for hail damage to a car?", f"It is due at once{', or so' * 60}. {first}")
    assert only.text == first


@pytest.mark.parametrize("text", ["", "Hail", "# Hail\n\nCar"])
def test_without_a_sentence_nothing_is_quoted(text: str) -> None:
    assert quoted("What is the deductible for hail damage?", text) == ()
    assert Places("What is it?", [], FakeEmbedder(), alike).quotes() == ()


def test_a_citation_is_as_far_behind_the_best_place_as_it_fits_the_question_worse() -> None:
    hits = [evidence(HAIL, 1, document="1.md"), evidence(FLOOD, 2, document="2.md")]
    places = Places("What is the deductible for hail damage to a car?", hits, FakeEmbedder(), alike)
    (best,) = places.quotes()
    assert places.behind(best.citations) == 0
    assert places.behind([cite(hits[1], 0, 40)]) > 0.3
    assert places.behind([cite(hits[1], 0, 40), *best.citations]) == 0, "one that fits is enough"
    assert places.behind([cite(evidence(OTHER_HAIL, 3, document="3.md"), 0, 40)]) == 0, "not ranked, not doubted"


def test_an_older_edition_alone_answers_nothing_unless_its_year_is_asked_for() -> None:
    old = evidence(HAIL, 2, title="Terms 2024", date="2024-01-01")
    new = evidence(OTHER_HAIL, 1, title="Terms 2026", date="2026-01-01")
    asked = "What is the deductible for hail damage to a car"
    now, then = (Places(f"{asked}{when}?", [new, old], FakeEmbedder(), alike) for when in ("", " in 2024"))
    assert now.behind([cite(old, 0, 40)]) > 0.3 > then.behind([cite(old, 0, 40)])
    assert now.behind([cite(old, 0, 40), cite(new, 0, 40)]) < 0.3, "both may be told"


FAQ = """Are my things covered in a storage unit?

Things in a self-storage unit are covered for at most 3, 6 or 12 months against fire, burglary and hail.

I have a dog. Does the insurance pay if my dog chews the sofa?

No. Damage by your own animals is not one of the insured perils.

How fast is it paid

We give a first decision within 10 working days of the report."""


def faq() -> Evidence:
    """The chunk of a page of questions; only the first heading is that of the chunk."""
    titles = [block for block in FAQ.split("\n\n") if not block.endswith(".")]
    places = [(100 + FAQ.index(title), title) for title in titles]
    headings = [(start, start + len(title), f"Home > {title}") for start, title in places]
    return evidence(FAQ, heading=headings[0][2], blocks=tuple(blocks_in(FAQ, 100, headings)))


def test_a_question_of_the_documents_is_answered_from_its_first_word_and_not_quoted() -> None:
    question = "Does the insurance pay if my dog chews the sofa?"
    for hit in (faq(), evidence(FAQ, heading="Home")):
        first, *_ = Places(question, [hit], FakeEmbedder(), alike).quotes()
        assert first.text == "No. Damage by your own animals is not one of the insured perils."
        assert first.citations[0].quote == first.text


def test_no_heading_is_quoted_and_what_stands_under_it_is_found_by_it() -> None:
    hit = faq()
    first, *_ = Places("How fast is it paid", [hit], FakeEmbedder(), alike).quotes()
    assert first.text.startswith("We give a first decision")
    assert hit.block_at(first.citations[0].start).heading == "Home > How fast is it paid"


def test_an_item_is_quoted_with_what_opens_its_list() -> None:
    terms = "(1) There is no cover for damage\n(a) by acts of war,\n(b) by moles in the garden of the house.\n(2) Hail."
    (only,) = quoted("Damage by moles in the garden of the house?", terms)
    assert only.text == "(1) There is no cover for damage (b) by moles in the garden of the house."
    assert only.citations[0].quote == "(b) by moles in the garden of the house."


@pytest.mark.parametrize("between", ["\n", "\n\n"])
def test_what_opens_a_list_is_quoted_with_its_items(between: str) -> None:
    items = "(a) war,\n(b) moles."
    terms = f"(1) There is no cover for damage to the house that is caused by{between}{items}\n(2) All else is covered."
    (only,) = quoted("What damage to the house is there no cover for?", terms)
    assert only.text == "(1) There is no cover for damage to the house that is caused by (a) war, (b) moles."


CLAUSES = {
    "en": (
        "What is the deductible for hail damage to a car?",
        "(1) The deductible for hail damage to a car is 150 euros.",
        "(2) The deductible for hail does not apply in an emergency.",
        "(3) Letters never reach us on Sundays.",
    ),
    "de": (
        "Wie hoch ist die Selbstbeteiligung bei Hagel?",
        "(1) Die Selbstbeteiligung bei Hagel am Auto beträgt 150 Euro.",
        "(2) Das gilt nicht bei Notfällen.",
        "(3) Briefe erreichen uns sonntags nie.",
    ),
}


@pytest.mark.parametrize("language", CLAUSES)
def test_a_clause_that_limits_a_quotation_is_quoted_with_it_and_no_other(language: str) -> None:
    question, *clauses = CLAUSES[language]
    hit = evidence("\n\n".join(clauses), language=language)
    quotes = Places(question, [hit], FakeEmbedder(), alike).quotes(1)
    assert [quote.text for quote in quotes] == clauses[:2]
    assert [one.quote for quote in quotes for one in quote.citations] == clauses[:2]


def test_a_clause_of_another_section_limits_nothing() -> None:
    question, first, second, _ = CLAUSES["en"]
    text = f"{first}\n\n§ 8 Cars of guests\n\n{second}"
    hit = evidence(
        text, blocks=tuple(blocks_in(text, 100, [(100 + len(first) + 2, 100 + len(first) + 20, "§ 8 Cars")]))
    )
    quote, *_ = Places(question, [hit], FakeEmbedder(), alike).quotes()
    assert quote.text == first


def test_a_follow_up_is_answered_from_the_section_cited_before_and_not_with_the_same_words() -> None:
    section = (
        "(1) The things of your children are covered.",
        "(2) Their cover ends on the 27th birthday at the latest.",
    )
    own = evidence("\n\n".join(section), 2, document="home.md", heading="§ 13 Children")
    other = evidence("Cover for the things of adults has no limit of age at all.", 1, document="other.md")
    question = "Until when (the things of your children)?"
    hits = [other, own]
    before = EarlierAnswer("Until when?", (cite(own, 0, len(section[0])),))
    first, *_ = Places(question, hits, FakeEmbedder(), alike, before).quotes()
    assert first.text == section[1]
    assert Places(question, hits, FakeEmbedder(), alike).quotes()[0].text != section[1]


def test_what_was_cited_before_is_quoted_again_where_nothing_else_fits() -> None:
    hit = evidence("The cover of your children ends on the 27th birthday.")
    before = EarlierAnswer("Until what age?", (cite(hit, 0, len(hit.text)),))
    (only,) = Places("Until what age (the cover of your children)?", [hit], FakeEmbedder(), alike, before).quotes()
    assert only.text == hit.text


def test_what_was_cited_before_is_quoted_again_where_it_holds_what_a_follow_up_adds() -> None:
    text = "Dental treatment is covered up to 500 euros in Standard and 1,000 euros in Max."
    hit = evidence(text)
    before = EarlierAnswer("and in Max?", (cite(hit, 0, len(text)),))
    (only,) = Places("in Max (dental treatment covered in Standard)?", [hit], FakeEmbedder(), alike, before).quotes()
    assert only.text == text


def test_why_is_answered_by_what_was_said_too() -> None:
    text = "Complaints about data are passed on at once, because the legal limit of a month runs from receipt."
    said, other = evidence(text, 1), evidence("Complaints about data are read by the complaints office as well.", 2)
    before = EarlierAnswer("Why?", (cite(said, 0, len(text)),))
    first, *_ = Places("Why (complaints about data)?", [said, other], FakeEmbedder(), alike, before).quotes()
    assert first.text == text
