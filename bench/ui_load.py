"""Ten people ask at once: errors, mixed answers, times, and whether the app's memory stays flat.

    python -m bench.ui_load --workspace FOLDER [--people 10] [--warm-up 3] [--minutes 5]

``FOLDER`` has to hold the corpus ``sample``; a copy of it is served by ``assistant ui`` in a process of its own, with
users who sign in. Each person speaks Gradio's protocol as a browser does, keeps one conversation of a few questions,
then begins another. An answer is mixed when it holds another person's question, or when a conversation on disk does.
"""

import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import click
import httpx
import psutil

from assistant.workspace import Workspace
from bench.app import running
from ui.conversations import Conversations
from ui.people import People

PASSWORD = "ten people ask at once"
_QUESTIONS = (
    "What is the deductible for hail damage?",
    "How long may I take to report a claim?",
    "Are bicycles insured at night?",
    "What does Lindmoor Journey pay for lost luggage?",
    "Who won the chess championship in Lisbon?",
    "Was zahlt die Zahnzusatzversicherung für Kronen?",
)
_TURNS = 4
"""Questions of one conversation."""
_SAMPLE_SECONDS = 2.0


@dataclass
class Person:
    """One who asks, and what came of it."""

    name: str
    errors: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    first_seconds: list[float] = field(default_factory=list)
    """Until anything of an answer came."""
    seconds: list[float] = field(default_factory=list)
    """Until all of it was there."""


@dataclass(frozen=True)
class PageFunction:
    """A function behind the page."""

    number: int
    inputs: tuple[tuple[str, Any], ...]
    """The name of each component in the page, empty for one without, and what it holds in a new page."""

    def data(self, **changed: Any) -> list[Any]:
        """What it is called with, where components hold something else: ``chat_question`` for ``chat-question``."""
        return [changed.get(name.replace("-", "_"), value) for name, value in self.inputs]


@dataclass(frozen=True)
class Page:
    """What of the page people here use."""

    load: PageFunction
    ask: PageFunction
    vote: PageFunction
    teach: PageFunction
    open: PageFunction


def read_page(config: dict[str, Any]) -> Page:
    """The functions behind the chat and the loading of the page, by what Gradio tells browsers."""
    components = {one["id"]: one for one in config["components"]}
    by_name = {one["props"].get("elem_id"): id_ for id_, one in components.items()}
    functions = config["dependencies"]

    def function(happens: Callable[[dict[str, Any]], bool]) -> PageFunction:
        found = next(filter(happens, functions))
        props = [components[id_]["props"] for id_ in found["inputs"]]
        return PageFunction(found["id"], tuple((one.get("elem_id") or "", one.get("value")) for one in props))

    def behind(component: str, event: str) -> PageFunction:
        return function(lambda one: [by_name[component], event] in [list(target) for target in one["targets"]])

    def loads(one: dict[str, Any]) -> bool:
        return by_name["chat-scope"] in one["outputs"] and "load" in [event for _, event in one["targets"]]

    return Page(
        function(loads),
        behind("chat-question", "submit"),
        behind("chat-now", "vote"),
        behind("chat-now", "teach"),
        behind("chat-list", "open"),
    )


def load(client: httpx.Client, page: Page, session: str, person: Person) -> None:
    """Open the page in a session of its own, as a browser's new tab does. Notes errors."""
    last_of(called(client, session, page.load.number, page.load.data()), person)


def ask(client: httpx.Client, page: Page, session: str, question: str, person: Person, **choices: Any) -> str:
    """Ask a question as the page does; what came at last. Notes times and errors."""
    started, first = time.perf_counter(), 0.0

    def timed() -> Iterator[dict[str, Any]]:
        nonlocal first
        for message in called(client, session, page.ask.number, page.ask.data(chat_question=question, **choices)):
            if message["msg"] == "process_generating":
                first = first or time.perf_counter() - started
            yield message

    shown = last_of(timed(), person)
    person.seconds.append(time.perf_counter() - started)
    person.first_seconds.append(first or person.seconds[-1])
    return shown


def last_of(messages: Iterator[dict[str, Any]], person: Person) -> str:
    """What a function ended with. Notes an error."""
    shown = ""
    for message in messages:
        if message["msg"] == "process_completed":
            shown = json.dumps(message["output"])
            if not message["success"]:
                person.errors.append(shown[:200])
    return shown


def called(
    client: httpx.Client, session: str, function: int, data: Sequence[Any], event: Mapping[str, str] | None = None
) -> Iterator[dict[str, Any]]:
    """What a function of the page sends, message by message, until it has ended. ``event``: what was clicked says."""
    body = {"data": list(data), "fn_index": function, "session_hash": session, "event_data": event}
    client.post("/en/gradio_api/queue/join", json=body).raise_for_status()
    with client.stream("GET", "/en/gradio_api/queue/data", params={"session_hash": session}) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                message = json.loads(line.removeprefix("data: "))
                yield message
                if message["msg"] == "process_completed":
                    return


