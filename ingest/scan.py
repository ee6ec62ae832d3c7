"""What is on disk: the files under a folder, without following links out of it or in circles."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from assistant.errors import UsageError
from assistant.store.catalog import file_location
from ingest.readers import SUFFIXES


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


def scan(root: Path, inside: str = "") -> Iterator[Found]:
    """Everything at or under ``root / inside``, sorted by path. Hidden files are left out silently.

    ``root`` is a folder or one file. Raises UsageError when there is nothing there.
    """
    start = root / inside
    if not _is_utf8(str(start)):
        raise UsageError(f"The name of {_printable(str(start))} is not UTF-8.", "Rename it.")
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
        if entry.name.startswith((".", "~$")):  # hidden files, and locks of office programs
            continue
        path = f"{inside}/{entry.name}" if inside else entry.name
        if not _is_utf8(path):
            yield PassedOver(root, _printable(path), "name is not UTF-8: rename it")
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


def _printable(path: str) -> str:
    return path.encode(errors="backslashreplace").decode()
