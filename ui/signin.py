"""Signing in and out, and who a request comes from.

    GET  /sign-in     the form                        cookies: HttpOnly, SameSite=Lax, Secure over HTTPS
    POST /sign-in     name, password ──▶ session ──▶ the page that was wanted
    POST /sign-out    the session ends
    GET  /sign-in/openid             to the provider, where there is one (``ui.oidc``)
    GET  /sign-in/openid/callback    from there ──▶ session ──▶ the page that was wanted

A request is somebody's by its cookie, or by the header of a trusted proxy (``ui.trusted_header``). Who has signed in
leaves a second cookie in the browser, by which it is known at the next time (``ui.requests``).

A session is a random token, of which only a digest is kept, in the memory of this process, or at the database server
that several processes share. It ends when it was not used
for a while, when its owner signs out, and when their password changes; one from the provider after some hours, since
nobody hears from there who was locked out.

The form has no script and nothing from elsewhere, and is light or dark.
"""

import base64
import hashlib
import hmac
import logging
import math
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, quote, urlsplit

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from markupsafe import Markup
from starlette.datastructures import Headers
from starlette.requests import Request, cookie_parser
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Scope

from assistant.config import UiSettings
from assistant.errors import AssistantError
from assistant.text.languages import Language
from assistant.workspace import StateServer
from ui.logs import note
from ui.oidc import CALLBACK, Provider, ProviderError
from ui.people import LOCAL, OIDC, People, User, composed
from ui.requests import Guesses, network_of, rate_limit
from ui.shared import SharedSessions, apart, digest
from ui.shown.templates import filled
from ui.texts import preferred, text

T = TypeVar("T")

_STYLE = (Path(__file__).parent / "shown" / "signin.css").read_text(encoding="utf-8")
STYLE_SOURCE = f"'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
"""The style as a source in a Content-Security-Policy."""


SIGN_IN, SIGN_OUT = "/sign-in", "/sign-out"
OPENID, OPENID_CALLBACK = "/sign-in/openid", CALLBACK
FORM_PATHS = frozenset({SIGN_IN, SIGN_OUT, OPENID, OPENID_CALLBACK})
"""Of the pages that look like the form."""


def sign_in_page(
    language: Language, wanted: str, name: str, problem: str, provider: str = "", begin: str = ""
) -> Markup:
    """The page. ``wanted`` is where it leads to, ``problem`` the key of a text that says why it is shown again.

    ``provider`` is what the provider is called, if there is one, and ``begin`` the address that leads there.
    """
    return filled(
        "shown/signin.page",
        language=language,
        style=Markup(_STYLE),
        wanted=wanted,
        name=name,
        problem=problem,
        provider=provider,
        begin=begin,
        words=partial(text, language=language),
    )


def leaving_page(language: Language, address: str, provider: str) -> Markup:
    """The page that leads to where the session at the provider ends.

    A redirect would not do: what a form leads to, as signing out does, may be no other host by our policy.
    """
    words = partial(text, language=language)
    return filled(
        "shown/signin.leaving", language=language, style=Markup(_STYLE), address=address, provider=provider, words=words
    )


_MOST_BYTES = 8192  # a name, a password of at most 1,024 characters, and where to go then
_YEAR_SECONDS = 365 * 24 * 3600
_FLOW_SECONDS = 600
"""So long somebody may take at the provider."""
# Of 150 guesses at once, all hashed together, others waited 82 s; with so few that wait .4 s (docs/log.md).
_MOST_WAITING = 16
_BUSY_SECONDS = 5.0  # as long as those 17 took (4.6 s of processor time)
_FAILURES = 5
"""So many times as often as it may try passwords an address may come from the provider in vain: each is asked there."""
_FLOW = "-openid"
"""Ends the name of the cookie by which a browser is known again that comes back from the provider."""
_USER = "assistant.user"
_MOST_SESSIONS = 10_000  # a few MB, or tens with id tokens; who signs in again and again ends the oldest
_log = logging.getLogger("uvicorn.error")


@dataclass(frozen=True, slots=True)
class _Session:
    name: str
    stamp: str
    used_at: float
    ends_at: float
    id_token: str | None
    """As the provider has sent it; empty for one that is too long to be sent back, None where no provider was."""


