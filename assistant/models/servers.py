"""Servers that run models: their addresses, one key, one request after the other, and what may go wrong.

Over httpx alone, because a question may go nowhere but to the address that was named: no redirect is followed, no
proxy stands before a server on this machine, and no header tells about this machine.

Of several servers the one that is up and has least to do is asked. One that is down, busy or failing gives way to the
next, as long as it has said nothing; when none has answered, they are asked again, later each time and not before the
moment that they name themselves. A single one that is silent is not asked again: it may still be at work, and asking
again would double that.
"""

import contextlib
import functools
import ipaddress
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from threading import Lock
from typing import Any, Generic, NoReturn, TypeVar

import httpx

from assistant.config import EmbedderSettings, EngineSettings, RetrievalSettings
from assistant.errors import ConfigError, ModelError
from assistant.text.printing import visible
from assistant.work.progress import note

T = TypeVar("T")
R = TypeVar("R")
Sleep = Callable[[float], None]

# Between two attempts: a person waits for the answer.
_LONGEST_WAIT_SECONDS = 60.0
# Statuses of a server that may answer the same request later, and of one that finds fault with it.
_BUSY = frozenset({408, 409, 425, 429})
_AT_FAULT = frozenset({400, 422})
# A server that is there accepts a connection at once, however long its model then takes.
_LONGEST_CONNECT_SECONDS = 10.0
# Bytes of a reply, and characters of an error that are shown: a stranger may send without end. The vectors of one
# request have a few million.
_LONGEST_REPLY = 16 << 20
_LONGEST_REASON = 200
# To make one takes a hundred times as long as all else that a connection needs here.
_certificates = functools.cache(httpx.create_ssl_context)


@dataclass(frozen=True, slots=True)
class Access:
    """How servers that run the same models are reached, and what the settings that say so are called."""

    urls: str
    """With commas between them."""
    key_file: str
    timeout_seconds: float
    attempts: int
    prefix: str = "engine."
    """What stands before ``url``, ``key_file`` and ``timeout_seconds`` in the names of the settings."""
    key_variable: str = "ASSISTANT_ENGINE_KEY"
    protocol: str = "OpenAI's protocol"
    address: str = "it usually ends in /v1"
    """What to look at in an address that is none of such a server."""
    remedy: str = "Lower answer.prompt_tokens if it is too long; else look at the server's log."
    """For a request that a server refuses, for whatever reason."""


def engine_access(engine: EngineSettings) -> Access:
    """How the language model is reached."""
    return Access(engine.url, engine.key_file, engine.timeout_seconds, engine.attempts)


def embedder_access(embedder: EmbedderSettings) -> Access:
    """How the embedder is reached."""
    return Access(
        embedder.url,
        embedder.key_file,
        embedder.timeout_seconds,
        embedder.attempts,
        prefix="embedder.",
        key_variable="ASSISTANT_EMBEDDER_KEY",
        remedy="Have the server cut long texts (TEI: --auto-truncate), or lower ingest.window_tokens and ingest anew.",
    )


def reranker_access(retrieval: RetrievalSettings) -> Access:
    """How the reranker is reached."""
    return Access(
        retrieval.reranker_url,
        retrieval.reranker_key_file,
        retrieval.reranker_timeout_seconds,
        retrieval.reranker_attempts,
        prefix="retrieval.reranker_",
        key_variable="ASSISTANT_RERANKER_KEY",
        protocol="the protocol of rerankers",
        address="what is asked there is /rerank",
        remedy="Name the model in retrieval.reranker as the server does; if a passage is too long, lower"
        " ingest.chunk_characters.",
    )


class RefusedError(ModelError):
    """The server finds fault with the request itself, perhaps with a field that it does not know."""


class Unanswered(Exception):
    """No answer this time; ``retry_after`` is the header of that name."""

    def __init__(self, reason: str, retry_after: str = "") -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class SilentError(ModelError):
    """The server says nothing; it may still be at work."""


