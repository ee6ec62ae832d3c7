"""What is said to a server that speaks OpenAI's protocol: one address, one key, one try, and what may go wrong.

Over httpx alone, because a question may go nowhere but to the address that was named: no redirect is followed, no
proxy stands before a server on this machine, and no header tells about this machine.

Whether a try that brought nothing is made again, and where, is the pool's to say (``assistant.engines.openai_engine``).
"""

import contextlib
import ipaddress
import json
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NoReturn

import httpx
from pydantic import BaseModel, ValidationError

from assistant.config import EngineSettings
from assistant.engines.thinking import CLOSING, OPENING
from assistant.errors import ConfigError, ModelError
from assistant.text.printing import visible

KEY_VARIABLE = "ASSISTANT_ENGINE_KEY"
# Between two attempts: a person waits for the answer.
_LONGEST_WAIT_SECONDS = 60.0
# Statuses of a server that may answer the same request later, and of one that finds fault with it.
_BUSY = frozenset({408, 409, 425, 429})
_AT_FAULT = frozenset({400, 422})
# Of a server that takes no adapters while it runs, or finds none in the folder.
_NOT_TAKEN = frozenset({400, 403, 404, 405})
_VLLM = "vllm"
# How vLLM ends an answer that it could not finish.
_GIVEN_UP = frozenset({"abort", "error"})
_OUT_OF_TOKENS = "length"
# vLLM, SGLang and llama.cpp know it, Ollama passes over it, OpenAI refuses it.
_SWITCH = "chat_template_kwargs"
# A server that is there accepts a connection at once, however long its model then takes.
_LONGEST_CONNECT_SECONDS = 10.0
# Bytes of a list of models or an error, and characters of an error that are shown: a stranger may send without end.
_LONGEST_REPLY = 4 << 20
_LONGEST_REASON = 200
_CHECK_URL = "Check engine.url; it usually ends in /v1."


class ListedModel(BaseModel):
    """A model or adapter as the server lists it."""

    id: str
    max_model_len: Any = None
    meta: Any = None
    owned_by: Any = None

    @property
    def window(self) -> int | None:
        """Tokens of prompt and answer together, as vLLM and llama.cpp state them; None where nothing is stated."""
        stated = self.max_model_len or (self.meta.get("n_ctx") if isinstance(self.meta, dict) else None)
        return stated if isinstance(stated, int) else None


class _ModelList(BaseModel):
    data: tuple[ListedModel, ...]


class _Delta(BaseModel):
    content: str | None = None
    # Thoughts, by the names that vLLM, llama.cpp and SGLang or Ollama have for them.
    reasoning_content: Any = None
    reasoning: Any = None


class _Choice(BaseModel):
    delta: _Delta = _Delta()
    finish_reason: str | None = None


class _Event(BaseModel):
    choices: tuple[_Choice, ...] = ()
    error: Any = None

    @property
    def words(self) -> str:
        return (self.choices[0].delta.content if self.choices else None) or ""

    @property
    def is_thought(self) -> bool:
        delta = self.choices[0].delta if self.choices else _Delta()
        return bool(delta.reasoning_content or delta.reasoning)

    @property
    def end(self) -> str:
        """Why the answer ends here; empty while it goes on."""
        return (self.choices[0].finish_reason if self.choices else None) or ""


