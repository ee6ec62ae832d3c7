"""Stores that fsspec reaches (s3://, gs://, az://, webdav://, sftp:// …), as the files that lie there.

Who may read is not said here but where each store's own library looks: environment variables, its files, or fsspec's
own (``~/.config/fsspec/*.json``, ``FSSPEC_S3_ENDPOINT_URL=…``).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from assistant.config import IngestSettings
from assistant.errors import IngestError, UsageError
from assistant.text.printing import excerpt, visible
from ingest.changes import is_hidden
from ingest.readers import SUFFIXES

# What stores say of a file that changes with its content, the surest first.
_VERSIONS = (
    "ETag", "etag", "md5Hash", "content_md5", "md5", "sha", "LastModified", "last_modified", "modified", "updated",
    "mtime", "created",
)  # fmt: skip
_MIB = 1 << 20
_LONGEST_REASON = 200  # characters, as of a server's


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file elsewhere. ``path`` is its place in a copy, with '/'."""

    path: str
    version: str
    """Another one whenever the content is another one."""
    write: Callable[[Path], object] | None = None
    """Writes what it holds into a file; None where it is known to be as before. Raises what a store's library does."""
    links: tuple[str, ...] = ()
    """Of a page: the addresses it leads to."""


@dataclass(frozen=True, slots=True)
class Unfetched:
    """Something that cannot be brought, and why."""

    path: str
    reason: str
    hides_others: bool = False
    """What else lies there may not have been seen because of it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of a file in a copy."""

    version: str
    links: tuple[str, ...] = ()


def stored_files(address: str, kept: Mapping[str, Kept], settings: IngestSettings) -> Iterator[RemoteFile | Unfetched]:
    """The files at and below an address that a reader knows, the listing first.

    Raises UsageError for an address of no store, IngestError when the store cannot be looked at.
    """
    import fsspec

    scheme, told = urlsplit(address).scheme, visible(address)
    try:
        store, base = fsspec.core.url_to_fs(address)
        found: Mapping[str, Mapping[str, Any]] = store.find(base, detail=True)
    except ImportError as error:
        raise UsageError(f"{told} needs a library that is not installed: {reason_of(error)}.") from None
    except Exception as error:  # each store has errors of its own
        if isinstance(error, ValueError) and scheme not in fsspec.available_protocols():
            raise UsageError(
                f"{told} is in no store that is known: {scheme}.",
                "Those of fsspec are: s3, gs, az, webdav, sftp, smb and more; of the web: https.",
            ) from None
        raise IngestError(f"{told} cannot be looked at: {reason_of(error)}.", "Check address and rights.") from None
    if not found:
        raise IngestError(f"There is no file at {told}.", "Check the address.")
    is_file = set(found) == {base.rstrip("/")}
    for name in sorted(found):
        about = found[name]
        path = PurePosixPath(name).name if is_file else name.removeprefix(base.rstrip("/")).lstrip("/")
        hidden = any(is_hidden(part) for part in path.split("/") if part not in (".", ".."))
        if about.get("type") != "file" or PurePosixPath(path).suffix.lower() not in SUFFIXES or hidden:
            continue
        size = about.get("size") or 0
        version = next((f"{about[key]}; {size}" for key in _VERSIONS if about.get(key)), "")
        if is_unsafe(path):
            yield Unfetched(path, "its name is none for a file here: rename it")
        elif size > settings.max_file_mb * _MIB:
            yield Unfetched(path, f"it has {size // _MIB} MiB; ingest.max_file_mb is {settings.max_file_mb}")
        elif version and path in kept and kept[path].version == version:
            yield RemoteFile(path, version)
        else:
            yield RemoteFile(path, version, partial(store.get_file, name))


def is_unsafe(path: str) -> bool:
    """Whether a path could leave the folder it is put into, or not be written there."""
    parts = path.split("/")
    return (
        any(part in ("", ".", "..") or len(part.encode("utf-8", "replace")) > 255 for part in parts)
        or any(character in path for character in "\\\0")
        or not path.isprintable()
    )


def reason_of(error: BaseException) -> str:
    """What a library says of an error, in a line."""
    return excerpt(str(error), _LONGEST_REASON).rstrip(". ") or type(error).__name__
