"""A working hour: ten people ask while documents change, and nothing fails, gets mixed up, or grows.

    python -m bench.soak [--people 10] [--minutes 60] [--warm-up 3]

The sample is served by ``assistant ui`` with the real models. Ten people ask without a pause; meanwhile

    a writer    changes documents and runs ``assistant ingest`` in a process of its own
    a keeper    makes a backup in each sixth of the time; the last one is restored in the end
    a critic    asks, calls answers right or corrects them, and votes between two
    a reader    opens pages of PDFs
    a visitor   signs in and out

What is printed for each sixth, ten minutes of an hour, is in ``Part``. It ends with 1 for an error (one in the log
of the app counts), a mixed answer, or what has grown from the first third to the last one by more than ``BOUNDS``.
"""

import json
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import count, cycle
from pathlib import Path
from typing import Any

import click
import httpx
import psutil

from assistant.service import open_corpus
from assistant.workspace import Workspace
from bench.app import running
from bench.hurt import signed_in
from bench.ui_load import PASSWORD, Person, ask, called, keep_asking, last_of, load, mixed_on_disk, quantile, read_page
from ui.people import People

SAMPLE = Path("data/sample/docs")
PARTS = 6
BOUNDS = {"memory": 0.05, "descriptors": 0.10, "p95": 0.25}
"""Which part of each may be added. Descriptors come and go with connections; how long answers take also hangs on which
of them meet an ingest."""
_SAMPLE_SECONDS, _INGEST_SECONDS, _PAUSE_SECONDS = 5.0, 45.0, 2.0
_TOPICS = "amber brook cedar delta ember flint grape heath".split()
_TURN = re.compile(r'id=\\"turn-(\d+)\\"')
_BAD_LOG = re.compile(r"^(?:Traceback|\S+Z (?:error|critical) )", re.MULTILINE)


@dataclass(frozen=True)
class Sample:
    """What the app takes, with the processes that it has started."""

    memory: int
    """Resident bytes."""
    descriptors: int
    threads: int


@dataclass(frozen=True)
class Part:
    """A sixth of the time. Memory in MiB, sizes in KiB at its end, times in seconds."""

    answers: int
    p50: float
    p95: float
    errors: int
    mixed: int
    memory: int
    descriptors: int
    threads: int
    databases: int
    write_ahead: int
    log: int


@dataclass
class Soak:
    """A workspace in use, what was done to it, and what went wrong."""

    workspace: Workspace
    docs: Path
    log: Path
    everyone: list[Person]
    errors: list[str] = field(default_factory=list)
    """Of all but those who only ask."""
    done: Counter[str] = field(default_factory=Counter)

    @property
    def backup(self) -> Path:
        return self.workspace.root.with_name("backup.tar.gz")

    def command(self, what: str, *arguments: str, workspace: Path | None = None) -> None:
        """Run ``assistant``, and count it. Notes an error."""
        place = ["--workspace", str(workspace or self.workspace.root)]
        ended = subprocess.run(
            [sys.executable, "-m", "assistant", *arguments, *place], capture_output=True, text=True, check=False
        )
        self.done[what] += 1
        if ended.returncode:
            self.errors.append(f"{what}: {ended.stderr.strip()[-200:]}")

    def sizes(self) -> dict[str, int]:
        """KiB of databases, of what is written ahead in them, and of the app's log."""

        def total(pattern: str) -> int:
            size = 0
            for file in self.workspace.root.rglob(pattern):
                with suppress(FileNotFoundError):  # the last who closes a database takes its log away
                    size += file.stat().st_size
            return size >> 10

        return {"databases": total("*.sqlite"), "write_ahead": total("*-wal"), "log": self.log.stat().st_size >> 10}

    def all_errors(self) -> list[str]:
        """Of everyone, and of the app itself."""
        logged = [found[0] for found in _BAD_LOG.finditer(self.log.read_text(errors="replace"))]
        return [*(error for person in self.everyone for error in person.errors), *self.errors, *logged]


def write_facts(soak: Soak, chance: random.Random) -> None:
    """Change some documents, and take one away."""
    for topic in chance.sample(_TOPICS, 3):
        text = f"# About {topic}\n\nThe limit of {topic} is {chance.randrange(10**6)} euros in each year.\n"
        (soak.docs / f"fact-{topic}.md").write_text(text, "utf-8")
    (soak.docs / f"fact-{chance.choice(_TOPICS)}.md").unlink(missing_ok=True)


def write(soak: Soak, until: float) -> None:
    """Change documents, and have them read."""
    chance = random.Random(0)
    while time.monotonic() < until:
        write_facts(soak, chance)
        soak.command("ingests", "ingest", str(soak.docs), "--corpus", "sample", "--yes")
        time.sleep(min(_INGEST_SECONDS, max(0.0, until - time.monotonic())))


