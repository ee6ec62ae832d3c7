"""Whether the simulation of people who wait for answers (``bench.simulation``) says what they wait here.

    python -m bench.people [--people 8] [--minutes 10] [--pause 20] [--record measured.json]

The sample is served by ``assistant serve`` on one core, the bundled model by llama.cpp on another. One person asks
first, which gives processor time of the app and tokens of each answer; prompts of several lengths, and several requests
at once, say how fast the engine is by itself. From these is simulated what so many people wait. Then as many ask, with
the same pauses and questions.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import httpx
import psutil

from bench.pool import SLOTS, Engine
from bench.simulation import House, Pace, Waited, Work, habits, record, simulate

SAMPLE = Path("data/sample")
_ADMITTED, _CHUNK, _WINDOW = 8, 2048, 2048
_TOKENS = 64
_SEEDS = 20


@dataclass(frozen=True)
class App:
    """``assistant serve``: where it answers, and its process."""

    url: str
    process: psutil.Process

    def ask(self, question: str) -> dict[str, Any]:
        """The reply. Raises httpx.HTTPError where there is none."""
        body = {"model": "sample", "messages": [{"role": "user", "content": question}]}
        reply = httpx.post(f"{self.url}/chat/completions", json=body, timeout=300).raise_for_status()
        return dict(reply.json())

    def work(self, question: str) -> tuple[Work, float]:
        """What an answer takes by itself, and its seconds. Steps before the engine is asked are processor time."""
        before, began = self._processor_seconds(), time.perf_counter()
        reply = self.ask(question)
        seconds, used = time.perf_counter() - began, self._processor_seconds() - before
        timings, usage = reply["grounding"]["timings"], reply["usage"]
        early = min(used, sum(timings.get(step, 0.0) for step in ("rewrite", "retrieve", "judge", "prompt")))
        return Work(early, used - early, usage["prompt_tokens"], usage["completion_tokens"]), seconds

    def _processor_seconds(self) -> float:
        times = self.process.cpu_times()
        return times.user + times.system


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """What is started in the block runs on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    yield
    os.sched_setaffinity(0, before)


@contextmanager
def serving(workspace: Path, engine: Engine) -> Iterator[App]:
    """``assistant serve`` while the block runs."""
    values = [f"engine.url={engine.url}", "engine.model=smollm2", f"engine.parallel={_ADMITTED}"]
    # Prompts and answers that a core reads and writes in seconds, so that there are enough of them.
    values += ["serve.requests_per_minute=0", "answer.evidence=2", "engine.max_new_tokens=40"]
    command = [sys.executable, "-m", "assistant", "serve", "--port", "0", "--workspace", str(workspace)]
    command += [part for value in values for part in ("--set", value)]
    with on_core(0):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if "Serving" not in line:
            raise click.ClickException("assistant serve did not start.")
        try:
            yield App(line.split(" on ")[1].split()[0].rstrip(";"), psutil.Process(process.pid))
        finally:
            process.terminate()


def pace_of(engine: Engine, context: int) -> Pace:
    """How fast an engine is by itself, with prompts of about so many tokens."""
    asked = engine.url.removesuffix("/v1") + "/completion"

    def timed(tokens: int, written: int) -> dict[str, float]:
        prompt = [random.randrange(1000, 40_000) for _ in range(tokens)]
        body = {"prompt": prompt, "n_predict": written, "ignore_eos": True}
        return dict(httpx.post(asked, json=body, timeout=300).raise_for_status().json()["timings"])

    def step(batch: int) -> float:
        with ThreadPoolExecutor(batch) as people:
            told = list(people.map(lambda _: timed(context, _TOKENS), range(batch)))
        # Of the one that came last, which saw no prompt of others being read.
        return min(one["predicted_ms"] / one["predicted_n"] for one in told) / 1000

    read = [timed(context * part // 4, 1) for part in (3, 4, 5) for _ in range(3)]
    token = sum(one["prompt_ms"] for one in read) / sum(one["prompt_n"] for one in read) / 1000
    steps = tuple((batch, statistics.median(step(batch) for _ in range(3))) for batch in range(1, SLOTS + 1))
    return Pace(SLOTS, token, steps, _CHUNK)


def asked_by(people: int, app: App, questions: Sequence[str], pause: float, seconds: float, seed: int) -> Waited:
    """What people wait here."""
    waited, until = Waited(), time.monotonic() + seconds

    def live(person: int) -> None:
        for wait, question in habits(person, seed, pause, len(questions)):
            if time.monotonic() + wait >= until:
                return
            time.sleep(wait)
            asked = time.monotonic()
            app.ask(questions[question])
            waited.seconds.append(time.monotonic() - asked)

    with ThreadPoolExecutor(people) as asking:
        for one in [asking.submit(live, person) for person in range(people)]:
            one.result()
    return waited


@click.command()
@click.option("--people", default=8, show_default=True, type=click.IntRange(1))
@click.option("--minutes", default=10.0, show_default=True)
@click.option("--pause", default=20.0, show_default=True, help="Mean seconds between an answer and the next question.")
@click.option("--questions", default=60, show_default=True, help="Of the sample's cases.")
@click.option("--seed", default=0, show_default=True)
@click.option("--record", "file", type=click.Path(dir_okay=False, path_type=Path), help="Keep what was measured.")
def main(people: int, minutes: float, pause: float, questions: int, seed: int, file: Path | None) -> None:
    """Measure one, simulate PEOPLE, let them ask, and print both as JSON."""
    lines = (SAMPLE / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    asked = [str(json.loads(line)["question"]) for line in random.Random(seed).sample(lines, questions)]
    with tempfile.TemporaryDirectory() as folder:
        ingest = [sys.executable, "-m", "assistant", "ingest", str(SAMPLE / "docs"), "--corpus", "sample"]
        subprocess.run([*ingest, "--workspace", folder], check=True, stdout=subprocess.DEVNULL)
        with on_core(1):
            engine = Engine(window=_WINDOW, caches=False)
        try:
            engine.wait()
            with serving(Path(folder), engine) as app:
                app.ask(asked[0])  # loads what is loaded when first used
                alone = [app.work(question) for question in asked]
                works = [work for work, _ in alone]
                pace = pace_of(engine, int(statistics.median(work.prompt for work in works if work.written)))
                if file:
                    record(file, works, pace)
                real = asked_by(people, app, asked, pause, minutes * 60, seed)
        finally:
            engine.kill()
    house = House(people, pause, 1, _ADMITTED, 1, pace)
    one = House(1, 0.0, 1, _ADMITTED, 1, pace)
    runs = [simulate(house, works, minutes * 60, other) for other in range(1, _SEEDS)]
    told = {
        "one": Waited([seconds for _, seconds in alone]).summary(1.0),
        "one_simulated": simulate(one, works, 3600.0).summary(60.0),
        "people": real.summary(minutes),
        "people_simulated": simulate(house, works, minutes * 60, seed).summary(minutes),
        "other_seeds": Waited([seconds for run in runs for seconds in run.seconds]).summary(minutes * len(runs)),
    }
    click.echo(json.dumps({"pace": pace.steps, "prompt_token": pace.prompt_token, **told}, indent=2))


if __name__ == "__main__":
    main()
