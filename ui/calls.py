"""What a call of one of the page's functions may say: a function that there is, and no file but the caller's own.

    {"fn_index": 7, "session_hash": "…", "data": ["cars", {"path": "…/a.pdf", "meta": {"_type": "gradio.FileData"}}]}

Wherever such a file stands in a call, and whatever its function takes, Gradio copies it by its path, or fetches it if
that is an address. So the whole of a call is looked through before Gradio sees it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from gradio.block_function import BlockFunction
from gradio.blocks import Blocks
from gradio.data_classes import PredictBody
from gradio.route_utils import FnIndexInferError, get_fn
from gradio.routes import App
from pydantic import ValidationError
from starlette.routing import Mount


@dataclass(frozen=True, slots=True)
class Call:
    """The body of a call, and the paths of all files that it names: what stands there, and be it no text."""

    content: dict[str, Any]
    files: tuple[Any, ...]

    @property
    def session(self) -> str:
        """The session that it names; empty if it names none."""
        return str(self.content.get("session_hash") or "")


def read_call(body: bytes) -> Call:
    """The call in a body; an empty one says nothing. Raises ValueError for what is no object in whole characters."""
    try:
        content = json.loads(body or b"{}")
        if b"\\u" in body:
            json.dumps(content, ensure_ascii=False).encode()  # half a character is no text for what comes after
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(content, dict):
        raise ValueError("no object")
    return Call(content, tuple(_files_in(content)))


def pages_of(app: FastAPI) -> dict[str, Blocks]:
    """Path → page, of all pages of Gradio that are mounted in an app."""
    mounts = (route for route in app.routes if isinstance(route, Mount))
    return {mount.path: mount.app.get_blocks() for mount in mounts if isinstance(mount.app, App)}


def function_of(page: Blocks, name: str | None, call: Call) -> BlockFunction | None:
    """The function that Gradio will run for a call, by its number, else by its name; None where there is none."""
    try:
        return get_fn(page, name, PredictBody.model_validate(call.content))
    except (ValidationError, KeyError, FnIndexInferError):
        return None


def takes_files(function: BlockFunction) -> bool:
    """Whether any component that a function reads holds files, as its data model says."""
    models = (getattr(component, "data_model", None) for component in function.inputs)
    return any(model is not None and "gradio.FileData" in str(model.model_json_schema()) for model in models)


def _files_in(content: Any) -> Iterator[Any]:
    """The path of everything that Gradio takes for a file, in whichever version, and of what stands inside of one."""
    left = [content]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            if part.keys() & {"path", "url"}:
                yield part.get("path")
            left.extend(part.values())
        elif isinstance(part, list):
            left.extend(part)
