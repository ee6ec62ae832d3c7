"""Work that blocks, done in a few threads and awaited from the event loop; when they are busy, a few may wait.

It ends when the one who asked for it goes away.
"""

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from ui.api.protocol import RequestRefused

T = TypeVar("T")

_RETRY_SECONDS = 2.0  # about half an answer (docs/engines.md)
CLIENT_GONE = 499
"""The status that such requests are counted by; nginx made it up."""


@dataclass(frozen=True, slots=True)
class _Given(Generic[T]):
    item: T


@dataclass(frozen=True, slots=True)
class _Ended:
    error: BaseException | None = None


class Workers:
    """``threads`` that work, and at most ``waiting`` tasks before them. To be used from one event loop."""

    def __init__(self, threads: int, waiting: int) -> None:
        self._threads = threads
        self._places = threads + waiting
        self._taken = 0
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="worker")

    @property
    def running(self) -> int:
        """Tasks that have a thread."""
        return min(self._taken, self._threads)

    @property
    def waiting(self) -> int:
        """Tasks that have none yet."""
        return self._taken - self.running

    async def run(self, work: Callable[[], T]) -> T:
        """What ``work`` returns. Raises what it raises, and RequestRefused when too many wait."""
        return await asyncio.wrap_future(self._submit(work))

    async def stream(self, work: Callable[[], Generator[T, None, None]]) -> AsyncGenerator[T, None]:
        """What ``work`` yields, made and closed in one thread.

        Closing this generator closes the other at its next item. Raises what it raises, and RequestRefused.
        """
        loop = asyncio.get_running_loop()
        handed: asyncio.Queue[_Given[T] | _Ended] = asyncio.Queue()
        abandoned = threading.Event()

        def hand(one: _Given[T] | _Ended) -> None:
            if not abandoned.is_set():
                loop.call_soon_threadsafe(handed.put_nowait, one)

        def drain() -> None:
            try:
                with closing(work()) as items:
                    for item in items:
                        if abandoned.is_set():
                            return
                        hand(_Given(item))
                hand(_Ended())
            except BaseException as error:
                hand(_Ended(error))

        future = self._submit(drain)
        try:
            while isinstance(one := await handed.get(), _Given):
                yield one.item
            if one.error is not None:
                raise one.error
        finally:
            abandoned.set()
            future.cancel()

    def close(self) -> None:
        """Wait for what runs; what waits is given up."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _submit(self, work: Callable[[], T]) -> Future[T]:
        if self._taken >= self._places:
            raise RequestRefused(
                f"All {self._threads} places are taken and {self.waiting} requests wait.",
                "Try again in a moment.",
                status=503,
                code="overloaded",
                retry_after=_RETRY_SECONDS,
            )
        loop = asyncio.get_running_loop()
        self._taken += 1
        # With its context: what is logged there is told by the request that it belongs to.
        future = self._executor.submit(contextvars.copy_context().run, work)

        def free_place() -> None:
            self._taken -= 1

        future.add_done_callback(lambda _: None if loop.is_closed() else loop.call_soon_threadsafe(free_place))
        return future


class ClientGone(Exception):
    """The client has closed the connection; there is no one to tell."""


async def while_connected(request: Request, work: Awaitable[T]) -> T:
    """What ``work`` returns. Cancels it and raises ClientGone when the client closes the connection before."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGone
        return task.result()
    finally:
        for one in (task, gone):
            one.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class EventStream(StreamingResponse):
    """Server-sent events. What they are made of is closed with the connection, not when memory is tidied up."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[str, None], source: AsyncGenerator[Any, None]) -> None:
        """``events`` read from ``source``."""
        super().__init__(events, headers={"X-Accel-Buffering": "no"})  # proxies would hold them back
        self._events = events
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events until there are no more, or no one reads them."""
        async with contextlib.aclosing(self._source), contextlib.aclosing(self._events):
            await super().__call__(scope, receive, send)
