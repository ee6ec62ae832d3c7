"""The part of a page that shows a job: how it stands in one line, a bar, its log, and a button that stops it.

While the job is under way the panel looks again every second; what it shows comes from files alone, so that it is the
same after the page was loaded anew and for everyone who looks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui.context import AppContext
from ui.jobs import Kind, Status
from ui.pages.events import CLICKED, QUIET, still_html, when_opened
from ui.pages.told import telling
from ui.people import Role
from ui.shown.components import log_html, state_html

_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class JobPanel:
    """The components of a panel, and what brings them up to date."""

    outputs: Sequence[Any]
    refresh: Callable[[gr.Request], list[Any]]
    ended: gr.Textbox
    """The newest job that has ended: changes when one does."""


def job_panel(context: AppContext, kinds: Sequence[Kind], role: Role, result: Callable[[Status], str]) -> JobPanel:
    """Lay out a panel for the newest job of some kinds; ``result`` is the HTML of what it gives, so far or at its end.

    Who has not the ``role`` sees nothing of it.
    """
    view = still_html()
    stop = gr.Button(context.text("jobs.stop"), visible=False, size="sm")
    shown = still_html()
    with gr.Accordion(context.text("jobs.log"), open=False, visible=False) as details:
        log = still_html()
    timer = gr.Timer(_SECONDS, active=False)
    # Not a State: those tell of a change only where the change came through the queue.
    ended = gr.Textbox("", label="job", elem_classes="unseen")
    outputs = [view, stop, shown, details, log, timer, ended]

    def refresh(request: gr.Request) -> list[Any]:
        status = context.jobs.newest(*kinds) if context.may(request, role) else None
        if status is None:
            nothing = gr.Accordion(visible=False), "", gr.Timer(active=False), gr.skip()
            return ["", gr.Button(visible=False), "", *nothing]
        text = context.jobs.log(status.job.id)
        return [
            state_html(context, status),
            gr.Button(visible=status.is_under_way, interactive=status.state != "starting"),
            result(status),
            gr.Accordion(visible=bool(text.strip())),
            log_html(text),
            gr.Timer(active=status.is_under_way),
            gr.skip() if status.is_under_way else status.job.id,
        ]

    @telling
    def stopped(request: gr.Request) -> list[Any]:
        context.require(request, role)
        if status := context.jobs.under_way(*kinds):
            context.jobs.stop(status.job.id)
        return refresh(request)

    timer.tick(refresh, outputs=outputs, **QUIET)
    stop.click(stopped, outputs=outputs, **CLICKED)
    when_opened(refresh, outputs)
    return JobPanel(outputs, refresh, ended)
