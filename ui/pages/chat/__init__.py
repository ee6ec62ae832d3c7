"""The chat: questions, answers with their sources beside them, and what experts say about them.

What happens when something is clicked is looked up for the one who asks, and shown.
"""

import asyncio
import json
import logging
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import gradio as gr
from gradio.context import Context

from assistant.config import change_settings
from assistant.errors import AssistantError, UsageError, WorkspaceError
from assistant.models.catalogue import SETTINGS
from assistant.service import ServedModel
from ui.context import AppContext
from ui.conversations import corpus_of
from ui.logs import follow
from ui.pages.chat.asking import Asking, Edit, Question, in_any_order
from ui.pages.chat.choosing import AskedDocuments, Changes
from ui.pages.chat.parts import choices_of, lay_out
from ui.pages.chat.view import editing_html, reasons_html, turn_html
from ui.pages.events import CLICKED, data_of, number_of, shown_turns, telling
from ui.pages.teaching.view import judgement_of, taught, vote_of
from ui.pages.upkeep.view import models_here
from ui.scope import EVERYTHING, Scope
from ui.shown.components import message_html
from ui.shown.templates import filled
from ui.sources.library import CitedSpan
from ui.sources.view import panel_html
from ui.turns import history_of

_log = logging.getLogger("uvicorn.error")
_ADDRESS = "() => [location.hash.slice(1)]"
_NAMED = re.compile(r"chat/(?P<number>\d{1,15})|shared/(?P<link>[\w-]{16,64})")
"""A conversation in the page's address, as ``ui/assets/address.js`` writes it there, or as a link has it."""


def build(context: AppContext) -> None:
    """Lay out the page and say what its parts do."""
    parts = lay_out(context)
    chat = Chat(context, parts, Asking(context))
    models = [parts.scope, parts.adapter, parts.compares, parts.other, parts.blind]
    page = [
        parts.log, parts.now, parts.question, parts.editing, parts.edit, parts.conversation, parts.listed, parts.panel,
    ]  # fmt: skip
    asked = [parts.question, parts.conversation, parts.edit, *models]
    asked_elsewhere = [parts.question, parts.conversation, *models]
    # Gradio would drop what is sent before the answer before it has ended on the wire as well.
    _on(parts.question.submit, chat.ask, asked, page, trigger_mode="always_last")
    _on(parts.question.stop, chat.stop, [], [])
    for turns in (parts.log, parts.now):
        _on(turns.retry, chat.retry, asked_elsewhere, page)
        _on(turns.suggest, chat.suggest, asked_elsewhere, page)
        _on(turns.edit, chat.edit, [parts.question, parts.edit], [parts.question, parts.edit, parts.editing])
        _on(turns.reword, chat.reword, [], [parts.question])
        _on(turns.cite, chat.cite, [], [parts.panel])
        _on(turns.why, chat.why, [], [parts.panel])
        _on(turns.vote, chat.vote, [parts.conversation], [turns])
        _on(turns.teach, chat.teach, [parts.conversation], [turns])
    _on(parts.editing.keep, chat.keep, [parts.edit], [parts.question, parts.edit, parts.editing])
    changed = _on(parts.model.input, chat.change_model, [parts.model], [])
    # Also the one that still answers, where another was refused.
    _on(changed.then, chat.show_model, [], [parts.model, parts.adapter])
    _on(parts.compares.change, chat.compare, [parts.compares], [parts.other, parts.blind])
    _on(parts.panel.cite, chat.cite, [], [parts.panel])
    asked_of = [parts.scope, parts.asked, parts.now]
    _on(parts.asked.narrow, chat.narrow, [parts.conversation], asked_of)
    _on(parts.asked.widen, chat.widen, [parts.scope, parts.conversation], asked_of)
    _on(parts.panel.only, chat.ask_only, [parts.conversation], asked_of)
    brought = [parts.brought, parts.conversation, parts.scope, parts.searched]
    _on(parts.brought.upload, chat.attach, brought, [parts.brought, parts.scope, parts.asked, *page])
    _on(parts.asked.collect, chat.collect, [parts.scope, parts.conversation], [])

    shown = [
        parts.conversation, parts.edit, parts.editing, parts.log, parts.now, parts.panel, parts.listed,
        parts.question, parts.scope, parts.asked,
    ]  # fmt: skip
    choices = [parts.model, parts.adapter, parts.other, parts.compares]
    _on(parts.listed.open, chat.open, [parts.searched, parts.edit], shown)
    for turns in (parts.log, parts.now):
        _on(turns.version, chat.version, [parts.searched, parts.edit], shown)
    _on(parts.new.click, chat.begin, [parts.scope, parts.searched, parts.edit], shown)
    for named, happens in (
        (parts.searched.change, chat.search),
        (parts.listed.search, chat.search),
        (parts.listed.rename, chat.rename),
        (parts.listed.move, chat.move),
        (parts.listed.refolder, chat.refolder),
        (parts.listed.pin, chat.pin),
        (parts.listed.link, chat.share),
    ):
        _on(named, happens, [parts.conversation, parts.searched], [parts.listed])
    _on(parts.listed.delete, chat.delete, [parts.conversation, parts.scope, parts.searched, parts.edit], shown)
    if Context.root_block is not None:
        _on(Context.root_block.load, chat.load, [parts.address], [*choices, *shown], js=_ADDRESS)


