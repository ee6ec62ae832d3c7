"""Two API processes on one database server: whichever dies, and whenever that is started again, nothing is amiss."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import httpx
import pytest
import yaml
from signing import CHEAP, PASSWORD

from assistant.workspace import Workspace
from bench.cluster import run
from bench.postgres import Postgres, empty
from bench.ui_load import Person, ask, called, last_of, load, read_page
from ui.conversations import Conversations
from ui.jobs import Jobs
from ui.people import People


@pytest.mark.slow
def test_what_dies_and_starts_again_loses_nothing_and_keeps_nothing_twice(tmp_path: Path) -> None:
    outcome = run(tmp_path, 0.8, 2)
    assert outcome.is_clean and outcome.answers > 5 and outcome.turns > 100, outcome


COMPOSITION = yaml.safe_load((Path(__file__).parents[1] / "deploy" / "compose.cluster.yaml").read_text())
DOCS = "data/sample/docs/faq"
ADDRESS = re.compile(r"--address='(\S+)'")


@pytest.fixture
def composed(postgres: Postgres, tmp_path: Path) -> Iterator[tuple[Workspace, list[str]]]:
    """The services of the composition as plain processes: the database, and two of the app with what it tells them."""
    services = COMPOSITION["services"]
    (tmp_path / "password").write_text("a long password\n")
    with empty(postgres) as server, ExitStack() as stack:
        workspace, apps = Workspace(tmp_path / "workspace", state=server), []
        place = ["--workspace", str(workspace.root)]
        subprocess.run([sys.executable, "-m", "assistant", "ingest", "--yes", *place, DOCS], check=True)
        People(workspace.root / "users.json", CHEAP, server).add("ana", "admin", PASSWORD)
        for name in ("assistant-1", "assistant-2"):
            given = {**services[name]["environment"]}
            assert given["ASSISTANT_STATE__URL"] == "postgresql://assistant@database/assistant"
            given |= {"ASSISTANT_STATE__URL": server.url, "ASSISTANT_STATE__PASSWORD_FILE": str(tmp_path / "password")}
            command = [sys.executable, "-m", "assistant", "ui", "--api", "--port", "0", *place]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **given})
            stack.enter_context(process)
            stack.callback(process.terminate)
            assert process.stdout
            apps.append(process.stdout.readline().split()[4])
        yield workspace, apps


@pytest.mark.slow
def test_what_is_begun_at_one_process_of_the_composition_goes_on_at_the_other(
    composed: tuple[Workspace, list[str]],
) -> None:
    workspace, (one, other) = composed
    person, kept = Person("ana"), Conversations(workspace.whole)
    with httpx.Client(base_url=one, timeout=120, headers={"origin": one}) as here:
        signed_in = here.post("/sign-in", data={"name": "ana", "password": PASSWORD, "next": "/en/"})
        assert signed_in.status_code == 303
        page = read_page(here.get("/en/config").json())
        load(here, page, "first", person)
        assert "deductible" in ask(here, page, "first", "What is the deductible for hail damage?", person)
        with httpx.Client(base_url=other, timeout=120, headers={"origin": other}, cookies=here.cookies) as there:
            assert there.get("/en/config").json()["username"] == "ana"
            load(there, page, "second", person)
            (conversation,) = kept.listed("ana")
            event = {"conversation": str(conversation.id)}
            nothing_typed = ["" if one is None else one for one in page.open.data()]
            last_of(called(there, "second", page.open.number, nothing_typed, event), person)
            ask(there, page, "second", "And how can I lower it?", person)
            assert not person.errors, person.errors
            turns = kept.turns("ana", conversation.id)
            assert [turn.question[:9] for turn in turns] == ["What is t", "And how c"]
            jobs = Jobs(workspace)
            job = jobs.start("eval", "sample", ["doctor"], "ana")  # which the second one leaves to the first
            until = time.monotonic() + 60
            while jobs.status(job.id).state == "waiting":
                assert time.monotonic() < until
                time.sleep(0.1)
            there.post("/sign-out")
            assert here.get("/en/").status_code in (303, 401)


@pytest.mark.slow
def test_the_cluster_of_the_composition_ingests(tmp_path: Path) -> None:
    service, programs = COMPOSITION["services"]["ray"], Path(sys.executable).parent
    command = [f"{programs}/{service['entrypoint'][0]}", *service["command"]]
    command[command.index("--port=6379")] = "--port=0"  # a free one
    place = ["--workspace", str(tmp_path / "workspace")]
    (tmp_path / "token").write_text("a long token")
    told = {name: value for name, value in service["environment"].items() if name.startswith("RAY_")}
    environment = {**os.environ, **told, "RAY_AUTH_TOKEN_PATH": str(tmp_path / "token")}
    with subprocess.Popen([*command, "--num-cpus=1"], stdout=subprocess.PIPE, text=True, env=environment) as head:
        try:
            assert head.stdout
            (address,) = islice(filter(None, (ADDRESS.search(line) for line in head.stdout)), 1)
            ingest = [f"{programs}/assistant", "ingest", "--yes", *place, DOCS, "--ray", address[1]]
            refused = subprocess.run(ingest, capture_output=True, text=True, timeout=300)
            done = subprocess.run(ingest, capture_output=True, text=True, timeout=300, env=environment)
        finally:
            head.terminate()
    assert refused.returncode == 1 and "set RAY_AUTH_MODE=token" in refused.stderr
    assert done.returncode == 0, done.stderr
    assert "Ray: 1 machine with 1 core, 1 embedder." in done.stderr
