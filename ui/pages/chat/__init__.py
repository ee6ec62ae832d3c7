"""The chat: questions, answers with their sources beside them, and what experts say about them."""

from collections.abc import Callable, Sequence
from typing import Any

from gradio.context import Context

from ui.context import AppContext
from ui.pages.chat.asking import Asking
from ui.pages.chat.callbacks import Chat
from ui.pages.chat.parts import Parts, lay_out
from ui.pages.told import telling
from ui.pages.wiring import CLICKED

_ADDRESS = "() => [Number((/^#chat\\/(\\d+)$/.exec(location.hash) || [])[1]) || null]"
"""The number of a conversation in the page's address, as ``ui/assets/address.js`` writes it there."""


def build(context: AppContext) -> None:
    """Lay out the page and say what its parts do."""
    parts = lay_out(context)
    chat = Chat(context, parts, Asking(context))
    _wire_asking(chat, parts)
    _wire_turns(chat, parts)
    _wire_conversations(chat, parts)


def _wire_asking(chat: Chat, parts: Parts) -> None:
    models = [parts.corpus, parts.adapter, parts.compares, parts.other, parts.blind]
    page = [
        parts.log, parts.now, parts.question, parts.editing, parts.edit, parts.conversation, parts.listed, parts.panel,
    ]  # fmt: skip
    asked = [parts.question, parts.conversation, parts.edit, *models]
    asked_elsewhere = [parts.question, parts.conversation, *models]
    # Gradio would drop what is sent before the answer before it has ended on the wire as well.
    _on(parts.question.submit, chat.ask, asked, page, trigger_mode="always_last")
    _on(parts.question.stop, chat.stop, [], [])
    for turns in (parts.log, parts.now):
        _on(turns.retry, chat.retry, asked_elsewhere, page)
        _on(turns.suggest, chat.suggest, asked_elsewhere, page)
        _on(turns.edit, chat.edit, [parts.question, parts.edit], [parts.question, parts.edit, parts.editing])
        _on(turns.reword, chat.reword, [], [parts.question])
    _on(parts.editing.keep, chat.keep, [parts.edit], [parts.question, parts.edit, parts.editing])
    _on(parts.compares.change, chat.compare, [parts.compares], [parts.other, parts.blind])


def _wire_turns(chat: Chat, parts: Parts) -> None:
    for turns in (parts.log, parts.now):
        _on(turns.cite, chat.cite, [], [parts.panel])
        _on(turns.why, chat.why, [], [parts.panel])
        _on(turns.vote, chat.vote, [parts.conversation], [turns])
        _on(turns.teach, chat.teach, [parts.conversation], [turns])
    _on(parts.panel.cite, chat.cite, [], [parts.panel])


def _wire_conversations(chat: Chat, parts: Parts) -> None:
    shown = [
        parts.conversation, parts.edit, parts.editing, parts.log, parts.now, parts.panel, parts.listed,
        parts.question,
    ]  # fmt: skip
    choices = [parts.corpus, parts.adapter, parts.other, parts.compares]
    _on(parts.listed.open, chat.open, [parts.searched, parts.edit], [*shown, parts.corpus])
    _on(parts.new.click, chat.begin, [parts.corpus, parts.searched, parts.edit], shown)
    _on(parts.searched.change, chat.search, [parts.searched, parts.conversation], [parts.listed])
    _on(parts.listed.rename, chat.rename, [parts.conversation, parts.searched], [parts.listed])
    _on(parts.listed.delete, chat.delete, [parts.conversation, parts.corpus, parts.searched, parts.edit], shown)
    if Context.root_block is not None:
        _on(Context.root_block.load, chat.load, [parts.address], [*choices, *shown], js=_ADDRESS)


def _on(
    event: Callable[..., Any],
    callback: Callable[..., Any],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    **options: Any,
) -> Any:
    """Call ``callback`` at an event, without waiting for others: ``ui.answering`` says who waits for the model.

    It goes through Gradio's queue all the same: what is called past it cannot tell an error to the page.
    """
    return event(telling(callback), inputs, outputs, **CLICKED, **options)
