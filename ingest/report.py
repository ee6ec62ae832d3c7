"""What an ingest did, file by file: a table for people, JSON for programs."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from assistant.presentation import visible
from ingest.plan import Kind
from ingest.readers import SUFFIXES

if TYPE_CHECKING:
    from rich.table import Table

_LONGEST_TABLE = 40
_ORDER: tuple[Kind, ...] = (
    "failed", "skipped", "forgotten", "renamed", "updated", "added", "touched", "unchanged",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file: what became of it, and what was found in it."""

    path: str
    status: Kind
    pages: int | None = None
    characters: int = 0
    chunks: int = 0
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    message: str = ""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """One ingest: its files, and the corpus as it is afterwards (as it is now, after a dry run)."""

    corpus: str
    dry_run: bool
    files: tuple[FileReport, ...]
    documents: int
    chunks: int
    seconds: float

    @property
    def counts(self) -> dict[str, int]:
        """How many files each status has, in a fixed order, without zeros."""
        found = Counter(file.status for file in self.files)
        return {status: found[status] for status in _ORDER if found[status]}

    def to_json(self) -> str:
        """One JSON document; ``seconds`` are wall clock."""
        content: dict[str, Any] = {**asdict(self), "counts": self.counts}
        return json.dumps(content, ensure_ascii=False, indent=2)

    @property
    def is_failure(self) -> bool:
        """Whether there is nothing to answer from: no file could be read, now or before."""
        return not self.documents and not self.dry_run

    def complaints(self) -> list[str]:
        """Lines for standard error: failed files, or that there is nothing at all."""
        failed = self.counts.get("failed", 0)
        lines = [f"Warning: {failed} of {len(self.files)} files could not be read; the rest is in."] if failed else []
        if self.is_failure:
            found = f"none of {len(self.files)} files could be read" if self.files else "no readable file was found"
            formats = ", ".join(sorted(suffix.lstrip(".") for suffix in SUFFIXES))
            return [f"Error: the corpus '{self.corpus}' is empty: {found}. Formats that are read: {formats}."]
        return lines

    def noteworthy(self) -> Sequence[FileReport]:
        """The files that a person wants to see: failures first, unchanged ones not at all."""
        shown = [file for file in self.files if file.status not in {"unchanged", "touched"}]
        return sorted(shown, key=lambda file: (_ORDER.index(file.status), file.path))


def print_report(report: IngestReport) -> None:
    """The table on standard output: problems always, the rest as far as it fits."""
    from rich.console import Console

    console = Console(highlight=False)
    files = report.noteworthy()
    problems = [file for file in files if file.status in {"failed", "skipped"} or file.warnings]
    others = [file for file in files if file not in set(problems)]
    shown = [*problems, *others[: max(0, _LONGEST_TABLE - len(problems))]]
    if shown:
        console.print(_table(shown))
    if len(shown) < len(files):
        console.print(f"… and {len(files) - len(shown)} more; --json shows all.")
    counts = ", ".join(f"{count} {status}" for status, count in report.counts.items()) or "no files"
    console.print(
        f"{'Would be: ' if report.dry_run else ''}{counts}. Corpus '{report.corpus}' holds {report.documents}"
        f" documents, {report.chunks} chunks ({report.seconds:.1f} s)."
    )


def _table(files: Sequence[FileReport]) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("status")
    table.add_column("file", overflow="fold")
    for name in ("pages", "characters", "chunks", "seconds"):
        table.add_column(name, justify="right")
    # Without remarks their column would take room from the names.
    remarks = [" ".join(part for part in (file.message, *file.warnings) if part) for file in files]
    if any(remarks):
        table.add_column("remarks", overflow="fold", ratio=1)
    for file, remark in zip(files, remarks, strict=True):
        numbers = (file.pages or "", file.characters or "", file.chunks or "", f"{file.seconds:.2f}")
        # Text, not markup: names and messages come from strangers.
        cells: list[str | Text] = [file.status, Text(visible(file.path)), *map(str, numbers)]
        table.add_row(*cells, *([Text(visible(remark))] if any(remarks) else []))
    return table
