"""The page of evaluation: reports, and beside them the one that is open, or how a new one is made."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui.context import AppContext
from ui.pages.acting import choice_list, still_html
from ui.pages.evaluation.actions import KINDS, Actions, case_names, corpora_of, who_answers
from ui.pages.given import judges_of
from ui.pages.job_panel import JobPanel, job_panel
from ui.pages.wiring import CLICKED, QUIET, SCROLLED, when_opened
from ui.reports import reports
from ui.training import pairs_sets


def build(context: AppContext) -> None:
    """Lay out the page and wire it."""
    actions = Actions(context)
    with gr.Row(elem_classes="columns"):
        with gr.Column(scale=2, min_width=320):
            new = gr.Button(context.text("evaluation.new"), variant="primary")
            listed = choice_list("reports-list")
            with gr.Accordion(context.text("evaluation.compare.title"), open=False):
                compare = _comparing(context)
        with gr.Column(scale=4, min_width=320):
            panel = job_panel(context, KINDS, "editor", actions.result)
            with gr.Column(visible=True) as making:
                lists = _making(context, actions, panel)
            with gr.Column(visible=False) as opened:
                close = gr.Button(context.text("documents.close"), size="sm")
                shown = still_html()
    sides = [making, opened]
    listed.choose(actions.open, outputs=[shown, *sides], **CLICKED)
    for button in (new, close):
        button.click(actions.close, outputs=[shown, *sides], **CLICKED)
    compared = compare.start.click(actions.compare, [compare.before, compare.after], **CLICKED)
    compared.then(panel.refresh, outputs=panel.outputs, **SCROLLED)
    chosen = [*lists, compare.before, compare.after]
    panel.ended.change(actions.listed, chosen, [listed, *chosen], **QUIET)
    when_opened(actions.listed, [listed, *chosen], chosen)


@dataclass(frozen=True, slots=True)
class _Comparing:
    before: gr.Dropdown
    after: gr.Dropdown
    start: gr.Button


def _comparing(context: AppContext) -> _Comparing:
    names = [view.name for view in reports(context.workspace)]
    before = gr.Dropdown(names, value=None, label=context.text("evaluation.compare.before"))
    after = gr.Dropdown(names, value=None, label=context.text("evaluation.compare.after"))
    return _Comparing(before, after, gr.Button(context.text("evaluation.compare.start")))


def _making(context: AppContext, actions: Actions, panel: JobPanel) -> list[Any]:
    """A new evaluation: its cases, who answers, its baseline. Returns what has to be brought up to date."""
    cases = gr.Dropdown(
        case_names(context), label=context.text("evaluation.cases"), info=context.text("evaluation.cases_help")
    )
    file, pairs, draft = _more_cases(context)
    corpus = gr.Dropdown(corpora_of(context), value="", label=context.text("documents.corpus"))
    systems = gr.CheckboxGroup(
        who_answers(context),
        value=["extractive", "base", "base+rag"],
        label=context.text("evaluation.systems"),
        info=context.text("evaluation.systems_help"),
    )
    limit, held_out, baseline, judge = _more_settings(context)
    start = gr.Button(context.text("evaluation.start"), variant="primary")
    given = [cases, corpus, systems, limit, held_out, baseline, judge]
    for event, action, inputs in (
        (draft.click, actions.draft, [pairs]),
        (start.click, actions.start, given),
    ):
        event(action, inputs, **CLICKED).then(panel.refresh, outputs=panel.outputs, **SCROLLED)
    file.upload(actions.send, file, [file, cases], **CLICKED)
    return [cases, pairs, corpus, systems, baseline]


def _more_cases(context: AppContext) -> tuple[gr.File, gr.Dropdown, gr.Button]:
    """How more cases come in: sent as a file, or drafted from pairs."""
    with gr.Accordion(context.text("evaluation.more_cases"), open=False):
        file = gr.File(label=context.text("evaluation.send"), file_types=[".jsonl"], height=120)
        pairs = gr.Dropdown(
            pairs_sets(context.workspace),
            label=context.text("evaluation.draft_from"),
            info=context.text("evaluation.draft_help"),
        )
        draft = gr.Button(context.text("evaluation.draft"))
    return file, pairs, draft


def _more_settings(context: AppContext) -> tuple[gr.Number, gr.Checkbox, gr.Dropdown, gr.Dropdown]:
    """Which of the cases are asked, the report that the new one is held against, and who judges beside the measures."""
    with gr.Accordion(context.text("training.more"), open=False):
        limit = gr.Number(
            0,
            precision=0,
            minimum=0,
            label=context.text("evaluation.limit"),
            info=context.text("evaluation.limit_help"),
            elem_id="eval-limit",
        )
        held_out = gr.Checkbox(label=context.text("evaluation.held_out"), value=False)
        baseline = gr.Dropdown(
            [], label=context.text("evaluation.baseline"), info=context.text("evaluation.baseline_help")
        )
        judge = gr.Dropdown(
            ["", *judges_of(context.settings)],
            value="",
            label=context.text("evaluation.judge"),
            info=context.text("evaluation.judge_help"),
        )
    return limit, held_out, baseline, judge
