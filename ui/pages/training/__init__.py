"""The page of training: adapters, and beside them the one that is open, or how a new one is made."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import gradio as gr

from assistant.artifacts.cards import unfinished_runs
from assistant.artifacts.command_reports import CheckReport, PairsReport
from assistant.config import JobKind
from assistant.config.train_settings import TrainSettings
from assistant.errors import UsageError
from assistant.workspace import Resource, make_folder, safe_name
from ui.context import AppContext
from ui.jobs import Status, printed
from ui.pages.events import (
    CLICKED,
    QUIET,
    choice_list,
    choosing,
    data_of,
    page_does,
    still_html,
    tell_beside,
    telling,
    when_opened,
)
from ui.pages.job_forms import (
    AdapterName,
    CorpusName,
    JobPanel,
    Weight,
    assignments,
    checked,
    control,
    existing_corpus,
    job_panel,
    named_in,
    usable_base,
)
from ui.pages.training.view import (
    adapters,
    adapters_html,
    card_html,
    check_html,
    course_of,
    examples_named,
    pairs_html,
    pairs_sets,
    plot_html,
)
from ui.pages.upkeep.view import bases_here
from ui.people import User
from ui.texts import explanation
from ui.uploads import kept_as

KINDS: tuple[JobKind, ...] = ("train", "check", "pairs", "compose", "export", "remove")
GROUPS = {
    "adapter": ("name", "method", "rank", "alpha"),
    "course": ("epochs", "max_steps", "learning_rate", "patience", "seed"),
    "memory": ("batch", "batch_tokens", "checkpointing"),
}
"""Settings of a training, which stand behind a fold."""
MORE = tuple(key for keys in GROUPS.values() for key in keys)
LENGTHS: dict[str, dict[str, int]] = {"try": {"max_steps": 20}, "once": {}, "thrice": {"epochs": 3}}
"""How long a training may take, in settings; whoever sets ``epochs`` or ``max_steps`` themselves decides it there."""
EXAMPLES_FOLDER = "examples"
"""Where files of people's own pairs are kept, in the workspace: those of one option in one folder of it."""
_EXAMPLES = (".jsonl", ".json", ".csv", ".tsv")
Format = Literal["merged", "gguf", "gguf-lora", "hub"]
Method = Literal["cat", "svd", "linear", "ties", "dare_ties"]