class _RefusedError(ModelError):
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

    def __init__(self, url: str, settings: EngineSettings) -> None:
        """Raises ConfigError for a key that cannot be used."""
        self.url = url
        self.listed: tuple[ListedModel, ...] = ()
        """What it listed last."""
        self._settings = settings
        self._key = read_key(settings)
        self._takes_switch: bool | None = None
        """Whether it knows what is told to its chat template; None before its first answer."""

    def model(self, name: str) -> ListedModel | None:
        """The model or adapter of a name, as the server lists it; None where it does not.

        A server that keeps no list has whatever it is asked for. Raises what ``words`` raises.
        """
        found = _named(name, self.listed)
        if found is None:  # it may have been loaded since
            listed = self._models()
            if listed is None:
                return ListedModel(id=name)
            self.listed = listed
            found = _named(name, listed)
        return found

    def take_adapter(self, name: str, folder: Path) -> ListedModel | None:
        """The adapter in a folder, which a vLLM that sees it too may load while it runs; None elsewhere.

        vLLM does with VLLM_ALLOW_RUNTIME_LORA_UPDATING=1. Raises what ``words`` raises.
        """
        if not any(model.owned_by == _VLLM for model in self.listed):
            return None
        place = {"lora_name": name, "lora_path": str(folder.resolve())}
        with self._response("POST", "load_lora_adapter", place) as response:
            if response.status_code in _NOT_TAKEN:
                return None
            self._refuse(response)
        return self.model(name)

    def _models(self) -> tuple[ListedModel, ...] | None:
        with self._response("GET", "models") as response:
            if response.status_code == httpx.codes.NOT_FOUND:
                return None
            self._refuse(response)
            try:
                return _ModelList.model_validate_json(_read(response)).data
            except ValidationError:
                self._complain("its list of models is none")

    def words(self, body: dict[str, Any], thinks: bool = False) -> Generator[str, None, bool]:
        """An answer to a chat request as it comes, and in the end whether the server cut it, out of tokens.

        ``thinks`` is told to the server's chat template, unless the server knows no such field. Thoughts that come in a
        field of their own leave a mark before the answer, and an empty piece for each of their words.
        Closing the generator closes the connection: the server stops.

        Raises Unanswered when the server is down, busy or failing and has said nothing; ModelError when it refuses,
        talks nonsense, is silent (SilentError), or stops in the middle.
        """
        body = {**body, "stream": True}
        if self._takes_switch is not False:
            switch = {_SWITCH: {"enable_thinking": thinks, "thinking": thinks}}
            try:
                return (yield from self._chat({**body, **switch}))
            except _RefusedError:
                if self._takes_switch:
                    raise
        return (yield from self._chat(body))

    def _chat(self, body: dict[str, Any]) -> Generator[str, None, bool]:
        end, begun, thinking = "", False, False
        try:
            with self._response("POST", "chat/completions", body) as response:
                self._refuse(response)
                self._takes_switch = _SWITCH in body
                kind = response.headers.get("content-type", "")
                if not kind.startswith("text/event-stream"):
                    self._complain(f"it sent '{self._told(kind)}', not a stream")
                for event in self._events(response):
                    end = event.end or end
                    if event.is_thought and not begun:
                        yield "" if thinking else OPENING
                        thinking = True
                    if event.words:
                        yield CLOSING + event.words if thinking else event.words
                        begun, thinking = begun or not event.words.isspace(), False
        except Unanswered as error:
            if begun or thinking:
                raise ModelError(f"{self.url} stopped in the middle of an answer: {error}.", "Ask again.") from None
            raise
        return end == _OUT_OF_TOKENS

    def _events(self, response: httpx.Response) -> Iterator[_Event]:
        """Server-sent events up to the last. Raises Unanswered when the stream ends before the answer does."""
        has_ended = False
        for line in response.iter_lines():
            field, _, data = line.partition(":")
            if field not in {"data", "error"}:
                continue
            if data.strip() == "[DONE]":
                return
            try:
                event = _Event.model_validate_json(data)
            except ValidationError:
                self._complain(f"it sent '{self._told(data)}'")
            if field == "error" or event.error is not None:
                raise Unanswered(self._told(_reason(data)))
            if event.end in _GIVEN_UP:
                raise Unanswered("it gave up")
            has_ended = has_ended or bool(event.end)
            yield event
        if not has_ended:
            raise Unanswered("its answer has no end")

    @contextmanager
    def _response(self, method: str, path: str, body: dict[str, Any] | None = None) -> Iterator[httpx.Response]:
        """The response to one request while the block reads it; failures of the connection as Unanswered."""
        seconds = self._settings.timeout_seconds
        key = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        # A connection for each request: opening one takes far less than an answer, and none is left to close.
        client = httpx.Client(
            headers={"User-Agent": "domain-assistant", **key},
            timeout=httpx.Timeout(seconds, connect=min(seconds, _LONGEST_CONNECT_SECONDS)),
            trust_env=not is_this_machine(self.url),
        )
        try:
            with client, client.stream(method, f"{self.url}/{path}", json=body) as response:
                yield response
        except httpx.ReadTimeout:
            raise SilentError(
                f"{self.url} was silent for {seconds:g} s.", "Look after the server, or raise engine.timeout_seconds."
            ) from None
        except httpx.HTTPError as error:
            raise Unanswered(self._told(str(error)) or type(error).__name__) from None

    def _refuse(self, response: httpx.Response) -> None:
        """Raise what a status other than success means."""
        status = response.status_code
        if response.is_success:
            return
        if response.is_redirect:
            where = self._told(response.headers.get("location", ""))
            raise ModelError(f"{self.url} sends elsewhere, to '{where}'.", "If you trust that, name it in engine.url.")
        reason = self._told(f"{status} {response.reason_phrase} {_reason(_read(response))}")
        if status in _BUSY or response.is_server_error:
            raise Unanswered(reason, response.headers.get("retry-after", ""))
        remedies = {
            401: f"Put the server's key into a file and name it in engine.key_file, or set {KEY_VARIABLE}.",
            403: "Check what the key in engine.key_file may do.",
            404: _CHECK_URL,
        }
        remedy = remedies.get(status, "Lower answer.prompt_tokens if it is too long; else look at the server's log.")
        kind = _RefusedError if status in _AT_FAULT else ModelError
        raise kind(f"{self.url} refuses: {reason}.", remedy)

    def _complain(self, what: str) -> NoReturn:
        raise ModelError(f"{self.url} does not speak OpenAI's protocol: {what}.", _CHECK_URL)

    def _told(self, text: str) -> str:
        """Words of a stranger in one line, without the key that they may repeat."""
        text = text.replace(self._key, "…") if self._key else text
        return visible(" ".join(text.split()))[:_LONGEST_REASON].rstrip(". ")


