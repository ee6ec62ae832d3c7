"""What the page of training does when something is clicked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr

from assistant.artifacts.adapters import adapter_folder, unfinished_runs
from assistant.config.training import TrainSettings
from assistant.errors import UsageError
from assistant.workspace import make_folder, safe_name
from ui.context import AppContext
from ui.jobs import Kind, Status
from ui.pages.acting import data_of
from ui.pages.controls import assignments
from ui.pages.given import AdapterName, CorpusName, Weight, checked, existing_corpus, usable_base
from ui.pages.told import telling
from ui.pages.wiring import choosing
from ui.people import User
from ui.shown.training import adapters_html, card_html, check_html, pairs_html, plot_html
from ui.training import adapters, course_of, header_of, pairs_sets, read_check

KINDS: tuple[Kind, ...] = ("train", "check", "pairs", "compose", "export", "remove")
FIRST = ("name", "method", "epochs")
"""Settings of a training that stand open; the others are behind a fold."""
MORE = ("rank", "alpha", "learning_rate", "max_steps", "batch", "batch_tokens", "checkpointing", "patience", "seed")
Format = Literal["merged", "gguf", "gguf-lora", "hub"]
Method = Literal["cat", "svd", "linear", "ties", "dare_ties"]


@dataclass(frozen=True, slots=True)
class Actions:
    """Callbacks of the page in one language."""

    context: AppContext

    def result(self, status: Status) -> str:
        """What a job gives: the course of a training, the report of a check."""
        job, jobs = status.job, self.context.jobs
        if job.kind == "train":
            total = status.progress.total if status.progress and status.is_under_way else None
            return plot_html(self.context, course_of(self.context.workspace, job.about), job.about, total)
        if status.is_under_way:
            return ""
        if job.kind == "check" and (found := read_check(jobs.output(job.id))):
            return check_html(self.context, found)
        if job.kind == "pairs" and (header := header_of(self.context.workspace, job.about)):
            return pairs_html(self.context, header.counts)
        return ""

    def listed(
        self, corpus: str | None, pairs: str | None, unfinished: str | None, parts: list[str], request: gr.Request
    ) -> list[Any]:
        """All adapters, and what new ones can be made of; what is chosen stays."""
        if not self.context.may(request, "editor"):
            return [gr.skip()] * 6
        space = self.context.workspace
        found, resumable = adapters(space), unfinished_runs(space)
        names = [view.name for view in found if view.card]
        return [
            adapters_html(self.context, found),
            choosing(space.corpus_names(), corpus),
            choosing(pairs_sets(space), pairs),
            gr.Row(visible=bool(resumable)),
            choosing(resumable, unfinished),
            gr.CheckboxGroup(names, value=[part for part in parts if part in names]),
        ]

    def describe_pairs(self, pairs: str | None, request: gr.Request) -> str:
        """How many pairs there are in a set."""
        if not pairs or not self.context.may(request, "editor"):
            return ""
        header = header_of(self.context.workspace, pairs)
        return pairs_html(self.context, header.counts) if header else ""

    @telling
    @checked
    def make_pairs(self, corpus: CorpusName, request: gr.Request) -> None:
        """Make pairs from a corpus."""
        user = self.context.require(request, "editor")
        existing_corpus(corpus, self.context.workspace.corpus_names())
        self._start("pairs", corpus, user, ["pairs", "--json", f"--corpus={corpus}"])

    @telling
    @checked
    def check(self, request: gr.Request, pairs: str | None, base: str | None, _force: bool, *values: Any) -> None:
        """See what a training would need; ``values`` are those of ``FIRST`` and ``MORE``."""
        user = self.context.require(request, "editor")
        name, given = self._given(pairs, values)
        self._start("check", name, user, ["train", "--check", "--json", *self._base(base, user), "--", *given])

    @telling
    @checked
    def start(self, request: gr.Request, pairs: str | None, base: str | None, force: bool, *values: Any) -> None:
        """Train; ``values`` are those of ``FIRST`` and ``MORE``."""
        user = self.context.require(request, "editor")
        name, given = self._given(pairs, values)
        options = ["--json", *(["--force"] if force else []), *self._base(base, user)]
        self._start("train", name, user, ["train", *options, "--", *given])

    @telling
    @checked
    def resume(self, name: AdapterName, request: gr.Request) -> None:
        """Go on with a training that was interrupted."""
        user = self.context.require(request, "editor")
        self._start("train", name, user, ["train", "--json", "--resume", "--", f"name={name}"])

    @telling
    def open(self, event: gr.EventData, request: gr.Request) -> list[Any]:
        """Show an adapter's card."""
        self.context.require(request, "editor")
        name = data_of(event).get("choice", "")
        view = next((one for one in adapters(self.context.workspace) if one.name == name), None)
        if view is None:
            raise UsageError(self.context.text("training.gone"))
        shown = card_html(self.context, view, course_of(self.context.workspace, name))
        return [shown, gr.Column(visible=False), gr.Column(visible=True), gr.Row(visible=False), name]

    def close(self) -> list[Any]:
        """Show again how adapters are made."""
        return [gr.Column(visible=True), gr.Column(visible=False)]

    @telling
    @checked
    def remove(self, name: AdapterName, request: gr.Request) -> None:
        """Delete an adapter."""
        user = self.context.require(request, "admin")
        adapter_folder(self.context.workspace.adapters, name)
        self._start("remove", name, user, ["adapters", "remove", "--yes", "--", name])

    @telling
    @checked
    def export(self, name: AdapterName, format_: Format, request: gr.Request) -> None:
        """Write an adapter for other programs, into the workspace."""
        user = self.context.require(request, "editor")
        adapter_folder(self.context.workspace.adapters, name)
        target = make_folder(self.context.workspace.root / "exports") / safe_name(f"{name}-{format_}", "export")
        options = ["--json", "--force", f"--format={format_}", f"--to={target}"]
        self._start("export", name, user, ["adapters", "export", *options, "--", name])

    @telling
    @checked
    def compose(
        self,
        parts: list[AdapterName],
        weights: dict[str, Weight],
        name: AdapterName,
        method: Method,
        request: gr.Request,
    ) -> None:
        """Add adapters up, each times its weight."""
        user = self.context.require(request, "editor")
        if len(parts) < 2:
            raise UsageError(self.context.text("training.compose.too_few"))
        terms = [f"{part}:{weights.get(part, 1.0)}" for part in parts]
        options = ["--json", f"--name={name}", f"--method={method}"]
        self._start("compose", name, user, ["adapters", "compose", *options, "--", *terms])

    def _given(self, pairs: str | None, values: Sequence[Any]) -> tuple[str, list[str]]:
        """The adapter's name and the settings of a run.

        Raises UsageError where there are no pairs, ValidationError for a value that is none of its setting.
        """
        if not pairs:
            raise UsageError(self.context.text("training.no_pairs"))
        settings = dict(zip((*FIRST, *MORE), values, strict=True))
        name = safe_name(str(settings.pop("name") or "").strip() or pairs, "adapter")
        return name, [
            f"name={name}",
            f"pairs={safe_name(pairs, 'set of pairs')}",
            *assignments(TrainSettings, settings),
        ]

    def _base(self, base: str | None, user: User) -> list[str]:
        """The option for another base model than that of the settings."""
        chosen = (base or "").strip()
        is_other = chosen not in {"", self.context.settings.engine.model}
        return [f"--set=engine.model={usable_base(chosen, user)}"] if is_other else []

    def _start(self, kind: Kind, about: str, user: User, arguments: Sequence[str]) -> None:
        if kind in {"train", "check"} and (running := self.context.jobs.under_way("train", "check")):
            raise UsageError(self.context.text("training.busy", name=running.job.about))
        self.context.jobs.start(kind, about, arguments, user.name)
