"""The place of a passage that is no page, with the rows of its sheet: ``sheet Claims, rows 251–273``."""

import re

_ROWS = re.compile(r"(?:^|, )rows? \d+(?:–\d+)?$")


def with_rows(place: str, first: int, last: int) -> str:
    """A place with the rows that a passage stands in."""
    rows = f"row {first}" if first == last else f"rows {first}–{last}"
    return f"{place}, {rows}" if place else rows


def without_rows(place: str) -> str:
    """A place without its rows, whose numbers say nothing of what stands there."""
    return _ROWS.sub("", place)
