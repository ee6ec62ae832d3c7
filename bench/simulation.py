"""How long people wait for answers: a discrete simulation of them, of the app's processes, and of engines.

    python -m bench.people --record measured.json
    python -m bench.simulation measured.json [--people 1000] [--pause 120] [--apps 8] [--engines 1 --engines 2 ...]

A person pauses, asks, waits for the whole answer, and pauses again. An answer takes a place of the app, processor time
of the app's process before the engine is asked, then an engine, then processor time again. What one answer takes by
itself was measured (``bench.people``); what is simulated is how answers wait for each other.

An engine batches as llama.cpp and vLLM do: at each step every request in it gets a token, and those that came since
have their prompts read, ``chunk`` tokens a step at most. How long steps of one of our own engines take is measured; of
a GPU they are computed from the speed of its memory and of its arithmetic (``Gpu``), since none was at hand.
"""

import json
import random
import statistics
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import click
import numpy as np
import simpy

_TURN_SECONDS = 0.01
"""How long a process of the app works at one answer before it goes on with another."""
_ADMITTED = 32
"""Where a GPU is behind it, more than the default are let in."""


@dataclass(frozen=True)
class Work:
    """What one answer takes: processor seconds of the app before and behind the engine, and tokens of the engine."""

    before: float
    behind: float
    prompt: int
    written: int
    """0 where no engine is asked."""


@dataclass(frozen=True)
class Pace:
    """How fast an engine is. ``steps`` are seconds of a step by how many requests are in it, between which is
    interpolated."""

    slots: int
    """Requests that are computed together; others wait."""
    prompt_token: float
    """Seconds."""
    steps: tuple[tuple[int, float], ...]
    chunk: int
    """Tokens of prompts that a step reads at most."""

    def step(self, speaking: int, read: int) -> float:
        """Seconds of a step in which so many requests get a token and so many tokens of prompts are read."""
        batches, seconds = zip(*self.steps, strict=True)
        return read * self.prompt_token + (float(np.interp(speaking, batches, seconds)) if speaking else 0.0)


@dataclass(frozen=True)
class House:
    """Who asks, and what answers."""

    people: int
    pause: float
    """Mean seconds between an answer and the next question, of an exponential distribution."""
    apps: int
    """Processes of the app, a core each. A person stays at one."""
    admitted: int
    """Answers that a process of the app has in work at once (``engine.parallel``); others wait."""
    engines: int
    pace: Pace


@dataclass
class Waited:
    """Seconds of whole answers, by when they were asked for."""

    seconds: list[float] = field(default_factory=list)

    def summary(self, minutes: float) -> dict[str, float]:
        """How many, half of them, 95 of 100, and how many a minute."""
        cuts = statistics.quantiles(self.seconds, n=20)
        return {
            "answers": len(self.seconds),
            "p50": round(cuts[9], 2),
            "p95": round(cuts[18], 2),
            "a_minute": round(len(self.seconds) / minutes, 1),
        }


def habits(person: int, seed: int, pause: float, questions: int) -> Iterator[tuple[float, int]]:
    """Pauses of a person, and the number of the question that follows each: the same for the same seed."""
    chance = random.Random(f"{seed} {person}")
    while True:
        yield chance.expovariate(1 / pause) if pause else 0.0, chance.randrange(questions)


def simulate(house: House, works: Sequence[Work], seconds: float, seed: int = 0, warm_up: float = 0.0) -> Waited:
    """What people wait for whole answers that they ask for between ``warm_up`` and ``seconds``."""
    time = simpy.Environment()
    engines = [_Engine(time, house.pace) for _ in range(house.engines)]
    apps = [_App(time, house.admitted) for _ in range(house.apps)]
    waited = Waited()

    def live(person: int) -> Generator[simpy.Event, Any, None]:
        app = apps[person % len(apps)]
        for pause, question in habits(person, seed, house.pause, len(works)):
            yield time.timeout(pause)
            asked = time.now
            if asked >= seconds:
                return
            yield from app.answer(works[question], engines)
            if asked >= warm_up:
                waited.seconds.append(time.now - asked)

    for person in range(house.people):
        time.process(live(person))
    time.run()
    return waited


class _App:
    """A process of the app: one core, dealt out in short turns to the answers in work."""

    def __init__(self, time: simpy.Environment, admitted: int) -> None:
        self._time = time
        self._places = simpy.Resource(time, admitted)
        self._core = simpy.Resource(time, 1)

    def answer(self, work: Work, engines: Sequence["_Engine"]) -> Generator[simpy.Event, Any, None]:
        with self._places.request() as place:
            yield place
            yield from self._compute(work.before)
            if work.written:
                yield min(engines, key=lambda engine: engine.load).ask(work)
            yield from self._compute(work.behind)

    def _compute(self, seconds: float) -> Generator[simpy.Event, Any, None]:
        while seconds > 0:
            with self._core.request() as turn:
                yield turn
                yield self._time.timeout(min(seconds, _TURN_SECONDS))
            seconds -= _TURN_SECONDS


