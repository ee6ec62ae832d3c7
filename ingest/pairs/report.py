"""What `assistant pairs` did: a table and complaints for people."""

from collections import Counter
from collections.abc import Mapping, Sequence, Sized
from pathlib import Path
from typing import Any

from assistant.artifacts.command_reports import BadRow, PairsReport
from assistant.artifacts.pairs import SPLITS, Pair, PairsHeader, leaks
from assistant.text.printing import counted
from ingest.pairs.generated_answers import ANSWER
from ingest.pairs.generated_questions import UNREADABLE

_MOST_COMPLAINTS = 10  # so that what else is told stays on the screen


def report_of(
    file: Path,
    header: PairsHeader,
    pairs: Sequence[Pair],
    edited: Sized,
    stale: int,
    seconds: float,
    kept: Sized = (),
    other_settings: Sequence[str] = (),
    bad_rows: Sequence[BadRow] = (),
) -> PairsReport:
    """What was made: ``edited`` and ``kept`` are those of before that stay, ``stale`` how many of them are outdated."""
    shown = Counter(pair.passages for pair in pairs if pair.passages)
    splits = Counter(pair.split for pair in pairs)
    return PairsReport(
        name=file.stem,
        corpus=header.corpus,
        file=str(file),
        counts=header.counts,
        kinds=dict(Counter(pair.kind for pair in pairs).most_common()),
        splits={split: splits[split] for split in SPLITS},
        dropped=header.dropped,
        lists=len(shown),
        pairs_per_list=round(sum(shown.values()) / max(1, len(shown)), 2),
        leaks=leaks(pairs),
        kept=len(kept),
        edited=len(edited),
        stale=stale,
        other_settings=tuple(other_settings),
        bad_rows=tuple(bad_rows),
        seconds=seconds,
    )


def complaints(report: PairsReport) -> list[str]:
    """Lines for standard error: rows that could not be used, and leaks that only edited pairs can have."""
    lines = [f"Warning: {bad.place}: {bad.reason}." for bad in report.bad_rows[:_MOST_COMPLAINTS]]
    if len(report.bad_rows) > _MOST_COMPLAINTS:
        lines.append(f"Warning: … and {len(report.bad_rows) - _MOST_COMPLAINTS} more rows; --json shows all.")
    unread = report.dropped.get(UNREADABLE, 0)
    if unread and not report.counts.get("generated"):
        lines.append(f"Warning: no reply of the teacher could be used, {unread} could not even be read.")
    if report.other_settings:
        told = ", ".join(report.other_settings)
        lines.append(f"Warning: made anew, since other settings were given than last time: {told}.")
    if report.stale:
        lines.append(f"Warning: {report.stale} edited pairs show texts that have changed; look at them.")
    found = {what: count for what, count in report.leaks.items() if count}
    if found:
        told = ", ".join(f"{count} × {what}" for what, count in found.items())
        lines.append(f"Warning: edited pairs leak between the splits: {told}. Change their split or wording.")
    return lines


def print_report(report: PairsReport) -> None:
    """Pairs by source and kind, what was dropped, splits and the leak test, on standard output."""
    from rich.console import Console

    console = Console(highlight=False)
    console.print(_counted("pairs", report.counts, "kinds", report.kinds))
    if report.dropped:
        console.print(_counted("dropped, by reason", report.dropped))
    if report.written:
        rejected = sum(count for reason, count in report.dropped.items() if reason.startswith(ANSWER))
        console.print(f"A model wrote {counted(report.written, 'question')}; answers to {rejected} were not admitted.")
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
