"""The page of training: adapters, and beside them the one that is open, or how a new one is made."""

from dataclasses import dataclass
from typing import Any, get_args

import gradio as gr

from assistant.artifacts.adapters import unfinished_runs
from assistant.config import description_of
from assistant.config.training import TrainSettings
from ui.context import AppContext
from ui.pages.acting import choice_list, still_html
from ui.pages.controls import control, named_in
from ui.pages.job_panel import JobPanel, job_panel
from ui.pages.training.actions import FIRST, KINDS, MORE, Actions, Format, Method
from ui.pages.wiring import CLICKED, QUIET, SCROLLED, when_opened
from ui.training import pairs_sets


def build(context: AppContext) -> None:
    """Lay out the page and wire it."""
    actions = Actions(context)
    with gr.Row(elem_classes="columns"):
        with gr.Column(scale=2, min_width=320):
            new = gr.Button(context.text("training.new"), variant="primary")
            listed = choice_list("adapters-list")
            with gr.Accordion(context.text("training.compose.title"), open=False):
                compose = _composing(context, actions)
        with gr.Column(scale=3, min_width=320):
            panel = job_panel(context, KINDS, "editor", actions.result)
            with gr.Column(visible=True) as making:
                lists = _making(context, actions, panel)
            with gr.Column(visible=False, elem_classes="card") as opened:
                _opened(context, actions, _Open(listed, panel, making, opened))
    new.click(actions.close, outputs=[making, opened], **CLICKED)
    compose.done(panel)
    outputs = [listed, *lists, compose.parts]
    chosen = [part for part in outputs if isinstance(part, gr.Dropdown | gr.CheckboxGroup)]
    panel.ended.change(actions.listed, chosen, outputs, **QUIET)
    when_opened(actions.listed, outputs, chosen)


@dataclass(frozen=True, slots=True)
class _Open:
    """What changes when an adapter is opened or closed."""

    listed: gr.HTML
    panel: JobPanel
    making: gr.Column
    opened: gr.Column


@dataclass(frozen=True, slots=True)
class _Composing:
    """The choice of adapters to add up, and the button that does it."""

    parts: gr.CheckboxGroup
    start: gr.Button
    inputs: list[Any]
    actions: Actions

    def done(self, panel: JobPanel) -> None:
        """Wire it, now that there is a panel to tell of it."""
        started = self.start.click(self.actions.compose, self.inputs, **CLICKED)
        started.then(panel.refresh, outputs=panel.outputs, **SCROLLED)


def _making(context: AppContext, actions: Actions, panel: JobPanel) -> list[Any]:
    """A new adapter: its data, its base, its settings. Returns what has to be brought up to date."""
    with gr.Accordion(context.text("training.data"), open=False):
        corpus = gr.Dropdown(list(context.workspace.corpus_names()), label=context.text("documents.corpus"))
        pairs_made = gr.Button(context.text("training.make_pairs"))
    which_pairs = named_in(context.language, "train.pairs", TrainSettings.model_fields["pairs"].description or "")
    pairs = gr.Dropdown(pairs_sets(context.workspace), label=which_pairs["label"], info=which_pairs["info"])
    summary = still_html()
    base = gr.Textbox(
        context.settings.engine.model,
        label=context.text("training.facts.base"),
        info=named_in(context.language, "engine.model", description_of("engine.model"))["info"],
        elem_id="train-base",
    )
    first = {key: control(TrainSettings, key, "train", context.language) for key in FIRST}
    with gr.Accordion(context.text("training.more"), open=False):
        more = {key: control(TrainSettings, key, "train", context.language) for key in MORE}
    force = gr.Checkbox(label=context.text("training.force"), value=False)
    with gr.Row():
        check = gr.Button(context.text("training.check.start"))
        start = gr.Button(context.text("training.start"), variant="primary")
    with gr.Row(visible=bool(unfinished_runs(context.workspace))) as unfinished:
        which = gr.Dropdown(unfinished_runs(context.workspace), label=context.text("training.interrupted"))
        resume = gr.Button(context.text("training.resume"))
    inputs = [pairs, base, force, *first.values(), *more.values()]
    for event, action, given in (
        (pairs_made.click, actions.make_pairs, [corpus]),
        (check.click, actions.check, inputs),
        (start.click, actions.start, inputs),
        (resume.click, actions.resume, [which]),
    ):
        event(action, given, **CLICKED).then(panel.refresh, outputs=panel.outputs, **SCROLLED)
    pairs.change(actions.describe_pairs, pairs, summary, **CLICKED)
    return [corpus, pairs, unfinished, which]


def _opened(context: AppContext, actions: Actions, parts: _Open) -> None:
    """The open adapter: its card, and what can be done with it."""
    chosen = gr.State("")
    with gr.Row():
        close = gr.Button(context.text("documents.close"), size="sm")
        remove = gr.Button(context.text("training.remove"), size="sm")
    with gr.Row(visible=False) as asked:
        confirmed = gr.Button(context.text("training.remove_yes"), size="sm", variant="stop")
        kept = gr.Button(context.text("documents.forget_no"), size="sm")
    shown = still_html()
    with gr.Accordion(context.text("training.export.title"), open=False):
        gr.Markdown(context.text("training.export.help"))
        format_ = gr.Dropdown(list(get_args(Format)), value="merged", label=context.text("training.export.format"))
        export = gr.Button(context.text("training.export.start"))
    sides = [parts.making, parts.opened]
    parts.listed.choose(actions.open, outputs=[shown, *sides, asked, chosen], **CLICKED)
    remove.click(lambda: gr.Row(visible=True), outputs=asked, **CLICKED)
    kept.click(lambda: gr.Row(visible=False), outputs=asked, **CLICKED)
    close.click(actions.close, outputs=sides, **CLICKED)
    removed = confirmed.click(actions.remove, chosen, **CLICKED)
    removed.success(actions.close, outputs=sides, **CLICKED)
    exported = export.click(actions.export, [chosen, format_], **CLICKED)
    for done in (removed, exported):
        done.then(parts.panel.refresh, outputs=parts.panel.outputs, **SCROLLED)


def _composing(context: AppContext, actions: Actions) -> _Composing:
    """Adapters added up, each with a slider for its weight."""
    gr.Markdown(context.text("training.compose.help"))
    parts = gr.CheckboxGroup([], label=context.text("training.compose.parts"))
    weights = gr.State({})
    _sliders(context, parts, weights)
    name = gr.Textbox(label=context.text("training.compose.name"))
    method = gr.Dropdown(list(get_args(Method)), value="cat", label=context.text("training.compose.method"))
    start = gr.Button(context.text("training.compose.start"))
    return _Composing(parts, start, [parts, weights, name, method], actions)


def _sliders(context: AppContext, parts: gr.CheckboxGroup, weights: gr.State) -> None:
    @gr.render(inputs=[parts, weights], triggers=[parts.change])  # type: ignore[untyped-decorator]
    def sliders(chosen: list[str], known: dict[str, float]) -> None:
        for name in chosen:
            label = context.text("training.compose.weight", name=name)
            slider = gr.Slider(-1, 2, known.get(name, 1.0), step=0.05, label=label, key=f"weight-{name}")

            def keep(weight: float, now: dict[str, float], name: str = name) -> dict[str, float]:
                return {**now, name: weight}

            slider.release(keep, [slider, weights], weights, **CLICKED)
