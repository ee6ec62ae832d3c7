"""The process that a job lives in: runs one command of ``assistant``, and writes down how it ended.

    python -m ui.job_process NICENESS FOLDER SERVER COMMAND…

SERVER is what several machines share (``StateServer`` as JSON), or null. There the process says every few seconds that
it runs, and it hears from the job's folder when somebody on another machine asks it to stop.

It leads a session of its own, so that neither a closed terminal nor an app that ends takes it along. Signals go to
the whole session: this process passes on those that came before the command was there to hear them, and waits for it.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from assistant.errors import StateDown
from assistant.workspace import StateServer, make_file, replaced_atomically

OUTPUT_FILE = "output"
LOG_FILE = "log"
PROCESS_FILE = "process.json"
ENDED_FILE = "ended.json"
STOPS_FILE = "stops"
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
"""Each time a person asks again, we ask less kindly."""
TO_SEND = " to be sent"
"""Ends a line of the file of stops by who is on another machine: then this process sends the signal."""
_LOOK_SECONDS = 0.5
_BETWEEN_WORDS = 5.0
# Whoever waits for an answer comes first: two models that compute on the same cores hold each other up (docs/log.md).
NICENESS = 10


def main(folder: Path, command: list[str], niceness: int = NICENESS, state: StateServer | None = None) -> None:
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
        with told_to(state, folder) if state else nullcontext():
            status = process.wait()  # negative for the signal that ended it
            _write(folder / ENDED_FILE, {"status": status, "at": time.time()})


@contextmanager
def told_to(state: StateServer, folder: Path) -> Iterator[None]:
    """Meanwhile the server is told that the job runs, and in the end that it does no more."""
    from ui.shared import JobQueue

    queue, is_over = JobQueue(state), threading.Event()

    def tell() -> None:
        heard, kept_at, given_up = 0, 0.0, list[str]()
        while not is_over.wait(_LOOK_SECONDS):
            stops = list[str]()
            with suppress(OSError):
                stops = (folder / STOPS_FILE).read_text(encoding="utf-8").splitlines()
            if time.monotonic() - kept_at > _BETWEEN_WORDS:
                kept_at = time.monotonic()
                with suppress(StateDown):  # it is told when the server is back
                    given_up += [] if queue.keep(folder.name) else [TO_SEND]
            asked = [*stops, *given_up]
            for number in range(heard, len(asked)):
                if not asked[number].endswith(TO_SEND):
                    continue
                signal_ = STOP_SIGNALS[min(number, len(STOP_SIGNALS) - 1)]
                if signal_ == signal.SIGKILL:  # which ends this process too
                    with suppress(StateDown):
                        queue.end(folder.name)
                os.killpg(0, signal_)
            heard = len(asked)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        is_over.set()
        teller.join()
        with suppress(StateDown):  # then whoever starts the next one sees that it has ended
            queue.end(folder.name)


def _write(file: Path, content: dict[str, float]) -> None:
    with replaced_atomically(file) as beside:
        beside.write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    server = json.loads(sys.argv[3])
    main(Path(sys.argv[2]), sys.argv[4:], int(sys.argv[1]), StateServer(**server) if server else None)
