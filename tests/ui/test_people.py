"""Who may sign in: nobody reads a password, every change counts at once, and a broken file lets nobody in."""

import json
import os
import stat
import sys
from pathlib import Path

import pytest
from commands import run
from signing import PASSWORD, make_people

from assistant.config import UiSettings
from assistant.errors import ConfigError, UsageError
from assistant.workspace import Workspace
from ui.people import People, User, people_of, usable_name


@pytest.fixture
def people(tmp_path: Path) -> People:
    return make_people(tmp_path, ana="editor", ben="expert")


def test_a_password_is_hashed_with_a_salt_of_its_own(tmp_path: Path) -> None:
    people = People(tmp_path / "users.json")
    people.add("ana", "editor", PASSWORD)
    people.add("ben", "expert", PASSWORD)
    text = people.file.read_text(encoding="utf-8")
    assert PASSWORD not in text
    hashes = [user["password"] for user in json.loads(text)["users"]]
    assert all(one.startswith("scrypt:15:8:3:") for one in hashes)
    assert hashes[0] != hashes[1], "equal passwords may not look equal"


@pytest.mark.skipif(os.name == "nt", reason="has no such rights")
def test_only_the_owner_reads_the_file_even_after_a_change(people: People) -> None:
    people.file.chmod(0o644)
    people.set_role("ben", "admin")
    assert stat.S_IMODE(people.file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ana", PASSWORD.upper()),
        ("ana", ""),
        ("ana", f"{PASSWORD} "),
        ("Ana", PASSWORD),
        ("nobody", PASSWORD),
        ("", ""),
        ("ana\0", PASSWORD),
    ],
)
def test_nobody_else_gets_in(people: People, name: str, password: str) -> None:
    assert people.verified(name, password) is None


def test_the_owner_gets_in_however_the_name_is_spelled_in_unicode(tmp_path: Path) -> None:
    people = make_people(tmp_path, jürgen="expert")
    assert people.verified("j\u00fcrgen", PASSWORD) == User("j\u00fcrgen", "expert")


def test_a_name_without_a_password_fits_no_password(people: People) -> None:
    people.add("proxied", "admin", "")
    assert people.verified("proxied", "") is None
    assert people.verified("proxied", PASSWORD) is None


def test_changes_are_seen_by_an_app_that_runs(people: People) -> None:
    running = People(people.file)
    assert running.user("ben") == User("ben", "expert")
    before = running.stamp("ben")
    people.set_role("ben", "admin")
    assert running.user("ben") == User("ben", "admin")
    assert running.stamp("ben") == before, "a role changes at the next click, without signing in again"
    people.set_password("ben", "another password")
    assert running.stamp("ben") != before
    people.remove("ben")
    assert running.user("ben") is None and running.stamp("ben") == ""


def test_roles_hold_what_is_below_them() -> None:
    assert [User("a", "editor").may(role) for role in ("expert", "editor", "admin")] == [True, True, False]


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ana",
        "ana ",
        "-ana",
        ".ana",
        "a/b",
        "a\\b",
        "<b>",
        'a"b',
        "a&b",
        "a\nb",
        "a\u202eb",
        "a\0b",
        "x" * 65,
        "ana;",
    ],
)
def test_a_name_that_could_deceive_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="not a name"):
        usable_name(name)


@pytest.mark.parametrize("name", ["ana", "Ana Müller", "o'brien", "ana.m@firm.example", "山田", "x" * 64, "7"])
def test_names_of_people_are_taken(name: str) -> None:
    assert usable_name(name) == name


@pytest.mark.parametrize("password", ["short", "x" * 1025])
def test_a_password_of_a_wrong_length_is_refused(people: People, password: str) -> None:
    with pytest.raises(UsageError, match="characters"):
        people.add("new", "expert", password)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"users": [{"name": "ana", "role": "root"}]}',
        '{"users": [{"name": "../ana", "role": "admin"}]}',
        '{"users": [{"name": "ana", "role": "admin", "password": "plain text"}]}',
        f'{{"users": [{{"name": "ana", "role": "admin", "password": "scrypt:30:8:1:{"A" * 22}==:{"A" * 43}="}}]}}',
        '{"users": [], "more": 1}',
    ],
)
def test_a_file_that_cannot_be_used_lets_nobody_in(tmp_path: Path, text: str) -> None:
    file = tmp_path / "users.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises((ConfigError, UsageError)):
        People(file).verified("ana", "plain text")


def test_nobody_has_to_sign_in_until_there_is_a_user(workspace: Workspace) -> None:
    assert people_of(workspace, UiSettings()) is None
    make_people(workspace.root, ana="admin")
    found = people_of(workspace, UiSettings())
    assert found is not None and found.users() == [User("ana", "admin")]


@pytest.mark.parametrize("changes", [{"users_file": "nowhere.json"}, {"trusted_header": "X-Forwarded-User"}])
def test_sign_in_that_was_asked_for_is_not_left_out_for_lack_of_users(
    workspace: Workspace, changes: dict[str, str]
) -> None:
    with pytest.raises(ConfigError, match="assistant users add"):
        people_of(workspace, UiSettings.model_validate(changes))


def test_users_are_kept_by_commands(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def users(*arguments: str) -> tuple[int, str, str]:
        return run(capsys, "users", *arguments, "--workspace", str(tmp_path))

    monkeypatch.setattr(sys, "stdin", _Lines([PASSWORD, "another password"]))
    status, said, _ = users("add", "ana", "--role", "editor", "--password-stdin")
    assert status == 0 and "has to be started again" in said
    status, said, _ = users("add", "proxied", "--no-password")
    assert status == 0 and "has to be started again" not in said
    assert users("role", "ana", "admin")[0] == 0
    assert users("password", "ana", "--password-stdin")[0] == 0
    listed = json.loads(users("list", "--json")[1])["users"]
    assert listed == [
        {"name": "ana", "role": "admin", "has_password": True},
        {"name": "proxied", "role": "expert", "has_password": False},
    ]
    people = People(tmp_path / "users.json")
    assert people.verified("ana", "another password") and not people.verified("ana", PASSWORD)
    assert users("add", "ana", "--no-password")[0] == 2
    assert users("remove", "ana")[0] == 0
    assert users("remove", "ana")[0] == 2
    assert users("remove", "proxied")[2].startswith("There are no users left")


def test_a_password_is_not_asked_of_nobody(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, _, told = run(capsys, "users", "add", "ana", "--workspace", str(tmp_path))
    assert status == 2 and "--password-stdin" in told
    assert not (tmp_path / "users.json").exists()


class _Lines:
    """Standard input of a program."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def readline(self) -> str:
        return f"{self._lines.pop(0)}\n"

    def isatty(self) -> bool:
        return False
