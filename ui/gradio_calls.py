"""What the page asks of Gradio, and no more: which of its routes are open, and what a call of a function may say.

    {"fn_index": 7, "session_hash": "…", "data": ["cars", {"path": "…/a.pdf", "meta": {"_type": "gradio.FileData"}}]}

Shut are the routes that read files by path, fetch other addresses, run functions for programs, or edit the app.
Downloads and pictures have routes of our own, which look documents up by id. Wherever a file stands in a call, and
whatever its function takes, Gradio copies it by its path, or fetches it if that is an address: so the whole of a call
is looked through before Gradio sees it.
"""

import json
from collections import ChainMap, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from gradio.block_function import BlockFunction
from gradio.blocks import Blocks
from gradio.components import HTML
from gradio.data_classes import PredictBody
from gradio.route_utils import FnIndexInferError, get_fn
from gradio.routes import App
from gradio.state_holder import SessionState, StateHolder
from pydantic import ValidationError
from starlette.routing import Mount

from assistant.text.languages import LANGUAGES

_JOIN, _UPLOAD, _STREAM = "/gradio_api/queue/join", "/gradio_api/upload", "/gradio_api/queue/data"
_EITHER_WAY = ("info", "app_id", "login_check", "startup-events", "theme.css")
_READ = frozenset(
    {
        *("", "/", "/config", "/theme.css", "/manifest.json", "/favicon.ico"),
        *(_STREAM, "/gradio_api/queue/status", "/gradio_api/upload_progress"),
        *(f"/gradio_api/{name}{slash}" for name in _EITHER_WAY for slash in ("", "/")),
    }
)
_WRITTEN = frozenset({_UPLOAD, "/gradio_api/cancel", "/gradio_api/reset"})
_ASSETS = ("/assets/", "/static/", "/svelte/")
_SIGNS = str.maketrans("", "", "_.-")
_MOST_SESSIONS = 10_000  # browsers make up as many as they like
_MOST_KEPT_SESSIONS = 2_000  # of each page, the latest; Gradio forgets none before that


def under_page(path: str) -> str | None:
    """What stands behind ``/en`` in a path; None for a path that is not Gradio's."""
    root, _, behind = path.partition("/")
    page, slash, rest = behind.partition("/")
    return f"{slash}{rest}" if not root and page in LANGUAGES else None


def is_open(method: str, rest: str) -> bool:
    """Whether a route of Gradio's is needed by the page. ``rest`` is what ``under_page`` gives."""
    if method == "POST":
        return rest.removesuffix("/") in _WRITTEN or is_call(rest)
    if method not in {"GET", "HEAD"}:
        return False
    names = rest.split("/")[2:]
    is_file = is_asset(rest) and all(name[:1] != "." and name.translate(_SIGNS).isalnum() for name in names)
    return rest in _READ or is_file or bool(session_in_path(rest))


def is_page(rest: str) -> bool:
    """Whether it is the page itself."""
    return rest in {"", "/"}


def is_asset(rest: str) -> bool:
    """Whether it is a file that Gradio ships, the same for everyone."""
    return rest.startswith(_ASSETS)


def is_upload(rest: str) -> bool:
    """Whether files arrive by it."""
    return rest.removesuffix("/") == _UPLOAD


def is_call(rest: str) -> bool:
    """Whether it calls a function."""
    return rest.removesuffix("/") == _JOIN or function_in_path(rest) is not None


def is_stream(rest: str) -> bool:
    """Whether its answer goes on as long as the page is open."""
    return rest == _STREAM or bool(session_in_path(rest))


def function_in_path(rest: str) -> str | None:
    """The name of the function that a path calls; None where it names none."""
    return _name_behind("/gradio_api/run/", rest.removesuffix("/"))


def file_of(rest: str) -> str | None:
    """The path that Gradio is asked to read; None where it is not asked to read any."""
    before, _, path = rest.partition("/gradio_api/file=")
    return path if path and not before else None


def session_in_path(rest: str) -> str:
    """The session that a path names; empty if it names none."""
    return _name_behind("/gradio_api/heartbeat/", rest) or ""


def _name_behind(root: str, path: str) -> str | None:
    name = path.removeprefix(root)
    return name if name != path and name.replace("_", "").isalnum() else None


class SessionOwners:
    """Whose each of Gradio's sessions is. A browser makes their names up: whoever uses one first has it."""

    def __init__(self) -> None:
        self._owners: OrderedDict[str, str] = OrderedDict()

    def belongs(self, session: str, name: str) -> bool:
        """Whether a session is someone's, and from now on it is."""
        owner = self._owners.setdefault(session, name)
        self._owners.move_to_end(session)
        if len(self._owners) > _MOST_SESSIONS:
            self._owners.popitem(last=False)
        return owner == name


class _PageSession(SessionState):
    """What Gradio keeps of a page that is open: the values of its states, and what has changed of its components.

    Gradio would keep a configuration of the page, a list of all components and whatever any has shown as well, for
    links to what is seen, which this app has none of: .6 MB (docs/log.md).
    """

    def __init__(self, page: Blocks) -> None:
        super().__init__(page)
        self.config_values.clear()
        self.blocks_config.blocks = ChainMap({}, page.default_config.blocks)  # type: ignore[assignment]
        self.blocks_config.fns = page.default_config.fns

    def __setitem__(self, key: int, value: Any) -> None:
        if not isinstance(value, HTML):  # what it shows is on the page, and it takes nothing from there
            super().__setitem__(key, value)
            self.config_values.clear()

    def _update_config(self, key: int) -> None:
        pass

    def _update_value_in_config(self, key: int, value: Any) -> None:
        pass


class PageSessions(StateHolder):
    """Gradio's sessions of a page."""

    def __init__(self, page: Blocks) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        page.state_session_capacity = _MOST_KEPT_SESSIONS
        self.set_blocks(page)

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self:
            self.session_data[session_id] = _PageSession(self.blocks)
        return super().__getitem__(session_id)


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


def apps_of(app: FastAPI) -> dict[str, App]:
    """Path → application of a page of Gradio, of all that are mounted in an app."""
    mounts = (route for route in app.routes if isinstance(route, Mount))
    return {mount.path: mount.app for mount in mounts if isinstance(mount.app, App)}


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
