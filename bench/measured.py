"""A command run to its end, with what it cost: seconds, processor seconds, and peak memory of all its processes."""

import contextlib
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psutil

_SAMPLE_SECONDS = 0.3
# Looking at gigabytes takes a tenth of a second of a core, which a long run should not have to pay for.
_MOST_WATCHED = 0.02


@dataclass(frozen=True)
class Cost:
    """What one command cost. Memory is the largest sum of proportional set sizes seen, in bytes."""

    seconds: float
    memory: int


def run(command: Sequence[str], environment: Mapping[str, str]) -> Cost:
    """Run a command. Raises CalledProcessError when it fails."""
    started = time.perf_counter()
    process = subprocess.Popen(command, env=dict(environment), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        began = time.perf_counter()
        with contextlib.suppress(psutil.Error):
            peak = max(peak, _memory(watched))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(_SAMPLE_SECONDS, (time.perf_counter() - began) / _MOST_WATCHED))
    seconds = time.perf_counter() - started
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, list(command))
    return Cost(seconds, peak)


def _memory(process: psutil.Process) -> int:
    """Proportional set size of a process and its children: pages that they share count once."""
    total = 0
    for one in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            total += one.memory_full_info().pss
    return total
