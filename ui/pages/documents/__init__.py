"""The page of documents: what the assistant has read, and how more gets in."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from assistant.artifacts.command_reports import IngestReport
from assistant.config import JobKind
from assistant.workspace import DEFAULT_CORPUS, checked_source
from ui.context import AppContext
from ui.jobs import Status, printed
from ui.pages.documents.view import (
    DocumentRow,
    document,
    documents_of,
    forgetting_html,
    list_html,
    live_html,
    matching,
    outcome_html,
    preview,
    preview_html,
)
from ui.pages.events import (
    CLICKED,
    QUIET,
    choice_list,
    data_of,
    page_does,
    still_html,
    tell_beside,
    telling,
    when_opened,
)
from ui.pages.job_forms import CorpusName, JobPanel, checked, existing_corpus, job_panel
from ui.shown.components import empty_html, message_html, meta_html
from ui.uploads import stored

_KINDS: tuple[JobKind, ...] = ("ingest", "forget")


@dataclass(frozen=True, slots=True)
class DocumentsActions:
    """What the page does when something is clicked."""

    context: AppContext

    def result(self, status: Status) -> str:
        """The report of an ingest, or its files so far."""
        if status.is_under_way:
            return live_html(self.context, self.context.jobs.items(status.job.id))
        outcome = printed(self.context.jobs.output(status.job.id), IngestReport)
        return outcome_html(self.context, outcome) if outcome else ""

    @telling
    @checked
    def upload(self, corpus: CorpusName, files: list[str] | None, request: gr.Request) -> None:
        """Keep files in the workspace and read them."""
        user = self.context.require(request, "editor")
        if not files:
            return
        context = self.context
        context.refuse_edit("corpus", corpus)
        taken = stored(files, context.workspace, corpus, user, context.arrivals, context.settings.ui)
        for one in taken.refused:
            message = message_html(f"{one.name}: {context.text(one.reason)}")
            gr.Warning(message, title=context.text("jobs.not_taken"))
        context.record(user, "upload", corpus, files=[file.name for file in taken.files])
        tell_beside(context, taken.kept, context.text("documents.beside_help"))
        if taken.files:
            self._ingest(corpus, [str(taken.folder)])

    @telling
    @checked
    def read_folder(self, corpus: CorpusName, folder: str | None, request: gr.Request) -> None:
        """Read a folder of the server or what lies at an address, which only an admin may name."""
        self.context.require(request, "admin")
        named = (folder or "").strip()
        if not named:
            raise gr.Error(self.context.text("documents.no_folder"))
        self._ingest(corpus, [checked_source(named) if "://" in named else str(Path(named).expanduser())])

    @telling
    @checked
    def look(self, corpus: CorpusName, confirmed: bool, request: gr.Request) -> None:
        """Look again at all folders that the corpus was made from."""
        self.context.require(request, "editor")
        existing_corpus(corpus, self.context.workspace.corpus_names())
        self._ingest(corpus, [], ["--yes"] if confirmed else [])

    @telling
    @checked
    def rebuild(self, corpus: CorpusName, confirmed: bool, request: gr.Request) -> None:
        """Read everything anew."""
        self.context.require(request, "editor")
        existing_corpus(corpus, self.context.workspace.corpus_names())
        self._ingest(corpus, [], ["--rebuild", *(["--yes"] if confirmed else [])])

    @telling
    @checked
    def again(self, corpus: CorpusName, key: str, request: gr.Request) -> None:
        """Look at one file again."""
        self.context.require(request, "editor")
        self._ingest(corpus, [str(self._document(corpus, key).location)])

    @telling
    def corpora(self, corpus: str | None, request: gr.Request) -> Any:
        """The corpora to choose from, those among them that were made since the app was started.

        What is chosen stays, and be it the name of a new one; but for the one that stood there before anyone was known.
        """
        if not self.context.may(request, "editor"):
            return gr.skip()
        names = _corpora(self.context)
        stays = corpus and (corpus in names or corpus != DEFAULT_CORPUS)
        return gr.Dropdown(names, value=corpus if stays else names[0], allow_custom_value=True)

    @telling
    def listed(self, corpus: str, query: str, request: gr.Request) -> list[Any]:
        """How many documents there are, and those that fit the query."""
        if not self.context.may(request, "editor"):
            return ["", ""]
        rows = self._rows(corpus)
        if not rows:
            words = self.context.text
            return ["", empty_html(words("documents.empty.title"), words("documents.empty.what"))]
        found = matching(rows, query or "")
        failed = sum(bool(row.failure) for row in rows)
        key = "documents.count_unread" if failed else "documents.count"
        line = self.context.text(key, shown=len(found), count=len(rows), failed=failed)
        return [meta_html(line), list_html(self.context, corpus, found)]

    @telling
    def open(self, event: gr.EventData, request: gr.Request) -> list[Any]:
        """Show a document as the assistant reads it; an address may name one of another corpus than is listed."""
        self.context.require(request, "editor")
        corpus, _, key = data_of(event).get("choice", "").partition("/")
        shown = preview_html(self.context, corpus, preview(self.context.workspace, corpus, key))
        return [shown, gr.Column(visible=True), gr.Column(visible=False), key, corpus]

    @telling
    def ask_to_forget(self, corpus: str, key: str, request: gr.Request) -> list[Any]:
        """Say what would be forgotten."""
        self.context.require(request, "editor")
        row = self._document(corpus, key)
        if self._is_own(row):
            text = self.context.text("documents.forget_one", name=row.path)
        else:
            others = sum(one.root == row.root for one in self._rows(corpus))
            text = self.context.text("documents.forget_folder", folder=row.root, count=others)
        return [forgetting_html(text), gr.Column(visible=True)]

    @telling
    @checked
    def forget(self, corpus: CorpusName, key: str, request: gr.Request) -> None:
        """Forget an uploaded file, which is deleted, or a folder of the server, which is not."""
        self.context.require(request, "editor")
        row = self._document(corpus, key)
        self.context.refuse_edit("corpus", corpus)
        if self._is_own(row):
            self.context.jobs.refuse_second("ingest")  # before anything is deleted
            row.location.unlink(missing_ok=True)
            self._ingest(corpus, [str(row.location)], ["--yes"])
        else:
            arguments = ["forget", "--json", "--yes", f"--corpus={corpus}", "--", str(row.root)]
            self.context.start("forget", corpus, arguments, edits=[("corpus", corpus)])

    def _rows(self, corpus: str) -> list[DocumentRow]:
        return documents_of(self.context.workspace, corpus or "")

    def _document(self, corpus: str, key: str) -> DocumentRow:
        return document(self.context.workspace, corpus, key)

    def _is_own(self, row: DocumentRow) -> bool:
        """Whether a file was uploaded, and is ours to delete."""
        return row.location.is_relative_to(self.context.workspace.root / "uploads")

    def _ingest(self, corpus: str, targets: Sequence[str], options: Sequence[str] = ()) -> None:
        arguments = ["ingest", "--json", f"--corpus={corpus}", *options, "--", *targets]
        self.context.start("ingest", corpus, arguments, edits=[("corpus", corpus)])


def build(context: AppContext) -> None:
    """Lay out the page and wire it: the documents, and beside them the one that is open, or how to add more."""
    actions = DocumentsActions(context)
    with gr.Row(elem_classes="columns"):
        with gr.Column(scale=2, min_width=320):
            name, about = context.text("documents.corpus"), context.text("documents.corpus_help")
            corpus = gr.Dropdown(_corpora(context), label=name, info=about, allow_custom_value=True)
            query = gr.Textbox(label=context.text("documents.search"), elem_classes="search")
            count, listed = still_html(), choice_list("documents-list")
        with gr.Column(scale=3, min_width=320):
            with gr.Column(elem_classes="makes"):
                panel = _adding(context, actions, corpus)
            with gr.Column(visible=False, elem_classes=["card", "opens"]) as opened:
                _opened(context, actions, corpus, listed, panel, opened)
    shown = [count, listed]
    for event in (query.change, corpus.change, panel.ended.change):
        event(actions.listed, [corpus, query], shown, **QUIET)
    when_opened(actions.listed, shown, [corpus, query])
    panel.ended.change(actions.corpora, corpus, corpus, **QUIET)
    when_opened(actions.corpora, [corpus], [corpus])


def _corpora(context: AppContext) -> list[str]:
    return list(context.workspace.corpus_names()) or [DEFAULT_CORPUS]


def _adding(context: AppContext, actions: DocumentsActions, corpus: gr.Dropdown) -> JobPanel:
    """How more gets in, and what became of it."""
    files = gr.File(label=context.text("documents.drop"), file_count="multiple", height=180, elem_classes="drop")
    look = gr.Button(context.text("documents.look"), variant="secondary")
    panel = job_panel(context, _KINDS, "editor", lambda theirs, status: DocumentsActions(theirs).result(status))
    with gr.Accordion(context.text("documents.from_server"), open=False):
        folder = gr.Textbox(label=context.text("documents.folder"), info=context.text("documents.folder_help"))
        read = gr.Button(context.text("documents.read_folder"))
    with gr.Accordion(context.text("documents.anew"), open=False):
        gr.Markdown(context.text("documents.anew_help"))
        confirmed = gr.Checkbox(label=context.text("documents.confirmed"), value=False)
        rebuild = gr.Button(context.text("documents.rebuild"))
    for event, action, inputs in (
        (files.upload, actions.upload, [corpus, files]),
        (read.click, actions.read_folder, [corpus, folder]),
        (look.click, actions.look, [corpus, confirmed]),
        (rebuild.click, actions.rebuild, [corpus, confirmed]),
    ):
        event(action, inputs, **CLICKED).then(panel.refresh, outputs=panel.outputs, **QUIET)
    files.upload(lambda: None, outputs=files, **CLICKED)
    return panel


def _opened(
    context: AppContext,
    actions: DocumentsActions,
    corpus: gr.Dropdown,
    listed: gr.HTML,
    panel: JobPanel,
    opened: gr.Column,
) -> None:
    """The open document, read again or forgotten from here, in the column ``opened``."""
    chosen = gr.State("")
    with gr.Row():
        gr.Button(context.text("documents.close"), size="sm", elem_classes="closes")
        again = gr.Button(context.text("documents.again"), size="sm")
        forget = gr.Button(context.text("documents.forget"), size="sm")
    with gr.Column(visible=False) as asked:
        question = still_html()
        with gr.Row():
            confirmed = gr.Button(context.text("documents.forget_yes"), size="sm", variant="stop")
            kept = gr.Button(context.text("documents.forget_no"), size="sm")
    shown = still_html()
    came = listed.choose(actions.open, outputs=[shown, opened, asked, chosen, corpus], **CLICKED)
    came.success(None, js=page_does("shown", "documents"), **QUIET)
    forget.click(actions.ask_to_forget, [corpus, chosen], [question, asked], **CLICKED)
    kept.click(lambda: gr.Column(visible=False), outputs=asked, **CLICKED)
    leave = page_does("leave", "documents")
    corpus.input(None, js=leave, **QUIET)
    for event, action in ((again.click, actions.again), (confirmed.click, actions.forget)):
        started = event(action, [corpus, chosen], **CLICKED)
        started.success(None, js=leave, **QUIET)
        started.then(panel.refresh, outputs=panel.outputs, **QUIET)
