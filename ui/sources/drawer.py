"""A process that draws pages for us, one at a time, within limits of memory and time; it may be lost at any moment."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import TypeVar

from assistant.errors import ReadError, one_line
from assistant.work.processes import confine, ended, interrupts_held
from ui.sources import drawing
from ui.sources.drawing import SourceDocument

T = TypeVar("T")

_SHORT_SECONDS = 1.0
"""Who takes longer lets everybody else go first from then on."""
_NICENESS = 10  # as jobs have
_PATIENCE = 6
"""Processor time takes so much longer on the clock at most: others compute too."""
_START_SECONDS = 60.0  # it takes a third of a second on a quiet machine


class DrawerLost(Exception):
    """The process went over its limits, or crashed; the message says how it ended."""


@dataclass(frozen=True, slots=True)
class DrawingLimits:
    """What drawing one page may take."""

    seconds: float
    """Of processor time."""
    memory_bytes: int


class Drawer:
    """Starts at once and is ready a moment later. To be asked by one thread at a time; any thread may end it."""

    def __init__(self, limits: DrawingLimits) -> None:
        # A fresh process: a fork would carry the models along, and threads and locks.
        context = get_context("spawn")
        self._connection, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, limits, os.getpid()), daemon=True)
        with interrupts_held():
            self._process.start()
        there.close()
        self._limits = limits
        self._is_ready = False
        self._is_slow = False

    @property
    def is_fit(self) -> bool:
        """Whether it can draw another page: it lives, and its priority, which cannot be raised again, is as it was."""
        # Nothing comes from one that waits but its end, which may be there before it counts as dead.
        has_ended = self._is_ready and self._connection.poll()
        return not has_ended and not self._is_slow and self._process.is_alive()

    def picture(self, document: SourceDocument, page: int) -> bytes:
        """See ``drawing.picture``. Raises what that does, and DrawerLost."""
        return self._done(drawing.picture, document, page)

    def sheet(self, document: SourceDocument, page: int, words: str, at: int = 0) -> drawing.Sheet:
        """See ``drawing.sheet``. Raises what that does, and DrawerLost."""
        return self._done(drawing.sheet, document, page, words, at)

    def end(self) -> None:
        """End it now; whoever waits for it gets DrawerLost."""
        self._process.kill()
        self._process.join()

    def _done(self, work: Callable[..., T], *arguments: object) -> T:
        with suppress(EOFError, OSError):
            self._is_ready = self._is_ready or (self._connection.poll(_START_SECONDS) and self._connection.recv())
        if not self._is_ready:  # where processes cannot be started, that is not the fault of a page
            self.end()
            raise ReadError("The process that draws pages does not start.", "Raise ui.page_memory_mb.")
        try:
            self._connection.send((work, arguments))
            if not self._connection.poll(_SHORT_SECONDS):
                self._is_slow = True
                if hasattr(os, "setpriority") and self._process.pid:
                    os.setpriority(os.PRIO_PROCESS, self._process.pid, _NICENESS)
                if not self._connection.poll(self._limits.seconds * _PATIENCE):
                    self.end()
            outcome: T | ReadError = self._connection.recv()
        except (EOFError, OSError):
            self._process.join()
            status = self._process.exitcode or 0
            raise DrawerLost("out of time" if status == -signal.SIGPROF else ended(status)) from None
        if isinstance(outcome, ReadError):
            raise outcome
        return outcome


def _serve(connection: Connection, limits: DrawingLimits, parent: int) -> None:
    """Do what comes down the line, until its other end is closed."""
    confine(limits.memory_bytes, parent)
    connection.send(True)
    while True:
        try:
            work, arguments = connection.recv()
        except EOFError:
            return
        _limit_time(limits.seconds)
        outcome = _outcome(work, arguments)
        _limit_time(0)
        connection.send(outcome)


def _limit_time(seconds: float) -> None:
    """End this process when it has computed so long from now on, whatever it is at; 0 takes the limit away."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _outcome(work: Callable[..., object], arguments: tuple[object, ...]) -> object:
    try:
        return work(*arguments)
    except ReadError as error:
        return error
    except MemoryError:
        os._exit(1)  # there may not be enough left to say so
    except Exception as error:  # what a library makes of a damaged page
        return ReadError(f"This page cannot be drawn: {type(error).__name__}: {one_line(error)}.")
