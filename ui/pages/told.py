"""Errors of ours in a callback, told to the one who clicked: escaped, since Gradio shows a message as HTML."""

import functools
import inspect
from collections.abc import AsyncGenerator, Callable
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
                async for changes in callback(*args, **kwargs):
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
