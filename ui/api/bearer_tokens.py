"""Who is let in, and to what: tokens, hosts, pages, sizes and rates, looked at before anything else of a request.

    {"tokens": [{"name": "crm", "digest": SHA-256, "scope": "answer", "corpora": ["claims"], "expires": …, …}]}

That is ``tokens.json`` of the workspace. Of a token only a digest is kept: it is 256 random bits, which nobody finds by
trying, so that no salt and no slow hash is needed. Each request looks at the file: what was taken away or has run out
is gone at once, and where it cannot be read nobody is let in.

Without a token only this machine can reach the server, but so can every web page that is open on it. Such a page is
told by its Origin, or, when its name was made to point here (DNS rebinding), by the Host it asks for.
"""

import asyncio
import hashlib
import hmac
import logging
import os
import secrets
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints, ValidationError
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.config import ServeSettings
from assistant.errors import AssistantError, ConfigError, StateDown, UsageError, first_fault, one_line
from assistant.workspace import ResourceKind, Workspace, safe_name
from ui.api.protocol import RequestRefused, error_response
from ui.api.workers import CLIENT_GONE
from ui.logs import note
from ui.requests import LOCAL_HOSTS, Guesses, Hosts, WrongHost, again, body_of, host_of, rate_limit
from ui.rights import made_from
from ui.shared import KeptText, apart

TokenScope = Literal["search", "answer", "admin"]
SCOPES: tuple[TokenScope, ...] = get_args(TokenScope)
"""Each with all that those before it may."""
TOKEN_VARIABLE = "ASSISTANT_TOKEN"
TOKENS_FILE = "tokens.json"
# With the 43 characters behind it, what scanners for secrets that were given away can look for.
_PREFIX = "assistant_"
_TOKEN_BYTES = 32
_BETWEEN_NOTES = timedelta(minutes=1)
_OPEN_PATHS = frozenset({"/health", "/ready", "/docs", "/openapi.json"})
_GUESSES_A_MINUTE = 20
"""From one address; all together may try five times as many in an hour."""
_ACTOR = "token:"
"""Begins what the log calls a token: people have names without it."""
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
)
_log = logging.getLogger("uvicorn.error")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request, and what they may."""

    name: str
    """As the log has it: ``token:crm``, ``token:#1`` for one without a name, or the address where none is needed."""
    scope: TokenScope = "admin"
    corpora: tuple[str, ...] | None = None
    """Those that are there for them; None for all."""

    def may(self, scope: TokenScope) -> bool:
        """Whether they may do what needs ``scope``; what ``admin`` shows is of all corpora."""
        is_enough = SCOPES.index(self.scope) >= SCOPES.index(scope)
        return is_enough and (scope != "admin" or self.corpora is None)

    def sees(self, workspace: Workspace) -> Workspace:
        """A workspace with those corpora alone, and with what was made from no other."""
        if self.corpora is None:
            return workspace
        corpora, whole = self.corpora, workspace.whole

        def shows(kind: ResourceKind, name: str) -> bool:
            if kind == "corpus":
                return name in corpora
            sources = None if kind == "workspace" else made_from(whole, kind, name)
            return sources is not None and all(shows(*one) for one in sources)

        return replace(workspace, shows=shows)


