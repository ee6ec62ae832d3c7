"""What happens to work when the one who asked for it goes away: it ends."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

T = TypeVar("T")


CLIENT_GONE = 499
"""The status that such requests are counted by; nginx made it up."""


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
