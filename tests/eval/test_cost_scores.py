"""Times and tokens; few of them say little."""

import math

import pytest

from eval.running.language_model import bits_per_byte
from eval.running.runner import p50, p95, tokens_per_second


def test_percentiles_by_hand() -> None:
    seconds = [number / 100 for number in range(101)]
    assert p50(seconds).value == pytest.approx(0.5)
    assert p95(seconds).value == pytest.approx(0.95)


def test_what_was_not_timed_has_a_reason() -> None:
    assert p50([]).reason == tokens_per_second(5, 0.0).reason == "nothing was timed"
    assert "19 times are too few" in p95([1.0] * 19).reason
    assert tokens_per_second(50, 2.0).value == 25.0


def test_a_coin_toss_a_byte_is_one_bit_a_byte() -> None:
    assert bits_per_byte([math.log(0.5)] * 8, "12345678") == pytest.approx(1.0)
    # Bytes, not characters; and however a tokenizer cuts.
    assert bits_per_byte([math.log(0.5)] * 8, "äöüß") == pytest.approx(1.0)
    assert bits_per_byte([math.log(0.25)] * 4, "12345678") == pytest.approx(1.0)
    assert bits_per_byte([], "") is None
