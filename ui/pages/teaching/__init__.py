"""The page where what people say about answers is looked at: accept, change, reject; and where an adapter learns it.

How much waits of what people prefer is told beside it, and a training from that is begun there.
"""

from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

import gradio as gr

from assistant.artifacts.cards import FULL, AdapterCard, adapters_shown, read_card
from assistant.artifacts.pairs import Source
from assistant.config.train_settings import PREFERENCE_METHODS
from assistant.errors import AdapterError, UsageError
from assistant.feedback.database import STATES, TAUGHT, Feedback, State
from assistant.feedback.lessons import is_supported, still_stands, waiting
from assistant.feedback.lineage import Lineage
from assistant.service import open_corpus
from ui.context import AppContext
from ui.pages.events import (
    CLICKED,
    QUIET,
    choice_list,
    choosing,
    number_of,
    still_html,
    telling,
    titled_html,
    when_opened,
)
from ui.pages.job_forms import AdapterName, checked, job_panel
from ui.pages.teaching.view import feedback_html, inbox_html
from ui.pages.training import TrainingActions, refuse_second_training
from ui.people import Role
from ui.shown.components import meta_html

_ROLE: Role = "editor"
_ALL = "all"
_OUTDATED = "outdated"
"""Accepted, and a document says otherwise since."""


@dataclass(frozen=True, slots=True)
class _Parts:
    state: gr.Dropdown
    counts: gr.HTML
    inbox: gr.HTML
    shown: gr.HTML
    wanted: gr.Textbox
    buttons: gr.Row
    number: gr.State
    """Of the judgement that is open; 0 when none is."""

    @property
    def opened(self) -> list[Any]:
        """What shows one judgement."""
        return [self.shown, self.wanted, self.buttons, self.number]

    @property
    def all(self) -> list[Any]:
        """All that changes."""
        return [self.counts, self.inbox, *self.opened]


def build(context: AppContext) -> None:
    """Lay out the page and wire it: the list, and beside it the one that is open."""
    words, actions = context.text, TeachingActions(context)
    titled_html(words("teaching.title"), words("teaching.lead"))
    choices = [(words(f"teaching.state_{state}"), state) for state in (*STATES, _OUTDATED, _ALL)]
    with gr.Row(elem_classes="columns"):
        with gr.Column(scale=2, min_width=320):
            state = gr.Dropdown(choices, value="new", label=words("teaching.state"))
            counts = still_html()
            inbox = choice_list("teaching-list")
            _build_preferences(context)
        with gr.Column(scale=3, min_width=320, elem_classes="card"):
            shown = still_html(meta_html(words("teaching.choose")))
            wanted = gr.Textbox(
                label=words("teaching.wanted"), info=words("teaching.wanted_help"), lines=4, visible=False
            )
            with gr.Row(visible=False) as buttons:
                accept = gr.Button(words("teaching.accept"), variant="primary")
                reject = gr.Button(words("teaching.reject"))
    parts = _Parts(state, counts, inbox, shown, wanted, buttons, gr.State(0))
    drafts = gr.State({})
    inbox.choose(actions.look, [state, parts.number, wanted, drafts], [*parts.all, drafts], **CLICKED)
    accept.click(actions.accept, [state, parts.number, wanted], parts.all, **CLICKED)
    reject.click(actions.reject, [state, parts.number], parts.all, **CLICKED)
    state.change(actions.listed, state, parts.all, **CLICKED)
    when_opened(actions.seen, [counts, inbox], [state, parts.number])


def _build_preferences(context: AppContext) -> None:
    """The part where an adapter learns from what people prefer."""
    words, actions = context.text, PreferenceActions(context)
    waits = still_html()
    with gr.Accordion(words("teaching.preferences.title"), open=False):
        gr.Markdown(words("teaching.preferences.lead"))
        adapter = gr.Dropdown([], label=words("teaching.preferences.adapter"), elem_id="preferences-adapter")
        start = gr.Button(words("teaching.preferences.start"))
        panel = job_panel(context, ("train",), _ROLE, lambda theirs, status: TrainingActions(theirs).result(status))
    adapter.input(actions.listed, adapter, [adapter, waits], **QUIET)
    start.click(actions.train, adapter, **CLICKED).then(panel.refresh, outputs=panel.outputs, **QUIET)
    panel.ended.change(actions.listed, adapter, [adapter, waits], **QUIET)
    when_opened(actions.listed, [adapter, waits], [adapter])


