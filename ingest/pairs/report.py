"""What `assistant pairs` did: a table for people, JSON for programs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from assistant.text.printing import counted
from ingest.pairs.generated import UNREADABLE
from ingest.pairs.rows import BadRow


@dataclass(frozen=True, slots=True)
class PairsReport:
    """One set of pairs as it was written."""

    name: str
    corpus: str
    file: str
    counts: Mapping[str, int]
    """Pairs by source."""
    kinds: Mapping[str, int]
    splits: Mapping[str, int]
    dropped: Mapping[str, int]
    """Candidates that were not taken, by reason."""
    lists: int
    """Different evidence lists; the pairs of one share their prompt up to the question."""
    pairs_per_list: float
    leaks: Mapping[str, int]
    kept: int
    """Pairs taken over from before, as their documents are what they were."""
    edited: int
    """Pairs that a person changed, kept as they are."""
    stale: int
    """Edited ones among them that show a text that its document no longer has."""
    other_settings: Sequence[str]
    """Settings that differ from those that the set was made with before: all of it is made anew then."""
    bad_rows: Sequence[BadRow]
    seconds: float

    @property
    def total(self) -> int:
        """How many pairs there are."""
        return sum(self.counts.values())

    def to_json(self) -> str:
        """One JSON document; ``seconds`` are wall clock."""
        content: dict[str, Any] = {**asdict(self), "total": self.total}
        return json.dumps(content, ensure_ascii=False, indent=2)

    def complaints(self) -> list[str]:
        """Lines for standard error: rows that could not be used, and leaks that only edited pairs can have."""
        lines = [f"Warning: {bad.place}: {bad.reason}." for bad in self.bad_rows[:_MOST_COMPLAINTS]]
        if len(self.bad_rows) > _MOST_COMPLAINTS:
            lines.append(f"Warning: … and {len(self.bad_rows) - _MOST_COMPLAINTS} more rows; --json shows all.")
        unread = self.dropped.get(UNREADABLE, 0)
        if unread and not self.counts.get("generated"):
            lines.append(f"Warning: no reply of the teacher could be used, {unread} could not even be read.")
        if self.other_settings:
            told = ", ".join(self.other_settings)
            lines.append(f"Warning: made anew, since other settings were given than last time: {told}.")
        if self.stale:
            lines.append(f"Warning: {self.stale} edited pairs show texts that have changed; look at them.")
        found = {what: count for what, count in self.leaks.items() if count}
        if found:
            told = ", ".join(f"{count} × {what}" for what, count in found.items())
            lines.append(f"Warning: edited pairs leak between the splits: {told}. Change their split or wording.")
        return lines


_MOST_COMPLAINTS = 10


def print_report(report: PairsReport) -> None:
    """Pairs by source and kind, what was dropped, splits and the leak test, on standard output."""
    from rich.console import Console

    console = Console(highlight=False)
    console.print(_counted("pairs", report.counts, "kinds", report.kinds))
    if report.dropped:
        console.print(_counted("dropped, by reason", report.dropped))
    splits = ", ".join(f"{name} {count}" for name, count in report.splits.items())
    console.print(f"{splits}. {report.lists} evidence lists, {report.pairs_per_list:.1f} pairs each.")
    if report.kept or report.edited:
        console.print(f"Kept from before: {report.kept}; edited by people: {report.edited}.")
    leaked = sum(report.leaks.values())
    console.print(f"Leak test: {'passed' if not leaked else f'{leaked} pairs leak'} ({', '.join(report.leaks)}).")
    console.print(f"{counted(report.total, 'pair')} in {report.file} ({report.seconds:.1f} s).", soft_wrap=True)


def _counted(title: str, counts: Mapping[str, int], beside: str = "", others: Mapping[str, int] | None = None) -> Any:
    from itertools import zip_longest

    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in filter(None, (title, beside)):
        table.add_column(name)
        table.add_column("", justify="right")
    rows = [_ordered(counts), _ordered(others)] if others else [_ordered(counts)]
    for cells in zip_longest(*rows, fillvalue=("", "")):
        table.add_row(*(str(part) for cell in cells for part in cell))
    return table


def _ordered(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
