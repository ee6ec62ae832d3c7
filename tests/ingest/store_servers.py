"""Stores on this machine, as servers of their own: each counts what is fetched of it, and fails when told to."""

import asyncio
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import asyncssh
import boto3
from cheroot.wsgi import Server
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from wsgidav.fs_dav_provider import FilesystemProvider
from wsgidav.wsgidav_app import WsgiDAVApp

USER, PASSWORD = "ann", "0123"


@dataclass
class Served:
    """A store: where it is, how its files are changed, and what was fetched of it."""

    address: str
    put: Callable[[str, bytes], object]
    remove: Callable[[str], object]
    variables: dict[str, str] = field(default_factory=dict)
    """Of the environment, which lead there."""
    fetched: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """Every request, in words of its protocol."""
    hangs: set[str] = field(default_factory=set)
    """Files, of which half is sent and then nothing more."""
    breaks: set[str] = field(default_factory=set)
    """Files, of which half is sent and then the connection closed."""
    refuses: set[str] = field(default_factory=set)
    """Folders that may not be listed."""
    endless: set[str] = field(default_factory=set)
    """Files, of which (by SFTP) there is always more."""
    ends: set[str] = field(default_factory=set)
    """Files that (by SFTP) end where one portion of them was read."""
    invents: list[bytes] = field(default_factory=list)
    """Names that the first folder is said to hold, with nothing else in it."""
    sends_to: str = ""
    """Where (by WebDAV) all files are said to be."""
    released: Event = field(default_factory=Event)
    """Ends what hangs."""


def _folder_puts(folder: Path) -> tuple[Callable[[str, bytes], object], Callable[[str], object]]:
    def put(path: str, content: bytes) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)

    return put, lambda path: (folder / path).unlink()


