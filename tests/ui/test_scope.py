"""Which documents are asked: what a person chooses, what of it holds, and what no form of ours can send."""

import re
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from apps import app_context
from browser import Visits, serving
from fakes import FakeEmbedder
from playwright.sync_api import Page, expect
from serving import ANSWER, HAIL, PETS, EchoEngine, LoadedEngine, make_corpora
from signing import in_a_loop, make_people
from working import as_

from assistant.config import Settings
from assistant.errors import UsageError
from assistant.service import ServedModel
from assistant.types import Filter
from assistant.workspace import Workspace
from ingest.pipeline import ingest
from ui.app import create_app
from ui.context import AppContext
from ui.conversations import Conversations
from ui.pages.chat import Chat
from ui.pages.chat.asking import Asking, Question, questions_of
from ui.pages.chat.parts import Parts, lay_out
from ui.pages.chat.view import scope_html
from ui.scope import EVERYTHING, Scope, kept, offered, scope_of, standing, written

OLD = "---\ntitle: Rates\ndate: 2019-03-01\n---\n\n# Rates\n\nThen the deductible for hail damage was 90 euros.\n"


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> AppContext:
    folder = tmp_path_factory.mktemp("scope")
    workspace = Workspace(folder / "workspace")
    make_corpora(workspace, folder, {"cars": {"hail.md": HAIL}, "pets": {"pets.md": PETS}})
    (folder / "pets" / "old [1]").mkdir()
    (folder / "pets" / "old [1]" / "rates.md").write_text(OLD, encoding="utf-8")
    settings = Settings.model_validate({"ingest": {"workers": 1}})
    ingest(workspace, "pets", [folder / "pets"], settings, embedder=FakeEmbedder())
    make_people(workspace.root, ana="expert", ben="expert")
    return app_context(workspace, LoadedEngine(ANSWER), {"answer": {"caution": 0}})


@pytest.fixture(scope="module")
def chat(context: AppContext) -> Chat:
    def laid_out() -> Parts:
        with gr.Blocks(analytics_enabled=False):
            return lay_out(context)

    return Chat(context, in_a_loop(laid_out), Asking(context))


CORPORA = ("cars", "pets")


def test_a_form_becomes_a_filter_over_collections(context: AppContext) -> None:
    sent = {"corpora": ["cars", "pets"], "folder": ["old [1]"], "language": ["en"], "since": ["2019-01-01"], "x": 1}
    scope = scope_of(sent, context.workspace, CORPORA)
    assert scope == Scope(CORPORA, "old [1]", "en", "2019-01-01")
    assert scope.only == Filter(folder="old [[]1]/*", metadata={"language": "en"}, since="2019-01-01")
    assert [hit.document for hit in context.service.search("pets", "hail", 10, scope.only)] == ["old [1]/rates.md"]
    assert kept(written(scope)) == scope
    assert offered(context.workspace, scope, CORPORA).count == 1


