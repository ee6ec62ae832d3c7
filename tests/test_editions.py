"""Editions: the newest is preferred, and an answer says what another one says differently."""

import dataclasses
from collections.abc import Iterable, Mapping

import pytest
from samples import evidence

from assistant.grounding.editions import are_editions, is_superseded, newest_first, version_notes
from assistant.grounding.grounder import ground
from assistant.types import Evidence

QUESTION = "When do I have to report a claim?"


def weights(terms: Iterable[str]) -> Mapping[str, float]:
    return dict.fromkeys(terms, 1.0)


def edition(year: int, rank: int, days: str, **changes: object) -> Evidence:
    values = {"title": f"General Terms {year}", "date": f"{year}-01-01", "document": f"terms-{year}.pdf", **changes}
    hit = evidence(f"You must report every claim within {days} of learning of it.", rank)
    return dataclasses.replace(hit, heading="§ 12 Report", **values)  # type: ignore[arg-type]


OLD, NEW = edition(2024, 1, "5 days"), edition(2026, 2, "7 days")


def notes(said: str, *hits: Evidence) -> tuple[str, ...]:
    return version_notes(ground(said, hits, weights, 0.6), hits, weights, 0.6)


def test_the_newest_edition_takes_the_best_rank() -> None:
    first, second = newest_first([OLD, NEW], QUESTION)
    assert (first.document, first.rank) == ("terms-2026.pdf", 1)
    assert (second.document, second.rank) == ("terms-2024.pdf", 2)
    assert is_superseded(OLD, [OLD, NEW], QUESTION) and not is_superseded(NEW, [OLD, NEW], QUESTION)


def test_a_question_about_an_edition_keeps_it() -> None:
    asked = "When did I have to report a claim in 2024?"
    assert newest_first([OLD, NEW], asked) == [OLD, NEW]
    assert not is_superseded(OLD, [OLD, NEW], asked)


@pytest.mark.parametrize("changes", [{"title": "Travel Terms"}, {"date": ""}, {"date": "2024-01-01"}])
def test_documents_of_another_title_or_without_dates_are_no_editions(changes: dict[str, object]) -> None:
    other = edition(2026, 2, "7 days", **changes)
    assert not are_editions(OLD, other)
    assert newest_first([OLD, other], QUESTION) == [OLD, other]
    assert notes("You must report every claim within 5 days.", OLD, other) == ()


def test_an_answer_says_what_another_edition_says_with_both_values_and_sources() -> None:
    (note,) = notes("You must report every claim within 7 days.", OLD, NEW)
    assert note == (
        "An older version differs: terms-2024.pdf, 2024-01-01, says 5 days, not 7 days as terms-2026.pdf, 2026-01-01."
    )
    (note,) = notes("You must report every claim within 5 days.", OLD, NEW)
    assert note.startswith("A newer version differs: terms-2026.pdf, 2026-01-01, says 7 days")


def test_editions_that_agree_need_no_note() -> None:
    assert notes("You must report every claim within 7 days.", NEW, edition(2025, 1, "7 days")) == ()
    assert notes("You must report every claim.", OLD, NEW) == ()
