"""A question and what was replied to it, as both are kept and shown."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter

from assistant.feedback.store import Verdict
from assistant.types import Answer, Message
from ui.scope import EVERYTHING, Scope


@dataclass(frozen=True, slots=True)
class TurnReply:
    """An answer, and what gave it."""

    corpus: str
    adapter: str | None
    answer: Answer
    stopped: bool = False
    """The one who asked did not wait for the end."""
    suggestions: tuple[str, ...] = ()
    """Questions that the documents answer, where they did not answer this one."""
    scope: Scope = EVERYTHING
    """Which documents were asked; empty in what was kept before that could be chosen."""
    model: str = ""
    """The language model, as its setting names it; empty in what was kept before it could be chosen."""

    @property
    def asked_of(self) -> str:
        """The corpus as people know it, or the files of the conversation."""
        return ", ".join(self.scope.files) or self.corpus

    @property
    def as_shared(self) -> "TurnReply":
        """What others are given: of files that they may not open, what the answer says and cites, and no passage."""
        if not self.scope.files:
            return self
        cited = {one.hit for sentence in self.answer.sentences for one in sentence.citations}
        hits = tuple(replace(hit, text="", context="") for hit in self.answer.hits if hit.rank in cited)
        return replace(self, answer=replace(self.answer, hits=hits, trace=None), suggestions=())


REPLIES = TypeAdapter(tuple[TurnReply, ...])


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and the reply to it; two replies where models were compared."""

    id: int
    question: str
    replies: tuple[TurnReply, ...]
    blind: bool = False
    """The names of what replied are not shown before the vote."""
    preferred: int | None = None
    """Which reply was voted for; -1: neither is better."""
    verdict: Verdict | None = None
    """What the one who asked said of the answer."""

    @property
    def model_line(self) -> str:
        """The model and the adapter that answered: ``bundled · house``; empty of two answers and of a checked one."""
        reply = self.replies[0]
        told = len(self.replies) == 1 and reply.model and not reply.answer.checked
        return " · ".join(filter(None, (Path(reply.model).name, reply.adapter))) if told else ""

    @property
    def standing(self) -> TurnReply:
        """The reply that the conversation goes on with."""
        return self.replies[max(0, self.preferred or 0)]

    @property
    def is_private(self) -> bool:
        """Whether files of the conversation were asked: nobody else is told what was said of them."""
        return any(reply.scope.files for reply in self.replies)

    @property
    def is_small_talk(self) -> bool:
        """Whether nothing was asked of the documents."""
        return is_small_talk(self.replies)


def is_small_talk(replies: Sequence[TurnReply]) -> bool:
    """Whether nothing was asked of the documents."""
    return all(reply.answer.small_talk for reply in replies)


def history_of(turns: Sequence[Turn]) -> tuple[Message, ...]:
    """A conversation as a model is told it."""
    return tuple(
        message
        for turn in turns
        for message in (Message("user", turn.question), Message("assistant", turn.standing.answer.text))
    )
