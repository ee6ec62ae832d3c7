"""An answer as OpenAI's completion, or as the chunks of one."""

import json
import logging
import time
import uuid
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

from assistant.render.records import answer_json
from assistant.render.streaming import SettledText, text_of
from assistant.types import Answer, Grounded, Update
from ui.api.generation import MeasuredEngine
from ui.api.problems import as_refusal, error_object
from ui.api.schemas import ChatReply, Choice, Reply, Usage

_log = logging.getLogger("uvicorn.error")
_DONE = "data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Head:
    """What all chunks of a completion have in common. ``created`` is in seconds since 1970."""

    model: str
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))


def completion(head: Head, answer: Answer, engine: MeasuredEngine, with_sources: bool) -> dict[str, Any]:
    """The whole completion."""
    choice = Choice(message=Reply(content=text_of(answer, with_sources)), finish_reason=_finish_reason(engine))
    return ChatReply(
        id=head.id,
        created=head.created,
        model=head.model,
        choices=[choice],
        usage=usage_of(engine),
        grounding=answer_json(head.id, answer),
    ).model_dump()


async def chunks(
    head: Head, updates: AsyncGenerator[Update, None], engine: MeasuredEngine, teller: SettledText, include_usage: bool
) -> AsyncGenerator[str, None]:
    """The completion as server-sent events: role, text, grounding with the reason why it ended, usage, the end."""
    yield _event(_chunk(head, {"role": "assistant", "content": ""}))
    try:
        async for update in updates:
            for event in _events(head, update, engine, teller):
                yield event
    except Exception as error:
        # The status is told already; what is left is to say so in the stream.
        refused = as_refusal(error)
        if refused.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.exception("An answer failed.")
        yield _event(error_object(refused))
        return
    if include_usage:
        yield _event({**_chunk(head, None), "usage": usage_of(engine).model_dump()})
    yield _DONE


def usage_of(engine: MeasuredEngine) -> Usage:
    """Tokens read and written."""
    read, written = engine.prompt_tokens, engine.completion_tokens
    return Usage(prompt_tokens=read, completion_tokens=written, total_tokens=read + written)


def _events(head: Head, update: Update, engine: MeasuredEngine, teller: SettledText) -> Iterator[str]:
    if isinstance(update, Grounded) and (text := teller.next(update.sentence)):
        yield _event(_chunk(head, {"content": text}))
    if isinstance(update, Answer):
        if text := teller.rest(update):
            yield _event(_chunk(head, {"content": text}))
        last = _chunk(head, {}, _finish_reason(engine))
        yield _event({**last, "grounding": answer_json(head.id, update)})


def _chunk(head: Head, delta: dict[str, Any] | None, finish_reason: str | None = None) -> dict[str, Any]:
    """One chunk; without a delta it has no choices."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {
        "id": head.id,
        "object": "chat.completion.chunk",
        "created": head.created,
        "model": head.model,
        "choices": [] if delta is None else [choice],
    }


def _finish_reason(engine: MeasuredEngine) -> Literal["stop", "length"]:
    return "length" if engine.ran_out else "stop"


def _event(content: dict[str, Any]) -> str:
    return f"data: {json.dumps(content, separators=(',', ':'))}\n\n"
