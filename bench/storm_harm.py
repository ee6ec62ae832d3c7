"""What the storm does to work: dies at a line, changed files, disks that are full or closed, clocks that jump."""

import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, tzinfo
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

    from _typeshed import TraceFunction

Say = Callable[[str, str, Any], None]
"""Takes the work that speaks, how it speaks, and what it says."""
_WRITING = tuple(
    f"/{name}.py"
    for name in (
        "assistant/workspace", "assistant/artifacts/pairs", "assistant/feedback/database", "assistant/store/blocks",
        "assistant/store/catalog", "assistant/store/lexical", "assistant/store/sql", "assistant/store/vectors",
        "assistant/work/backup", "eval/results", "eval/report/__init__", "ingest/pipeline", "train/checkpoints",
        "train/registry", "train/watch", "ui/conversations", "ui/people",
    )
)  # fmt: skip
_MOST_GROWN = 1 << 20  # bytes: what is megabytes long takes minutes to embed, and finds no more
_HOURS = (1, 24, 24 * 400, 24 * 365 * 12)  # the last one leads past 2038


def killed_at(line: int, say: Say, count: bool = False) -> "TraceFunction":
    """A trace that kills this process at the n-th line of the code that writes; ``count`` tells of them instead."""
    seen = 0

    def trace(frame: "FrameType", event: str, _: object) -> "TraceFunction | None":
        nonlocal seen
        if not frame.f_code.co_filename.endswith(_WRITING):
            return None
        if event == "line":
            seen += 1
            if seen == line and not count:
                os.kill(os.getpid(), signal.SIGKILL)
            if count and seen % 50 == 0:
                say("", "lines", seen)
        return trace

    return trace


class Jumps:
    """A clock of this process that jumps whenever something is said."""

    def __init__(self, chance: random.Random) -> None:
        self.hours = 0.0
        self._chance = chance
        clock, real_time, real_ns = self, time.time, time.time_ns

        class Jumping(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
                return datetime.now(tz) + timedelta(hours=clock.hours)

        dated = [one for one in sys.modules.values() if getattr(one, "datetime", None) is datetime]
        replaced: list[tuple[Any, str, Any]] = [
            (time, "time", lambda: real_time() + clock.hours * 3600),
            (time, "time_ns", lambda: real_ns() + int(clock.hours * 3600e9)),
            *((module, "datetime", Jumping) for module in dated if module.__name__ != __name__),
        ]
        for module, name, value in replaced:
            setattr(module, name, value)

    def jump(self) -> None:
        self.hours = self._chance.choice(_HOURS) * self._chance.choice((-1, 1))


@cache
def originals() -> tuple[tuple[str, bytes], ...]:
    """Name and content of files of each format: those of the sample, and those that the tests of readers make."""
    from files import PROSE, docx, epub, mail, pdf, pptx, table_pdf, xlsx

    sample = sorted(Path("data/sample/docs").rglob("*.*"))
    return (
        *((one.name, one.read_bytes()) for one in sample if one.name != "faq-home.md" and one.stat().st_size < 400_000),
        ("made.docx", docx(title="Terms")),
        ("made.pptx", pptx()),
        ("made.xlsx", xlsx()),
        ("made.epub", epub(f"<h1>Cover</h1><p>{PROSE}</p>", "<h1>Limits</h1><ul><li>Fire</li></ul>")),
        ("made.eml", mail()),
        ("made.pdf", pdf([["# Cover", PROSE], ["Limits\t100", PROSE]], title="Cover")),
        ("table.pdf", table_pdf([["Peril", "Limit"], ["Fire", "10,000"]], after=[PROSE])),
    )


def mutated(content: bytes, chance: random.Random, others: Sequence[bytes]) -> tuple[str, bytes]:
    """How some content was changed, and what it is now; of an archive often one member, so that it still opens."""
    if content[:2] == b"PK" and chance.random() < 0.6:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            members = {info.filename: archive.read(info) for info in archive.infolist()}
        name = chance.choice(sorted(members))
        how, members[name] = mutated(members[name], chance, list(members.values()))
        buffer = BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
            for member, some in members.items():
                target.writestr(member, some)
        return how, buffer.getvalue()
    how, changed = chance.choice(("flip", "cut", "splice", "grow")), bytearray(content)
    times = chance.choice((1, 1, 3, 20))
    for _ in range(times):
        start = chance.randrange(len(changed) + 1)
        end = min(len(changed), start + int(2 ** chance.uniform(0, 14)))
        match how:
            case "flip":
                for at in range(start, min(end, start + 8)):
                    changed[at] ^= 1 << chance.randrange(8)
            case "cut":
                del changed[start : len(changed) if chance.random() < 0.3 else end]
            case "splice":
                other = chance.choice(others)
                begin = chance.randrange(len(other) + 1)
                changed[start : chance.choice((start, end))] = other[begin : begin + end - start]
            case "grow":
                most = max(1, _MOST_GROWN // times // max(1, end - start))
                changed[start:start] = changed[start:end] * chance.randint(1, min(most, 2000))
    return how, bytes(changed)


@contextmanager
def small_disk(folder: Path, mounted: bool) -> Iterator[None]:
    """A file system of its own in a folder, where one can be had."""
    if mounted:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def full(folder: Path, room: int | None) -> Iterator[None]:
    """A file that leaves only so many bytes free; None leaves the disk as it is."""
    ballast = folder / "ballast"
    if room is not None:
        free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
        with ballast.open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, max(1, free - room))
    try:
        yield
    finally:
        ballast.unlink(missing_ok=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A small disk that cannot be written."""

    def remount(how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)

    remount("ro")
    try:
        yield
    finally:
        remount("rw")
