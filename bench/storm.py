"""A bad day, a thousand times: whatever happens to it, a workspace opens, answers right and has lost nothing.

    python -m bench.storm [--seed 1] [--minutes 40] [--kills 1000] [--files 1000] [--disks 100] [--clocks 50]
    python -m bench.storm --seed 1 --case kills:417        one case again

    kills      work dies (SIGKILL) at a random line of the code that writes, or at a random instant
    files      a file of any format that is read, some of it flipped, cut out, spliced or grown, is ingested
    disks      work meets a disk with a random, small rest of room; then room is made
    clocks     the clock jumps by hours or years at each word of work, forward and back
    locked     work meets a disk that cannot be written

After each: the workspace opens and answers a known question right, while the disk is full or closed too; what was told
to be kept is there; and the same work, done again undisturbed, ends well. Each case has a process and a folder of its
own, forked from one that has everything loaded; what it does follows from the seed alone, but for kills by the clock.
Where no file system can be mounted, a file that cannot grow stands for a full disk, and no disk is closed.
"""

import gc
import importlib
import json
import os
import random
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from bench.storm_harm import Jumps, Say, full, killed_at, mutated, originals, read_only, small_disk

if TYPE_CHECKING:
    from bench.storm_place import Place, Warm

_PATIENCE = 120.0  # seconds that work may take on a busy machine; past them it hangs
_MEMORY = 6 << 30  # of one that reads a file that was changed
_APART = "STORM_APART"
Told = tuple[str, str, Any]
"""(work, how, what)."""


@dataclass(frozen=True)
class Ended:
    """How a process ended, and what it had said until then."""

    status: int
    """0, or the signal that killed it, negative."""
    told: tuple[Told, ...]

    @property
    def failure(self) -> str:
        """The traceback that ended it; empty without any."""
        return next((what for _, how, what in self.told if how == "failed"), "")


