"""Stores that fsspec reaches (s3://, gs://, az://, webdav://, sftp:// …), as the files that lie there.

Who may read is not said in an address but where each store's own library looks: environment variables, its files, or
fsspec's own (``~/.config/fsspec/*.json``, ``FSSPEC_SFTP_PASSWORD=…``).

A server is a stranger: it may be silent for ever, break off, or name what it likes.
"""

import netrc
import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path, PurePosixPath
from threading import Thread
from typing import Any, TypeVar
from urllib.parse import SplitResult, quote, unquote, urlsplit

from assistant.config import IngestSettings
from assistant.errors import IngestError, UsageError
from assistant.models.servers import is_this_machine
from assistant.text.printing import excerpt, visible
from ingest.changes import is_hidden, printable
from ingest.readers import SUFFIXES

_Result = TypeVar("_Result")

# What stores say of a file that changes with its content, the surest first.
_VERSIONS = (
    "ETag", "etag", "md5Hash", "content_md5", "md5", "sha", "LastModified", "last_modified", "modified", "updated",
    "mtime", "created",
)  # fmt: skip
_MIB = 1 << 20
_LONGEST_REASON = 200  # characters, as of a server's
_SILENT_SECONDS = 120.0
"""Without a byte of a file, or a listing of a folder, after which a store is given up."""
_LISTING_SECONDS = 600.0
"""For a listing of all there is in one call, of which nothing is seen before its end."""
_MOST_FOLDERS = 100_000
"""A server can make up folders in folders without an end."""
_READ_BYTES = 256 << 10
"""At a time: less than a slow line brings until a store counts as silent."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a person needs to know of the stores of a scheme."""

    install: str
    access: str
    """Where it is said who may read."""


