"""What goes wrong, as error objects in OpenAI's form: ``{"error": {"message", "type", "param", "code"}}``."""

import json
import math
from collections.abc import Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.responses import Response

from assistant.errors import AssistantError, PromptTooLongError, QuestionTooLongError, UnknownAdapterError, UsageError
from assistant.service import UnknownCorpus, UnknownModel
from assistant.text.printing import visible

_LONGEST_MESSAGE = 500


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
