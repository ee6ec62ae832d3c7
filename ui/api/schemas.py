"""Requests and replies as OpenAI's clients know them, and what is ours beside.

Fields of OpenAI's that are not here are ignored; those that would change an answer and cannot be honoured are refused.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, StringConstraints, field_validator

from assistant.types import Filter, well_formed

_MOST_MESSAGES = 500
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


class FilterBody(BaseModel):
    """Only documents that fit every part: paths, a glob over them, equal metadata."""

    model_config = ConfigDict(extra="forbid")

    documents: Annotated[tuple[Text, ...], Field(max_length=1000)] = ()
    folder: Text = ""
    metadata: dict[Text, Text] = Field(default_factory=dict)

    def as_filter(self) -> Filter | None:
        """The filter; None when it would let everything through."""
        return Filter(self.documents, self.folder, self.metadata) or None


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

    model: ShortText = Field(description="A corpus, or corpus/adapter; /v1/models lists them.")
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
    filter: FilterBody | None = Field(None, description="Ours: which documents may answer.")

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
    k: Whole | None = Field(None, ge=1, le=1000, description="How many passages; retrieval.k unless given.")
    filter: FilterBody | None = None


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
