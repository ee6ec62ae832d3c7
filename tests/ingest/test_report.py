"""A report tells everything a person has to know, a file a line, however long names are and however wide the screen."""

import json
import sys
from pathlib import Path

import pytest
from fakes import FakeEmbedder
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from test_pipeline import Bench, fill, statuses

from assistant.artifacts.command_reports import FileReport, FileStatus, IngestReport
from assistant.config import Settings
from assistant.workspace import Workspace
from ingest.report import complaints, print_report, table_lines

LONG = "policies/2026/household and contents/general-terms-and-conditions-of-insurance-2026.pdf"
MESSAGE = "terms.pdf is encrypted and cannot be read by this program. Save it without a password and try again."


@pytest.fixture
def bench(workspace: Workspace, settings: Settings, embedder: FakeEmbedder) -> Bench:
    return Bench(workspace, settings, embedder)


def printed(capsys: pytest.CaptureFixture[str], *files: FileReport, passed_over: dict[str, int] | None = None) -> str:
    print_report(IngestReport("default", False, files, len(files), 1, 0.1, passed_over or {}))
    return capsys.readouterr().out


# The table


@given(
    paths=st.lists(st.text(min_size=1, max_size=120), min_size=1, max_size=5),
    width=st.integers(min_value=64, max_value=200),
)
def test_no_row_is_wider_than_the_screen_and_none_is_wrapped(paths: list[str], width: int) -> None:
    files = [FileReport(path, "added", 3, 123_456, 78, 9.5) for path in paths]
    header, *rows, end = table_lines(files, width)
    assert len(rows) == len(paths) and end == ""
    assert len({cell_len(row) for row in (header, *rows)}) == 1, "columns stand under each other"
    assert cell_len(header) <= width


def test_a_long_path_keeps_its_beginning_and_its_end() -> None:
    _, row, _ = table_lines([FileReport(LONG, "added", 9, 16_932, 30, 0.06)], 80)
    assert row.startswith("added      policies") and "…" in row and "2026.pdf" in row
    assert row.split()[-4:] == ["9", "16932", "30", "0.06"]


def test_without_a_screen_the_table_has_a_bounded_width_and_json_the_whole_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = FileReport("a" * 500 + ".md", "added")
    assert max(map(cell_len, printed(capsys, file).splitlines())) <= 120
    assert "a" * 500 + ".md" in IngestReport("default", False, (file,), 1, 1, 0.1).to_json()


def test_one_is_told_in_the_singular(capsys: pytest.CaptureFixture[str]) -> None:
    assert "holds 1 document, 1 chunk (" in printed(capsys, FileReport("a.md", "added"))


def test_a_screen_gives_the_table_its_width(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "70")
    lines = printed(capsys, FileReport(LONG, "added")).splitlines()
    assert cell_len(lines[0]) == 70 and "…" in lines[1]
    monkeypatch.setenv("COLUMNS", "300")
    assert LONG in printed(capsys, FileReport(LONG, "added"))


def test_what_there_is_to_say_of_a_file_is_said_whole_below_it(capsys: pytest.CaptureFixture[str]) -> None:
    files = (FileReport("terms.pdf", "failed", message=MESSAGE), FileReport("a.md", "added", warnings=("one.", "two.")))
    lines = printed(capsys, *files).splitlines()
    assert [line.strip() for line in (lines[2], lines[4])] == [MESSAGE, "one. two."]


def test_strangers_write_no_escape_codes_and_no_new_lines(capsys: pytest.CaptureFixture[str]) -> None:
    file = FileReport("a\x1b[2J\n\u202eb.md", "failed", message="bad\x1b[31m\nname")
    out = printed(capsys, file, passed_over={".x\x1b": 1})
    assert "\x1b" not in out and "\u202e" not in out and len(out.splitlines()) == 6


# Failures


@pytest.mark.parametrize(
    ("statuses", "complaint"),
    [
        (["failed"], "Error: the file could not be read; nothing was added to the corpus 'default'."),
        (["failed", "failed", "skipped"], "Error: none of 3 files could be read; "),
        (["failed", "forgotten"], "Error: the file could not be read; "),
        (["failed", "unchanged"], "Warning: 1 of 2 files could not be read; the rest is in."),
        (["failed", "added", "forgotten"], "Warning: 1 of 2 files could not be read; the rest is in."),
        (["forgotten"], ""),
        (["skipped"], ""),
        ([], ""),
    ],
)
def test_a_run_that_read_nothing_has_failed_even_if_the_corpus_holds_others(
    statuses: list[FileStatus], complaint: str
) -> None:
    files = tuple(FileReport(f"{number}.md", status) for number, status in enumerate(statuses))
    report = IngestReport("default", False, files, 6, 60, 0.1)
    assert report.is_failure == complaint.startswith("Error")
    assert "\n".join(complaints(report)).startswith(complaint) and bool(complaints(report)) == bool(complaint)


# Files of other formats


def test_files_of_other_formats_are_counted_by_suffix_and_not_listed(bench: Bench, docs: Path) -> None:
    fill(docs, "a.md", "b.odt", "sub/c.ODT", "d.odt", "e.png", "noext", ".hidden.rtf")
    report = bench.ingest(docs)
    assert statuses(report) == {"a.md": "added"}
    assert report.passed_over == {".odt": 3, ".png": 1, "": 1}
    assert json.loads(report.to_json())["passed_over"] == report.passed_over
    assert bench.ingest(dry_run=True).passed_over == report.passed_over


def test_one_line_tells_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, FileReport("a.md", "added"), passed_over={".odt": 3, ".rtf": 2, "": 1})
    assert "6 files of other formats were passed over: .odt 3, .rtf 2, without suffix 1.\n" in out
    assert "passed over" not in printed(capsys, FileReport("a.md", "added"))
    many = {f".{number}": 1 for number in range(1000)}
    (line,) = [line for line in printed(capsys, passed_over=many).splitlines() if "passed over" in line]
    assert len(line) < 200 and "and 992 more kinds" in line


def test_a_file_of_another_format_is_taken_in_when_it_is_named(bench: Bench, docs: Path) -> None:
    fill(docs, "a.md", "notes.log")
    assert statuses(bench.ingest(docs)) == {"a.md": "added"}
    assert statuses(bench.ingest(docs / "notes.log")) == {"notes.log": "added"}
    # It stays when its folder, or everything, is looked at again.
    for targets in ([docs], []):
        report = bench.ingest(*targets)
        assert (report.counts, report.passed_over) == ({"unchanged": 2}, {})
    (docs / "notes.log").unlink()
    assert bench.ingest().counts == {"forgotten": 1, "unchanged": 1}


def test_a_named_file_that_cannot_be_read_is_a_failure_with_a_remedy(bench: Bench, docs: Path) -> None:
    fill(docs, "a.md")
    (docs / "letter.rtf").write_bytes(rb"{\rtf1 Dear Sirs}")
    bench.ingest(docs)
    report = bench.ingest(docs / "letter.rtf")
    (file,) = report.files
    assert file.status == "failed" and "RTF" in file.message and "Save it as" in file.message
    # Its folder passes it over again.
    assert bench.ingest(docs).passed_over == {".rtf": 1}
    assert bench.ingest().counts == {"unchanged": 1}
