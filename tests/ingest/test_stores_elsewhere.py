"""Stores by their own protocols, against servers here: what is fetched, who may, and what a server may not do."""

import json
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import store_servers
from commands import run
from store_servers import PASSWORD, USER, Served

from assistant.config import Settings
from assistant.errors import IngestError, UsageError
from assistant.workspace import Workspace
from ingest.sources import copy_of, refresh

RULE = "# Rule {0}\n\nThe fee of class {0} is {1} euros a year.\n"
ODD_NAMES = ["a b.md", "Gebühr für Häuser.md", "100%.md", "a%20b.md", "what?.md", "a#b.md", "a&b=c+d;e.md", "it's.md"]


def at_home(monkeypatch: pytest.MonkeyPatch, folder: Path, password: str = PASSWORD) -> None:
    """Who is asked for is known: the key of the SFTP server, and a password."""
    (folder / ".ssh").mkdir(exist_ok=True)
    if (folder / "known_hosts").exists():
        (folder / ".ssh" / "known_hosts").write_bytes((folder / "known_hosts").read_bytes())
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setattr("fsspec.config.conf", {})  # which it fills when it is imported, maybe in another test
    for scheme in ("WEBDAV", "SFTP"):
        monkeypatch.setenv(f"FSSPEC_{scheme}_USERNAME", USER)
        monkeypatch.setenv(f"FSSPEC_{scheme}_PASSWORD", password)