def keep_asking(address: str, person: Person, until: float, everyone: Sequence[str]) -> None:
    """Sign in and ask until the time is over."""
    with httpx.Client(base_url=address, timeout=120, headers={"origin": address}) as client:
        signed_in = client.post("/sign-in", data={"name": person.name, "password": PASSWORD, "next": "/en/"})
        if signed_in.status_code != 303:
            person.errors.append(f"sign-in: {signed_in.status_code}")
            return
        page = read_page(client.get("/en/config").json())
        started = time.monotonic_ns()
        for number in count():
            if number and time.monotonic() > until:
                return
            session = f"{person.name}{started}{number // _TURNS}"
            question = f"{_QUESTIONS[number % len(_QUESTIONS)]} ({person.name} asks)"
            try:
                if number % _TURNS == 0:
                    load(client, page, session, person)
                shown = ask(client, page, session, question, person)
            except (httpx.HTTPError, KeyError, ValueError) as error:
                person.errors.append(f"{type(error).__name__}: {error}"[:200])
                continue
            others = [name for name in everyone if name != person.name and f"({name} asks)" in shown]
            person.mixed += others
            if f"({person.name} asks)" not in shown:
                person.errors.append("an answer did not come")


def memory_of(process: psutil.Process, until: float) -> list[tuple[float, int]]:
    """(seconds, unique bytes) of a process until a time."""
    started, samples = time.monotonic(), []
    while time.monotonic() < until:
        samples.append((time.monotonic() - started, process.memory_full_info().uss))
        time.sleep(_SAMPLE_SECONDS)
    return samples


def drift(samples: Sequence[tuple[float, int]]) -> float:
    """By which part memory grew from the beginning to the end; medians of a fifth each."""
    fifth = max(1, len(samples) // 5)
    before, after = (statistics.median(size for _, size in part) for part in (samples[:fifth], samples[-fifth:]))
    return after / before - 1


def mixed_on_disk(workspace: Workspace, everyone: Sequence[str]) -> list[str]:
    """Turns of one person's conversations that hold another's question."""
    kept, found = Conversations(workspace), []
    for name in everyone:
        for heading in kept.listed(name, most=100_000):
            for turn in kept.turns(name, heading.id):
                if f"({name} asks)" not in turn.question:
                    found.append(f"{name}: {turn.question}")
    return found


def quantile(values: Sequence[float], part: float) -> float:
    """The value below which a part of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


@click.command()
@click.option("--workspace", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--people", type=click.IntRange(1, 100), default=10, show_default=True)
@click.option("--warm-up", type=click.FloatRange(0), default=3.0, show_default=True, help="Minutes not measured.")
@click.option("--minutes", type=click.FloatRange(0.1), default=5.0, show_default=True)
def main(workspace: Path, people: int, warm_up: float, minutes: float) -> None:
    """Measure, and print one JSON object; ends with 1 for an error, a mixed answer, or memory that grew by over 5 %."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Workspace(Path(folder) / "workspace")
        shutil.copytree(workspace, copy.root)
        result = measured(copy, [f"person{number:02}" for number in range(people)], warm_up, minutes)
    click.echo(json.dumps(result, indent=2))
    sys.exit(bool(result["errors"] or result["mixed"] or abs(result["memory_drift"]) > 0.05))


def measured(workspace: Workspace, names: Sequence[str], warm_up: float, minutes: float) -> dict[str, Any]:
    """What came of it, in figures."""
    users = People(workspace.root / "users.json", (10, 8, 1))
    for name in names:
        users.add(name, "expert", PASSWORD)
    everyone = [Person(name) for name in names]
    with running(workspace.root, "ui.questions_per_minute=0", "ui.sign_ins_per_minute=1000") as app:
        address, process = app.address, psutil.Process(app.pid)
        keep_asking(address, Person(names[0]), time.monotonic(), names)  # once, until the models are loaded
        until = time.monotonic() + (warm_up + minutes) * 60
        threads = [
            threading.Thread(target=keep_asking, args=(address, person, until, names), daemon=True)
            for person in everyone
        ]
        for thread in threads:
            thread.start()
        time.sleep(warm_up * 60)  # keys and values of earlier prompts are kept, up to a limit that is reached by then
        samples = memory_of(process, until)
        for thread in threads:
            thread.join(180)
    return figures(everyone, samples, mixed_on_disk(workspace, names))


def figures(everyone: Sequence[Person], samples: Sequence[tuple[float, int]], on_disk: Sequence[str]) -> dict[str, Any]:
    """The outcome as it is printed; memory in MiB."""
    seconds = [value for person in everyone for value in person.seconds]
    first = [value for person in everyone for value in person.first_seconds]
    errors = [error for person in everyone for error in person.errors]
    return {
        "people": len(everyone),
        "answers": len(seconds),
        "errors": len(errors),
        "first_errors": errors[:3],
        "mixed": sum(len(person.mixed) for person in everyone) + len(on_disk),
        "first_sign_p50": round(quantile(first, 0.5), 2),
        "whole_answer_p50": round(quantile(seconds, 0.5), 2),
        "whole_answer_p95": round(quantile(seconds, 0.95), 2),
        "memory_mib": [round(size / (1 << 20)) for _, size in samples[:: max(1, len(samples) // 20)]],
        "memory_drift": round(drift(samples), 4),
    }


if __name__ == "__main__":
    main()
