"""Errors of ours in a callback, told to the one who clicked: escaped, since Gradio shows a message as HTML."""

import functools
import inspect
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import gradio as gr

from assistant.errors import AssistantError
from ui.shown.safe import escaped


def telling(callback: Callable[..., Any]) -> Callable[..., Any]:
    """``callback``, whose AssistantError becomes a message on the page: what happened and what to do."""
    if inspect.isasyncgenfunction(callback):

        @functools.wraps(callback)
        async def each(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
            try:
                # Closed with this one: what it has begun ends at once, and not when it is collected.
                async with aclosing(callback(*args, **kwargs)) as all_changes:
                    async for changes in all_changes:
                        yield changes
            except AssistantError as error:
                raise gr.Error(escaped(error), print_exception=False) from None

        return each

    @functools.wraps(callback)
    def once(*args: Any, **kwargs: Any) -> Any:
        try:
            return callback(*args, **kwargs)
        except AssistantError as error:
            raise gr.Error(escaped(error), print_exception=False) from None

    return once