@dataclass(frozen=True, slots=True)
class TrainingActions:
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
        if job.kind == "check" and (found := printed(jobs.output(job.id), CheckReport)):
            return check_html(self.context, found)
        if job.kind != "pairs":
            return ""
        made = printed(jobs.output(job.id), PairsReport)
        return pairs_html(self.context, job.about, made.bad_rows if made else ())

    @telling
    def listed(
        self, corpus: str | None, pairs: str | None, unfinished: str | None, parts: list[str], request: gr.Request
    ) -> list[Any]:
        """All adapters, and what new ones can be made of; what is chosen stays.

        How pairs are made lies open where there are none when the page is first looked at.
        """
        if not self.context.may(request, "editor"):
            return [gr.skip()] * 9
        space = self.context.workspace
        found, resumable = adapters(space), unfinished_runs(space)
        names = [view.name for view in found if view.card]
        sets = pairs_sets(space)
        return [
            adapters_html(self.context, found),
            choosing(space.corpus_names(), corpus),
            choosing(sets, pairs),
            self.describe_pairs(pairs if pairs in sets else next(iter(sets), None), request),
            gr.Row(visible=bool(resumable)),
            choosing(resumable, unfinished),
            gr.CheckboxGroup(names, value=[part for part in parts if part in names]),
            gr.Accordion(open=not sets) if pairs is None else gr.skip(),
            gr.Dropdown(bases_here(self.context), allow_custom_value=True),  # what was typed meanwhile stays
        ]

    @telling
    def describe_pairs(self, pairs: str | None, request: gr.Request) -> str:
        """How many pairs there are in a set, and some of them."""
        return pairs_html(self.context, pairs) if pairs and self.context.may(request, "editor") else ""

    @telling
    @checked
    def make_pairs(self, corpus: CorpusName, data: str | None, tone: str | None, request: gr.Request) -> None:
        """Make pairs from a corpus, from people's own, and from examples of the house voice."""
        user, context = self.context.require(request, "editor"), self.context
        existing_corpus(corpus, context.workspace.corpus_names())
        context.refuse_edit("corpus", corpus)
        context.jobs.refuse_second("pairs")  # before anything is deleted
        folder = context.workspace.root / EXAMPLES_FOLDER
        named = examples_named(context.workspace.whole)
        for left in folder.glob("*/*"):
            if left.relative_to(folder).as_posix() not in named:
                left.unlink()
        kept = {
            name: kept_as(file, folder / name, user, context.arrivals, context.settings.ui, _EXAMPLES)
            for name, file in (("data", data), ("tone", tone))
            if file is not None
        }
        tell_beside(context, kept.values())
        own = [f"--{name}={one.path}" for name, one in kept.items()]
        changed: list[Resource] = [("corpus", corpus), ("pairs", corpus)]
        self.context.start("pairs", corpus, ["pairs", "--json", f"--corpus={corpus}", *own], edits=changed)

    @telling
    @checked
    def check(
        self, request: gr.Request, pairs: str | None, base: str | None, length: str, _force: bool, *values: Any
    ) -> None:
        """See what a training would need; ``values`` are those of ``MORE``."""
        user = self.context.require(request, "editor")
        name, given = self._given(pairs, length, values)
        options = ["--check", "--json", *self._base(base, user)]
        refuse_second_training(self.context)
        self.context.start("check", name, ["train", *options, "--", *given], reads=[("pairs", pairs or "")])

    @telling
    @checked
    def start(
        self, request: gr.Request, pairs: str | None, base: str | None, length: str, force: bool, *values: Any
    ) -> None:
        """Train; ``values`` are those of ``MORE``."""
        user = self.context.require(request, "editor")
        name, given = self._given(pairs, length, values)
        options = ["--json", *(["--force"] if force else []), *self._base(base, user)]
        refuse_second_training(self.context)
        arguments = ["train", *options, "--", *given]
        self.context.start("train", name, arguments, reads=[("pairs", pairs or "")], edits=[("adapter", name)])

    @telling
    @checked
    def resume(self, name: AdapterName, request: gr.Request) -> None:
        """Go on with a training that was interrupted."""
        self.context.require(request, "editor")
        if name not in unfinished_runs(self.context.workspace):
            raise UsageError(f"There is no training of {name!r} to go on with.", "Choose one of the list.")
        refuse_second_training(self.context)
        arguments = ["train", "--json", "--resume", "--", f"name={name}"]
        self.context.start("train", name, arguments, edits=[("adapter", name)])

    @telling
    def open(self, event: gr.EventData, request: gr.Request) -> list[Any]:
        """Show an adapter's card."""
        self.context.require(request, "editor")
        name = data_of(event).get("choice", "")
        view = next((one for one in adapters(self.context.workspace) if one.name == name), None)
        if view is None:
            raise UsageError(self.context.text("training.gone"))
        shown = card_html(self.context, view, course_of(self.context.workspace, name))
        return [shown, gr.Column(visible=True), gr.Row(visible=False), name]

    @telling
    @checked
    def remove(self, name: AdapterName, request: gr.Request) -> None:
        """Delete an adapter."""
        self.context.require(request, "admin")
        changed: list[Resource] = [("adapter", name)]
        self.context.start("remove", name, ["adapters", "remove", "--yes", "--", name], reads=changed, edits=changed)

    @telling
    @checked
    def export(self, name: AdapterName, format_: Format, request: gr.Request) -> None:
        """Write an adapter for other programs, into the workspace."""
        self.context.require(request, "editor")
        self.context.refuse_missing("adapter", name)
        target = make_folder(self.context.workspace.root / "exports") / safe_name(f"{name}-{format_}", "export")
        options = ["--json", "--force", f"--format={format_}", f"--to={target}"]
        arguments = ["adapters", "export", *options, "--", name]
        self.context.start("export", name, arguments, reads=[("adapter", name)])

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
        self.context.require(request, "editor")
        if len(parts) < 2:
            raise UsageError(self.context.text("training.compose.too_few"))
        terms = [f"{part}:{weights.get(part, 1.0)}" for part in parts]
        options = ["--json", f"--name={name}", f"--method={method}"]
        arguments = ["adapters", "compose", *options, "--", *terms]
        made_of: list[Resource] = [("adapter", part) for part in parts]
        self.context.start("compose", name, arguments, reads=made_of, edits=[("adapter", name)])

    def _given(self, pairs: str | None, length: str, values: Sequence[Any]) -> tuple[str, list[str]]:
        """The adapter's name and the settings of a run.

        Raises UsageError where there are no pairs, ValidationError for a value that is none of its setting.
        """
        if not pairs:
            raise UsageError(self.context.text("training.no_pairs"))
        settings = dict(zip(MORE, values, strict=True))
        if all(settings[key] in (None, TrainSettings.model_fields[key].default) for key in ("epochs", "max_steps")):
            settings |= LENGTHS.get(length, {})
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


