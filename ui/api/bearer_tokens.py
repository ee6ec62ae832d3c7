"""Who is let in: tokens, hosts, pages, sizes and rates, looked at before anything else of a request.

Without a token only this machine can reach the server, but so can every web page that is open on it. Such a page is
told by its Origin, or, when its name was made to point here (DNS rebinding), by the Host it asks for.
"""

import hashlib
import hmac
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.config import ServeSettings
from assistant.errors import ConfigError
from ui.api.protocol import RequestRefused, error_response
from ui.api.workers import CLIENT_GONE
from ui.rate_limits import Guesses, RateLimit
from ui.requests import LOCAL_HOSTS, Hosts, WrongHost, again, body_of, host_of

TOKEN_VARIABLE = "ASSISTANT_TOKEN"
_OPEN_PATHS = frozenset({"/health", "/docs", "/openapi.json"})
_GUESSES_A_MINUTE = 20
"""From one address; all together may try five times as many in an hour."""
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
)


@dataclass(frozen=True, slots=True)
class Tokens:
    """The bearer tokens that are let in, as digests; none lets everyone in who can reach the server."""

    digests: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, tokens: Sequence[str]) -> "Tokens":
        """The tokens as they are written."""
        return cls(tuple(_digest(token.encode()) for token in tokens))

    def client_of(self, authorization: bytes) -> str | None:
        """A name for the holder of a token in an ``Authorization`` header; None for any other header."""
        scheme, _, token = authorization.partition(b" ")
        given = _digest(token.strip())
        # All are compared, in constant time each, so that the time tells nothing about any.
        known = [hmac.compare_digest(given, digest) for digest in self.digests]
        return given.hex() if any(known) and scheme.lower() == b"bearer" else None


def read_tokens(settings: ServeSettings, environment: Mapping[str, str] = os.environ) -> Tokens:
    """The tokens of ``serve.token_file``, else the one of ASSISTANT_TOKEN. Raises ConfigError for an empty file."""
    if not settings.token_file:
        token = environment.get(TOKEN_VARIABLE, "").strip()
        return Tokens.of([token] if token else [])
    file = Path(settings.token_file).expanduser()
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"serve.token_file {file} cannot be read: {error}.", "Check the path and its rights."
        ) from None
    tokens = [line.strip() for line in lines if line.strip()]
    if not tokens:
        raise ConfigError(f"serve.token_file {file} holds no token.", "Write one token a line.")
    return Tokens.of(tokens)


class ApiGate:
    """The application, for those who are let in."""

    def __init__(self, app: ASGIApp, settings: ServeSettings, tokens: Tokens, hosts: Hosts) -> None:
        self._app = app
        self._hosts = hosts
        self._tokens = tokens
        self._most_bytes = settings.max_request_kb * 1024
        self._origins = frozenset(settings.cors_origins)
        self._limit = RateLimit(settings.requests_per_minute)
        # All wrong tokens are guesses at the same thing; who has a right one is never held up by them.
        self._guesses = Guesses(_GUESSES_A_MINUTE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or say why not."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:  # nothing here speaks over a WebSocket
            await send({"type": "websocket.close"})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        try:
            self._admit(scope)
            too_large = RequestRefused(
                f"The request is larger than {self._most_bytes // 1024} KiB.",
                "Send less, or raise serve.max_request_kb.", 413, "request_too_large",
            )  # fmt: skip
            body = await body_of(receive, Headers(scope=scope), self._most_bytes, too_large)
        except RequestRefused as refused:
            await error_response(refused)(scope, receive, guarded)
            return
        except ClientDisconnect:
            await Response(status_code=CLIENT_GONE)(scope, receive, guarded)
            return
        await self._app(scope, again(body, receive), guarded)

    def _admit(self, scope: Scope) -> None:
        try:
            self._hosts.check(scope)
        except WrongHost as wrong:
            raise RequestRefused(wrong.message, wrong.remedy, wrong.status, "wrong_host") from None
        headers = Headers(scope=scope)
        if not self._tokens.digests:
            self._refuse_foreign(headers)
        if scope["path"] in _OPEN_PATHS:
            return
        address = (scope.get("client") or ("unknown",))[0]
        client = self._tokens.client_of(headers.get("authorization", "").encode("latin-1"))
        is_guess = bool(self._tokens.digests) and client is None
        wait = self._guesses.wait("", address) if is_guess else self._limit.wait(client or address)
        if wait:
            raise RequestRefused(
                "Too many requests.", f"Try again in {wait:.0f} s.", 429, "rate_limit_exceeded", retry_after=wait
            )
        if is_guess:
            raise RequestRefused(
                "A token is needed that this server knows.", "Send it as 'Authorization: Bearer TOKEN'.",
                401, "invalid_api_key",
            )  # fmt: skip

    def _refuse_foreign(self, headers: Headers) -> None:
        """Raise RequestRefused for what another web page sends: it says so, or the browser does."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        is_named = origin is not None and (origin in self._origins or host_of(origin) in LOCAL_HOSTS)
        is_link = origin is None and (site in {"same-origin", "none"} or headers.get("sec-fetch-mode") == "navigate")
        if not is_named and not is_link:
            raise RequestRefused(
                "This web page may not ask here.", "Add it to serve.cors_origins.", 403, "wrong_origin"
            )


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
