"""Two API processes and two writers on one database server, all of which die now and then: nothing lost or doubled.

    python -m bench.cluster [--minutes 10] [--clients 4]

``assistant serve`` runs twice on one workspace behind a plain balancer, with people's state at a PostgreSQL server of
its own. Clients ask the questions of the sample without a pause; two processes keep turns of conversations as the app
does. Meanwhile an API process and a writer are killed, and the server is started again three times: as an operator
does it, as after a crash, and away for three seconds. What each attempt was told is then held against the tables:

    wrong      a whole answer that is not that of an undisturbed process; a status that is none of 200, 429, 503
    lost       a whole answer without its line in the audit log; a turn that was kept, and is not there
    doubled    two lines of one request, two turns of one number
    unanswered a question that nobody answered within a minute of asking again

It ends with 1 unless all are 0.
"""

import http.client
import itertools
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click

from assistant.artifacts.audit import AuditLog
from assistant.errors import StateDown
from assistant.types import Answer
from assistant.workspace import StateServer, Workspace
from bench.postgres import Postgres, empty
from bench.postgres import running as postgres_running
from ui.api.bearer_tokens import TokenFile
from ui.conversations import Conversations
from ui.turns import TurnReply

SAMPLE = Path("data/sample")
_PATIENCE = 60.0
_START_SECONDS = 180.0


@contextmanager
def balanced(addresses: Callable[[], Sequence[tuple[str, int]]]) -> Iterator[tuple[str, int]]:
    """The address of a plain balancer: each connection goes to the next of ``addresses`` that takes it."""
    turns = itertools.count()

    def serve(client: socket.socket) -> None:
        with client:
            for _ in range(2):
                backends = addresses()
                with suppress(OSError), socket.create_connection(backends[next(turns) % len(backends)]) as backend:
                    while True:
                        for one in select.select([client, backend], [], [])[0]:
                            content = one.recv(1 << 16)
                            if not content:
                                return
                            (backend if one is client else client).sendall(content)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()
        listening.shutdown(socket.SHUT_RDWR)


@dataclass
class Told:
    """What clients were told, and what they found wrong with it."""

    statuses: Counter[str] = field(default_factory=Counter)
    answered: list[str] = field(default_factory=list)
    """The ids of requests that were answered as a whole."""
    seconds: list[float] = field(default_factory=list)
    """From the first time that a question was asked to its answer."""
    wrong: int = 0
    unanswered: int = 0


@dataclass(frozen=True)
class Outcome:
    """Of a run."""

    minutes: float
    answers: int
    turns: int
    statuses: dict[str, int]
    p50_seconds: float
    longest_seconds: float
    restarts: int
    kills: int
    wrong: int
    lost: int
    doubled: int
    unanswered: int

    @property
    def is_clean(self) -> bool:
        """Whether nothing is amiss."""
        return not (self.wrong or self.lost or self.doubled or self.unanswered)


class Processes:
    """Servers and writers in processes of their own, each of which is started again when it was killed."""

    def __init__(self, workspace: Workspace, folder: Path) -> None:
        assert workspace.state
        self._workspace = workspace
        self._folder = folder
        self._environment = {**os.environ, "ASSISTANT_STATE__URL": workspace.state.url}
        self._running: dict[str, subprocess.Popen[str]] = {}
        self.addresses: dict[str, tuple[str, int]] = {}

    def serve(self, name: str) -> None:
        """Start an API process, and wait until it answers."""
        command = ["-m", "assistant", "serve", "--port", "0", "--workspace", str(self._workspace.root)]
        command += ["--set", "serve.requests_per_minute=100000", "--set", "serve.queue=100"]
        process = self._start(name, command)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "Serving" in line, (self._folder / f"{name}.log").read_text()
        host, _, port = line.split(" on http://")[1].split("/")[0].partition(":")
        until = time.monotonic() + _START_SECONDS
        while _asked((host, int(port)), "GET", "/ready", {})[0] != 200:
            assert time.monotonic() < until, "it does not become ready"
            time.sleep(0.2)
        self.addresses[name] = (host, int(port))

    def write(self, name: str) -> None:
        """Start a process that keeps turns."""
        assert self._workspace.state
        more = [self._workspace.state.url, str(self._folder / f"{name}.turns"), name]
        self._start(name, ["-m", "bench.cluster", "--write", *more])

    def kill(self, name: str) -> None:
        """As the machine of a process goes down."""
        self._running[name].kill()
        self._running[name].wait()

    def close(self) -> None:
        """End all of them."""
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        for process in self._running.values():
            process.wait()
            if process.stdout:
                process.stdout.close()

    def _start(self, name: str, arguments: Sequence[str]) -> "subprocess.Popen[str]":
        before = self._running.get(name)
        if before and before.stdout:
            before.stdout.close()
        with (self._folder / f"{name}.log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=log, text=True, env=self._environment
            )
        self._running[name] = process
        return process


