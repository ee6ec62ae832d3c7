"""Files that are brought into the chat: asked alone, by their own person alone, and gone with their conversation."""

import asyncio
import re
import shutil
import threading
from collections.abc import Coroutine
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from apps import app_context
from browser import Visits, serving
from fakes import FakeEmbedder
from fastapi import FastAPI
from playwright.sync_api import expect
from serving import HAIL, PETS, EchoEngine, make_corpora
from signing import client_of, in_a_loop, make_people, sign_in
from working import as_, run_instead

from assistant.artifacts.command_reports import IngestReport
from assistant.cli.ingest import ingest_command
from assistant.config import IngestSettings, Origin, Settings
from assistant.errors import UsageError
from assistant.service import ServedModel, open_corpus
from assistant.store.catalog import CATALOG_FILE
from assistant.workspace import Workspace
from ingest.pipeline import ingest
from ui.access import guard
from ui.app import create_app
from ui.context import AppContext
from ui.conversations import FILES, Conversations, corpus_of
from ui.jobs import Jobs, variables_of
from ui.pages.chat import Chat
from ui.pages.chat.asking import Asking
from ui.pages.chat.parts import BASE, Parts, lay_out
from ui.people import LOCAL, User
from ui.scope import EVERYTHING, Scope
from ui.sources.library import CitedSpan
from ui.sources.pdfpages import PdfPages
from ui.sources.view import add_source_routes
from ui.uploads import ReadingPlaces

_INGESTED = Chat._ingested
SECRET = "The plumber asked for 240 euros. The leak was under the sink."
QUESTION = "What did the plumber ask for?"


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    context = app_context(Workspace(tmp_path_factory.mktemp("parts")), EchoEngine())

    def laid_out() -> Parts:
        with gr.Blocks(analytics_enabled=False):
            return lay_out(context)

    return in_a_loop(laid_out)


