"""The process that a job lives in: runs one command of ``assistant``, and writes down how it ended.

    python -m ui.job_process NICENESS FOLDER COMMAND…

It leads a session of its own, so that neither a closed terminal nor an app that ends takes it along. Signals go to
the whole session: this process passes on those that came before the command was there to hear them, and waits for it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from assistant.workspace import make_file, replaced_atomically

OUTPUT_FILE = "output"
LOG_FILE = "log"
PROCESS_FILE = "process.json"
ENDED_FILE = "ended.json"
# Whoever waits for an answer comes first: two models that compute on the same cores hold each other up (docs/log.md).
NICENESS = 10


def main(folder: Path, command: list[str], niceness: int = NICENESS) -> None:
    """Run ``command``, with its output and its log in ``folder``."""
    os.nice(niceness)
    # Linux weighs sessions against each other first. Not in a session of others: all of it would have to wait.
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(niceness), encoding="ascii")
    # A handler, unlike SIG_IGN, is not inherited: the command hears the signals even where we were told to ignore them.
    heard: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: heard.append(number))
    import psutil  # once signals are heard

    # Number and beginning tell this process from a later one.
    _write(folder / PROCESS_FILE, {"pid": os.getpid(), "created": psutil.Process().create_time()})
    with (
        make_file(folder / OUTPUT_FILE).open("wb") as output,
        make_file(folder / LOG_FILE).open("wb") as log,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=log) as process,
    ):
        for missed in tuple(heard):
            process.send_signal(missed)
        status = process.wait()  # negative for the signal that ended it
    _write(folder / ENDED_FILE, {"status": status, "at": time.time()})


def _write(file: Path, content: dict[str, float]) -> None:
    with replaced_atomically(file) as beside:
        beside.write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[2]), sys.argv[3:], int(sys.argv[1]))
