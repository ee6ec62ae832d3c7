"""``bench.same``: what two checkouts give is compared byte for byte, and the first difference is named."""

from pathlib import Path

import pytest

from bench.same import Side, difference

SIDE = Side(Path("/checkouts/old"), Path("/tmp/same-x/workspace"), Path("/checkouts/old/data"))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('{"id": 1, "hits": [{"rank": 1}]}', '{"id": 1, "hits": [{"rank": 2}]}', "line 2, hits[0].rank"),
        ('{"id": 1, "hits": []}', '{"hits": [], "id": 1}', "line 2, keys of the line"),
        ("said", "said ", "line 2"),
        ("said", "said\n", "only the ends of lines differ"),
    ],
)
def test_the_first_difference_is_named(old: str, new: str, told: str) -> None:
    assert difference(f"same\n{old}", f"same\n{old}") == ""
    assert difference(f"same\n{old}", f"same\n{new}").startswith(told)


def test_times_and_places_make_no_difference_and_nothing_else_is_left_out() -> None:
    for form in (
        '{{"answer": "x", "timings": {{"search": {seconds}}}, "path": "{folder}/x", "file": "/checkouts/old/data/y"}}',
        "  seconds: {seconds}\n",
        "Time: search {seconds} s\n",
    ):
        runs = [
            side.neutral(form.format(seconds=seconds, folder=side.workspace))
            for side, seconds in ((SIDE, 0.1), (Side(Path("/new"), Path("/tmp/same-y/workspace"), SIDE.data), 0.2))
        ]
        assert runs[0] == runs[1]
    assert SIDE.neutral('{"answer": "x"}\n{"answer": "y"}') == '{"answer": "x"}\n{"answer": "y"}'
