"""Pages of PDFs for many who ask at once, whatever is on the pages.

Two are drawn at a time, in processes that may be lost (``ui.sources.drawing``). One person has one of them at most, and
waits in a line of their own: no one takes all places. Whoever asks for what is being drawn for them shares it. Pages
are kept as drawn, and so is what cannot be drawn: a second look is free. Nobody waits in a thread of Gradio's.
"""

import asyncio
import logging
import math
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from assistant.errors import ReadError
from ui.sources.drawing import Drawer, DrawerLost, DrawingLimits, Sheet, SourceDocument

T = TypeVar("T")

_AT_ONCE = 2  # processes, of 63 MiB each (docs/ui.md): a page that hurts leaves one to the others
_MOST_WAITING = 16
"""Different pages that one person may wait for."""
_PAGES_KEPT = 64  # of 33 to 121 kB in the sample (n = 12)
_MOST_HURTFUL = 3
"""Pages of one document that are found not to be drawable before no other one is tried."""
_HURTFUL_KEPT = 1000  # documents
_log = logging.getLogger("uvicorn.error")


class HurtfulPage(ReadError):
    """To draw the page would take too long or too much memory."""


class PdfPages:
    """To be used from one event loop. ``client`` is whoever asks."""

    def __init__(self, limits: DrawingLimits, start: Callable[[DrawingLimits], Drawer] = Drawer) -> None:
        """``start`` begins a process."""
        self._limits = limits
        self._start = start
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="page")
        self._idle: list[Drawer] = []
        self._busy: set[Drawer] = set()
        self._lock = threading.Lock()
        """Of the two above."""
        self._is_closed = False
        self._lines, self._pages = Locks(), Locks()
        self._under_way: dict[Hashable, asyncio.Task[Any]] = {}
        self._drawn: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._hurtful: OrderedDict[str, set[int]] = OrderedDict()
        """Pages by the hash of their document: of another version, they are others."""

    async def picture(self, document: SourceDocument, page: int, client: str) -> bytes:
        """A page (1-based) as WebP. Raises ReadError for a page that there is not or that cannot be drawn."""
        key = (document.hash, page)

        async def picture() -> bytes:
            async with self._turn(document, page, client):
                if key not in self._drawn:
                    self._drawn[key] = await self._done(document, page, lambda drawer: drawer.picture(document, page))
                    while len(self._drawn) > _PAGES_KEPT:
                        self._drawn.popitem(last=False)
                return self._drawn[key]

        if key not in self._drawn:
            return await self._shared((client, key), picture)
        self._drawn.move_to_end(key)
        return self._drawn[key]

    async def sheet(self, document: SourceDocument, page: int, words: str, at: int, client: str) -> Sheet:
        """Where ``words`` stand on a page; behind about ``at`` characters, if they stand there twice.

        Raises ReadError for a page that there is not or that cannot be drawn.
        """
        key = (client, document.hash, page, words, at)

        async def sheet() -> Sheet:
            async with self._turn(document, page, client):
                return await self._done(document, page, lambda drawer: drawer.sheet(document, page, words, at))

        return await self._shared(key, sheet)

    def warm_up(self) -> None:
        """Start a process now rather than with the first page."""
        with self._lent():
            pass

    def close(self) -> None:
        """End the processes; whoever waits for a page waits no more."""
        self._is_closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            for drawer in self._busy:
                drawer.end()
        self._threads.shutdown()
        for drawer in self._idle:
            drawer.end()

    async def _shared(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What ``work`` returns, begun once for all who ask meanwhile; who goes away does not end it for the others."""

        def forget(done: asyncio.Task[T]) -> None:
            del self._under_way[key]
            if not done.cancelled():
                done.exception()  # heard, if all who asked went away: else asyncio prints it

        if key not in self._under_way:
            self._under_way[key] = task = asyncio.create_task(work())
            task.add_done_callback(forget)
        return await asyncio.shield(self._under_way[key])

    @asynccontextmanager
    async def _turn(self, document: SourceDocument, page: int, client: str) -> AsyncIterator[None]:
        """Hold the client's turn, and the page. Raises HurtfulPage for what is known not to be drawable."""
        self._refuse_hurtful(document, page)
        async with self._lines.held(client, _MOST_WAITING), self._pages.held((document.hash, page)):
            self._refuse_hurtful(document, page)
            yield

    async def _done(self, document: SourceDocument, page: int, work: Callable[[Drawer], T]) -> T:
        if self._is_closed:
            raise ReadError("The app is being closed.")

        def drawn() -> T:
            with self._lent() as drawer:
                return work(drawer)

        try:
            return await asyncio.wrap_future(self._threads.submit(drawn))
        except DrawerLost as lost:
            _log.warning("%s, page %d: drawing it was given up: %s.", document.path, page, lost)
            self._hurtful.setdefault(document.hash, set()).add(page)
            while len(self._hurtful) > _HURTFUL_KEPT:
                self._hurtful.popitem(last=False)
            raise self._hurt(document, page) from None

    def _refuse_hurtful(self, document: SourceDocument, page: int) -> None:
        known = self._hurtful.get(document.hash, ())
        if page in known or len(known) >= _MOST_HURTFUL:
            raise self._hurt(document, page)

    def _hurt(self, document: SourceDocument, page: int) -> HurtfulPage:
        seconds, mib = self._limits.seconds, self._limits.memory_bytes >> 20
        return HurtfulPage(
            f"Page {page} of {document.path} is not drawn: that takes more than {seconds:g} s of processor time"
            f" (ui.page_seconds) or {mib} MiB (ui.page_memory_mb), or more of its pages do.",
            "Look at its text, or download the document.",
        )

    @contextmanager
    def _lent(self) -> Iterator[Drawer]:
        """A drawer that is no one else's meanwhile. One that is lost has a successor at once."""
        with self._lock:
            drawer = self._fit(self._idle.pop()) if self._idle else self._start(self._limits)
            self._busy.add(drawer)
        try:
            yield drawer
        finally:
            with self._lock:
                self._busy.discard(drawer)
                self._idle.append(self._fit(drawer))

    def _fit(self, drawer: Drawer) -> Drawer:
        if drawer.is_fit:
            return drawer
        drawer.end()
        return self._start(self._limits)


@dataclass(slots=True)
class _Wanted:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    by: int = 0


class Locks:
    """A lock for each key, as long as someone wants it; who came first has it first."""

    def __init__(self) -> None:
        self._wanted: dict[Hashable, _Wanted] = {}

    @asynccontextmanager
    async def held(self, key: Hashable, most: float = math.inf) -> AsyncIterator[None]:
        """Raises ReadError when ``most`` want it already."""
        wanted = self._wanted.setdefault(key, _Wanted())
        if wanted.by >= most:
            raise ReadError(f"{wanted.by} other pages have to be drawn for you first.", "Try again in a moment.")
        wanted.by += 1
        try:
            async with wanted.lock:
                yield
        finally:
            wanted.by -= 1
            if not wanted.by:
                del self._wanted[key]
