"""A page shows one answer at a time: what ends it, what is kept of it, and who has to wait for that."""

import asyncio
import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from apps import app_context
from fakes import FakeEmbedder
from serving import ANSWER, HAIL, QUESTION, SlowEngine, make_corpora
from signing import in_a_loop
from working import ADMIN, EDITOR, EXPERT, as_, work_context

from assistant.config import Settings
from assistant.errors import ModelError
from assistant.service import ServedModel, Service
from assistant.store.catalog import Catalog
from assistant.types import Answer
from assistant.workspace import Workspace
from ui.context import AppContext
from ui.conversations import FILE
from ui.pages.chat import Chat
from ui.pages.chat.asking import Asking, Question
from ui.pages.chat.parts import Parts, lay_out
from ui.pages.events import telling
from ui.pages.upkeep.view import models_here
from ui.scope import Scope
from ui.turns import TurnReply

SESSION = "s"


@pytest.fixture
def engine() -> SlowEngine:
    return SlowEngine(ANSWER)


@pytest.fixture
def context(workspace: Workspace, tmp_path: Path, engine: SlowEngine) -> AppContext:
    make_corpora(workspace, tmp_path, {"cars": {"hail.md": HAIL}})
    return app_context(workspace, engine, {"answer": {"caution": 0}, "engine": {"parallel": 2}})


@pytest.fixture
def parts(context: AppContext) -> Parts:
    def laid_out() -> Parts:
        with gr.Blocks(analytics_enabled=False):
            return lay_out(context)

    return in_a_loop(laid_out)


class Page:
    """What a page is sent while questions are answered for it."""

    def __init__(self, asking: Asking, parts: Parts, engine: SlowEngine) -> None:
        self.changes: list[dict[Any, Any]] = []
        self._asking, self._parts, self._engine = asking, parts, engine

    async def begin(self, text: str = QUESTION, conversation: int | None = None) -> "asyncio.Task[None]":
        """Ask, and return when the model has begun and the page has heard of it."""
        task = asyncio.create_task(self._ask(Question("ana", text, (ServedModel("cars"),), conversation)))
        assert await asyncio.to_thread(self._engine.begun.acquire, timeout=60)
        searching = str(self._asking.context.text("chat.searching"))
        while searching in str(self.changes[-1].get(self._parts.now, "")):
            await asyncio.sleep(0.001)
        return task

    async def _ask(self, question: Question) -> None:
        async for changes in self._asking.answered(question, self._parts, SESSION):
            self.changes.append(changes)


def test_the_corpus_that_was_asked_last_stays_chosen(context: AppContext, parts: Parts) -> None:
    chat = Chat(context, parts, Asking(context))
    mine = TurnReply("cars", None, Answer(QUESTION, QUESTION, "150 euros.", (), ()))
    conversation = context.conversations.begin("local", QUESTION)
    context.conversations.add("local", conversation, QUESTION, [mine])
    Catalog(context.workspace.corpus("a-new-one")).close()
    assert set(context.workspace.corpus_names()) == {"a-new-one", "cars"}
    for address in ("", f"chat/{conversation}"):
        assert chat.load(address, as_(""))[parts.scope].corpora == ("cars",)
    context.conversations.delete("local", conversation)
    assert chat.load("", as_(""))[parts.scope].corpora == ("a-new-one",)


