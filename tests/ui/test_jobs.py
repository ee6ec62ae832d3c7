"""Jobs are found again whoever looks, say truly how they stand, and stop when they are asked to."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import psutil
import pytest

from assistant import config
from assistant.config import JobKind
from assistant.errors import UsageError, WorkspaceError
from assistant.workspace import StateServer, Workspace
from bench.postgres import Postgres, empty
from ui.jobs import Jobs, Status, variables_of


@pytest.fixture
def workspace(tmp_path: Path, state: StateServer | None) -> Iterator[Workspace]:
    """One of this machine, and one of a server, at which this machine takes all there is to do."""
    made, is_over = Workspace(tmp_path / "workspace", state=state), threading.Event()

    def take() -> None:
        while not is_over.wait(0.05):
            Jobs(made).take(get_args(JobKind))

    taking = threading.Thread(target=take)
    if state:
        taking.start()
    yield made
    is_over.set()
    if state:
        taking.join()


@pytest.fixture
def jobs(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    """Jobs whose commands are small programs: ``assistant CODE`` runs the code."""
    monkeypatch.setattr(Jobs, "command", lambda _self, job: [sys.executable, "-c", *job.arguments])
    made = Jobs(workspace)
    yield made
    for status in made.all():
        while status.is_under_way:
            made.stop(status.job.id)
            time.sleep(0.05)
            status = made.status(status.job.id)


def waited(
    jobs: Jobs, job_id: str, is_there: Callable[[Status], Any] = lambda status: not status.is_under_way
) -> Status:
    """The status of a job once something is true of it."""
    began = time.monotonic()
    while not is_there(status := jobs.status(job_id)):
        assert time.monotonic() - began < 180, status
        time.sleep(0.02)
    return status


def speaks(jobs: Jobs, job_id: str) -> Status:
    """The status of a job once it has printed a line (unbuffered, the words come before their end)."""
    return waited(jobs, job_id, lambda status: "\n" in jobs.output(status.job.id))


WAITS = "import time\nprint('here', flush=True)\ntime.sleep(600)"


@pytest.mark.parametrize("state", [None])
def test_a_command_of_the_assistant_runs_in_the_workspace(workspace: Workspace) -> None:
    jobs = Jobs(workspace, {"ASSISTANT_RETRIEVAL__K": "3"})
    job = jobs.start("doctor", "", ["config", "show", "--json"], "ada")
    status = waited(jobs, job.id)
    assert (status.state, status.exit_status) == ("done", 0), jobs.log(job.id)
    assert json.loads(jobs.output(job.id))["retrieval.k"] == {"value": 3, "source": "ASSISTANT_RETRIEVAL__K"}
    assert (job.user, job.kind) == ("ada", "doctor")


def test_settings_of_the_command_line_reach_the_commands(workspace: Workspace) -> None:
    given = ["retrieval.k=3", "engine.url=", 'answer.refusal={"en": "No: 1"}', "ingest.calibrate=false"]
    settings, origins = config.load(workspace.config_file, environment={}, assignments=given)
    found, _ = config.load(workspace.config_file, environment=variables_of(settings, origins))
    assert found == settings


def test_a_model_that_the_app_has_changed_is_that_of_its_commands_whatever_a_variable_says() -> None:
    settings, origins = config.load(environment={"ASSISTANT_ENGINE__MODEL": "of-before"})
    settings = settings.model_copy(update={"engine": settings.engine.model_copy(update={"model": "another"})})
    assert variables_of(settings, origins) == {"ASSISTANT_ENGINE__MODEL": "another"}


def test_a_job_is_found_by_an_app_that_was_started_again(jobs: Jobs, workspace: Workspace) -> None:
    job = jobs.start("train", "house", [WAITS], "ada")
    speaks(jobs, job.id)
    found = Jobs(workspace).newest("train")
    assert found and found.job == job and found.state == "running"


@pytest.mark.parametrize("state", [None])
def test_a_job_outlives_the_app_that_started_it(jobs: Jobs, workspace: Workspace) -> None:
    app = (
        "import os, sys\nfrom pathlib import Path\n"
        "from assistant.workspace import Workspace\nfrom ui.jobs import Jobs\n"
        "Jobs.command = lambda self, job: [sys.executable, '-c', *job.arguments]\n"
        f"Jobs(Workspace(Path({str(workspace.root)!r}))).start('eval', 'cases', [{WAITS!r}], 'ada')\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", app], check=False)
    found = jobs.newest("eval")
    assert found
    assert speaks(jobs, found.job.id).state == "running"


def test_a_job_lets_those_who_ask_something_go_first(jobs: Jobs) -> None:
    told = "import os, pathlib\nprint(os.nice(0))\ngroup = pathlib.Path('/proc/self/autogroup')\n"
    job = jobs.start("doctor", "", [f"{told}print(group.read_text() if group.exists() else '')"], "ada")
    assert waited(jobs, job.id).state == "done", jobs.log(job.id)
    niceness, *group = jobs.output(job.id).split()
    assert int(niceness) >= min(os.nice(0) + 5, 19)
    assert not group or int(group[-1]) >= 10


def test_a_stopped_job_has_been_asked_as_by_ctrl_c(jobs: Jobs) -> None:
    code = f"import time\ntry:\n {'; '.join(WAITS.splitlines())}\nexcept KeyboardInterrupt:\n print('saved'); exit(1)"
    job = jobs.start("train", "house", [code], "ada")
    speaks(jobs, job.id)
    jobs.stop(job.id)
    assert waited(jobs, job.id).state == "stopped"
    assert jobs.output(job.id).split() == ["here", "saved"]


def test_a_job_hears_ctrl_c_although_the_app_ignores_it(jobs: Jobs) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in a background job of a shell
    try:
        job = jobs.start("train", "house", [WAITS], "ada")
        speaks(jobs, job.id)
    finally:
        signal.signal(signal.SIGINT, before)
    jobs.stop(job.id)
    assert waited(jobs, job.id).state == "stopped"
    assert "KeyboardInterrupt" in jobs.log(job.id)


def test_a_job_that_will_not_stop_is_stopped_when_asked_again(jobs: Jobs) -> None:
    code = f"import signal\nfor n in (2, 15): signal.signal(n, signal.SIG_IGN)\n{WAITS}"
    job = jobs.start("train", "house", [code], "ada")
    speaks(jobs, job.id)
    for _ in range(2):
        jobs.stop(job.id)
        assert jobs.status(job.id).state == "stopping"
    jobs.stop(job.id)
    assert waited(jobs, job.id).state == "stopped"


@pytest.mark.parametrize(
    ("kind", "code", "outcome", "error"),
    [
        ("pairs", "", "done", ""),
        ("eval", "exit(3)", "done", ""),
        ("compare", "exit(4)", "done", ""),
        ("doctor", "exit(1)", "done", ""),
        ("ingest", "exit(3)", "failed", ""),
        ("pairs", "import sys; print('Error: no pairs. Run.', file=sys.stderr); exit(2)", "failed", "no pairs. Run."),
        ("pairs", "raise ValueError('x')", "failed", "ValueError: x"),
        ("pairs", "import os; os.kill(os.getpid(), 11)", "failed", ""),
    ],
)  # fmt: skip
def test_how_a_job_ended_is_told(jobs: Jobs, kind: JobKind, code: str, outcome: str, error: str) -> None:
    status = waited(jobs, jobs.start(kind, "cars", [code], "ada").id)
    assert (status.state, status.error) == (outcome, error)


def test_a_job_whose_machine_died_is_lost_and_not_running(jobs: Jobs, workspace: Workspace) -> None:
    job = jobs.start("train", "house", [WAITS], "ada")
    speaks(jobs, job.id)
    process = json.loads((workspace.root / "jobs" / job.id / "process.json").read_text())
    os.killpg(process["pid"], signal.SIGKILL)
    assert waited(jobs, job.id).state == "lost"


def test_a_number_that_another_process_has_now_is_not_the_job(jobs: Jobs, workspace: Workspace) -> None:
    job = jobs.start("train", "house", [""], "ada")
    waited(jobs, job.id)
    folder = workspace.root / "jobs" / job.id
    (folder / "ended.json").unlink()
    (folder / "process.json").write_text(json.dumps({"pid": os.getpid(), "created": psutil.boot_time() - 1000}))
    assert jobs.status(job.id).state == "lost"
    jobs.stop(job.id)  # does not hit us


def test_a_job_is_known_although_the_clock_was_set(jobs: Jobs, workspace: Workspace) -> None:
    job = jobs.start("train", "house", [WAITS], "ada")
    speaks(jobs, job.id)
    file = workspace.root / "jobs" / job.id / "process.json"
    process = json.loads(file.read_text())
    file.write_text(json.dumps({**process, "created": process["created"] + 1}))
    assert jobs.status(job.id).state == "running"


def test_a_number_that_someone_else_has_now_is_not_the_job(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_ours(*_: int) -> None:
        raise PermissionError

    job = jobs.start("train", "house", [WAITS], "ada")
    speaks(jobs, job.id)
    with monkeypatch.context() as patch:
        patch.setattr(os, "killpg", not_ours)
        jobs.stop(job.id)
        patch.setattr(psutil, "Process", lambda pid: (_ for _ in ()).throw(psutil.NoSuchProcess(pid)))
        assert jobs.status(job.id).state == "stopped"


def test_where_there_are_no_sessions_long_work_is_refused_in_words(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.delattr(os, "killpg")
        with pytest.raises(UsageError, match="terminal"):
            jobs.start("train", "house", [""], "ada")
    assert jobs.all() == []


def test_a_command_whose_keeper_was_killed_still_counts(jobs: Jobs, workspace: Workspace) -> None:
    job = jobs.start("train", "house", [WAITS], "ada")
    speaks(jobs, job.id)
    keeper = psutil.Process(json.loads((workspace.root / "jobs" / job.id / "process.json").read_text())["pid"])
    keeper.kill()
    with suppress(psutil.NoSuchProcess):
        while keeper.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
    assert jobs.status(job.id).state == "running"
    jobs.stop(job.id)
    assert waited(jobs, job.id).state == "stopped"


def test_who_stops_a_job_before_its_command_runs_is_heard(tmp_path: Path) -> None:
    stopped_early = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom ui import job_process\n"
        "make = job_process.make_file\n"
        "job_process.make_file = lambda one: one.name == 'log' and os.kill(os.getpid(), signal.SIGINT) or make(one)\n"
        # Python itself ends with 1 where the signal comes while it starts.
        "job_process.main(Path(sys.argv[1]), ['sleep', '600'])"
    )
    subprocess.run(
        [sys.executable, "-c", stopped_early, str(tmp_path)], check=True, timeout=120, start_new_session=True
    )
    assert json.loads((tmp_path / "ended.json").read_text())["status"] == -signal.SIGINT


def test_a_job_in_a_session_of_others_leaves_their_turn_alone(tmp_path: Path) -> None:
    code = "import sys\nfrom pathlib import Path\nfrom ui.job_process import main\nmain(Path(sys.argv[1]), ['true'])"
    group = Path("/proc/self/autogroup")
    before = group.read_text() if group.exists() else ""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=120)
    assert (group.read_text() if group.exists() else "") == before


@pytest.mark.parametrize("state", [None])
def test_a_job_that_cannot_be_started_is_none(jobs: Jobs) -> None:
    with pytest.raises(UsageError, match="could not be started"):
        jobs.start("ingest", "much", ["x" * 3_000_000], "ada")
    assert jobs.all() == []
    jobs.start("ingest", "less", [""], "ada")


def test_one_of_a_kind_at_a_time(jobs: Jobs) -> None:
    job = jobs.start("train", "house", [WAITS], "ada")
    with pytest.raises(UsageError, match="'house' is still under way"):
        jobs.start("train", "other", [""], "bob")
    waited(jobs, job.id, lambda status: status.state == "running")
    jobs.stop(job.id)
    waited(jobs, job.id)
    assert waited(jobs, jobs.start("train", "other", [""], "bob").id).state == "done"


@pytest.mark.parametrize("name", ["../corpora", "/etc", "", ".", "a/b", "nothing"])
def test_only_jobs_can_be_looked_at(jobs: Jobs, name: str) -> None:
    for look in (jobs.status, jobs.log, jobs.output, jobs.stop):
        with pytest.raises(UsageError):
            assert not look(name)
            raise UsageError("nothing was told of it", "")


def test_progress_and_items_are_told_while_it_runs(jobs: Jobs) -> None:
    code = (
        "from assistant.work.progress import progress_bar\n"
        "with progress_bar('Reading', 3) as bar:\n"
        " bar.item('a.pdf'); bar.advance(); bar.item('b.pdf', 'is broken'); bar.describe('now')"
    )
    job = jobs.start("ingest", "cars", [code], "ada")
    status = waited(jobs, job.id)
    assert status.progress and (status.progress.done, status.progress.total, status.progress.text) == (1, 3, "now")
    assert [(one.item, one.remark) for one in jobs.items(job.id)] == [("a.pdf", ""), ("b.pdf", "is broken")]


def test_damaged_files_of_a_job_break_nothing(jobs: Jobs, workspace: Workspace) -> None:
    job = jobs.start("eval", "cases", [""], "ada")
    waited(jobs, job.id)
    folder = workspace.root / "jobs" / job.id
    (folder / "progress.jsonl").write_text('{"label": "x", "done": 1}\n[]\n{"label": "x", "do')
    (folder / "ended.json").write_text('{"sta')
    (folder / "log").write_bytes(b"\xff\xfe\n")
    status = waited(jobs, job.id)  # its keeper may still be about to end
    assert status.state == "lost" and status.progress and status.progress.done == 1
    (folder / "job.json").write_text("{")
    assert jobs.all() == []


def test_old_jobs_are_dropped(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.jobs._MOST_KEPT", 2)
    ids = []
    for _ in range(3):
        ids.append(jobs.start("pairs", "cars", [""], "ada").id)
        waited(jobs, ids[-1])
    assert [status.job.id for status in jobs.all()] == [ids[2], ids[1]]


# Where machines share a server


@pytest.fixture
def shared(postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A workspace of several machines, none of which takes anything by itself."""
    monkeypatch.setattr(Jobs, "command", lambda _self, job: [sys.executable, "-c", *job.arguments])
    with empty(postgres) as server:
        made = Workspace(tmp_path / "workspace", state=server)
        yield made
        for status in Jobs(made).all():
            while status.is_under_way:
                Jobs(made).stop(status.job.id)
                time.sleep(0.2)
                status = Jobs(made).status(status.job.id)


