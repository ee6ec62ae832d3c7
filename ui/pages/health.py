"""The page of health: what ``assistant doctor`` finds, and what mends it."""

from dataclasses import dataclass

import gradio as gr
from pydantic import TypeAdapter, ValidationError

from assistant.doctor import Diagnosis
from ui.context import AppContext
from ui.jobs import Status
from ui.pages.events import CLICKED, QUIET
from ui.pages.job_panel import job_panel
from ui.pages.told import telling
from ui.shown.running import findings_html

_FINDINGS = TypeAdapter(list[Diagnosis])


def build(context: AppContext) -> None:
    """Lay out the page and wire it."""
    actions = HealthActions(context)
    with gr.Column(elem_classes="reading"):
        gr.Markdown(context.text("health.help"))
        start = gr.Button(context.text("health.start"), variant="primary")
        panel = job_panel(context, ("doctor",), "editor", actions.result)
    start.click(actions.start, **CLICKED).then(panel.refresh, outputs=panel.outputs, **QUIET)


@dataclass(frozen=True, slots=True)
class HealthActions:
    """Callbacks of the page in one language."""

    context: AppContext

    @telling
    def start(self, request: gr.Request) -> None:
        """Check everything, in a process of its own: it loads the models."""
        user = self.context.require(request, "editor")
        self.context.jobs.start("doctor", "", ["doctor", "--json"], user.name)

    def result(self, status: Status) -> str:
        """The findings of the last check."""
        if status.is_under_way:
            return ""
        try:
            findings = _FINDINGS.validate_json(self.context.jobs.output(status.job.id))
        except ValidationError:
            return ""
        return findings_html(self.context, findings)
