"""Which documents the chat asks: collections, what narrows them, or files that someone brings; and what it shows.

Such files are read for one conversation by ``assistant ingest``, and asked alone. They lie in a workspace of their own
(``ui.conversations``), which is there with its conversation and for its person.
"""

import asyncio
import functools
import logging
import threading
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from assistant.artifacts.audit import ACTOR_VARIABLE
from assistant.artifacts.command_reports import IngestReport
from assistant.config import ENVIRONMENT_PREFIX
from assistant.errors import AssistantError, UsageError
from assistant.workspace import DEFAULT_CORPUS, Workspace
from ui.context import AppContext
from ui.conversations import FILES, corpus_of
from ui.jobs import Jobs, printed, variables_of
from ui.logs import follow
from ui.pages.chat.asking import Asking, Edit, first_questions, ready
from ui.pages.chat.parts import Parts
from ui.pages.chat.view import scope_html, turn_html, welcome_html
from ui.pages.events import data_of, number_of, tell_beside
from ui.people import User
from ui.scope import EVERYTHING, Scope, offered, scope_of, standing
from ui.shown.components import bytes_of, message_html
from ui.turns import Turn
from ui.uploads import safe_file_name, stored

Changes = dict[Any, Any]
_LOOK_SECONDS = 0.2
_MOST_NAMED = 3  # conversations, of those that take the most disk
_log = logging.getLogger("uvicorn.error")