def refuse_second_training(context: AppContext) -> None:
    """Raise UsageError where no training, and no look at what one would need, can be started now."""
    if running := context.jobs.under_way("train", "check"):
        raise UsageError(context.text("training.busy", name=running.job.about))
    context.jobs.refuse_second("train", "check")


def build(context: AppContext) -> None:
    """Lay out the page and wire it."""
    actions = TrainingActions(context)
    with gr.Row(elem_classes="columns"):
        with gr.Column(scale=2, min_width=320):
            gr.Button(context.text("training.new"), elem_classes="closes")
            listed = choice_list("adapters-list")
            with gr.Accordion(context.text("training.compose.title"), open=False):
                parts, compose, inputs = _composing(context)
        with gr.Column(scale=3, min_width=320):
            panel = job_panel(context, KINDS, "editor", lambda theirs, status: TrainingActions(theirs).result(status))
            with gr.Column(elem_classes="makes"):
                *lists, pairs_making, base = _making(context, actions, panel)
            with gr.Column(visible=False, elem_classes=["card", "opens"]) as opened:
                _opened(context, actions, listed, panel, opened)
    composed = compose.click(actions.compose, inputs, **CLICKED)
    composed.then(panel.refresh, outputs=panel.outputs, **QUIET)
    outputs = [listed, *lists, parts]
    chosen = [part for part in outputs if isinstance(part, gr.Dropdown | gr.CheckboxGroup)]
    outputs += [pairs_making, base]
    panel.ended.change(actions.listed, chosen, outputs, **QUIET)
    when_opened(actions.listed, outputs, chosen)


def _making(context: AppContext, actions: TrainingActions, panel: JobPanel) -> list[Any]:
    """A new adapter: what from, on which model, how long. Returns what has to be brought up to date."""
    words = context.text
    gr.Markdown(f"### {words('training.from')}")
    which_pairs = named_in(context.language, "train.pairs", TrainSettings.model_fields["pairs"].description or "")
    pairs = gr.Dropdown(pairs_sets(context.workspace), label=which_pairs["label"], info=which_pairs["info"])
    summary = still_html()
    with gr.Accordion(words("training.make"), open=not pairs_sets(context.workspace)) as pairs_making:
        gr.Markdown(words("training.make_help"))
        corpus = gr.Dropdown(list(context.workspace.corpus_names()), label=words("documents.corpus"))
        with gr.Row():
            data, tone = (
                gr.File(label=words(f"training.{name}"), file_types=list(_EXAMPLES), height=160)
                for name in ("own", "tone")
            )
        pairs_made = gr.Button(words("training.make_pairs"))
    gr.Markdown(f"### {words('training.model')}")
    base = gr.Dropdown(
        bases_here(context),
        value="",
        allow_custom_value=True,
        label=words("training.facts.base"),
        info=explanation("engine.model", context.language),
        elem_id="train-base",
    )
    gr.Markdown(f"### {words('training.long')}")
    lengths = [(words(f"training.length.{length}"), length) for length in LENGTHS]
    length = gr.Radio(lengths, value="once", show_label=False, label=words("training.long"))
    with gr.Accordion(words("training.more"), open=False):
        more: list[Any] = []
        for group, keys in GROUPS.items():
            gr.Markdown(f"#### {words(f'training.group.{group}')}")
            more += [control(TrainSettings, key, "train", context.language) for key in keys]
        force = gr.Checkbox(label=words("training.force"), value=False)
    with gr.Row():
        check = gr.Button(words("training.check.start"))
        start = gr.Button(words("training.start"), variant="primary")
    with gr.Row(visible=bool(unfinished_runs(context.workspace))) as unfinished:
        which = gr.Dropdown(unfinished_runs(context.workspace), label=words("training.interrupted"))
        resume = gr.Button(words("training.resume"))
    inputs = [pairs, base, length, force, *more]
    for event, action, given in (
        (pairs_made.click, actions.make_pairs, [corpus, data, tone]),
        (check.click, actions.check, inputs),
        (start.click, actions.start, inputs),
        (resume.click, actions.resume, [which]),
    ):
        event(action, given, **CLICKED).then(panel.refresh, outputs=panel.outputs, **QUIET)
    pairs.change(actions.describe_pairs, pairs, summary, **CLICKED)
    return [corpus, pairs, summary, unfinished, which, pairs_making, base]


