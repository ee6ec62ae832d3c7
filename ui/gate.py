"""What every request passes before the app: page and host, owner, route, size, session; and headers on the way out.

    foreign page or host ──▶ 403/421        not signed in ──▶ /sign-in or 401        not for the page ──▶ 404
    another's session, upload or file ──▶ 403        too large ──▶ 413

It stands before all routes, ours and Gradio's, so that none can forget to ask.
"""

import gzip
import json
import logging
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from fastapi import FastAPI
from gradio.block_function import BlockFunction
from gradio.blocks import Blocks
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.config import UiSettings
from assistant.errors import ConfigError
from ui import gradio_routes
from ui.calls import Call, function_of, pages_of, read_call, takes_files
from ui.headers import SIGN_IN_POLICY, app_policy, protect
from ui.hosts import Hosts, WrongHost
from ui.people import People, User
from ui.proxies import Proxies
from ui.requests import again, body_of, stated_length
from ui.signin import SIGN_IN, SIGN_OUT, SignIn, remember, sign_in_address
from ui.uploads import Arrivals

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_MOST_BODY_BYTES = 4 << 20
_MIB = 1 << 20
_log = logging.getLogger("uvicorn.error")


class Refused(Exception):
    """A request that goes no further."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def guard(app: FastAPI, settings: UiSettings, people: People | None, arrivals: Arrivals, *beside: str) -> None:
    """Put the gate before an app, and the pages to sign in and out into it."""
    sign_in = SignIn(settings, people)
    app.router.routes.extend(sign_in.routes)
    app.add_middleware(
        Gate,
        settings=settings,
        proxies=Proxies(settings),
        sign_in=sign_in,
        arrivals=arrivals,
        pages=pages_of(app),
        beside=beside,
    )


class Gate:
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
        self._owners = gradio_routes.SessionOwners()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or say why not."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            sent = self._proxies.as_sent(scope)
            answer = self._app if self._has_own_gate(scope["path"]) else self._answer
            await answer(sent, receive, send)
        else:  # nothing here speaks over a WebSocket
            await send({"type": "websocket.close"})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        rest = gradio_routes.under_page(scope["path"])
        guarded = _Sender(send, scope, rest, self._arrivals)
        try:
            self._refuse_foreign(scope)
            user = self._user_of(scope)
            if user is None and scope["path"] != SIGN_IN:
                await _to_sign_in(scope)(scope, receive, guarded)
                return
            if user is not None:
                remember(scope, user)
                receive = await self._checked(scope, rest, user, receive)
                guarded.user = user
            await self._app(_uncompressed(scope) if guarded.keeps else scope, receive, guarded)
            await guarded.finish()
        except Refused as refused:
            guarded.drop()
            await JSONResponse({"detail": str(refused)}, refused.status)(scope, receive, guarded)
        except ClientDisconnect:
            guarded.drop()  # there is no one to tell, and nothing for the log

    def _user_of(self, scope: Scope) -> User | None:
        """Who a request comes from. Raises Refused where the users file does not say who there is."""
        try:
            return self._sign_in.user_of(scope)
        except ConfigError as error:
            _log.error("%s", error)
            raise Refused(503, "Nobody can be let in: the users file cannot be read. The log says why.") from None

    def _has_own_gate(self, path: str) -> bool:
        return any(path == one or path.startswith(f"{one}/") for one in self._beside)

    def _refuse_foreign(self, scope: Scope) -> None:
        """Raise Refused for what another web page sends, or a page whose name was made to point here."""
        try:
            self._hosts.check(scope)
        except WrongHost as wrong:
            raise Refused(wrong.status, str(wrong)) from None
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if origin is not None and not self._is_own(origin, host):
            raise Refused(403, "Another web page may not ask here. Behind a proxy, pass Host on or set ui.public_url.")
        is_other_site = headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}
        if is_other_site and (scope["method"] not in _SAFE_METHODS or headers.get("sec-fetch-mode") != "navigate"):
            raise Refused(403, "Another web page may not ask here.")

    def _is_own(self, origin: str, host: str) -> bool:
        public = self._settings.public_url.rstrip("/")
        return (bool(public) and origin == public) or (bool(host) and _place(origin) == host.lower())

    async def _checked(self, scope: Scope, rest: str | None, user: User, receive: Receive) -> Receive:
        """``receive`` for a request that may go on. Raises Refused."""
        if rest is None:
            return receive if scope["method"] in _SAFE_METHODS else again(await _body(receive, scope), receive)
        file = gradio_routes.file_of(rest)
        if file is not None and not self._arrivals.belongs(file, user.name):
            raise Refused(403, "This file is not yours.")
        if file is None and not gradio_routes.is_open(scope["method"], rest):
            raise Refused(404, "There is nothing here.")
        if gradio_routes.is_upload(rest):
            if not user.may("editor"):
                raise Refused(403, "Adding files needs the role editor.")
            return _limited(receive, self._settings.upload_mb * self._settings.upload_files * _MIB, scope)
        named = parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [])
        sessions = [*named, gradio_routes.session_in_path(rest)]
        call = None
        if scope["method"] == "POST":
            body = await _body(receive, scope)
            call = _call_in(body)
            sessions.append(call.session)
            receive = again(body, receive)
        if not all(self._owners.belongs(session, user.name) for session in sessions if session):
            raise Refused(403, "This page belongs to someone else.")
        if call is not None:
            page = scope["path"].removesuffix(rest)
            self._refuse_files(call, self._function_of(page, rest, call), user)
        return receive

    def _function_of(self, page: str, rest: str, call: Call) -> BlockFunction | None:
        """The function that is called; None for what calls none. Raises Refused for one that is not there."""
        called = gradio_routes.called_in(rest)
        if called is None:
            return None
        function = function_of(self._pages[page], called["name"], call) if page in self._pages else None
        if function is None:
            raise Refused(404, "There is no such function.")
        return function

    def _refuse_files(self, call: Call, function: BlockFunction | None, user: User) -> None:
        """Raise Refused for files that a function does not take, and for those that someone else has sent."""
        if call.files and (function is None or not takes_files(function)):
            raise Refused(403, "No file is taken here.")
        if not all(isinstance(path, str) and self._arrivals.belongs(path, user.name) for path in call.files):
            raise Refused(403, "This file is not yours.")


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
        self._body = bytearray()

    @property
    def keeps(self) -> bool:
        """Whether the response has to be read before it is sent."""
        of_gradio = self._rest is not None and self.user is not None
        return of_gradio and (gradio_routes.is_page(self._rest or "") or gradio_routes.is_upload(self._rest or ""))

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": list(message.get("headers", ()))}
            if self.keeps:
                self._start = message
                return
            policy = SIGN_IN_POLICY if self._path == SIGN_IN else ""
            is_asset = self._rest is not None and gradio_routes.is_asset(self._rest)
            protect(MutableHeaders(raw=message["headers"]), policy, cached=is_asset)
        elif message["type"] == "http.response.body" and self._start is not None:
            self._body += message.get("body", b"")
            return
        await self._send(message)

    async def finish(self) -> None:
        """Send what was kept."""
        if self._start is None:
            return
        headers, body = MutableHeaders(raw=self._start["headers"]), bytes(self._body)
        if gradio_routes.is_page(self._rest or ""):
            protect(headers, app_policy(body))
            body = self._compressed(headers, body)
        else:
            self._note_arrivals(body)
            protect(headers)
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": body})

    def _compressed(self, headers: MutableHeaders, body: bytes) -> bytes:
        """The page in a tenth of its bytes, for a browser that can read it; its headers say so."""
        headers.add_vary_header("accept-encoding")
        if not self._takes_gzip:
            return body
        smaller = gzip.compress(body, 5)
        headers["content-encoding"], headers["content-length"] = "gzip", str(len(smaller))
        return smaller

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


def _uncompressed(scope: Scope) -> Scope:
    """A request whose answer can be read on its way out."""
    return {**scope, "headers": [header for header in scope["headers"] if header[0] != b"accept-encoding"]}


def _limited(receive: Receive, most: int, scope: Scope) -> Receive:
    """``receive`` that raises Refused as soon as more than ``most`` bytes have come."""
    too_large = Refused(413, f"That is larger than {most // _MIB} MiB.")
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
    """The whole body. Raises Refused for one that is too large."""
    too_large = Refused(413, f"That is larger than {_MOST_BODY_BYTES // _MIB} MiB.")
    return await body_of(receive, Headers(scope=scope), _MOST_BODY_BYTES, too_large)


def _call_in(body: bytes) -> Call:
    try:
        return read_call(body)
    except ValueError:
        raise Refused(400, "That is no call in JSON.") from None


def _place(origin: str) -> str:
    """Host and port of an origin as a ``Host`` header has them."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
