"""Questions with one name, number or year changed: near what the documents say, and answered by none of them."""

from itertools import islice

import pytest
from pairing import House
from samples import evidence_of

from assistant.artifacts.pairs import Pair
from assistant.config import Settings
from assistant.grounding.grounder import ground
from assistant.store.index import StoredChunk
from assistant.text.names import listed_names
from ingest.pairs.candidates import CandidatePair
from ingest.pairs.evidence_lists import EvidenceList, passage_of
from ingest.pairs.generated_answers import Verifier
from ingest.pairs.refusals import NamedThings, Twins

TARIFFS = """# Tariffs

## Products

For flats there are Home Basic, Home Comfort and Home Premium, for cars Drive Classic, Drive Plus and Drive Max.

## What does Home Comfort pay for a stolen camera?

Home Comfort pays up to 800 euros for a stolen camera.

## Who repaints a scratched bumper?

The workshop in Kiel repaints it. Drive Plus bears the costs of the paint.

## How much of a crown is paid by Zahn 70?

Zahn 70 pays 60 percent of the crown.

## Which hours does the training plan 2026 name?

The training plan 2026 names 9 to 17 as the hours of all courses.
"""
TAILS = ("Classic", "Plus", "Max")
TERMS = """§ 6 Crowns: Zahn 70 pays 480 euros since 2026, Zahn 90 more, and class B 12 nothing.
The edition 2026 of the price list names Home Basic, Home Comfort and Home Premium, Drive Classic and Drive Plus.
Tell us within 14 days. Veterans and Reservists ask the Board or the Court, as other veterans and reservists do.
"""


def chunk(text: str, document: str = "terms.md") -> StoredChunk:
    return StoredChunk(1, 1, document, "/docs", "Terms", "en", "", text, "", "", "", 0, len(text), ())


def twins_of(house: House) -> list[Pair]:
    return [pair for pair in house.pairs if pair.kind.startswith("other-") and pair.kind != "other-domain"]


@pytest.fixture
def tariffs(living: House) -> House:
    (living.docs / "tariffs.md").write_text(TARIFFS)
    living.ingest()
    return living


@pytest.mark.slow
def test_a_twin_is_refused_with_what_is_known_and_cited(tariffs: House) -> None:
    report = tariffs.make(refusals=0.5, twins=1.0, reading=0.0)
    twins = twins_of(tariffs)
    assert {pair.kind for pair in twins} == {"other-name", "other-number", "other-year"}
    assert sum(report.kinds[kind] for kind in report.kinds if kind in {pair.kind for pair in twins}) == len(twins)
    refusal = Settings().answer.refusal["en"]
    asked = {pair.instruction for pair in tariffs.pairs if pair.golden}
    for pair in twins:
        assert pair.golden is None and pair.instruction not in asked
        assert pair.response.startswith(f"{refusal} ")
        known = ground(pair.response.removeprefix(refusal), evidence_of(pair), lambda s: dict.fromkeys(s, 1.0), 0.5)
        assert known and all(sentence.supported and sentence.citations for sentence in known), pair.response
    said = {pair.instruction: pair.response for pair in twins}
    assert "60 percent of the crown" in said["How much of a crown is paid by Zahn 80?"]


@pytest.mark.slow
def test_a_twin_is_in_the_split_of_its_document_and_shares_a_list(tariffs: House) -> None:
    tariffs.make(refusals=0.5, twins=1.0, reading=0.0, hold_out=("tariffs.md",))
    lists = {pair.passages for pair in tariffs.pairs if pair.golden}
    assert twins_of(tariffs)
    for pair in twins_of(tariffs):
        assert pair.split == ("test" if pair.document == "tariffs.md" else "train")
        assert pair.passages in lists, "it costs no list of its own"


