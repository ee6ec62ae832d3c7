"""What an ingest did, file by file, for people: a table and complaints."""

import shutil
import sys
from collections.abc import Iterator, Sequence

from assistant.artifacts.command_reports import STATUSES, FileReport, IngestReport
from assistant.text.printing import counted, visible
from ingest.readers import READ_SUFFIXES

_LONGEST_TABLE = 40  # lines: about a screen; problems are shown in any case
_MOST_SUFFIXES = 8  # fit on a line or two
_SHORTEST_PATH = 16  # columns; less tells no two files apart
# Of a table that goes into a file or another program; --json has the names whole.
_PIPED_WIDTH = 120
_STATUS_WIDTH = max(map(len, STATUSES))
_NUMBERS = ("pages", "characters", "chunks", "seconds")


def complaints(report: IngestReport) -> list[str]:
    """Lines for standard error: failed files, or that nothing could be read, or that there is nothing at all."""
    failed = report.counts.get("failed", 0)
    there = len(report.files) - report.counts.get("forgotten", 0)
    none_read = "the file could not be read" if there == 1 else f"none of {there} files could be read"
    if report.is_failure and not report.documents:
        found = none_read if report.files else "no readable file was found"
        formats = ", ".join(sorted(suffix.lstrip(".") for suffix in READ_SUFFIXES))
        return [f"Error: the corpus '{report.corpus}' is empty: {found}. Formats that are read: {formats}."]
    if report.is_failure:
        return [f"Error: {none_read}; nothing was added to the corpus '{report.corpus}'."]
    return [f"Warning: {failed} of {there} files could not be read; the rest is in."] if failed else []


def noteworthy(report: IngestReport) -> Sequence[FileReport]:
    """The files that a person wants to see: failures first, unchanged ones not at all."""
    shown = [file for file in report.files if file.status not in {"unchanged", "touched"}]
    return sorted(shown, key=lambda file: (STATUSES.index(file.status), file.path, file.name))


def print_report(report: IngestReport) -> None:
    """The table on standard output: problems always, the rest as far as it fits."""
    import click

    files = noteworthy(report)
    problems = [file for file in files if file.status in {"failed", "skipped"} or file.warnings]
    others = [file for file in files if file not in set(problems)]
    shown = [*problems, *others[: max(0, _LONGEST_TABLE - len(problems))]]
    for line in table_lines(shown, shutil.get_terminal_size().columns if sys.stdout.isatty() else _PIPED_WIDTH):
        click.echo(line)
    if len(shown) < len(files):
        click.echo(f"… and {len(files) - len(shown)} more; --json shows all.")
    if report.passed_over:
        total = sum(report.passed_over.values())
        kinds = [f"{visible(suffix) or 'without suffix'} {count}" for suffix, count in report.passed_over.items()]
        more = f", and {len(kinds) - _MOST_SUFFIXES} more kinds" if len(kinds) > _MOST_SUFFIXES else ""
        others_were = "file of another format was" if total == 1 else "files of other formats were"
        click.echo(f"{total} {others_were} passed over: {', '.join(kinds[:_MOST_SUFFIXES])}{more}.")
    counts = ", ".join(f"{count} {status}" for status, count in report.counts.items()) or "no files"
    held = f"{counted(report.documents, 'document')}, {counted(report.chunks, 'chunk')}"
    if report.dry_run:
        click.echo(f"A real run would give: {counts}.")
        if report.objection:
            click.echo(f"It would be refused: {report.objection}")
        click.echo(f"Nothing was changed; the corpus '{report.corpus}' holds {held} as before.")
        return
    click.echo(f"{counts}. Corpus '{report.corpus}' holds {held} ({report.seconds:.1f} s).")
    if report.counts.keys() & {"added", "updated", "forgotten"}:
        for line in filter(None, (report.refusal_in_words, report.advice)):
            click.echo(line)


def table_lines(files: Sequence[FileReport], width: int) -> Iterator[str]:
    """A header and one line a file, with an indented line below for what there is to say of it.

    Long paths are shortened in the middle until a row fits into ``width`` columns.
    """
    from rich.cells import cell_len, set_cell_size

    if not files:
        return
    # Names and messages come from strangers.
    paths = [visible(file.name or file.path) for file in files]
    longest = max(map(cell_len, [*paths, "file"]))
    others = cell_len(_row("", "", _NUMBERS))
    room = min(longest, max(_SHORTEST_PATH, width - others))
    yield _row("status", set_cell_size("file", room), _NUMBERS)
    for file, path in zip(files, paths, strict=True):
        numbers = (file.pages or "", file.characters or "", file.chunks or "", f"{file.seconds:.2f}")
        if cell_len(path) > room:  # the end of a path says more than its beginning
            beginning = (room - 1) // 3
            end = room - 1 - beginning
            path = f"{set_cell_size(path, beginning)}…{set_cell_size(path[::-1], end)[::-1]}"
        yield _row(file.status, set_cell_size(path, room), numbers)
        if remark := " ".join(part for part in (file.message, *file.warnings) if part):
            yield " " * (_STATUS_WIDTH + 2) + visible(remark)
    yield ""


def _row(status: str, path: str, numbers: Sequence[object]) -> str:
    cells = (f"{number:>{len(name)}}" for number, name in zip(numbers, _NUMBERS, strict=True))
    return "  ".join((f"{status:<{_STATUS_WIDTH}}", path, *cells))
