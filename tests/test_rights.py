"""What is in a workspace is its owner's alone, whoever wrote it and whatever the umask says."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import run
from fakes import FakeEmbedder, ScriptedEngine
from opinions import answer, say
from serving import HAIL, PETS, make_corpora, service_of
from signing import client_of, make_people, sign_in, small_app, upload
from tiny import tiny_model
from working import ended

from assistant.artifacts.evaluations import Rating, add_rating
from assistant.config import Settings
from assistant.doctor import CHECKS, examine
from assistant.feedback.database import Assessment, FeedbackStore
from assistant.feedback.lessons import cases_file, pairs_file
from assistant.store.catalog import Catalog
from assistant.workspace import Workspace, close_to_others, make_file, make_folder, replaced_atomically
from ui.context import make_context
from ui.people import LOCAL
from ui.turns import TurnReply
from ui.uploads import stored

pytestmark = pytest.mark.skipif(os.name == "nt", reason="has no such rights")
OTHERS = stat.S_IRWXG | stat.S_IRWXO


@pytest.fixture(autouse=True)
def no_umask() -> Iterator[None]:
    """Nothing is taken from the rights that are asked for."""
    before = os.umask(0)
    yield
    os.umask(before)


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def open_to_others(root: Path) -> list[str]:
    """What of a folder others may look into, with its rights."""
    found = (root, *root.rglob("*"))
    return [f"{path.relative_to(root)} {rights(path):o}" for path in found if rights(path) & OTHERS]


@pytest.mark.slow
def test_the_commands_leave_nothing_open(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace, docs, base = tmp_path / "workspace", tmp_path / "docs", tiny_model(tmp_path / "base")
    docs.mkdir()
    for number, text in enumerate((HAIL, PETS, HAIL.replace("hail", "fire"), PETS.replace("Dogs", "Cats"))):
        (docs / f"terms-{number}.md").write_text(
            f"# Terms {number}\n\n## What is insured?\n\n{text}\n", encoding="utf-8"
        )
    make_folder(workspace / "exports")  # as the app does
    cases = tmp_path / "cases.jsonl"
    cases.write_text(json.dumps({"id": "1", "question": "What is paid?", "answers": ["150 euros"]}) + "\n")
    for command in (
        ["ingest", str(docs), "--set", "ingest.workers=1"],
        ["pairs", "--set", "pairs.round_trip=0", "--set", "pairs.validation=0"],
        ["train", "name=house", "max_steps=1", "tone_epochs=0", "batch=1"],
        ["ask", "What is the deductible for hail damage?"],
        ["eval", str(cases), "--systems", "base,house+rag"],
        ["adapters", "export", "house", "--to", str(workspace / "exports" / "house"), "--format", "hub"],
        ["config", "set", "retrieval.k=5"],
        ["users", "add", "ana", "--no-password"],
        ["tokens", "create", "crm"],
    ):
        own = (
            []
            if command[0] in {"config", "users", "tokens"}
            else ["--set", f"engine.model={base}", "--set", "device.name=cpu"]
        )
        status, _, told = run(capsys, *command, *own, "--workspace", str(workspace))
        assert status == 0, (command, told)
    made = {path.relative_to(workspace).parts[0] for path in workspace.iterdir()}
    assert made >= {
        "corpora",
        "pairs",
        "adapters",
        "cache",
        "reports",
        "exports",
        "config.yaml",
        "users.json",
        "tokens.json",
    }
    assert open_to_others(workspace) == []


def test_the_app_leaves_nothing_open(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    make_corpora(workspace, tmp_path, {"cars": {"hail.md": HAIL}})
    service = service_of(workspace, ScriptedEngine(""))
    context = make_context(workspace, service.settings, (), service)
    conversation = context.conversations.begin("ana", "What is paid?")
    context.conversations.add("ana", conversation, "What is paid?", [TurnReply("cars", None, answer())])
    number = say(workspace.root, Assessment("right"))
    FeedbackStore(workspace).accept(number, "eve")
    catalog = Catalog(workspace.corpus("cars"))
    for write in (pairs_file, cases_file):
        write(workspace, catalog)
    context.jobs.start("doctor", "", ["config", "show"], "ana")
    assert ended(context).state == "done"
    app = small_app(workspace, make_people(workspace.root, eve="editor"))
    with client_of(app) as client:
        sign_in(client, "eve")
        (sent,) = upload(client, [("new.md", b"# New\n")]).json()
    context.arrivals.note(sent, LOCAL.name)
    assert stored([sent], workspace, "cars", LOCAL, context.arrivals, context.settings.ui).files
    add_rating(make_folder(workspace.root / "reports" / "one"), Rating("q", "base", "x", "ana", "now", "right"))
    assert open_to_others(workspace.root) == []
    catalog.close()
    service.close()


def test_what_is_written_elsewhere_has_the_rights_that_others_have_there(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    os.umask(0o022)
    with replaced_atomically(tmp_path / "cases.jsonl") as beside:
        beside.write_text("{}")
    assert rights(tmp_path / "cases.jsonl") == 0o644


def test_a_folder_that_a_group_shares_stays_the_groups(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o2770)
    os.umask(0o007)
    file = make_file(shared / "corpora" / "cars" / "catalog.sqlite")
    assert rights(shared / "corpora" / "cars") & 0o777 == 0o770 and rights(file) == 0o660
    with replaced_atomically(file) as beside:
        beside.write_text("")
    assert rights(file) == 0o660


def test_rights_are_taken_and_never_given(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    file = tmp_path / "users.json"
    file.touch(0o600)
    close_to_others(file)
    assert rights(file) == 0o600


@pytest.mark.parametrize(
    ("mode", "is_told"), [(0o700, False), (0o755, True), (0o750, True), (0o2770, False), (0o2775, True)]
)
def test_doctor_tells_of_a_workspace_that_others_may_look_into(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, mode: int, is_told: bool
) -> None:
    monkeypatch.setattr("assistant.doctor.Embedder", lambda *_: FakeEmbedder())
    for check in ("device", "engine", "embedder"):
        monkeypatch.delitem(CHECKS, check)
    make_folder(workspace.root).chmod(mode)
    told = [finding for finding in examine(workspace, Settings()) if finding.name == "workspace rights"]
    assert [finding.remedy for finding in told] == [f"Run: chmod -R go= {workspace.root}"] * is_told
