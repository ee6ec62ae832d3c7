"""Processes that do what may hang, crash or eat memory: they have limits, and end with their parent."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


def reading_processes(workers: int) -> int:
    """How many processes read files: ``workers``; where that is 0, one for each core but that of the embedder."""
    return workers or max(1, (os.cpu_count() or 1) - 1)


def confine(memory_bytes: int, parent: int) -> None:
    """Called in such a process first: cap its address space, where the system can, and end when ``parent`` has."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which stops us in order
    if sys.platform.startswith("linux"):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))

    def watch() -> None:  # when the parent is killed, no ``finally`` of its own can see to us
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Keep Ctrl-C waiting meanwhile; threads and processes that are started inside never hear it.

    A process that is just starting would answer it with a traceback, before it can choose not to.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # starting it sets the mask back
    with _interrupt_deferred():
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _interrupt_deferred() -> Iterator[None]:
    """The mask is one thread's alone: any other takes the signal, and Python hands it to the main one all the same."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if heard:
            signal.raise_signal(signal.SIGINT)


def ended(status: int) -> str:
    """How a process ended, in words: a negative status is the signal that ended it."""
    name = signal.strsignal(-status) if status < 0 else None
    return f"crash ({name.lower()})" if name else f"stop with status {status}"
