"""Many requests on one model: a thread owns it, and requests join and leave its batch between two tokens.

    request ──▶ queue ──▶ at most ``parallel`` at once, first come first served ──▶ the batch of its weights ──▶ tokens

The thread lives as long as there is something to do. What a batch raises is told to all that are in it, and the next
request starts with an empty one.
"""

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Protocol

from assistant.errors import AssistantError, ModelError, one_line


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt in tokens, and how it is to be continued. An adapter of None is the base model by itself."""

    prompt: tuple[int, ...]
    max_new_tokens: int
    temperature: float = 0.0
    adapter: str | None = None


@dataclass(frozen=True, slots=True)
class RequestOutput:
    """The next tokens of one request of a batch, without those that end a turn. After the last it is in it no more."""

    number: int
    tokens: tuple[int, ...]
    last: bool


class Batch(Protocol):
    """Requests that the same weights answer together; not for two threads at once."""

    def add(self, number: int, request: Request) -> None:
        """Take a request in under a number of its own."""

    def step(self) -> list[RequestOutput]:
        """Go on by a token or a few a request. Those that still wait for their first one may be missing."""

    def remove(self, number: int) -> None:
        """Forget a request that has not ended."""

    def clear(self) -> None:
        """Forget all requests, in whatever state a failure left them."""


class Answering:
    """A request on its way: iterate over its tokens, and close it when no more are wanted."""

    def __init__(self, number: int, request: Request, patient: bool, withdraw: Callable[["Answering"], None]) -> None:
        self.number = number
        self.request = request
        self.patient = patient
        self.closed = False
        self._withdraw = withdraw
        self._count = 0
        self._said: SimpleQueue[int | AssistantError | None] = SimpleQueue()
        self._left = threading.Event()

    def __iter__(self) -> Iterator[int]:
        """The tokens as they come. Raises what the model raised, as ModelError unless it is an error of ours."""
        while (item := self._said.get()) is not None:
            if isinstance(item, AssistantError):
                raise item
            yield item

    def close(self) -> None:
        """Stop, and come back when its place is free: at once, or when the token that is being computed is done."""
        self.closed = True
        self._withdraw(self)
        self._left.wait()

    @property
    def ran_out(self) -> bool:
        """Whether it said as many tokens as it may, and no end among them."""
        return self._count >= self.request.max_new_tokens

    def say(self, tokens: tuple[int, ...]) -> None:
        """Hand tokens to whoever iterates."""
        self._count += len(tokens)
        for token in tokens:
            self._said.put(token)

    def leave(self, failure: AssistantError | None = None) -> None:
        """No more comes."""
        self._said.put(failure)
        self._left.set()


class Scheduler:
    """Answers requests of many threads on one model, some of them at once."""

    def __init__(self, batch_of: Callable[[str | None], Batch], parallel: int) -> None:
        """``batch_of`` gives the batch of an adapter, the same one while its weights are; the one thread calls it."""
        self._batch_of = batch_of
        self._parallel = parallel
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._waiting: tuple[deque[Answering], deque[Answering]] = deque(), deque()
        self._running: dict[int, tuple[Answering, Batch]] = {}
        self._thread: threading.Thread | None = None

    def start(self, request: Request) -> Answering:
        """Queue a request."""
        return self._queued([request], patient=False)[0]

    def start_all(self, requests: Sequence[Request]) -> list[Answering]:
        """Queue many at one moment; each gives way to those that are started alone.

        Which of them run together depends on nothing but the requests: a model that rounds says the same in every run.
        """
        return self._queued(requests, patient=True)

    def _queued(self, requests: Sequence[Request], *, patient: bool) -> list[Answering]:
        queued = [Answering(next(self._numbers), request, patient, self._withdraw) for request in requests]
        with self._lock:
            self._waiting[patient].extend(queued)
            if self._thread is None and queued:
                self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
                self._thread.start()
        return queued

    def _withdraw(self, answering: Answering) -> None:
        """Let one that still waits leave at once."""
        with self._lock:
            queue = self._waiting[answering.patient]
            if answering in queue:
                queue.remove(answering)
                answering.leave()

    def _work(self) -> None:
        try:
            while self._take_in():
                for number, (answering, batch) in list(self._running.items()):
                    if answering.closed:
                        batch.remove(number)
                        del self._running[number]
                        answering.leave()
                for batch in {id(batch): batch for _, batch in self._running.values()}.values():
                    self._advance(batch)
        except BaseException as error:  # a defect in here: nobody waits for ever
            with self._lock:
                self._thread = None
                left = [*itertools.chain(*self._waiting), *(answering for answering, _ in self._running.values())]
                for queue in self._waiting:
                    queue.clear()
                self._running.clear()
            for answering in left:
                answering.leave(_failure(error))

    def _take_in(self) -> bool:
        """Fill free places from the queues; false when there is nothing to do and the thread has to end."""
        chosen: list[Answering] = []
        with self._lock:
            while len(self._running) + len(chosen) < self._parallel and any(self._waiting):
                chosen.append((self._waiting[False] or self._waiting[True]).popleft())
            if not chosen and not self._running:
                self._thread = None
                return False
        for answering in chosen:
            try:
                batch = self._batch_of(answering.request.adapter)
                batch.add(answering.number, answering.request)
            except Exception as error:
                answering.leave(_failure(error))
            else:
                self._running[answering.number] = answering, batch
        return True

    def _advance(self, batch: Batch) -> None:
        try:
            for output in batch.step():
                answering, _ = self._running[output.number]
                answering.say(output.tokens)
                if output.last:
                    del self._running[output.number]
                    answering.leave()
        except Exception as error:
            batch.clear()
            for number, (answering, its) in list(self._running.items()):
                if its is batch:
                    del self._running[number]
                    answering.leave(_failure(error))


def _failure(error: BaseException) -> AssistantError:
    if isinstance(error, AssistantError):
        return error
    reason = one_line(error) or type(error).__name__
    failure = ModelError(
        f"The model failed while answering: {reason}", "Lower answer.prompt_tokens or engine.parallel."
    )
    failure.__cause__ = error
    return failure
