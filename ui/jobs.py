"""Long work that the app starts: commands of ``assistant`` in processes of their own, known by files alone.

    workspace/jobs/ID/job.json         what was asked for, by whom
    workspace/jobs/ID/process.json     where it runs
    workspace/jobs/ID/output, log      what the command prints on standard output and on standard error
    workspace/jobs/ID/progress.jsonl   see assistant.work.progress
    workspace/jobs/ID/stops            a line for each time it was asked to stop
    workspace/jobs/ID/ended.json       how it ended

So a job is found again after the page is loaded anew, the browser closed, or the app started again.

Where machines share a database server, and the folder of the workspace, a job waits there until one that may do it
takes it (``Jobs.take``); all of them see these files.
"""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from assistant.artifacts.audit import ACTOR_VARIABLE
from assistant.config import ENVIRONMENT_PREFIX, JobKind, Origin, Settings, value_of
from assistant.errors import AssistantError, UsageError, WorkspaceError
from assistant.types import well_formed
from assistant.work.progress import PROGRESS_VARIABLE, Progress, last_progress, read_progress, tail
from assistant.workspace import Resource, Workspace, make_file, make_folder, replaced_atomically, safe_name
from ui.job_process import ENDED_FILE, LOG_FILE, NICENESS, OUTPUT_FILE, PROCESS_FILE, STOP_SIGNALS, STOPS_FILE, TO_SEND
from ui.shared import JobQueue

if TYPE_CHECKING:
    import psutil

State = Literal["waiting", "starting", "running", "stopping", "done", "stopped", "failed", "lost"]
EVERYTHING: Resource = "workspace", ""
"""What is behind work that may say anything of a workspace."""
UNDER_WAY: frozenset[State] = frozenset({"waiting", "starting", "running", "stopping"})

_JOB_FILE = "job.json"
_PROGRESS_FILE = "progress.jsonl"
_MOST_KEPT = 100  # each has a folder with its log, and all are looked at for a list
_LONGEST_START = 30
"""Seconds in which the process has to tell that it is there."""
_LONGEST_SILENCE = 60.0
"""Seconds without a word of it after which a job on another machine is given up; its process tells every five."""
_HERE = socket.gethostname()
_LOG_TAIL = 64 << 10  # some 800 lines, sent to the page every second
# Exit statuses that tell of a result: a gate that lets nothing through has done its work, and so has doctor.
_OUTCOMES: Mapping[JobKind, frozenset[int]] = {
    "eval": frozenset({0, 3, 4}),
    "compare": frozenset({0, 3, 4}),
    "doctor": frozenset({0, 1}),
}
_CLOCK_SECONDS = 5.0
"""So far apart may two processes see the beginning of a third, where the machine's clock was set meanwhile."""


@dataclass(frozen=True, slots=True)
class StartedJob:
    """What was asked for."""

    id: str
    kind: JobKind
    about: str
    """What it is about, for people: a corpus, an adapter, a set of cases."""
    arguments: tuple[str, ...]
    """Of ``assistant``; the workspace is told by the environment."""
    user: str
    created: float
    """Seconds since 1970."""
    reads: tuple[Resource, ...] = (EVERYTHING,)
    """What is behind what it says: nobody is shown it who may not read all of that. In older files, everything."""
    edits: tuple[Resource, ...] = ()
    """What it changes: nobody stops it who may not."""


@dataclass(frozen=True, slots=True)
class Status:
    """How a job stands now."""

    job: StartedJob
    state: State
    seconds: float
    """From its start until now, or until it ended."""
    exit_status: int | None
    progress: Progress | None
    error: str
    """The line in which the command said what went wrong, and the remedy."""

    @property
    def is_under_way(self) -> bool:
        """Whether it may still change."""
        return self.state in UNDER_WAY


_JOB = TypeAdapter(StartedJob)
_Printed = TypeVar("_Printed")
_starting = threading.Lock()
_unseen: set[str] = set()
"""Jobs that this machine was given and whose files it has not."""


