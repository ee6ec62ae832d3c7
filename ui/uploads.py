"""Files that people bring: whose they are while they arrive, and where they are kept once they were looked at.

    uploads/.arriving/…            what Gradio has taken in, each with the one person who may use it
    uploads/CORPUS/NAME            what was let in; this folder is ingested, and keeps its files

A name is made safe, a type is told by content, and nothing is written outside the workspace. No file takes the place
of another one: of two with one name, the second is kept as ``NAME (2)``.

Those for the chat are read side by side, as many as the limits of the readers allow. One person has one reading at a
time, so that no one takes all places; a reading has one process that reads.
"""

import asyncio
import filecmp
import itertools
import os
import re
import shutil
import threading
import time
import unicodedata
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from assistant.config import IngestSettings, UiSettings
from assistant.errors import UsageError
from assistant.service import refuse_foreign
from assistant.work.processes import reading_processes
from assistant.workspace import (
    Workspace,
    close_to_others,
    is_device,
    make_folder,
    new_name,
    replaced_atomically,
    safe_name,
)
from ui.people import User

_MIB = 1 << 20
_MOST_ARRIVALS = 100_000  # some 50 MB; the files go after a day
_DAY_SECONDS = 24 * 3600
_LONGEST_NAME = 120  # bytes: file systems take 255, of a file half written with what is put around its name
# Holds every signature below, and of a binary file a zero.
_HEAD_BYTES = 4096
_ZIP, _PDF = b"PK\x03\x04", b"%PDF-"
_OFFICE = frozenset({".docx", ".docm", ".pptx", ".xlsx", ".xlsm", ".epub"})
_TEXT = frozenset(
    {".csv", ".tsv", ".tab", ".html", ".htm", ".xhtml", ".md", ".markdown", ".txt", ".text", ".rst", ".eml"}
)
SUFFIXES = frozenset({".pdf"}) | _OFFICE | _TEXT
"""What ingestion reads; a test holds the two lists together."""
_WIDE_TEXT = (b"\xff\xfe", b"\xfe\xff")
_NEVER_TEXT = (
    _ZIP, _PDF, b"\x7fELF", b"MZ", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b"\x89PNG", b"\xff\xd8\xff", b"GIF8",
    b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"SQLite format 3", b"\xd0\xcf\x11\xe0", b"{\\rtf",
)  # fmt: skip
_UNSAFE = re.compile(r"[^\w.()+,@=&' -]+")
_naming = threading.Lock()
"""Held from looking for a name that is free until a file has it."""
_LOOK_SECONDS = 0.2
_FEWEST = 2
"""A file that takes long leaves one place to the others, also where there are two cores."""


