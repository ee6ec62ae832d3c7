"""Words and bars for a person who waits: on standard error, and bars only on a terminal.

A program that waits instead names a file in the variable ``ASSISTANT_PROGRESS``: it gets one JSON line a change.

    {"label": "Reading and embedding", "done": 3, "total": 20, "text": "", "item": "policy.pdf", "remark": ""}
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

from pydantic import TypeAdapter, ValidationError

from assistant.workspace import make_file

PROGRESS_VARIABLE = "ASSISTANT_PROGRESS"
# Of a progress file: some hundred lines, so that one about the whole is among those about single things.
_LAST_BYTES = 64 << 10


class Bar(Protocol):
    """What long work tells about itself."""

    def advance(self, steps: float = 1) -> None: ...

    def describe(self, text: str) -> None: ...

    def item(self, name: str, remark: str = "") -> None:
        """One thing was worked on; ``remark`` says what went wrong with it."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far long work is: one line of a progress file."""

    label: str
    done: float = 0
    total: float | None = None
    text: str = ""
    item: str = ""
    """What was worked on last; empty in a line that says something else."""
    remark: str = ""
    """What went wrong with it."""


_PROGRESS = TypeAdapter(Progress)


class _Silent:
    def advance(self, steps: float = 1) -> None:
        pass

    def describe(self, text: str) -> None:
        pass

    def item(self, name: str, remark: str = "") -> None:
        pass


class _Written:
    """Appends to a progress file."""

    def __init__(self, file: Path, label: str, total: float | None) -> None:
        self._file = make_file(file)
        self._now = Progress(label, total=total)
        self._write(self._now)

    def advance(self, steps: float = 1) -> None:
        self._now = replace(self._now, done=self._now.done + steps)
        self._write(self._now)

    def describe(self, text: str) -> None:
        self._now = replace(self._now, text=text)
        self._write(self._now)

    def item(self, name: str, remark: str = "") -> None:
        self._write(replace(self._now, item=name, remark=remark))

    def _write(self, progress: Progress) -> None:
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(progress)) + "\n")


def read_progress(file: Path) -> Sequence[Progress]:
    """The lines of a progress file so far; one that is still being written is left out."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError:
        return ()
    return [one for line in text.splitlines() if (one := _parsed(line))]


def last_progress(file: Path) -> Progress | None:
    """How far the work is that writes a progress file; only the end of it is read."""
    lines = tail(file, _LAST_BYTES).splitlines()
    return next((one for line in reversed(lines) if (one := _parsed(line)) and not one.item), None)


def tail(file: Path, most_bytes: int) -> str:
    """The end of a text file, from the beginning of a line; empty where there is no file."""
    try:
        with file.open("rb") as stream:
            start = max(stream.seek(0, os.SEEK_END) - most_bytes, 0)
            stream.seek(start)
            text = stream.read().decode(errors="replace")
    except OSError:
        return ""
    return text.partition("\n")[2] if start else text


def _parsed(line: str) -> Progress | None:
    try:
        return _PROGRESS.validate_json(line)
    except ValidationError:
        return None  # cut, because it is being written


def note(text: str) -> None:
    """One line for the person at the terminal or in the log."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def progress_bar(label: str, total: float | None, *, shown: bool = True) -> Iterator[Bar]:
    """A bar while the block runs; silent where standard error is not a terminal, or it is not to be ``shown``."""
    if shown and (file := os.environ.get(PROGRESS_VARIABLE)):
        yield _Written(Path(file), label, total)
        return
    if not (shown and sys.stderr.isatty()):
        yield _Silent()
        return
    from rich import progress as rich_progress
    from rich.console import Console

    columns = (
        rich_progress.TextColumn("{task.description}", markup=False),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TimeRemainingColumn(),
    )
    with rich_progress.Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=total)

        class _Shown(_Silent):
            def advance(self, steps: float = 1) -> None:
                progress.advance(task, steps)

            def describe(self, text: str) -> None:
                progress.update(task, description=text)

        yield _Shown()
