"""A PostgreSQL server of the tests' own, in a folder of its own, on a socket that nobody else can reach."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psycopg

from assistant.store.database import server_of
from assistant.workspace import StateServer

_NOBODY = 65534
"""The server refuses to run as root."""


def programs() -> Path:
    """The folder with initdb and postgres, of the newest version that is installed."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda one: int(one.parts[-3]))
    found = str(debian[-1]) if debian else shutil.which("initdb")
    assert found, "Install PostgreSQL: apt-get install postgresql"
    return Path(found).parent


@dataclass(frozen=True)
class Postgres:
    """A server that runs, and may be started again."""

    folder: Path

    def database(self) -> StateServer:
        """A new one, with nothing in it."""
        name = f"state_{secrets.token_hex(4)}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return StateServer(self._url(name))

    def restart(self, how: Literal["fast", "immediate"] = "fast") -> None:
        """Break off all that runs; ``immediate`` is as a crash."""
        self.stop(how)
        self.start()

    def start(self) -> None:
        self._run("pg_ctl", "start", "-w", "-D", "data", "-l", "log")

    def stop(self, how: Literal["fast", "immediate"] = "fast") -> None:
        self._run("pg_ctl", "stop", "-w", "-D", "data", "-m", how)

    def make(self) -> None:
        """Fill the folder, and start the server."""
        if os.geteuid() == 0:
            os.chown(self.folder, _NOBODY, _NOBODY)
        self._run("initdb", "-D", "data", "-U", "assistant", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        options = {
            "listen_addresses": "''",
            "unix_socket_directories": f"'{self.folder}'",
            "fsync": "off",
            "max_connections": "200",
        }
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in options.items())
        self.start()

    def _url(self, name: str) -> str:
        return f"postgresql://assistant@/{name}?host={self.folder}"

    def _run(self, program: str, *arguments: str) -> None:
        identity = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        subprocess.run(
            [programs() / program, *arguments],
            cwd=self.folder,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **identity,  # type: ignore[call-overload]
        )


@contextmanager
def running() -> Iterator[Postgres]:
    """A server, which is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # the path of a socket may have no more than 107 bytes
    server = Postgres(folder)
    try:
        server.make()
        yield server
    finally:
        pid = folder / "data" / "postmaster.pid"
        if pid.exists():
            os.kill(int(pid.read_text().split()[0]), signal.SIGQUIT)
            while pid.exists():
                pass
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def empty(server: Postgres) -> Iterator[StateServer]:
    """A new database, of which no connection is left afterwards."""
    state = server.database()
    yield state
    server_of(state).close()
