"""Markers: none reaches a reader, and how a stream is cut makes no difference."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.grounding.markers import Reading

ANY_MARKER = re.compile(r"[\[【]\s*\d{1,3}\s*[\]】]")
ANSWERS = (
    "Hail is covered [1]. Floods are covered after 30 days [2, 3]. Fire too [1][2], and [1-3] storm【4】.",
    "Hail is covered. [1] Floods are not.[passage 2] See [sic] the list [12 months] of [1990] [Quelle 3; 4].",
    "[[1]] Hail [[2]] is [^3] covered [1†source]. A bracket [that stays and one [4 that breaks off",
)
PIECES = ["[", "]", "【", "】", "[1]", "[[2]]", "1", "2", ",", "-", " ", "\n", ".", "a", "passage ", "12 months"]


def read(*pieces: str) -> tuple[str, list[tuple[int, tuple[int, ...]]]]:
    """What is shown in the end, and the markers; what was shown before never changes."""
    reading, shown = Reading(), ""
    for piece in pieces:
        reading.feed(piece)
        assert reading.text.startswith(shown), f"{shown!r} became {reading.text!r}"
        shown = reading.text
    return shown, [(marker.place, marker.numbers) for marker in reading.markers]


@pytest.mark.parametrize(
    ("said", "shown", "numbers"),
    [
        ("Hail is covered [1].", "Hail is covered.", [(1,)]),
        ("Hail is covered. [1]", "Hail is covered.", [(1,)]),
        ("Hail [1, 2] and [3][4].", "Hail and.", [(1, 2), (3,), (4,)]),
        ("Hail [1-3] or [2–4] or [5; 6].", "Hail or or.", [(1, 2, 3), (2, 3, 4), (5, 6)]),
        ("Hail 【1】 and [passage 2], [Sources 3 and 4].", "Hail and,.", [(1,), (2,), (3, 4)]),
        ("Hail [[1]] is [^2] covered【3†source】.", "Hail is covered.", [(1,), (2,), (3,)]),
        ("[2] Hail is covered.", "Hail is covered.", [(2,)]),
        ("Covered.[1]The rest is not.", "Covered. The rest is not.", [(1,)]),
        ("[sic] for [12 months] in [1990], [a] or [the table].", None, []),
        ("Hail is covered [1", "Hail is covered", []),
        ("Hail is covered [passage", "Hail is covered", []),
        ("a < 5 and a [", "a < 5 and a", []),
        ("[1[2]]", "]", [(2,)]),
    ],
)
def test_markers_as_models_write_them_are_taken_out(said: str, shown: str | None, numbers: list[object]) -> None:
    text, markers = read(said)
    assert text == (said if shown is None else shown)
    assert [found for _, found in markers] == numbers


@pytest.mark.parametrize("answer", ANSWERS)
def test_every_split_in_two_gives_what_the_whole_text_gives(answer: str) -> None:
    whole = read(answer)
    assert all(read(answer[:place], answer[place:]) == whole for place in range(len(answer) + 1))
    assert read(*answer) == whole


@given(st.lists(st.sampled_from(PIECES), max_size=14), st.lists(st.integers(0, 60), max_size=5))
def test_any_text_in_any_pieces_gives_the_same_and_shows_no_marker(parts: list[str], cuts: list[int]) -> None:
    text = "".join(parts)
    whole = read(text)
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    assert read(*(text[start:end] for start, end in pairwise(places))) == whole
    assert read(*text) == whole
    assert not ANY_MARKER.search(whole[0])