class Jobs:
    """The jobs of one workspace, as far as it shows what they are about."""

    def __init__(
        self, workspace: Workspace, variables: Mapping[str, str] | None = None, niceness: int = NICENESS
    ) -> None:
        """``variables`` are those of the environment that every command gets besides."""
        self.folder = workspace.root / "jobs"
        self._state = workspace.state
        self._queue = JobQueue(workspace.state) if workspace.state else None
        self._shows = workspace.shows
        self._niceness = niceness
        self._variables = {"ASSISTANT_WORKSPACE": str(workspace.root), **(variables or {})}

    def start(
        self,
        kind: JobKind,
        about: str,
        arguments: Sequence[str],
        user: str,
        reads: tuple[Resource, ...] = (EVERYTHING,),
        edits: tuple[Resource, ...] = (),
    ) -> StartedJob:
        """Start ``assistant ARGUMENTS``. Raises UsageError when a job of this kind is under way.

        So it does for an argument that is no text for a command line, and for a command that cannot be started.
        """
        for argument in arguments:
            if "\0" in argument or well_formed(argument) != argument:
                raise UsageError(f"{argument[:80]!r} cannot be given to a command.", "Use letters that can be typed.")
        with _starting:
            self.refuse_second(kind)
            for old in [*self._jobs()][_MOST_KEPT - 1 :]:
                if not self._status(old).is_under_way:
                    shutil.rmtree(self._folder(old.id), ignore_errors=True)
            id_ = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}-{kind}-{secrets.token_hex(2)}"  # sorts by time
            job = StartedJob(id_, kind, about, tuple(arguments), user, time.time(), reads, edits)
            folder = self._folder(job.id)
            make_folder(folder)
            try:
                with replaced_atomically(folder / _JOB_FILE) as beside:
                    beside.write_text(json.dumps(asdict(job), ensure_ascii=False), encoding="utf-8")
                if self._queue is None:
                    self._spawn(folder, job)
                else:
                    self._enqueue(self._queue, job)
            except AssistantError:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            except OSError as error:  # as for arguments that are too long
                shutil.rmtree(folder, ignore_errors=True)
                raise UsageError(f"The work could not be started: {error.strerror}.", "Give it less at once.") from None
        return job

    def take(self, kinds: Sequence[JobKind]) -> StartedJob | None:
        """Begin the job of these kinds that waits longest at the server, on this machine; None where none waits.

        Raises WorkspaceError for one whose files are not in this workspace: it waits on, for others.
        """
        if self._queue is None or (id_ := self._queue.take(_HERE, kinds, sorted(_unseen))) is None:
            return None
        job = self._job(id_)
        if job is None:
            _unseen.add(id_)
            self._queue.put_back(id_)
            raise WorkspaceError(
                f"The job {id_} is not in {self.folder}.", "Machines that share state.url share the workspace's folder."
            )
        try:
            self._spawn(self._folder(id_), job)
        except OSError as error:  # as for arguments that are too long
            make_file(self._folder(id_) / LOG_FILE).write_text(f"Error: It could not be started: {error.strerror}.\n")
            with replaced_atomically(self._folder(id_) / ENDED_FILE) as beside:
                beside.write_text(json.dumps({"status": 1, "at": time.time()}))
            self._queue.end(id_)
        return job

    def refuse_second(self, *kinds: JobKind) -> None:
        """Raise UsageError where no job of these kinds can be started now, because of one that is under way."""
        if not hasattr(os, "killpg"):
            raise UsageError(
                "The app cannot start long work on this system.", "Run it in a terminal; see: assistant --help"
            )
        for job in self._jobs(*kinds):
            if self._status(job).is_under_way:
                if not self._is_shown(job):
                    raise UsageError("Other work of this kind is still under way.", "Wait until it has ended.")
                raise UsageError(f"'{job.about}' is still under way.", "Wait until it has ended, or stop it.")

    def all(self, *kinds: JobKind) -> list[Status]:
        """Every job, or those of some kinds, the newest first."""
        return [self._status(job) for job in self._shown(*kinds)]

    def newest(self, *kinds: JobKind) -> Status | None:
        """The newest job of some kinds."""
        return next((self._status(job) for job in self._shown(*kinds)), None)

    def under_way(self, *kinds: JobKind) -> Status | None:
        """A job of some kinds that has not ended."""
        found = (self._status(job) for job in self._shown(*kinds))
        return next((status for status in found if status.is_under_way), None)

    def status(self, job_id: str) -> Status:
        """How a job stands. Raises UsageError for one that there is not."""
        job = self._job(safe_name(job_id, "job"))
        if job is None or not self._is_shown(job):
            raise UsageError(f"There is no job '{job_id}'.", "It may be so old that it was dropped.")
        return self._status(job)

    def stop(self, job_id: str) -> None:
        """Ask a job to stop: in order at first (what was done is kept), at once when it is asked again."""
        status = self.status(job_id)
        if not status.is_under_way:
            return
        process = _process(self._folder(job_id))
        found = self._queue.place(job_id) if self._queue else (_HERE, 0.0)
        is_here = found is not None and found[0] == _HERE
        if is_here and process is None:
            return
        stops = self._folder(job_id) / STOPS_FILE
        asked = min(len(_text(stops).splitlines()), 2)
        with make_file(stops).open("a", encoding="utf-8") as stream:
            stream.write(f"{datetime.now(UTC).isoformat()}{'' if is_here else TO_SEND}\n")
        if self._queue is not None:
            self._queue.end(job_id, only_waiting=True)
        if not is_here or process is None:
            return
        try:
            os.killpg(process[0], STOP_SIGNALS[asked])
        except (ProcessLookupError, PermissionError):
            return  # it has just ended, and the number may be someone else's by now

    def log(self, job_id: str) -> str:
        """The end of what the command has told on standard error."""
        return tail(self._folder(job_id) / LOG_FILE, _LOG_TAIL)

    def output(self, job_id: str) -> str:
        """What the command has printed."""
        return _text(self._folder(job_id) / OUTPUT_FILE)

    def items(self, job_id: str) -> list[Progress]:
        """What was worked on so far, one after the other, and what went wrong."""
        return [one for one in read_progress(self._folder(job_id) / _PROGRESS_FILE) if one.item]

    def command(self, job: StartedJob) -> list[str]:
        """What is run."""
        return [sys.executable, "-m", "assistant", *job.arguments]

    def _folder(self, job_id: str) -> Path:
        return self.folder / safe_name(job_id, "job")

    def _enqueue(self, queue: JobQueue, job: StartedJob) -> None:
        """Have a job wait at the server. Raises UsageError where one of its kind is under way there."""
        before = queue.add(job.id, job.kind)
        if before and (known := self._job(before)) and not self._status(known).is_under_way:
            queue.end(before)  # its process could not say so
            before = queue.add(job.id, job.kind)
        if before:
            raise UsageError("Other work of this kind is still under way.", "Wait until it has ended.")

    def _spawn(self, folder: Path, job: StartedJob) -> None:
        own = {ACTOR_VARIABLE: job.user, **self._variables, PROGRESS_VARIABLE: str(folder / _PROGRESS_FILE)}
        server = json.dumps(asdict(self._state) if self._state else None)
        process = subprocess.Popen(
            [sys.executable, "-m", "ui.job_process", str(self._niceness), str(folder), server, *self.command(job)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **own},
            start_new_session=True,
        )
        threading.Thread(target=process.wait, daemon=True).start()  # so that it does not stay as a zombie

    def _shown(self, *kinds: JobKind) -> Iterator[StartedJob]:
        return filter(self._is_shown, self._jobs(*kinds))

    def _is_shown(self, job: StartedJob) -> bool:
        return all(self._shows(*one) for one in job.reads)

    def _jobs(self, *kinds: JobKind) -> Iterator[StartedJob]:
        """Jobs of some kinds, of all where none is named, the newest first, whoever may see them."""
        if self.folder.is_dir():
            for name in sorted((path.name for path in self.folder.iterdir() if path.is_dir()), reverse=True):
                job = self._job(name)
                if job is not None and (not kinds or job.kind in kinds):
                    yield job

    def _job(self, name: str) -> StartedJob | None:
        try:
            return _JOB.validate_json((self.folder / name / _JOB_FILE).read_bytes())
        except (OSError, ValidationError):
            return None  # being made, or damaged

    def _status(self, job: StartedJob) -> Status:
        folder = self._folder(job.id)
        ended = _content(folder / ENDED_FILE)
        asked = bool(_text(folder / STOPS_FILE))
        state = self._state_of(job, folder, ended, asked)
        until = ended["at"] if ended else time.time()
        progress = last_progress(folder / _PROGRESS_FILE)
        error = ""
        if state in {"failed", "stopped"}:  # the last line that tells an error, else the last line
            lines = [line for line in tail(folder / LOG_FILE, _LOG_TAIL).splitlines() if line.strip()]
            told = [line.removeprefix("Error: ") for line in lines if line.startswith("Error: ")]
            error = (told or lines or [""])[-1]
        exit_status = int(ended["status"]) if ended else None
        return Status(job, state, max(until - job.created, 0.0), exit_status, progress, error)

    def _state_of(self, job: StartedJob, folder: Path, ended: Mapping[str, Any] | None, asked: bool) -> State:
        if ended or self._queue is None:
            return _state(job, folder, ended, asked)
        found, process = self._queue.place(job.id), _process(folder)
        if found is not None:
            place, silent_seconds = found
            is_here = place == _HERE and process is not None
            if not place:
                return "waiting"
            if _lives(*process) if is_here and process else silent_seconds < _LONGEST_SILENCE:
                return "stopping" if asked else "running" if process else "starting"
            self._queue.end(job.id)
        ended = _content(folder / ENDED_FILE)  # perhaps in just this moment
        return _state(job, folder, ended, asked) if ended else "stopped" if asked else "lost"


