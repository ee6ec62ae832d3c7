"""A provider of OpenID Connect on this machine, honest unless it is told otherwise, and an app to sign in to by it."""

import asyncio
import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import uvicorn
from joserfc.jwk import KeySet, RSAKey
from joserfc.jws import serialize_compact
from joserfc.jwt import decode
from signing import LOCALHOST, make_people
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from assistant.artifacts.audit import AuditLog
from assistant.config import Settings
from assistant.workspace import Workspace
from ui.access import AppGate, app_policy
from ui.logs import record
from ui.oidc import Provider
from ui.requests import Proxies
from ui.server import address_of, open_socket
from ui.signin import Sessions, SignIn, signed_in
from ui.uploads import Arrivals

CLIENT, SECRET = "assistant", "between the two of us"
Claims = dict[str, Any]


class OpenIdProvider:
    """The pages of a provider where everyone is signed in already, as whom ``person`` says."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.first_key, self.next_key = (RSAKey.generate_key(2048, {"kid": kid, "use": "sig"}) for kid in ("1", "2"))
        self.be_honest()
        self.app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._metadata),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/keys", self._keys),
                Route("/logout", self._logout),
            ]
        )

    def be_honest(self) -> None:
        """Do everything as it should be done from now on, and be asked by nobody so far."""
        self.person: Claims = {"sub": "7", "preferred_username": "ana", "groups": ["claims"]}
        self.published = [self.first_key]
        self.signs_with = self.first_key
        self.metadata: Claims = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "end_session_endpoint": f"{self.issuer}/logout",
            "authorization_response_iss_parameter_supported": True,
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
        }
        self.changes: Claims = {}
        """Of the claims of each id token."""
        self.sign: Callable[[Claims], str] = self.signed
        self.instead: dict[str, Callable[[], Response]] = {}
        """What a path answers instead."""
        self.asked: list[str] = []
        self.signed_out = 0
        self._codes: dict[str, dict[str, str]] = {}

    def signed(self, claims: Claims, **header: str) -> str:
        """An id token."""
        return serialize_compact(
            {"alg": "RS256", "kid": self.signs_with.kid, **header}, json.dumps(claims).encode(), self.signs_with
        )

    def _said(self, request: Request) -> Response | None:
        self.asked.append(request.url.path)
        return self.instead[request.url.path]() if request.url.path in self.instead else None

    async def _metadata(self, request: Request) -> Response:
        return self._said(request) or JSONResponse(self.metadata)

    async def _keys(self, request: Request) -> Response:
        return self._said(request) or JSONResponse(KeySet(list(self.published)).as_dict())

    async def _authorize(self, request: Request) -> Response:
        """Send a browser back with a code, if the request is one as it should be."""
        query = dict(request.query_params)
        if query["client_id"] != CLIENT or query["response_type"] != "code" or "openid" not in query["scope"].split():
            return PlainTextResponse("no such request", 400)
        if query["code_challenge_method"] != "S256" or len(query["state"]) < 32 or len(query["nonce"]) < 32:
            return PlainTextResponse("not safe", 400)
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        back = {"code": code, "state": query["state"], "iss": self.issuer}
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode(back)}", 303)

    async def _logout(self, request: Request) -> Response:
        """End the session here, if the id token is one of ours, and lead back."""
        assert CLIENT in str(decode(request.query_params["id_token_hint"], self.signs_with).claims["aud"])
        self.signed_out += 1
        return RedirectResponse(request.query_params["post_logout_redirect_uri"], 303)

    async def _token(self, request: Request) -> Response:
        """An id token for a code that was not used yet, for whoever has begun with it."""
        if said := self._said(request):
            return said
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        expected = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {expected}":
            return JSONResponse({"error": "invalid_client"}, 401)
        begun = self._codes.pop(form["code"], None)
        verified = (
            base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
        )
        if begun is None or verified != begun["code_challenge"] or form["redirect_uri"] != begun["redirect_uri"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        own = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": begun["nonce"]}
        claims = {**own, **self.person, **self.changes}
        token = self.sign({name: value for name, value in claims.items() if value is not None})
        return JSONResponse({"access_token": "opaque", "token_type": "Bearer", "id_token": token})


def dripping(seconds: float) -> Response:
    """An answer that never ends, a byte at a time."""

    async def drops() -> AsyncIterator[bytes]:
        for _ in range(int(seconds / 0.05)):
            yield b" "
            await asyncio.sleep(0.05)

    return StreamingResponse(drops(), media_type="application/json")


@contextmanager
def providing() -> Iterator[OpenIdProvider]:
    """A provider that runs while the block does."""
    with open_socket("127.0.0.1", 0, None) as listening:
        provider = OpenIdProvider(address_of(listening))
        config = uvicorn.Config(provider.app, lifespan="off", log_config=None, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            while not server.started:
                time.sleep(0.005)
            yield provider
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive(), "the provider did not end"


class House:
    """An app where people sign in with a password or at the provider, and which tells who they are at /en."""

    def __init__(self, folder: Path, issuer: str, most_seconds: float = 60, **changes: Any) -> None:
        self.now = [1000.0]
        self.workspace = Workspace(folder)
        self.people = make_people(folder, ben="admin")
        oidc = {"issuer": issuer, "client_id": CLIENT, "label": "Haus", **changes.pop("oidc", {})}
        ui = {"public_url": LOCALHOST, "sign_ins_per_minute": 1000, **changes}
        self.settings = Settings.model_validate({"oidc": oidc, "ui": ui})
        self.provider = Provider(self.settings.oidc, LOCALHOST, SECRET, lambda: self.now[0], most_seconds)

        def kept(user: str, action: str, **details: str) -> None:
            record(self.settings, self.workspace, user, action, **details)

        sessions = Sessions(self.settings.ui.session_minutes, lambda: self.now[0])
        sign_in_ = SignIn(self.settings.ui, self.people, sessions, record=kept, provider=self.provider)
        app = Starlette(routes=[*sign_in_.routes, Route("/{rest:path}", self._who)])
        proxies = Proxies(self.settings.ui)
        self.app: Any = AppGate(app, self.settings.ui, proxies, sign_in_, Arrivals(), {})

    async def _who(self, request: Request) -> Response:
        user = signed_in(request.scope)
        told = [user.name, user.role, *user.groups] if user else []
        return JSONResponse(told, headers={"content-security-policy": app_policy(b"<p>")})

    def audit(self) -> list[tuple[str, str, str]]:
        return [(one.user, one.action, one.details.get("by", "")) for one in AuditLog(self.workspace.root, 90).lines()]


def query_of(address: str) -> dict[str, str]:
    """The parameters of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