@pytest.fixture
def context(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppContext:
    make_corpora(workspace, tmp_path, {"cars": {"hail.md": HAIL}})
    make_people(workspace.root, ana="expert", ben="expert", eve="editor")

    def read(_: Chat, files: Workspace, folder: Path, *__: object) -> IngestReport:
        settings = Settings.model_validate({"ingest": {"workers": 1, "calibrate": False}})
        return ingest(files, FILES, [folder], settings, confirmed=True, embedder=FakeEmbedder())

    monkeypatch.setattr(Chat, "_ingested", read)
    return app_context(workspace, EchoEngine(), {"answer": {"caution": 0, "unsupported": "show"}})


@pytest.fixture
def page(context: AppContext, parts: Parts) -> "Page":
    return Page(context, parts)


class Page:
    """A page of the chat, of whoever clicks on it."""

    def __init__(self, context: AppContext, parts: Parts) -> None:
        self.context, self.parts = context, parts
        self.chat = Chat(context, parts, Asking(context))

    def bring(
        self, user: str, files: dict[str, bytes], conversation: int | None = None, scope: Scope = EVERYTHING
    ) -> dict[Any, Any]:
        """All that changes on the page when ``user`` brings some files."""
        paths = self.arrived(user, files)
        return asyncio.run(self._all(self.chat.attach(paths, conversation, scope, "", as_(user))))

    def arrived(self, user: str, files: dict[str, bytes]) -> list[str]:
        """Where files are that ``user`` has sent."""
        arriving = self.context.workspace.root / "uploads" / ".arriving"
        arriving.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (arriving / name).write_bytes(content)
            self.context.arrivals.note(str(arriving / name), user)
        return [str(arriving / name) for name in files]

    def ask(self, user: str, conversation: int | None, scope: Scope, question: str = QUESTION) -> dict[Any, Any]:
        """All that changes on the page when ``user`` asks."""
        asked = self.chat.ask(question, conversation, None, scope, BASE, False, "", False, as_(user))
        return asyncio.run(self._all(asked))

    @staticmethod
    async def _all(changes: Any) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        async with aclosing(changes) as every:
            async for some in every:
                found |= some
        return found

    def brought(self, user: str = "ana") -> tuple[int, Scope]:
        """A conversation that asks a file, and its scope."""
        changes = self.bring(user, {"note.md": f"# Note\n\n{SECRET}\n".encode()})
        return changes[self.parts.conversation], changes[self.parts.scope]


def test_a_file_is_asked_alone_until_it_is_taken_away(page: Page) -> None:
    conversation, scope = page.brought()
    kept = page.context.conversations
    assert not list((page.context.workspace.root / "uploads" / ".arriving").iterdir()), "it is kept once"
    assert scope == Scope(("cars",), files=("note.md",)) and kept.title("ana", conversation) == "note.md"
    page.ask("ana", conversation, scope)
    page.ask("ana", conversation, scope, "What is the deductible for hail damage?")
    event = gr.EventData(None, {"part": "files", "value": "note.md"})
    scope = page.chat.widen(scope, conversation, event, as_("ana"))[page.parts.scope]
    assert scope == Scope(("cars",))
    page.ask("ana", conversation, scope, "What is the deductible for hail damage?")
    of_file, beside, of_cars = (turn.standing for turn in kept.turns("ana", conversation))
    assert {hit.document for hit in (*of_file.answer.hits, *beside.answer.hits)} == {"note.md"}
    assert of_file.corpus == corpus_of(conversation) and of_file.asked_of == "note.md"
    assert {hit.document for hit in of_cars.answer.hits} == {"hail.md"} and of_cars.corpus == "cars"
    (cited,) = of_file.answer.sentences[0].citations
    span = CitedSpan(of_file.corpus, cited.document, cited.start, cited.end, cited.quote)
    assert page.context.library.passage(span, "ana").document.path == "note.md"
    only = gr.EventData(None, {"corpus": of_file.corpus, "document": "note.md"})
    assert page.chat.ask_only(conversation, only, as_("ana"))[page.parts.scope].files == ("note.md",)


def test_a_file_is_open_to_its_own_person_alone(page: Page) -> None:
    conversation, scope = page.brought()
    page.ask("ana", conversation, scope)
    context, corpus = page.context, corpus_of(conversation)
    (turn,) = context.conversations.turns("ana", conversation)
    (cited,) = turn.standing.answer.sentences[0].citations
    span = CitedSpan(corpus, cited.document, cited.start, cited.end, cited.quote)
    folder = context.conversations.files("ana", conversation)
    assert folder is not None
    names = (corpus, FILES, folder.root.name, f"../attached/{folder.root.name}/corpora/{FILES}")
    assert context.workspace.corpus_names() == ("cars",)
    assert {model.corpus for model in context.service.models()} == {"cars"}
    for name in names:
        with pytest.raises(UsageError):
            context.service.model(name)
        with pytest.raises(UsageError):
            context.service.search(name, QUESTION)
        with pytest.raises(UsageError):
            open_corpus(context.workspace, name)
    for name in (*names, "@", "@-1", "@²", "@" + "9" * 40, f"@0{conversation}x"):
        with pytest.raises(UsageError):
            context.library.passage(CitedSpan(name, span.document, span.start, span.end, span.quote), "ben")
        with pytest.raises(UsageError):
            page.chat.ask_only(conversation, gr.EventData(None, {"corpus": name, "document": "note.md"}), as_("ben"))
    own, _ = page.brought("ben")
    for theirs in (conversation, None, own):
        said = str(page.ask("ben", theirs, Scope(files=("note.md", "secret.md"))))
        assert "asked for 240" not in said or theirs == own
    with pytest.raises(UsageError, match="not there any more"):
        page.chat.collect(scope, conversation, gr.EventData(None, {"corpus": "cars"}), as_("eve"))


def test_the_pages_and_the_file_are_sent_to_its_own_person_alone(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    async def picture(*_: object) -> bytes:
        return b"drawn"

    monkeypatch.setattr(PdfPages, "picture", picture)
    conversation, _ = page.brought()
    address, context = f"/sources/{corpus_of(conversation)}/1", page.context
    app = FastAPI()
    add_source_routes(app, lambda _: context.library, context.pdf_pages)
    guard(app, context.settings.ui, context.people, context.arrivals)
    for name, status in (("ana", 200), ("ben", 404), ("eve", 404)):
        client = client_of(app)
        sign_in(client, name)
        original, drawn, view = (client.get(f"{address}/{what}") for what in ("original", "pages/1", "pages/1/view"))
        assert (original.status_code, drawn.status_code) == (status, status)
        assert (SECRET in original.text) == (name == "ana") and (name == "ana" or view.status_code == 404)
        assert all("no-store" in one.headers["cache-control"] for one in (original, drawn, view) if name == "ana")


def test_files_go_with_their_conversation(page: Page) -> None:
    conversation, scope = page.brought()
    kept = page.context.conversations
    folder = kept.files("ana", conversation)
    assert folder is not None and list(folder.root.rglob("note.md"))
    with pytest.raises(UsageError):
        kept.delete("ben", conversation)
    assert folder.root.exists()
    kept.delete("ana", conversation)
    assert not folder.root.exists()
    assert "any more" in str(page.ask("ana", conversation, scope))


def test_a_reading_that_is_stopped_or_broken_off_leaves_nothing(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, attached = page.context.conversations, page.context.workspace.root / "attached"

    def killed(*_: object) -> IngestReport:
        raise KeyboardInterrupt

    monkeypatch.setattr(Chat, "_ingested", lambda *_: None)
    assert page.bring("ana", {"note.md": b"# Note\n"})[page.parts.conversation] is None
    monkeypatch.setattr(Chat, "_ingested", killed)
    monkeypatch.setattr("ui.conversations.shutil.rmtree", lambda *_, **__: None)  # as nothing is done any more
    with pytest.raises(KeyboardInterrupt):
        page.bring("ana", {"note.md": b"# Note\n"})
    assert kept.listed("ana") == [] and [one for one in attached.iterdir() if one.name[0] != "."]
    monkeypatch.undo()
    files = kept.new_files()
    files.root.mkdir()
    kept.attach("ana", None, files, Scope(files=("a.md",)))
    Conversations(page.context.workspace.whole).clear_files()
    assert list(attached.iterdir()) == [files.root]


def test_two_files_of_one_name_are_both_asked_and_told(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("ui.pages.chat.choosing.gr.Warning", lambda message, **_: told.append(message))
    conversation, scope = page.brought()
    scope = page.bring("ana", {"note.md": f"# Note\n\n{PETS}\n".encode()}, conversation, scope)[page.parts.scope]
    assert scope.files == ("note.md", "note (2).md")
    assert ["note (2).md" in one and "“note.md”" in one for one in told] == [True]
    page.ask("ana", conversation, scope)
    (turn,) = page.context.conversations.turns("ana", conversation)
    assert {hit.document for hit in turn.standing.answer.hits} == {"note.md", "note (2).md"}


def test_a_file_that_is_brought_again_stays_where_its_reading_is_stopped(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation, scope = page.brought()
    files = page.context.conversations.files("ana", conversation)
    assert files is not None
    monkeypatch.setattr(Chat, "_ingested", lambda *_: None)
    page.bring("ana", {"note.md": f"# Note\n\n{SECRET}\n".encode()}, conversation, scope)
    assert [file.name for file in files.root.rglob("*.md")] == ["note.md"]


def test_what_is_not_read_to_its_end_is_not_read_again(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    conversation, scope = page.brought()
    kept, large = page.context.conversations, {"large.md": b"# Large\n\nWater.\n"}
    files = kept.files("ana", conversation)
    assert files is not None

    def full(*_: object) -> IngestReport:
        raise OSError("The disk is full.")

    for read in (lambda *_: None, full):
        with monkeypatch.context() as patched:
            patched.setattr(Chat, "_ingested", read)
            patched.setattr("ui.pages.chat.choosing.gr.Warning", lambda *_, **__: None)
            changes = page.bring("ana", large, conversation, scope)
        assert changes[page.parts.scope] == scope, "the page goes on whatever happens"
        assert [file.name for file in files.root.rglob("*.md")] == ["note.md"]


def test_a_conversation_that_is_deleted_while_its_file_is_read_leaves_nothing(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation, scope = page.brought()
    kept, attached, read = page.context.conversations, page.context.workspace.root / "attached", Chat._ingested

    def deleted(*arguments: Any) -> IngestReport | None:
        kept.delete("ana", conversation)
        return read(*arguments)

    monkeypatch.setattr(Chat, "_ingested", deleted)
    monkeypatch.setattr("ui.pages.chat.choosing.gr.Warning", lambda *_, **__: None)
    changes = page.bring("ana", {"note.md": b"# Note\n\nWater.\n"}, conversation, scope)
    assert changes[page.parts.conversation] is None and changes[page.parts.scope] == Scope(("cars",))
    assert list(attached.iterdir()) == [] and kept.listed("ana") == []


def test_a_reading_is_an_ingest_that_can_be_stopped(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    files, stop = page.context.conversations.new_files(), threading.Event()
    folder = files.root / "uploads" / FILES

    def ingested() -> IngestReport | None:
        return _INGESTED(page.chat, files, folder, LOCAL, stop)

    report = IngestReport(FILES, False, (), 1, 1, 0.1)
    run_instead(monkeypatch, f"print({report.to_json()!r})")
    assert ingested() == report
    (job,) = Jobs(files).all()
    command = ingest_command.make_context("ingest", list(job.job.arguments[1:]))
    assert (command.params["corpus"], command.params["sources"]) == (FILES, (str(folder),)) and command.params[
        "confirmed"
    ]
    run_instead(monkeypatch, "raise SystemExit('Error: The disk is full. Free some.')")
    with pytest.raises(UsageError, match="The disk is full"):
        ingested()
    files.corpus(FILES).mkdir(parents=True)
    (files.corpus(FILES) / CATALOG_FILE).touch()
    with pytest.raises(UsageError, match="The disk is full"):
        ingested()
    rebuilds = ["--rebuild" in one.job.arguments for one in Jobs(files).all()]
    assert rebuilds == [True, False, False, False], "what was read before, perhaps with other settings, is read anew"
    run_instead(monkeypatch, "import time; time.sleep(60)")
    stop.set()
    assert ingested() is None and not Jobs(files).under_way()


def test_a_bad_file_is_told_and_costs_no_other(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("ui.pages.chat.choosing.gr.Warning", lambda message, **_: told.append(message))
    changes = page.bring("ana", {"bad.pdf": b"%PDF-1.4 nonsense", "x.exe": b"MZ", "<b>.md": b"# Note\n\nWater.\n"})
    assert changes[page.parts.scope].files == ("_b_.md",)
    assert "x.exe: This kind of file is not read" in told[0] and told[1].startswith("bad.pdf ")
    nothing = page.bring("ana", {"bad.pdf": b"%PDF-1.4 nonsense"})
    assert nothing[page.parts.conversation] is None and nothing[page.parts.scope] == Scope(("cars",))
    assert "value" not in nothing[page.parts.question]._constructor_args[0], "what was typed stays"
    assert len(page.context.conversations.listed("ana")) == 1


def test_more_files_join_those_that_are_asked(page: Page) -> None:
    conversation, scope = page.brought()
    changes = page.bring("ana", {"pets.md": f"# Pets\n\n{PETS}\n".encode()}, conversation, scope)
    assert changes[page.parts.conversation] == conversation
    assert changes[page.parts.scope].files == ("note.md", "pets.md")
    assert page.context.conversations.scope("ana", conversation) == changes[page.parts.scope]
    assert page.chat.load(f"chat/{conversation}", as_("ana"))[page.parts.scope] == Scope(
        ("cars",), files=("note.md", "pets.md")
    )


def test_nothing_is_asked_while_a_file_is_read(page: Page) -> None:
    with page.chat.asking.reading("s"), pytest.MonkeyPatch.context() as patched:
        patched.setattr("ui.pages.chat.gr.Info", lambda _: None)
        changes = page.ask("ana", None, EVERYTHING)
        with pytest.raises(UsageError, match="still coming"):
            page.brought()
    assert list(changes) == [page.parts.question] and page.context.conversations.listed("ana") == []


def test_a_file_that_waits_for_those_of_others_is_stopped_at_once(page: Page) -> None:
    async def stopped() -> dict[Any, Any]:
        async with page.context.readings.held("ana", threading.Event()):  # of another page of hers
            waits = asyncio.create_task(page._all(page.chat.attach(["note.md"], None, EVERYTHING, "", as_("ana"))))
            while not page.chat.asking.reads("s"):
                await asyncio.sleep(0.001)
            page.chat.stop(as_("ana"))
            return await asyncio.wait_for(waits, 10)

    changes = asyncio.run(stopped())
    assert changes[page.parts.conversation] is None and not page.chat.asking.reads("s")


def test_a_slow_file_of_one_person_holds_up_nobody_else(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    ended, read = threading.Event(), Chat._ingested

    def slow(chat: Chat, files: Workspace, folder: Path, user: User, stop: threading.Event) -> IngestReport | None:
        assert user.name == "ben" or ended.wait(10)
        return read(chat, files, folder, user, stop)

    def attach(user: str) -> Coroutine[Any, Any, dict[Any, Any]]:
        return page._all(page.chat.attach(page.arrived(user, {"note.md": b"# Note\n"}), None, EVERYTHING, "", of(user)))

    def of(user: str) -> gr.Request:
        return gr.Request(username=user, session_hash=user)

    async def both() -> tuple[dict[Any, Any], dict[Any, Any]]:
        slow_one = asyncio.create_task(attach("ana"))
        while not page.context.readings.people:
            await asyncio.sleep(0.001)
        try:
            fast_one = await asyncio.wait_for(attach("ben"), 5)
        finally:
            ended.set()
        return await slow_one, fast_one

    monkeypatch.setattr(Chat, "_ingested", slow)
    assert [one[page.parts.conversation] for one in asyncio.run(both())] == [2, 1]


def test_one_person_has_one_reading_at_a_time_and_all_have_as_many_as_readers_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ui.uploads.psutil.virtual_memory", lambda: SimpleNamespace(total=8 << 30))
    for workers, memory_mb, most in ((3, 256, 3), (16, 2048, 4), (1, 2048, 2), (4, 16 << 10, 2)):
        assert ReadingPlaces(IngestSettings(workers=workers, memory_mb=memory_mb)).most == most

    async def people(names: str) -> str:
        """Who has a place, once everybody has asked for one."""
        places, stop, have = ReadingPlaces(IngestSettings(workers=2)), threading.Event(), []

        async def hold(name: str) -> None:
            async with places.held(name, stop) as has_place:
                if has_place:
                    have.append(name)
                    await asyncio.Event().wait()

        holding = [asyncio.create_task(hold(name)) for name in names]
        await asyncio.sleep(0)
        stop.set()
        for one in holding:
            one.cancel()
        return "".join(have)

    assert asyncio.run(people("aabc")) == "ab"


def test_files_take_no_more_disk_than_one_person_may(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("ui.pages.chat.choosing.gr.Warning", lambda message, **_: told.append(message))
    service, ui = page.context.service, page.context.settings.ui.model_copy(update={"attached_mb": 1})
    service.settings = service.settings.model_copy(update={"ui": ui})
    conversation, scope = page.brought()
    kept = page.context.conversations
    files = kept.files("ana", conversation)
    assert files is not None
    (files.root / "what was read").write_bytes(bytes(700_000))
    large = {"large.md": bytes(600_000)}
    assert page.bring("ana", large, conversation, scope)[page.parts.scope] == scope
    assert [file.name for file in files.root.rglob("*.md")] == ["note.md"], "what was there stays"
    (message,) = told
    assert message.startswith("Your files need 0.6 MiB, and 0.") and "the largest are: note.md (0." in message
    page.brought("ben")
    page.bring("ben", {"huge.md": bytes(2_000_000)}, None)
    assert "note.md (" in told[-1] and len(kept.listed("ben")) == 1, "others have a room of their own"
    page.bring("eve", {"huge.md": bytes(2_000_000)})
    assert "smaller files" in told[-1] and kept.listed("eve") == []
    kept.delete("ana", conversation)
    page.brought("ana")
    assert len(told) == 3


def test_an_app_that_starts_clears_nothing_that_another_reads(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Chat._ingested

    def beside_another(*arguments: Any) -> IngestReport | None:
        Conversations(page.context.workspace.whole).clear_files()
        return read(*arguments)

    monkeypatch.setattr(Chat, "_ingested", beside_another)
    conversation, scope = page.brought()
    page.ask("ana", conversation, scope)
    files = page.context.conversations.files("ana", conversation)
    assert files is not None and list(files.root.rglob("note.md"))
    assert [one.name for one in files.root.parent.iterdir()] == [files.root.name]


def test_a_link_gives_what_is_cited_of_a_file_and_no_more(page: Page) -> None:
    conversation, scope = page.brought()
    page.ask("ana", conversation, scope)
    kept = page.context.conversations
    kept.share("ana", conversation)
    copy = kept.taken("ben", kept.listed("ana")[0].shared)
    (theirs,), (ours,) = kept.turns("ben", copy), kept.turns("ana", conversation)
    assert theirs.standing.answer.text == ours.standing.answer.text
    assert theirs.standing.answer.sentences == ours.standing.answer.sentences
    assert ours.standing.answer.trace and not theirs.standing.answer.trace
    assert "under the sink" in str(ours) and "under the sink" not in str(theirs)
    assert kept.scope("ben", copy).files == () and kept.files("ben", copy) is None
    with pytest.raises(UsageError, match="Only the person who brought"):
        page.context.library.passage(CitedSpan(theirs.standing.corpus, "note.md", 0, 3, ""), "ben")


def test_nobody_else_hears_what_was_said_of_a_file(page: Page) -> None:
    conversation, scope = page.brought()
    page.ask("ana", conversation, scope)
    (turn,) = page.context.conversations.turns("ana", conversation)
    right = gr.EventData(None, {"turn": turn.id, "verdict": "right"})
    with pytest.raises(UsageError):
        page.chat.teach(conversation, as_("ana"), right)
    assert page.context.feedback.listed() == []


def test_an_editor_adds_a_file_to_a_collection(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    run_instead(monkeypatch)
    monkeypatch.setattr("ui.pages.chat.choosing.gr.Info", lambda _: None)
    to_cars = gr.EventData(None, {"corpus": "cars"})
    conversation, scope = page.brought("eve")
    page.chat.collect(scope, conversation, to_cars, as_("eve"))
    root = page.context.workspace.root
    assert (root / "uploads" / "cars" / "note.md").read_text(encoding="utf-8").endswith(f"{SECRET}\n")
    job = page.context.jobs.newest()
    assert job is not None and job.job.arguments[-1] == str(root / "uploads" / "cars")
    shutil.rmtree(root / "attached")  # as where a backup does not hold it
    with pytest.raises(UsageError, match=r"note\.md cannot be asked any more"):
        page.chat.collect(scope, conversation, to_cars, as_("eve"))
    conversation, scope = page.brought("ana")
    with pytest.raises(gr.Error, match="role"):
        page.chat.collect(scope, conversation, to_cars, as_("ana"))


def test_a_file_is_read_with_the_settings_of_the_app() -> None:
    settings = Settings.model_validate({"ingest": {"max_file_mb": 3}, "retrieval": {"k": 5}})
    origins = (Origin("ingest.max_file_mb", "config.yaml"), Origin("retrieval.k", "default"))
    assert variables_of(settings, origins) == {}
    assert variables_of(settings, origins, with_file=True) == {"ASSISTANT_INGEST__MAX_FILE_MB": "3"}


def test_adapters_and_their_comparison_ask_the_file(page: Page) -> None:
    both = page.chat._models(EVERYTHING, BASE, "cars", False, "@7")
    assert both == (ServedModel("@7"), ServedModel("@7"))


@pytest.mark.slow
def test_a_file_is_dropped_on_the_chat_and_taken_away_again(context: AppContext, visit: Visits) -> None:
    left_behind = context.conversations.new_files().root / "uploads"
    left_behind.mkdir(parents=True)
    with serving(create_app(replace(context, people=None))) as address:
        page = visit(address, width=390, height=844).open()
        assert not left_behind.exists()
        box = page.get_by_role("textbox", name="Your question")
        box.fill(QUESTION)
        page.evaluate(
            """text => {
              const files = new DataTransfer();
              files.items.add(new File([text], "a <img src=x onerror=window.pwned=1>.md"));
              const dropped = new DragEvent("drop", {dataTransfer: files, bubbles: true, cancelable: true});
              document.querySelector("#chat-log").dispatchEvent(dropped);
            }""",
            f"# Note\n\n{SECRET}\n",
        )
        chip = page.get_by_role("button", name=re.compile("^Do not ask a img .*"))
        expect(chip).to_be_visible()
        expect(box).to_have_value(QUESTION)
        box.press("Enter")
        expect(page.locator("#chat-now .asked-of")).to_contain_text("a img")
        page.locator("#chat-now .mark").first.click()
        expect(page.locator("#source .found")).to_have_text("The plumber asked for 240 euros.")
        page.keyboard.press("Escape")
        page.reload()
        chip.click()
        expect(chip).to_have_count(0)
        expect(page.locator(".scope summary")).to_contain_text("cars")
        page.locator(".scope summary").click()
        menu = page.locator(".scope .items").bounding_box()
        assert menu and menu["x"] >= 0 and menu["x"] + menu["width"] <= 390, "nothing hangs over the edge"
        assert page.evaluate("window.pwned") is None
        page.context.close()
