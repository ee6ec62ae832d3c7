"""The app in a process of its own, to be measured from outside."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import click


@dataclass(frozen=True)
class RunningApp:
    """Where an app answers, its process, and how long it took to start."""

    address: str
    pid: int
    start_seconds: float


@contextmanager
def running(workspace: Path, *settings: str, log: Path | None = None) -> Iterator[RunningApp]:
    """``assistant ui`` on a free port with ``key=value`` settings, while the block runs. ``log``: where it logs to."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "assistant", "ui", "--port", "0", "--workspace", str(workspace)]
    command += [part for setting in settings for part in ("--set", setting)]
    with (
        nullcontext() if log is None else log.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line.startswith("The app is open: "):
                raise click.ClickException("The app did not start.")
            yield RunningApp(line.split()[4], process.pid, time.perf_counter() - started)
        finally:
            process.terminate()
