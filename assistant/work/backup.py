"""A whole workspace in one file, taken while it is used, and back again.

The file is a compressed tar; its last member lists every other one with its SHA-256, so that one that was cut off or
changed is known. A database is copied by SQLite as of one instant, whoever writes to it; all other files are replaced
whole or added to, and are taken as long as they were when they were opened. Models are not in it: they are fetched by
their names. Nor are indexes of vectors of generations that go meanwhile: they are made of the catalog again.
"""

import hashlib
import io
import json
import re
import shutil
import sqlite3
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO

from pydantic import TypeAdapter, ValidationError

from assistant import __version__
from assistant.errors import UsageError, WorkspaceError
from assistant.work.progress import progress_bar
from assistant.workspace import Workspace, close_to_others, flush_to_disk, folder_beside, make_file, make_folder

_MANIFEST = "backup.json"
_SQLITE = b"SQLite format 3\0"
# Locks, files and folders that are not renamed to their place yet, and what SQLite keeps beside an open database.
_PASSING = re.compile(r"\.(?:serving\.)?lock|\..+\.tmp|.+-(?:wal|shm|journal)")
_FASTEST = 1  # level of gzip: vectors and weights hardly get smaller by more work


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds."""

    program: str
    """The version that made it."""
    made: str
    """ISO date and time, UTC."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Path in the workspace → SHA-256."""

    def count(self, pattern: str) -> int:
        """How many files have a path that fits, as in ``corpora/*/catalog.sqlite``."""
        return sum(PurePosixPath(path).match(pattern) for path in self.files)


_BACKUP = TypeAdapter(Backup)


def back_up(workspace: Workspace, target: Path) -> Backup:
    """Write a backup of ``workspace`` to ``target``, which is replaced when the new one is whole.

    Raises WorkspaceError without a workspace, and UsageError for a target inside it.
    """
    root = workspace.root
    if not root.is_dir():
        raise WorkspaceError(f"There is no workspace {root}.", "Name it with --workspace.")
    if target.absolute().is_relative_to(root):
        raise UsageError(f"{target} lies in the workspace itself.", "Write the backup somewhere else.")
    paths = [path for path in sorted(root.rglob("*")) if not any(map(_PASSING.fullmatch, path.relative_to(root).parts))]
    found: dict[str, str] = {}
    with folder_beside(target.absolute()) as new:
        with (
            tarfile.open(new, "w:gz", compresslevel=_FASTEST) as archive,
            progress_bar("Backing up", len(paths)) as bar,
        ):
            close_to_others(new)
            for path in paths:
                bar.advance()
                if path.is_symlink() or not path.is_file():
                    continue
                name = path.relative_to(root).as_posix()
                try:
                    with _readable(path, new.parent) as file:
                        found[name] = _added(archive, name, file)
                except FileNotFoundError:
                    continue  # of a generation, an adapter or a job that was removed meanwhile
            backup = Backup(__version__, datetime.now(UTC).isoformat(timespec="seconds"), found)
            content = json.dumps(asdict(backup), indent=1).encode()
            member = tarfile.TarInfo(_MANIFEST)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        flush_to_disk(new)
        new.replace(target)
        flush_to_disk(target.absolute().parent)
    return backup


def restore(source: Path, workspace: Workspace) -> Backup:
    """Make ``workspace``, which must not hold anything yet, from a backup; it is there when all of it is right.

    Raises WorkspaceError for a workspace with something in it, and a backup that is cut off or was changed.
    """
    root = workspace.root
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise WorkspaceError(f"{root} holds something already.", "Move it away, or name another place by --workspace.")
    try:
        with folder_beside(root) as new:
            backup = _unpacked(source, make_folder(new))
            flush_to_disk(new)
            if root.exists():
                root.rmdir()
            new.rename(root)
            flush_to_disk(root.parent)
    except (tarfile.TarError, EOFError, zlib.error, ValidationError) as error:
        reason = "its list of files is none" if isinstance(error, ValidationError) else str(error)
        raise WorkspaceError(f"{source} is no whole backup: {reason}.", "Take an older one.") from None
    return backup


@contextmanager
def _readable(path: Path, beside: Path) -> Iterator[IO[bytes]]:
    """A file, open; of a database that may be written to, a copy as of now, in a folder ``beside``."""
    with path.open("rb") as file:
        if file.read(len(_SQLITE)) != _SQLITE:
            file.seek(0)
            yield file
            return
    copy = beside / "database"
    copy.unlink(missing_ok=True)
    with closing(sqlite3.connect(path, timeout=30)) as database, closing(sqlite3.connect(copy)) as copied:
        database.backup(copied)
    with copy.open("rb") as file:
        yield file


class _Hashed:
    """A file that hashes what is read of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.hash = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        self.hash.update(content)
        return content


def _added(archive: tarfile.TarFile, name: str, file: IO[bytes]) -> str:
    """Add a file as long as it is now; returns its SHA-256."""
    member, hashed = tarfile.TarInfo(name), _Hashed(file)
    member.size = file.seek(0, io.SEEK_END)
    file.seek(0)
    archive.addfile(member, hashed)
    return hashed.hash.hexdigest()


def _unpacked(source: Path, folder: Path) -> Backup:
    """Unpack a backup, and hold it against its list. Raises what ``restore`` tells."""
    found: dict[str, str] = {}
    content = b""
    with tarfile.open(source, "r:gz") as archive:
        for member in archive:
            path, file = PurePosixPath(member.name), archive.extractfile(member)
            if file is None or path.is_absolute() or ".." in path.parts or "\\" in member.name or ":" in member.name:
                raise tarfile.TarError(f"{member.name!r} is no file of a workspace")
            if member.name == _MANIFEST:
                content = file.read()
                continue
            hashed = _Hashed(file)
            with make_file(folder / path).open("wb") as written:
                shutil.copyfileobj(hashed, written)
            found[member.name] = hashed.hash.hexdigest()
    backup = _BACKUP.validate_json(content)
    differing = sorted(dict(found.items() ^ backup.files.items()))
    if differing:
        raise tarfile.TarError(f"{len(differing)} files are not as they were, {differing[0]} for one")
    return backup
