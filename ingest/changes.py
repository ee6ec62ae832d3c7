"""The plan of an ingest: which files are new, changed, renamed or gone since the last one, before any is read.

Links are not followed out of a folder or in circles.
"""

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from assistant.artifacts.command_reports import FileStatus
from assistant.errors import ReadError, UsageError
from assistant.store.sql import FileRow, file_location
from ingest.readers import SUFFIXES

# Changes after which a file has to be read, unless its bytes are known.
READ_KINDS: frozenset[FileStatus] = frozenset({"added", "updated"})


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to take in. ``path`` is relative to ``root``, with '/'."""

    root: Path
    path: str
    size: int
    modified_ns: int

    @property
    def location(self) -> Path:
        """Where the file is."""
        return file_location(self.root, self.path)


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A path that is not taken in, with the reason; only reasons a person wants to hear are told."""

    root: Path
    path: str
    reason: str
    is_unseen: bool = False
    """What is there, or below, could not be looked at: files known from there may well be there still."""


@dataclass(frozen=True, slots=True)
class OtherFormat:
    """A file whose suffix no reader knows; it is taken in only when it was named itself."""

    file: FoundFile


Found = FoundFile | OtherFormat | PassedOver


def is_gone(path: Path) -> bool:
    """Whether there is surely nothing at a path; one that may not be looked at is not gone."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def is_hidden(name: str) -> bool:
    """Whether a file or folder is left out without a word: hidden ones, and locks of office programs."""
    return name.startswith((".", "~$"))


def scan(root: Path, inside: str = "") -> Iterator[Found]:
    """Everything at or under ``root / inside``, sorted by path. Hidden files are left out silently.

    ``root`` is a folder or one file. Raises UsageError when there is nothing there.
    """
    start = root / inside
    if not _is_utf8(str(start)):
        raise UsageError(f"The name of {printable(str(start))} is not UTF-8.", "Rename it.")
    try:
        status = start.stat()
    except OSError as error:
        raise UsageError(f"There is no folder or file {start}: {error.strerror}.", "Check the path.") from None
    if stat.S_ISDIR(status.st_mode):
        yield from _scan_folder(root, inside)
    elif stat.S_ISREG(status.st_mode):
        yield FoundFile(root, inside or root.name, status.st_size, status.st_mtime_ns)
    else:
        raise UsageError(f"{start} is neither a folder nor a file.", "Check the path.")


def _scan_folder(root: Path, inside: str) -> Iterator[Found]:
    try:
        with os.scandir(root / inside) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        yield PassedOver(root, inside, f"folder cannot be read: {error.strerror}", is_unseen=True)
        return
    for entry in entries:
        if is_hidden(entry.name):
            continue
        path = f"{inside}/{entry.name}" if inside else entry.name
        if not _is_utf8(path):
            yield PassedOver(root, printable(path), "name is not UTF-8: rename it")
            continue
        try:
            if entry.is_symlink() and not _stays_inside(root, path):
                yield PassedOver(root, path, "link out of the folder, to a folder, or to nothing")
            elif entry.is_dir():
                yield from _scan_folder(root, path)
            else:
                status, is_known = entry.stat(), Path(entry.name).suffix.lower() in SUFFIXES
                if stat.S_ISREG(status.st_mode):
                    file = FoundFile(root, path, status.st_size, status.st_mtime_ns)
                    yield file if is_known else OtherFormat(file)
                elif is_known:
                    yield PassedOver(root, path, "not a regular file")
        except OSError as error:
            yield PassedOver(root, path, f"cannot be read: {error.strerror}", is_unseen=True)


def _stays_inside(root: Path, path: str) -> bool:
    """Whether a link leads to a file under ``root``. Links to folders could go in circles."""
    try:
        target = (root / path).resolve(strict=True)
    except (OSError, RuntimeError):  # leads to nothing, or (a RuntimeError before Python 3.13) to itself
        return False
    return target.is_file() and target.is_relative_to(root.resolve())


def _is_utf8(path: str) -> bool:
    """Whether a name is text: Linux allows any bytes, which Python carries along as lone surrogates."""
    return path.isascii() or not any("\ud800" <= character <= "\udfff" for character in path)


def printable(path: str) -> str:
    """A path that can be told: bytes of it that are no text stand as their codes."""
    return path.encode(errors="backslashreplace").decode()


@dataclass(frozen=True, slots=True)
class Entry:
    """One path and what becomes of it."""

    kind: FileStatus
    root: Path
    path: str
    file: FoundFile | None = None
    hash: str = ""
    known: FileRow | None = None
    """The row that the path, or the path it was renamed from, has so far."""
    message: str = ""


@dataclass(frozen=True, slots=True)
class SearchedPart:
    """A part of what is on disk: everything at or under ``root / inside``."""

    root: Path
    inside: str = ""

    @property
    def start(self) -> Path:
        return self.root / self.inside

    def covers(self, location: Path) -> bool:
        """Whether a file lies in this part, whatever root it is known under."""
        return location.is_relative_to(self.start)


def make_plan(
    known: Sequence[FileRow],
    targets: Sequence[Path],
    hash_file: Callable[[FoundFile], str],
    reread: Callable[[FileRow], bool],
) -> list[Entry]:
    """Compare the targets (all known roots if there are none) with the known files.

    Unchanged files are told by size and modification time; the others are hashed, which finds renamed ones.
    ``reread`` says of a known file that it has to be read although it did not change. Known files outside
    the targets, or where nobody can look, are no part of the plan. Raises UsageError for a target that was
    never there.
    """
    roots = {Path(row.root) for row in known}
    scopes: list[SearchedPart] = []
    for target in sorted(targets or roots, key=lambda path: (len(path.parts), path)):
        # One inside another is left out, so that no file is known twice.
        if not any(target.is_relative_to(scope.start) for scope in scopes):
            root = next((root for root in sorted(roots) if target.is_relative_to(root)), target)
            scopes.append(SearchedPart(root, "" if target == root else target.relative_to(root).as_posix()))
    rows = {file_location(Path(row.root), row.path): row for row in known}
    # A file of another format that could be read was named itself once.
    readable = {location for location, row in rows.items() if row.document_id is not None}
    found: list[Found] = []
    for scope in scopes:
        if is_gone(scope.start) and any(scope.covers(location) for location in rows):
            continue  # a known part that is gone as a whole is empty, not an error
        for one in scan(scope.root, scope.inside):
            found.append(one.file if isinstance(one, OtherFormat) and one.file.location in readable else one)
    entries = [_entry(one, rows, hash_file, reread) for one in found]
    seen = {one.location for one in found if isinstance(one, FoundFile)}
    unseen = [SearchedPart(one.root, one.path) for one in found if isinstance(one, PassedOver) and one.is_unseen]
    vanished = [
        row
        for location, row in rows.items()
        if location not in seen
        and any(scope.covers(location) for scope in scopes)
        and not any(scope.covers(location) for scope in unseen)
    ]
    return _with_renames(entries, vanished, reread)


def without_other_formats(plan: Sequence[Entry]) -> tuple[list[Entry], dict[str, int]]:
    """A plan without the files that were passed over, and their number by suffix, the most frequent first."""
    suffixes = Counter(Path(entry.path).suffix.lower() for entry in plan if entry.kind == "passed over")
    return [entry for entry in plan if entry.kind != "passed over"], dict(suffixes.most_common())


def absolute(target: Path) -> Path:
    """A target as roots are stored: absolute, without '..', links as they are."""
    return Path(os.path.normpath(target.expanduser().absolute()))


def _entry(
    found: Found,
    rows: dict[Path, FileRow],
    hash_file: Callable[[FoundFile], str],
    reread: Callable[[FileRow], bool],
) -> Entry:
    if isinstance(found, PassedOver):
        return Entry("skipped", found.root, found.path, message=found.reason)
    if isinstance(found, OtherFormat):
        return Entry("passed over", found.file.root, found.file.path)
    row = rows.get(found.location)
    is_same = row is not None and (row.size, row.modified_ns) == (found.size, found.modified_ns)
    if row is not None and is_same and not reread(row):
        if row.path != found.path:  # its folder is a part of a wider one now
            return Entry("renamed", found.root, found.path, found, row.hash, row, f"was {row.path}")
        return Entry("unchanged", found.root, found.path, found, row.hash, row)
    try:
        content = hash_file(found)
    except ReadError as error:
        return Entry("failed", found.root, found.path, found, "", row, str(error))
    if row is None or row.document_id is None:
        kind: FileStatus = "added"
    else:
        kind = "touched" if row.hash == content and not reread(row) else "updated"
    return Entry(kind, found.root, found.path, found, content, row)


def _with_renames(entries: list[Entry], vanished: list[FileRow], reread: Callable[[FileRow], bool]) -> list[Entry]:
    """Pair added files with vanished ones of the same bytes; what is left vanished is forgotten.

    A file that has to be read again is read under its new name.
    """
    gone: dict[tuple[str, str], list[FileRow]] = {}
    for row in vanished:
        gone.setdefault((row.hash, Path(row.path).suffix.lower()), []).append(row)
    planned = []
    for entry in entries:
        candidates = gone.get((entry.hash, Path(entry.path).suffix.lower()), [])
        if entry.kind == "added" and candidates and not reread(candidates[0]):
            row = candidates.pop(0)
            entry = Entry("renamed", entry.root, entry.path, entry.file, entry.hash, row, f"was {row.path}")
        planned.append(entry)
    forgotten = [row for rows in gone.values() for row in rows]
    planned.extend(Entry("forgotten", Path(row.root), row.path, known=row) for row in forgotten)
    return planned