@dataclass(frozen=True, slots=True)
class NotTaken:
    """A file that was not let in: its name as it was shown, and the key of a text that says why (``uploads.…``)."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a file is kept."""

    path: Path
    beside: str = ""
    """The name that it would have, were there no other file of that name with other content."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an upload. ``folder`` is to be ingested; what was ``kept`` is in it now."""

    folder: Path
    kept: tuple[Kept, ...]
    refused: tuple[NotTaken, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """Where each file is kept."""
        return tuple(one.path for one in self.kept)


class Arrivals:
    """Who has sent each file that lies in the folder of arrivals."""

    def __init__(self) -> None:
        self._owners: OrderedDict[str, set[str]] = OrderedDict()

    def note(self, path: str, name: str) -> None:
        """Somebody has sent a file; another who has sent the very same is its owner too."""
        with suppress(OSError):  # Gradio makes it open to others, in a folder that is not
            for one in (Path(path).parent, Path(path)):
                close_to_others(one)
        self._owners.setdefault(path, set()).add(name)
        self._owners.move_to_end(path)
        if len(self._owners) > _MOST_ARRIVALS:
            self._owners.popitem(last=False)

    def belongs(self, path: str, name: str) -> bool:
        """Whether somebody has sent a file."""
        return name in self._owners.get(path, ())

    def drop(self, path: str, name: str) -> None:
        """Delete what somebody has sent, unless another has sent the very same."""
        if self.belongs(path, name):
            self._owners[path].discard(name)
            if not self._owners[path]:
                del self._owners[path]
                Path(path).unlink(missing_ok=True)


def keep_arrivals_in(workspace: Workspace) -> Path:
    """Have Gradio take files into the workspace, where nobody else of this machine can read them.

    Has to be called before its components are made. What has lain there for a day is deleted.
    """
    folder = workspace.root / "uploads" / ".arriving"
    make_folder(folder)
    for one in folder.iterdir():
        if time.time() - one.lstat().st_mtime < _DAY_SECONDS:
            continue
        if one.is_dir() and not one.is_symlink():
            shutil.rmtree(one, ignore_errors=True)
        else:
            one.unlink(missing_ok=True)  # Gradio leaves an empty file for each that it hands on
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    return folder


def stored(
    arrived: Sequence[str | Path],
    workspace: Workspace,
    corpus: str,
    user: User,
    arrivals: Arrivals,
    settings: UiSettings,
) -> Taken:
    """Keep what ``user`` has sent in the folder of a corpus.

    Raises UsageError for a corpus whose name could leave the workspace or that is only read here, for too many files,
    and for one that someone else has sent.
    """
    refuse_foreign(workspace, corpus)
    name_of = safe_name if corpus in workspace.corpus_names() else new_name
    folder = workspace.root / "uploads" / name_of(corpus, "corpus")
    if len(arrived) > settings.upload_files:
        raise UsageError(
            f"These are {len(arrived)} files; at most {settings.upload_files} are taken at once.",
            "Send fewer at a time, or raise ui.upload_files.",
        )
    kept: list[Kept] = []
    refused: list[NotTaken] = []
    for path in map(Path, arrived):
        if not arrivals.belongs(str(path), user.name):
            raise UsageError("A file that someone else has sent cannot be taken.", "Send it yourself.")
        reason = _objection(path, settings)
        if reason:
            refused.append(NotTaken(safe_file_name(path.name), reason))
            continue
        kept.append(_kept(path, folder))
    return Taken(folder, tuple(kept), tuple(refused))


def kept_as(
    arrived: str, folder: Path, user: User, arrivals: Arrivals, settings: UiSettings, suffixes: Sequence[str]
) -> Kept:
    """Keep one file that ``user`` has sent in ``folder`` of the workspace; it has to be text of one of the suffixes.

    Raises UsageError for one that someone else has sent, that is too large, or of another kind.
    """
    path = Path(arrived)
    if not arrivals.belongs(str(path), user.name):
        raise UsageError("A file that someone else has sent cannot be taken.", "Send it yourself.")
    if path.is_symlink() or path.suffix.lower() not in suffixes or path.stat().st_size > settings.upload_mb * _MIB:
        raise UsageError(
            f"{safe_file_name(path.name)} cannot be taken.",
            f"Send a file of at most {settings.upload_mb} MiB that ends with {' or '.join(suffixes)}.",
        )
    return _kept(path, folder)


def safe_file_name(name: str) -> str:
    """A name that is one everywhere: no folder, nothing hidden, nothing that a shell, a page or Windows reads into."""
    plain = unicodedata.normalize("NFC", re.split(r"[/\\]", name)[-1])
    visible = _UNSAFE.sub("_", "".join(one for one in plain if one.isprintable()))
    stem, dot, suffix = visible.strip(" .").rpartition(".")
    stem, suffix = (stem, f".{suffix}") if dot and stem else (f"{stem}{suffix}", "")
    stem = _shortened(stem.strip(" .-") or "file", _LONGEST_NAME)
    safe = f"{stem}{_shortened(suffix, 16)}"
    return f"_{safe}" if is_device(safe) else safe


def _shortened(text: str, most_bytes: int) -> str:
    return text.encode()[:most_bytes].decode(errors="ignore")


def _objection(path: Path, settings: UiSettings) -> str:
    """The key of what speaks against a file; empty if nothing does."""
    if path.is_symlink() or not path.is_file():
        return "uploads.gone"
    size = path.stat().st_size
    if size > settings.upload_mb * _MIB:
        return "uploads.too_large"
    if not size:
        return "uploads.empty"
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        return "uploads.unknown_type"
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    return "" if _is(suffix, head) else "uploads.other_content"


def _is(suffix: str, head: bytes) -> bool:
    """Whether a file begins as its suffix says."""
    if suffix == ".pdf":
        return _PDF in head[:1024]
    if suffix in _OFFICE:
        return head.startswith(_ZIP)
    return not _starts(head, _NEVER_TEXT) and (b"\0" not in head or _starts(head, _WIDE_TEXT))


def _starts(head: bytes, beginnings: Iterable[bytes]) -> bool:
    return head.startswith(tuple(beginnings))


def _kept(path: Path, folder: Path) -> Kept:
    """Under its own name, or beside the other file that has it; one of the same content is the same file."""
    make_folder(folder)
    own = Path(safe_file_name(path.name))
    with _naming:
        for number in itertools.count(1):
            name = own.name if number == 1 else f"{own.stem} ({number}){own.suffix}"
            target = folder / name
            is_free = target.is_symlink() or not target.exists()  # a link is replaced, and what it leads to stays
            if is_free or filecmp.cmp(path, target, shallow=False):
                break
        if is_free:
            with replaced_atomically(target) as beside:
                # A copy: the same file may have been sent by someone else, too.
                shutil.copyfile(path, beside, follow_symlinks=False)
    return Kept(target, own.name if target.name != own.name else "")


class ReadingPlaces:
    """To be used from one event loop."""

    def __init__(self, settings: IngestSettings) -> None:
        """As many places as processes may read (``ingest.workers``), each of which may fill ``ingest.memory_mb``."""
        fitting = psutil.virtual_memory().total // (settings.memory_mb << 20)
        self.most = max(_FEWEST, min(reading_processes(settings.workers), fitting))
        self.people: set[str] = set()
        """Whose files are being read."""

    @asynccontextmanager
    async def held(self, person: str, stop: threading.Event) -> AsyncIterator[bool]:
        """Wait for a place, and hold it; False, without one, for who has stopped meanwhile."""
        while not stop.is_set() and (person in self.people or len(self.people) >= self.most):
            await asyncio.sleep(_LOOK_SECONDS)
        if stop.is_set():
            yield False
            return
        self.people.add(person)
        try:
            yield True
        finally:
            self.people.remove(person)
