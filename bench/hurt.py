"""Whether pages that are made to hurt hurt others: ten people ask, alone and while someone clicks on such pages.

    python -m bench.hurt [--people 10] [--warm-up 1] [--rounds 3] [--minutes 1]

The sample and one PDF of each kind in ``bench.hurting`` are served by ``assistant ui`` with the real models. In every
other round one more person clicks fifty times at once on each of these pages, one after the other, and gives up. All
the time a visitor signs in again and again.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import httpx

from assistant.service import open_corpus
from assistant.workspace import Workspace
from bench.app import running
from bench.hurting import kinds
from bench.ui_load import PASSWORD, Person, keep_asking, quantile
from ui.people import People

_CLICKS = 50
_GIVE_UP_SECONDS = 1.0
_PAUSE_SECONDS = 2.0
_MEASURED = ("first_sign", "whole_answer", "signing_in")


def ingested(folder: Path) -> Workspace:
    """A workspace with the corpora ``sample`` and ``strange``."""
    docs = folder / "docs"
    docs.mkdir()
    for number, make in enumerate(kinds().values()):
        (docs / f"{number:02}.pdf").write_bytes(make())
    workspace = Workspace(folder / "workspace")
    # The first by name is asked.
    for corpus, source in (("sample", Path("data/sample/docs")), ("strange", docs)):
        command = [sys.executable, "-m", "assistant", "ingest", str(source), "--corpus", corpus]
        subprocess.run([*command, "--workspace", str(workspace.root)], check=True, stdout=subprocess.DEVNULL)
    return workspace


def addresses(workspace: Workspace) -> list[str]:
    """Of the pages that hurt, as far as their text could be read."""
    with closing(open_corpus(workspace, "strange")) as catalog:
        read = [file.document_id for file in catalog.files() if file.document_id is not None]
    return [f"/sources/strange/{document}/pages/1" for document in read]


def signed_in(address: str, name: str) -> httpx.Client:
    """A browser of someone who has signed in."""
    client = httpx.Client(base_url=address, timeout=120, headers={"origin": address})
    answer = client.post("/sign-in", data={"name": name, "password": PASSWORD, "next": "/en/"})
    if answer.status_code != 303:
        raise click.ClickException(f"{name} cannot sign in: {answer.status_code}")
    return client


def sign_in_again_and_again(address: str, name: str, until: float, seconds: list[float]) -> None:
    """Note how long it takes, with a pause after each time."""
    while time.monotonic() < until:
        started = time.perf_counter()
        signed_in(address, name).close()
        seconds.append(time.perf_counter() - started)
        time.sleep(_PAUSE_SECONDS / 4)


def click_again_and_again(address: str, name: str, pages: Sequence[str], until: float) -> Counter[int]:
    """Fifty clicks at once on one page after the other, each given up; how many were told what status in time."""
    told = Counter[int]()
    with closing(signed_in(address, name)) as client, ThreadPoolExecutor(_CLICKS) as browser:

        def give_up(page: str) -> None:
            with suppress(httpx.TimeoutException):
                told[client.get(page, timeout=_GIVE_UP_SECONDS).status_code] += 1

        for page in cycle(pages):
            if time.monotonic() > until:
                break
            tuple(browser.map(give_up, [page] * _CLICKS))
            time.sleep(_PAUSE_SECONDS)
    return told


@dataclass
class Met:
    """What those who asked met with, over all rounds of a kind."""

    errors: list[str] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=lambda: {what: [] for what in _MEASURED})

    def told(self) -> dict[str, Any]:
        """Medians and 95th percentiles."""
        spread = {what: [round(quantile(some, part), 2) for part in (0.5, 0.95)] for what, some in self.seconds.items()}
        return {**spread, "n": {what: len(some) for what, some in self.seconds.items()}, "errors": self.errors[:3]}


def play(address: str, names: Sequence[str], minutes: float, met: Met, *others: Callable[[float], None]) -> None:
    """One round: everyone asks, and the others do something until a time."""
    until, everyone = time.monotonic() + minutes * 60, [Person(name) for name in names]
    work = [partial(keep_asking, address, person, until, names) for person in everyone]
    work.append(partial(sign_in_again_and_again, address, "visitor", until, met.seconds["signing_in"]))
    work += [partial(other, until) for other in others]
    threads = [threading.Thread(target=one, daemon=True) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(minutes * 60 + 300)
    for person in everyone:
        met.errors += person.errors
        met.seconds["first_sign"] += person.first_seconds
        met.seconds["whole_answer"] += person.seconds


@click.command()
@click.option("--people", type=click.IntRange(1, 100), default=10, show_default=True)
@click.option("--warm-up", type=click.FloatRange(0), default=1.0, show_default=True, help="Minutes not measured.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Of each kind, in turn.")
@click.option("--minutes", type=click.FloatRange(0.1), default=1.0, show_default=True, help="Of one round.")
def main(people: int, warm_up: float, rounds: int, minutes: float) -> None:
    """Measure, and print one JSON object; ends with 1 if others wait more than 1.5 times as long (95th percentile)."""
    names = [f"person{number:02}" for number in range(people)]
    alone, meanwhile, told = Met(), Met(), Counter[int]()
    # Fifty threads of this process would hold up those whose time is measured here.
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(1, get_context("spawn")) as elsewhere:
        workspace = ingested(Path(folder))
        users = People(workspace.root / "users.json", (10, 8, 1))
        for name in (*names, "visitor", "mallory"):
            users.add(name, "expert", PASSWORD)
        pages = addresses(workspace)
        with running(workspace.root, "ui.questions_per_minute=0", "ui.sign_ins_per_minute=1000") as app:
            play(app.address, names, warm_up, Met())
            # A page that was given up is told as missing, one that is not there as well, and that one hurts nobody.
            with closing(signed_in(app.address, "mallory")) as client:
                for page in pages:
                    client.get(f"{page}/view").raise_for_status()

            def clicks(until: float) -> None:
                told.update(elsewhere.submit(click_again_and_again, app.address, "mallory", pages, until).result())

            for _ in range(rounds):
                play(app.address, names, minutes, alone)
                play(app.address, names, minutes, meanwhile, clicks)
    ratio = {what: round(meanwhile.told()[what][1] / alone.told()[what][1], 2) for what in _MEASURED}
    result = {"pages": len(pages), "clicks": told, "alone": alone.told(), "meanwhile": meanwhile.told(), "ratio": ratio}
    click.echo(json.dumps(result, indent=2))
    sys.exit(bool(meanwhile.errors) or max(ratio.values()) > 1.5)


if __name__ == "__main__":
    main()
