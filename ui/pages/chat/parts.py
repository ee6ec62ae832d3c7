"""The components of the chat: conversations on the left, the chat in the middle, the source on the right."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui.context import AppContext
from ui.pages.acting import acting_html
from ui.pages.chat.choices import choices_of

TURN_EVENTS = ("cite", "why", "retry", "edit", "reword", "suggest", "vote", "teach")
LIST_EVENTS = ("open", "rename", "delete")


@dataclass(frozen=True, slots=True)
class Parts:
    """What the callbacks read and change."""

    conversation: gr.State
    """Number of the open conversation; None before its first question is answered."""
    address: gr.Number
    """Number of the conversation in the page's address when it is loaded."""
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
    corpus: gr.Dropdown
    adapter: gr.Dropdown
    compares: gr.Checkbox
    other: gr.Dropdown
    blind: gr.Checkbox
    panel: gr.HTML


def lay_out(context: AppContext) -> Parts:
    """All components, in their columns."""
    conversation, edit = gr.State(None), gr.State(None)
    address = gr.Number(precision=0, visible=False)
    with gr.Row(elem_id="chat", equal_height=False):
        with gr.Column(elem_id="chat-side", min_width=0):
            new, searched, listed = _conversations(context)
        with gr.Column(elem_id="chat-main", min_width=0):
            with gr.Column(elem_id="chat-log", min_width=0):
                log = acting_html(TURN_EVENTS, elem_id="chat-past")
                now = acting_html(TURN_EVENTS, elem_id="chat-now")
            with gr.Column(elem_id="chat-composer", min_width=0):
                editing = acting_html(("keep",), elem_id="chat-editing")
                question = _question(context)
                corpus, adapter, compares, other, blind = _options(context)
        with gr.Column(elem_id="chat-panel", min_width=0):
            panel = acting_html(("cite",), elem_id="source", script=_PANEL)
    return Parts(
        conversation, address, edit, new, searched, listed, log, now, editing, question,
        corpus, adapter, compares, other, blind, panel,
    )  # fmt: skip


def _conversations(context: AppContext) -> tuple[gr.Button, gr.Textbox, gr.HTML]:
    words = context.text
    new = gr.Button(words("chat.new"), elem_id="chat-new", size="sm")
    searched = gr.Textbox(
        label=words("chat.search"),
        placeholder=words("chat.search"),
        container=False,
        show_label=False,
        elem_id="chat-search",
    )
    return new, searched, acting_html(LIST_EVENTS, elem_id="chat-list", script=_LIST)


def _question(context: AppContext) -> gr.Textbox:
    return gr.Textbox(
        label=context.text("chat.question"),
        placeholder=context.text("chat.placeholder"),
        show_label=False,
        container=False,
        lines=1,
        max_lines=8,
        submit_btn=True,
        elem_id="chat-question",
        autofocus=True,
    )


def _options(context: AppContext) -> tuple[gr.Dropdown, gr.Dropdown, gr.Checkbox, gr.Dropdown, gr.Checkbox]:
    words, choices = context.text, choices_of(context)
    slim: dict[str, Any] = {"container": False, "min_width": 0}
    with gr.Row(elem_id="chat-options"):
        corpus = gr.Dropdown(label=words("chat.corpus"), elem_id="chat-corpus", **slim, **choices.corpus)
        adapter = gr.Dropdown(label=words("chat.adapter"), elem_id="chat-adapter", **slim, **choices.adapter)
        compares = gr.Checkbox(
            label=words("chat.compare"), elem_id="chat-compares", visible=choices.may_compare, **slim
        )
        other = gr.Dropdown(label=words("chat.other"), elem_id="chat-other", visible=False, **slim, **choices.other)
        blind = gr.Checkbox(label=words("chat.blind"), elem_id="chat-blind", visible=False, **slim)
    return corpus, adapter, compares, other, blind


_PANEL = """
element.addEventListener("click", (event) => {
  if (event.target.closest("[data-close]")) { props.value = ""; window.assistant.closed(); }
  const step = event.target.closest("[data-step]");
  if (step) window.assistant.step(Number(step.dataset.step));
});
element.addEventListener("close", () => { props.value = ""; window.assistant.closed(); });
watch("value", () => window.assistant.service(element));
"""
_LIST = """
element.addEventListener("renamed", (event) => trigger("rename", event.detail));
element.addEventListener("opened", (event) => trigger("open", event.detail));
"""