def _opened(context: AppContext, actions: TrainingActions, listed: gr.HTML, panel: JobPanel, opened: gr.Column) -> None:
    """The open adapter, its card and what can be done with it, in the column ``opened``."""
    chosen = gr.State("")
    with gr.Row():
        gr.Button(context.text("documents.close"), size="sm", elem_classes="closes")
        remove = gr.Button(context.text("training.remove"), size="sm")
    with gr.Row(visible=False) as asked:
        confirmed = gr.Button(context.text("training.remove_yes"), size="sm", variant="stop")
        kept = gr.Button(context.text("documents.forget_no"), size="sm")
    shown = still_html()
    with gr.Accordion(context.text("training.export.title"), open=False):
        gr.Markdown(context.text("training.export.help"))
        format_ = gr.Dropdown(list(get_args(Format)), value="merged", label=context.text("training.export.format"))
        export = gr.Button(context.text("training.export.start"))
    came = listed.choose(actions.open, outputs=[shown, opened, asked, chosen], **CLICKED)
    came.success(None, js=page_does("shown", "training"), **QUIET)
    remove.click(lambda: gr.Row(visible=True), outputs=asked, **CLICKED)
    kept.click(lambda: gr.Row(visible=False), outputs=asked, **CLICKED)
    removed = confirmed.click(actions.remove, chosen, **CLICKED)
    removed.success(None, js=page_does("leave", "training"), **QUIET)
    exported = export.click(actions.export, [chosen, format_], **CLICKED)
    for done in (removed, exported):
        done.then(panel.refresh, outputs=panel.outputs, **QUIET)


def _composing(context: AppContext) -> tuple[gr.CheckboxGroup, gr.Button, list[Any]]:
    """Adapters added up, each with a slider for its weight: the choice of them, the button, and what it takes."""
    gr.Markdown(context.text("training.compose.help"))
    parts = gr.CheckboxGroup([], label=context.text("training.compose.parts"))
    weights = gr.State({})

    @gr.render(inputs=[parts, weights], triggers=[parts.change])  # type: ignore[untyped-decorator]
    def sliders(chosen: list[str], known: dict[str, float]) -> None:
        for one in chosen:
            label = context.text("training.compose.weight", name=one)
            slider = gr.Slider(-1, 2, known.get(one, 1.0), step=0.05, label=label, key=f"weight-{one}")

            def keep(weight: float, now: dict[str, float], one: str = one) -> dict[str, float]:
                return {**now, one: weight}

            slider.release(keep, [slider, weights], weights, **CLICKED)

    name = gr.Textbox(label=context.text("training.compose.name"))
    method = gr.Dropdown(list(get_args(Method)), value="cat", label=context.text("training.compose.method"))
    start = gr.Button(context.text("training.compose.start"))
    return parts, start, [parts, weights, name, method]