def forked(work: Callable[[Say], object], seconds: float = _PATIENCE) -> Ended:
    """Run ``work`` in a process of its own, which is killed after some seconds."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reading)
        _run_and_exit(work, writing)
    os.close(writing)
    over, content = time.monotonic() + seconds, bytearray()
    while True:
        if not select.select([reading], [], [], max(0.0, min(over - time.monotonic(), 1e6)))[0]:
            os.kill(pid, signal.SIGKILL)
            over = float("inf")
        elif portion := os.read(reading, 1 << 16):
            content += portion
        else:
            break
    os.close(reading)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    lines = bytes(content).split(b"\n")[:-1]  # the last one is empty, or was cut
    return Ended(status, tuple(map(_heard, lines)))


def _heard(line: bytes) -> Told:
    work, how, what = json.loads(line)
    return work, how, what


def _run_and_exit(work: Callable[[Say], object], writing: int) -> NoReturn:
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: a case that is killed takes its work along

    def say(work: str, how: str, what: Any) -> None:
        line = json.dumps((work, how, what)).encode() + b"\n"
        while line:
            line = line[os.write(writing, line) :]

    status = 1
    try:
        work(say)
        status = 0
    except BaseException as error:
        frames = "".join(traceback.format_exception(error)[-6:])
        names = {one.__name__ for one in type(error).__mro__}
        say("", "refused" if names & {"Refused", "AssistantError"} else "failed", frames[-1800:])
    finally:
        os._exit(status)


@dataclass
class Storm:
    """What all cases have in common."""

    seed: int
    folder: Path
    warm: "Warm"
    template: "Place"
    told: list[Told]
    """While the template was made."""
    lines: dict[str, int]
    """Work → lines of the code that writes."""
    seconds: dict[str, float]
    """Work → seconds that it takes."""
    works: Sequence[str]
    can_mount: bool

    def doing(self, name: str, place: "Place", say: Say) -> None:
        """Do some work, and tell in its name."""
        from bench.storm_work import WORK, called

        called(WORK[name][0], place, lambda how, what: say(name, how, what), self.warm)

    def place(self, case: str, attempt: str = "") -> "Place":
        """That of a case, with the chance of one of its attempts."""
        from bench.storm_place import Place

        return Place(self.folder / case.replace(":", "-"), self._chance(case, attempt))

    def _chance(self, case: str, attempt: str) -> random.Random:
        return random.Random(f"{self.seed} {case} {attempt}")

    def case(self, case: str, say: Say) -> None:
        """Run one case; says ``outcome`` at the end, and fails with whatever is wrong."""
        from bench.storm_place import moved

        kind, _, number = case.partition(":")
        chance, place = self._chance(case, "case"), self.place(case)
        place.disk.mkdir(parents=True)
        name = self.works[int(number) % len(self.works)]
        try:
            with small_disk(place.disk, kind in ("disks", "locked") and self.can_mount):
                moved(self.template, place.folder, chance)
                if kind == "files":
                    say(case, "outcome", self.file(case, chance))
                else:
                    outcome = getattr(self, kind)(case, name, chance)
                    self.again(case, name, outcome[1])
                    say(case, "outcome", f"{name} {outcome[0]}")
        finally:
            shutil.rmtree(place.folder, ignore_errors=True)

    def again(self, case: str, name: str, told: Sequence[Told]) -> None:
        """What was disturbed is whole; and the same work, undisturbed, ends well."""
        self.check(case, told, name)
        ended = forked(lambda say: self.doing(name, self.place(case, "again"), say))
        if ended.status:
            raise RuntimeError(f"{name}, done again, ended with {ended.status}: {ended.told[-1:]}")
        self.check(case, [*told, *ended.told])

    def check(self, case: str, told: Sequence[Told], *works: str) -> None:
        """As in storm_work, in a process that may not hang or die either; of all work unless some is named."""
        from bench.storm_work import check

        everything = [one for one in (*self.told, *told) if one[0] in self.works]
        ended = forked(lambda _: check(self.place(case), works or self.works, everything, self.warm))
        if ended.status:
            raise RuntimeError(f"the check ended with {ended.status}: {ended.told[-1:]}\ntold: {told[-3:]}")

    def check_answer(self, case: str) -> None:
        """The known question is answered right, whatever the disk is like."""
        from bench.storm_place import ANSWER

        ended = forked(lambda say: say("", "said", self.warm.said(self.place(case).workspace)))
        if ended.status or ANSWER not in ended.told[-1][2]:
            raise RuntimeError(f"to the known question it says {ended.told[-1:]}")

    def kills(self, case: str, name: str, chance: random.Random) -> tuple[str, Sequence[Told]]:
        """Work dies."""
        by_line = chance.random() < 0.5
        line, instant = chance.randint(1, max(1, self.lines[name])), chance.uniform(0, self.seconds[name])

        def work(say: Say) -> None:
            if by_line:
                sys.settrace(killed_at(line, say))
            self.doing(name, self.place(case, "first"), say)

        ended = forked(work, _PATIENCE if by_line else instant)
        if ended.status not in (0, -signal.SIGKILL):
            raise RuntimeError(f"{name} was to be killed, and ended with {ended.status}: {ended.told[-1:]}")
        return "killed" if ended.status == -signal.SIGKILL else "survived", ended.told

    def disks(self, case: str, name: str, chance: random.Random) -> tuple[str, Sequence[Told]]:
        """The disk is full, at last with a line that says so; nothing stops answering."""
        room = int(4096 * 2 ** chance.uniform(0, 10))

        def work(say: Say) -> None:
            if not self.can_mount:
                resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
            self.doing(name, self.place(case, "first"), say)

        with full(self.place(case).disk, room if self.can_mount else None):
            ended = forked(work)
            if ended.failure or ended.status < 0:
                raise RuntimeError(f"{name} with {room} bytes of room ended with {ended.status}: {ended.told[-1:]}")
            self.check_answer(case)
        return "was refused" if ended.status else "had room", ended.told

    def locked(self, case: str, name: str, _: random.Random) -> tuple[str, Sequence[Told]]:
        """Nothing can be written."""
        with read_only(self.place(case).disk):
            ended = forked(lambda say: self.doing(name, self.place(case, "first"), say))
            if ended.failure or ended.status < 0:
                raise RuntimeError(f"{name} where nothing can be written ended with {ended.status}: {ended.told[-1:]}")
            self.check_answer(case)
        return "was refused" if ended.status else "did it", ended.told

    def clocks(self, case: str, name: str, chance: random.Random) -> tuple[str, Sequence[Told]]:
        """The clock jumps."""

        def work(say: Say) -> None:
            clock = Jumps(chance)

            def tell(work: str, how: str, what: Any) -> None:
                say(work, how, what)
                clock.jump()

            clock.jump()
            self.doing(name, self.place(case, "first"), tell)

        ended = forked(work)
        if ended.status:
            raise RuntimeError(f"{name} under a clock that jumps ended with {ended.status}: {ended.told[-1:]}")
        return "done", ended.told

    def file(self, case: str, chance: random.Random) -> str:
        """A file that was changed is read or refused, and takes nothing with it."""
        files = originals()
        name, content = chance.choice(files)
        how, changed = mutated(content, chance, [other for _, other in files])
        place = self.place(case)
        (place.docs / f"{how}-{name}").write_bytes(changed)

        def read(say: Say) -> None:
            resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
            say("", "reads", name)
            self.read(self.place(case), say)

        ended = forked(read, 2 * _PATIENCE)
        # By then the product has stopped it: here nobody looks at ``ingest.timeout_seconds``.
        reads_on = ended.status == -signal.SIGKILL and ended.told[-1:] == (("", "reads", name),)
        if ended.status and not reads_on:
            raise RuntimeError(f"{how} {name}: the ingest ended with {ended.status}: {ended.told[-1:]}")
        self.check(case, [])
        reason = next((what for _, kind, what in ended.told if kind == "unforeseen"), "")
        if reason:
            raise RuntimeError(f"{how} {name}: {reason}")
        return f"{Path(name).suffix} {'stopped' if reads_on else ended.told[-1][2]}"

    def read(self, place: "Place", say: Say) -> None:
        """Ingest the documents, and tell what came of the file that was changed."""
        from assistant.config import Settings
        from assistant.workspace import DEFAULT_CORPUS
        from ingest import pipeline, worker

        def reading(tasks: Any, recipe: Any) -> Iterator[Any]:
            worker._recipe, worker._counter = recipe, self.warm.embedder.tokens
            for task in tasks:
                try:
                    result = worker._read(task)
                    say("", "has read", "")
                    yield result
                except Exception as error:  # which the product, too, takes for the failure of this file
                    frames = "".join(traceback.format_exception(error)[-4:])
                    say("", "unforeseen", frames[-1500:])
                    yield worker.ReadResult(task, None, (), "unforeseen", 0.0)

        pipeline.read_all = reading  # type: ignore[attr-defined]
        settings = Settings(ingest={"calibrate": False})  # it takes most of the time, and is not what is tried
        report = pipeline.ingest(place.workspace, DEFAULT_CORPUS, [place.docs], settings, embedder=self.warm.embedder)
        (status,) = (file.status for file in report.files if file.status != "unchanged")
        say("", "status", status)


def prepared(seed: int, folder: Path, works: Sequence[str], killed: Sequence[str], can_mount: bool) -> Storm:
    """Load everything, make the workspace that all cases begin with, and measure the work that is to be killed."""
    from bench.storm_place import Place, Warm, furnish, tests_are_importable
    from bench.storm_work import check

    tests_are_importable()
    warm = Warm()
    warm.put_in()
    template = Place(folder / "template", random.Random(seed))
    furnish(template)
    storm = Storm(seed, folder, warm, template, [], {}, {}, works, can_mount)
    modules: list[str] = []
    for name in works:

        def first(say: Say, name: str = name) -> None:
            storm.doing(name, template, say)
            say("", "modules", [one for one in sys.modules if one != "__main__"])

        ended = forked(first, 10 * _PATIENCE)
        if ended.status:
            raise click.ClickException(f"{name}, undisturbed, ended with {ended.status}: {ended.told[-1:]}")
        storm.told += [one for one in ended.told if one[0] == name != "restore"]
        modules += ended.told[-1][2]
        template.chance.seed(f"{seed} {name}")
    for other in template.disk.glob("other-*"):
        shutil.rmtree(other)
    for module in dict.fromkeys(modules):  # what work imports late is loaded once
        with suppress(ImportError):
            importlib.import_module(module)
    check(template, works, storm.told, warm)  # here and not in each process, what this needs is loaded
    originals()
    gc.collect()
    gc.freeze()
    for name in killed:
        storm.lines[name], storm.seconds[name] = measured(storm, name)
    return storm


def measured(storm: Storm, name: str) -> tuple[int, float]:
    """How many lines of the code that writes some work runs, and how many seconds it takes."""
    from bench.storm_place import Place, moved

    moved(storm.template, storm.folder / "measured", random.Random())
    place = Place(storm.folder / "measured", random.Random(storm.seed))

    def work(say: Say) -> None:
        sys.settrace(killed_at(0, say, count=True))
        storm.doing(name, place, say)

    began = time.monotonic()
    ended = forked(work)
    seconds = time.monotonic() - began
    shutil.rmtree(place.folder)
    if ended.status:
        raise click.ClickException(f"{name}, measured, ended with {ended.status}: {ended.told[-1:]}")
    return max((what for _, how, what in ended.told if how == "lines"), default=50), seconds


def play(storm: Storm, cases: Sequence[str], until: float, jobs: int) -> Iterator[Told]:
    """What all cases say, several at a time: ``outcome``, or ``fault``."""

    def some(say: Say, mine: Sequence[str]) -> None:
        for case in mine:
            if time.monotonic() < until:
                ended = forked(partial(storm.case, case), 4 * _PATIENCE)
                outcome = [what for _, how, what in ended.told if how == "outcome"]
                if ended.status or not outcome:
                    say(case, "fault", ended.failure or f"the case ended with {ended.status}: {ended.told[-1:]}")
                else:
                    say(case, "outcome", outcome[0])

    reading, writing = os.pipe()
    for number in range(jobs):
        if not os.fork():
            os.close(reading)
            _run_and_exit(partial(some, mine=cases[number::jobs]), writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as lines:
        yield from map(_heard, lines)
    for _ in range(jobs):
        os.wait()


def apart() -> bool:
    """Go on where file systems can be mounted that nobody else sees; whether that is so."""
    if _APART in os.environ:
        return os.environ[_APART] == "mounts"
    command = ["unshare", *(["--map-root-user"] if os.getuid() else []), "--mount"]
    with suppress(OSError):
        probe = [*command, "mount", "-t", "tmpfs", "tmpfs", tempfile.gettempdir()]
        works = subprocess.run(probe, check=False, capture_output=True).returncode == 0
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        again = [sys.executable, "-m", "bench.storm", *sys.argv[1:]]
        os.execvpe(
            (command if works else again)[0],
            [*command, *again] if works else again,
            environment | {_APART: "mounts" if works else "none"},
        )
    return False


@click.command()
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--minutes", type=click.FloatRange(0.1), default=40.0, show_default=True, help="Then it ends, whole or not."
)
@click.option("--kills", type=click.IntRange(0), default=1000, show_default=True)
@click.option("--files", type=click.IntRange(0), default=1000, show_default=True)
@click.option("--disks", type=click.IntRange(0), default=100, show_default=True)
@click.option("--clocks", type=click.IntRange(0), default=50, show_default=True)
@click.option("--locked", type=click.IntRange(0), default=11, show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True)
@click.option("--verbose", is_flag=True, help="Tell of each case.")
@click.option("--work", "given", multiple=True, help="This work alone; it begins with one that ingests.")
@click.option("--case", "only", multiple=True, metavar="KIND:N", help="This case alone.")
def main(
    seed: int, minutes: float, jobs: int, verbose: bool, given: tuple[str, ...], only: tuple[str, ...], **numbers: int
) -> None:
    """Storm, and print what came of it; ends with 1 for any fault."""
    if not (can_mount := apart()):
        numbers["locked"] = 0
    from bench.storm_work import WORK

    began, works = time.monotonic(), given or tuple(WORK)
    cases = list(only) or [f"{kind}:{number}" for kind, most in numbers.items() for number in range(most)]
    random.Random(seed).shuffle(cases)
    killed = sorted({works[int(case.split(":")[1]) % len(works)] for case in cases if case.startswith("kills")})
    click.echo(f"seed {seed}, {len(cases)} cases, {'a disk each' if can_mount else 'no disks of their own'}")
    counts: Counter[str] = Counter()
    faults, again = 0, " ".join(["python -m bench.storm --seed", str(seed), *(f"--work {work}" for work in given)])
    with tempfile.TemporaryDirectory(prefix="storm-") as folder:
        storm = prepared(seed, Path(folder), works, killed, can_mount)
        click.echo(f"ready after {time.monotonic() - began:.0f} s")
        for case, how, what in play(storm, cases, began + minutes * 60, jobs):
            if verbose:
                click.echo(f"{time.monotonic() - began:6.1f} s {case} {what if how == 'outcome' else how}")
            counts[f"{case.partition(':')[0]}: {what if how == 'outcome' else 'FAULT'}"] += 1
            if how == "fault":
                faults += 1
                click.echo(f"== {case}\n{what}\nAgain: {again} --case {case}")
    for outcome, count in sorted(counts.items()):
        click.echo(f"{count:6} {outcome}")
    done = counts.total()
    click.echo(f"{done} of {len(cases)} cases, {faults} faults, {time.monotonic() - began:.0f} s")
    sys.exit(faults > 0)


if __name__ == "__main__":
    main()