class Server:
    """The server at one address. Nothing is sent before the first call; several threads may call at once."""

    def __init__(self, url: str, access: Access) -> None:
        """Raises ConfigError for a key that cannot be used."""
        self.url = url
        self._access = access
        self._key = read_key(access)

    def reply(self, path: str, body: dict[str, Any]) -> bytes:
        """The reply to what is posted.

        Raises Unanswered when the server is down, busy or failing; ModelError when it refuses (RefusedError) or is
        silent (SilentError).
        """
        with self.response("POST", path, body) as response:
            self.refuse(response)
            return self.read(response)

    def read(self, response: httpx.Response) -> bytes:
        """A reply, cut where no honest one is so long. Raises SilentError for one that drips."""
        content, until = bytearray(), time.monotonic() + self._access.timeout_seconds
        for portion in response.iter_bytes():
            content += portion
            if len(content) > _LONGEST_REPLY:
                break
            if time.monotonic() > until:
                self._give_up("did not end its reply in")
        return bytes(content[:_LONGEST_REPLY])

    @contextmanager
    def response(self, method: str, path: str, body: dict[str, Any] | None = None) -> Iterator[httpx.Response]:
        """The response to one request while the block reads it; failures of the connection as Unanswered."""
        seconds = self._access.timeout_seconds
        key = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        # A connection for each request: opening one takes far less than an answer, and none is left to close.
        client = httpx.Client(
            # A few bytes that were compressed may be gigabytes.
            headers={"User-Agent": "domain-assistant", "Accept-Encoding": "identity", **key},
            timeout=httpx.Timeout(seconds, connect=min(seconds, _LONGEST_CONNECT_SECONDS)),
            trust_env=not is_this_machine(self.url),
            verify=_certificates(),
        )
        try:
            with client, client.stream(method, f"{self.url}/{path}", json=body) as response:
                if (encoding := response.headers.get("content-encoding", "identity")) != "identity":
                    self.complain(f"it compressed what it sent ({self.told(encoding)}), unasked")
                yield response
        except httpx.ReadTimeout:
            self._give_up("was silent for")
        except httpx.HTTPError as error:
            raise Unanswered(self.told(str(error)) or type(error).__name__) from None

    def refuse(self, response: httpx.Response) -> None:
        """Raise what a status other than success means."""
        status, prefix = response.status_code, self._access.prefix
        if response.is_success:
            return
        if response.is_redirect:
            where = self.told(response.headers.get("location", ""))
            raise ModelError(
                f"{self.url} sends elsewhere, to '{where}'.", f"If you trust that, name it in {prefix}url."
            )
        reason = self.told(f"{status} {response.reason_phrase} {reason_in(self.read(response))}")
        if status in _BUSY or response.is_server_error:
            raise Unanswered(reason, response.headers.get("retry-after", ""))
        variable = self._access.key_variable
        remedies = {
            401: f"Put the server's key into a file and name it in {prefix}key_file, or set {variable}.",
            403: f"Check what the key in {prefix}key_file may do.",
            404: f"Check {prefix}url; {self._access.address}.",
        }
        kind = RefusedError if status in _AT_FAULT else ModelError
        raise kind(f"{self.url} refuses: {reason}.", remedies.get(status, self._access.remedy))

    def _give_up(self, why: str) -> NoReturn:
        raise SilentError(
            f"{self.url} {why} {self._access.timeout_seconds:g} s.",
            f"Look after the server, or raise {self._access.prefix}timeout_seconds.",
        ) from None

    def complain(self, what: str) -> NoReturn:
        """Raise ModelError for a reply that is none."""
        access = self._access
        raise ModelError(
            f"{self.url} does not speak {access.protocol}: {what}.", f"Check {access.prefix}url; {access.address}."
        )

    def told(self, text: str) -> str:
        """Words of a stranger in one line, without the key that they may repeat."""
        for key in {self._key, json.dumps(self._key)[1:-1]} - {""}:
            text = text.replace(key, "…")
        return visible(" ".join(text.split()))[:_LONGEST_REASON].rstrip(". ")


S = TypeVar("S", bound=Server)


