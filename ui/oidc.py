"""Signing in at the organisation's provider by OpenID Connect: the authorization code flow, with PKCE.

    begin   ──▶ the provider's page, with state, nonce and a challenge; what they have to fit goes into a cookie
    arrive  ◀── code and state ──▶ token endpoint ──▶ id token, checked ──▶ who it is

What comes back counts in the browser that has begun, once, and from the one provider that is set: its ``iss``, where it
sends one, and its signature by a key that it publishes. Addresses of our own come from ``ui.public_url`` and not from a
request. A provider may be slow, down or hostile: what it sends is bounded in bytes and seconds, and no redirect is
followed.

Who somebody is, is said by issuer and ``sub`` alone: names may change there, and be given to others.
"""

import asyncio
import hashlib
import hmac
import json
import logging
import os
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import httpx

from assistant.config import OidcSettings, Settings
from assistant.errors import AssistantError, ConfigError, UsageError, one_line
from ui.people import ROLES, Role, usable_name

SECRET_VARIABLE = "ASSISTANT_OIDC_SECRET"
CALLBACK = "/sign-in/openid/callback"
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
"""With a key pair: with one secret for both sides, whoever knows the public key could sign. What the provider says that
it takes counts for nothing here."""
_LEEWAY_SECONDS = 60
_MOST_BYTES = 1 << 20
_MOST_SECONDS = 10.0
"""For each answer of the provider, from the connection to the last byte."""
_PUBLISHED_SECONDS = 600.0
"""So long what it publishes is believed; after that, a key that it has withdrawn is none."""
_DOWN_SECONDS = 5.0
"""So long nobody asks again, after it did not answer."""
_MOST_GROUPS = 1000
_LONGEST_SUBJECT = 255  # as the specification has it (OpenID Connect Core, 2), of ASCII
_LONGEST_CODE = 4096
_LONGEST_HINT = 4096
"""Of an id token that is sent back in an address."""
_LONGEST_TARGET = 1024
_EVERYONE = "*"
_log = logging.getLogger("uvicorn.error")


class ProviderError(AssistantError):
    """Nobody is signed in. The message is for the log, ``key`` is that of the text for who wanted to be."""

    def __init__(self, message: str, remedy: str = "", key: str = "signin.provider_refused", status: int = 403) -> None:
        super().__init__(message, remedy)
        self.key = key
        self.status = status


def _down(message: str) -> ProviderError:
    return ProviderError(message, "Check oidc.issuer and the way there.", "signin.provider_down", 503)


@dataclass(frozen=True, slots=True)
class Arrival:
    """Who has come back from the provider, as an id token says that was checked."""

    name: str
    subject: str
    """A hash of issuer and ``sub``."""
    role: Role | None
    """The highest that their groups have; None for one who is not to be let in."""
    groups: tuple[str, ...]
    """Those whose names can be names of groups here."""
    wanted: str
    """The page that they wanted to see."""
    id_token: str
    """Empty if it is too long to be sent back."""