def keep(soak: Soak, until: float) -> None:
    """Make a backup in the middle of each part."""
    part = (until - time.monotonic()) / PARTS
    for _ in range(PARTS):
        time.sleep(part / 2)
        soak.command("backups", "backup", str(soak.backup))
        time.sleep(max(0.0, part / 2))


def criticise(soak: Soak, address: str, until: float) -> None:
    """Ask, and say something of each answer: that it is right, how it should read, or which of two is better."""
    person = soak.everyone[-1]
    with closing(signed_in(address, person.name)) as client:
        page = read_page(client.get("/en/config").json())
        for number in count():
            if time.monotonic() > until:
                return
            session, compares = f"{person.name}{time.monotonic_ns()}", number % 3 == 2
            try:
                load(client, page, session, person)
                question = f"What is the deductible for hail damage? ({person.name} asks)"
                chosen: dict[str, Any] = {"chat_compares": True, "chat_other": "terms"} if compares else {}
                turn = _TURN.search(ask(client, page, session, question, person, **chosen))
                if turn is None:
                    person.errors.append("an answer has no turn")
                    continue
                said = {"verdict": "right"} if number % 3 else {"verdict": "wrong", "correction": "It is 150 euros."}
                event, clicked = (page.vote, {"reply": "0"}) if compares else (page.teach, said)
                data = {"turn": turn[1], "shown": turn[1], **clicked}
                last_of(called(client, session, event.number, event.data(), data), person)
                soak.done["votes" if compares else "judgements"] += 1
            except (httpx.HTTPError, KeyError, ValueError) as error:
                person.errors.append(f"{type(error).__name__}: {error}"[:200])


def read(soak: Soak, address: str, until: float) -> None:
    """Open one page of a PDF after another."""
    with closing(open_corpus(soak.workspace, "sample")) as catalog:
        pages = {one.id: one.pages or 0 for one in catalog.document_summaries() if one.format == "pdf"}
    addresses = [f"/sources/sample/{id_}/pages/{page}" for id_, most in pages.items() for page in range(1, most + 1)]
    with closing(signed_in(address, "reader")) as client:
        for page in cycle(addresses):
            if time.monotonic() > until:
                return
            noted(soak, "pages", 200, partial(client.get, page))
            time.sleep(_PAUSE_SECONDS)


def visit(soak: Soak, address: str, until: float) -> None:
    """Sign in and out."""
    while time.monotonic() < until:
        with closing(signed_in(address, "visitor")) as client:
            noted(soak, "visits", 303, partial(client.post, "/sign-out"))
        time.sleep(_PAUSE_SECONDS)


def noted(soak: Soak, what: str, wanted: int, call: Callable[[], httpx.Response]) -> None:
    """Call something of the app, and count it. Notes an error, and another status than the one that is wanted."""
    soak.done[what] += 1
    try:
        status = call().status_code
    except httpx.HTTPError as error:
        soak.errors.append(f"{what}: {type(error).__name__}: {error}")
        return
    if status != wanted:
        soak.errors.append(f"{what}: {status}")


def guarded(soak: Soak, work: Callable[[], None]) -> None:
    """Some work, whose end by an error nobody would hear of otherwise."""
    try:
        work()
    except Exception as error:
        soak.errors.append(f"{type(error).__name__}: {error}"[:200])


def sample_of(process: psutil.Process) -> Sample:
    """What a process and those that it has started take now."""
    memory = descriptors = threads = 0
    for one in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess), one.oneshot():
            memory += one.memory_info().rss
            descriptors += one.num_fds()
            threads += one.num_threads()
    return Sample(memory, descriptors, threads)


def parts_of(soak: Soak, process: psutil.Process, until: float) -> tuple[list[Part], list[Sample], list[list[float]]]:
    """Watch until a time: the parts, all samples, and the seconds of answers in each part."""
    length = (until - time.monotonic()) / PARTS
    parts, samples, times = [], [], []
    for number in range(1, PARTS + 1):
        asked, ends = [len(person.seconds) for person in soak.everyone], until - (PARTS - number) * length
        before = len(soak.all_errors()), sum(len(person.mixed) for person in soak.everyone)
        now = [sample_of(process)]
        while time.monotonic() < ends:
            time.sleep(min(_SAMPLE_SECONDS, max(0.01, ends - time.monotonic())))
            now.append(sample_of(process))
        seconds = [one for person, known in zip(soak.everyone, asked, strict=True) for one in person.seconds[known:]]
        after = len(soak.all_errors()), sum(len(person.mixed) for person in soak.everyone)
        errors, mixed = (late - early for early, late in zip(before, after, strict=True))
        p50, p95 = (round(quantile(seconds or [0.0], part), 2) for part in (0.5, 0.95))
        memory, descriptors, threads = (
            round(statistics.median(getattr(one, what) for one in now)) for what in ("memory", "descriptors", "threads")
        )
        part = Part(len(seconds), p50, p95, errors, mixed, memory >> 20, descriptors, threads, **soak.sizes())
        click.echo(json.dumps(asdict(part)), err=True)
        parts.append(part)
        samples += now
        times.append(seconds)
    return parts, samples, times


