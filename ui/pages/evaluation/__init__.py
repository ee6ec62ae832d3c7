"""The page of evaluation: reports, and beside them the one that is open, or how a new one is made."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from pydantic import TypeAdapter, ValidationError

from assistant.artifacts.cards import BASE, adapters_shown
from assistant.artifacts.evaluations import DRAFT, Comparison
from assistant.config import JobKind
from assistant.errors import UsageError
from assistant.workspace import Resource, replaced_atomically
from ui.context import AppContext
from ui.jobs import Status, printed
from ui.pages.evaluation.view import (
    CASES_FOLDER,
    case_files,
    comparison_html,
    report_file,
    report_html,
    reports,
    reports_html,
)
from ui.pages.events import (
    CLICKED,
    QUIET,
    choice_list,
    choosing,
    data_of,
    still_html,
    tell_beside,
    telling,
    when_opened,
)
from ui.pages.job_forms import AnyCorpusName, Count, JobPanel, PairsName, checked, job_panel, judges_of
from ui.pages.training.view import other_base, pairs_sets
from ui.rights import gold_documents
from ui.scope import known_documents
from ui.shown.components import message_html
from ui.uploads import kept_as

KINDS: tuple[JobKind, ...] = ("eval", "compare", "draft", "draw")
_WITHOUT_ADAPTER = ("base", "base+rag")
_RAG = "+rag"
_ADDRESS = "(_, ...others) => [location.hash.slice(1), ...others]"
_REFERENCES = ("oracle", "noise", "extractive")
_PROPOSED = 20
_MOST_READ = 200
"""Proposed cases that are shown at once."""


def case_names(context: AppContext) -> list[str]:
    """The files of cases to choose from, by name."""
    return [file.name for file in case_files(context.workspace)]


def systems_of(context: AppContext) -> list[str]:
    """Who can answer: the base model and each adapter, without and with retrieval, and what they are held against."""
    adapters = adapters_shown(context.workspace)
    return [*_WITHOUT_ADAPTER, *(system for name in adapters for system in (name, f"{name}+rag")), *_REFERENCES]


def who_answers(context: AppContext) -> list[tuple[str, str]]:
    """The systems in words, each with its name."""
    words, named, names = context.text, [], adapters_shown(context.workspace)
    for system in systems_of(context):
        adapter = system.removesuffix(_RAG)
        model = words("evaluation.base") if adapter == BASE else words("evaluation.adapter", name=adapter)
        if adapter in names and (base := other_base(context, adapter)):
            model = words("training.other_base", name=model, base=base)
        kind = "retrieval" if system.endswith(_RAG) else "closed_book"
        who = (
            words(f"evaluation.who.{system}") if system in _REFERENCES else words(f"evaluation.who.{kind}", model=model)
        )
        named.append((f"{who} ({system})", system))
    return named


def corpora_of(context: AppContext) -> list[tuple[str, str]]:
    """The corpora by name, and before them the one that the questions are about, whichever that is."""
    names = ((name, name) for name in context.workspace.corpus_names())
    return [(context.text("evaluation.corpus_of_cases"), ""), *names]


@dataclass(frozen=True, slots=True)
class _Draft:
    """What is read of a proposed case before it is confirmed or struck out."""

    id: str
    question: str
    answers: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


_DRAFT_LINE = TypeAdapter(_Draft)


def _draft_of(line: str) -> _Draft | None:
    """The proposed case of a line; None for what is none, and for one that somebody has confirmed."""
    try:
        found = _DRAFT_LINE.validate_json(line)
    except ValidationError:
        return None
    return found if DRAFT in found.tags else None


@dataclass(frozen=True, slots=True)
class EvaluationActions:
    """Callbacks of the page in one language."""

    context: AppContext

    def result(self, status: Status) -> str:
        """What two reports say about each other; a report itself stands in the list."""
        if status.is_under_way or status.job.kind != "compare":
            return ""
        found = printed(self.context.jobs.output(status.job.id), Comparison)
        return comparison_html(self.context, found) if found else ""

    @telling
    def listed(
        self,
        address: str,
        name: str | None,
        cases: str | None,
        pairs: str | None,
        corpus: str | None,
        systems: list[str],
        baseline: str | None,
        judge: str | None,
        before: str | None,
        after: str | None,
        request: gr.Request,
    ) -> list[Any]:
        """Reports, and all that an evaluation can be made of; what is chosen stays.

        The newest report opens by itself when the page is first looked at, unless its ``address`` names another one.
        """
        if not self.context.may(request, "editor"):
            return [gr.skip()] * 13
        space = self.context.workspace
        views, known = reports(space), systems_of(self.context)
        names = [view.name for view in views]
        is_first = name is None and bool(names) and not address.startswith("evaluation/")
        return [
            reports_html(self.context, views, names[0] if is_first else name),
            *(self._opened(names[0]) if is_first else [gr.skip()] * 4),
            choosing(case_names(self.context), cases),
            choosing(pairs_sets(space), pairs),
            gr.Dropdown(corpora_of(self.context), value=corpus if corpus in space.corpus_names() else ""),
            gr.CheckboxGroup(who_answers(self.context), value=[system for system in systems if system in known]),
            choosing(["", *names], baseline),
            choosing(["", *judges_of(self.context.settings)], judge),
            choosing(names, before, first=1),
            choosing(names, after),
        ]

    @telling
    def send(self, file: str | None, request: gr.Request) -> list[Any]:
        """Keep a file of cases in the workspace."""
        user = self.context.require(request, "editor")
        if file is None:
            return [None, gr.skip()]
        folder = self.context.workspace.root / CASES_FOLDER
        kept = kept_as(file, folder, user, self.context.arrivals, self.context.settings.ui, (".jsonl",))
        tell_beside(self.context, [kept])
        return [None, gr.Dropdown(case_names(self.context), value=kept.path.name)]

    @telling
    @checked
    def draft(self, pairs: PairsName, most: Count, request: gr.Request) -> None:
        """Propose cases from a set of pairs, for a person to read."""
        self.context.require(request, "editor")
        folder = self.context.workspace.root / CASES_FOLDER
        number = next(n for n in range(1, 10_000) if not (folder / f"{pairs}-draft-{n}.jsonl").exists())
        target = folder / f"{pairs}-draft-{number}.jsonl"
        arguments = ["eval", "draft", f"--to={target}", f"-n{most or _PROPOSED}", "--", pairs]
        self.context.start("draft", target.name, arguments, reads=[("pairs", pairs)])

    @telling
    def drafts(self, cases: str | None, request: gr.Request) -> list[Any]:
        """The proposed cases of a file, each with its answer; all are to stay until somebody strikes one out."""
        file = self._file(cases) if self.context.may(request, "editor") else None
        found = list(filter(None, map(_draft_of, _lines_of(file)))) if file else []
        refusal = self.context.text("evaluation.changes.refusal")
        labels = {one.id: f"{one.question} → {' / '.join(one.answers) or refusal}" for one in found[:_MOST_READ]}
        choices = [(label, name) for name, label in labels.items()]
        return [gr.Accordion(visible=bool(labels)), gr.CheckboxGroup(choices, value=list(labels)), list(labels)]

    @telling
    def confirm(self, cases: str | None, kept: list[str], read: list[str], request: gr.Request) -> None:
        """Of the proposed cases that somebody has ``read``, keep some as confirmed, and strike out the others."""
        self.context.require(request, "editor")
        file = self._file(cases)
        if file is None:
            raise UsageError(self.context.text("evaluation.no_cases"))
        self.context.refuse_edit("cases", file.name)
        lines = []
        for line in _lines_of(file):
            one = _draft_of(line)
            if one is None or one.id not in read:
                lines.append(line)
            elif one.id in kept:
                row = {**json.loads(line), "tags": [tag for tag in one.tags if tag != DRAFT]}
                lines.append(json.dumps(row, ensure_ascii=False))
        if not any(map(str.strip, lines)):
            raise UsageError("No question would be left.", "Let at least one stay.")
        with replaced_atomically(file) as beside:
            beside.write_text("\n".join(lines), encoding="utf-8", newline="\n")
        struck = len(set(read) - set(kept))
        gr.Info(message_html(self.context.text("evaluation.confirmed", kept=len(read) - struck, struck=struck)))

    @telling
    @checked
    def start(
        self,
        cases: str | None,
        corpus: AnyCorpusName,
        systems: list[str],
        limit: Count,
        held_out: bool,
        baseline: str | None,
        judge: str | None,
        request: gr.Request,
    ) -> None:
        """Evaluate."""
        self.context.require(request, "editor")
        file = self._file(cases)
        if file is None:
            raise UsageError(self.context.text("evaluation.no_cases"))
        if not systems:
            raise UsageError(self.context.text("evaluation.no_systems"))
        if unknown := next((one for one in systems if one not in systems_of(self.context)), ""):
            raise UsageError(f"There is no system {unknown[:80]!r}.", "Choose from the list.")
        if judge and judge not in judges_of(self.context.settings):
            raise UsageError(f"{judge[:80]!r} may not judge.", "Choose from the list; eval.judges names who may.")
        if not corpus and not self.context.workspace.shows("workspace", ""):
            corpus = self._corpus_about(file)  # among all that there are, it could be another one
        options = ["--json", f"--systems={','.join(systems)}", f"--language={self.context.language}"]
        options += [f"--corpus={corpus}"] if corpus else []
        options += [f"--limit={limit}"] if limit else []
        options += ["--held-out"] if held_out else []
        options += [f"--baseline={report_file(self.context.workspace, baseline).parent}"] if baseline else []
        options += [f"--judge={judge}"] if judge else []
        named = {system.removesuffix(_RAG) for system in systems}
        adapters: list[Resource] = [
            ("adapter", name) for name in adapters_shown(self.context.workspace) if name in named
        ]
        reads: list[Resource] = [("cases", file.name), *adapters]
        reads += [("corpus", corpus)] if corpus else []
        reads += [("report", baseline)] if baseline else []
        self.context.start("eval", file.name, ["eval", "run", *options, "--", str(file)], reads=reads)

    @telling
    @checked
    def compare(self, before: str | None, after: str | None, request: gr.Request) -> None:
        """Hold one report against another."""
        self.context.require(request, "editor")
        if not before or not after:
            raise UsageError(self.context.text("evaluation.compare.two"))
        folders = [str(report_file(self.context.workspace, name).parent) for name in (before, after)]
        arguments = ["eval", "compare", "--json", "--", *folders]
        self.context.start("compare", f"{before} → {after}", arguments, reads=[("report", before), ("report", after)])

    @telling
    def open(self, event: gr.EventData, request: gr.Request) -> list[Any]:
        """Show a report."""
        self.context.require(request, "editor")
        return self._opened(data_of(event).get("choice", ""))

    @telling
    def draw(self, name: str, request: gr.Request) -> None:
        """Draw the open report again: in the page's language, and with what people have said about its answers."""
        self.context.require(request, "editor")
        folder = report_file(self.context.workspace, name).parent
        arguments = ["eval", "report", f"--language={self.context.language}", "--", str(folder)]
        self.context.start("draw", name, arguments, edits=[("report", name)])

    @telling
    def drawn(self, name: str, request: gr.Request) -> Any:
        """The open report as it is now."""
        return report_html(self.context, name) if name and self.context.may(request, "editor") else gr.skip()

    def close(self) -> list[Any]:
        """Show again how a report is made."""
        return ["", gr.Column(visible=True), gr.Column(visible=False), ""]

    def _file(self, cases: str | None) -> Path | None:
        return next((file for file in case_files(self.context.workspace) if file.name == cases), None)

    def _corpus_about(self, file: Path) -> str:
        """The corpus that holds most of the documents which cases name."""
        wanted, names = gold_documents(file), self.context.workspace.corpus_names()
        if not names:
            raise UsageError("There is no corpus to ask.", "Add documents first.")

        def held(corpus: str) -> int:
            return sum(one.path in wanted for one in known_documents(self.context.workspace, [corpus]))

        return max(names, key=held)

    def _opened(self, name: str) -> list[Any]:
        return [report_html(self.context, name), gr.Column(visible=False), gr.Column(visible=True), name]


