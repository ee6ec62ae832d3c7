"""OpenAI's requests and replies: messages as what the assistant takes, and an answer as a completion or its chunks.

A list of messages is a question, the turns before it, and the caller's wishes. An engine that stands in front of the
service's own ends an answer where the caller wants it to end, and counts tokens.
"""

import json
import logging
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Collection, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import groupby
from typing import Any, Literal

from assistant.engines import Engine, FrontingEngine
from assistant.engines.thinking import until
from assistant.render.records import answer_json
from assistant.render.streaming import SettledText, as_said, text_of
from assistant.retrieval.retriever import refuse_long
from assistant.service import Query, ServedModel
from assistant.types import Answer, Grounded, Message, Update
from assistant.untrusted.injection import harmless
from ui.api.protocol import (
    ChatMessage,
    ChatReply,
    ChatRequest,
    Choice,
    Reply,
    RequestRefused,
    Usage,
    as_refusal,
    error_object,
)

_QUESTION = Message("user", "?")
_log = logging.getLogger("uvicorn.error")
_DONE = "data: [DONE]\n\n"


def refuse_long_texts(request: ChatRequest, longest: int) -> None:
    """Raise QuestionTooLongError for a question or a system text of more than ``longest`` characters."""
    question = "".join(turn.content for turn in _turns(request.messages)[-1:])
    for text in (question, _wishes(request)):
        refuse_long(text, longest)


def asked_of(request: ChatRequest, model: ServedModel, also: tuple[str, ...], control_tokens: Collection[str]) -> Query:
    """The question of a request, to a model and ``also`` other corpora.

    Raises RequestRefused when its last turn is not a user's, or is empty.
    """
    turns = _turns(request.messages)
    if not turns or turns[-1].role != "user" or not turns[-1].content.strip():
        raise RequestRefused("The last message has to be a question of the user.", param="messages")
    return Query(
        model=model,
        question=turns[-1].content,
        history=tuple(turns[:-1]),
        only=request.filter or None,
        instructions=harmless(_wishes(request), control_tokens),
        max_new_tokens=request.longest,
        temperature=request.temperature,
        also=also,
    )


def _wishes(request: ChatRequest) -> str:
    wishes = (message.text for message in request.messages if message.role in ("system", "developer"))
    return "\n\n".join(filter(str.strip, wishes))


def _turns(messages: Sequence[ChatMessage]) -> list[Message]:
    """User and assistant in turn, the user first: chat templates of many models refuse anything else."""
    spoken = [message for message in messages if message.role in ("user", "assistant") and message.text]
    turns = []
    for role, some in groupby(spoken, key=lambda message: message.role):
        texts = (message.text for message in some)
        if role == "user":
            turns.append(Message("user", "\n\n".join(texts)))
        else:
            turns.append(Message("assistant", "\n\n".join(map(as_said, texts))))
    return turns[1:] if turns and turns[0].role == "assistant" else turns


class MeasuredEngine(FrontingEngine):
    """The engine of one answer; ``prompt_tokens`` and ``completion_tokens`` are those of what was read and said."""

    def __init__(self, engine: Callable[[], Engine], stop: Sequence[str] = ()) -> None:
        """``engine`` is called when it is first needed. ``stop`` texts end an answer and are not part of it."""
        super().__init__(engine)
        self._stop = tuple(stop)
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.ran_out = False
        """Whether the answer ended because no more tokens were allowed."""

    def stream(
        self, messages: Sequence[Message], max_new_tokens: int, temperature: float, adapter: str | None = None
    ) -> Generator[str, None, bool]:
        """The answer up to the first stop text, and whether it was cut."""
        self.prompt_tokens = self.count(messages)
        said = ""

        def whole() -> Generator[str, None, None]:
            self.ran_out = yield from self._engine.stream(messages, max_new_tokens, temperature, adapter)

        try:
            with closing(whole()) as pieces:
                for piece in until(pieces, self._stop):
                    said += piece
                    yield piece
        finally:
            self.completion_tokens = 0
            if said:  # some chat templates take no answer without a question
                with_answer, without = Message("assistant", said), Message("assistant", "")
                self.completion_tokens = self.count([_QUESTION, with_answer]) - self.count([_QUESTION, without])
        return self.ran_out


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
