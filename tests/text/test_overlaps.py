"""Runs of items that stand in a sequence, against looking for them one by one."""

from hypothesis import given
from hypothesis import strategies as st

from assistant.text.overlap import Runs

FEW_LETTERS = st.text("abc", max_size=30)


@given(FEW_LETTERS, FEW_LETTERS, st.integers(0, 30))
def test_the_longest_run_is_found_in_letters(sequence: str, other: str, start: int) -> None:
    rest = other[start:]
    longest = max(length for length in range(len(rest) + 1) if rest[:length] in sequence)
    assert Runs(sequence).longest(other, min(start, len(other))) == longest


@given(FEW_LETTERS)
def test_all_of_a_sequence_is_a_run_of_it(sequence: str) -> None:
    words = [f"the {letter}" for letter in sequence]
    assert Runs(words).longest(words, 0) == len(words)
