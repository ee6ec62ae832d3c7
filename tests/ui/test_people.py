"""Who may sign in: nobody reads a password, every change counts at once, and a broken file lets nobody in."""

import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from commands import run
from signing import CHEAP, PASSWORD, make_people
from working import ADMIN, EDITOR, EXPERT, as_, choosing, save_report, work_context

from assistant.config import UiSettings
from assistant.errors import ConfigError, UsageError
from assistant.workspace import Workspace
from ui.pages.people import PeopleActions
from ui.people import People, User, people_of, usable_name
from ui.rights import Access, RightsFile


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
    status, said, _ = users("add", "proxied", "--no-password", "--group", "sales")
    assert status == 0 and "has to be started again" not in said
    assert users("role", "ana", "admin")[0] == 0
    assert users("password", "ana", "--password-stdin")[0] == 0
    assert "claims, sales" in users("group", "ana", "claims", "sales")[1]
    assert users("group", "ana", "sales", "--remove")[0] == users("group", "proxied", "sales", "--remove")[0] == 0
    listed = json.loads(users("list", "--json")[1])["users"]
    assert listed == [
        {"name": "ana", "role": "admin", "has_password": True, "groups": ["claims"], "locked": False},
        {"name": "proxied", "role": "expert", "has_password": False, "groups": [], "locked": False},
    ]
    people = People(tmp_path / "users.json")
    assert people.verified("ana", "another password") and not people.verified("ana", PASSWORD)
    assert users("add", "ana", "--no-password")[0] == 2
    assert users("lock", "ana")[0] == 0 and not people.verified("ana", "another password")
    assert "(locked)" in users("list")[1] and users("unlock", "ana")[0] == 0
    assert people.verified("ana", "another password") and users("lock", "nobody")[0] == 2
    rights = RightsFile(Workspace(tmp_path))
    rights.set("corpus", "cars", Access(("ana", "proxied")))
    assert users("remove", "ana")[0] == 0
    assert rights.read().entries == {("corpus", "cars"): Access(("proxied",))}, "nobody inherits them with the name"
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


# The page


@pytest.fixture
def actions(workspace: Workspace) -> PeopleActions:
    """What the page does over a corpus, an adapter and a report, with an expert, an editor and an admin."""
    workspace.corpus("cars").mkdir(parents=True)
    (workspace.corpus("cars") / "catalog.sqlite").touch()
    workspace.adapter("house").mkdir(parents=True)
    save_report(workspace, "one")
    context = work_context(workspace)
    assert context.people is not None
    context.people._cost = CHEAP
    return PeopleActions(context)


def test_the_page_is_for_admins_alone(actions: PeopleActions) -> None:
    for name in (EXPERT, EDITOR, "nobody", ""):
        assert actions.listed(as_(name)) == ""
        acts: tuple[Callable[[gr.Request], Any], ...] = (
            lambda who: actions.new(who),
            lambda who: actions.open(choosing("person/adam"), who),
            lambda who: actions.save("", "new", "admin", [], PASSWORD, who),
            lambda who: actions.save(f"person/{EXPERT}", "", "admin", [], "", who),
            lambda who: actions.remove("person/adam", who),
            lambda who: actions.grant("corpus/cars", [EXPERT], [], False, who),
        )
        for act in acts:
            with pytest.raises(gr.Error, match=r"role|signed in"):
                act(as_(name))
    assert not (actions.context.workspace.root / "rights.json").exists()
    assert actions.context.people and [one.name for one in actions.context.people.users()] == ["adam", "ana", "eve"]


def test_people_are_let_in_changed_and_removed_on_the_page(actions: PeopleActions) -> None:
    people, adam = actions.context.people, as_(ADMIN)
    assert people is not None
    actions.save("", "zoe", "expert", ["claims", "@sales"], PASSWORD, adam)
    assert people.verified("zoe", PASSWORD) == User("zoe", "expert", ("claims", "sales"))
    before = people.stamp("zoe")
    shown = actions.save("person/zoe", "other", "editor", ["claims"], "", adam)
    assert people.user("zoe") == User("zoe", "editor", ("claims",)) and people.stamp("zoe") == before
    assert "zoe" in shown[0] and "@claims" in shown[0] and PASSWORD not in str(shown)
    actions.save("person/zoe", "", "editor", [], "another password", adam)
    assert people.verified("zoe", "another password") and people.stamp("zoe") != before
    wrongs: tuple[Callable[[], Any], ...] = (
        lambda: actions.save("", "zoe", "expert", [], PASSWORD, adam),
        lambda: actions.save("", "new", "expert", [], "", adam),
        lambda: actions.save("", "new", "root", [], PASSWORD, adam),
        lambda: actions.save("person/nobody", "", "expert", [], "", adam),
        lambda: actions.save("person/adam", "", "expert", [], "", adam),
        lambda: actions.remove("person/adam", adam),
    )
    for wrong in wrongs:
        with pytest.raises(gr.Error):
            wrong()
    actions.context.rights.set("corpus", "cars", Access(("zoe", "@claims"), ("zoe",)))
    actions.remove("person/zoe", adam)
    assert actions.context.rights.read().entries["corpus", "cars"] == Access(("@claims",), ())
    assert people.user("zoe") is None and people.user(ADMIN) == User(ADMIN, "admin")