class ServerPool(Generic[S]):
    """Servers that run the same models."""

    def __init__(self, access: Access, make: Callable[[str, Access], S], sleep: Sleep = time.sleep) -> None:
        """Raises ConfigError for an address or a key that cannot be used."""
        self.all = [make(url, access) for url in checked_urls(access)]
        self._access = access
        self._sleep = sleep
        self._lock = Lock()
        self._at_work = Counter[S]()
        """Requests that each is answering."""
        self._failures = Counter[S]()
        """Of each since it last answered."""
        self._rests_until: dict[S, float] = {}
        """Monotonic seconds, of those that failed."""

    def asked(self, once: Callable[[S], Generator[T, None, R]]) -> Generator[T, None, R]:
        """What ``once`` gives and returns at one of the servers; at another one as long as it raises Unanswered.

        Raises what else ``once`` raises, and ModelError when each server has been asked as often as it is to be.
        """
        tried = Counter[S]()
        while True:
            with self._chosen(tried) as server:
                try:
                    result = yield from once(server)
                except (Unanswered, SilentError) as error:
                    failure = error
                else:
                    self._rests_until.pop(server, None)
                    self._failures.pop(server, None)
                    return result
            tried[server] += 1
            self._failures[server] += 1
            after = failure.retry_after if isinstance(failure, Unanswered) else ""
            self._rests_until[server] = time.monotonic() + seconds_to_wait(after, self._failures[server])
            if any(tried[other] < tried[server] for other in self.all):
                note(f"{server.url}: {str(failure).rstrip('.')}; another server is asked.")
            elif isinstance(failure, SilentError):
                raise failure
            else:
                self._wait(server, tried[server], failure)

    def call(self, once: Callable[[S], T]) -> T:
        """What ``once`` returns, asked in the same way. Raises what ``asked`` raises."""

        def stream(server: S) -> Generator[T, None, None]:
            yield once(server)

        (found,) = self.asked(stream)
        return found

    @contextmanager
    def _chosen(self, tried: Mapping[S, int]) -> Iterator[S]:
        """The one that has failed this question least often, does not rest, and has least to do; one thing more now."""
        with self._lock:
            now = time.monotonic()
            server = min(
                self.all, key=lambda one: (tried.get(one, 0), self._rests_until.get(one, 0) > now, self._at_work[one])
            )
            self._at_work[server] += 1
        try:
            yield server
        finally:
            with self._lock:
                self._at_work[server] -= 1

    def _wait(self, server: S, attempt: int, failure: Unanswered) -> None:
        """Until all are asked once more. Raises ModelError when that has been done often enough."""
        if attempt == self._access.attempts:
            who = f"{server.url} did not answer"
            if (count := len(self.all)) > 1:
                who = f"None of {count} servers answered, {server.url} for one,"
            raise ModelError(
                f"{who} in {attempt} attempts: {failure}.",
                f"Start it, or wait for it; check {self._access.prefix}url.",
            )
        seconds = seconds_to_wait(failure.retry_after, attempt)
        note(f"{server.url}: {failure}; asked again in {seconds:.0f} s.")
        self._sleep(seconds)


def read_key(access: Access) -> str:
    """The key of the servers; empty when there is none. Raises ConfigError for one that cannot be read or sent."""
    if access.key_file:
        try:
            key = Path(access.key_file).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise ConfigError(
                f"{access.prefix}key_file {access.key_file} cannot be read: {reason}.", "Check it."
            ) from None
    else:
        key = os.environ.get(access.key_variable, "").strip()
    if not all("!" <= character <= "~" for character in key):
        where = access.key_file or access.key_variable
        raise ConfigError(f"What {where} holds is no key: a key is one word.", "Write nothing but the key.")
    return key


def is_this_machine(url: str) -> bool:
    """Whether what is sent to an address stays on this machine."""
    host = httpx.URL(url).host
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def checked_urls(access: Access) -> list[str]:
    """The addresses, each as it is used. Raises ConfigError, without showing a password that one may hold."""
    if "@" in access.urls:
        raise ConfigError(
            f"{access.prefix}url holds a password.", f"Put it into {access.prefix}key_file or {access.key_variable}."
        )
    return list(dict.fromkeys(_checked(url.strip(), access.prefix) for url in access.urls.split(",")))


def _checked(url: str, prefix: str) -> str:
    try:
        address = httpx.URL(url)
        address.host.encode("idna")  # where a connection would fail on it
    except (httpx.InvalidURL, UnicodeError):
        address = httpx.URL()
    if address.scheme not in {"http", "https"} or not address.host or address.query or address.fragment:
        raise ConfigError(f"{prefix}url '{visible(url)}' is no address.", "Write it as in http://127.0.0.1:8001/v1.")
    return str(address).rstrip("/")


def reason_in(content: str | bytes) -> str:
    """What an error says for people; servers put it in several places. Empty when it is not JSON, as a page is not."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    for name in ("error", "message", "detail"):
        if isinstance(found, dict) and name in found:
            found = found[name]
    return found if isinstance(found, str) else json.dumps(found)


def seconds_to_wait(retry_after: str, attempt: int) -> float:
    """Seconds until the next attempt: what the server asks for, else 1, 2, 4 …; a minute at most.

    ``retry_after`` is the header of that name (RFC 9110), seconds or a date; empty where there is none. ``attempt`` is
    the number of the one that failed, 1 for the first.
    """
    asked, seconds = retry_after.strip(), 2.0 ** (attempt - 1)
    if asked.replace(".", "", 1).isdecimal():
        seconds = float(asked)
    else:
        with contextlib.suppress(ValueError, TypeError, OverflowError):  # a date without a zone cannot be compared
            seconds = max(0.0, (parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds())
    return min(_LONGEST_WAIT_SECONDS, seconds)
