"""Answers for the page: a few at a time, the others in a line that shows its places, two side by side, and a stop."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import AsyncExitStack, aclosing, closing
from copy import copy
from dataclasses import dataclass
from typing import Any, Protocol

from assistant.service import Query, Service
from assistant.types import Answer, Update
from ui.api.workers import Workers
from ui.health import Metrics

_LOOK_SECONDS = 0.25
"""So often a place in the line, and whether someone has pressed stop, is looked at."""
_DRAWING_SECONDS = 0.03
"""What happens while the page is drawn is shown at once after that: it cannot be drawn for every token."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The question has not begun; ``place`` counts from 1."""

    place: int


Event = Waiting | Update


class Stop(Protocol):
    """Says whether nobody wants the answer any more, as an event does."""

    def is_set(self) -> bool:
        """Whether it is to end."""
        ...


class _WaitingLine:
    """The questions that have not begun, in the order in which they came."""

    def __init__(self) -> None:
        self._waiting: list[object] = []
        self._lock = threading.Lock()

    def join(self) -> object:
        """A ticket at the end of the line."""
        ticket = object()
        with self._lock:
            self._waiting.append(ticket)
        return ticket

    def leave(self, ticket: object) -> None:
        """The question begins, or is given up."""
        with self._lock:
            if ticket in self._waiting:
                self._waiting.remove(ticket)

    def place(self, ticket: object) -> int:
        """Counts from 1; 0 for one that waits no more."""
        with self._lock:
            return self._waiting.index(ticket) + 1 if ticket in self._waiting else 0


class AnswerQueue:
    """Asks a service for a page's callbacks. To be used from one event loop."""

    def __init__(self, service: Service) -> None:
        settings = service.settings
        self.service = service
        self._workers = Workers(settings.engine.parallel, settings.ui.queue)
        self._line = _WaitingLine()
        self.metrics = Metrics(lambda: self._workers.running, lambda: self._workers.waiting)

    def of(self, service: Service) -> "AnswerQueue":
        """The same line and the same places, for what a view of the service may be asked."""
        view = copy(self)
        view.service = service
        return view

    async def together(self, questions: Sequence[Query], stop: Stop) -> AsyncGenerator[list[tuple[int, Event]], None]:
        """What happens to some questions at once: lists of (which question, what).

        Ends when all are answered or ``stop`` is set. Closing it stops the models. Raises what ``Assistant.stream``
        raises, and RequestRefused when too many wait.
        """
        happened: asyncio.Queue[tuple[int, Event | BaseException | None]] = asyncio.Queue()
        async with AsyncExitStack() as running:
            pumps = [asyncio.create_task(self._pump(at, asked, happened)) for at, asked in enumerate(questions)]
            running.push_async_callback(_cancelled, pumps)
            left = len(pumps)
            while left and not stop.is_set():
                try:
                    some = [await asyncio.wait_for(happened.get(), _LOOK_SECONDS)]
                except TimeoutError:
                    continue
                while not happened.empty():
                    some.append(happened.get_nowait())
                for _, what in some:
                    if isinstance(what, BaseException):
                        raise what
                left -= sum(what is None for _, what in some)
                if shown := [
                    (at, what) for at, what in some if what is not None and not isinstance(what, BaseException)
                ]:
                    yield shown
                    await asyncio.sleep(_DRAWING_SECONDS)

    def close(self) -> None:
        """Wait for the answers under way; what waits is given up."""
        self._workers.close()

    async def _pump(
        self, at: int, asked: Query, happened: "asyncio.Queue[tuple[int, Event | BaseException | None]]"
    ) -> None:
        try:
            async with aclosing(self._stream(asked)) as events:
                async for event in events:
                    happened.put_nowait((at, event))
            happened.put_nowait((at, None))
        except Exception as error:
            happened.put_nowait((at, error))

    async def _stream(self, asked: Query) -> AsyncGenerator[Event, None]:
        ticket = self._line.join()

        def begun() -> Generator[Update, None, None]:
            self._line.leave(ticket)
            with closing(self.service.stream(asked)) as updates:
                for update in updates:
                    if isinstance(update, Answer):
                        self.metrics.count_answer(update)
                    yield update

        updates = self._workers.stream(begun)
        first = asyncio.ensure_future(anext(updates))
        try:
            shown = 0
            while not first.done():
                await asyncio.wait((first,), timeout=_LOOK_SECONDS)
                if (place := self._line.place(ticket)) and place != shown:
                    shown = place
                    yield Waiting(place)
            yield await first
            async for update in updates:
                yield update
        finally:
            self._line.leave(ticket)
            await _cancelled([first])  # a generator that is running cannot be closed
            await updates.aclose()


async def _cancelled(tasks: "Sequence[asyncio.Future[Any]]") -> None:
    """Cancel tasks, and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
