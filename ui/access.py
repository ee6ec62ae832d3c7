"""What every request passes before the app: page and host, owner, route, size, session; and headers on the way out.

    foreign page or host ──▶ 403/421        not signed in ──▶ /sign-in or 401        not for the page ──▶ 404
    another's session, upload or file ──▶ 403        too large ──▶ 413

It stands before all routes, ours and Gradio's, so that none can forget to ask.

The headers make a browser distrust what it is sent. Scripts run from our own files, and inline only where they stood in
the page as we sent it: a script that came with a document, a name or an answer has no hash, and an ``onerror=`` never
has. Nothing is loaded from other hosts.
"""

import asyncio
import base64
import gzip
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

from fastapi import FastAPI
from gradio.blocks import Blocks
from lxml import etree
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.config import UiSettings
from assistant.errors import ConfigError, StateDown
from assistant.workspace import StateServer
from ui import gradio_calls
from ui.gradio_calls import Call, apps_of, function_of, read_call, takes_files
from ui.health import OPEN_PATHS
from ui.oidc import Provider
from ui.people import People, User
from ui.requests import Hosts, Proxies, WrongHost, again, body_of, stated_length
from ui.shared import STATE_SECONDS, apart
from ui.signin import FORM_PATHS, SIGN_IN, SIGN_OUT, STYLE_SOURCE, SignIn, remember, sign_in_address
from ui.uploads import Arrivals

_EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "x-robots-tag": "noindex",
}
_NOTHING = "default-src 'none'; frame-ancestors 'none'"
SIGN_IN_POLICY = (
    f"default-src 'none'; style-src {STYLE_SOURCE}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_CONFIG = "window.gradio_config = "
_FOR_ALL = OPEN_PATHS | FORM_PATHS - {SIGN_OUT}
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_MOST_BODY_BYTES = 4 << 20  # texts of a call; files come as uploads, which have a limit of their own
_MIB = 1 << 20
_LOOK_SECONDS = 0.5
"""So often it is looked whether who has a stream open is still let in."""
_log = logging.getLogger("uvicorn.error")


def app_policy(page: bytes) -> str:
    """The policy of a page of the app, which Gradio has written."""
    return "; ".join(
        (
            "default-src 'self'",
            # gr.HTML fills its template by evaluating it, so that nothing of ours could be shown without 'unsafe-eval'.
            f"script-src 'self' 'unsafe-eval' {' '.join(_hashes(page))}",
            # Svelte writes styles into elements; a style cannot run, and can load nothing from elsewhere.
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "frame-src 'self'",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


def protect(headers: MutableHeaders, policy: str = "", *, cached: bool = False) -> None:
    """Add what every response has. A policy that is there already stands, as that of a report in a frame."""
    own = "content-security-policy" in headers
    headers.setdefault("content-security-policy", policy or _NOTHING)
    headers.setdefault("x-frame-options", "SAMEORIGIN" if own else "DENY")
    if "cache-control" not in headers:
        headers["cache-control"] = "private, max-age=86400" if cached else "no-store"
    for name, value in _EVERYWHERE.items():
        headers.setdefault(name, value)


def _hashes(page: bytes) -> Iterable[str]:
    """The inline scripts of a page as sources, those that Gradio puts into its head later too."""
    scripts = _inline_scripts(page)
    config = next((script for script in scripts if script.startswith(_CONFIG)), "")
    head = json.loads(config.removeprefix(_CONFIG).rstrip(" ;")).get("head") if config else ""
    for script in scripts + _inline_scripts((head or "").encode()):
        # What is hashed is the text that the browser's parser sees, with its line ends.
        text = script.replace("\r\n", "\n").replace("\r", "\n")
        yield f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _inline_scripts(page: bytes) -> list[str]:
    tree = etree.HTML(b"<html>" + page, etree.HTMLParser(encoding="utf-8"))
    return [script.text or "" for script in tree.iter("script") if "src" not in script.attrib]


class Denied(Exception):
    """A request that goes no further."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def guard(
    app: FastAPI,
    settings: UiSettings,
    people: People | None,
    arrivals: Arrivals,
    *beside: str,
    record: Callable[..., None] | None = None,
    provider: Provider | None = None,
    state: StateServer | None = None,
) -> None:
    """Put the gate before an app, and the pages to sign in and out into it; ``record`` is told who does so."""
    sign_in = SignIn(settings, people, record=record, provider=provider, state=state)
    app.router.routes.extend(sign_in.routes)
    app.add_middleware(
        AppGate,
        settings=settings,
        proxies=Proxies(settings),
        sign_in=sign_in,
        arrivals=arrivals,
        pages={path: one.get_blocks() for path, one in apps_of(app).items()},
        beside=beside,
    )


class AppGate:
    """The app, for those who are let in."""

    def __init__(
        self,
        app: ASGIApp,
        settings: UiSettings,
        proxies: Proxies,
        sign_in: SignIn,
        arrivals: Arrivals,
        pages: Mapping[str, Blocks],
        beside: tuple[str, ...] = (),
    ) -> None:
        """``pages`` by path; ``beside`` are the beginnings of paths that have a gate of their own, as the API has."""
        self._app = app
        self._pages = pages
        self._settings = settings
        self._proxies = proxies
        self._hosts = Hosts("ui", settings, is_open=sign_in.is_open)
        self._sign_in = sign_in
        self._arrivals = arrivals
        self._beside = beside
        self._owners = gradio_calls.SessionOwners()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or say why not."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            sent = self._proxies.as_sent(scope)
            path = scope["path"]
            has_own_gate = any(path == one or path.startswith(f"{one}/") for one in self._beside)
            await (self._app if has_own_gate else self._answer)(sent, receive, send)
        else:  # nothing here speaks over a WebSocket
            await send({"type": "websocket.close"})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        rest = gradio_calls.under_page(scope["path"])
        guarded = _Sender(send, scope, rest, self._arrivals)
        try:
            self._refuse_foreign(scope)
            try:
                user = await apart(self._sign_in.state, self._sign_in.user_of, scope)
            except ConfigError as error:
                _log.error("%s", error)
                message = "Nobody can be let in: the users file cannot be read. The log says why."
                raise Denied(503, message) from None
            if user is None and scope["path"] not in _FOR_ALL:
                await _to_sign_in(scope)(scope, receive, guarded)
                return
            if user is not None:
                remember(scope, user)
                receive = await self._checked(scope, rest, user, receive)
                guarded.user = user
            if guarded.keeps:  # then the answer has to be read on its way out
                plain = [header for header in scope["headers"] if header[0] != b"accept-encoding"]
                scope = {**scope, "headers": plain}
            answer = self._app(scope, receive, guarded)
            await (self._while_let_in(user, answer, guarded) if user and gradio_calls.is_stream(rest or "") else answer)
            await guarded.finish()
        except Denied as refused:
            guarded.drop()
            await JSONResponse({"detail": str(refused)}, refused.status)(scope, receive, guarded)
        except StateDown as error:
            if guarded.is_under_way:
                raise
            guarded.drop()
            headers = {"Retry-After": str(STATE_SECONDS)}
            await JSONResponse({"detail": str(error)}, 503, headers)(scope, receive, guarded)
        except ClientDisconnect:
            guarded.drop()  # there is no one to tell, and nothing for the log

    async def _while_let_in(self, user: User, answer: Awaitable[None], guarded: "_Sender") -> None:
        """A stream, which may stay open for days, until its person was removed or has another password."""
        stamp, stream = await self._stamp(user), asyncio.ensure_future(answer)
        try:
            while not stream.done() and await self._stamp(user, stamp) == stamp:
                await asyncio.wait({stream}, timeout=_LOOK_SECONDS)
            if stream.done():
                await stream
        finally:
            if stream.cancel():
                with suppress(asyncio.CancelledError):
                    await stream
                await guarded.end()

    async def _stamp(self, user: User, known: str = "") -> str:
        """That of a person now. While the server of people is away, nobody can change it there: as it is ``known``."""
        try:
            return await apart(self._sign_in.state, self._sign_in.stamp, user)
        except StateDown:
            if not known:
                raise
            return known

    def _refuse_foreign(self, scope: Scope) -> None:
        """Raise Denied for what another web page sends, or a page whose name was made to point here."""
        try:
            self._hosts.check(scope)
        except WrongHost as wrong:
            raise Denied(wrong.status, str(wrong)) from None
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if origin is not None and origin != (self._settings.public_url.rstrip("/") or None):
            try:
                place = urlsplit(origin).netloc.lower()
            except ValueError:
                place = ""
            if not host or place != host.lower():
                remedy = "Behind a proxy, pass Host on or set ui.public_url."
                raise Denied(403, f"Another web page may not ask here. {remedy}")
        is_other_site = headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}
        if is_other_site and (scope["method"] not in _SAFE_METHODS or headers.get("sec-fetch-mode") != "navigate"):
            raise Denied(403, "Another web page may not ask here.")

    async def _checked(self, scope: Scope, rest: str | None, user: User, receive: Receive) -> Receive:
        """``receive`` for a request that may go on. Raises Denied."""
        if rest is None:
            return receive if scope["method"] in _SAFE_METHODS else again(await _body(receive, scope), receive)
        file = gradio_calls.file_of(rest)
        if file is not None and not self._arrivals.belongs(file, user.name):
            raise Denied(403, "This file is not yours.")
        if file is None and not gradio_calls.is_open(scope["method"], rest):
            raise Denied(404, "There is nothing here.")
        if gradio_calls.is_upload(rest):
            return _limited(receive, self._settings.upload_mb * self._settings.upload_files * _MIB, scope)
        named = parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [])
        sessions = [*named, gradio_calls.session_in_path(rest)]
        call = None
        if scope["method"] == "POST":
            body = await _body(receive, scope)
            try:
                call = read_call(body)
            except ValueError:
                raise Denied(400, "That is no call in JSON.") from None
            sessions.append(call.session)
            receive = again(body, receive)
        if not all(self._owners.belongs(session, user.name) for session in sessions if session):
            raise Denied(403, "This page belongs to someone else.")
        if call is not None:
            self._refuse_call(call, scope["path"].removesuffix(rest), rest, user)
        return receive

    def _refuse_call(self, call: Call, page: str, rest: str, user: User) -> None:
        """Raise Denied for a function that is not there, for files that it does not take, and for another's files."""
        function = None
        if gradio_calls.is_call(rest):
            name = gradio_calls.function_in_path(rest)
            function = function_of(self._pages[page], name, call) if page in self._pages else None
            if function is None:
                raise Denied(404, "There is no such function.")
        if call.files and (function is None or not takes_files(function)):
            raise Denied(403, "No file is taken here.")
        if not all(isinstance(path, str) and self._arrivals.belongs(path, user.name) for path in call.files):
            raise Denied(403, "This file is not yours.")


class _Sender:
    """Sends a response with its headers; of a page and of an upload, once all of it is there."""

    def __init__(self, send: Send, scope: Scope, rest: str | None, arrivals: Arrivals) -> None:
        self.user: User | None = None
        self._send = send
        self._path = scope["path"]
        self._takes_gzip = "gzip" in Headers(scope=scope).get("accept-encoding", "")
        self._rest = rest
        self._arrivals = arrivals
        self._start: Message | None = None
        self.is_under_way = False
        self._body = bytearray()

    @property
    def keeps(self) -> bool:
        """Whether the response has to be read before it is sent."""
        of_gradio = self._rest is not None and self.user is not None
        return of_gradio and (gradio_calls.is_page(self._rest or "") or gradio_calls.is_upload(self._rest or ""))

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": list(message.get("headers", ()))}
            if self.keeps:
                self._start = message
                return
            policy = SIGN_IN_POLICY if self._path in FORM_PATHS else ""
            is_asset = self._rest is not None and gradio_calls.is_asset(self._rest)
            protect(MutableHeaders(raw=message["headers"]), policy, cached=is_asset)
        elif message["type"] == "http.response.body" and self._start is not None:
            self._body += message.get("body", b"")
            return
        self.is_under_way = message["type"] == "http.response.start" or message.get("more_body", False)
        await self._send(message)

    async def end(self) -> None:
        """End a response that has begun and not ended."""
        if self.is_under_way:
            await self({"type": "http.response.body", "body": b""})

    async def finish(self) -> None:
        """Send what was kept."""
        if self._start is None:
            return
        headers, body = MutableHeaders(raw=self._start["headers"]), bytes(self._body)
        if gradio_calls.is_page(self._rest or ""):
            protect(headers, app_policy(body))
            headers.add_vary_header("accept-encoding")
            if self._takes_gzip:  # a tenth of the bytes
                body = gzip.compress(body, 5)
                headers["content-encoding"], headers["content-length"] = "gzip", str(len(body))
        else:
            self._note_arrivals(body)
            protect(headers)
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": body})

    def drop(self) -> None:
        """Send what comes next instead of what was kept."""
        self.user, self._start = None, None

    def _note_arrivals(self, body: bytes) -> None:
        """Remember whose the files are that Gradio says it has taken."""
        try:
            paths = json.loads(body)
        except ValueError:
            return
        if isinstance(paths, list) and self.user is not None:
            for path in paths:
                self._arrivals.note(str(path), self.user.name)


def _to_sign_in(scope: Scope) -> Response:
    headers = Headers(scope=scope)
    if scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
        return RedirectResponse(sign_in_address(scope["path"]), 303)
    if scope["path"] == SIGN_OUT:
        return RedirectResponse(SIGN_IN, 303)
    return JSONResponse({"detail": "You are not signed in any more. Reload the page."}, 401)


def _limited(receive: Receive, most: int, scope: Scope) -> Receive:
    """``receive`` that raises Denied as soon as more than ``most`` bytes have come."""
    too_large = Denied(413, f"That is larger than {most // _MIB} MiB.")
    if stated_length(Headers(scope=scope)) > most:
        raise too_large
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise too_large
        return message

    return counted


async def _body(receive: Receive, scope: Scope) -> bytes:
    """The whole body. Raises Denied for one that is too large."""
    too_large = Denied(413, f"That is larger than {_MOST_BODY_BYTES // _MIB} MiB.")
    return await body_of(receive, Headers(scope=scope), _MOST_BODY_BYTES, too_large)
