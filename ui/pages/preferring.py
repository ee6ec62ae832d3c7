"""The part of the teaching page where an adapter learns from what people prefer: how much waits, and its training."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

import gradio as gr

from assistant.artifacts.cards import FULL, AdapterCard, adapter_folder, adapter_names, read_card
from assistant.artifacts.pairs import Source
from assistant.config.train_settings import PREFERENCE_METHODS
from assistant.errors import AdapterError, UsageError
from assistant.feedback.opinions import waiting
from ui.context import AppContext
from ui.pages.events import CLICKED, QUIET, SCROLLED, choosing, still_html, telling, when_opened
from ui.pages.job_forms import AdapterName, checked, job_panel
from ui.pages.training import TrainingActions
from ui.people import Role
from ui.shown.components import meta_html

_ROLE: Role = "editor"


def build(context: AppContext) -> None:
    """Lay out the part and wire it."""
    words, actions = context.text, PreferenceActions(context)
    waits = still_html()
    with gr.Accordion(words("teaching.preferences.title"), open=False):
        gr.Markdown(words("teaching.preferences.lead"))
        adapter = gr.Dropdown([], label=words("teaching.preferences.adapter"), elem_id="preferences-adapter")
        start = gr.Button(words("teaching.preferences.start"))
        panel = job_panel(context, ("train",), _ROLE, TrainingActions(context).result)
    adapter.input(actions.listed, adapter, [adapter, waits], **QUIET)
    start.click(actions.train, adapter, **CLICKED).then(panel.refresh, outputs=panel.outputs, **SCROLLED)
    panel.ended.change(actions.listed, adapter, [adapter, waits], **QUIET)
    when_opened(actions.listed, [adapter, waits], [adapter])


@dataclass(frozen=True, slots=True)
class PreferenceActions:
    """What happens when something is clicked."""

    context: AppContext

    def listed(self, adapter: str | None, request: gr.Request) -> list[Any]:
        """The adapters that can go on, the newest chosen first, and what waits for the one that is chosen."""
        if not self.context.may(request, _ROLE):
            return [gr.Dropdown([], value=None), ""]
        cards: dict[str, AdapterCard] = {}
        for known in adapter_names(self.context.workspace.adapters):
            with suppress(AdapterError):  # the page of training tells what is wrong with it
                cards[known] = read_card(self.context.workspace.adapters / known)
        names = sorted(
            (name for name, card in cards.items() if card.method != FULL), key=lambda name: cards[name].created
        )
        chosen = adapter if adapter in names else next(reversed(names), None)
        corpus = cards[chosen].corpus.partition(",")[0] if chosen else ""
        # An adapter that went on learnt what people prefer about the first corpus behind it; thumbs with kto alone.
        learnt = [
            card
            for card in cards.values()
            if card.method in PREFERENCE_METHODS and card.corpus.partition(",")[0] == corpus
        ]
        said = self._waiting(corpus, learnt)
        single = self._waiting(corpus, [card for card in learnt if card.method == "kto"])
        told = self.context.text(
            "teaching.preferences.waiting",
            total=said.get("vote", 0) + said.get("feedback", 0),
            votes=said.get("vote", 0),
            corrections=said.get("feedback", 0),
            thumbs=single.get("thumb", 0),
        )
        return [choosing(names[::-1], chosen), meta_html(told)]

    def _waiting(self, corpus: str, learnt: Sequence[AdapterCard]) -> dict[Source, int]:
        """What people said since the last of some adapters was trained."""
        since = max((card.created for card in learnt), default="")
        return waiting(self.context.workspace, corpus, self.context.settings.answer.refusal, since)

    @telling
    @checked
    def train(self, adapter: AdapterName, request: gr.Request) -> None:
        """Have an adapter go on with all that people prefer, under a new name."""
        user, context = self.context.require(request, _ROLE), self.context
        folder = adapter_folder(context.workspace.adapters, adapter)
        if running := context.jobs.under_way("train", "check"):
            raise UsageError(context.text("training.busy", name=running.job.about))
        base = read_card(folder).base
        taken = {folder.name for folder in context.workspace.adapters.iterdir()}
        name = next(name for number in count(1) if (name := f"{adapter[:50]}-dpo{number}") not in taken)
        others = [] if base == context.settings.engine.model else [f"--set=engine.model={base}"]
        arguments = ["train", "--json", *others, "--", "method=dpo", f"adapter={adapter}", f"name={name}"]
        context.jobs.start("train", name, arguments, user.name)
