"""Errors of ours in a callback, told to the one who clicked: escaped, since Gradio shows a message as HTML."""

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import gradio as gr
from pydantic import ValidationError

from assistant.errors import AssistantError
from ui.shown.components import message_html


def telling(callback: Callable[..., Any]) -> Callable[..., Any]:
    """``callback``, whose AssistantError becomes a message on the page: what happened and what to do.

    So does the ValidationError of a value that is none of those it takes.
    """
    if inspect.isasyncgenfunction(callback):

        @functools.wraps(callback)
        async def each(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
            with _told():
                # Closed with this one: what it has begun ends at once, and not when it is collected.
                async with aclosing(callback(*args, **kwargs)) as all_changes:
                    async for changes in all_changes:
                        yield changes

        return each

    if inspect.iscoroutinefunction(callback):

        @functools.wraps(callback)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            with _told():
                return await callback(*args, **kwargs)

        return awaited

    @functools.wraps(callback)
    def once(*args: Any, **kwargs: Any) -> Any:
        with _told():
            return callback(*args, **kwargs)

    return once


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except AssistantError as error:
        raise gr.Error(message_html(error), print_exception=False) from None
    except ValidationError as error:
        # The first thing that is wrong, with the name of a setting and the value.
        first = error.errors()[0]
        names = [part for part in first["loc"] if isinstance(part, str)]
        reason = f"{': '.join([*names, first['msg']])}: {repr(first['input'])[:80]}."
        raise gr.Error(message_html(reason), print_exception=False) from None
