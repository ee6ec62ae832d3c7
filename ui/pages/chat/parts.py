"""The components of the chat: conversations on the left, the chat in the middle, the source on the right."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from assistant.artifacts.cards import adapters_shown
from ui.context import AppContext
from ui.pages.events import acting_html
from ui.pages.training.view import adapter_line
from ui.pages.upkeep.view import models_here
from ui.scope import EVERYTHING

BASE = ""
"""What the base model is called in a list of adapters: no adapter can be."""
TURN_EVENTS = ("cite", "why", "retry", "edit", "reword", "suggest", "vote", "teach", "version")
LIST_EVENTS = ("open", "rename", "delete", "pin", "link", "move", "refolder", "search")
"""An event of the name ``share`` is Gradio's own, and never comes here."""


@dataclass(frozen=True, slots=True)
class Choices:
    """Properties of the dropdowns: what they offer, what is chosen, and whether there is anything to choose."""

    model: dict[str, Any]
    adapter: dict[str, Any]
    other: dict[str, Any]
    may_compare: bool


def choices_of(context: AppContext, corpus: str | None = None) -> Choices:
    """What the workspace holds now, for who asks ``corpus``."""
    base = context.text("chat.base")
    adapters = [(adapter_line(context, name), name) for name in adapters_shown(context.workspace)]
    models_now = [(label, name) for name, label in models_here(context).items()]
    models = context.service.models()
    # At first, the base model is compared with an adapter on the same documents, else with the last of all.
    same = (model.name for model in models if model.corpus == corpus and model.adapter)
    another = next(same, models[-1].name if models else None)
    others = [(f"{model.corpus} · {model.adapter or base}", model.name) for model in models]
    return Choices(
        model={"choices": models_now, "value": context.settings.engine.model},
        adapter={
            "choices": [(context.text("chat.no_adapter"), BASE), *adapters],
            "value": BASE,
            "visible": bool(adapters),
        },
        other={"choices": others, "value": another},
        may_compare=len(others) > 1,
    )


@dataclass(frozen=True, slots=True)
class Parts:
    """What the callbacks read and change."""

    conversation: gr.State
    """Number of the open conversation; None before its first question is answered."""
    address: gr.Textbox
    """What the page's address names when it is loaded: ``chat/12``, ``shared/LINK``."""
    edit: gr.State
    """The ``Edit`` of an earlier question; None otherwise."""
    new: gr.Button
    searched: gr.Textbox
    listed: gr.HTML
    log: gr.HTML
    """The turns before the last one."""
    now: gr.HTML
    """The last turn: only this one is sent again while an answer comes in."""
    editing: gr.HTML
    question: gr.Textbox
    scope: gr.State
    """The ``Scope`` of the next question."""
    asked: gr.HTML
    """The same to be seen and changed."""
    brought: gr.UploadButton
    """Files to be asked alone."""
    model: gr.Dropdown
    """The base model that answers all; admins alone may change it."""
    adapter: gr.Dropdown
    compares: gr.Checkbox
    other: gr.Dropdown
    blind: gr.Checkbox
    panel: gr.HTML


def lay_out(context: AppContext) -> Parts:
    """All components, in their columns."""
    words, choices = context.text, choices_of(context)
    conversation, edit, scope = gr.State(None), gr.State(None), gr.State(EVERYTHING)
    address = gr.Textbox("", visible=False)
    bare: dict[str, Any] = {"container": False, "show_label": False}
    slim: dict[str, Any] = {"container": False, "min_width": 0}
    hidden = {**slim, "visible": False}
    with gr.Row(elem_id="chat", equal_height=False):
        with gr.Column(elem_id="chat-side", min_width=0):
            new = gr.Button(words("chat.new"), elem_id="chat-new", size="sm")
            search = words("chat.search")
            searched = gr.Textbox(label=search, placeholder=search, elem_id="chat-search", **bare)
            listed = acting_html(LIST_EVENTS, elem_id="chat-list", script="chat/list.js")
        with gr.Column(elem_id="chat-main", min_width=0):
            with gr.Row(elem_id="chat-models"):
                model = gr.Dropdown(
                    label=words("chat.adapter"),
                    elem_id="chat-model",
                    interactive=context.people is None,
                    **slim,
                    **choices.model,
                )
                adapter = gr.Dropdown(
                    label=words("chat.with_adapter"), elem_id="chat-adapter", **slim, **choices.adapter
                )
            with gr.Column(elem_id="chat-log", min_width=0):
                log = acting_html(TURN_EVENTS, elem_id="chat-past")
                now = acting_html(TURN_EVENTS, elem_id="chat-now")
            with gr.Column(elem_id="chat-composer", min_width=0):
                editing = acting_html(("keep",), elem_id="chat-editing")
                question = gr.Textbox(
                    label=words("chat.question"),
                    placeholder=words("chat.placeholder"),
                    lines=1,
                    max_lines=8,
                    submit_btn=True,
                    elem_id="chat-question",
                    autofocus=True,
                    **bare,
                )
                with gr.Row(elem_id="chat-options"):
                    brought = gr.UploadButton(
                        words("attach.bring"), file_count="multiple", elem_id="chat-attach", size="sm"
                    )
                    asked = acting_html(("narrow", "widen", "collect"), elem_id="chat-scope")
                    may = choices.may_compare
                    compares = gr.Checkbox(label=words("chat.compare"), elem_id="chat-compares", visible=may, **slim)
                    other = gr.Dropdown(label=words("chat.other"), elem_id="chat-other", **hidden, **choices.other)
                    blind = gr.Checkbox(label=words("chat.blind"), elem_id="chat-blind", **hidden)
        with gr.Column(elem_id="chat-panel", min_width=0):
            panel = acting_html(("cite", "only"), elem_id="source", script="chat/panel.js")
    return Parts(
        conversation, address, edit, new, searched, listed, log, now, editing, question,
        scope, asked, brought, model, adapter, compares, other, blind, panel,
    )  # fmt: skip