def _on(
    event: Callable[..., Any],
    callback: Callable[..., Any],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    **options: Any,
) -> Any:
    """Call ``callback`` at an event, without waiting for others: ``ui.answering`` says who waits for the model.

    It goes through Gradio's queue all the same: what is called past it cannot tell an error to the page.
    """
    return event(telling(callback), inputs, outputs, **CLICKED, **options)


class Chat(AskedDocuments):
    """The callbacks of the page in one language."""

    # Asking

    async def ask(
        self,
        question: str,
        conversation: int | None,
        edit: Edit | None,
        scope: Scope,
        adapter: str,
        compares: bool,
        other: str,
        blind: bool,
        request: gr.Request,
        draft: str = "",
    ) -> AsyncGenerator[Changes, None]:
        """Answer what stands in the box; what stood there before an edit, or ``draft``, stands there again."""
        follow(request)
        is_reading = self.asking.reads(request.session_hash or "")
        if not question.strip() or is_reading:
            if is_reading:
                gr.Info(message_html(self.context.text("attach.wait")))
            yield {self.parts.question: gr.skip()}  # a generator that yields nothing would empty the page
            return
        user = await asyncio.to_thread(self.name, request)
        scope = await asyncio.to_thread(self.scope, scope)
        files = corpus_of(conversation or 0) if scope.files else ""
        models = await asyncio.to_thread(self._models, scope, adapter, other if compares else None, blind, files)
        replaced, draft = (edit.turn, edit.draft) if edit else (None, draft)
        asked = Question(user, question.strip(), models, conversation, replaced, blind and compares, draft, scope)
        async with aclosing(self.asking.answered(asked, self.parts, request.session_hash or "")) as all_changes:
            async for changes in all_changes:
                yield changes

    async def suggest(
        self,
        draft: str,
        conversation: int | None,
        scope: Scope,
        adapter: str,
        compares: bool,
        other: str,
        blind: bool,
        request: gr.Request,
        event: gr.EventData,
    ) -> AsyncGenerator[Changes, None]:
        """Answer a question that the page has suggested."""
        question = data_of(event).get("question", "")
        asked = self.ask(question, conversation, None, scope, adapter, compares, other, blind, request, draft)
        async with aclosing(asked) as all_changes:
            async for changes in all_changes:
                yield changes

    async def retry(
        self,
        draft: str,
        conversation: int | None,
        scope: Scope,
        adapter: str,
        compares: bool,
        other: str,
        blind: bool,
        request: gr.Request,
        event: gr.EventData,
    ) -> AsyncGenerator[Changes, None]:
        """Ask a question once more; the turn of before stays, behind the arrows at it."""
        turn = await asyncio.to_thread(self.turn, event, request)
        edit = Edit(turn.id, draft)
        asked = self.ask(turn.question, conversation, edit, scope, adapter, compares, other, blind, request)
        async with aclosing(asked) as all_changes:
            async for changes in all_changes:
                yield changes

    def stop(self, request: gr.Request) -> None:
        """End the answer that is coming in."""
        self.asking.stop(request.session_hash or "")

    def edit(self, question: str, before: Edit | None, request: gr.Request, event: gr.EventData) -> Changes:
        """Put an earlier question into the box; the next one asked takes its place."""
        turn = self.turn(event, request)
        return {
            self.parts.question: turn.question,
            self.parts.edit: Edit(turn.id, before.draft if before else question),
            self.parts.editing: editing_html(self.context.text),
        }

    def keep(self, edit: Edit | None) -> Changes:
        """Leave the earlier question as it is."""
        return {self.parts.question: edit.draft if edit else "", self.parts.edit: None, self.parts.editing: ""}

    def reword(self, event: gr.EventData) -> Changes:
        """Put another wording into the box."""
        return {self.parts.question: data_of(event).get("question", "")}

    # Sources and reasons

    async def cite(self, event: gr.EventData, request: gr.Request) -> str:
        """Open a passage beside the chat."""
        user = await asyncio.to_thread(self.name, request)
        data = data_of(event)
        span = CitedSpan(
            data.get("corpus", ""),
            data.get("document", ""),
            number_of(event, "start"),
            number_of(event, "end"),
            data.get("quote", ""),
        )
        return await panel_html(self.context.library, self.context.pdf_pages, span, self.context.language, user)

    def why(self, event: gr.EventData, request: gr.Request) -> str:
        """Open the steps that led to an answer."""
        return reasons_html(self.turn(event, request), self.context.text)

    # Conversations

    def open(self, searched: str, edit: Edit | None, event: gr.EventData, request: gr.Request) -> Changes:
        """Show a conversation; an answer that is coming in to another one ends there."""
        self.asking.leave(request.session_hash or "")
        return self._opened(number_of(event, "conversation"), searched, edit, request)

    def _opened(self, conversation: int, searched: str, edit: Edit | None, request: gr.Request) -> Changes:
        user = self.context.who(request)
        turns = self.context.conversations.turns(user.name, conversation)
        return {
            **self.shown(user, turns, conversation, self.last_asked(user.name, turns, conversation), edit=edit),
            self.parts.listed: self.asking.listed(user.name, conversation, searched),
        }

    def version(self, searched: str, edit: Edit | None, event: gr.EventData, request: gr.Request) -> Changes:
        """Show another version of a question, and what followed it."""
        self.asking.leave(request.session_hash or "")
        conversation = self.context.conversations.choose(self.name(request), number_of(event, "turn"))
        return self._opened(conversation, searched, edit, request)

    def begin(self, scope: Scope, searched: str, edit: Edit | None, request: gr.Request) -> Changes:
        """An empty chat; an answer that is coming in ends. What was typed stays in the box."""
        user = self.context.who(request)
        self.asking.leave(request.session_hash or "")
        shown = self.shown(user, (), None, Scope(scope.corpora), edit=edit)
        return {**shown, self.parts.listed: self.asking.listed(user.name, None, searched)}

    def search(self, conversation: int | None, searched: str, request: gr.Request) -> str:
        """The conversations in which some words stand."""
        return self.asking.listed(self.name(request), conversation, searched)

    def rename(self, conversation: int | None, searched: str, request: gr.Request, event: gr.EventData) -> str:
        """Call a conversation something else."""
        user = self.name(request)
        self.context.conversations.rename(user, number_of(event, "conversation"), data_of(event).get("title", ""))
        return self.asking.listed(user, conversation, searched)

    def move(self, conversation: int | None, searched: str, request: gr.Request, event: gr.EventData) -> str:
        """Lay a conversation into a folder, or into none."""
        user, moved = self.name(request), number_of(event, "conversation")
        self.context.conversations.move(user, moved, data_of(event).get("title", ""))
        return self.asking.listed(user, conversation, searched)

    def refolder(self, conversation: int | None, searched: str, request: gr.Request, event: gr.EventData) -> str:
        """Call a folder something else, or take it away from around its conversations."""
        user, data = self.name(request), data_of(event)
        self.context.conversations.refolder(user, data.get("folder", ""), data.get("title", ""))
        return self.asking.listed(user, conversation, searched)

    def pin(self, conversation: int | None, searched: str, request: gr.Request, event: gr.EventData) -> str:
        """Have a conversation stand before the others, or no more."""
        user = self.name(request)
        self.context.conversations.pin(user, number_of(event, "conversation"))
        return self.asking.listed(user, conversation, searched)

    def share(self, conversation: int | None, searched: str, request: gr.Request, event: gr.EventData) -> str:
        """Begin to share a conversation, or end it; its menu stays open, where the link is copied."""
        user, shared = self.name(request), number_of(event, "conversation")
        self.context.conversations.share(user, shared)
        self.context.record(self.context.who(request), "conversation share", str(shared))
        return self.asking.listed(user, conversation, searched, shared)

    def delete(
        self,
        conversation: int | None,
        scope: Scope,
        searched: str,
        edit: Edit | None,
        request: gr.Request,
        event: gr.EventData,
    ) -> Changes:
        """Delete a conversation; the one that is open is closed."""
        user, deleted = self.name(request), number_of(event, "conversation")
        self.context.conversations.delete(user, deleted)
        self.context.record(self.context.who(request), "conversation delete", str(deleted))
        if deleted == conversation:
            return self.begin(scope, searched, edit, request)
        return {self.parts.listed: self.asking.listed(user, conversation, searched)}

    # What people say about answers

    def vote(self, conversation: int, request: gr.Request, event: gr.EventData) -> str:
        """Keep which of two answers is better."""
        user, turn = self.context.who(request), self.turn(event, request)
        turn = self.context.conversations.prefer(user.name, turn.id, number_of(event, "reply"))
        if not turn.is_private:
            self.context.feedback.add_vote(vote_of(self.context, user, turn))
        self.context.record(user, "vote", turn.standing.corpus)
        return self._again(user.name, conversation, event)

    def teach(self, conversation: int, request: gr.Request, event: gr.EventData) -> str:
        """Keep what someone says about an answer."""
        user, turn = self.context.who(request), self.turn(event, request)
        turns = self.context.conversations.turns(user.name, conversation, before=turn.id)
        earlier = self.asking.told_with([one for one in turns if not one.is_private], turn.resources)
        data = event._data if isinstance(event._data, dict) else {}
        taught(self.context, user, turn, data, history_of(earlier))
        self.context.conversations.judge(user.name, turn.id, judgement_of(data).verdict)
        self.context.record(user, "feedback", turn.standing.corpus, verdict=judgement_of(data).verdict)
        return self._again(user.name, conversation, event)

    def _again(self, user: str, conversation: int, event: gr.EventData) -> str:
        """The turns of the component that was clicked, as they are now."""
        shown = shown_turns(event)
        turns = self.context.conversations.turns(user, conversation)
        return "".join(turn_html(turn, self.context.text) for turn in turns if turn.id in shown)

    # Choosing what answers

    def load(self, address: str, request: gr.Request) -> Changes:
        """What the page shows first: who may be asked, and the conversation of its address or what to ask.

        Not over the answer to one who was faster. Where conversations cannot be opened it says so, and answers.
        """
        user, turns, conversation, scope = self.context.who(request), [], None, EVERYTHING
        is_asked = (request.session_hash or "") in self.asking.running
        try:
            if named := _NAMED.fullmatch(address or ""):
                try:
                    kept = self.context.conversations
                    opened = kept.taken(user.name, named["link"]) if named["link"] else int(named["number"])
                    turns, conversation = kept.turns(user.name, opened), opened
                except UsageError as error:  # the user has not, or no longer, such a one
                    if named["link"]:
                        gr.Warning(message_html(error))
            if not is_asked:  # who was faster has asked the default collection
                scope = self.last_asked(user.name, turns, conversation)
            listed = self.asking.listed(user.name, conversation)
        except WorkspaceError as error:
            _log.error("%s", error)
            listed = filled("shown/components.note", text=self.context.text("chat.not_kept"))
        scope = self.scope(scope)
        asked = {self.parts.scope: scope, self.parts.asked: self.asked(scope, user)}
        choices = choices_of(self.context, next(iter(scope.corpora), None))
        return {
            self.parts.model: gr.Dropdown(**choices.model, interactive=self.context.may(request, "admin")),
            self.parts.adapter: gr.Dropdown(**choices.adapter),
            self.parts.other: gr.Dropdown(**choices.other),
            self.parts.compares: gr.Checkbox(visible=choices.may_compare),
            self.parts.listed: listed,
            **(asked if is_asked else self.shown(user, turns, conversation, scope)),
        }

    def change_model(self, name: str, request: gr.Request) -> None:
        """Have another base model answer everyone, now and after the next start."""
        context = self.context
        context.require(request, "admin")
        if name != context.settings.engine.model:
            if name not in models_here(context):
                raise UsageError(f"There is no model {name[:80]!r} here.", "Fetch it on the page Settings.")
            before = context.settings.engine.model
            context.service.change_model(name)
            try:
                offered = [f"ui.models={json.dumps(kept)}"] if (kept := context.settings.ui.models) else []
                change_settings(context.workspace, [f"{SETTINGS['language model']}={name}", *offered])
            except AssistantError:
                context.service.change_model(before)
                raise
            context.record(context.who(request), "config set", SETTINGS["language model"], value=name)
            gr.Info(message_html(context.text("chat.model_changed", name=name)))

    def show_model(self, request: gr.Request) -> list[gr.Dropdown]:  # noqa: ARG002
        """Show the model that answers, and which adapters were made for it."""
        choices = choices_of(self.context)
        return [gr.Dropdown(**choices.model), gr.Dropdown(choices=choices.adapter["choices"])]

    def compare(self, compares: bool) -> Changes:
        """Show or hide what a comparison needs."""
        return {self.parts.other: gr.Dropdown(visible=compares), self.parts.blind: gr.Checkbox(visible=compares)}

    def _models(
        self, scope: Scope, adapter: str, other: str | None, blind: bool, files: str
    ) -> tuple[ServedModel, ...]:
        """What is asked: ``files``, a corpus by itself, or else the first of the scope. Raises UnknownModel."""
        service = self.context.service
        models = [ServedModel(files or service.corpus(next(iter(scope.corpora), "")), service.adapter(adapter))]
        if other is not None:
            second = service.model(other)
            models.append(replace(second, corpus=files or second.corpus))
        return in_any_order(models, blind)
