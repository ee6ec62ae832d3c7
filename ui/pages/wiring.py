"""How callbacks are bound to events: quietly or through the queue, and when a tab is opened."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr
from gradio.context import Context

# No part of the page shows that it waits: Gradio would look each one up in the whole page at every update.
_PRIVATE: dict[str, Any] = {"show_progress": "hidden", "show_progress_on": [], "api_visibility": "private"}
# What is called by the page only, and not worth a place in a queue.
QUIET: dict[str, Any] = {**_PRIVATE, "queue": False}
# What someone clicked; through the queue, which tells of an error without failing the request.
CLICKED: dict[str, Any] = {**_PRIVATE, "concurrency_limit": None}
# What changes comes into sight; Gradio scrolls to parts that it knows to wait.
SCROLLED: dict[str, Any] = {**QUIET, "show_progress_on": None, "scroll_to_output": True}


def when_opened(refresh: Callable[..., Any], outputs: Sequence[Any], inputs: Sequence[Any] = ()) -> None:
    """Call ``refresh`` when the tab that is being laid out is opened; what nobody looks at is not asked for."""
    if isinstance(tab := _tab(), gr.Tab):
        tab.select(refresh, list(inputs), list(outputs), **QUIET)


def _tab() -> Any:
    block = Context.block
    while block is not None and not isinstance(block, gr.Tab):
        block = block.parent
    return block


def choosing(names: Sequence[str], chosen: str | None, first: int = 0) -> gr.Dropdown:
    """A list of names as it is now: what was chosen stays chosen, else it is the one at ``first``, if there is one."""
    if chosen not in names:
        chosen = names[first] if len(names) > first else None
    return gr.Dropdown(list(names), value=chosen)