def _named(name: str, models: Sequence[ListedModel]) -> ListedModel | None:
    """The model of a name; Ollama lists ``name:latest``."""
    return next((model for model in models if model.id in {name, f"{name}:latest"}), None)


def read_key(settings: EngineSettings) -> str:
    """The server's key; empty when there is none. Raises ConfigError for one that cannot be read or sent."""
    if settings.key_file:
        try:
            key = Path(settings.key_file).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise ConfigError(f"engine.key_file {settings.key_file} cannot be read: {reason}.", "Check it.") from None
    else:
        key = os.environ.get(KEY_VARIABLE, "").strip()
    if not all("!" <= character <= "~" for character in key):
        where = settings.key_file or KEY_VARIABLE
        raise ConfigError(f"What {where} holds is no key: a key is one word.", "Write nothing but the key.")
    return key


def is_this_machine(url: str) -> bool:
    """Whether what is sent to an address stays on this machine."""
    host = httpx.URL(url).host
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def checked_urls(urls: str) -> list[str]:
    """The addresses of ``engine.url``, with commas between them, each as it is used.

    Raises ConfigError, without showing a password that one may hold.
    """
    if "@" in urls:
        raise ConfigError("engine.url holds a password.", f"Put it into engine.key_file or {KEY_VARIABLE}.")
    return list(dict.fromkeys(_checked(url.strip()) for url in urls.split(",")))


def _checked(url: str) -> str:
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL:
        address = httpx.URL()
    if address.scheme not in {"http", "https"} or not address.host or address.query or address.fragment:
        raise ConfigError(f"engine.url '{visible(url)}' is no address.", "Write it as in http://127.0.0.1:8001/v1.")
    return str(address).rstrip("/")


def _read(response: httpx.Response) -> bytes:
    """A reply, cut where no honest one is so long."""
    content = bytearray()
    for portion in response.iter_bytes():
        content += portion
        if len(content) > _LONGEST_REPLY:
            break
    return bytes(content[:_LONGEST_REPLY])


def _reason(content: str | bytes) -> str:
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
        with contextlib.suppress(ValueError, TypeError):  # a date without a zone cannot be compared
            seconds = max(0.0, (parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds())
    return min(_LONGEST_WAIT_SECONDS, seconds)
