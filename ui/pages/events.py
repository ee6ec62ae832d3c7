"""How pages hear of clicks: HTML of ours that raises events, and how callbacks are bound to events.

A click on ``<button data-do="cite" data-start="4">`` calls ``component.cite`` with its data:

    shown = event_html(("cite", "vote"), elem_id="log")
    shown.cite(open_passage, outputs=panel)        # def open_passage(event: gr.EventData): data_of(event)["start"]

What comes back from a browser may be anything: callbacks look everything up for the one who asks. So ``telling`` hands
each the context of whoever clicked, in which there is nothing that they may not read; what is laid out is nobody's, and
a callback that was forgotten sees nothing. Errors of ours in callbacks are told to the one who clicked: escaped, since
Gradio shows a message as HTML.
"""

import functools
import inspect
import json
import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.context import Context
from pydantic import ValidationError

from assistant.errors import AssistantError
from ui.context import AppContext
from ui.shown.components import message_html, title_html
from ui.uploads import Kept

_log = logging.getLogger(__name__)
_FOLDER = Path(__file__).parent
# More than any number of ours has, and few enough for JavaScript.
_MOST_DIGITS = 15
# No part of the page shows that it waits: Gradio would look each one up in the whole page at every update.
_PRIVATE: dict[str, Any] = {"show_progress": "hidden", "show_progress_on": [], "api_visibility": "private"}
# What is called by the page only, and not worth a place in a queue.
QUIET: dict[str, Any] = {**_PRIVATE, "queue": False}
# What someone clicked; through the queue, which tells of an error without failing the request.
CLICKED: dict[str, Any] = {**_PRIVATE, "concurrency_limit": None}


def acting_html(events: Sequence[str], value: str = "", *, elem_id: str, script: str = "") -> gr.HTML:
    """HTML whose buttons and forms with ``data-do`` raise ``events``; ``script``, a file of this folder, runs with
    them."""
    scripts = [(_FOLDER / name).read_text(encoding="utf-8") for name in ("events.js", script) if name]
    known = f"const known = {json.dumps(list(events))};\n"
    return gr.HTML(value, elem_id=elem_id, js_on_load=known + "".join(scripts), apply_default_css=False)


def still_html(value: str = "") -> gr.HTML:
    """HTML that only shows."""
    return gr.HTML(value, js_on_load=None, apply_default_css=False)


def choice_list(elem_id: str) -> gr.HTML:
    """A list of ours in which one entry can be chosen: ``data-do="choose"`` with ``data-choice``.

    What is chosen stands in the page's address (``ui/assets/address.js``), and is chosen by it when the page is opened.
    """
    return acting_html(("choose",), elem_id=elem_id, script="choices.js")


def titled_html(title: str, lead: str) -> gr.HTML:
    """What a page is called, and what it is for."""
    return gr.HTML(title_html(title, lead), js_on_load=None, apply_default_css=False)


def data_of(event: gr.EventData) -> dict[str, str]:
    """What a button carries."""
    data = event._data
    return {str(name): str(value) for name, value in data.items()} if isinstance(data, dict) else {}


def number_of(event: gr.EventData, name: str) -> int:
    """A number that a button carries; -1 when it carries none."""
    return _number_in(data_of(event).get(name, ""))


def shown_turns(event: gr.EventData) -> frozenset[int]:
    """Numbers of the turns that stand in the component that was clicked."""
    return frozenset(map(_number_in, data_of(event).get("shown", "").split(","))) - {-1}


def _number_in(text: str) -> int:
    digits = text.removeprefix("-")
    return int(text) if digits.isdecimal() and len(digits) <= _MOST_DIGITS else -1


def when_opened(
    refresh: Callable[..., Any], outputs: Sequence[Any], inputs: Sequence[Any] = (), js: str | None = None
) -> None:
    """Call ``refresh`` when the tab that is being laid out is opened; what nobody looks at is not asked for.

    ``js`` makes the inputs of what they are in the page.
    """
    tab = Context.block
    while tab is not None and not isinstance(tab, gr.Tab):
        tab = tab.parent
    if isinstance(tab, gr.Tab):
        tab.select(refresh, list(inputs), list(outputs), js=js, **QUIET)