def test_a_job_is_done_by_a_machine_that_may_do_it_and_seen_by_all(shared: Workspace) -> None:
    app, other = Jobs(shared), Jobs(shared)
    training, ingest = (
        app.start("train", "house", ["print('trained')"], "ada"),
        app.start("ingest", "cars", [""], "ada"),
    )
    assert {app.status(one.id).state for one in (training, ingest)} == {"waiting"}
    assert other.take(["eval"]) is None and app.take(["ingest", "eval"]) == ingest
    assert other.take(["train"]) == training and other.take(["train"]) is None
    assert waited(app, training.id).state == "done" and app.output(training.id) == "trained\n"
    app.start("train", "again", [""], "ada")


def test_of_many_machines_one_takes_a_job(shared: Workspace) -> None:
    kinds: tuple[JobKind, ...] = ("train", "ingest", "eval")
    jobs = [Jobs(shared).start(kind, "one", [""], "ada").id for kind in kinds]
    with ThreadPoolExecutor(8) as threads:
        taken = [job.id for job in threads.map(lambda _: Jobs(shared).take(kinds), range(24)) if job]
    assert sorted(taken) == sorted(jobs)
    assert {waited(Jobs(shared), job).state for job in jobs} == {"done"}


def test_one_of_a_kind_at_a_time_wherever_it_was_started(shared: Workspace) -> None:
    def start(about: int) -> bool:
        try:
            Jobs(shared).start("train", str(about), [""], "ada")
        except UsageError as error:
            assert "still under way" in str(error)
            return False
        return True

    script = (
        "import sys\nfrom pathlib import Path\nfrom assistant.errors import UsageError\n"
        "from assistant.workspace import StateServer, Workspace\nfrom ui.jobs import Jobs\n"
        "try:\n Jobs(Workspace(Path(sys.argv[1]), state=StateServer(sys.argv[2]))).start('train', 'x', [''], 'ben')\n"
        "except UsageError:\n exit(7)"
    )
    assert shared.state
    others = [subprocess.Popen([sys.executable, "-c", script, str(shared.root), shared.state.url]) for _ in range(3)]
    started = [start(0), *(other.wait(120) == 0 for other in others)]
    assert started.count(True) == 1 and len(Jobs(shared).all("train")) == 1