def _lines_of(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8-sig", errors="replace").split("\n")


def build(context: AppContext) -> None:
    """Lay out the page and wire it."""
    words, actions, names = context.text, EvaluationActions(context), [view.name for view in reports(context.workspace)]
    with gr.Row(elem_classes="columns"):
        with gr.Column(scale=2, min_width=320):
            new = gr.Button(words("evaluation.new"), variant="primary", elem_classes="closes")
            listed = choice_list("reports-list")
            with gr.Accordion(words("evaluation.compare.title"), open=False):
                before = gr.Dropdown(names, value=None, label=words("evaluation.compare.before"))
                after = gr.Dropdown(names, value=None, label=words("evaluation.compare.after"))
                compare = gr.Button(words("evaluation.compare.start"))
        with gr.Column(scale=4, min_width=320):
            panel = job_panel(context, KINDS, "editor", lambda theirs, status: EvaluationActions(theirs).result(status))
            with gr.Column(visible=True) as making:
                lists = _making(context, actions, panel)
            with gr.Column(visible=False) as opened:
                with gr.Row():
                    close = gr.Button(words("documents.close"), size="sm", elem_classes="closes")
                    draw = gr.Button(words("evaluation.draw"), size="sm")
                shown = still_html()
    name, address = gr.State(None), gr.Textbox("", visible=False)
    sides = [shown, making, opened, name]
    listed.choose(actions.open, outputs=sides, **CLICKED)
    for button in (new, close):
        button.click(actions.close, outputs=sides, **CLICKED)
    draw.click(actions.draw, name, **CLICKED).then(panel.refresh, outputs=panel.outputs, **QUIET)
    panel.ended.change(actions.drawn, name, shown, **QUIET)
    compared = compare.click(actions.compare, [before, after], **CLICKED)
    compared.then(panel.refresh, outputs=panel.outputs, **QUIET)
    chosen = [*lists, before, after]
    inputs, outputs = [address, name, *chosen], [listed, *sides, *chosen]
    panel.ended.change(actions.listed, inputs, outputs, **QUIET)
    when_opened(actions.listed, outputs, inputs, js=_ADDRESS)


def _making(context: AppContext, actions: EvaluationActions, panel: JobPanel) -> list[Any]:
    """A new evaluation: its cases, who answers, its baseline. Returns what has to be brought up to date."""

    def named(key: str) -> dict[str, Any]:
        return {"label": context.text(f"evaluation.{key}"), "info": context.text(f"evaluation.{key}_help")}

    words = context.text
    cases = gr.Dropdown(case_names(context), **named("cases"))
    with gr.Accordion(words("evaluation.more_cases"), open=False):
        file = gr.File(label=words("evaluation.send"), file_types=[".jsonl"], height=120)
        draft_from, draft_help = words("evaluation.draft_from"), words("evaluation.draft_help")
        pairs = gr.Dropdown(pairs_sets(context.workspace), label=draft_from, info=draft_help)
        most = gr.Number(_PROPOSED, precision=0, minimum=1, label=words("evaluation.draft_most"))
        draft = gr.Button(words("evaluation.draft"))
    with gr.Accordion(words("evaluation.drafts"), visible=False) as reading:
        kept = gr.CheckboxGroup([], elem_classes="drafts", **named("kept"))
        confirm = gr.Button(words("evaluation.confirm"))
    drafts = [reading, kept, gr.State([])]
    corpus = gr.Dropdown(corpora_of(context), value="", label=words("documents.corpus"))
    systems = gr.CheckboxGroup(who_answers(context), value=["extractive", "base", "base+rag"], **named("systems"))
    with gr.Accordion(words("training.more"), open=False):
        limit = gr.Number(0, precision=0, minimum=0, elem_id="eval-limit", **named("limit"))
        held_out = gr.Checkbox(label=words("evaluation.held_out"), value=False)
        baseline = gr.Dropdown([], **named("baseline"))
        judge = gr.Dropdown(["", *judges_of(context.settings)], value="", **named("judge"))
    start = gr.Button(words("evaluation.start"), variant="primary")
    for event, action, inputs in (
        (draft.click, actions.draft, [pairs, most]),
        (start.click, actions.start, [cases, corpus, systems, limit, held_out, baseline, judge]),
    ):
        event(action, inputs, **CLICKED).then(panel.refresh, outputs=panel.outputs, **QUIET)
    file.upload(actions.send, file, [file, cases], **CLICKED)
    cases.change(actions.drafts, cases, drafts, **QUIET)
    confirm.click(actions.confirm, [cases, *drafts[1:]], **CLICKED).success(actions.drafts, cases, drafts, **QUIET)
    return [cases, pairs, corpus, systems, baseline, judge]
