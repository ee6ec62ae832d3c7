"""Requests, replies and errors as OpenAI's clients know them, and what is ours beside.

Fields of OpenAI's that are not here are ignored; those that would change an answer and cannot be honoured are refused.
"""

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi.exceptions import RequestValidationError
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    ValidationInfo,
    field_validator,
)
from starlette.responses import Response

from assistant.errors import (
    AssistantError,
    PromptTooLongError,
    QuestionTooLongError,
    StateDown,
    UnknownAdapterError,
    UnknownCorpus,
    UnknownModel,
    UsageError,
)
from assistant.text.printing import visible
from assistant.types import Filter, well_formed
from ui.shared import STATE_SECONDS

_MOST_MESSAGES = 500  # of which the latest are looked at; serve.max_request_kb bounds their length
_MOST_CORPORA = 100
_LONGEST_MESSAGE = 500
"""Characters of what an error says."""
_CHAT_EXAMPLE: dict[str, Any] = {
    "model": "default",
    "messages": [{"role": "user", "content": "What is the deductible for hail damage?"}],
}

# JSON can hold half a character, which no database and no tokenizer takes.
Text = Annotated[str, AfterValidator(well_formed)]
# ``true`` is no number, and "5" is a text.
Number = Annotated[float, Strict()]
Whole = Annotated[int, Strict()]
Flag = Annotated[bool, Strict()]
ShortText = Annotated[Text, StringConstraints(min_length=1, max_length=200)]


class Part(BaseModel):
    """A part of a message; only those of type ``text`` are understood."""

    type: str
    text: Text = ""

    @field_validator("type")
    @classmethod
    def _is_text(cls, kind: str) -> str:
        if kind != "text":
            raise ValueError("only parts of type 'text' are understood, not images, audio or files")
        return kind


class ChatMessage(BaseModel):
    """One turn. ``system`` and ``developer`` texts are put behind the system text of the assistant."""

    role: Literal["system", "developer", "user", "assistant"]
    content: list[Part] | Text | None = None

    @property
    def text(self) -> str:
        """The text; of parts, joined by empty lines."""
        if isinstance(self.content, list):
            return "\n\n".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(BaseModel):
    """What a stream tells besides the answer."""

    include_usage: Flag = False


class ChatRequest(BaseModel):
    """A conversation whose last turn is the question."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CHAT_EXAMPLE]})

    model: ShortText = Field(description="CORPUS or CORPUS/ADAPTER, as in /v1/models; of several CORPUS+CORPUS.")
    messages: list[ChatMessage] = Field(min_length=1, max_length=_MOST_MESSAGES)
    stream: Flag | None = False
    stream_options: StreamOptions | None = None
    temperature: Number | None = Field(None, ge=0, le=2, allow_inf_nan=False)
    max_tokens: Whole | None = Field(None, ge=1)
    max_completion_tokens: Whole | None = Field(None, ge=1)
    stop: ShortText | Annotated[list[ShortText], Field(max_length=4)] | None = None
    n: Whole | None = Field(1, description="One answer; more are refused.")
    tools: list[Any] | None = Field(None, description="Refused unless empty.")
    functions: list[Any] | None = Field(None, description="Refused unless empty.")
    response_format: dict[str, Any] | None = Field(None, description="Text; other types are refused.")
    logprobs: Flag | None = Field(None, description="Refused when true.")
    filter: Filter | None = Field(None, description="Ours: which documents may answer.")

    @field_validator("n")
    @classmethod
    def _is_one(cls, n: int | None) -> int | None:
        if n not in (None, 1):
            raise ValueError("one answer is given at a time; ask again for another")
        return n

    @field_validator("tools", "functions", "logprobs")
    @classmethod
    def _is_not_asked_for(cls, value: list[Any] | bool | None) -> list[Any] | bool | None:
        if value:
            raise ValueError("is not supported; leave it out")
        return value

    @field_validator("response_format")
    @classmethod
    def _is_plain(cls, response_format: dict[str, Any] | None) -> dict[str, Any] | None:
        if response_format and response_format.get("type") != "text":
            raise ValueError("answers are text; leave it out")
        return response_format

    @property
    def stop_texts(self) -> tuple[str, ...]:
        """The texts that end an answer."""
        if self.stop is None:
            return ()
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    @property
    def longest(self) -> int | None:
        """The most tokens wanted; the newer name of the field comes first."""
        return self.max_completion_tokens or self.max_tokens


class SearchRequest(BaseModel):
    """A question to which passages are wanted, without an answer."""

    model_config = ConfigDict(extra="forbid")

    question: Text = Field(pattern=r"\S", description="What to search for.")
    corpus: Text = Field("", description="Empty: 'default', or the only one there is.")
    corpora: list[ShortText] = Field([], max_length=_MOST_CORPORA, description="Several, searched together.")
    k: Whole | None = Field(None, ge=1, le=1000, description="How many passages; retrieval.k unless given.")
    filter: Filter | None = None

    @field_validator("corpora")
    @classmethod
    def _is_alone(cls, corpora: list[str], info: ValidationInfo) -> list[str]:
        if corpora and info.data.get("corpus"):
            raise ValueError("name either a corpus or several corpora")
        return corpora

    @property
    def names(self) -> list[str]:
        """The corpora that are named; none where the caller leaves it to us."""
        return self.corpora or ([self.corpus] if self.corpus else [])


class SearchReply(BaseModel):
    """What ``assistant search --json`` prints."""

    id: str | int | None
    question: str
    hits: list[dict[str, Any]]


class Usage(BaseModel):
    """Tokens that the model read and wrote; none when the evidence was too weak to ask it."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Reply(BaseModel):
    """The assistant's turn."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class Choice(BaseModel):
    """The one answer."""

    index: int = 0
    message: Reply
    finish_reason: Literal["stop", "length"]
    logprobs: None = None


class ChatReply(BaseModel):
    """OpenAI's completion; ``grounding`` is what ``assistant ask --json`` prints."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    grounding: dict[str, Any]