def test_the_documents_of_a_collection_that_was_made_again_are_offered(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    make_corpora(workspace, tmp_path / "before", {"cars": {"hail.md": HAIL}})
    assert offered(workspace, Scope(("cars",)), ("cars",)).documents == (("hail.md", "Hail"),)
    assert {document for _, document, _ in questions_of(workspace, "cars")} <= {"hail.md"}
    workspace.corpus("cars").rename(tmp_path / "old")
    make_corpora(workspace, tmp_path / "after", {"cars": {"pets.md": f"## Are dogs insured?\n\n{PETS}"}})
    assert offered(workspace, Scope(("cars",)), ("cars",)).documents == (("pets.md", "Pets"),)
    assert {document for _, document, _ in questions_of(workspace, "cars")} == {"pets.md"}


def test_a_collection_that_cannot_be_read_hides_no_other_one(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    make_corpora(workspace, tmp_path, {"cars": {"hail.md": HAIL}})
    workspace.corpus("bad").mkdir()
    (workspace.corpus("bad") / "catalog.sqlite").write_bytes(b"no database" * 100)
    found = offered(workspace, Scope(("bad", "cars")), ("bad", "cars"))
    assert found.corpora == ("bad", "cars") and found.documents == (("hail.md", "Hail"),)


def test_each_part_is_taken_away_by_itself() -> None:
    scope = Scope(CORPORA, "old", "en", "2019-01-01", "2020-01-01", ("a.md", "b.md"))
    assert len(scope.narrowings) == 8
    for part, value in scope.narrowings:
        assert (part, value) not in scope.without(part, value).narrowings
    assert scope.without("documents", "a.md").documents == ("b.md",)
    assert scope.without("corpora", "x") == scope.without("__class__", "") == scope


@pytest.mark.parametrize(
    "data",
    [
        {"corpora": ["houses"]},
        {"corpora": ["../cars"]},
        {"corpora": ["cars\0"]},
        {"folder": ["nowhere"], "corpora": ["pets"]},
        {"folder": ["old*"], "corpora": ["pets"]},
        {"folder": ["../pets"], "corpora": ["pets"]},
        {"language": ["en' OR 1=1 --"]},
        {"documents": ["/etc/passwd"]},
        {"documents": ["rates.md"], "corpora": ["cars"]},
        {"documents": ["\ud800"]},
        {"since": ["2019"]},
        {"since": ["2019-02-31"]},
        {"until": ["<b>"]},
        {"since": ["2031-01-01"], "corpora": ["pets"]},
    ],
)
def test_what_there_is_not_cannot_be_asked(context: AppContext, data: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        scope_of(data, context.workspace, CORPORA)


@pytest.mark.parametrize("data", [{}, {"corpora": None}, {"corpora": {"a": 1}}, {"folder": [[1]]}, {"documents": 7}])
def test_what_is_no_form_narrows_nothing(context: AppContext, data: dict[str, Any]) -> None:
    assert scope_of(data, context.workspace, CORPORA) == Scope(("cars",))


def test_a_collection_that_is_gone_gives_way_to_one_that_is_there() -> None:
    assert standing(Scope(("gone", "pets"), "old"), CORPORA) == Scope(("pets",))
    assert standing(Scope(("gone",), "old"), CORPORA) == Scope(("cars",))
    assert standing(EVERYTHING, ()) == EVERYTHING
    assert kept("{") == kept('{"corpora": 1}') == kept("") == EVERYTHING


def test_a_scope_is_kept_with_its_conversation_and_for_its_owner_alone(context: AppContext, chat: Chat) -> None:
    ours = context.conversations.begin("ana", "Hail?", Scope(("pets",), "old [1]"))
    assert context.conversations.scope("ana", ours) == Scope(("pets",), "old [1]")
    event = gr.EventData(None, {"corpora": CORPORA})
    changes = chat.narrow(ours, event, as_("ana"))
    assert changes[chat.parts.scope] == context.conversations.scope("ana", ours) == Scope(CORPORA)
    for attack in (
        lambda: chat.narrow(ours, event, as_("ben")),
        lambda: chat.widen(Scope(CORPORA), ours, event, as_("ben")),
        lambda: context.conversations.scope("ben", ours),
    ):
        with pytest.raises(UsageError, match="not there any more"):
            attack()
    with pytest.raises(gr.Error):
        chat.narrow(ours, event, as_(""))
    assert context.conversations.scope("ana", ours) == Scope(CORPORA)


def test_conversations_of_an_older_version_are_kept(tmp_path: Path) -> None:
    import sqlite3

    from ui.conversations import _MIGRATIONS, FILE

    with sqlite3.connect(tmp_path / FILE) as database:
        database.executescript(_MIGRATIONS[0])
        database.execute(
            "INSERT INTO conversations (user, title, updated) VALUES ('ana', 'Old', '2026-01-01T00:00+00:00')"
        )
        database.execute("PRAGMA user_version = 1")
    database.close()
    (old,) = Conversations(Workspace(tmp_path)).listed("ana")
    assert old.title == "Old" and Conversations(Workspace(tmp_path)).scope("ana", old.id) == EVERYTHING


def test_a_filter_is_for_its_collections_and_what_is_compared_with_is_asked_as_a_whole() -> None:
    one, other = ServedModel("cars"), ServedModel("pets", "house")
    scope = Scope(("cars",), "old")
    question = Question("ana", "Hail?", (one, other), scope=scope)
    assert question.asked(one, ()).only == scope.only and question.asked(one, ()).also == ()
    assert question.asked(other, ()).only is None and not question.asked(one, ()).checked
    assert Question("ana", "Hail?", (one,), scope=Scope(CORPORA)).asked(one, ()).also == ("pets",)


def test_names_of_documents_and_folders_are_only_shown(context: AppContext) -> None:
    nasty = "<img src=x onerror=alert(1)>\"'"
    scope = Scope((nasty, "b"), nasty, nasty, documents=(nasty,))
    found = offered(context.workspace, EVERYTHING, (nasty, "b"))
    assert "<img" not in scope_html(scope, found, context.text)


def ask(page: Page, question: str) -> None:
    box = page.get_by_role("textbox", name="Your question")
    box.fill(question)
    box.press("Enter")
    expect(page.locator("#chat-now .actions")).to_be_visible()


@pytest.mark.slow
def test_collections_and_filters_are_chosen_beside_the_question(tmp_path: Path, visit: Visits) -> None:
    workspace = Workspace(tmp_path / "workspace")
    make_corpora(workspace, tmp_path, {"cars": {"hail.md": HAIL}, "pets": {"pets.md": PETS, "hail.md": HAIL}})
    app = create_app(app_context(workspace, EchoEngine(), {"answer": {"caution": 0, "unsupported": "show"}}))
    with serving(app) as address:
        page = visit(address, width=390, height=844).open()
        page.locator(".scope summary").click()
        page.get_by_role("checkbox", name="pets").check()
        page.get_by_role("button", name="Ask these").click()
        chips = page.locator(".scope .chip")
        expect(chips).to_have_count(2)
        expect(page.locator(".scope summary")).to_contain_text("2 collections · 3 documents")
        ask(page, "Are dogs of the household insured?")
        expect(page.locator("#chat-now .asked-of")).to_contain_text("cars · pets")
        page.locator("#chat-now .mark").first.click()
        expect(page.locator("#source .found")).to_contain_text("Dogs of the household")
        page.get_by_role("button", name="Ask this document alone").click()
        expect(chips).to_have_count(1)
        expect(chips).to_have_text(re.compile("pets.md"))
        page.reload()
        expect(page.locator("#chat-now .question")).to_be_visible()
        expect(chips).to_have_text(re.compile("pets.md"))
        page.get_by_role("button", name="Do not narrow by: pets.md").click()
        expect(chips).to_have_count(0)
        expect(page.locator(".scope summary")).to_contain_text("pets · 2 documents")
        page.close()