@dataclass(frozen=True, slots=True)
class _Brought:
    """What became of some files: the conversation that asks them now, which were not taken, and what else is told."""

    conversation: int | None
    scope: Scope
    refused: Sequence[str] = ()
    remarks: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class AskedDocuments:
    """The part of the page in one language that says which documents are asked, and shows conversations."""

    context: AppContext
    parts: Parts
    asking: Asking

    def scope(self, scope: Scope) -> Scope:
        """A scope without the corpora that are gone."""
        return standing(scope, self.corpora())

    def corpora(self) -> tuple[str, ...]:
        """The corpora that there are."""
        return self.context.workspace.corpus_names()

    def asked(self, scope: Scope, user: User, reading: Sequence[str] = ()) -> str:
        """Which documents are asked; ``reading`` are files that are read just now."""
        found = offered(self.context.workspace, scope, self.corpora())
        return scope_html(scope, found, self.context.text, reading=reading, may_add=user.may("editor"))

    def welcome(self, scope: Scope, user: User, conversation: int | None) -> Markup:
        """What stands in place of the first question."""
        workspace, corpus, only = self.context.workspace, next(iter(scope.corpora), ""), scope.only
        if scope.files:
            files = None if conversation is None else self.context.conversations.files(user.name, conversation)
            workspace, corpus, only = files or workspace, FILES if files else "", None
        questions = first_questions(workspace, corpus, self.context.language) if corpus and not only else []
        return welcome_html(questions, scope.files or self.corpora(), self.context.text)

    def shown(
        self, user: User, turns: Sequence[Turn], conversation: int | None, scope: Scope, edit: Edit | None = None
    ) -> Changes:
        """A conversation; what stood in the box before an edit stands there again."""
        scope = self.scope(scope)
        shown = [turn_html(turn, self.context.text) for turn in turns]
        *earlier, last = shown or [self.welcome(scope, user, conversation)]
        return {
            self.parts.scope: scope,
            self.parts.asked: self.asked(scope, user),
            self.parts.conversation: conversation,
            self.parts.edit: None,
            self.parts.editing: "",
            self.parts.log: "".join(earlier),
            self.parts.now: last,
            self.parts.panel: "",
            self.parts.question: ready(edit.draft if edit else None),
        }

    def last_asked(self, user: str, turns: Sequence[Turn], conversation: int | None) -> Scope:
        """What a conversation asks; for a new one, the corpora that the user's latest conversation asked last."""
        kept = self.context.conversations
        if conversation is not None and (scope := kept.scope(user, conversation)) != EVERYTHING:
            return scope
        newest = kept.latest(user)
        latest = turns or (kept.turns(user, newest) if newest is not None else [])
        if not latest:
            return EVERYTHING
        reply = latest[-1].standing
        return Scope(reply.scope.corpora or (reply.corpus,))

    def turn(self, event: gr.EventData, request: gr.Request) -> Turn:
        """The turn of the one who clicked. Raises UsageError for another's."""
        return self.context.conversations.turn(self.name(request), number_of(event, "turn"))

    def name(self, request: gr.Request) -> str:
        """Who clicked. Raises gr.Error for one who is not signed in any more."""
        return self.context.who(request).name

    # Which documents are asked

    def narrow(self, conversation: int | None, event: gr.EventData, request: gr.Request) -> Changes:
        """Ask the documents that a form names."""
        data = event._data if isinstance(event._data, dict) else {}
        return self._narrowed(scope_of(data, self.context.workspace, self.corpora()), conversation, request)

    def widen(self, scope: Scope, conversation: int | None, event: gr.EventData, request: gr.Request) -> Changes:
        """Ask again what one part of the scope leaves out."""
        data = data_of(event)
        return self._narrowed(scope.without(data.get("part", ""), data.get("value", "")), conversation, request)

    def ask_only(self, conversation: int | None, event: gr.EventData, request: gr.Request) -> Changes:
        """Ask the document alone that is open beside the chat."""
        corpus, document = (data_of(event).get(name, "") for name in ("corpus", "document"))
        kept, user = self.context.conversations, self.name(request)
        if conversation is not None and corpus == corpus_of(conversation) and (files := kept.files(user, conversation)):
            scope_of({"documents": [document]}, files, (FILES,))
            return self._narrowed(replace(kept.scope(user, conversation), files=(document,)), conversation, request)
        named = {"corpora": [corpus], "documents": [document]}
        return self._narrowed(scope_of(named, self.context.workspace, self.corpora()), conversation, request)

    def _narrowed(self, scope: Scope, conversation: int | None, request: gr.Request) -> Changes:
        user, scope = self.context.who(request), self.scope(scope)
        changes = {self.parts.scope: scope, self.parts.asked: self.asked(scope, user)}
        if conversation is None:
            return {**changes, self.parts.now: self.welcome(scope, user, None)}
        self.context.conversations.narrow(user.name, conversation, scope)
        return changes

    # Files that someone brings

    async def attach(
        self, brought: list[str] | None, conversation: int | None, scope: Scope, searched: str, request: gr.Request
    ) -> AsyncGenerator[Changes, None]:
        """Read files, and ask them alone from then on; what was typed stays in its box."""
        follow(request)
        if not brought:
            yield {self.parts.brought: gr.skip()}
            return
        user, words = await asyncio.to_thread(self.context.who, request), self.context.text
        scope = await asyncio.to_thread(self.scope, scope)
        self.asking.refuse_too_often(user.name)
        with self.asking.reading(request.session_hash or "") as running:
            names = [safe_file_name(Path(one).name) for one in brought]
            yield {
                self.parts.asked: await asyncio.to_thread(self.asked, scope, user, names),
                self.parts.question: gr.Textbox(submit_btn=False, stop_btn=True),
            }
            read = _Brought(conversation, scope)
            try:
                async with self.context.readings.held(user.name, running.stop) as has_place:
                    if has_place:
                        read = await asyncio.to_thread(self._read, brought, user, conversation, scope, running.stop)
            except AssistantError as error:
                read = _Brought(conversation, scope, [self.context.said(error)])
            except Exception:
                _log.exception("Files could not be read.")
                read = _Brought(conversation, scope, [words("chat.unexpected")])
            finally:
                for one in brought:
                    self.context.arrivals.drop(one, user.name)
            for message in read.refused:
                gr.Warning(message_html(message), title=words("jobs.not_taken"))
            for message in read.remarks:
                gr.Warning(message_html(message))
            if running.is_shown:
                yield await asyncio.to_thread(self._attached, read, user, searched)

    def _attached(self, read: _Brought, user: User, searched: str) -> Changes:
        conversation, scope, turns = read.conversation, read.scope, self.context.conversations.turns
        try:
            is_empty = conversation is not None and not turns(user.name, conversation)
        except UsageError:  # it was deleted meanwhile
            shown = self.shown(user, (), None, Scope(scope.corpora))
            return {**shown, self.parts.brought: None, self.parts.listed: self.asking.listed(user.name, None, searched)}
        return {
            self.parts.brought: None,
            self.parts.scope: scope,
            self.parts.asked: self.asked(scope, user),
            self.parts.conversation: conversation,
            self.parts.listed: self.asking.listed(user.name, conversation, searched),
            self.parts.question: ready(),
            **({self.parts.now: self.welcome(scope, user, conversation)} if is_empty else {}),
        }

    def _read(
        self, brought: Sequence[str], user: User, conversation: int | None, scope: Scope, stop: threading.Event
    ) -> _Brought:
        """Keep and read files for a conversation; those of which nothing came are deleted.

        Raises UsageError for too many or too much, for another's, and where they cannot be read at all.
        """
        context, kept = self.context, self.context.conversations
        self._refuse_too_much(brought, user)
        before = None if conversation is None else kept.files(user.name, conversation)
        context.record(user, "upload", "" if conversation is None else f"@{conversation}", files=len(brought))
        files = before or kept.new_files()
        there = {file.name for file in (files.root / "uploads" / FILES).glob("*")}
        came: list[Path] = []
        good: list[str] = []
        with kept.reading(files):
            try:
                taken = stored(brought, files, FILES, user, context.arrivals, context.settings.ui)
                came += (file for file in taken.files if file.name not in there)
                refused = [f"{one.name}: {context.text(one.reason)}" for one in taken.refused]
                report = self._ingested(files, taken.folder, user, stop) if taken.kept else None
                if report is None:
                    return _Brought(conversation, scope, refused)
                failed = {
                    one.path: context.said(one.message) for one in report.files if one.status in ("failed", "skipped")
                }
                good += (file.name for file in taken.files if file.name not in failed)
                if good:
                    scope = replace(scope, files=tuple(dict.fromkeys((*scope.files, *good))))
                    conversation = kept.attach(user.name, conversation, files, scope)
                remarks = [
                    f"{one.path}: {context.said(remark)}"
                    for one in report.files
                    if one.path in good
                    for remark in one.warnings
                ]
                beside = [
                    context.text("uploads.beside", name=one.beside, kept=one.path.name)
                    for one in taken.kept
                    if one.beside and one.path.name in good
                ]
                return _Brought(conversation, scope, [*refused, *failed.values()], [*beside, *remarks])
            finally:
                for file in came:
                    if file.name not in good:  # or each later reading would read it again
                        file.unlink(missing_ok=True)

    def _refuse_too_much(self, brought: Sequence[str], user: User) -> None:
        """Raise UsageError, with the conversations to delete, where files would take more disk than one person may."""
        conversations = self.context.conversations.attached_sizes(user.name)
        most, taken = self.context.settings.ui.attached_mb << 20, sum(size for _, size in conversations)
        needed = sum(Path(one).stat().st_size for one in brought if self.context.arrivals.belongs(one, user.name))
        if not most or taken + needed <= most:
            return
        words, size_of = self.context.text, functools.partial(bytes_of, self.context)
        largest = ", ".join(f"{title} ({size_of(size)})" for title, size in conversations[:_MOST_NAMED])
        raise UsageError(
            words("attach.full", needed=size_of(needed), left=size_of(max(most - taken, 0)), most=size_of(most)),
            words("attach.full_help", largest=largest) if largest else words("attach.full_alone"),
        )

    def _ingested(self, files: Workspace, folder: Path, user: User, stop: threading.Event) -> IngestReport | None:
        """What ``assistant ingest`` says of a folder; None where it was stopped. Raises UsageError where it failed."""
        context = self.context
        # Their workspace has no settings of its own, and a place is for one process that reads.
        variables = variables_of(context.settings, context.origins, with_file=True)
        variables[f"{ENVIRONMENT_PREFIX}INGEST__WORKERS"] = "1"
        variables[ACTOR_VARIABLE] = ""  # what was brought is kept in the audit log of the workspace
        jobs = Jobs(files, variables, niceness=0)  # someone waits for it, as others do for answers
        # Those of before may have been read with other settings, or by another version: then all are read anew.
        for options in ((), ("--rebuild",)) if files.corpus_names() else ((),):
            arguments = ["ingest", "--json", "--yes", f"--corpus={FILES}", *options, "--", str(folder)]
            job = jobs.start("ingest", FILES, arguments, user.name)
            while (status := jobs.status(job.id)).is_under_way:
                if stop.is_set():
                    jobs.stop(job.id)
                time.sleep(_LOOK_SECONDS)
            if stop.is_set():
                return None
            if report := printed(jobs.output(job.id), IngestReport):
                return report
        raise UsageError(status.error or context.text("chat.unexpected"), context.text("chat.unexpected_help"))

    def collect(self, scope: Scope, conversation: int | None, event: gr.EventData, request: gr.Request) -> None:
        """Add the files that are asked alone to a collection, as the page of documents adds what is sent there."""
        context, user = self.context, self.context.require(request, "editor")
        corpus = data_of(event).get("corpus", "")
        files = self.asking.files(user.name, conversation, scope)
        if files is None or corpus not in (self.corpora() or (DEFAULT_CORPUS,)):
            raise UsageError(f"There is no corpus {corpus[:80]!r}.", f"There are: {', '.join(self.corpora())}.")
        context.refuse_edit("corpus", corpus)
        context.jobs.refuse_second("ingest")
        own = [str(files.root / "uploads" / FILES / name) for name in scope.files]
        for file in own:
            context.arrivals.note(file, user.name)
        taken = stored(own, context.workspace, corpus, user, context.arrivals, context.settings.ui)
        tell_beside(context, taken.kept, context.text("documents.beside_help"))
        arguments = ["ingest", "--json", f"--corpus={corpus}", "--", str(taken.folder)]
        context.start("ingest", corpus, arguments, edits=[("corpus", corpus)])
        gr.Info(message_html(context.text("attach.added", corpus=corpus)))