def test_an_admin_alone_has_another_model_answer_everyone(
    workspace: Workspace, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = "qwen2.5-coder-0.5b"
    monkeypatch.setattr("ui.pages.upkeep.view.folder_here", lambda name: Path(name) if name == known else None)
    monkeypatch.setattr("assistant.service.check_engine", lambda _: None)
    monkeypatch.setattr("assistant.service.refuse_too_large", lambda *_: None)
    monkeypatch.setattr("assistant.service.open_answering", lambda settings, _: SlowEngine(settings.engine.model))
    people = work_context(workspace)
    chat, before = Chat(people, parts, Asking(people)), people.service.engine()
    assert list(models_here(people)) == ["bundled", known]
    for name, model, said in ((EDITOR, known, "role"), (EXPERT, known, "role"), (ADMIN, "elsewhere", "no model")):
        with pytest.raises(gr.Error, match=said):
            telling(chat.change_model)(model, as_(name))
    assert people.service.engine() is before and people.settings.engine.model == "bundled"
    chat.change_model(known, as_(ADMIN))
    assert people.service.engine() is not before
    assert (people.settings.engine.model, people.in_language("de").settings.engine.model) == (known, known)
    assert known in people.workspace.config_file.read_text(encoding="utf-8"), "the next start takes it too"
    assert next(iter(models_here(people))) == known


@pytest.fixture
def changing(workspace: Workspace, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> Chat:
    """A chat in which an admin may choose another model."""
    monkeypatch.setattr("ui.pages.chat.models_here", lambda _: ["another"])
    monkeypatch.setattr("assistant.service.check_engine", lambda _: None)
    monkeypatch.setattr("assistant.service.refuse_too_large", lambda *_: None)
    monkeypatch.setattr("assistant.service.open_answering", lambda *_: SlowEngine("another"))
    context = work_context(workspace)
    return Chat(context, parts, Asking(context))


def test_a_model_that_cannot_be_kept_for_the_next_start_answers_nobody(changing: Chat) -> None:
    context = changing.context
    context.workspace.config_file.write_text("engine: [", encoding="utf-8")
    with pytest.raises(gr.Error, match="YAML"):
        telling(changing.change_model)("another", as_(ADMIN))
    assert context.settings.engine.model == "bundled"


def test_a_model_that_cannot_be_run_changes_nothing(changing: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(*_: object) -> None:
        raise ModelError("It cannot be run.", "Choose another one.")

    monkeypatch.setattr("assistant.service.open_answering", refusing)
    context, before = changing.context, changing.context.service.engine()
    with pytest.raises(gr.Error, match="cannot be run"):
        telling(changing.change_model)("another", as_(ADMIN))
    assert context.service.engine() is before and context.settings.engine.model == "bundled"
    assert not context.workspace.config_file.exists(), "the next start would fail on it"


def test_a_model_that_answers_no_more_lies_in_memory_no_more(changing: Chat) -> None:
    def circular() -> SlowEngine:
        engine = SlowEngine("")
        engine.__dict__["queue"] = [engine]
        return engine

    service = Service(changing.context.workspace, Settings(), FakeEmbedder(), circular)
    gc.collect()
    gc.disable()
    try:
        before = weakref.ref(service.engine())
        service.change_model("another")
        assert before() is None
    finally:
        gc.enable()


def test_an_answer_is_named_by_the_model_that_gave_it(context: AppContext, parts: Parts, engine: SlowEngine) -> None:
    page, service = Page(Asking(context), parts, engine), context.service

    async def changed_meanwhile() -> None:
        task = await page.begin()
        while len(page.changes) < 2:  # until the page has heard that it has begun, too
            await asyncio.sleep(0)
        later = service.settings.engine.model_copy(update={"model": "another"})
        service.settings = service.settings.model_copy(update={"engine": later})
        engine.may_go_on.release(50)
        await asyncio.wait_for(task, 60)

    asyncio.run(changed_meanwhile())
    (kept,) = context.conversations.listed("ana")
    assert context.conversations.turns("ana", kept.id)[0].model_line == "bundled"


def test_an_answer_that_the_page_has_left_is_kept_and_shown_no_more(
    context: AppContext, parts: Parts, engine: SlowEngine
) -> None:
    asking = Asking(context)
    page = Page(asking, parts, engine)

    async def left() -> int:
        task = await page.begin()
        await asyncio.to_thread(asking.leave, SESSION)
        shown = len(page.changes)
        await asyncio.wait_for(task, 60)
        engine.may_go_on.release(50)
        return shown

    assert asyncio.run(left()) == len(page.changes) > 0
    assert not any(parts.conversation in changes for changes in page.changes), "that would open it again"
    (kept,) = context.conversations.listed("ana")
    assert context.conversations.turns("ana", kept.id)[0].replies[0].stopped
    assert asking.running == {}


def test_an_answer_is_kept_though_the_browser_is_gone(context: AppContext, parts: Parts, engine: SlowEngine) -> None:
    asking = Asking(context)
    page = Page(asking, parts, engine)

    async def gone() -> None:
        task = await page.begin()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 60)
        engine.may_go_on.release(50)

    asyncio.run(gone())
    (kept,) = context.conversations.listed("ana")
    (turn,) = context.conversations.turns("ana", kept.id)
    assert turn.question == QUESTION and turn.replies[0].stopped and asking.running == {}


def test_the_first_page_does_not_come_over_an_answer(context: AppContext, parts: Parts, engine: SlowEngine) -> None:
    asking = Asking(context)
    page, chat = Page(asking, parts, engine), Chat(context, parts, asking)

    async def loaded() -> tuple[Any, Any]:
        task = await page.begin()
        during = await asyncio.to_thread(chat.load, "", gr.Request(session_hash=SESSION))
        engine.may_go_on.release(1000)
        await asyncio.wait_for(task, 60)
        return during, await asyncio.to_thread(chat.load, "", gr.Request(session_hash="another"))

    during, first = asyncio.run(loaded())
    assert parts.now not in during and parts.adapter in during and parts.now in first
    assert during[parts.scope] == Scope(("cars",)) and "cars" in during[parts.asked], (
        "what the next question is asked of"
    )


def test_an_answer_that_was_closed_after_its_end_is_kept_once(
    context: AppContext, parts: Parts, engine: SlowEngine
) -> None:
    engine.may_go_on.release(1000)

    async def closed() -> None:
        changes = Asking(context).answered(Question("ana", QUESTION, (ServedModel("cars"),)), parts, SESSION)
        async for change in changes:
            if parts.conversation in change:
                break
        await changes.aclose()

    asyncio.run(closed())
    (kept,) = context.conversations.listed("ana")
    assert len(context.conversations.turns("ana", kept.id)) == 1


def test_a_new_question_ends_the_one_before_it_and_can_be_stopped_itself(
    context: AppContext, parts: Parts, engine: SlowEngine
) -> None:
    asking = Asking(context)
    page = Page(asking, parts, engine)

    async def two() -> None:
        conversation = context.conversations.begin("ana", QUESTION)
        first = await page.begin(QUESTION, conversation)
        second = await page.begin("And how much is it for hail?", conversation)
        await asyncio.wait_for(first, 60)
        asking.stop(SESSION)
        await asyncio.wait_for(second, 60)
        engine.may_go_on.release(50)

    asyncio.run(two())
    (kept,) = context.conversations.listed("ana")
    turns = context.conversations.turns("ana", kept.id)
    assert [turn.question for turn in turns] == [QUESTION, "And how much is it for hail?"]
    assert all(turn.replies[0].stopped for turn in turns) and asking.running == {}


def test_a_question_during_the_first_answer_of_a_conversation_belongs_to_it(
    context: AppContext, parts: Parts, engine: SlowEngine
) -> None:
    asking = Asking(context)
    page = Page(asking, parts, engine)

    async def two() -> None:
        first = await page.begin()
        second = await page.begin("And how much is it for hail?")  # the page does not know the conversation yet
        await asyncio.wait_for(first, 60)
        engine.may_go_on.release(1000)
        await asyncio.wait_for(second, 60)

    asyncio.run(two())
    (kept,) = context.conversations.listed("ana")
    assert [turn.question for turn in context.conversations.turns("ana", kept.id)] == [
        QUESTION,
        "And how much is it for hail?",
    ]


def opened(chat: Chat, request: gr.Request) -> Any:
    other = chat.context.conversations.begin("local", "another")
    return chat.open("", None, gr.EventData(None, {"conversation": other}), request)


def begun(chat: Chat, request: gr.Request) -> Any:
    return chat.begin(Scope(("cars",)), "", None, request)


@pytest.mark.parametrize("look", [begun, opened])
def test_looking_at_something_else_ends_the_answer(
    context: AppContext, parts: Parts, engine: SlowEngine, look: Callable[[Chat, gr.Request], Any]
) -> None:
    asking = Asking(context)
    page = Page(asking, parts, engine)
    chat = Chat(context, parts, asking)

    async def looked() -> None:
        task = await page.begin()
        changes = await asyncio.to_thread(look, chat, gr.Request(session_hash=SESSION))
        assert context.conversations.listed("ana"), "what has come is kept before the list is shown"
        assert parts.question in changes, "the box takes a question again"
        await asyncio.wait_for(task, 60)
        engine.may_go_on.release(50)

    asyncio.run(looked())


def test_another_page_does_not_end_an_answer(context: AppContext, parts: Parts, engine: SlowEngine) -> None:
    asking = Asking(context)
    page = Page(asking, parts, engine)

    async def stayed() -> None:
        task = await page.begin()
        asking.stop("another")
        asking.leave("another")
        engine.may_go_on.release(50)
        await asyncio.wait_for(task, 60)

    asyncio.run(stayed())
    (kept,) = context.conversations.listed("ana")
    assert not context.conversations.turns("ana", kept.id)[0].replies[0].stopped


def test_nothing_is_looked_up_or_kept_in_the_event_loop(
    context: AppContext, parts: Parts, engine: SlowEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = context.conversations.database.opened

    def watched() -> Any:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return opened()

    conversation = context.conversations.begin("ana", QUESTION)
    monkeypatch.setattr(context.conversations.database, "opened", watched)
    page = Page(Asking(context), parts, engine)

    async def answered() -> None:
        task = await page.begin(QUESTION, conversation)
        engine.may_go_on.release(50)
        await asyncio.wait_for(task, 60)

    asyncio.run(answered())
    assert parts.conversation in page.changes[-1], "it was kept"


def test_what_is_closed_ends_what_it_has_begun_at_once() -> None:
    ended: list[bool] = []

    async def work() -> Any:
        try:
            yield 1
        finally:
            ended.append(True)

    async def closed() -> list[bool]:
        each = telling(work)()
        await anext(each)
        await each.aclose()
        return list(ended)

    assert asyncio.run(closed()) == [True]


def test_a_question_that_is_too_long_is_told_and_stands_in_its_box_again(
    context: AppContext, parts: Parts, engine: SlowEngine
) -> None:
    page = Page(Asking(context), parts, engine)
    asyncio.run(page._ask(Question("ana", "x" * 4001, (ServedModel("cars"),))))
    (changes,) = page.changes
    assert "4001 characters; at most 4000" in changes[parts.now] and changes[parts.question].value == "x" * 4001
    assert not context.conversations.listed("ana") and not engine.prompts


@pytest.mark.parametrize("is_folded_in", [True, False], ids=["can be read", "cannot be read"])
def test_on_a_full_disk_the_page_opens_and_answers_and_says_that_nothing_is_kept(
    context: AppContext, parts: Parts, engine: SlowEngine, is_folded_in: bool
) -> None:
    file = context.workspace.root / FILE
    conversation = context.conversations.begin("local", QUESTION)
    if not is_folded_in:
        file.with_name(f"{FILE}-wal").write_bytes(b"of an app that was killed")
    file.with_name(f"{FILE}-shm").symlink_to(file.parent / "nowhere" / "shm")
    asking, told = Asking(context), context.text("chat.not_kept")
    page = Page(asking, parts, engine)
    loaded = Chat(context, parts, asking).load(f"chat/{conversation}", as_(""))
    assert (loaded[parts.conversation] == conversation) == is_folded_in
    assert (told in loaded[parts.listed]) != is_folded_in and loaded[parts.model]

    async def ask() -> None:
        task = await page.begin()
        engine.may_go_on.release(1000)
        await task

    asyncio.run(ask())
    shown = str(page.changes[-1][parts.now])
    assert "150" in shown and told in shown and page.changes[-1][parts.question].submit_btn
    assert not asking.running
