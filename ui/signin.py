"""Signing in and out, and who a request comes from.

    GET  /sign-in     the form                        cookie: HttpOnly, SameSite=Lax, Secure over HTTPS
    POST /sign-in     name, password ──▶ session ──▶ the page that was wanted
    POST /sign-out    the session ends

A request is somebody's by its cookie, or by the header of a trusted proxy (``ui.trusted_header``).
"""

import hashlib
import math
from collections.abc import Mapping
from urllib.parse import parse_qs, quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request, cookie_parser
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Scope

from assistant.config import UiSettings
from ui.api.limits import RateLimit
from ui.people import LOCAL, People, User
from ui.proxies import client_address, is_from, is_https, networks
from ui.sessions import Sessions
from ui.signin_page import sign_in_page
from ui.texts import preferred

SIGN_IN, SIGN_OUT = "/sign-in", "/sign-out"
_MOST_BYTES = 8192
# So many addresses have to guess at one name before its owner is kept out too.
_ADDRESSES_A_NAME = 5
_USER = "assistant.user"


class SignIn:
    """The routes, and the owner of every request. ``people`` of None lets everyone in as ``LOCAL``."""

    def __init__(self, settings: UiSettings, people: People | None, sessions: Sessions | None = None) -> None:
        """Raises ConfigError for ``ui.trusted_proxies`` that are no addresses."""
        self._people = people
        self._proxies = networks(settings.trusted_proxies)
        self._header = settings.trusted_header.lower()
        self._sessions = sessions or Sessions(settings.session_minutes)
        self._from_address = RateLimit(settings.sign_ins_per_minute)
        self._for_name = RateLimit(settings.sign_ins_per_minute * _ADDRESSES_A_NAME)
        self.cookie = _cookie_name(people)
        self.routes = [
            Route(SIGN_IN, self._show, methods=["GET"]),
            Route(SIGN_IN, self._sign_in, methods=["POST"]),
            Route(SIGN_OUT, self._sign_out, methods=["POST"]),
        ]

    @property
    def is_open(self) -> bool:
        """Whether nobody has to sign in."""
        return self._people is None

    def user_of(self, scope: Scope) -> User | None:
        """Who a request comes from; None for one who has to sign in first."""
        if self._people is None:
            return LOCAL
        name = self._name_from_proxy(scope) or self._sessions.name_of(self._token(scope), self._people.stamp)
        return self._people.user(name) if name else None

    def _name_from_proxy(self, scope: Scope) -> str:
        if not self._header or not is_from(self._proxies, scope):
            return ""
        # Said twice, one of them may be the visitor's own.
        names = Headers(scope=scope).getlist(self._header)
        return names[0].encode("latin-1").decode("utf-8", "replace").strip() if len(names) == 1 else ""

    def _token(self, scope: Scope) -> str:
        return cookie_parser(Headers(scope=scope).get("cookie", "")).get(self.cookie, "")

    async def _show(self, request: Request) -> Response:
        wanted = local_target(request.query_params.get("next", "/"))
        if self.user_of(request.scope) is not None:
            return RedirectResponse(wanted, 303)
        return self._page(request, wanted)

    async def _sign_in(self, request: Request) -> Response:
        form = await _form(request)
        name, wanted = form.get("name", "").strip(), local_target(form.get("next", "/"))
        wait = self._wait(request.scope, name)
        if wait:
            headers = {"Retry-After": str(math.ceil(wait))}
            return self._page(request, wanted, name, "signin.too_many", 429, headers)
        if self._people is None:
            return RedirectResponse(wanted, 303)
        user = await run_in_threadpool(self._people.verified, name, form.get("password", ""))
        if user is None:
            return self._page(request, wanted, name, "signin.wrong", 401)
        response = RedirectResponse(wanted, 303)
        self._sessions.end(self._token(request.scope))
        token = self._sessions.begin(user.name, self._people.stamp(user.name))
        secure = is_https(self._proxies, request.scope)
        response.set_cookie(self.cookie, token, path="/", secure=secure, httponly=True, samesite="lax")
        return response

    def _wait(self, scope: Scope, name: str) -> float:
        """Seconds until a password may be tried again, from this address and for this name."""
        return self._from_address.wait(client_address(self._proxies, scope)) or self._for_name.wait(name[:100])

    async def _sign_out(self, request: Request) -> Response:
        self._sessions.end(self._token(request.scope))
        response = RedirectResponse(SIGN_IN, 303)
        response.delete_cookie(self.cookie, path="/")
        return response

    def _page(
        self,
        request: Request,
        wanted: str,
        name: str = "",
        problem: str = "",
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        language = preferred(request.headers.get("accept-language", ""))
        return HTMLResponse(sign_in_page(language, wanted, name, problem), status, headers)


def remember(scope: Scope, user: User) -> None:
    """Note in a request who it comes from, once that is known."""
    scope[_USER] = user


def signed_in(scope: Scope) -> User | None:
    """Who a request comes from, as noted; None for one that passed no gate."""
    user = scope.get(_USER)
    return user if isinstance(user, User) else None


def name_for_gradio(request: Request) -> str | None:
    """The ``auth_dependency`` of a mounted Gradio app."""
    user = signed_in(request.scope)
    return user.name if user else None


def local_target(address: str) -> str:
    """``address`` if it is a path of this app, else the start: a link must not lead from here to another site."""
    try:
        parts = urlsplit(address.replace("\\", "/"))
    except ValueError:
        return "/"
    is_local = not parts.scheme and not parts.netloc and parts.path.startswith("/") and address.isprintable()
    return address if is_local and not address.startswith(("//", "/\\")) else "/"


def sign_in_address(path: str) -> str:
    """Where to sign in, and to come back from to ``path``."""
    return f"{SIGN_IN}?next={quote(path)}"


async def _form(request: Request) -> dict[str, str]:
    """The fields of a small form; nothing of one that is too large."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BYTES:
            return {}
    fields = parse_qs(body.decode("utf-8", "replace"))
    return {name: values[0] for name, values in fields.items()}


def _cookie_name(people: People | None) -> str:
    """Browsers give cookies to every port of a machine: two apps on it must not sign each other out."""
    place = str(people.file.absolute()) if people else ""
    return f"assistant-{hashlib.sha256(place.encode()).hexdigest()[:8]}"
