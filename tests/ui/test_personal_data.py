"""What is kept of a person is handed out whole, and when it is forgotten no file of the workspace holds their name."""

import json
import zipfile
from pathlib import Path

import psycopg
import pytest
from commands import run
from fakes import Clock
from opinions import VERSIONS, answer
from signing import CHEAP, PASSWORD

from assistant.artifacts.audit import AuditLog
from assistant.artifacts.evaluations import Rating, add_rating, read_ratings
from assistant.errors import UsageError
from assistant.feedback.database import Assessment, FeedbackStore, Vote
from assistant.types import Message
from assistant.workspace import StateServer, Workspace, make_file, make_folder
from ui.conversations import FILES, Conversations
from ui.people import People
from ui.personal_data import PersonalData, drop_old
from ui.requests import rate_limit
from ui.rights import Access, RightsFile
from ui.scope import Scope
from ui.shared import SharedSessions
from ui.turns import TurnReply

NAME, SECRET = "zoe.quandt", "my-illness"
"""Of the person who is forgotten; and what only they have said."""


@pytest.fixture
def workspace(tmp_path: Path, state: StateServer | None, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """One that keeps its people in files, and one that keeps them at a server."""
    if state:
        monkeypatch.setenv("ASSISTANT_STATE__URL", state.url)
    return Workspace(tmp_path / "workspace", state=state)


def people_of(workspace: Workspace) -> People:
    return People(workspace.root / "users.json", CHEAP, workspace.state)


def kept_at(server: StateServer) -> str:
    """All that stands in the tables of a server."""
    with psycopg.connect(server.url) as connection:
        where = "table_schema NOT IN ('pg_catalog', 'information_schema')"
        tables = connection.execute(f"SELECT table_schema, table_name FROM information_schema.tables WHERE {where}")
        return "\n".join(
            str(row)
            for schema, table in tables.fetchall()
            for row in connection.execute(f"SELECT * FROM {schema}.{table}".encode())
        )


def said(question: str) -> TurnReply:
    return TurnReply("cars", None, answer(question=question))


def used(workspace: Workspace) -> dict[str, int]:
    """A workspace that a person has used, and others too. Their conversations by what they are."""
    people_of(workspace).add(NAME, "editor", PASSWORD)
    people_of(workspace).add("ben", "admin", PASSWORD)
    kept = Conversations(workspace.whole)
    feedback = FeedbackStore(workspace.whole)
    audit = AuditLog(workspace.root, 90, workspace.state)
    mine = kept.begin(NAME, SECRET)
    first = kept.add(NAME, mine, SECRET, [said(SECRET)])
    kept.add(NAME, mine, f"{SECRET}, again", [said(SECRET)], replaced=first.id)
    files = kept.new_files()
    make_file(files.root / "uploads" / FILES / "diagnosis.txt").write_text(SECRET)
    private = kept.attach(NAME, None, files, Scope(files=("diagnosis.txt",)))
    shared = kept.begin(NAME, "What is covered?")
    kept.add(NAME, shared, "What is covered?", [said("What is covered?")])
    kept.share(NAME, shared)
    link = next(one.shared for one in kept.listed(NAME) if one.shared)
    bens = kept.taken("ben", link)
    history = (Message("user", SECRET), Message("assistant", "Yes."))
    for wanted in ("accepted", "new"):
        judgement = Assessment("wrong", (), f"{SECRET} {NAME}" if wanted == "accepted" else SECRET, "We pay 95 euros.")
        number = feedback.add(NAME, "cars", answer(), VERSIONS, judgement, {}, history)
        if wanted == "accepted":
            feedback.accept(number, "ben")
    feedback.reject(feedback.add("ben", "cars", answer(), VERSIONS, Assessment("right"), {}, ()), NAME)
    feedback.add_vote(Vote(NAME, "cars", "?", "base", "house", "A.", "B.", "first", False))
    report = make_folder(workspace.root / "reports" / "one")
    for rater in (NAME, "ben"):
        add_rating(report, Rating("q", "base", "x", rater, "now", "right"))
    job = {"id": "1", "kind": "ingest", "about": "cars", "arguments": [], "user": NAME, "created": 1.0}
    make_file(workspace.root / "jobs" / "1" / "job.json").write_text(json.dumps(job))
    rights = RightsFile(workspace)
    rights.set("corpus", "cars", Access((NAME, "@claims"), (NAME,)))
    rights.set("report", "one", Access(("ben",)))
    audit.record(NAME, "upload", "cars")
    if workspace.state:
        SharedSessions(workspace.state, 10).begin(NAME, "stamp")
        rate_limit("questions", 5, state=workspace.state).wait(NAME)
    audit.record("ben", "users role", NAME, role="editor")
    return {"mine": mine, "private": private, "shared": shared, "bens": bens}


def of(workspace: Workspace, name: str = NAME) -> PersonalData:
    return PersonalData(workspace, people_of(workspace), AuditLog(workspace.root, 90, workspace.state), name)


def test_all_of_it_is_handed_out_and_nothing_of_others(workspace: Workspace, tmp_path: Path) -> None:
    there = used(workspace)
    kept = of(workspace).export(tmp_path / "zoe.zip")
    with zipfile.ZipFile(tmp_path / "zoe.zip") as archive:
        data = json.loads(archive.read("data.json"))
        (file,) = (name for name in archive.namelist() if name != "data.json")
        assert archive.read(file).decode() == SECRET and file.endswith("/diagnosis.txt")
    assert [one["id"] for one in data["conversations"]] == [there["mine"], there["private"], there["shared"]]
    assert len(data["conversations"][0]["turns"]) == 2, "with every version of a question"
    assert data["account"]["role"] == "editor" and "password" not in json.dumps(data["account"])
    assert [len(data[kind]) for kind in ("feedback", "votes", "ratings", "audit")] == [2, 1, 1, 1]
    assert (kept.conversations, kept.files, kept.feedback, kept.audit_lines) == (3, 1, 4, 1)
    assert '"ben"' not in json.dumps({**data, "feedback": []})


def test_who_is_forgotten_is_in_no_file_and_others_lose_nothing(workspace: Workspace) -> None:
    there = used(workspace)
    of(workspace).forget()
    for file in workspace.root.rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        assert NAME not in str(file) and NAME.encode() not in content and SECRET.encode() not in content, file
    told = kept_at(workspace.state) if workspace.state else "ben"
    assert NAME not in told and SECRET not in told and "ben" in told
    assert not list((workspace.root / "attached").glob("[!.]*"))
    kept = Conversations(workspace.whole)
    feedback = FeedbackStore(workspace.whole)
    assert [one.id for one in kept.listed("ben")] == [there["bens"]] and kept.turns("ben", there["bens"])
    assert sorted((one.state, one.user == "ben") for one in feedback.listed()) == [
        ("accepted", False),
        ("rejected", True),
    ]
    (accepted,) = feedback.listed(states=("accepted",))
    assert (
        accepted.wanted == "We pay 95 euros." and len({accepted.user, *(vote.user for vote in feedback.votes())}) == 1
    )
    assert len(read_ratings(workspace.root / "reports" / "one").given) == 2
    assert people_of(workspace).user("ben")
    entries = RightsFile(workspace).read().entries
    assert entries == {("corpus", "cars"): Access(("@claims",), ()), ("report", "one"): Access(("ben",))}


@pytest.mark.parametrize("arguments", [["export", "nobody", "x.zip"], ["forget", "nobody", "--yes"], ["forget", "ben"]])
def test_nobody_and_what_nobody_confirms_are_refused(
    workspace: Workspace, arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(make_folder(workspace.root))
    status, _, told = run(capsys, "users", *arguments, "--workspace", str(workspace.root))
    assert status == 2 and ("Nothing is kept" in told or "--yes" in told)
    assert not (workspace.root / "x.zip").exists()


def test_the_terminal_hands_out_and_forgets(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    used(workspace)
    place = ["--workspace", str(workspace.root)]
    assert run(capsys, "users", "export", NAME, str(tmp_path / "zoe.zip"), *place)[:2] == (
        0, f"3 conversations, 1 file, 1 audit line and 4 of feedback of '{NAME}' are in {tmp_path / 'zoe.zip'}.\n",
    )  # fmt: skip
    assert run(capsys, "users", "forget", NAME, "--yes", *place)[0] == 0
    assert [line.action for line in AuditLog(workspace.root, 90, workspace.state).lines()][-1] == "users forget"
    assert workspace.state or NAME.encode() not in (workspace.root / "audit.sqlite").read_bytes()


def test_conversations_go_when_they_have_come_of_age(workspace: Workspace, clock: Clock) -> None:
    there = used(workspace)
    for days in (0, 12 * 365, 12 * 365 + 0.5, 0):
        clock.days = days
        assert drop_old(workspace, 0) == drop_old(workspace, 30) == 0, "a clock that jumps deletes nothing"
    with Conversations(workspace.whole).database.opened() as database:
        database.execute(
            "UPDATE conversations SET updated = '2020-01-01T00:00:00+00:00' WHERE id != ?", (there["mine"],)
        )
    assert drop_old(workspace, 30) == 0
    clock.days = 1
    assert drop_old(workspace, 30) == 3
    assert [one.id for one in Conversations(workspace.whole).listed(NAME)] == [there["mine"]]
    assert not list((workspace.root / "attached").glob("[!.]*")), "with their files"
    with pytest.raises(UsageError):
        Conversations(workspace.whole).turns("ben", there["bens"])