def _asked(
    address: tuple[str, int], method: str, path: str, headers: dict[str, str], body: bytes | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body; a status of 0 for a connection that broke."""
    with closing(http.client.HTTPConnection(*address, timeout=_PATIENCE)) as connection:
        try:
            connection.request(method, path, body, {**headers, "Connection": "close"})
            response = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        except (OSError, http.client.HTTPException):
            return 0, {}, b""


def _chat(address: tuple[str, int], token: str, question: str, request: str) -> tuple[int, dict[str, str], str]:
    content = {"model": "default", "messages": [{"role": "user", "content": question}]}
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "X-Request-ID": request}
    status, given, body = _asked(address, "POST", "/v1/chat/completions", headers, json.dumps(content).encode())
    return status, given, json.loads(body)["choices"][0]["message"]["content"] if status == 200 else ""


def keep_asking(
    address: tuple[str, int], token: str, expected: dict[str, str], client: int, until: float, told: Told
) -> None:
    """Ask one question after the other; each again, under another id, until it is answered."""
    chance = random.Random(client)
    for number in itertools.count():
        question, began = chance.choice(list(expected)), time.monotonic()
        if began > until:
            return
        for attempt in itertools.count():
            request = f"{client}-{number}-{attempt}"
            status, headers, text = _chat(address, token, question, request)
            told.statuses[str(status or "broken")] += 1
            if status == 200:
                told.answered.append(request)
                told.seconds.append(time.monotonic() - began)
                told.wrong += text != expected[question]
                break
            told.wrong += status not in {0, 429, 503} or (status in {429, 503} and "retry-after" not in headers)
            if time.monotonic() - began > _PATIENCE:
                told.unanswered += 1
                break
            time.sleep(min(float(headers.get("retry-after", 0.2)), 1.0))


def keep_writing(url: str, journal: Path, name: str) -> None:
    """Keep turns without end; ``journal`` has a line for each that was begun, and for each that was kept."""
    kept = Conversations(Workspace(journal.parent, state=StateServer(url)))
    reply = TurnReply("cars", None, Answer("?", "?", "Yes.", (), ()))
    conversation, first = kept.begin(name, name), int(time.time() * 1000)
    with journal.open("a", encoding="utf-8") as lines:
        for number in itertools.count(first):
            print(f"begun {name}-{number}", file=lines, flush=True)
            try:
                kept.add(name, conversation, f"{name}-{number}", [reply])
            except StateDown:
                continue
            print(f"kept {name}-{number}", file=lines, flush=True)
            if number % 100 == 99:
                conversation = kept.begin(name, name)
            time.sleep(0.02)


def harm(processes: Processes, postgres: Postgres, seconds: float) -> tuple[int, int]:
    """Restarts and kills, evenly over the time."""
    pause = seconds / 6
    time.sleep(pause)
    postgres.restart("fast")
    time.sleep(pause)
    processes.kill("api-1")
    processes.kill("writer-1")
    processes.write("writer-1")
    time.sleep(pause / 2)
    processes.serve("api-1")
    time.sleep(pause / 2)
    postgres.restart("immediate")
    time.sleep(pause)
    postgres.stop("fast")
    time.sleep(3)
    postgres.start()
    return 3, 2


def run(folder: Path, minutes: float, clients: int, log: Callable[[str], None] = lambda _: None) -> Outcome:
    """Make the sample's corpus in ``folder``, harm all that serves it for so long, and count what is amiss."""
    questions = [one for one in (SAMPLE / "questions.txt").read_text(encoding="utf-8").splitlines() if one.strip()]
    with ExitStack() as stack:
        postgres = stack.enter_context(postgres_running())
        server = stack.enter_context(empty(postgres))
        workspace = Workspace(folder / "workspace", state=server)
        ingest = ["ingest", "--yes", "--workspace", str(workspace.root), str(SAMPLE / "docs")]
        subprocess.run([sys.executable, "-m", "assistant", *ingest], check=True, capture_output=True)
        token = TokenFile(workspace).create("bench", "answer")
        processes = Processes(workspace, folder)
        stack.callback(processes.close)
        for name in ("api-1", "api-2"):
            processes.serve(name)
        expected = {}
        for number, question in enumerate(questions):
            status, _, expected[question] = _chat(processes.addresses["api-2"], token, question, f"before-{number}")
            assert status == 200 and expected[question]
        log(f"{len(questions)} questions are answered; {minutes} minutes begin.")
        address = stack.enter_context(balanced(lambda: list(processes.addresses.values())))
        for name in ("writer-1", "writer-2"):
            processes.write(name)
        told, until = Told(), time.monotonic() + 60 * minutes
        askers = [
            threading.Thread(target=keep_asking, args=(address, token, expected, client, until, told))
            for client in range(clients)
        ]
        for asker in askers:
            asker.start()
        restarts, kills = harm(processes, postgres, 60 * minutes)
        for asker in askers:
            asker.join()
        for name in ("writer-1", "writer-2"):
            processes.kill(name)
        return _outcome(minutes, workspace, folder, told, restarts, kills)


def _outcome(minutes: float, workspace: Workspace, folder: Path, told: Told, restarts: int, kills: int) -> Outcome:
    lines = Counter(line.request for line in AuditLog(workspace.root, 90, workspace.state).lines(action="question"))
    with Conversations(Workspace(folder, state=workspace.state)).database.opened() as rows:
        turns = Counter(question for (question,) in rows.execute("SELECT question FROM turns"))
    journals = [line.split() for file in folder.glob("*.turns") for line in file.read_text().splitlines()]
    kept = {number for what, number in journals if what == "kept"}
    begun = {number for what, number in journals if what == "begun"}
    seconds = sorted(told.seconds)
    return Outcome(
        minutes=minutes,
        answers=len(told.answered),
        turns=len(kept),
        statuses=dict(told.statuses),
        p50_seconds=round(seconds[len(seconds) // 2], 2),
        longest_seconds=round(seconds[-1], 1),
        restarts=restarts,
        kills=kills,
        wrong=told.wrong + len(turns.keys() - begun),
        lost=sum(request not in lines for request in told.answered) + len(kept - turns.keys()),
        doubled=sum(count > 1 for count in (*lines.values(), *turns.values())),
        unanswered=told.unanswered,
    )


@click.command()
@click.option("--minutes", type=float, default=10, show_default=True)
@click.option("--clients", type=click.IntRange(1), default=4, show_default=True)
@click.option("--write", nargs=3, hidden=True, metavar="URL JOURNAL NAME")
def main(minutes: float, clients: int, write: tuple[str, str, str] | None) -> None:
    """Kill what serves and keeps while people ask; print what came of it."""
    if write:
        keep_writing(write[0], Path(write[1]), write[2])
        return
    with tempfile.TemporaryDirectory() as folder:
        outcome = run(Path(folder), minutes, clients, lambda line: click.echo(line, err=True))
    told: dict[str, Any] = asdict(outcome)
    click.echo(json.dumps(told, indent=2))
    sys.exit(0 if outcome.is_clean else 1)


if __name__ == "__main__":
    main()
