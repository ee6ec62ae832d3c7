"""Editions: the newest is preferred, and an answer says what another one says differently."""

import dataclasses
import time

import pytest
from samples import evidence, saying, weights

from assistant.grounding.grounder import ground
from assistant.grounding.notes import version_notes
from assistant.retrieval.editions import are_editions, is_superseded, newest_first, title_key, with_newest
from assistant.types import Evidence

QUESTION = "When do I have to report a claim?"


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


def test_an_older_edition_brings_the_newest_along_or_gives_way_to_it() -> None:
    other = evidence("Hail is covered.", 2)
    newest = {OLD.chunk: dataclasses.replace(NEW, chunk=9, rank=1)}
    found = with_newest([OLD, other], QUESTION, lambda hit: newest.get(hit.chunk))
    assert [(hit.document, hit.rank) for hit in found] == [
        ("terms-2026.pdf", 1),
        ("terms-2024.pdf", 2),
        (other.document, 3),
    ]
    assert with_newest([OLD, NEW], QUESTION, lambda _: NEW) == [OLD, NEW]
    assert with_newest([OLD], "When did I have to report a claim in 2024?", lambda _: NEW) == [OLD]
    same = dataclasses.replace(edition(2026, 1, "5 days"), chunk=9)
    assert with_newest([OLD, other], QUESTION, lambda hit: same if hit is OLD else None)[0].document == "terms-2026.pdf"


def test_of_several_values_none_is_named_as_the_other_one() -> None:
    old = saying(OLD, "You must report every claim within 5 days, or 9 days, of learning of it.")
    (note,) = notes("You must report every claim within 7 days of learning of it.", NEW, old)
    assert "says “You must report every claim within 5 days, or 9 days, of learning of it.”, not 7 days" in note


def test_titles_of_numbers_alone_name_no_editions_and_long_ones_take_no_time() -> None:
    assert not are_editions(edition(2024, 1, "5 days", title="0815"), edition(2026, 2, "7 days", title="4711"))
    started = time.process_time()
    assert title_key(f"Terms {'-' * 200_000} x") and time.process_time() - started < 1


def test_values_without_a_unit_are_compared_too() -> None:
    old, new = (saying(one, f"Overdue books cost {value} cents a day.") for one, value in ((OLD, 20), (NEW, 30)))
    assert len(notes("Overdue books cost 30 cents a day.", new, old)) == 1


def test_editions_that_agree_need_no_note() -> None:
    assert notes("You must report every claim within 7 days.", NEW, edition(2025, 1, "7 days")) == ()
    assert notes("You must report every claim.", OLD, NEW) == ()
