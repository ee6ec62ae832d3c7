"""What the page of evaluation does when something is clicked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from assistant.artifacts.adapters import BASE, adapter_names
from assistant.errors import UsageError
from ui.context import AppContext
from ui.jobs import Kind, Status
from ui.pages.acting import data_of
from ui.pages.given import AnyCorpusName, Count, PairsName, checked, judges_of
from ui.pages.told import telling
from ui.pages.wiring import choosing
from ui.people import User
from ui.reports import CASES_FOLDER, case_files, read_comparison, report_file, reports
from ui.shown.evaluation import comparison_html, decision_html, frame_html, reports_html
from ui.training import pairs_sets
from ui.uploads import kept_as

KINDS: tuple[Kind, ...] = ("eval", "compare", "draft")
_WITHOUT_ADAPTER = ("base", "base+rag")
_RAG = "+rag"
_REFERENCES = ("oracle", "noise", "extractive")


def case_names(context: AppContext) -> list[str]:
    """The files of cases to choose from, by name."""
    return [file.name for file in case_files(context.workspace)]


def systems_of(context: AppContext) -> list[str]:
    """Who can answer: the base model and each adapter, without and with retrieval, and what they are held against."""
    adapters = adapter_names(context.workspace.adapters)
    return [*_WITHOUT_ADAPTER, *(system for name in adapters for system in (name, f"{name}+rag")), *_REFERENCES]


def who_answers(context: AppContext) -> list[tuple[str, str]]:
    """The systems in words, each with its name."""
    return [(f"{_who(context, system)} ({system})", system) for system in systems_of(context)]


def _who(context: AppContext, system: str) -> str:
    if system in _REFERENCES:
        return context.text(f"evaluation.who.{system}")
    adapter = system.removesuffix(_RAG)
    model = context.text("evaluation.base") if adapter == BASE else context.text("evaluation.adapter", name=adapter)
    return context.text(f"evaluation.who.{'retrieval' if system.endswith(_RAG) else 'closed_book'}", model=model)


def corpora_of(context: AppContext) -> list[tuple[str, str]]:
    """The corpora by name, and before them the one that the questions are about, whichever that is."""
    names = ((name, name) for name in context.workspace.corpus_names())
    return [(context.text("evaluation.corpus_of_cases"), ""), *names]


@dataclass(frozen=True, slots=True)
class Actions:
    """Callbacks of the page in one language."""

    context: AppContext

    def result(self, status: Status) -> str:
        """What two reports say about each other; a report itself stands in the list."""
        if status.is_under_way or status.job.kind != "compare":
            return ""
        found = read_comparison(self.context.jobs.output(status.job.id))
        return comparison_html(self.context, found) if found else ""

    def listed(
        self,
        cases: str | None,
        pairs: str | None,
        corpus: str | None,
        systems: list[str],
        baseline: str | None,
        before: str | None,
        after: str | None,
        request: gr.Request,
    ) -> list[Any]:
        """Reports, and all that an evaluation can be made of; what is chosen stays."""
        if not self.context.may(request, "editor"):
            return [gr.skip()] * 8
        space = self.context.workspace
        views, known = reports(space), systems_of(self.context)
        names = [view.name for view in views]
        return [
            reports_html(self.context, views),
            choosing(case_names(self.context), cases),
            choosing(pairs_sets(space), pairs),
            gr.Dropdown(corpora_of(self.context), value=corpus if corpus in space.corpus_names() else ""),
            gr.CheckboxGroup(who_answers(self.context), value=[system for system in systems if system in known]),
            choosing(["", *names], baseline),
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
        return [None, gr.Dropdown(case_names(self.context), value=kept.name)]

    @telling
    @checked
    def draft(self, pairs: PairsName, request: gr.Request) -> None:
        """Propose cases from a set of pairs, for a person to read and mend."""
        user = self.context.require(request, "editor")
        folder = self.context.workspace.root / CASES_FOLDER
        number = next(n for n in range(1, 10_000) if not (folder / f"{pairs}-draft-{n}.jsonl").exists())
        target = folder / f"{pairs}-draft-{number}.jsonl"
        self._start("draft", target.name, user, ["eval", "draft", f"--to={target}", "--", pairs])

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
        user = self.context.require(request, "editor")
        file = self._cases(cases)
        if not systems:
            raise UsageError(self.context.text("evaluation.no_systems"))
        if unknown := next((one for one in systems if one not in systems_of(self.context)), ""):
            raise UsageError(f"There is no system {unknown[:80]!r}.", "Choose from the list.")
        if judge and judge not in judges_of(self.context.settings):
            raise UsageError(f"{judge[:80]!r} may not judge.", "Choose from the list; eval.judges names who may.")
        options = ["--json", f"--systems={','.join(systems)}"]
        options += [f"--corpus={corpus}"] if corpus else []
        options += [f"--limit={limit}"] if limit else []
        options += ["--held-out"] if held_out else []
        options += [f"--baseline={report_file(self.context.workspace, baseline).parent}"] if baseline else []
        options += [f"--judge={judge}"] if judge else []
        self._start("eval", file.name, user, ["eval", "run", *options, "--", str(file)])

    @telling
    @checked
    def compare(self, before: str | None, after: str | None, request: gr.Request) -> None:
        """Hold one report against another."""
        user = self.context.require(request, "editor")
        if not before or not after:
            raise UsageError(self.context.text("evaluation.compare.two"))
        folders = [str(report_file(self.context.workspace, name).parent) for name in (before, after)]
        self._start("compare", f"{before} → {after}", user, ["eval", "compare", "--json", "--", *folders])

    @telling
    def open(self, event: gr.EventData, request: gr.Request) -> list[Any]:
        """Show a report."""
        self.context.require(request, "editor")
        name = data_of(event).get("choice", "")
        report_file(self.context.workspace, name)
        view = next((one for one in reports(self.context.workspace) if one.name == name), None)
        decision = decision_html(self.context, view) if view else ""
        return [decision + frame_html(self.context, name), gr.Column(visible=False), gr.Column(visible=True)]

    def close(self) -> list[Any]:
        """Show again how a report is made."""
        return ["", gr.Column(visible=True), gr.Column(visible=False)]

    def _cases(self, name: str | None) -> Path:
        found = next((file for file in case_files(self.context.workspace) if file.name == name), None)
        if found is None:
            raise UsageError(self.context.text("evaluation.no_cases"))
        return found

    def _start(self, kind: Kind, about: str, user: User, arguments: Sequence[str]) -> None:
        self.context.jobs.start(kind, about, arguments, user.name)