@dataclass
class _Request:
    unread: int
    left: int
    done: simpy.Event


class _Engine:
    """Continuous batching: requests join between two steps, first come first served, and leave when they are done."""

    def __init__(self, time: simpy.Environment, pace: Pace) -> None:
        self._time, self._pace = time, pace
        self._waiting: deque[_Request] = deque()
        self._within: list[_Request] = []
        self._asked = time.event()
        time.process(self._run())

    @property
    def load(self) -> int:
        return len(self._waiting) + len(self._within)

    def ask(self, work: Work) -> simpy.Event:
        """What happens when the last token of an answer is there."""
        request = _Request(work.prompt, work.written, self._time.event())
        self._waiting.append(request)
        if not self._asked.triggered:
            self._asked.succeed()
        return request.done

    def _run(self) -> Generator[simpy.Event, Any, None]:
        while True:
            while self._waiting and len(self._within) < self._pace.slots:
                self._within.append(self._waiting.popleft())
            if not self._within:
                self._asked = self._time.event()
                yield self._asked
                continue
            speaking = [request for request in self._within if not request.unread]
            read = 0
            for request in self._within:
                part = min(request.unread, self._pace.chunk - read)
                request.unread -= part
                read += part
            yield self._time.timeout(self._pace.step(len(speaking), read))
            for request in self._within:
                request.left -= not request.unread  # the end of a prompt gives its first token
                if not request.left:
                    request.done.succeed()
            self._within = [request for request in self._within if request.left]


@dataclass(frozen=True)
class Gpu:
    """A GPU and the model that it runs, as their makers tell. Nothing here was measured."""

    bandwidth: float
    """Bytes of its memory a second."""
    flops: float
    """Operations a second."""
    weights: float
    """How many the model has."""
    weight_bytes: float
    token_bytes: float
    """Keys and values of a token."""
    efficiency: float = 0.5
    """Which part of both speeds is reached."""

    def pace(self, context: float, slots: int = 256, chunk: int = 8192) -> Pace:
        """A step reads all weights once, and keys and values of ``context`` tokens for each request in it; a token
        that is read or written takes two operations a weight."""
        compute = 2 * self.weights / (self.flops * self.efficiency)
        once = self.weights * self.weight_bytes / (self.bandwidth * self.efficiency)
        each = compute + context * self.token_bytes / (self.bandwidth * self.efficiency)
        return Pace(slots, compute, ((1, once + each), (slots, once + slots * each)), chunk)


H100_OF_8_BILLION = Gpu(bandwidth=3.35e12, flops=989e12, weights=8.0e9, weight_bytes=2, token_bytes=131_072)
"""An H100 SXM (data sheet: 3.35 TB/s, 989 teraflops dense in bfloat16) with Llama 3.1 8B in bfloat16 (32 layers, 8
heads of 128 for keys and as many for values)."""


def read(record: Path) -> tuple[list[Work], Pace]:
    """What ``bench.people --record`` wrote."""
    content = json.loads(record.read_text(encoding="utf-8"))
    pace = content["pace"]
    return [Work(**one) for one in content["works"]], Pace(**pace | {"steps": tuple(map(tuple, pace["steps"]))})


def record(file: Path, works: Sequence[Work], pace: Pace) -> None:
    """Write what ``read`` reads."""
    content = {"pace": asdict(pace), "works": [asdict(work) for work in works]}
    file.write_text(json.dumps(content) + "\n", encoding="utf-8")


@click.command()
@click.argument("measured", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--people", default=1000, show_default=True, type=click.IntRange(1))
@click.option("--pause", "pauses", default=(300.0, 120.0, 60.0), multiple=True, help="Mean seconds of a pause.")
@click.option("--apps", default=(4, 8, 16), multiple=True, help="Processes of the app.")
@click.option("--engines", default=(1, 2, 4), multiple=True, help="H100, each with a model of 8 billion parameters.")
@click.option("--minutes", default=20.0, show_default=True)
def main(
    measured: Path,
    people: int,
    pauses: tuple[float, ...],
    apps: tuple[int, ...],
    engines: tuple[int, ...],
    minutes: float,
) -> None:
    """Print what PEOPLE wait for who ask questions as MEASURED, as JSON lines."""
    works, _ = read(measured)
    context = statistics.fmean(work.prompt + work.written for work in works if work.written)
    pace = H100_OF_8_BILLION.pace(context)
    for pause, app, engine in product(pauses, apps, engines):
        house = House(people, pause, app, _ADMITTED, engine, pace)
        waited = simulate(house, works, minutes * 60, warm_up=minutes * 15)
        click.echo(json.dumps({"pause": pause, "apps": app, "engines": engine} | waited.summary(minutes * 0.75)))


if __name__ == "__main__":
    main()
