"""The queue in front of a model: nothing is lost or mixed, places are given back, and a crash stays where it is."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from assistant.engines.scheduler import Batch, Request, RequestOutput, Scheduler
from assistant.errors import AdapterError, ModelError


class CountingBatch:
    """Says the first number of a prompt, plus one each time; keeps who was in it."""

    def __init__(self, at_step: Callable[[], None] = lambda: None) -> None:
        self.inside: dict[int, tuple[Request, int]] = {}
        self.most = 0
        self.order: list[int] = []
        self.cleared = 0
        self._at_step = at_step

    def add(self, number: int, request: Request) -> None:
        self.inside[number] = request, 0
        self.order.append(request.prompt[0])
        self.most = max(self.most, len(self.inside))

    def step(self) -> list[RequestOutput]:
        self._at_step()
        said = []
        for number, (request, count) in list(self.inside.items()):
            self.inside[number] = request, count + 1
            last = count + 1 >= request.max_new_tokens
            said.append(RequestOutput(number, (request.prompt[0] + count,), last))
            if last:
                del self.inside[number]
        return said

    def remove(self, number: int) -> None:
        del self.inside[number]

    def clear(self) -> None:
        self.inside.clear()
        self.cleared += 1


def ask(scheduler: Scheduler, first: int, tokens: int = 20, adapter: str | None = None) -> list[int]:
    return list(scheduler.start(Request((first,), tokens, adapter=adapter)))


def eventually(condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.005)
    return False


def test_each_of_many_gets_its_own_tokens_in_order_and_no_more_run_at_once_than_allowed() -> None:
    batches = {name: CountingBatch() for name in (None, "house", "tone")}
    scheduler = Scheduler(batches.__getitem__, parallel=4)
    names = [None, "house", "tone"] * 20
    with ThreadPoolExecutor(len(names)) as pool:
        answers = pool.map(lambda item: ask(scheduler, 1000 * item[0], 20, item[1]), enumerate(names))
        assert list(answers) == [[1000 * number + count for count in range(20)] for number in range(len(names))]
    assert max(batch.most for batch in batches.values()) <= 4
    assert not any(batch.inside for batch in batches.values())


def test_the_first_to_come_is_the_first_to_be_answered_and_the_patient_wait() -> None:
    gate = threading.Event()
    batch = CountingBatch(lambda: (gate.wait(60), None)[1])
    scheduler = Scheduler(lambda _: batch, parallel=1)
    started = [scheduler.start(Request((0,), 1)), *scheduler.start_all([Request((1,), 1), Request((2,), 1)])]
    started += [scheduler.start(Request((number,), 1)) for number in (3, 4)]
    gate.set()
    for one in started:
        list(one)
    assert batch.order == [0, 3, 4, 1, 2]


def test_who_runs_together_of_many_depends_on_the_requests_alone() -> None:
    def together() -> list[list[int]]:
        seen: list[list[int]] = []
        batch = CountingBatch(lambda: seen.append([request.prompt[0] for request, _ in batch.inside.values()]))
        for one in Scheduler(lambda _: batch, parallel=3).start_all([Request((n,), 1 + n % 4) for n in range(12)]):
            list(one)
        return seen

    first = together()
    assert first[:2] == [[0, 1, 2], [1, 2, 3]]
    assert all(together() == first for _ in range(50))


def test_what_is_closed_frees_its_place_at_once_running_or_waiting() -> None:
    batch = CountingBatch(lambda: time.sleep(0.001))
    scheduler = Scheduler(lambda _: batch, parallel=1)
    running, waiting = scheduler.start(Request((0,), 1_000_000)), scheduler.start(Request((7,), 1_000_000))
    next(iter(running))
    waiting.close()
    assert len(batch.inside) == 1
    running.close()
    assert not batch.inside
    assert ask(scheduler, 5, 3) == [5, 6, 7]
    assert list(waiting) == []


def test_a_crash_is_told_to_all_in_flight_and_the_next_request_works() -> None:
    armed = threading.Event()
    everyone_in = threading.Event()

    def crash() -> None:
        everyone_in.wait(60)
        if armed.is_set():
            raise RuntimeError("out of\n memory")

    broken, sound = CountingBatch(crash), CountingBatch(lambda: time.sleep(0.002))
    scheduler = Scheduler(lambda adapter: sound if adapter else broken, parallel=8)
    armed.set()
    crashed = [scheduler.start(Request((number,), 9)) for number in range(3)]
    unharmed = scheduler.start(Request((40,), 9, adapter="house"))
    everyone_in.set()
    for one in crashed:
        with pytest.raises(ModelError, match="out of memory"):
            list(one)
    assert list(unharmed) == list(range(40, 49))
    assert broken.cleared and not broken.inside
    armed.clear()
    assert ask(scheduler, 3, 2) == [3, 4]


def test_an_adapter_that_cannot_be_used_fails_its_own_request_only() -> None:
    batch = CountingBatch()

    def batch_of(adapter: str | None) -> Batch:
        if adapter == "missing":
            raise AdapterError("There is no adapter 'missing'.", "Train one.")
        return batch

    scheduler = Scheduler(batch_of, parallel=4)
    fine = scheduler.start(Request((1,), 5))
    with pytest.raises(AdapterError, match="missing"):
        ask(scheduler, 9, 5, "missing")
    assert list(fine) == [1, 2, 3, 4, 5]


def test_the_thread_ends_when_there_is_nothing_to_do_and_comes_back() -> None:
    scheduler = Scheduler(lambda _: CountingBatch(), parallel=2)
    for _ in range(3):
        assert ask(scheduler, 1, 2) == [1, 2]
        assert eventually(lambda: not any(thread.name == "engine" for thread in threading.enumerate()))


def test_nobody_waits_for_ever_when_the_scheduler_itself_breaks() -> None:
    class Lying(CountingBatch):
        def remove(self, number: int) -> None:
            raise KeyError(number)

    scheduler = Scheduler(lambda _: Lying(lambda: time.sleep(0.001)), parallel=1)
    closed, waiting = scheduler.start(Request((0,), 1_000_000)), scheduler.start(Request((1,), 3))
    next(iter(closed))
    closed.close()
    with pytest.raises(ModelError):
        list(waiting)