def test_a_job_on_another_machine_stops_when_asked_and_at_once_when_asked_again(
    shared: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    stubborn = f"import signal\nsignal.signal(signal.SIGINT, lambda *_: print('heard', flush=True))\n{WAITS}"
    monkeypatch.setattr("ui.jobs._HERE", "gpu")
    job = Jobs(shared).start("train", "house", [stubborn], "ada")
    assert Jobs(shared).take(["train"])
    monkeypatch.setattr("ui.jobs._HERE", "app")
    app = Jobs(shared)
    speaks(app, job.id)
    app.stop(job.id)
    assert app.status(job.id).state == "stopping"
    waited(app, job.id, lambda _: "heard" in app.output(job.id))
    app.stop(job.id)
    assert waited(app, job.id).state == "stopped"


def test_a_job_that_waits_is_stopped_at_once_and_taken_by_nobody(shared: Workspace) -> None:
    jobs = Jobs(shared)
    job = jobs.start("train", "house", [WAITS], "ada")
    jobs.stop(job.id)
    assert jobs.status(job.id).state == "stopped" and jobs.take(["train"]) is None


def test_a_job_of_a_machine_that_says_nothing_more_is_given_up(
    shared: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ui.jobs._HERE", "gpu")
    monkeypatch.setattr(Jobs, "_spawn", lambda *_: None)  # it dies before the process is there
    jobs = Jobs(shared)
    job = jobs.start("train", "house", [""], "ada")
    assert jobs.take(["train"]) and jobs.status(job.id).state == "starting"
    monkeypatch.setattr("ui.jobs._LONGEST_SILENCE", 0)
    assert jobs.status(job.id).state == "lost"
    assert jobs.start("train", "another", [""], "ada")


@pytest.mark.slow
def test_a_restart_of_the_server_stops_no_job(shared: Workspace, postgres: Postgres) -> None:
    jobs = Jobs(shared)
    job = jobs.start("train", "house", ["import time; time.sleep(8)"], "ada")
    jobs.take(["train"])
    waited(jobs, job.id, lambda status: status.state == "running")
    postgres.restart("immediate")
    assert jobs.status(job.id).state == "running" and waited(jobs, job.id).state == "done"
    assert jobs.start("train", "another", [""], "ada"), "the server knows that it has ended"


def test_a_job_whose_files_are_not_here_waits_for_who_has_them(shared: Workspace, tmp_path: Path) -> None:
    job = Jobs(shared).start("train", "house", [""], "ada")
    elsewhere = Jobs(Workspace(tmp_path / "elsewhere", state=shared.state))
    with pytest.raises(WorkspaceError, match="share the workspace's folder"):
        elsewhere.take(["train"])
    assert elsewhere.take(["train"]) is None and Jobs(shared).status(job.id).state == "waiting"


def test_a_job_that_cannot_be_begun_where_it_was_taken_has_failed(shared: Workspace) -> None:
    jobs = Jobs(shared)
    job = jobs.start("ingest", "much", ["x" * 3_000_000], "ada")
    jobs.take(["ingest"])
    status = jobs.status(job.id)
    assert status.state == "failed" and status.error.startswith("It could not be started")
    jobs.start("ingest", "less", [""], "ada")
