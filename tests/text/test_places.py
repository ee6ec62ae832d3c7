"""Places of passages that are no page: rows are said, and are no words of the document."""

import pytest
from samples import evidence

from assistant.grounding.support import support
from assistant.text.places import with_rows, without_rows


@pytest.mark.parametrize("place", ["", "sheet Claims", "sheet Claims, rows 1", "sheet rows 5", "slide 3"])
@pytest.mark.parametrize(("first", "last"), [(251, 273), (7, 7)])
def test_rows_come_and_go(place: str, first: int, last: int) -> None:
    placed = with_rows(place, first, last)
    assert placed.startswith(place) and str(first) in placed
    assert without_rows(placed) == place


def test_a_place_without_rows_stays() -> None:
    assert [without_rows(place) for place in ("slide 3", "sheet rows 5", "")] == ["slide 3", "sheet rows 5", ""]


def test_a_row_supports_no_figure_but_the_name_of_a_sheet_does() -> None:
    hit = evidence("Burglaries: all of them were paid.", place="sheet 2026, rows 251–273")

    def objection(sentence: str) -> str:
        return support(sentence, hit, lambda wanted: dict.fromkeys(wanted, 1.0), 0.4).objection

    assert not objection("All burglaries of 2026 were paid.")
    assert objection("All 273 burglaries were paid.")
