"""Reading in processes of their own: a reader that hangs, crashes or eats memory takes no one with it."""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from assistant.config import IngestSettings
from assistant.errors import IngestError, ReadError, one_line
from assistant.retrieval.tokens import TokenCounter
from assistant.types import Chunk, Document, Vectors
from assistant.work.processes import confine, ended, interrupts_held, reading_processes
from ingest.chunker import Budget, chunk_document
from ingest.readers import Limits, read

if TYPE_CHECKING:
    from pebble import ProcessPool

S = TypeVar("S")
T = TypeVar("T")
TASKS_A_WORKER = 4  # workers go on beside a file that takes long, and what they read waits in memory


@dataclass(frozen=True, slots=True)
class Task:
    """One file to read. ``size`` and ``modified_ns`` are what the scan saw."""

    location: Path
    size: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class ReadResult:
    """What came of a task: a document with chunks, or the reason why not."""

    task: Task
    document: Document | None
    chunks: tuple[Chunk, ...]
    failure: str
    seconds: float


class Workers(Protocol):
    """Who reads the files of an ingest, and embeds what they say."""

    at_once: int
    """How many lists of texts are embedded at the same time."""

    def read_all(self, tasks: Iterable[Task]) -> Iterator[ReadResult]:
        """What came of each file, in their order."""

    def embed(self, texts: Sequence[str]) -> Callable[[], Vectors]:
        """Begin to embed texts; what is given back waits for their vectors (n, dimension)."""


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
    window = min(settings.window_tokens or counter.room, counter.room)
    return Recipe(
        embedder_folder=counter.folder,
        budget=Budget(window, settings.min_window_tokens, settings.chunk_characters),
        limits=Limits(
            max_characters=settings.max_characters,
            max_pages=settings.max_pages,
            max_unpacked_bytes=settings.max_unpacked_mb << 20,
            page_seconds=settings.page_seconds,
            ocr=settings.ocr,
        ),
        timeout_seconds=settings.timeout_seconds,
        memory_bytes=settings.memory_mb << 20,
        workers=reading_processes(settings.workers),
    )


def file_hash(file: Path) -> str:
    """SHA-256 of a file's bytes, in hex. Raises ReadError when it cannot be read."""
    with readable(file), file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def readable(file: Path) -> Iterator[None]:
    """Raise ReadError where the system does not let a file be read."""
    try:
        yield
    except OSError as error:
        raise ReadError(f"{file.name} cannot be read: {error.strerror}.", "Check its rights.") from None


def read_all(tasks: Iterable[Task], recipe: Recipe) -> Iterator[ReadResult]:
    """Read files on all cores, and give them in their order, so that the same files make the same corpus.

    Few tasks are under way at a time: memory is bounded.
    """
    with reading_pool(recipe) as pool:
        yield from in_order(tasks, lambda task: pool_read(pool, task, recipe), recipe.workers * TASKS_A_WORKER)


def in_order(items: Iterable[S], begin: Callable[[S], Callable[[], T]], most: int) -> Iterator[T]:
    """What came of each item, in their order, with at most so many under way; ``begin`` gives what waits for one."""
    begun: deque[Callable[[], T]] = deque()
    for item in items:
        begun.append(begin(item))
        if len(begun) >= most:
            yield begun.popleft()()
    while begun:
        yield begun.popleft()()


@contextmanager
def reading_pool(recipe: Recipe) -> Iterator["ProcessPool"]:
    """Processes that read for ``pool_read``. Raises IngestError where none can be started."""
    import multiprocessing

    from pebble import ProcessPool

    pool = ProcessPool(
        max_workers=recipe.workers,
        initializer=_start_worker,
        initargs=(recipe, os.getpid()),
        # Fresh processes: a fork would carry torch's threads and locks along.
        context=multiprocessing.get_context("spawn"),
    )
    others = set(multiprocessing.active_children())
    try:
        with interrupts_held():
            if not pool.active:  # asking starts it
                raise IngestError("The reading processes cannot be started.", "Set ingest.workers=1.")
        yield pool
        pool.close()  # type: ignore[no-untyped-call]
    finally:
        pool.stop()  # type: ignore[no-untyped-call]
        # The pool takes its locks away first: a process that is still starting would say with a traceback that it
        # misses them. No process of ours holds anything that could be lost.
        for process in set(multiprocessing.active_children()) - others:
            process.kill()
        pool.join()


def pool_read(pool: "ProcessPool", task: Task, recipe: Recipe) -> Callable[[], ReadResult]:
    """Have a file read within the limits of the recipe; what is given back waits for what came of it."""
    return partial(_outcome, task, pool.schedule(_read, args=[task], timeout=recipe.timeout_seconds), recipe)


def _outcome(task: Task, future: "Future[ReadResult]", recipe: Recipe) -> ReadResult:
    from pebble import ProcessExpired

    try:
        return future.result()
    except TimeoutError:
        reason = f"took longer than {recipe.timeout_seconds:g} s (ingest.timeout_seconds) and was stopped"
    except ProcessExpired as error:
        how = ended(error.exitcode)
        reason = f"made its reader {how}: it is damaged, or needs more memory than ingest.memory_mb allows"
    except Exception as error:  # a fault of ours, which costs this file and not the ingest
        reason = f"could not be read: {type(error).__name__}: {one_line(error)}"
    return ReadResult(task, None, (), f"{task.location.name} {reason}.", 0.0)


def check_unchanged(task: Task) -> None:
    """Raise ReadError where a file is no more what the scan saw."""
    try:
        status = task.location.stat()
    except OSError:
        raise ReadError(f"{task.location.name} vanished while it was read.", "Run the ingest again.") from None
    if (status.st_size, status.st_mtime_ns) != (task.size, task.modified_ns):
        raise ReadError(f"{task.location.name} changed while it was read.", "Run the ingest again.")


_recipe: Recipe | None = None
_counter: TokenCounter | None = None


def _start_worker(recipe: Recipe, parent: int) -> None:
    global _recipe, _counter
    _recipe, _counter = recipe, TokenCounter(recipe.embedder_folder)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the processes already use all cores
    confine(recipe.memory_bytes, parent)


def _read(task: Task) -> ReadResult:
    import time

    assert _recipe is not None and _counter is not None, "the pool has started this process"
    started = time.perf_counter()
    try:
        document = read(task.location, _recipe.limits)
        check_unchanged(task)
        chunks = tuple(chunk_document(document, _counter, _recipe.budget))
    except ReadError as error:
        return ReadResult(task, None, (), str(error), time.perf_counter() - started)
    except MemoryError:
        failure = f"{task.location.name} needs more than {_recipe.memory_bytes >> 20} MiB (ingest.memory_mb)."
        return ReadResult(task, None, (), failure, time.perf_counter() - started)
    return ReadResult(task, document, chunks, "", time.perf_counter() - started)