_SOURCES = "pip install 'domain-assistant[sources]'"
_WEBDAV = _Kind(_SOURCES, "user and password (~/.netrc, or FSSPEC_WEBDAV_USERNAME and FSSPEC_WEBDAV_PASSWORD)")
_SFTP = _Kind(_SOURCES, "what ssh looks at: ~/.ssh/known_hosts, config and keys, or FSSPEC_SFTP_PASSWORD")
_GS = _Kind("pip install gcsfs", "GOOGLE_APPLICATION_CREDENTIALS")
_AZ = _Kind("pip install adlfs", "AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME and _KEY")
_KINDS = {
    "s3": _Kind(_SOURCES, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    "webdav": _WEBDAV, "webdav+http": _WEBDAV, "webdav+https": _WEBDAV,
    "sftp": _SFTP, "ssh": _SFTP,
    "gs": _GS, "gcs": _GS,
    "az": _AZ, "abfs": _AZ,
    "smb": _Kind("pip install smbprotocol", "FSSPEC_SMB_USERNAME and FSSPEC_SMB_PASSWORD"),
}  # fmt: skip


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
    hides: str | None = None
    """The folder of which, because of it, not all may have been seen; all that is there where it is empty."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of a file in a copy."""

    version: str
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Listed:
    """A file of a listing: its place below the address, its name in the store, and what that says of it."""

    path: str
    name: str
    about: Mapping[str, Any]


def stored_files(address: str, kept: Mapping[str, Kept], settings: IngestSettings) -> Iterator[RemoteFile | Unfetched]:
    """The files at and below an address that a reader knows, the listing first.

    Raises UsageError for an address of no store, IngestError when the store cannot be looked at.
    """
    import fsspec

    scheme, told = scheme_of(address), visible(address)
    kind = _KINDS.get(scheme)
    store = _Store()
    with closing(store):
        try:
            base = store.open(address)
            found = list(store.listed(base))
        except ImportError as error:
            reason = "" if kind else f": {reason_of(error)}"
            raise UsageError(
                f"{told} needs a library that is not installed{reason}.", kind.install if kind else ""
            ) from None
        except Exception as error:  # each store has errors of its own
            if isinstance(error, ValueError) and not kind and scheme not in fsspec.available_protocols():
                raise UsageError(
                    f"{told} is in no store that is known: {scheme}.",
                    "Those of fsspec are: s3, gs, az, webdav, sftp, smb and more; of the web: https.",
                ) from None
            access = kind.access if kind else "rights"
            raise IngestError(
                f"{told} cannot be looked at: {reason_of(error)}.", f"Check the address, and {access}."
            ) from None
        if not found:
            raise IngestError(f"There is no file at {told}.", "Check the address.")
        for one in found:
            if isinstance(one, Unfetched):
                yield one
            elif PurePosixPath(one.path).suffix.lower() in SUFFIXES and not _is_hidden(one.path):
                yield _taken(store, one, kept, settings)


def scheme_of(address: str) -> str:
    """What stands before '://', also of an address that is wrong behind it."""
    return address.partition("://")[0].lower()


def _is_hidden(path: str) -> bool:
    return any(is_hidden(part) for part in path.split("/") if part not in (".", ".."))


def _taken(store: "_Store", one: _Listed, kept: Mapping[str, Kept], settings: IngestSettings) -> RemoteFile | Unfetched:
    """What becomes of a file of a listing."""
    size, path = one.about.get("size") or 0, one.path
    version = next((f"{one.about[key]}; {size}" for key in _VERSIONS if one.about.get(key)), "")
    if is_unsafe(path):
        return Unfetched(printable(path), "its name is none for a file here: rename it")
    if one.about["type"] == "link":
        return Unfetched(path, "it is a link, which is not followed: name what it leads to")
    if size > settings.max_file_mb * _MIB:
        return Unfetched(path, f"it has {size // _MIB} MiB; ingest.max_file_mb is {settings.max_file_mb}")
    if version and path in kept and kept[path].version == version:
        return RemoteFile(path, version)
    return RemoteFile(path, version, partial(store.fetch, one.name, size, settings.max_file_mb * _MIB))


class _Store:
    """A store while files are taken from it. Once it was silent for long, it is not asked any more."""

    def __init__(self) -> None:
        self._files: Any = None
        self._end: Callable[[], object] = lambda: None
        self._dav: Any = None
        """The client of a WebDAV server, which takes names with '%' as they are in an address."""
        self._is_silent = False
        self._is_cut_off: Callable[[], bool] = lambda: False
        self._address = ""

    def open(self, address: str) -> str:
        """Connect to where an address leads, and return the name that it has there. Raises what the library does."""
        import fsspec

        self._address, parts = address, urlsplit(address)
        path = address.partition("://")[2].partition("/")[2]
        if _KINDS.get(parts.scheme) is _WEBDAV:
            self._files = self._within(_SILENT_SECONDS, partial(_webdav, parts))
            self._dav = self._files.client
            self._end = self._dav.http.close
            return unquote(path).strip("/")
        if _KINDS.get(parts.scheme) is _SFTP:
            self._files = self._within(_SILENT_SECONDS, partial(_sftp, parts))
            self._end = partial(self._files.loop.call_soon_threadsafe, self._files.client.abort)
            self._is_cut_off = self._files.client.is_closed
            return f"/{path.strip('/')}"
        # One of an earlier round of this process would remember what it listed, and who was asking.
        opened = partial(fsspec.core.url_to_fs, address, skip_instance_cache=True)
        self._files, base = self._within(_SILENT_SECONDS, opened)
        return str(base)

    def _spelled(self, name: str) -> str:
        return quote(name) if self._dav is not None else name

    def close(self) -> None:
        """End the connection."""
        self._end()

    @property
    def _is_walked(self) -> bool:
        """Whether the store has no listing of its own of all that lies below a name."""
        from fsspec.asyn import AsyncFileSystem
        from fsspec.spec import AbstractFileSystem

        own = type(self._files)
        return getattr(own, "_find", own.find) in (AbstractFileSystem.find, AsyncFileSystem._find)

    def listed(self, base: str) -> Iterator[_Listed | Unfetched]:
        """The files at and below a name, and what hides some. Raises what the library does."""
        if self._is_walked:
            yield from self._walked(base)
            return
        found = self._within(_LISTING_SECONDS, partial(self._files.find, base, detail=True))
        if not isinstance(found, Mapping):  # as adlfs has it for one file
            found = {name: self._within(_SILENT_SECONDS, partial(self._files.info, name)) for name in found}
        is_file = set(found) == {base.rstrip("/")}
        for name in sorted(found):
            path = PurePosixPath(name).name if is_file else name.removeprefix(base.rstrip("/")).lstrip("/")
            if found[name].get("type") == "file":
                yield _Listed(path, name, found[name])

    def _walked(self, base: str) -> Iterator[_Listed | Unfetched]:
        """The files of a store that lists one folder after another: fsspec's own walk takes those that cannot be
        listed for empty."""
        about = self._within(_SILENT_SECONDS, partial(self._files.info, self._spelled(base)))
        if about["type"] != "directory":
            yield _Listed(PurePosixPath(base).name, base, about)
            return
        folders = [base]
        for folder in folders:
            if len(folders) > _MOST_FOLDERS:
                raise OSError(f"it has more than {_MOST_FOLDERS} folders")
            inside = f"{folder.rstrip('/')}/" if folder else ""
            path_to = inside.removeprefix(f"{base.rstrip('/')}/" if base else "")
            try:
                entries = self._within(_SILENT_SECONDS, partial(self._files.ls, self._spelled(folder), detail=True))
            except Exception as error:
                if folder == base or self._is_silent:
                    raise
                yield Unfetched(
                    printable(path_to).rstrip("/"), f"folder cannot be read: {reason_of(error)}", hides=path_to
                )
                continue
            for about in sorted(entries, key=itemgetter("name")):
                name = str(about["name"]).rstrip("/")
                own = name.removeprefix(inside)
                path = f"{path_to}{own}"
                is_folder = about["type"] == "directory"
                if name == folder or _is_hidden(own):
                    continue
                if not name.startswith(inside) or "/" in own or (is_folder and is_unsafe(path)):
                    yield Unfetched(printable(path), "its name is none for a file here: rename it")
                elif is_folder:
                    folders.append(name)
                elif about["type"] in ("file", "link"):
                    yield _Listed(path, name, about)

    def fetch(self, name: str, size: int, most_bytes: int, target: Path) -> None:
        """Write a file of a known size into ``target``. Raises OSError for one that is cut off or too large."""
        if self._is_silent:
            raise OSError("the store does not answer any more")
        if self._is_cut_off():
            self.open(self._address)

        def copy() -> None:
            with target.open("wb") as file, closing(self._portions(name)) as portions:
                for portion in portions:
                    file.write(portion)
                    if file.tell() > most_bytes:
                        break

        work = copy if self._is_walked else partial(self._files.get_file, name, str(target))
        self._within(_SILENT_SECONDS, work, lambda: target.stat().st_size if target.exists() else 0)
        written = target.stat().st_size
        if written > most_bytes:
            raise OSError(f"it has over {most_bytes // _MIB} MiB")
        if written < size:
            raise OSError(f"it broke off after {written} of {size} bytes")

    def _portions(self, name: str) -> Generator[bytes]:
        """What a file holds. webdav4 would ask for it twice, and without an end where a server breaks off."""
        if self._dav is not None:
            address = self._dav.join_url(self._spelled(name))
            with self._dav.http.stream("GET", address, follow_redirects=True) as reply:
                reply.raise_for_status()
                yield from reply.iter_bytes(_READ_BYTES)
            return
        with self._files.open(name, "rb") as source:
            while portion := source.read(_READ_BYTES):
                yield portion

    def _within(self, seconds: float, work: Callable[[], _Result], grown: Callable[[], int] = int) -> _Result:
        """What ``work`` returns, which is given up when nothing has ``grown`` for so long.

        A thread of its own, since no library has a limit for all that may hang. Raises TimeoutError.
        """
        done: Future[_Result] = Future()

        def run() -> None:
            try:
                done.set_result(work())
            except BaseException as error:
                done.set_exception(error)

        Thread(target=run, daemon=True).start()
        size, until = 0, time.monotonic() + seconds
        while not wait([done], timeout=min(1.0, seconds / 4)).done:
            if (now := grown()) != size:
                size, until = now, time.monotonic() + seconds
            elif time.monotonic() > until:
                self._is_silent = True
                self._end()
                raise TimeoutError(f"nothing came for {seconds:g} s")
        return done.result()


def _webdav(parts: SplitResult) -> Any:
    """A WebDAV server, over TLS unless the scheme says otherwise; all its names are below its root."""
    import httpx
    from webdav4.client import Client
    from webdav4.fsspec import WebdavFileSystem

    options = _configured("webdav")
    user, password = options.pop("username", ""), options.pop("password", "")
    with suppress(FileNotFoundError):
        try:
            found = netrc.netrc().authenticators(parts.hostname or "")
        except netrc.NetrcParseError as error:  # its message may hold a password
            wrong = f"line {error.lineno} of it is wrong" if error.lineno else "others may read it (chmod 600 ~/.netrc)"
            raise OSError(f"~/.netrc is not used: {wrong}") from None
        if found and parts.username in (None, found[0]):
            user, password = found[0], found[2]
    origin = httpx.URL(f"{'http' if parts.scheme == 'webdav+http' else 'https'}://{parts.netloc.rpartition('@')[2]}")

    def stay(request: httpx.Request) -> None:
        if (request.url.scheme, request.url.netloc) != (origin.scheme, origin.netloc):
            raise OSError(f"it sends elsewhere, to '{request.url}'")

    client = Client(
        **{
            "chunk_size": _READ_BYTES,
            "timeout": 2 * _SILENT_SECONDS,  # only to end the thread: the server has been given up before
            "trust_env": not is_this_machine(str(origin)),
            **options,
            "auth": (parts.username or user, password) if parts.username or user else None,
            "base_url": origin,
            "event_hooks": {"request": [stay]},
        }
    )
    # What fsspec adds of its own accord, such as a password, is no option of the client, which is given.
    return WebdavFileSystem(origin, client=client, skip_instance_cache=True)


def _sftp(parts: SplitResult) -> Any:
    """A server of SFTP whose key is known, as ssh has it; names that are no UTF-8 are kept apart as Python does."""
    from sshfs import SSHFileSystem

    given = {"port": parts.port, "username": parts.username}
    return SSHFileSystem(
        parts.hostname,
        **{
            "known_hosts": (),
            "sftp_client_kwargs": {"path_errors": "surrogateescape"},
            **_configured("ssh"),
            **_configured("sftp"),
            **{key: value for key, value in given.items() if value},
            "skip_instance_cache": True,
        },
    )


def _configured(scheme: str) -> dict[str, Any]:
    """What fsspec is told of a scheme; user and password as they stand, where it would read '0123' as a number."""
    from fsspec.config import conf

    told = {key: os.environ.get(f"FSSPEC_{scheme}_{key}".upper()) for key in ("username", "password")}
    return {**conf.get(scheme, {}), **{key: text for key, text in told.items() if text}}


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