class ModelReply(BaseModel):
    """A corpus, or a corpus and an adapter."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "assistant"
    corpus: str
    adapter: str | None


class ModelsReply(BaseModel):
    """All models."""

    object: Literal["list"] = "list"
    data: list[ModelReply]


class Health(BaseModel):
    """Whether questions can be answered, and why not."""

    status: Literal["ready", "loading", "failed"]
    reason: str


class ErrorBody(BaseModel):
    """What went wrong, and the remedy."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorReply(BaseModel):
    """OpenAI's error object."""

    error: ErrorBody


class RequestRefused(UsageError):
    """A request that is not carried out, with the HTTP status that says why.

    ``retry_after`` are seconds after which it may be tried again; None where trying again does not help.
    """

    def __init__(
        self,
        message: str,
        remedy: str = "",
        status: int = 400,
        code: str = "invalid_request",
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, remedy)
        self.status = status
        self.code = code
        self.param = param
        self.retry_after = retry_after


class JSON(Response):
    """JSON in ASCII: a file name that is no Unicode can be told, too."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """``content`` as bytes."""
        return json.dumps(content, separators=(",", ":")).encode()


def as_refusal(error: Exception) -> RequestRefused:
    """The status and code of an error: the caller's mistake (4xx), or one that the operator mends (500).

    Of an error that is not ours nothing is told: it may hold anything.
    """
    if isinstance(error, RequestRefused):
        return error
    if isinstance(error, UnknownCorpus):
        return RequestRefused(error.message, error.remedy, 404, "corpus_not_found", "corpus")
    if isinstance(error, (UnknownModel, UnknownAdapterError)):
        return RequestRefused(error.message, error.remedy, 404, "model_not_found", "model")
    if isinstance(error, QuestionTooLongError):
        return RequestRefused(error.message, error.remedy, 413, "question_too_long")
    if isinstance(error, PromptTooLongError):
        return RequestRefused(error.message, error.remedy, 400, "context_length_exceeded", "messages")
    if isinstance(error, UsageError):
        return RequestRefused(error.message, error.remedy)
    if isinstance(error, StateDown):
        return RequestRefused(error.message, error.remedy, 503, "state_unavailable", retry_after=STATE_SECONDS)
    if isinstance(error, AssistantError):
        return RequestRefused(error.message, error.remedy, 500, "assistant_error")
    return RequestRefused("Something went wrong.", "The server's log says what.", 500, "internal_error")


def error_object(refused: RequestRefused) -> dict[str, Any]:
    """The error object."""
    kinds = {401: "authentication_error", 429: "rate_limit_error"}
    kind = "server_error" if refused.status >= 500 else kinds.get(refused.status, "invalid_request_error")
    message = visible(str(refused))[:_LONGEST_MESSAGE]
    return {"error": {"message": message, "type": kind, "param": refused.param, "code": refused.code}}


def error_response(error: Exception) -> Response:
    """The response to a request that failed."""
    refused = as_refusal(error)
    headers = {} if refused.retry_after is None else {"Retry-After": str(math.ceil(refused.retry_after))}
    if refused.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSON(error_object(refused), refused.status, headers)


def from_validation(error: RequestValidationError) -> RequestRefused:
    """The first thing that is wrong with a request; its values are not repeated, they may be long or secret."""
    wrong = error.errors()
    if wrong[0]["type"] == "json_invalid":
        reason = wrong[0].get("ctx", {}).get("error", "it cannot be read")
        return RequestRefused(f"The body is no JSON: {reason} at character {wrong[0]['loc'][-1] + 1}.")
    parts = [_place(one, error.body) for one in wrong]
    # Of a value that may have several forms, the one that it is most like is wrong furthest inside.
    of_first = [number for number, place in enumerate(parts) if place[: len(parts[0])] == parts[0]]
    told = max(of_first, key=lambda number: len(parts[number]))
    place = visible(".".join(parts[told]))[:100]
    reason = str(wrong[told]["msg"]).removeprefix("Value error, ")
    return RequestRefused(f"{place}: {reason}." if place else f"{reason}.", param=place or None)


def _place(wrong: Mapping[str, Any], body: Any) -> list[str]:
    """Where something is wrong in a body. What leads nowhere there only names one of the forms that it may have."""
    path = wrong.get("loc", ())[1:]
    names = []
    for number, part in enumerate(path, 1):
        is_there = part in body if isinstance(body, Mapping) else isinstance(body, list) and isinstance(part, int)
        if is_there:
            body = body[part]
        if is_there or (wrong["type"] == "missing" and number == len(path)):
            names.append(str(part))
    return names