def growth_of(samples: Sequence[Sample], times: Sequence[Sequence[float]]) -> dict[str, float]:
    """By which part each grew from the first third to the last one: medians, and 95th percentiles of answers."""
    third, of_parts = max(1, len(samples) // 3), len(times) // 3
    thirds = samples[:third], samples[-third:]
    p95 = [
        quantile([one for part in some for one in part] or [0.0], 0.95)
        for some in (times[:of_parts], times[-of_parts:])
    ]
    grown = {"p95": p95[1] / p95[0] - 1 if p95[0] else 0.0}
    for what in ("memory", "descriptors"):
        before, after = (statistics.median(getattr(one, what) for one in some) for some in thirds)
        grown[what] = after / before - 1
    return {what: round(grown[what], 4) for what in BOUNDS}


def laid_out(folder: Path, people: int) -> Soak:
    """A workspace with the corpora ``sample``, which is asked, and ``terms``; and people who may sign in."""
    docs, workspace = folder / "docs", Workspace(folder / "workspace")
    shutil.copytree(SAMPLE, docs)
    everyone = [Person(f"person{number:02}") for number in range(people)] + [Person("critic")]
    soak = Soak(workspace, docs, folder / "app.log", everyone)
    write_facts(soak, random.Random(1))
    soak.command("first", "ingest", str(docs), "--corpus", "sample")
    soak.command("first", "ingest", str(SAMPLE / "faq"), "--corpus", "terms")
    if soak.errors:
        raise click.ClickException(soak.errors[0])
    users = People(workspace.root / "users.json", (10, 8, 1))
    for name in (*(person.name for person in everyone), "reader", "visitor"):
        users.add(name, "expert", PASSWORD)
    return soak


def soaked(soak: Soak, warm_up: float, minutes: float) -> dict[str, Any]:
    """Have everyone use the app for that long; what came of it, in figures."""
    names = [person.name for person in soak.everyone]
    settings = ("ui.questions_per_minute=0", "ui.sign_ins_per_minute=1000", "log.level=info")
    with running(soak.workspace.root, *settings, log=soak.log) as app:
        keep_asking(app.address, Person(names[0]), time.monotonic(), names)  # once, until the models are loaded
        until = time.monotonic() + (warm_up + minutes) * 60
        works = [partial(keep_asking, app.address, person, until, names) for person in soak.everyone[:-1]]
        works += [partial(work, soak, app.address, until) for work in (criticise, read, visit)]
        works.append(partial(write, soak, until))
        threads = [threading.Thread(target=guarded, args=(soak, work), daemon=True) for work in works]
        for thread in threads:
            thread.start()
        time.sleep(warm_up * 60)  # keys and values of earlier prompts are kept, up to a limit that is reached by then
        keeper = threading.Thread(target=guarded, args=(soak, partial(keep, soak, until)), daemon=True)
        keeper.start()
        parts, samples, times = parts_of(soak, psutil.Process(app.pid), until)
        for thread in (*threads, keeper):
            thread.join(300)
    soak.command("restores", "restore", str(soak.backup), workspace=soak.workspace.root.with_name("restored"))
    errors, grown = soak.all_errors(), growth_of(samples, times)
    return {
        "people": len(names),
        "parts": [asdict(part) for part in parts],
        "done": dict(soak.done),
        "errors": len(errors),
        "first_errors": errors[:5],
        "mixed": sum(len(person.mixed) for person in soak.everyone) + len(mixed_on_disk(soak.workspace, names)),
        "growth": grown,
        "too_much": [what for what, bound in BOUNDS.items() if grown[what] > bound],
    }


@click.command()
@click.option("--people", type=click.IntRange(1, 100), default=10, show_default=True, help="Who do nothing but ask.")
@click.option("--warm-up", type=click.FloatRange(0), default=3.0, show_default=True, help="Minutes not measured.")
@click.option("--minutes", type=click.FloatRange(0.1), default=60.0, show_default=True)
def main(people: int, warm_up: float, minutes: float) -> None:
    """Measure, and print one JSON object; each part of it is told on standard error when it has ended."""
    with tempfile.TemporaryDirectory() as folder:
        result = soaked(laid_out(Path(folder), people), warm_up, minutes)
    click.echo(json.dumps(result, indent=2))
    sys.exit(bool(result["errors"] or result["mixed"] or result["too_much"]))


if __name__ == "__main__":
    main()