@dataclass(frozen=True, slots=True)
class TeachingActions:
    """What the page does when something is clicked."""

    context: AppContext

    @telling
    def listed(self, state: str, request: gr.Request) -> list[Any]:
        """The list, and nothing opened."""
        if not self.context.may(request, _ROLE):
            return ["", "", *self._nothing("")]
        return [*self._list(state, None), *self._nothing(self.context.text("teaching.choose"))]

    @telling
    def seen(self, state: str, number: int, request: gr.Request) -> list[Any]:
        """The list as it is when the page is opened; what is open stays."""
        return self._list(state, number or None) if self.context.may(request, _ROLE) else ["", ""]

    @telling
    def look(
        self,
        state: str,
        left: int,
        written: str,
        drafts: dict[int, str],
        event: gr.EventData,
        request: gr.Request,
    ) -> list[Any]:
        """Open one; what was ``written`` for the one that is ``left`` is there when it is opened again."""
        self.context.require(request, _ROLE)
        one = self.context.feedback.get(number_of(event, "choice"))
        if left and written.strip() != self.context.feedback.get(left).wanted:
            drafts = {**drafts, left: written}
        shown = self._with(state, one, drafts.get(one.id))
        return [*shown, {number: draft for number, draft in drafts.items() if number != one.id}]

    @telling
    def accept(self, state: str, number: int, wanted: str, request: gr.Request) -> list[Any]:
        """Have it learnt from as it now reads."""
        user = self.context.require(request, _ROLE)
        before = self.context.feedback.get(number)
        self.context.refuse_edit("corpus", before.corpus)
        changed = "" if wanted.strip() == before.wanted else wanted
        self.context.record(user, "feedback accept", before.corpus, number=number, edited=bool(changed))
        return self._with(state, self.context.feedback.accept(number, user.name, changed))

    @telling
    def reject(self, state: str, number: int, request: gr.Request) -> list[Any]:
        """Have nothing learnt from it."""
        user = self.context.require(request, _ROLE)
        self.context.refuse_edit("corpus", self.context.feedback.get(number).corpus)
        rejected = self.context.feedback.reject(number, user.name)
        self.context.record(user, "feedback reject", rejected.corpus, number=number)
        return self._with(state, rejected)

    def _with(self, state: str, one: Feedback, draft: str | None = None) -> list[Any]:
        context = self.context
        uptake = Lineage(context.workspace).of(one) if one.state in TAUGHT else None
        html = feedback_html(one, self._stands(one), is_supported(one, one.wanted), uptake, context)
        wanted = gr.Textbox(value=one.wanted if draft is None else draft, visible=True)
        return [*self._list(state, one.id), html, wanted, gr.Row(visible=True), one.id]

    def _list(self, state: str, chosen: int | None) -> list[Any]:
        outdated = [one for one in self.context.feedback.listed(states=TAUGHT) if not self._stands(one)]
        states: tuple[State, ...] = tuple(one for one in STATES if state in (one, _ALL))
        some = outdated if state == _OUTDATED else self.context.feedback.listed(states=states)
        counts = self.context.feedback.counts()
        told = self.context.text(
            "teaching.counts",
            new=counts["new"],
            accepted=counts["accepted"] + counts["edited"],
            rejected=counts["rejected"],
            outdated=len(outdated),
        )
        lineage = Lineage(self.context.workspace)
        uptakes = {one.id: lineage.of(one) for one in some if one.state in TAUGHT}
        return [meta_html(told), inbox_html(some, chosen, uptakes, self.context)]

    def _nothing(self, told: str) -> list[Any]:
        return [meta_html(told) if told else "", gr.Textbox(value="", visible=False), gr.Row(visible=False), 0]

    def _stands(self, one: Feedback) -> bool:
        """Whether the documents still hold what it stands on; a corpus that is gone holds nothing."""
        try:
            with closing(open_corpus(self.context.workspace, one.corpus)) as catalog:
                return still_stands(one, catalog)
        except UsageError:
            return False


@dataclass(frozen=True, slots=True)
class PreferenceActions:
    """What happens when something is clicked."""

    context: AppContext

    @telling
    def listed(self, adapter: str | None, request: gr.Request) -> list[Any]:
        """The adapters that can go on, the newest chosen first, and what waits for the one that is chosen."""
        if not self.context.may(request, _ROLE):
            return [gr.Dropdown([], value=None), ""]
        cards: dict[str, AdapterCard] = {}
        for known in adapters_shown(self.context.workspace):
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
        self.context.require(request, _ROLE)
        context = self.context
        context.refuse_missing("adapter", adapter)
        refuse_second_training(context)
        base = read_card(context.workspace.adapter(adapter)).base
        taken = {folder.name for folder in context.workspace.adapters.iterdir()}
        name = next(name for number in count(1) if (name := f"{adapter[:50]}-dpo{number}") not in taken)
        others = [] if base == context.settings.engine.model else [f"--set=engine.model={base}"]
        arguments = ["train", "--json", *others, "--", "method=dpo", f"adapter={adapter}", f"name={name}"]
        context.start("train", name, arguments, reads=[("adapter", adapter)], edits=[("adapter", name)])
