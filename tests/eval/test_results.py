"""A run on disk reads back as it was, and what is damaged is told in one line."""

from pathlib import Path

import pytest
from results_of import costs_of, results_of, rows_of

from assistant.artifacts.evaluations import COSTS_FILE, RESULTS_FILE, ROWS_FILE
from assistant.errors import UsageError
from eval.results import read_costs, read_results, read_rows, write_run


def test_a_run_reads_back_as_it_was(tmp_path: Path) -> None:
    rows = rows_of(12)
    results, costs = results_of(rows), costs_of()
    write_run(tmp_path, results, rows, costs)
    assert read_results(tmp_path) == results
    assert list(read_rows(tmp_path)) == rows
    assert read_costs(tmp_path) == costs


def test_equal_runs_are_equal_byte_by_byte(tmp_path: Path) -> None:
    for name in ("one", "other"):
        rows = rows_of(12)
        write_run(tmp_path / name, results_of(rows), rows, costs_of())
    for file in (RESULTS_FILE, ROWS_FILE):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": 1}', '{"schema": 99}', "null"])
def test_damaged_results_are_told_in_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / RESULTS_FILE).write_text(content)
    (tmp_path / COSTS_FILE).write_text(content)
    (tmp_path / ROWS_FILE).write_text(content or "{")
    with pytest.raises(UsageError, match=RESULTS_FILE):
        read_results(tmp_path)
    with pytest.raises(UsageError, match=COSTS_FILE):
        read_costs(tmp_path)
    with pytest.raises(UsageError, match=ROWS_FILE):
        list(read_rows(tmp_path))


def test_a_folder_without_a_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_results(tmp_path)