@pytest.mark.slow
@pytest.mark.parametrize(("twins", "fewest", "most"), [(0.0, 0, 0), (0.25, 1, 4)])
def test_twins_are_at_most_their_share_of_the_refusals(tariffs: House, twins: float, fewest: int, most: int) -> None:
    report = tariffs.make(refusals=0.1, twins=twins, reading=0.0)
    assert fewest <= len(twins_of(tariffs)) <= most
    assert report.counts["refusal"] > most, "other kinds take the rest"


@pytest.mark.slow
def test_what_a_document_says_of_the_new_thing_makes_no_twin(tariffs: House) -> None:
    said = "".join(f"Of a stolen camera Home {name} bears {number} euros. " for number, name in enumerate(TAILS, 600))
    (tariffs.docs / "more.md").write_text(
        f"# More\n\n## Crowns\n\nOf a crown Zahn 80 has paid a part.\n\n## Rest\n\n{said}\n"
    )
    tariffs.ingest()
    tariffs.make(refusals=0.5, twins=1.0, reading=0.0)
    asked = [pair.instruction for pair in twins_of(tariffs)]
    assert asked and not any("Zahn 80" in one or "camera" in one for one in asked)


@pytest.mark.parametrize(
    ("question", "changed"),
    [
        ("What changed in the edition 2026?", "What changed in the edition 2025?"),
        ("What does § 6 of the terms cover?", "What does § 7 of the terms cover?"),
        ("How much does Zahn 70 pay for crowns?", "How much does Zahn 80 pay for crowns?"),
        ("Is class B 12 paid?", "Is class B 13 paid?"),
        ("What does Home Comfort cost?", "What does Home Plus cost?"),
        ("What is paid since 1 March 2026?", ""),
        ("What must be told within 14 days?", ""),
        ("Who pays more than 10% of a claim?", ""),
        ("What does Zahn 75 cost?", ""),  # the passage has nothing of it
        ("What do Home Basic and Home Comfort cost?", ""),  # one of both would still have its answer
        ("What do Zahn 70 or Home Comfort cost?", ""),
        ("Where do Veterans ask?", ""),  # written small too: no name
    ],
)
def test_only_what_names_something_is_exchanged(house: House, question: str, changed: str) -> None:
    shown = EvidenceList((passage_of(chunk(TERMS)),), 1, 0)
    near = CandidatePair(question, TERMS, TERMS, "plain", 1, "terms.md", "en", "generated")
    twins = Twins([chunk(TERMS)], house.search, Verifier.__new__(Verifier), 0)  # which is not asked
    found = [question.replace(one.old, one.new) for one in islice(twins.changes(near, shown), 1)]
    assert found == ([changed] if changed else [])


def test_a_range_holds_the_numbers_between_its_ends(tariffs: House) -> None:
    text = TARIFFS.replace("Zahn 70 pays 60 percent", "Zahn 70 to Zahn 90 pay 60 percent")
    (tariffs.docs / "tariffs.md").write_text(text)
    tariffs.ingest()
    tariffs.make(refusals=0.5, twins=1.0, reading=0.0)
    assert not any("Zahn 80" in pair.instruction for pair in twins_of(tariffs))


def test_names_of_one_kind_stand_side_by_side() -> None:
    text = "We sell Home Basic, Home Comfort and Home Premium. In Kiel nobody asks; | Drive Plus | Drive Max |"
    assert listed_names(text, "en") == [
        [("Home", "Basic"), ("Home", "Comfort"), ("Home", "Premium")],
        [("Drive", "Plus"), ("Drive", "Max")],
    ]
    assert listed_names("Privat Kompakt und Privat Komfort", "de") == [[("Privat", "Kompakt"), ("Privat", "Komfort")]]


def test_no_name_is_made_that_is_only_spelled_otherwise() -> None:
    text = "Home Basic and Home Comfort; Privat Kompakt and Privat Komfort."
    things = NamedThings([chunk(text)], 0)
    assert ("Home", "Komfort") not in things.like(("Home", "Comfort"))
    assert ("Home", "Kompakt") in things.like(("Home", "Basic"))
