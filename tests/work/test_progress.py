"""Work tells how far it is to whoever asked for it, and to nobody else."""

from pathlib import Path

import pytest

from assistant.work.progress import PROGRESS_VARIABLE, Progress, last_progress, progress_bar, read_progress


def test_a_file_of_progress_says_each_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "progress.jsonl"
    monkeypatch.setenv(PROGRESS_VARIABLE, str(file))
    with progress_bar("Reading", 2) as bar:
        bar.item("a.pdf\n", "is <b>broken</b>")
        bar.advance()
        bar.describe("half")
    with progress_bar("Silent", 2, shown=False) as bar:
        bar.advance()
    assert list(read_progress(file)) == [
        Progress("Reading", 0, 2),
        Progress("Reading", 0, 2, item="a.pdf\n", remark="is <b>broken</b>"),
        Progress("Reading", 1, 2),
        Progress("Reading", 1, 2, "half"),
    ]


def test_nothing_is_said_where_nobody_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(PROGRESS_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    with progress_bar("Reading", None) as bar:
        bar.advance()
        bar.item("a.pdf", "broken")
    assert list(tmp_path.iterdir()) == [] and capsys.readouterr() == ("", "")


def test_lines_that_are_not_whole_are_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "progress.jsonl"
    assert list(read_progress(file)) == []
    file.write_text('{"label": "x", "done": 1}\nnull\n{"label": "x", "do', encoding="utf-8")
    assert list(read_progress(file)) == [Progress("x", 1)]


def test_the_last_line_that_tells_how_far_it_is_counts(tmp_path: Path) -> None:
    file = tmp_path / "progress.jsonl"
    assert last_progress(file) is None
    lines = "".join(f'{{"label": "x", "done": {number}}}\n' for number in range(10_000))
    file.write_text(f'{lines}{{"label": "x", "item": "a.pdf"}}\n{{"label": "x", "do', encoding="utf-8")
    assert last_progress(file) == Progress("x", 9999)
