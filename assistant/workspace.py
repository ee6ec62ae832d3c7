"""The workspace: one folder with everything the assistant knows, and how it is written safely.

A file is written beside its target, flushed to disk and renamed over it. One process writes at a time:
the lock is held by the operating system on an open file, so that a dead process cannot hold it.

What is in it is its owner's alone: folders are made 0700, and no file is open to those to whom its folder is closed. A
folder with the set-group-ID bit, by which groups share folders, is theirs too, as far as the umask lets.
"""

import os
import re
import secrets
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol

from assistant.errors import UsageError, WorkspaceBusy, WorkspaceError

DEFAULT_WORKSPACE = ".assistant"
DEFAULT_CORPUS = "default"
# Safe on every file system and on a command line; no dot first, so that nothing hides or climbs.
_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{digit}" for port in ("com", "lpt") for digit in range(10))}
)
_PASSWORD = re.compile(r"(?<=://)([^/@\s\"':]*):[^@\s\"']*(?=@)|(?<=[?&]password=)[^&\s\"']*")
_WITH_PASSWORD = re.compile(r"(?<!github)://[^@]*:[^@]*@")
_LOCK, _SERVING = ".lock", ".serving.lock"
_COMING = ".state"
"""Holds files that are whole and take their places in the workspace all together (``take_places``)."""
_BESIDE = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")
"""What is made under such a name takes that of its target when it is whole."""

ResourceKind = Literal["corpus", "adapter", "report", "pairs", "cases", "workspace"]
"""What a workspace holds by name; ``workspace`` is all of it, and has none."""
Resource = tuple[ResourceKind, str]


class SharedCorpora(Protocol):
    """Corpora that lie elsewhere, for several machines (``assistant.store.lance``)."""

    url: str

    def names(self) -> tuple[str, ...]:
        """Those that are there. Raises WorkspaceError when the place cannot be read."""


def all_shown(_kind: ResourceKind, _name: str) -> bool:
    """As for whoever sits at this machine."""
    return True


@dataclass(frozen=True, slots=True)
class StateServer:
    """The PostgreSQL server that keeps people, conversations, feedback, audit log and jobs in place of files."""

    url: str
    """Without a password."""
    password_file: str = ""


@dataclass(frozen=True, slots=True)
class Workspace:
    """Paths inside one workspace, as one person or program sees it. Creating the object touches nothing on disk."""

    root: Path
    shows: Callable[[ResourceKind, str], bool] = field(default=all_shown, repr=False, compare=False)
    """Whether something may be seen. What is not shown is not there: it is in no list, and to open it fails as for a
    name that nothing has."""
    shared: SharedCorpora | None = field(default=None, repr=False, compare=False)
    """Where corpora are read from that are not in it, if anywhere."""
    state: StateServer | None = None
    """What keeps the state of people; None: files in the workspace."""

    @property
    def whole(self) -> "Workspace":
        """The same with all that it holds; never for what somebody is shown."""
        return replace(self, shows=all_shown)

    @property
    def config_file(self) -> Path:
        return self.root / "config.yaml"

    @property
    def corpora(self) -> Path:
        return self.root / "corpora"

    def corpus(self, name: str) -> Path:
        """The folder of one corpus. Raises UsageError when the name could leave the workspace."""
        return self.corpora / safe_name(name, "corpus")

    @property
    def sources(self) -> Path:
        """Copies of documents that lie elsewhere."""
        return self.root / "sources"

    @property
    def pairs(self) -> Path:
        return self.root / "pairs"

    def pairs_file(self, name: str) -> Path:
        """The file of one set of pairs. Raises UsageError when the name could leave the workspace."""
        return self.pairs / f"{safe_name(name, 'set of pairs')}.jsonl"

    @property
    def adapters(self) -> Path:
        return self.root / "adapters"

    def adapter(self, name: str) -> Path:
        """The folder of one adapter. Raises UsageError when the name could leave the workspace."""
        return self.adapters / safe_name(name, "adapter")

    def corpus_names(self) -> tuple[str, ...]:
        """The corpora that exist, sorted, here and where shared ones lie. Raises WorkspaceError when that cannot be
        read."""
        names = {path.parent.name for path in self.corpora.glob("*/catalog.sqlite")}
        names.update(self.shared.names() if self.shared else ())
        return tuple(name for name in sorted(names) if self.shows("corpus", name))


def locate(option: str | Path | None = None) -> Workspace:
    """The workspace named by the option, else by ASSISTANT_WORKSPACE, else ``.assistant`` here.

    What a process that was killed has left undone of ``take_places`` is done first.
    """
    named = option or os.environ.get("ASSISTANT_WORKSPACE") or DEFAULT_WORKSPACE
    root = Path(named).expanduser().absolute()
    if (root / _COMING).is_dir():
        with write_lock(root, timeout=10):
            take_places(root)
    return Workspace(root)


def safe_name(name: str, what: str) -> str:
    """``name`` itself if it is safe as a file name. Raises UsageError otherwise."""
    if not _SAFE_NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a name for a {what}.",
            "Use 1 to 64 letters, digits, '.', '_' and '-', not starting with '.' or '-'.",
        )
    return name


def checked_source(text: str) -> str:
    """What documents are taken from, a path or an address, as it was given.

    Raises UsageError for an address that holds a password: it would be kept with the corpus and in the audit log.
    """
    if _WITH_PASSWORD.search(text):
        raise UsageError(
            "The address holds a password.",
            "Keep it where the store's library looks: environment variables, or ~/.config/fsspec/*.json.",
        )
    return text