@contextmanager
def _over_http(served: Served, app: Callable[..., Iterable[bytes]], name_of: Callable[[str], str]) -> Iterator[Server]:
    """Serve a WSGI application, and what is fetched of it is noted under its name."""

    def counting(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        name = name_of(environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace"))
        served.asked.append(f"{environ['REQUEST_METHOD']} {name}")
        folder = served.address.rpartition("/")[2]
        if environ["REQUEST_METHOD"] == "PROPFIND" and name in served.refuses:
            start("403 Forbidden", [("Content-Length", "0")])
            return []
        if environ["REQUEST_METHOD"] == "PROPFIND" and name == f"/{folder}" and served.invents:
            start("207 Multi-Status", [("Content-Type", "application/xml")])
            return [_multistatus([f"/{folder}/".encode(), *served.invents])]
        if environ["REQUEST_METHOD"] == "GET" and served.sends_to:
            start("302 Found", [("Location", served.sends_to), ("Content-Length", "0")])
            return []
        sent = app(environ, start)
        if environ["REQUEST_METHOD"] != "GET" or "list-type" in environ.get("QUERY_STRING", ""):
            return sent
        served.fetched.append(name)
        return _failing(served, name, sent)

    server = _Silent(("127.0.0.1", 0), counting, numthreads=4)
    server.prepare()
    thread = Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        served.released.set()
        server.stop()
        thread.join()


def _multistatus(places: list[bytes]) -> bytes:
    kind = b"<D:resourcetype><D:collection/></D:resourcetype>"
    rows = [
        b"<D:response><D:href>%s</D:href><D:propstat><D:prop>%s<D:getetag>1</D:getetag></D:prop>"
        b"<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
        % (place, kind if place.endswith(b"/") else b"<D:resourcetype/>")
        for place in places
    ]
    return b'<?xml version="1.0"?><D:multistatus xmlns:D="DAV:">%s</D:multistatus>' % b"".join(rows)


class _Silent(Server):
    """Says nothing of connections that are closed on purpose."""

    def error_log(self, *_: object, **__: object) -> None:
        pass


def _failing(served: Served, name: str, sent: Iterable[bytes]) -> Iterator[bytes]:
    content = b"".join(sent)
    yield content[: len(content) // 2]
    if name in served.hangs:
        served.released.wait(30)
    if name in served.hangs | served.breaks:
        raise ConnectionResetError
    yield content[len(content) // 2 :]


@contextmanager
def webdav(folder: Path) -> Iterator[Served]:
    """A folder by WebDAV, for one who has the password."""
    root = folder / "served"
    (root / "claims").mkdir(parents=True)
    users = {USER: {"password": PASSWORD}}
    app = WsgiDAVApp(
        {
            "provider_mapping": {"/": FilesystemProvider(str(root))},
            "simple_dc": {"user_mapping": {"*": users}},
            "logging": {"enable": False},
            "verbose": 0,
        }
    )
    served = Served("", *_folder_puts(root / "claims"))
    with _over_http(served, app, lambda path: path.removeprefix("/claims/")) as server:
        served.address = f"webdav+http://127.0.0.1:{server.bind_addr[1]}/claims"
        yield served


@contextmanager
def s3(_: Path) -> Iterator[Served]:
    """A bucket by the protocol of S3."""
    bucket = f"claims-{uuid4().hex}"
    served = Served(f"s3://{bucket}", lambda *_: None, lambda *_: None)
    app = DomainDispatcherApplication(create_backend_app)
    with _over_http(served, app, lambda path: path.removeprefix(f"/{bucket}/")) as server:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        url = f"http://127.0.0.1:{server.bind_addr[1]}"
        served.variables = {"AWS_ENDPOINT_URL": url, **{name.upper(): value for name, value in keys.items()}}
        client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)
        client.create_bucket(Bucket=bucket)
        served.put = lambda path, content: client.put_object(Bucket=bucket, Key=path, Body=content)
        served.remove = lambda path: client.delete_object(Bucket=bucket, Key=path)
        yield served
        client.close()


@contextmanager
def sftp(folder: Path) -> Iterator[Served]:
    """A folder by SFTP, for one who has the password; ``folder/known_hosts`` names its key."""
    root = folder / "served"
    (root / "claims").mkdir(parents=True)
    served = Served("", *_folder_puts(root / "claims"))

    class Folder(asyncssh.SFTPServer):
        def __init__(self, channel: asyncssh.SSHServerChannel[Any]) -> None:
            super().__init__(channel, chroot=bytes(root))
            self._names: dict[Any, str] = {}

        async def scandir(self, path: bytes) -> Any:
            served.asked.append(f"LIST {path.decode('utf-8', 'replace')}")
            if path.decode("utf-8", "replace").removeprefix("/claims/") in served.refuses:
                raise asyncssh.SFTPPermissionDenied("Permission denied")
            for name in served.invents:
                kind = stat.S_IFDIR if name.endswith(b"/") else stat.S_IFREG
                yield asyncssh.SFTPName(name.rstrip(b"/"), attrs=asyncssh.SFTPAttrs(size=4, permissions=kind | 0o644))
            async for one in super().scandir(path):
                yield one

        def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
            name = path.decode("utf-8", "replace").removeprefix("/claims/")
            served.fetched.append(name)
            file = super().open(path, pflags, attrs)
            self._names[file] = name
            return file

        async def read(self, file: Any, offset: int, size: int) -> bytes:
            name = self._names[file]
            content = super().read(file, offset, size)
            assert isinstance(content, bytes)
            if name in served.ends and offset:
                return b""
            if name in served.endless:
                return b"x" * size
            if name in served.hangs:
                await asyncio.get_running_loop().run_in_executor(None, served.released.wait, 30)
            if name in served.breaks:
                self.channel.get_connection().abort()
            return content

    class Door(asyncssh.SSHServer):
        def begin_auth(self, _: str) -> bool:
            return True

        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return (username, password) == (USER, PASSWORD)

    key = asyncssh.generate_private_key("ssh-ed25519")
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def listen() -> Any:
        return await asyncssh.listen(
            "127.0.0.1", 0, server_factory=Door, server_host_keys=[key], sftp_factory=Folder, allow_scp=False
        )

    server = asyncio.run_coroutine_threadsafe(listen(), loop).result()
    port = server.get_port()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {key.export_public_key().decode()}")
    served.address = f"sftp://{USER}@127.0.0.1:{port}/claims"
    try:
        yield served
    finally:
        served.released.set()

        async def end() -> None:
            server.close()
            await server.wait_closed()
            await asyncio.sleep(0.05)

        asyncio.run_coroutine_threadsafe(end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