@dataclass(frozen=True, slots=True)
class NamedToken:
    """One line of the file."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: str
    digest: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    """SHA-256, in hexadecimal."""
    scope: TokenScope
    corpora: tuple[str, ...] | None
    created: AwareDatetime
    expires: AwareDatetime | None
    """From then on it is none."""
    used: AwareDatetime | None = None
    """Last, to the minute."""


class _TokensContent(BaseModel):
    model_config = ConfigDict(extra="forbid")

    tokens: list[NamedToken]


class TokenFile:
    """The named tokens of a workspace, as the file stands now."""

    def __init__(self, workspace: Workspace, clock: Callable[[], float] = time.time) -> None:
        """``clock`` gives seconds since 1970."""
        self.state = workspace.state
        self.file = workspace.root / TOKENS_FILE
        self._text = KeptText(self.file, workspace.state, is_secret=True)
        self.place = self._text.place
        self._clock = clock
        self._read_at: Hashable = None
        self._tokens: dict[str, NamedToken] = {}

    def now(self) -> datetime:
        """The time, to the second."""
        return datetime.fromtimestamp(int(self._clock()), UTC)

    def tokens(self) -> dict[str, NamedToken]:
        """Name → token, also of those that have expired. Raises ConfigError for a file that cannot be used."""
        try:
            stamp = self._text.stamp()
            if stamp is None:
                return {}
            if self._read_at != stamp:
                read = _TokensContent.model_validate_json(self._text.content() or b"").tokens
                self._tokens = {token.name: token for token in read}
                self._read_at = stamp
        except (OSError, ValidationError) as error:
            reason = first_fault(error) if isinstance(error, ValidationError) else one_line(error)
            raise ConfigError(
                f"The tokens in {self.place} cannot be read: {reason}.",
                "Mend or delete it, then run: assistant tokens create NAME",
            ) from None
        return self._tokens

    def create(
        self, name: str, scope: TokenScope, corpora: tuple[str, ...] | None = None, expires: datetime | None = None
    ) -> str:
        """A new token, which nobody is told again. Raises UsageError for a name that is taken or none."""
        if scope == "admin" and corpora is not None:
            raise UsageError("What 'admin' shows is of all corpora.", "Leave --corpus out, or use --scope answer.")
        token = _PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
        new = NamedToken(safe_name(name, "token"), _digest(token.encode()).hex(), scope, corpora, self.now(), expires)
        with self._changing() as tokens:
            if name in tokens:
                raise UsageError(f"There is a token '{name}' already.", f"Run: assistant tokens revoke {name}")
            tokens[name] = new
        return token

    def revoke(self, name: str) -> None:
        """Let nobody in with it from the next request on. Raises UsageError where there is none of that name."""
        with self._changing() as tokens:
            if name not in tokens:
                raise UsageError(f"There is no token {name[:80]!r}.", "See: assistant tokens list")
            del tokens[name]

    def note_use(self, name: str) -> None:
        """Keep that it was used now, unless it is gone."""
        with self._changing(seconds=1) as tokens:
            if name in tokens:
                tokens[name] = replace(tokens[name], used=self.now())

    @contextmanager
    def _changing(self, seconds: float = 10) -> Iterator[dict[str, NamedToken]]:
        with self._text.changing(seconds) as write:
            tokens = dict(self.tokens())
            yield tokens
            content = _TokensContent(tokens=[token for _, token in sorted(tokens.items())])
            write(content.model_dump_json(indent=2) + "\n")


class Tokens:
    """The bearer tokens that are let in: some with all rights, and the named ones of a file."""

    def __init__(self, digests: tuple[bytes, ...] = (), named: TokenFile | None = None) -> None:
        self._digests = digests
        self._named = named
        self.state = named.state if named else None
        self.guesses = Guesses("tokens", _GUESSES_A_MINUTE, state=self.state)
        """All wrong tokens are guesses at the same thing, wherever they are tried; right ones are held up by none."""
        self._is_needed = bool(digests)
        self._noted: dict[str, datetime] = {}

    @classmethod
    def of(cls, tokens: Sequence[str], named: TokenFile | None = None) -> "Tokens":
        """Tokens with all rights as they are written, and named ones."""
        return cls(tuple(_digest(token.encode()) for token in tokens), named)

    @property
    def is_open(self) -> bool:
        """Whether there is none, so that whoever can reach the server is let in.

        Once there was one this stays False: that the last one was revoked opens nothing. Raises ConfigError.
        """
        self._is_needed = self._is_needed or bool(self._named and self._named.tokens())
        return not self._is_needed

    def require(self) -> None:
        """Let nobody in without one, though there may be none yet."""
        self._is_needed = True

    def caller_of(self, authorization: bytes) -> Caller | None:
        """The holder of a token in an ``Authorization`` header; None for any other header. Raises ConfigError."""
        scheme, _, written = authorization.partition(b" ")
        given = _digest(written.strip())
        callers = [(digest, Caller(f"{_ACTOR}#{number}")) for number, digest in enumerate(self._digests, 1)]
        if self._named is not None:
            now = self._named.now()
            callers += [
                (bytes.fromhex(token.digest), Caller(_ACTOR + token.name, token.scope, token.corpora))
                for token in self._named.tokens().values()
                if token.expires is None or now < token.expires
            ]
        # All are compared, in constant time each, so that the time tells nothing about any.
        found = [caller for digest, caller in callers if hmac.compare_digest(given, digest)]
        return found[0] if found and scheme.lower() == b"bearer" else None

    async def note_use(self, caller: Caller) -> None:
        """Keep when a named token was used, at most once a minute."""
        name = caller.name.removeprefix(_ACTOR)
        if self._named is None or name not in await apart(self.state, self._named.tokens):
            return
        now = self._named.now()
        if now - self._noted.get(name, datetime.min.replace(tzinfo=UTC)) >= _BETWEEN_NOTES:
            self._noted[name] = now
            with suppress(AssistantError, OSError):  # it is a note: a workspace that cannot be written is asked as ever
                await asyncio.to_thread(self._named.note_use, name)


def read_tokens(settings: ServeSettings, workspace: Workspace, environment: Mapping[str, str] = os.environ) -> Tokens:
    """The named tokens of a workspace, and those of ``serve.token_file``, else the one of ASSISTANT_TOKEN.

    Raises ConfigError for a file of tokens that is empty or cannot be read.
    """
    named = TokenFile(workspace)
    named.tokens()
    if not settings.token_file:
        token = environment.get(TOKEN_VARIABLE, "").strip()
        return Tokens.of([token] if token else [], named)
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
    return Tokens.of(tokens, named)


class ApiGate:
    """The application, for those who are let in."""

    def __init__(self, app: ASGIApp, settings: ServeSettings, tokens: Tokens, hosts: Hosts) -> None:
        self._app = app
        self._hosts = hosts
        self._tokens = tokens
        self._most_bytes = settings.max_request_kb * 1024
        self._origins = frozenset(settings.cors_origins)
        self._limit = rate_limit("requests", settings.requests_per_minute, state=tokens.state)
        self._told = ""

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
            caller = scope["caller"] = await apart(self._tokens.state, self._admit, scope)
            self._told = ""
            if caller is not None:
                note(user=caller.name)
                await self._tokens.note_use(caller)
            too_large = RequestRefused(
                f"The request is larger than {self._most_bytes // 1024} KiB.",
                "Send less, or raise serve.max_request_kb.", 413, "request_too_large",
            )  # fmt: skip
            body = await body_of(receive, Headers(scope=scope), self._most_bytes, too_large)
        except (RequestRefused, StateDown) as refused:
            await error_response(refused)(scope, receive, guarded)
            return
        except ConfigError as error:
            if self._told != error.message:  # not for each of those who knock
                _log.error("Nobody is let in. %s", error)
            self._told = error.message
            closed = RequestRefused("The tokens cannot be read.", "The server's log says why.", 503, "no_tokens")
            await error_response(closed)(scope, receive, guarded)
            return
        except ClientDisconnect:
            await Response(status_code=CLIENT_GONE)(scope, receive, guarded)
            return
        await self._app(scope, again(body, receive), guarded)

    def _admit(self, scope: Scope) -> Caller | None:
        """Who sends a request that may go on; None for what needs nobody. Raises RequestRefused and ConfigError."""
        try:
            self._hosts.check(scope)
        except WrongHost as wrong:
            raise RequestRefused(wrong.message, wrong.remedy, wrong.status, "wrong_host") from None
        headers = Headers(scope=scope)
        is_open = self._tokens.is_open
        if is_open:
            self._refuse_foreign(headers)
        if scope["path"] in _OPEN_PATHS:
            return None
        address = (scope.get("client") or ("unknown",))[0]
        authorization = headers.get("authorization", "").encode("latin-1")
        caller = Caller(address) if is_open else self._tokens.caller_of(authorization)
        wait = self._limit.wait(caller.name) if caller else self._tokens.guesses.wait("", address)
        if wait:
            raise RequestRefused(
                "Too many requests.", f"Try again in {wait:.0f} s.", 429, "rate_limit_exceeded", retry_after=wait
            )
        if caller is None:
            raise RequestRefused(
                "A token is needed that this server knows.", "Send it as 'Authorization: Bearer TOKEN'.",
                401, "invalid_api_key",
            )  # fmt: skip
        return caller

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