class Sessions:
    """Token → name, for as long as the token is used. May be asked by several threads."""

    def __init__(self, minutes: float, clock: Callable[[], float] = time.monotonic) -> None:
        """``minutes`` without use end a session. ``clock`` gives seconds."""
        self._seconds = minutes * 60
        self._clock = clock
        self._sessions: OrderedDict[str, _Session] = OrderedDict()  # the one used longest ago comes first
        self._lock = threading.Lock()

    def begin(self, name: str, stamp: str, hours: float = math.inf, id_token: str | None = None) -> str:
        """A new token for someone, for so many hours at most. ``stamp`` has to be the same whenever it is used."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            now = self._clock()
            while self._sessions:
                oldest = next(iter(self._sessions.values()))
                if now - oldest.used_at <= self._seconds and len(self._sessions) < _MOST_SESSIONS:
                    break
                self._sessions.popitem(last=False)
            self._sessions[digest(token)] = _Session(name, stamp, now, now + 3600 * hours, id_token)
        return token

    def name_of(self, token: str, stamp_of: Callable[[str], str]) -> str | None:
        """Whose token it is, which counts as use; None for one that has ended or never was."""
        key, now = digest(token), self._clock()
        with self._lock:
            session = self._sessions.get(key)
            if session is None:
                return None
            is_over = now - session.used_at > self._seconds or now > session.ends_at
            if is_over or stamp_of(session.name) != session.stamp:
                del self._sessions[key]
                return None
            self._sessions[key] = replace(session, used_at=now)
            self._sessions.move_to_end(key)
            return session.name

    def end(self, token: str) -> str | None:
        """Sign out; the id token of a session that came from the provider."""
        with self._lock:
            session = self._sessions.pop(digest(token), None)
        return session.id_token if session else None


class _Hashing:
    """A password takes 32 MiB and a core to be looked at: one is at a time, and a few wait without a thread."""

    def __init__(self) -> None:
        self._one = CapacityLimiter(1)
        self._inside = 0

    @property
    def is_full(self) -> bool:
        return self._inside > _MOST_WAITING

    async def verified(self, people: People, name: str, password: str) -> User | None:
        self._inside += 1
        try:
            return await run_sync(people.verified, name, password, limiter=self._one)
        finally:
            self._inside -= 1


class SignIn:
    """The routes, and the owner of every request. ``people`` of None lets everyone in as ``LOCAL``."""

    def __init__(
        self,
        settings: UiSettings,
        people: People | None,
        sessions: Sessions | None = None,
        guesses: Guesses | None = None,
        record: Callable[..., None] | None = None,
        provider: Provider | None = None,
        state: StateServer | None = None,
    ) -> None:
        """``trusted_header`` is believed here: others than trusted proxies cannot send it (``ui.requests``).

        ``record`` is told the name of who signs in or out or was refused, which of them it was, and ``by`` what.
        """
        self._record = record
        self._people = people
        self._header = settings.trusted_header.lower()
        own = Sessions(settings.session_minutes) if state is None else SharedSessions(state, settings.session_minutes)
        self._sessions = sessions or own
        self._guesses = guesses or Guesses("sign-in", settings.sign_ins_per_minute, state=state)
        self._provider = provider
        self._failures = rate_limit("openid", _FAILURES * settings.sign_ins_per_minute, state=state)
        self.state = state
        # A place for browsers that are known, and one for all others, who cannot hold those up.
        self._hashing = {is_known: _Hashing() for is_known in (True, False)}
        # Browsers give cookies to every port of a machine: two apps on it must not sign each other out.
        place = people.place if people else ""
        self.cookie = f"assistant-{hashlib.sha256(place.encode()).hexdigest()[:8]}"
        self.routes = [
            Route(SIGN_IN, self._show, methods=["GET"]),
            Route(SIGN_IN, self._sign_in, methods=["POST"]),
            Route(SIGN_OUT, self._sign_out, methods=["POST"]),
        ]
        if provider is not None:
            self.routes += [
                Route(OPENID, partial(self._to_provider, provider), methods=["GET"]),
                Route(OPENID_CALLBACK, partial(self._from_provider, provider), methods=["GET"]),
            ]

    @property
    def is_open(self) -> bool:
        """Whether nobody has to sign in."""
        return self._people is None

    def user_of(self, scope: Scope) -> User | None:
        """Who a request comes from; None for one who has to sign in first."""
        if self._people is None:
            return LOCAL
        # Said twice, one of them may be the visitor's own.
        names = Headers(scope=scope).getlist(self._header) if self._header else []
        said = names[0].encode("latin-1").decode("utf-8", "replace").strip() if len(names) == 1 else ""
        name = said or self._sessions.name_of(self._token(scope), self._people.stamp)
        # Who comes from the provider is who it says: a proxy knows them by no such name.
        return self._people.user(name) if name and not said.startswith(OIDC) else None

    def stamp(self, user: User) -> str:
        """What changes when someone is removed or has another password. Raises ConfigError as ``user_of`` does."""
        return self._people.stamp(user.name) if self._people else ""

    async def _apart(self, work: Callable[..., T], *arguments: Any) -> T:
        return await apart(self.state, work, *arguments)

    def _begun(self, scope: Scope, user: User, hours: float = math.inf, id_token: str | None = None) -> str:
        """The token of a new session, in place of the one that the browser may have."""
        self._sessions.end(self._token(scope))
        return self._sessions.begin(user.name, self._people.stamp(user.name) if self._people else "", hours, id_token)

    def _token(self, scope: Scope, kind: str = "") -> str:
        return cookie_parser(Headers(scope=scope).get("cookie", "")).get(self.cookie + kind, "")

    async def _show(self, request: Request) -> Response:
        wanted = local_target(request.query_params.get("next", "/"))
        if await self._apart(self.user_of, request.scope) is not None:
            return RedirectResponse(wanted, 303)
        return self._page(request, wanted)

    async def _sign_in(self, request: Request) -> Response:
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > _MOST_BYTES:  # no form of ours is so large
                body.clear()
                break
        fields = parse_qs(body.decode("utf-8", "replace"))
        form = {name: values[0] for name, values in fields.items()}
        name, wanted = form.get("name", "").strip(), local_target(form.get("next", "/"))
        if self._people is None:
            return RedirectResponse(wanted, 303)
        address = request.client.host if request.client else "unknown"
        # The browser, if it is one that ``name`` has signed in with.
        cookies = cookie_parser(request.headers.get("cookie", ""))
        device, _, mark = cookies.get(self._device_cookie(name), "").partition(".")
        known = await self._apart(self._people.device_mark, name, device) if device else ""
        if not known or not hmac.compare_digest(mark.encode(), known.encode()):
            device = ""
        hashing = self._hashing[bool(device)]
        if hashing.is_full:
            return self._page(request, wanted, name, "signin.too_many", 503, _BUSY_SECONDS)
        if wait := await self._apart(self._guesses.wait, name, address, device):
            return self._page(request, wanted, name, "signin.too_many", 429, wait)
        user = await hashing.verified(self._people, name, form.get("password", ""))
        # A name that nobody has may be a password that was typed in the wrong place.
        named = await self._apart(self._people.user, name)
        await self._recorded("sign-in" if user else "sign-in refused", named, by="password")
        if user is None:
            return self._page(request, wanted, name, "signin.wrong", 401)
        await self._apart(self._guesses.give_back, name, address, device)
        response = RedirectResponse(wanted, 303)
        self._set(response, request.scope, self.cookie, await self._apart(self._begun, request.scope, user))
        device = device or secrets.token_urlsafe(16)
        shown = f"{device}.{await self._apart(self._people.device_mark, user.name, device)}"
        self._set(response, request.scope, self._device_cookie(name), shown, SIGN_IN, _YEAR_SECONDS)
        return response

    def _device_cookie(self, name: str) -> str:
        """Several people may share a browser, and each is known there."""
        return f"{self.cookie}-{hashlib.sha256(composed(name).encode()).hexdigest()[:16]}"

    def _set(
        self, response: Response, scope: Scope, cookie: str, value: str, path: str = "/", seconds: int | None = None
    ) -> None:
        secure = scope["scheme"] == "https"
        response.set_cookie(cookie, value, seconds, path=path, secure=secure, httponly=True, samesite="lax")

    async def _to_provider(self, provider: Provider, request: Request) -> Response:
        """Begin there; what comes back has to fit the cookie of this browser."""
        wanted = local_target(request.query_params.get("next", "/"))
        if await self._apart(self.user_of, request.scope) is not None:
            return RedirectResponse(wanted, 303)
        try:
            address, flow = await provider.begin(wanted)
        except ProviderError as error:
            return self._not_signed_in(request, error, wanted)
        response = RedirectResponse(address, 303)
        self._set(response, request.scope, self.cookie + _FLOW, flow, OPENID, _FLOW_SECONDS)
        return response

    async def _from_provider(self, provider: Provider, request: Request) -> Response:
        """Who comes back gets a new session, in place of the one that this browser may have."""
        if self._people is None:
            return RedirectResponse("/", 303)
        visitor = network_of(request.client.host if request.client else "unknown")
        if wait := await self._apart(self._failures.wait, visitor):
            return self._page(request, "/", "", "signin.too_many", 429, wait)
        try:
            arrival = await provider.arrive(request.query_params, self._token(request.scope, _FLOW))
            admit = partial(self._people.admit, arrival.name, arrival.subject, arrival.role, arrival.groups)
            user = await run_sync(admit)
        except AssistantError as error:
            await self._recorded("sign-in refused", None, by="openid", reason=str(error))
            response = self._not_signed_in(request, error)
            response.delete_cookie(self.cookie + _FLOW, path=OPENID)
            return response
        await self._apart(self._failures.give_back, visitor)
        await self._recorded("sign-in", user, by="openid")
        token = await self._apart(self._begun, request.scope, user, provider.session_hours, arrival.id_token)
        response = RedirectResponse(local_target(arrival.wanted), 303)
        self._set(response, request.scope, self.cookie, token)
        response.delete_cookie(self.cookie + _FLOW, path=OPENID)
        return response

    def _not_signed_in(self, request: Request, error: AssistantError, wanted: str = "/") -> Response:
        """The form again, which leads on without the provider; why is for the log, since strangers may have said it."""
        _log.warning("Nobody was signed in by OpenID Connect: %s", error)
        if isinstance(error, ProviderError):
            return self._page(request, wanted, "", error.key, error.status)
        return self._page(request, wanted, "", "signin.not_let_in", 403)

    async def _recorded(self, action: str, user: User | None, **details: str) -> None:
        if self._record is not None:
            await run_sync(partial(self._record, user.name if user else "nobody", action, **details))

    async def _sign_out(self, request: Request) -> Response:
        if user := signed_in(request.scope):
            await self._recorded("sign-out", user)
        id_token = await self._apart(self._sessions.end, self._token(request.scope))
        elsewhere = self._provider.sign_out_address(id_token) if self._provider and id_token is not None else ""
        response: Response = RedirectResponse(SIGN_IN, 303)
        if self._provider and elsewhere:
            language = preferred(request.headers.get("accept-language", ""))
            response = HTMLResponse(leaving_page(language, elsewhere, self._provider.label))
        response.delete_cookie(self.cookie, path="/")
        return response

    def _page(
        self,
        request: Request,
        wanted: str,
        name: str = "",
        problem: str = "",
        status: int = 200,
        wait: float = 0,
    ) -> Response:
        """The form; ``wait`` are the seconds after which it is to be sent again."""
        language = preferred(request.headers.get("accept-language", ""))
        headers = {"Retry-After": str(math.ceil(wait))} if wait else None
        label, begin = "", ""
        if self._provider is not None:
            label = self._provider.label
            begin = f"{self._provider.public_url}{OPENID}?next={quote(wanted)}"
        return HTMLResponse(sign_in_page(language, wanted, name, problem, label, begin), status, headers)


def remember(scope: Scope, user: User) -> None:
    """Note in a request who it comes from, once that is known."""
    scope[_USER] = user
    note(user=user.name, client=(scope.get("client") or ("unknown",))[0])


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
