"""Reading in processes of their own: a reader that hangs, crashes or eats memory takes no one with it."""

import hashlib
import os
import signal
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.config import IngestSettings
from assistant.errors import IngestError, ReadError
from assistant.tokens import TokenCounter
from assistant.types import Chunk, Document
from ingest.chunker import Budget, chunk_document
from ingest.readers import Limits, read

_HASH_BYTES = 1 << 20
_TASKS_A_WORKER = 4


@dataclass(frozen=True, slots=True)
class Task:
    """One file to read. ``size`` and ``modified_ns`` are what the scan saw."""

    location: Path
    size: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of a task: a document with chunks, or the reason why not."""

    task: Task
    document: Document | None
    chunks: tuple[Chunk, ...]
    failure: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides how a file becomes chunks; sent to each process once."""

    embedder_folder: Path
    budget: Budget
    limits: Limits
    timeout_seconds: float
    memory_bytes: int
    workers: int


def recipe_from(settings: IngestSettings, counter: TokenCounter) -> Recipe:
    """The recipe that the settings ask for, under the embedder whose tokens are counted."""
    window = min(settings.window_tokens or counter.window, counter.window)
    return Recipe(
        embedder_folder=counter.folder,
        budget=Budget(window, settings.min_window_tokens, settings.chunk_characters),
        limits=Limits(
            max_characters=settings.max_characters,
            max_pages=settings.max_pages,
            max_unpacked_bytes=settings.max_unpacked_mb << 20,
            ocr=settings.ocr,
        ),
        timeout_seconds=settings.timeout_seconds,
        memory_bytes=settings.memory_mb << 20,
        workers=settings.workers or max(1, (os.cpu_count() or 1) - 1),
    )


def file_hash(file: Path) -> str:
    """SHA-256 of a file's bytes, in hex. Raises ReadError when it cannot be read."""
    digest = hashlib.sha256()
    try:
        with file.open("rb") as stream:
            while portion := stream.read(_HASH_BYTES):
                digest.update(portion)
    except OSError as error:
        raise ReadError(f"{file.name} cannot be read: {error.strerror}.", "Check its rights.") from None
    return digest.hexdigest()


def read_all(tasks: Iterable[Task], recipe: Recipe) -> Iterator[Reading]:
    """Read files on all cores, and give them in their order, so that the same files make the same corpus.

    Few tasks are under way at a time: memory is bounded.
    """
    with _pool(recipe) as pool:
        begun: deque[tuple[Task, Future[Reading]]] = deque()
        remaining = iter(tasks)
        while True:
            while len(begun) < recipe.workers * _TASKS_A_WORKER and (task := next(remaining, None)):
                begun.append((task, pool.schedule(_read, args=[task], timeout=recipe.timeout_seconds)))
            if not begun:
                return
            task, future = begun.popleft()
            yield _outcome(task, future, recipe)


@contextmanager
def _pool(recipe: Recipe) -> Iterator[Any]:
    import multiprocessing

    from pebble import ProcessPool

    pool = ProcessPool(
        max_workers=recipe.workers,
        initializer=_start_worker,
        initargs=(recipe, os.getpid()),
        # Fresh processes: a fork would carry torch's threads and locks along.
        context=multiprocessing.get_context("spawn"),
    )
    try:
        with _interrupts_held():
            if not pool.active:  # asking starts it
                raise IngestError("The reading processes cannot be started.", "Set ingest.workers=1.")
        yield pool
        pool.close()  # type: ignore[no-untyped-call]
    finally:
        pool.stop()  # type: ignore[no-untyped-call]
        pool.join()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Keep Ctrl-C waiting meanwhile; threads and processes that are started inside never hear it.

    A process that is just starting would answer it with a traceback, before it can choose not to.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # starting it sets the mask back
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _outcome(task: Task, future: "Future[Reading]", recipe: Recipe) -> Reading:
    from pebble import ProcessExpired

    try:
        return future.result()
    except TimeoutError:
        reason = f"took longer than {recipe.timeout_seconds:g} s (ingest.timeout_seconds) and was stopped"
    except ProcessExpired as error:
        ended = _ended(error.exitcode)
        reason = f"made its reader {ended}: it is damaged, or needs more memory than ingest.memory_mb allows"
    except Exception as error:  # a fault of ours, which costs this file and not the ingest
        reason = f"could not be read: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return Reading(task, None, (), f"{task.location.name} {reason}.", 0.0)


def _ended(status: int) -> str:
    """How a process ended, in words: a negative status is the signal that ended it."""
    name = signal.strsignal(-status) if status < 0 else None
    return f"crash ({name.lower()})" if name else f"stop with status {status}"


_recipe: Recipe | None = None
_counter: TokenCounter | None = None


def _start_worker(recipe: Recipe, parent: int) -> None:
    global _recipe, _counter
    _recipe, _counter = recipe, TokenCounter(recipe.embedder_folder)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the processes already use all cores
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which stops us in order
    _limit_memory(recipe.memory_bytes)
    _die_with(parent)


def _limit_memory(limit: int) -> None:
    """Cap the address space, where the system can; elsewhere only time is limited."""
    if sys.platform.startswith("linux"):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _die_with(parent: int) -> None:
    """End when the parent is killed, which no ``finally`` of its own can see to."""
    import threading
    import time

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _read(task: Task) -> Reading:
    import time

    assert _recipe is not None and _counter is not None, "the pool has started this process"
    started = time.perf_counter()
    try:
        document = read(task.location, _recipe.limits)
        _refuse_if_changed(task)
        chunks = tuple(chunk_document(document, _counter, _recipe.budget))
    except ReadError as error:
        return Reading(task, None, (), str(error), time.perf_counter() - started)
    except MemoryError:
        failure = f"{task.location.name} needs more than {_recipe.memory_bytes >> 20} MiB (ingest.memory_mb)."
        return Reading(task, None, (), failure, time.perf_counter() - started)
    return Reading(task, document, chunks, "", time.perf_counter() - started)


def _refuse_if_changed(task: Task) -> None:
    try:
        status = task.location.stat()
    except OSError:
        raise ReadError(f"{task.location.name} vanished while it was read.", "Run the ingest again.") from None
    if (status.st_size, status.st_mtime_ns) != (task.size, task.modified_ns):
        raise ReadError(f"{task.location.name} changed while it was read.", "Run the ingest again.")
