"""OpenAI's list of messages as what the assistant takes: a question, the turns before it, and the caller's wishes."""

from collections.abc import Collection, Sequence
from itertools import groupby

from assistant.conversation.rewriting import refuse_long
from assistant.render.streaming import as_said
from assistant.service import Asked, ServedModel
from assistant.types import Message
from assistant.untrusted.turns import harmless
from ui.api.problems import RequestRefused
from ui.api.schemas import ChatMessage, ChatRequest


def refuse_long_texts(request: ChatRequest, longest: int) -> None:
    """Raise QuestionTooLongError for a question or a system text of more than ``longest`` characters."""
    question = "".join(turn.content for turn in _turns(request.messages)[-1:])
    for text in (question, _wishes(request)):
        refuse_long(text, longest)


def asked_of(request: ChatRequest, model: ServedModel, control_tokens: Collection[str]) -> Asked:
    """The question of a request. Raises RequestRefused when its last turn is not a user's, or is empty."""
    turns = _turns(request.messages)
    if not turns or turns[-1].role != "user" or not turns[-1].content.strip():
        raise RequestRefused("The last message has to be a question of the user.", param="messages")
    return Asked(
        model=model,
        question=turns[-1].content,
        history=tuple(turns[:-1]),
        only=request.filter.as_filter() if request.filter else None,
        instructions=harmless(_wishes(request), control_tokens),
        max_new_tokens=request.longest,
        temperature=request.temperature,
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
