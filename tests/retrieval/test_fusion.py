"""Fusion: two ranked lists become one."""

import pytest

from assistant.retrieval.ranking import fuse

DENSE = [(1, 0.9), (2, 0.5), (3, 0.1)]
LEXICAL = [(2, 8.0), (4, 4.0), (1, 2.0)]


def order(method: str, weight: float) -> list[int]:
    return [one.chunk for one in fuse(DENSE, LEXICAL, method, weight)]


def test_minmax_is_the_weighted_sum_of_scaled_scores() -> None:
    found = {one.chunk: one.score for one in fuse(DENSE, LEXICAL, "minmax", 0.6)}
    assert found == pytest.approx({1: 0.6 * 1 + 0.4 * 0, 2: 0.6 * 0.5 + 0.4 * 1, 3: 0.0, 4: 0.4 * 2 / 6})


def test_reciprocal_ranks_follow_the_published_formula() -> None:
    found = {one.chunk: one.score for one in fuse(DENSE, LEXICAL, "rrf", 0.5)}
    assert found == pytest.approx({1: 1 / 61 + 1 / 63, 2: 1 / 62 + 1 / 61, 3: 1 / 63, 4: 1 / 62})


def test_a_weight_of_one_or_zero_is_one_side_alone() -> None:
    assert order("dense", 1.0)[:2] == [1, 2]
    assert order("lexical", 0.0)[:2] == [2, 4]


def test_a_chunk_that_both_sides_offer_counts_once_with_both_ranks() -> None:
    found = fuse(DENSE, LEXICAL, "minmax", 0.5)
    assert sorted(one.chunk for one in found) == [1, 2, 3, 4]
    both = next(one for one in found if one.chunk == 2)
    assert (both.dense_rank, both.lexical_rank, both.dense, both.lexical) == (2, 1, 0.5, 8.0)
    one_sided = next(one for one in found if one.chunk == 4)
    assert (one_sided.dense_rank, one_sided.dense) == (None, None)


def test_negative_and_equal_scores_order_as_they_stand() -> None:
    assert [one.chunk for one in fuse([(7, -0.1), (8, -0.5)], [], "minmax", 0.5)] == [7, 8]
    assert [one.chunk for one in fuse([(9, 0.3), (8, 0.3)], [], "minmax", 0.5)] == [8, 9]


def test_nothing_gives_nothing() -> None:
    assert fuse([], [], "minmax", 0.5) == [] == fuse([], [], "rrf", 0.5)
