"""Words and bars for a person who waits: on standard error, and bars only on a terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Bar(Protocol):
    """What long work tells about itself."""

    def advance(self, steps: float = 1) -> None: ...

    def describe(self, text: str) -> None: ...


class _Silent:
    def advance(self, steps: float = 1) -> None:
        pass

    def describe(self, text: str) -> None:
        pass


def note(text: str) -> None:
    """One line for the person at the terminal or in the log."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def progress_bar(label: str, total: float | None, *, shown: bool = True) -> Iterator[Bar]:
    """A bar while the block runs; silent where standard error is not a terminal, or it is not to be ``shown``."""
    if not (shown and sys.stderr.isatty()):
        yield _Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=total)

        class _Shown:
            def advance(self, steps: float = 1) -> None:
                progress.advance(task, steps)

            def describe(self, text: str) -> None:
                from rich.markup import escape

                progress.update(task, description=escape(text))

        yield _Shown()
