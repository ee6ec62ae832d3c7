"""The page of documents shows what the assistant has read, and lets in only what it should."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from fakes import FakeEmbedder, ScriptedEngine
from serving import ANSWER, HAIL, PETS, make_corpora, service_of
from signing import make_people
from working import ADMIN, EDITOR, EXPERT, ROLES, as_, choosing, run_instead, started

from assistant.artifacts.command_reports import IngestReport
from assistant.config import Settings
from assistant.errors import UsageError
from assistant.text.languages import Language
from assistant.work.progress import Progress
from assistant.workspace import Workspace
from ingest.pipeline import ingest
from ui.context import AppContext, make_context
from ui.jobs import printed
from ui.pages.documents import DocumentsActions
from ui.pages.documents.view import (
    documents_of,
    list_html,
    live_html,
    matching,
    outcome_html,
    preview,
    preview_html,
)

SCRIPT = "<img src=x onerror=alert(1)>"


@pytest.fixture
def context(workspace: Workspace, tmp_path: Path) -> AppContext:
    """The app over two documents, with an expert, an editor and an admin."""
    make_corpora(workspace, tmp_path, {"cars": {"hail.md": HAIL, "pets.md": PETS}})
    make_people(workspace.root, **ROLES)
    service = service_of(workspace, ScriptedEngine(ANSWER))
    return make_context(workspace, service.settings, (), service)


@pytest.fixture
def actions(context: AppContext, monkeypatch: pytest.MonkeyPatch) -> DocumentsActions:
    """What the page does; the jobs it starts do nothing."""
    run_instead(monkeypatch)
    return DocumentsActions(context)


def key_of(context: AppContext, path: str) -> str:
    return next(row.key for row in documents_of(context.workspace, "cars") if row.path == path)


def test_documents_are_found_by_words_of_name_title_and_failure(context: AppContext, tmp_path: Path) -> None:
    (tmp_path / "cars" / "broken.pdf").write_bytes(b"%PDF-")
    settings = Settings.model_validate({"ingest": {"workers": 1}})
    ingest(context.workspace, "cars", [tmp_path / "cars"], settings, embedder=FakeEmbedder())
    rows = documents_of(context.workspace, "cars")
    assert [row.path for row in rows] == ["broken.pdf", "hail.md", "pets.md"]
    assert [bool(row.failure) for row in rows] == [True, False, False]
    assert [row.path for row in matching(rows, "HAIL en")] == ["hail.md"]
    assert [row.path for row in matching(rows, "damaged")] == ["broken.pdf"]
    assert matching(rows, "hail pets") == []
    assert documents_of(context.workspace, "nothing") == documents_of(context.workspace, "../cars") == []


def test_a_preview_is_what_the_assistant_reads(context: AppContext) -> None:
    shown = preview(context.workspace, "cars", key_of(context, "hail.md"))
    assert HAIL in " ".join(passage.text for passage in shown.passages)
    assert PETS not in " ".join(passage.text for passage in shown.passages)
    html = preview_html(context, "cars", shown)
    assert HAIL in html and "Hail" in html


@pytest.mark.parametrize("key", ["", "0" * 16, "../hail.md", "/etc/passwd", "{}", "1 OR 1=1"])
def test_only_documents_of_the_corpus_can_be_opened(actions: DocumentsActions, key: object) -> None:
    with pytest.raises(gr.Error, match="not in the corpus"):
        actions.open(choosing(f"cars/{key}"), as_(EDITOR))


def test_a_document_is_opened_by_its_address_whichever_corpus_is_listed(actions: DocumentsActions) -> None:
    key = key_of(actions.context, "hail.md")
    assert f'data-choice="cars/{key}"' in actions.listed("cars", "hail", as_(EDITOR))[1]
    shown, *_, corpus = actions.open(choosing(f"cars/{key}"), as_(EDITOR))
    assert HAIL in shown and corpus == "cars", "and its corpus is listed then"
    for choice in (key, f"nothing/{key}", f"../cars/{key}", "cars/", "/"):
        with pytest.raises(gr.Error, match="not in the corpus"):
            actions.open(choosing(choice), as_(EDITOR))


def test_names_titles_and_failures_of_strangers_stay_text(context: AppContext) -> None:
    output = (
        '{"corpus": "%s", "dry_run": false, "documents": 1, "chunks": 1, "seconds": 1, "passed_over": {"%s": 2},'
        ' "files": [{"path": "%s", "status": "failed", "message": "%s"}]}' % ((SCRIPT,) * 4)
    )
    outcome = printed(output, IngestReport)
    assert outcome is not None
    live = live_html(context, [Progress("Reading", item=SCRIPT, remark=SCRIPT)])
    for html in (outcome_html(context, outcome), live, preview_html(context, "cars", named(context, SCRIPT))):
        assert "<img" not in html and "&lt;img" in html


def named(context: AppContext, name: str) -> Any:
    """A preview whose names, headings and texts are ``name``."""

    shown = preview(context.workspace, "cars", key_of(context, "hail.md"))
    row = replace(shown.row, path=name, location=Path(name), failure=name)
    assert row.summary is not None
    summary = replace(row.summary, title=name, language=name, date=name, warnings=(name,))
    passages = tuple(replace(passage, heading=name, text=name) for passage in shown.passages)
    return replace(shown, row=replace(row, summary=summary), passages=passages)


@pytest.mark.parametrize("output", ["", "{}", "Error", '{"corpus": 1}', "[]"])
def test_what_is_no_report_is_not_shown_as_one(output: str) -> None:
    assert printed(output, IngestReport) is None


@pytest.mark.parametrize(
    "act",
    [
        lambda actions, who: actions.upload("cars", ["/tmp/x"], who),
        lambda actions, who: actions.read_folder("cars", "/etc", who),
        lambda actions, who: actions.look("cars", True, who),
        lambda actions, who: actions.rebuild("cars", True, who),
        lambda actions, who: actions.again("cars", key_of(actions.context, "hail.md"), who),
        lambda actions, who: actions.open(choosing(f"cars/{key_of(actions.context, 'hail.md')}"), who),
        lambda actions, who: actions.ask_to_forget("cars", key_of(actions.context, "hail.md"), who),
        lambda actions, who: actions.forget("cars", key_of(actions.context, "hail.md"), who),
    ],
)
def test_experts_and_strangers_change_and_see_nothing(
    actions: DocumentsActions, act: Callable[[DocumentsActions, Any], Any]
) -> None:
    for name in (EXPERT, "nobody", ""):
        with pytest.raises(gr.Error):
            act(actions, as_(name))
    assert actions.context.jobs.all() == []
    assert actions.listed("cars", "", as_(EXPERT)) == ["", ""]


def test_only_an_admin_names_a_folder_of_the_server(actions: DocumentsActions) -> None:
    with pytest.raises(gr.Error, match="admin"):
        actions.read_folder("cars", "/etc", as_(EDITOR))
    actions.read_folder("cars", " /srv/documents ", as_(ADMIN))
    assert started(actions.context)[-2:] == ("--", "/srv/documents")


@pytest.mark.parametrize("folder", ["--rebuild", "--yes", "-h"])
def test_a_folder_cannot_pose_as_an_option(actions: DocumentsActions, folder: str) -> None:
    actions.read_folder("cars", folder, as_(ADMIN))
    arguments = started(actions.context)
    assert arguments[arguments.index("--") + 1 :] == (folder,)


@pytest.mark.parametrize("corpus", ["", "../x", "--rebuild", "a/b", ".hidden"])
def test_a_corpus_cannot_pose_as_a_path_or_an_option(actions: DocumentsActions, corpus: str) -> None:
    with pytest.raises(gr.Error, match="not a name"):
        actions.look(corpus, False, as_(EDITOR))
    assert actions.context.jobs.all() == []


@pytest.mark.parametrize("name", ["null", "nowhere"])
def test_nothing_is_begun_over_a_corpus_that_there_is_not(actions: DocumentsActions, name: str) -> None:
    for act in (actions.look, actions.rebuild):
        with pytest.raises(gr.Error, match="no corpus"):
            act(name, False, as_(EDITOR))
    assert actions.context.jobs.all() == []


def test_an_upload_is_kept_in_the_workspace_and_read(actions: DocumentsActions, tmp_path: Path) -> None:
    sent = tmp_path / "new.md"
    sent.write_text("# New\n\nStorms are covered.\n", encoding="utf-8")
    actions.context.arrivals.note(str(sent), EDITOR)
    actions.upload("cars", [str(sent)], as_(EDITOR))
    folder = actions.context.workspace.root / "uploads" / "cars"
    assert [file.name for file in folder.iterdir()] == ["new.md"]
    assert started(actions.context)[-1] == str(folder)


def test_a_file_that_someone_else_has_sent_is_not_read(actions: DocumentsActions, tmp_path: Path) -> None:
    sent = tmp_path / "new.md"
    sent.write_text("# New\n", encoding="utf-8")
    actions.context.arrivals.note(str(sent), ADMIN)
    with pytest.raises(gr.Error, match="someone else"):
        actions.upload("cars", [str(sent)], as_(EDITOR))
    assert actions.context.jobs.all() == []


def test_forgetting_deletes_uploads_and_leaves_the_servers_files(actions: DocumentsActions, tmp_path: Path) -> None:
    context, settings = actions.context, Settings.model_validate({"ingest": {"workers": 1}})
    own = context.workspace.root / "uploads" / "cars" / "own.md"
    own.parent.mkdir(parents=True)
    own.write_text("# Own\n\nStorms are covered.\n", encoding="utf-8")
    ingest(context.workspace, "cars", [own.parent], settings, embedder=FakeEmbedder())
    actions.forget("cars", key_of(context, "own.md"), as_(EDITOR))
    assert started(context)[-2:] == ("--", str(own)) and not own.exists()
    actions.forget("cars", key_of(context, "hail.md"), as_(EDITOR))
    assert started(context) == ("forget", "--json", "--yes", "--corpus=cars", "--", str(tmp_path / "cars"))
    assert (tmp_path / "cars" / "hail.md").exists()


def test_nothing_is_deleted_while_documents_are_read(context: AppContext, monkeypatch: pytest.MonkeyPatch) -> None:
    run_instead(monkeypatch, "import time; time.sleep(600)")
    actions = DocumentsActions(context)
    own = context.workspace.root / "uploads" / "cars" / "own.md"
    own.parent.mkdir(parents=True)
    own.write_text("# Own\n\nStorms are covered.\n", encoding="utf-8")
    settings = Settings.model_validate({"ingest": {"workers": 1}})
    ingest(context.workspace, "cars", [own.parent], settings, embedder=FakeEmbedder())
    actions.look("cars", False, as_(EDITOR))
    with pytest.raises(gr.Error, match="under way"):
        actions.forget("cars", key_of(context, "own.md"), as_(EDITOR))
    assert own.exists()
    while (status := context.jobs.newest()) and status.is_under_way:
        context.jobs.stop(status.job.id)
        time.sleep(0.05)


def test_a_corpus_that_was_made_meanwhile_can_be_chosen(actions: DocumentsActions, tmp_path: Path) -> None:
    make_corpora(actions.context.workspace, tmp_path, {"storms": {"storm.md": "Storms are covered."}})
    shown = [actions.corpora(chosen, as_(EDITOR)) for chosen in (None, "default", "storms", "a-new-one")]
    assert all([name for name, _ in one.choices] == ["cars", "storms"] for one in shown)
    assert [one.value for one in shown] == ["cars", "cars", "storms", "a-new-one"], (
        "what stands there before is nobody's"
    )
    assert "choices" not in actions.corpora("cars", as_(EXPERT))


def test_an_empty_field_is_told(actions: DocumentsActions) -> None:
    with pytest.raises(gr.Error, match="folder"):
        actions.read_folder("cars", None, as_(ADMIN))


def test_a_document_that_is_gone_is_told(context: AppContext) -> None:
    with pytest.raises(UsageError, match="not in the corpus any more"):
        preview(context.workspace, "cars", "0" * 16)


@pytest.mark.parametrize(
    ("language", "facts"),
    [("en", "hail.md · EN · 01 Nov 2026 · 1 page"), ("de", "hail.md · EN · 01.11.2026 · 1 Seite")],
)
def test_a_day_and_a_single_page_are_told_as_people_write_them(
    context: AppContext, language: Language, facts: str
) -> None:
    row = documents_of(context.workspace, "cars")[0]
    assert row.summary is not None
    told = replace(row, summary=replace(row.summary, date="2026-11-01", pages=1))
    assert f"{facts} · 1 " in list_html(context.in_language(language), "cars", [told])