@pytest.fixture(params=["webdav", "sftp", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with getattr(store_servers, request.param)(tmp_path) as served:
        at_home(monkeypatch, tmp_path)
        if request.param == "s3":
            for name, value in served.variables.items():
                monkeypatch.setenv(name, value)
        yield served


@pytest.fixture(params=["webdav", "sftp"])
def server(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """One that has folders, and asks for a password."""
    with getattr(store_servers, request.param)(tmp_path) as served:
        at_home(monkeypatch, tmp_path)
        yield served


def held(workspace: Workspace, store: Served) -> dict[str, bytes]:
    copy = copy_of(workspace, store.address)
    files = (file for file in copy.rglob("*") if file.is_file() and not file.name.startswith("."))
    return {file.relative_to(copy).as_posix(): file.read_bytes() for file in files}


def test_a_corpus_is_kept_fresh_and_nothing_is_fetched_twice(
    store: Served, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(4):
        store.put(f"rules/rule-{number}.md", RULE.format(number, number + 7).encode())
    store.put("rules/deep/er/rule-9.md", RULE.format(9, 77).encode())
    more = ("--corpus", "rules", "--workspace", str(workspace.root), "--set", "ingest.calibrate=false", "--json")

    def ingested(*targets: str) -> dict[str, int]:
        store.fetched.clear()
        status, told, complaints = run(capsys, "ingest", *targets, *more)
        assert status == 0, complaints
        counts: dict[str, int] = json.loads(told)["counts"]
        return counts

    assert ingested(store.address) == {"added": 5}
    assert len(store.fetched) == 5
    assert ingested() == {"unchanged": 5}
    assert store.fetched == []
    store.put("rules/rule-1.md", RULE.format(1, 1234).encode())
    assert ingested() == {"updated": 1, "unchanged": 4}
    assert store.fetched == ["rules/rule-1.md"]
    store.remove("rules/rule-2.md")
    assert ingested() == {"forgotten": 1, "unchanged": 4}
    store.put("rules/rule-three.md", RULE.format(3, 10).encode())
    store.remove("rules/rule-3.md")
    assert ingested() == {"renamed": 1, "unchanged": 3}
    assert store.fetched == ["rules/rule-three.md"]


def test_any_name_that_a_folder_takes_is_fetched_as_what_it_is(
    store: Served, workspace: Workspace, settings: Settings
) -> None:
    # moto, which is S3 here, decodes a key twice and cuts it at a '?'.
    names = [f"odd # 100% ü/{name}" for name in ODD_NAMES if store.address[:2] != "s3" or not {*name} & {*"?2"}]
    for name in names:
        store.put(name, name.encode())
    assert refresh(workspace, store.address, settings) == []
    assert held(workspace, store) == {name: name.encode() for name in names}


def test_a_single_file_is_fetched_by_its_name(store: Served, workspace: Workspace, settings: Settings) -> None:
    store.put("rules/a b.md", b"one")
    store.put("rules/c.md", b"two")
    store.address += "/rules/a b.md"
    assert refresh(workspace, store.address, settings) == []
    assert held(workspace, store) == {"a b.md": b"one"}
    assert store.fetched == ["rules/a b.md"]


def test_a_server_that_falls_silent_is_given_up(
    store: Served, workspace: Workspace, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        store.put(f"{name}.md", name.encode() * 1000)
    assert refresh(workspace, store.address, settings) == []
    for name in ("b", "c"):
        store.put(f"{name}.md", name.encode() * 3000)
    store.hangs.add("b.md")
    with monkeypatch.context() as patched:
        patched.setattr("ingest.stores._SILENT_SECONDS", 1.5)
        began = time.monotonic()
        failures = refresh(workspace, store.address, settings)
        assert time.monotonic() - began < 10
    assert {one.path: one.message for one in failures} == {
        "b.md": "was not fetched: nothing came for 1.5 s",
        "c.md": "was not fetched: the store does not answer any more",
    }
    assert {name: len(content) for name, content in held(workspace, store).items()} == {
        "a.md": 1000,
        "b.md": 1000,
        "c.md": 1000,
    }
    store.hangs.clear()
    store.released.set()
    store.fetched.clear()
    assert refresh(workspace, store.address, settings) == []
    assert store.fetched == ["b.md", "c.md"]


@pytest.mark.parametrize("scheme", ["webdav", "webdav+http", "sftp"])
def test_a_server_that_says_nothing_at_all_is_given_up(
    scheme: str, workspace: Workspace, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.stores._SILENT_SECONDS", 0.5)
    told = r"cannot be looked at: nothing came for 0\.5 s"
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(IngestError, match=told):
        refresh(workspace, f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/claims", settings)


def test_a_file_that_breaks_off_is_told_and_the_others_come(
    store: Served, workspace: Workspace, settings: Settings
) -> None:
    for name in ("a", "b", "c"):
        store.put(f"{name}.md", name.encode() * 700_000)
    store.breaks.add("b.md")
    (failure,) = refresh(workspace, store.address, settings)
    assert failure.path == "b.md" and "\n" not in failure.message
    assert sorted(held(workspace, store)) == ["a.md", "c.md"]
    assert store.fetched.count("b.md") <= 5  # as often as s3fs tries
    store.breaks.clear()
    assert refresh(workspace, store.address, settings) == []
    assert held(workspace, store)["b.md"] == b"b" * 700_000


def test_a_file_that_ends_too_early_is_told(
    tmp_path: Path, workspace: Workspace, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store_servers.sftp(tmp_path) as server:
        at_home(monkeypatch, tmp_path)
        server.put("a.md", b"text")
        server.put("b.md", b"b" * 2_000_000)
        server.ends.add("b.md")
        (failure,) = refresh(workspace, server.address, settings)
        assert failure.path == "b.md" and "it broke off after" in failure.message
        assert list(held(workspace, server)) == ["a.md"]


def test_what_lies_in_a_folder_that_cannot_be_listed_stays(
    server: Served, workspace: Workspace, settings: Settings
) -> None:
    for name in ("a.md", "shut/b.md", "shut/deep/c.md", "open/d.md"):
        server.put(name, b"text")
    assert refresh(workspace, server.address, settings) == []
    server.refuses.add("shut")
    server.remove("open/d.md")
    (failure,) = refresh(workspace, server.address, settings)
    assert failure.path == "shut" and "folder cannot be read" in failure.message
    assert sorted(held(workspace, server)) == ["a.md", "shut/b.md", "shut/deep/c.md"]


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (
            "sftp",
            [b"../../out.md", b"/etc/out.md", b"a/out.md", b"../", b"/etc/", b"back\\slash.md", b"\xff.md", b"\xfe/"],
        ),
        (
            "webdav",
            [b"/out.md", b"/etc/", b"/claims/a%2Fout.md", b"/claims/%2e%2e%2Fout.md", b"/claims/back%5Cslash.md"],
        ),
    ],
)
def test_a_server_names_no_place_outside_and_stops_nothing_else(
    kind: str,
    names: list[bytes],
    workspace: Workspace,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with getattr(store_servers, kind)(tmp_path) as server:
        at_home(monkeypatch, tmp_path)
        server.put("good.md", b"text")
        server.invents = [*names, b"/claims/good.md"] if kind == "webdav" else names
        failures = refresh(workspace, server.address, settings)
        assert len(failures) == len([name for name in names if name != b"../"])
        assert all("its name is none" in one.message for one in failures)
        assert all(one.path.encode().isascii() for one in failures)
        assert held(workspace, server) == {"good.md": b"text"}
        assert server.fetched == ["good.md"]
        assert not list(tmp_path.rglob("*out.md"))


def test_folders_without_an_end_are_left(
    server: Served, workspace: Workspace, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.stores._MOST_FOLDERS", 5)
    server.put("1/2/3/4/5/6/a.md", b"text")
    with pytest.raises(IngestError, match="it has more than 5 folders"):
        refresh(workspace, server.address, settings)


def test_a_file_that_is_too_large_is_not_fetched_even_if_its_size_is_a_lie(
    server: Served, workspace: Workspace
) -> None:
    little = Settings.model_validate({"ingest": {"max_file_mb": 1}})
    server.put("large.md", b"x" * (2 << 20))
    server.put("endless.md", b"text")
    server.put("good.md", b"text")
    server.endless.add("endless.md")
    told = {one.path: one.message for one in refresh(workspace, server.address, little)}
    assert told["large.md"] == "was not fetched: it has 2 MiB; ingest.max_file_mb is 1"
    if server.address.startswith("sftp"):
        assert told["endless.md"] == "was not fetched: it has over 1 MiB"
    assert "large.md" not in server.fetched and "good.md" in held(workspace, server)


def test_without_the_right_password_nothing_is_read_and_the_remedy_is_told(
    server: Served, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.put("a.md", b"text")
    scheme = "SFTP" if server.address.startswith("sftp") else "WEBDAV"
    for password in ("geheim", None):
        monkeypatch.delenv(f"FSSPEC_{scheme}_PASSWORD")
        if password:
            monkeypatch.setenv(f"FSSPEC_{scheme}_PASSWORD", password)
        status, out, told = run(capsys, "ingest", server.address, "--workspace", str(workspace.root))
        assert status == 1 and told.count("\n") == 1
        assert f"FSSPEC_{scheme}_PASSWORD" in told and "geheim" not in out + told
        monkeypatch.setenv(f"FSSPEC_{scheme}_PASSWORD", "")
    assert server.fetched == []


def test_a_password_is_kept_nowhere(server: Served, workspace: Workspace, settings: Settings) -> None:
    server.put("a.md", b"text")
    assert refresh(workspace, server.address, settings) == []
    assert not [file for file in workspace.root.rglob("*") if file.is_file() and PASSWORD.encode() in file.read_bytes()]


def test_passwords_of_several_webdav_servers_are_in_netrc(
    tmp_path: Path, workspace: Workspace, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store_servers.webdav(tmp_path) as server:
        at_home(monkeypatch, tmp_path, "that of another server")
        server.put("a.md", b"text")
        (tmp_path / ".netrc").touch(0o600)
        (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")
        assert refresh(workspace, server.address, settings) == []
        (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login {USER} geheim\n")
        with pytest.raises(IngestError, match="netrc") as raised:
            refresh(workspace, server.address, settings)
        assert "line 2 of it is wrong" in str(raised.value) and "geheim" not in str(raised.value)
        (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")
        (tmp_path / ".netrc").chmod(0o644)
        with pytest.raises(IngestError, match=r"others may read it \(chmod 600"):
            refresh(workspace, server.address, settings)


def test_a_webdav_server_leads_nowhere_else(
    tmp_path: Path, workspace: Workspace, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store_servers.webdav(tmp_path) as server, store_servers.webdav(tmp_path / "other") as other:
        at_home(monkeypatch, tmp_path)
        server.put("a.md", b"text")
        server.put("b.md", b"text")
        assert refresh(workspace, server.address, settings) == []
        server.put("a.md", b"new")
        server.sends_to = f"{other.address.removeprefix('webdav+')}/a.md"
        (failure,) = refresh(workspace, server.address, settings)
        assert "it sends elsewhere" in failure.message
        assert other.asked == []


def test_no_password_is_sent_in_the_clear_unless_that_is_asked_for(
    tmp_path: Path, workspace: Workspace, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store_servers.webdav(tmp_path) as server:
        at_home(monkeypatch, tmp_path)
        server.put("a.md", b"text")
        for scheme in ("webdav", "webdav+https"):
            with pytest.raises(IngestError, match="cannot be looked at"):
                refresh(workspace, server.address.replace("webdav+http", scheme), settings)
        assert server.asked == []


def test_a_server_of_sftp_whose_key_is_not_known_gets_no_password(
    tmp_path: Path, workspace: Workspace, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store_servers.sftp(tmp_path) as server:
        at_home(monkeypatch, tmp_path)
        known = tmp_path / ".ssh" / "known_hosts"
        with store_servers.sftp(tmp_path / "other") as other:
            port = server.address.rpartition(":")[2].partition("/")[0]
            key = (tmp_path / "other" / "known_hosts").read_text().partition(" ")[2]
            server.put("a.md", b"text")
            for text in ("", f"[127.0.0.1]:{port} {key}"):
                known.write_text(text)
                with pytest.raises(IngestError, match="known_hosts"):
                    refresh(workspace, server.address, settings)
            assert other.asked == server.asked == []


@pytest.mark.parametrize(
    ("address", "module", "line"),
    [
        ("webdav://x.example/y", "webdav4.fsspec", "pip install 'domain-assistant[sources]'"),
        ("sftp://x.example/y", "sshfs", "pip install 'domain-assistant[sources]'"),
        ("gs://x/y", "gcsfs", "pip install gcsfs"),
        ("az://x/y", "adlfs", "pip install adlfs"),
        ("abfs://x/y", "adlfs", "pip install adlfs"),
    ],
)
def test_a_library_that_is_missing_is_told_with_the_line_that_installs_it(
    address: str, module: str, line: str, workspace: Workspace, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError) as raised:
        refresh(workspace, address, settings)
    assert raised.value.remedy == line
