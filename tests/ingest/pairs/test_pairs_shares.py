"""Sources are mixed by shares: none has more than its own, the rest is as large as it can be, edits stay."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pairing import House

from assistant.artifacts.pairs import Pair, Source
from assistant.errors import UsageError
from assistant.types import Passage
from ingest.pairs.build import beyond_shares

SOURCES: tuple[Source, ...] = ("structure", "generated", "set", "tone")


def some(counts: dict[Source, int]) -> list[Pair]:
    """So many pairs of each source, three of them a list."""
    return [
        Pair(
            f"{source}{number}", "Why?", "So.", source, passages=(Passage("a.md", 0, 1, "", f"{source} {number // 3}"),)
        )
        for source, count in counts.items()
        for number in range(count)
    ]


def left(pairs: list[Pair], shares: dict[Source, float]) -> list[Pair]:
    beyond = beyond_shares(pairs, shares, 0)
    return [pair for pair in pairs if pair.id not in beyond]


@given(
    st.dictionaries(st.sampled_from(SOURCES[1:]), st.integers(1, 60)),
    st.dictionaries(st.sampled_from(SOURCES[1:]), st.floats(0.05, 1.0)),
)
def test_no_source_is_more_than_its_share_and_nothing_is_left_out_in_vain(
    counts: dict[Source, int], shares: dict[Source, float]
) -> None:
    pairs = some({"structure": 20, **counts})
    kept = left(pairs, shares)
    found = Counter(pair.source for pair in kept)
    for source, share in shares.items():
        assert found[source] <= share * len(kept) + 1e-9
        one_more = found[source] + 1 > share * (len(kept) + 1)
        assert found[source] == counts.get(source, 0) or one_more
    assert found["structure"] == 20, "it has no limit"
    assert left(kept, shares) == kept, "a second run leaves out nothing more"


def test_lists_stay_whole_and_edited_pairs_stay() -> None:
    pairs = some({"structure": 30, "set": 30})
    lists = Counter(pair.passages for pair in left(pairs, {"set": 0.3}) if pair.source == "set")
    assert sum(count < 3 for count in lists.values()) <= 1
    edited = [replace(pair, edited=pair.source == "set") for pair in pairs]
    assert left(edited, {"set": 0.1}) == edited


def test_shares_that_leave_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match=r"structure 0\.5 leaves no pair"):
        left(some({"structure": 30}), {"structure": 0.5})
    assert len(left(some({"structure": 30, "set": 10}), {"structure": 0.5, "set": 0.5})) == 20


def test_shares_are_kept_also_by_the_next_run(house: House, tmp_path: Path) -> None:
    own = tmp_path / "own.jsonl"
    own.write_text("".join(f'{{"question": "What is {n} + 1?", "answer": "It is {n + 1}."}}\n' for n in range(40)))
    mixed: dict[str, Any] = {"shares": {"structure": 0.4}, "data": (str(own),), "reading": 0.0, "general": 0.0}
    report = house.make(**mixed)
    assert report.dropped["more than the share of its source"] > 0
    assert 0.3 < report.counts["structure"] / report.total <= 0.4
    before = house.file.read_bytes()
    house.make(**mixed)
    assert house.file.read_bytes() == before