def variables_of(settings: Settings, origins: Sequence[Origin], *, with_file: bool = False) -> dict[str, str]:
    """The settings that no file states, as variables for the commands that are started; or all but the defaults.

    Those of variables as well: what the app has changed since it was started is so for its commands too.
    """
    given = [
        one.key
        for one in origins
        if one.source == "command line"
        or one.source.startswith(ENVIRONMENT_PREFIX)
        or (with_file and one.source != "default")
    ]
    values = {key: value_of(settings, key) for key in given}
    return {
        f"{ENVIRONMENT_PREFIX}{key.replace('.', '__').upper()}": value if isinstance(value, str) else json.dumps(value)
        for key, value in values.items()
    }


def _state(job: StartedJob, folder: Path, ended: Mapping[str, Any] | None, asked_to_stop: bool) -> State:
    if ended:
        is_outcome = ended["status"] in _OUTCOMES.get(job.kind, {0})
        return "done" if is_outcome else "stopped" if asked_to_stop else "failed"
    process = _process(folder)
    if process is None:
        return "starting" if time.time() - job.created < _LONGEST_START else "lost"
    if _lives(*process):
        return "stopping" if asked_to_stop else "running"
    if _content(folder / ENDED_FILE):
        return _state(job, folder, _content(folder / ENDED_FILE), asked_to_stop)  # in just this moment
    return "stopped" if asked_to_stop else "lost"


def _process(folder: Path) -> tuple[int, float] | None:
    """Number of the process, which is that of its session, and when it began."""
    content = _content(folder / PROCESS_FILE)
    return (int(content["pid"]), float(content["created"])) if content else None


def _lives(pid: int, created: float) -> bool:
    """Whether the process lives, or at least the command that it started."""
    import psutil

    try:
        process = psutil.Process(pid)
        if abs(process.create_time() - created) >= _CLOCK_SECONDS:
            return False
        # One that was killed holds its number, and that of the session, until it is waited for.
        return process.status() != psutil.STATUS_ZOMBIE or any(_is_of(one, pid) for one in psutil.process_iter())
    except psutil.NoSuchProcess:
        pass
    try:
        os.killpg(pid, 0)  # no other process gets this number as long as one of the session is left
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _is_of(process: "psutil.Process", session: int) -> bool:
    import psutil

    try:
        return os.getpgid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE
    except (OSError, psutil.Error):
        return False


def printed(output: str, kind: type[_Printed]) -> _Printed | None:
    """What a command printed as JSON; None if it printed nothing of this kind."""
    try:
        return TypeAdapter(kind).validate_json(output)
    except ValidationError:
        return None


def _content(file: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