def test_rights_are_given_and_taken_back_on_the_page(actions: PeopleActions) -> None:
    rights, adam = actions.context.rights, as_(ADMIN)
    listed = actions.grant("corpus/cars", ["@claims", EXPERT], [EDITOR], False, adam)[0]
    assert rights.read().entries == {("corpus", "cars"): Access(("@claims", EXPERT), (EDITOR,))}
    assert "Read by @claims, ana · changed by eve" in listed
    opened = actions.open(choosing("corpus/cars"), adam)
    assert [opened[10].value, opened[11].value, opened[12]] == [["@claims", EXPERT], [EDITOR], False]
    actions.grant("report/one", [], [], True, adam)
    assert rights.read().entries["report", "one"] == Access((), ())
    actions.grant("corpus/cars", [], [], False, adam)
    assert set(rights.read().entries) == {("report", "one")}
    wrongs: tuple[Callable[[], Any], ...] = (
        lambda: actions.grant("corpus/cars", ["nobody"], [], False, adam),
        lambda: actions.grant("corpus/nowhere", [EXPERT], [], False, adam),
        lambda: actions.grant("person/ana", [EXPERT], [], False, adam),
        lambda: actions.open(choosing("corpus/nowhere"), adam),
    )
    for wrong in wrongs:
        with pytest.raises(gr.Error):
            wrong()
    rights.file.write_text("{", encoding="utf-8")
    assert "cannot be read" in actions.listed(adam) and EXPERT in actions.listed(adam)
    with pytest.raises(gr.Error, match="cannot be read"):
        actions.grant("corpus/cars", [EXPERT], [], False, adam)


# Rights


@pytest.mark.parametrize("text", ["", "[]", "{", '{"corpora": {"cars": {"readers": "ana"}}}', '{"more": {}}'])
def test_a_file_of_rights_that_cannot_be_read_leaves_everything_to_admins(tmp_path: Path, text: str) -> None:
    rights = RightsFile(Workspace(tmp_path))
    ana, adam, nobody = User("ana", "editor"), User("adam", "admin"), User("", "expert")
    assert rights.rights().may_read(ana, "corpus", "cars") and not rights.rights().may_read(nobody, "corpus", "cars")
    rights.file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="for admins alone"):
        rights.read()
    for _ in range(2):
        assert not rights.rights().may_read(ana, "corpus", "cars") and not rights.rights().limit_nobody
        assert rights.rights().may_read(adam, "corpus", "cars") and rights.rights().may_edit(adam, "corpus", "cars")
    with pytest.raises(ConfigError):
        rights.set("corpus", "cars", Access(("ana",)))
    assert rights.file.read_text(encoding="utf-8") == text, "nothing is written over"


def test_rights_go_by_name_whichever_its_case_and_by_groups(tmp_path: Path) -> None:
    file = RightsFile(Workspace(tmp_path))
    file.set("corpus", "Cars", Access(("@claims",), ("eve",)))
    rights = file.rights()
    ana, ben, eve = User("ana", "editor", ("claims",)), User("ben", "editor"), User("eve", "editor")
    assert [rights.may_read(one, "corpus", "cars") for one in (ana, ben, eve)] == [True, False, True]
    assert [rights.may_edit(one, "corpus", "CARS") for one in (ana, ben, eve)] == [False, False, True]
    assert not rights.may_edit(User("eve", "expert"), "corpus", "Cars"), "the role says what one may do at all"
    assert rights.may_read(ben, "adapter", "cars")


@pytest.mark.skipif(os.name == "nt", reason="has no such rights")
def test_only_the_owner_reads_the_rights(tmp_path: Path) -> None:
    file = RightsFile(Workspace(tmp_path))
    file.set("corpus", "cars", Access(("ana",)))
    assert stat.S_IMODE(file.file.stat().st_mode) == 0o600


def test_rights_are_kept_by_commands(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def rights(*arguments: str) -> tuple[int, str, str]:
        return run(capsys, "rights", *arguments, "--workspace", str(tmp_path))

    make_people(tmp_path, ana="expert")
    assert "Nothing is set" in rights("show")[1]
    status, said, told = rights("set", "corpus", "cars", "--reader", "@claims", "--editor", "ana")
    assert status == 0 and said == "corpus cars: read by @claims; changed by ana\n" and "no corpus 'cars' yet" in told
    assert json.loads(rights("show", "--json")[1])["rights"] == [
        {"kind": "corpus", "name": "cars", "readers": ["@claims"], "editors": ["ana"]}
    ]
    assert rights("set", "corpus", "cars", "--only-admins")[1].endswith(
        "read by admins alone; changed by admins alone\n"
    )
    for wrong in (["--reader", "nobody"], [], ["--reader", "ana", "--only-admins"], ["--reader", "@"]):
        assert rights("set", "corpus", "cars", *wrong)[0] == 2, wrong
    assert rights("clear", "corpus", "cars")[0] == 0 and "Nothing is set" in rights("show")[1]
    (tmp_path / "rights.json").write_text("{", encoding="utf-8")
    assert rights("show")[0] == 2 and rights("clear", "corpus", "cars")[0] == 2
