"""Ratings: what was said is kept, the last word counts, several may speak at once, and a broken line is named."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.artifacts.evaluations import RATINGS_FILE, Rating, add_rating, answer_hash, read_ratings

RATING = Rating("q1", "base+rag", answer_hash("Three days."), "ana", "2026-11-20T10:00:00+00:00", "right", "yes", True)


def _rate(folder: Path, rater: str) -> None:
    for number in range(50):
        add_rating(folder, replace(RATING, question=f"q{number}", rater=rater, comment=f"{rater} " * 100))


def test_what_was_said_is_read_back(tmp_path: Path) -> None:
    assert read_ratings(tmp_path).given == ()
    said = [RATING, replace(RATING, rater="ben", label="partly", supported=None, tone=None, comment="50 €\nand “this”")]
    for rating in said:
        add_rating(tmp_path, rating)
    assert read_ratings(tmp_path).given == tuple(said)


def test_the_last_word_of_a_rater_about_an_answer_counts(tmp_path: Path) -> None:
    other = replace(RATING, answer=answer_hash("Three weeks."))
    for rating in (RATING, other, replace(RATING, rater="ben"), replace(RATING, label="wrong")):
        add_rating(tmp_path, rating)
    assert read_ratings(tmp_path).given == (other, replace(RATING, rater="ben"), replace(RATING, label="wrong"))


def test_what_was_taken_back_does_not_count(tmp_path: Path) -> None:
    add_rating(tmp_path, RATING)
    add_rating(tmp_path, replace(RATING, label=None))
    assert read_ratings(tmp_path).given == ()
    add_rating(tmp_path, replace(RATING, label="partly"))
    assert [rating.label for rating in read_ratings(tmp_path).given] == ["partly"]
    assert (tmp_path / RATINGS_FILE).read_bytes().count(b"\n") == 3


@pytest.mark.parametrize("broken", [b'{"question": "q1", "sys', b"\xff\xfe\x00", b"[]", b'{"question": ""}', b"null"])
def test_a_broken_line_is_named_and_loses_no_other(tmp_path: Path, broken: bytes) -> None:
    add_rating(tmp_path, RATING)
    with (tmp_path / RATINGS_FILE).open("ab") as stream:
        stream.write(broken)
    add_rating(tmp_path, replace(RATING, rater="ben"))
    found = read_ratings(tmp_path)
    assert [rating.rater for rating in found.given] == ["ana", "ben"]
    assert len(found.problems) == 1 and found.problems[0].startswith(f"{RATINGS_FILE}, line 2: ")


def test_an_unknown_label_does_not_count(tmp_path: Path) -> None:
    add_rating(tmp_path, RATING)
    file = tmp_path / RATINGS_FILE
    file.write_text(file.read_text(encoding="utf-8").replace('"right"', '"splendid"'), encoding="utf-8")
    assert read_ratings(tmp_path).given == () and "label" in read_ratings(tmp_path).problems[0]


def test_several_people_rate_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as people:
        list(people.map(lambda number: _rate(tmp_path, f"rater {number}"), range(4)))
    found = read_ratings(tmp_path)
    assert len(found.given) == 200 and not found.problems


def test_a_hash_tells_answers_apart_and_takes_any_text() -> None:
    assert len({answer_hash(text) for text in ("", " ", "a", "a\n", "\ud800")}) == 5
