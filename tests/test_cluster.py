"""Two API processes on one database server: whichever dies, and whenever that is started again, nothing is amiss."""

from pathlib import Path

import pytest

from bench.cluster import run


@pytest.mark.slow
def test_what_dies_and_starts_again_loses_nothing_and_keeps_nothing_twice(tmp_path: Path) -> None:
    outcome = run(tmp_path, 0.8, 2)
    assert outcome.is_clean and outcome.answers > 5 and outcome.turns > 100, outcome
