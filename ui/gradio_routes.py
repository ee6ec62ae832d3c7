"""What the page asks of Gradio, and no more: of its routes, those that a browser needs are open, the others shut.

Shut are those that read files by path, fetch other addresses, run functions for programs, or edit the app. Downloads
and pictures have routes of our own, which look documents up by id.
"""

import re
from collections import OrderedDict

from assistant.text.languages import LANGUAGES

_NAME = r"(?!\.)[\w.-]+"
_UNDER_PAGE = re.compile(rf"/(?:{'|'.join(LANGUAGES)})(?P<rest>/.*)?", re.DOTALL)
_READ = re.compile(
    rf"""/?
    | /(?: config | theme\.css | manifest\.json | favicon\.ico )
    | /(?: assets | static | svelte )(?: /{_NAME} )+
    | /gradio_api/(?: info | app_id | login_check | startup-events | theme\.css )/?
    | /gradio_api/(?: queue/data | queue/status | upload_progress )
    | /gradio_api/heartbeat/\w+
    """,
    re.VERBOSE,
)
_WRITTEN = re.compile(r"/gradio_api/(?:queue/join|run/\w+|cancel|reset|upload)/?")
_CALL = re.compile(r"/gradio_api/(?:queue/join|run/(?P<name>\w+))/?")
_UPLOAD = re.compile(r"/gradio_api/upload/?")
_FILE = re.compile(r"/gradio_api/file=(?P<path>.+)", re.DOTALL)
_HEARTBEAT = re.compile(r"/gradio_api/heartbeat/(?P<session>\w+)")
_ASSET = re.compile(r"/(?:assets|static|svelte)/.*", re.DOTALL)
_MOST_SESSIONS = 10_000


def under_page(path: str) -> str | None:
    """What stands behind ``/en`` in a path; None for a path that is not Gradio's."""
    found = _UNDER_PAGE.fullmatch(path)
    return (found["rest"] or "") if found else None


def is_open(method: str, rest: str) -> bool:
    """Whether a route of Gradio's is needed by the page. ``rest`` is what ``under_page`` gives."""
    pattern = _READ if method in {"GET", "HEAD"} else _WRITTEN if method == "POST" else None
    return pattern is not None and pattern.fullmatch(rest) is not None


def is_page(rest: str) -> bool:
    """Whether it is the page itself."""
    return rest in {"", "/"}


def is_asset(rest: str) -> bool:
    """Whether it is a file that Gradio ships, the same for everyone."""
    return _ASSET.fullmatch(rest) is not None


def is_upload(rest: str) -> bool:
    """Whether files arrive by it."""
    return _UPLOAD.fullmatch(rest) is not None


def called_in(rest: str) -> re.Match[str] | None:
    """The call of a function, whose ``name`` may stand in the path; None for what calls none."""
    return _CALL.fullmatch(rest)


def file_of(rest: str) -> str | None:
    """The path that Gradio is asked to read; None where it is not asked to read any."""
    found = _FILE.fullmatch(rest)
    return found["path"] if found else None


def session_in_path(rest: str) -> str:
    """The session that a path names; empty if it names none."""
    found = _HEARTBEAT.fullmatch(rest)
    return found["session"] if found else ""


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
