"""Files that someone brings into the chat: read for one conversation by ``assistant ingest``, and asked alone.

They lie in a workspace of their own (``ui.conversations``), which is there with its conversation and for its person.
"""

import asyncio
import shutil
import threading
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import gradio as gr

from assistant.artifacts.command_reports import IngestReport
from assistant.errors import AssistantError, UsageError
from assistant.workspace import DEFAULT_CORPUS, Workspace
from ui.conversations import FILES
from ui.jobs import Jobs, variables_of
from ui.pages.chat.asking import ready
from ui.pages.chat.page import Changes, ChatPage
from ui.pages.events import data_of
from ui.people import User
from ui.scope import Scope
from ui.shown.components import message_html
from ui.shown.corpus_contents import read_outcome
from ui.uploads import safe_file_name, stored

_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class _Read:
    """What became of some files: the conversation that asks them now, which were not taken, and what else is told."""

    conversation: int | None
    scope: Scope
    refused: Sequence[str] = ()
    remarks: Sequence[str] = ()


class Attaching(ChatPage):
    """What happens to files in the chat."""

    async def attach(
        self, brought: list[str] | None, conversation: int | None, scope: Scope, searched: str, request: gr.Request
    ) -> AsyncGenerator[Changes, None]:
        """Read files, and ask them alone from then on; what was typed stays in its box."""
        if not brought:
            yield {self.parts.brought: gr.skip()}
            return
        user = await asyncio.to_thread(self.context.who, request)
        scope = await asyncio.to_thread(self.scope, scope)
        if seconds := self.context.questions.wait(user.name):
            words = self.context.text
            raise UsageError(words("chat.too_often"), words("chat.too_often_help", seconds=round(seconds) or 1))
        with self.asking.reading(request.session_hash or "") as running:
            names = [safe_file_name(Path(one).name) for one in brought]
            yield {
                self.parts.asked: await asyncio.to_thread(self.asked, scope, user, names),
                self.parts.question: gr.Textbox(submit_btn=False, stop_btn=True),
            }
            try:
                async with self.context.reading:  # one after the other: each takes a core, and who asks comes first
                    read = await asyncio.to_thread(self._read, brought, user, conversation, scope, running.stop)
            except AssistantError as error:
                read = _Read(conversation, scope, [str(error)])
            for message in read.refused:
                gr.Warning(message_html(message), title=self.context.text("jobs.not_taken"))
            for message in read.remarks:
                gr.Warning(message_html(message))
            if running.is_shown:
                yield await asyncio.to_thread(self._attached, read, user, searched)

    def _attached(self, read: _Read, user: User, searched: str) -> Changes:
        changes = {
            self.parts.brought: None,
            self.parts.scope: read.scope,
            self.parts.asked: self.asked(read.scope, user),
            self.parts.conversation: read.conversation,
            self.parts.listed: self.listed(user.name, read.conversation, searched),
            self.parts.question: ready(),
        }
        if read.conversation is not None and not self.context.conversations.turns(user.name, read.conversation):
            changes[self.parts.now] = self.welcome(read.scope, user, read.conversation)
        return changes

    def _read(
        self, brought: Sequence[str], user: User, conversation: int | None, scope: Scope, stop: threading.Event
    ) -> _Read:
        """Keep and read files for a conversation; what came of none is deleted.

        Raises UsageError for too many, for another's, and where they cannot be read at all.
        """
        context, kept = self.context, self.context.conversations
        before = None if conversation is None else kept.files(user.name, conversation)
        files = before or kept.new_files()
        is_attached = False
        try:
            taken = stored(brought, files, FILES, user, context.arrivals, context.settings.ui)
            refused = [f"{one.name}: {context.text(one.reason)}" for one in taken.refused]
            report = self._ingested(files, taken.folder, user, stop) if taken.files else None
            if report is None:
                return _Read(conversation, scope, refused)
            failed = {one.path: one.message for one in report.files if one.status in ("failed", "skipped")}
            for file in taken.files:
                if file.name in failed:
                    file.unlink(missing_ok=True)
            if good := [file.name for file in taken.files if file.name not in failed]:
                scope = replace(scope, files=tuple(dict.fromkeys((*scope.files, *good))))
                conversation = kept.attach(user.name, conversation, files, scope)
                is_attached = True
            remarks = [f"{one.path}: {remark}" for one in report.files for remark in one.warnings]
            return _Read(conversation, scope, [*refused, *failed.values()], remarks)
        finally:
            if not (before or is_attached):
                shutil.rmtree(files.root, ignore_errors=True)

    def _ingested(self, files: Workspace, folder: Path, user: User, stop: threading.Event) -> IngestReport | None:
        """What ``assistant ingest`` says of a folder; None where it was stopped. Raises UsageError where it failed."""
        context = self.context
        # Their workspace has no settings of its own; and someone waits for it, as others do for answers.
        jobs = Jobs(files, variables_of(context.settings, context.origins, with_file=True), niceness=0)
        arguments = ["ingest", "--json", "--yes", f"--corpus={FILES}", "--", str(folder)]
        job = jobs.start("ingest", FILES, arguments, user.name)
        while (status := jobs.status(job.id)).is_under_way:
            if stop.is_set():
                jobs.stop(job.id)
            time.sleep(_LOOK_SECONDS)
        if stop.is_set():
            return None
        report = read_outcome(jobs.output(job.id))
        if report is None:
            raise UsageError(status.error or context.text("chat.unexpected"), context.text("chat.unexpected_help"))
        return report

    def collect(self, scope: Scope, conversation: int | None, event: gr.EventData, request: gr.Request) -> None:
        """Add the files that are asked alone to a collection, as the page of documents adds what is sent there."""
        context, user = self.context, self.context.require(request, "editor")
        corpus = data_of(event).get("corpus", "")
        files = None if conversation is None else context.conversations.files(user.name, conversation)
        if files is None or corpus not in (self.corpora() or (DEFAULT_CORPUS,)):
            raise UsageError(f"There is no corpus {corpus[:80]!r}.", f"There are: {', '.join(self.corpora())}.")
        context.jobs.refuse_second("ingest")
        own = [str(files.root / "uploads" / FILES / name) for name in scope.files]
        for file in own:
            context.arrivals.note(file, user.name)
        taken = stored(own, context.workspace, corpus, user, context.arrivals, context.settings.ui)
        arguments = ["ingest", "--json", f"--corpus={corpus}", "--", str(taken.folder)]
        context.jobs.start("ingest", corpus, arguments, user.name)
        gr.Info(message_html(context.text("attach.added", corpus=corpus)))