def page_does(what: str, page: str) -> str:
    """The script of an event after which the page says what of it is in sight (``ui/assets/address.js``).

    ``shown``: something that was opened has come, and is in sight unless it was left meanwhile; ``leave``: it is left.
    """
    return f"() => window.assistant.{what}('{page}')"


def choosing(names: Sequence[str], chosen: str | None, first: int = 0) -> gr.Dropdown:
    """A list of names as it is now: what was chosen stays chosen, else it is the one at ``first``, if there is one."""
    if chosen not in names:
        chosen = names[first] if len(names) > first else None
    return gr.Dropdown(list(names), value=chosen)


def tell_beside(context: AppContext, kept: Iterable[Kept], remedy: str = "") -> None:
    """Tell of files that are kept under another name than their own; ``remedy`` says what to do about it."""
    for one in kept:
        if one.beside:
            said = context.text("uploads.beside", name=one.beside, kept=one.path.name)
            gr.Warning(message_html(f"{said} {remedy}".rstrip()))


def telling(callback: Callable[..., Any]) -> Callable[..., Any]:
    """``callback`` in the context of whoever clicked, whose AssistantError becomes a message on the page: what happened
    and what to do.

    So does the ValidationError of a value that is none of those it takes, and what a disk refuses. The context is that
    of the callback's object.
    """
    if inspect.isasyncgenfunction(callback):

        @functools.wraps(callback)
        async def each(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
            with _told(callback, args):
                # Closed with this one: what it has begun ends at once, and not when it is collected.
                async with aclosing(_theirs(callback, args, kwargs)) as all_changes:
                    async for changes in all_changes:
                        yield changes

        return each

    if inspect.iscoroutinefunction(callback):

        @functools.wraps(callback)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            with _told(callback, args):
                return await _theirs(callback, args, kwargs)

        return awaited

    @functools.wraps(callback)
    def once(*args: Any, **kwargs: Any) -> Any:
        with _told(callback, args):
            return _theirs(callback, args, kwargs)

    return once


def _theirs(callback: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a method returns for a copy of its object with the context of whoever clicked."""
    bound: Any = callback
    if inspect.ismethod(bound):
        callback, args = bound.__func__, (bound.__self__, *args)
    request = next((one for one in (*args, *kwargs.values()) if isinstance(one, gr.Request)), None)
    if request is not None and isinstance(context := getattr(args[0], "context", None), AppContext):
        theirs = context.of(request)
        parts = {"asking": replace(args[0].asking, context=theirs)} if hasattr(args[0], "asking") else {}
        args = (replace(args[0], context=theirs, **parts), *args[1:])
    return callback(*args, **kwargs)


@contextmanager
def _told(callback: Callable[..., Any], args: tuple[Any, ...]) -> Iterator[None]:
    owner = callback.__self__ if inspect.ismethod(callback) else next(iter(args), None)
    context = getattr(owner, "context", None)
    said: Callable[[object], str] = context.said if isinstance(context, AppContext) else str
    try:
        yield
    except AssistantError as error:
        raise gr.Error(message_html(said(error)), print_exception=False) from None
    except ValidationError as error:
        # The first thing that is wrong, with the name of a setting and the value.
        first = error.errors()[0]
        names = [part for part in first["loc"] if isinstance(part, str)]
        reason = f"{': '.join([*names, first['msg']])}: {repr(first['input'])[:80]}."
        raise gr.Error(message_html(said(reason)), print_exception=False) from None
    except OSError as error:  # as the command line tells it, but for a path that whoever clicked need not know of
        _log.exception("A click met with the disk.")
        reason = f"That cannot be done: {error.strerror or type(error).__name__}. Check rights and free space."
        raise gr.Error(message_html(said(reason)), print_exception=False) from None