class Provider:
    """The provider of the settings. What it publishes is read when it is needed."""

    def __init__(
        self,
        settings: OidcSettings,
        public_url: str,
        secret: str,
        clock: Callable[[], float] = time.monotonic,
        most_seconds: float = _MOST_SECONDS,
    ) -> None:
        """``public_url`` is where browsers find the app; ``secret`` is empty for a client without one.

        ``clock`` gives seconds. Raises UsageError where authlib is not installed.
        """
        try:
            from authlib.oauth2.client import OAuth2Client
        except ModuleNotFoundError:
            raise UsageError(
                "What signs in by OpenID Connect is not installed.", "pip install 'domain-assistant[oidc]'"
            ) from None
        self.public_url = public_url.rstrip("/")
        self.label = settings.label or urlsplit(settings.issuer).netloc
        self.session_hours = settings.session_hours
        self._settings = settings
        self._client = OAuth2Client(
            None,
            settings.client_id,
            secret or None,
            scope=" ".join(dict.fromkeys(("openid", *settings.scopes))),
            redirect_uri=self.public_url + CALLBACK,
            code_challenge_method="S256",
        )
        self._trusted = httpx.create_ssl_context()  # it takes its time, once
        self._clock = clock
        self._most_seconds = most_seconds
        self._lock = asyncio.Lock()
        self._published: dict[str, tuple[float, dict[str, Any]]] = {}
        self._down_until = 0.0

    async def begin(self, wanted: str) -> tuple[str, str]:
        """The address to send a browser to, and the cookie that it has to come back with. Raises ProviderError."""
        metadata = await self._metadata()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        address, _ = self._client.create_authorization_url(
            self._endpoint(metadata, "authorization_endpoint"), state=state, code_verifier=verifier, nonce=nonce
        )
        return address, ".".join((state, nonce, verifier, quote(wanted[:_LONGEST_TARGET], safe="")))

    async def arrive(self, query: Mapping[str, str], flow: str) -> Arrival:
        """Who has come back. ``flow`` is the cookie of ``begin``. Raises ProviderError for one who is not signed in."""
        state, nonce, verifier, wanted = (flow.split(".", 3) + [""] * 4)[:4]
        is_whole = bool(state and nonce and verifier)
        if not is_whole or not hmac.compare_digest(query.get("state", "").encode(), state.encode()):
            raise ProviderError("What came back did not begin in this browser.", key="signin.lost", status=400)
        metadata = await self._metadata()
        is_named = bool(metadata.get("authorization_response_iss_parameter_supported"))
        if query.get("iss", "" if is_named else self._settings.issuer) != self._settings.issuer:
            raise ProviderError(f"It is another provider that has answered, {query.get('iss', '')[:80]!r}.")
        if error := query.get("error"):
            raise ProviderError(f"The provider says {error[:80]!r}.")
        code = query.get("code", "")
        if not 0 < len(code) <= _LONGEST_CODE:
            raise ProviderError("The provider has sent no code.")
        token = await self._redeemed(metadata, code, verifier)
        claims = await self._checked(metadata, token, nonce)
        return self._arrival(claims, unquote(wanted), token["id_token"])

    def sign_out_address(self, id_token: str) -> str:
        """Where the session there ends, and leads back from; empty where there is no such place."""
        from authlib.common.urls import add_params_to_uri

        _, metadata = self._published.get(self._discovery, (0, {}))
        try:
            address = self._endpoint(metadata, "end_session_endpoint")
        except ProviderError:
            return ""
        told = {
            "client_id": self._settings.client_id,
            "post_logout_redirect_uri": f"{self.public_url}/sign-in",
            **({"id_token_hint": id_token} if id_token else {}),
        }
        return str(add_params_to_uri(address, list(told.items())))

    @property
    def _discovery(self) -> str:
        return f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration"

    async def _metadata(self) -> dict[str, Any]:
        metadata = await self._read(self._discovery, _PUBLISHED_SECONDS)
        if metadata.get("issuer") != self._settings.issuer:
            self._published.pop(self._discovery, None)
            raise _down(f"{self._discovery} is of another issuer, {str(metadata.get('issuer'))[:80]!r}.")
        return metadata

    def _endpoint(self, metadata: Mapping[str, Any], name: str) -> str:
        """An address that the provider names; only where it is itself without encryption may this be, too."""
        address = metadata.get(name)
        schemes = {"https", urlsplit(self._settings.issuer).scheme}
        if isinstance(address, str) and address.isprintable():
            with suppress(ValueError):
                if urlsplit(address).scheme in schemes:
                    return address
        raise _down(f"The provider names no safe {name}.")

    async def _read(self, address: str, seconds: float) -> dict[str, Any]:
        """What the provider publishes there, if need be as it was some seconds ago."""
        async with self._lock:  # one asks, and the others wait for what it hears
            read_at, content = self._published.get(address, (-seconds, {}))
            if content and self._clock() - read_at < seconds:
                return content
            if self._clock() < self._down_until:
                raise _down("The provider did not answer a moment ago.")
            try:
                status, content = await self._asked("GET", address)
                if status != 200:
                    raise _down(f"{address} answers with {status}.")
            except ProviderError:
                self._down_until = self._clock() + _DOWN_SECONDS
                raise
            self._published[address] = self._clock(), content
            return content

    async def _asked(self, method: str, address: str, **sent: Any) -> tuple[int, dict[str, Any]]:
        """Status and JSON of what the provider answers."""
        body = bytearray()
        headers = {"accept": "application/json", "accept-encoding": "identity", **sent.pop("headers", {})}
        try:
            async with (
                asyncio.timeout(self._most_seconds),
                httpx.AsyncClient(timeout=self._most_seconds, verify=self._trusted) as client,  # follows no redirect
                client.stream(method, address, headers=headers, **sent) as response,
            ):
                async for part in response.aiter_raw():
                    body += part
                    if len(body) > _MOST_BYTES:
                        raise _down(f"{address} answers with more than {_MOST_BYTES >> 20} MiB.")
            content = json.loads(body) if response.status_code < 300 or body.startswith(b"{") else {}
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, RecursionError) as error:
            raise _down(f"{address} gives no answer: {type(error).__name__} {one_line(error)}") from None
        return response.status_code, content if isinstance(content, dict) else {}

    async def _redeemed(self, metadata: Mapping[str, Any], code: str, verifier: str) -> dict[str, Any]:
        """What the provider gives for a code: an ``id_token`` among others."""
        from authlib.oauth2.rfc6749.parameters import prepare_token_request

        address = self._endpoint(metadata, "token_endpoint")
        taken = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        by_secret = "client_secret_basic" if "client_secret_basic" in taken else "client_secret_post"
        method = by_secret if self._client.client_secret else "none"
        body = prepare_token_request(
            "authorization_code", code=code, redirect_uri=self._client.redirect_uri, code_verifier=verifier
        )
        headers = {"content-type": "application/x-www-form-urlencoded"}
        address, headers, body = self._client.client_auth(method).prepare("POST", address, headers, body)
        status, token = await self._asked("POST", address, headers=headers, content=body)
        if status >= 500:
            raise _down(f"The token endpoint answers with {status}.")
        if status != 200 or not isinstance(token.get("id_token"), str):
            raise ProviderError(f"The provider gives no token ({status}, {str(token.get('error', ''))[:80]!r}).")
        return token

    async def _checked(self, metadata: Mapping[str, Any], token: Mapping[str, Any], nonce: str) -> dict[str, Any]:
        """The claims of an id token, if it is the provider's, for us, of now, and of this flow."""
        from authlib.oidc.core import CodeIDToken
        from joserfc import jwt
        from joserfc.errors import InvalidKeyIdError, JoseError
        from joserfc.jwk import KeySet
        from joserfc.jws import JWSRegistry

        registry = JWSRegistry(algorithms=_ALGORITHMS, strict_check_header=False)
        keys_address = self._endpoint(metadata, "jwks_uri")
        try:
            for seconds in (_PUBLISHED_SECONDS, 0):
                published: Any = await self._read(keys_address, seconds)
                keys = KeySet.import_key_set(published)
                try:
                    decoded = jwt.decode(token["id_token"], keys, registry=registry)
                    break
                except InvalidKeyIdError:  # signed with a key that is newer than those we have
                    if not seconds:
                        raise
            expected = {
                "iss": {"essential": True, "value": self._settings.issuer},
                "aud": {"essential": True, "value": self._settings.client_id},
            }
            of_flow = {"client_id": self._settings.client_id, "nonce": nonce, "access_token": token.get("access_token")}
            claims = CodeIDToken(decoded.claims, decoded.header, expected, of_flow)
            claims.validate(leeway=_LEEWAY_SECONDS)
        except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
            reason = f"{type(error).__name__} {one_line(error)}"
            raise ProviderError(f"The id token is not to be believed: {reason}") from None
        return dict(claims)

    def _arrival(self, claims: Mapping[str, Any], wanted: str, id_token: str) -> Arrival:
        name, subject = claims.get(self._settings.name_claim), claims.get("sub")
        named = claims.get(self._settings.groups_claim)
        is_subject = isinstance(subject, str) and subject.isascii() and 0 < len(subject) <= _LONGEST_SUBJECT
        if not isinstance(name, str) or not is_subject:
            raise ProviderError(f"The id token has no {self._settings.name_claim}, or no sub as it should be.")
        listed = [named] if isinstance(named, str) else named if isinstance(named, list) else []
        if len(listed) > _MOST_GROUPS:
            raise ProviderError(
                f"The id token names {len(listed):,} groups, of which at most {_MOST_GROUPS:,} are taken.",
                "Have the provider send those alone that matter here.",
            )
        theirs = {one for one in listed if isinstance(one, str)}
        roles = [role for group, role in self._settings.roles.items() if group == _EVERYONE or group in theirs]
        return Arrival(
            name,
            hashlib.sha256(f"{self._settings.issuer}\n{subject}".encode()).hexdigest(),
            max(roles, key=ROLES.index, default=None),
            tuple(sorted(filter(_is_usable, theirs))),
            wanted,
            id_token if len(id_token) <= _LONGEST_HINT else "",
        )


def _is_usable(group: str) -> bool:
    try:
        usable_name(group, "group")
    except UsageError:
        return False
    return ":" not in group


def provider_of(settings: Settings, environment: Mapping[str, str] = os.environ) -> Provider | None:
    """The provider that people sign in at; None where none is set.

    Raises ConfigError for settings that do not suffice, and for a file of the secret that cannot be read.
    """
    oidc, public_url = settings.oidc, settings.ui.public_url
    if not oidc.issuer:
        return None
    if not oidc.client_id:
        raise ConfigError("oidc.issuer is set, and oidc.client_id is not.", "Set it to the name of this app there.")
    if urlsplit(public_url).scheme not in ("http", "https"):
        raise ConfigError(
            "oidc.issuer needs ui.public_url: the provider sends people back to one address.",
            "Set it to what browsers ask for, as in https://assistant.example.",
        )
    secret = environment.get(SECRET_VARIABLE, "").strip()
    if oidc.secret_file:
        try:
            secret = Path(oidc.secret_file).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"oidc.secret_file cannot be read: {one_line(error)}.", "Check it.") from None
    return Provider(oidc, public_url, secret)