def without_passwords(text: str) -> str:
    """``text``, with ``…`` in place of passwords in the addresses in it."""
    return _PASSWORD.sub(lambda found: f"{found[1]}:…" if found[1] is not None else "…", text)


def is_device(name: str) -> bool:
    """Whether Windows takes a name for a device, whatever stands behind a dot."""
    return name.partition(".")[0].lower() in _DEVICES


def new_name(name: str, what: str) -> str:
    """``name`` itself if something new can be called so on every system. Raises UsageError otherwise."""
    if is_device(safe_name(name, what)) or name.endswith("."):
        raise UsageError(f"{name!r} is not a name for a new {what}: Windows could not keep it.", "Choose another one.")
    return name


@contextmanager
def write_lock(folder: Path, timeout: float = 0.0) -> Iterator[None]:
    """Hold the one write lock of ``folder``, waiting at most ``timeout`` seconds.

    Raises WorkspaceBusy when another process holds it, WorkspaceError when the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    try:
        lock = FileLock(make_file(folder / _LOCK))
        lock.acquire(timeout=timeout)
    except Timeout:
        raise WorkspaceBusy(
            f"Another process is writing to {folder}.",
            "Wait until it has ended, or stop it, then run this again.",
        ) from None
    except OSError as error:
        raise WorkspaceError(f"Cannot write to {folder}: {error.strerror}.", "Check the path and its rights.") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def serving(root: Path) -> Iterator[None]:
    """While a server of a workspace runs, of which there may be several. Raises WorkspaceBusy where ``unserved`` holds.

    A workspace that is not there yet, or may not be written, is served all the same.
    """
    from filelock import ReadWriteLock, Timeout

    with ExitStack() as stack:
        try:
            if root.is_dir():
                lock = ReadWriteLock(make_file(root / _SERVING), timeout=0, is_singleton=False)
                stack.enter_context(lock.read_lock())
        except Timeout:
            raise WorkspaceBusy(f"The state of {root} is being migrated.", "Start again when that has ended.") from None
        except (OSError, sqlite3.Error):
            pass
        yield


@contextmanager
def unserved(root: Path) -> Iterator[None]:
    """While no server of a workspace runs. Raises WorkspaceBusy where one does, WorkspaceError as ``write_lock``."""
    from filelock import ReadWriteLock, Timeout

    with ExitStack() as stack:
        try:
            lock = ReadWriteLock(make_file(root / _SERVING), timeout=0, is_singleton=False)
            stack.enter_context(lock.write_lock())
        except Timeout:
            raise WorkspaceBusy(
                f"A server of {root} runs.", "Stop 'assistant ui' and 'assistant serve' first."
            ) from None
        except (OSError, sqlite3.Error) as error:
            raise WorkspaceError(f"Cannot write to {root}: {error}.", "Check the path and its rights.") from None
        yield


def take_places(root: Path, coming: Path | None = None) -> None:
    """Have the files of a folder take their places in a workspace, all of them whatever is killed meanwhile.

    Without ``coming``, those that an earlier call has left. Call under the write lock.
    """
    folder = root / _COMING
    if coming is not None:
        for path in (*coming.iterdir(), coming):
            flush_to_disk(path)
        coming.rename(folder)
        flush_to_disk(root)
    if folder.is_dir():
        for file in folder.iterdir():
            for end in ("-wal", "-shm", "-journal"):  # else SQLite would take what it kept beside the old for the new
                (root / f"{file.name}{end}").unlink(missing_ok=True)
            file.replace(root / file.name)
        flush_to_disk(root)
        folder.rmdir()


@contextmanager
def replaced_atomically(target: Path) -> Iterator[Path]:
    """Yield a path beside ``target``; on success it is flushed and renamed over it, on failure removed.

    It is open to nobody to whom the folder is closed.
    """
    beside = _beside(target)
    try:
        yield beside
        close_to_others(beside)
        flush_to_disk(beside)
        beside.replace(target)
        flush_to_disk(target.parent)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def folder_beside(target: Path) -> Iterator[Path]:
    """A place of the name of ``target`` in a folder beside it, to make it there; the folder is gone afterwards.

    Those that were left there by processes which were killed go first, whatever they were to become: nobody holds the
    lock in them any more. Raises what ``write_lock`` raises.
    """
    make_folder(target.parent)
    for left in target.parent.iterdir():
        if _BESIDE.fullmatch(left.name) and (left / _LOCK).is_file():
            with suppress(WorkspaceError), write_lock(left):
                shutil.rmtree(left, ignore_errors=True)
    beside = _beside(target)
    try:
        beside.mkdir()
        close_to_others(beside)
        with write_lock(beside, timeout=10):
            yield beside / target.name
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")


def make_folder(folder: Path) -> Path:
    """``folder``, made with those above it that are missing: its owner's alone, or its group's inside a shared one."""
    for missing in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
        is_shared = missing.parent.stat().st_mode & stat.S_ISGID
        missing.mkdir(mode=0o770 if is_shared else 0o700, exist_ok=True)
    return folder


def make_file(file: Path) -> Path:
    """``file``, made empty if it is missing, with its folder; open to nobody to whom that is closed."""
    if not file.exists():
        make_folder(file.parent)
        file.touch()
        close_to_others(file)
    return file


def close_to_others(path: Path) -> None:
    """Take from a file or folder the rights that the folder around it does not give."""
    path.chmod(stat.S_IMODE(path.stat().st_mode & path.parent.stat().st_mode))


def flush_to_disk(path: Path) -> None:
    """Ask the operating system to have ``path`` (a file or folder) on disk before going on."""
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open folders
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder; 0 where there is none."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
