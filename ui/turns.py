"""A question and what was replied to it, as both are kept and shown.

A question that is asked anew stands beside the one of before: the turns of a conversation are a tree, and one branch
of it is shown.

    1 ─ 2 ─ 3
      └ 4 ─ 5        3 and 5 follow two versions of the second question; 5 was looked at last: 1, 4, 5 are shown
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter

from assistant.errors import UsageError
from assistant.feedback.database import Verdict
from assistant.types import Answer, Message
from assistant.workspace import Resource, ResourceKind, all_shown
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
    def resources(self) -> frozenset[Resource]:
        """What it was made from, and could say something of."""
        searched = () if self.scope.files else self.scope.corpora
        corpora = filter(None, (self.corpus, *searched, *(hit.corpus for hit in self.answer.hits)))
        named: set[Resource] = {("corpus", name) for name in corpora}
        if self.adapter:
            named.add(("adapter", self.adapter))
        return frozenset(named)

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
    versions: tuple[int, ...] = ()
    """The turns that were asked in this place, in order, this one among them; empty where it was asked once."""

    @property
    def model_line(self) -> str:
        """The model and the adapter whose words are shown: ``bundled · house``.

        Empty of two answers, and where a person, the documents or a computation speaks, or nobody was asked.
        """
        reply, answer = self.replies[0], self.replies[0].answer
        others_speak = answer.checked or answer.quoted or answer.hedged or answer.refused
        was_asked = answer.trace is None or answer.trace.said
        told = len(self.replies) == 1 and reply.model and was_asked and not others_speak
        return " · ".join(filter(None, (Path(reply.model).name, reply.adapter))) if told else ""

    @property
    def standing(self) -> TurnReply:
        """The reply that the conversation goes on with."""
        return self.replies[max(0, self.preferred or 0)]

    @property
    def resources(self) -> frozenset[Resource]:
        """What its replies were made from."""
        return frozenset[Resource]().union(*(reply.resources for reply in self.replies))

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


@dataclass(frozen=True, slots=True)
class ListedConversation:
    """A conversation in a list."""

    id: int
    title: str
    updated: datetime
    is_pinned: bool = False
    shared: str = ""
    """What its link ends with; empty where nobody else may see it."""
    folder: str = ""
    """The name of the folder that it lies in; empty for none."""


class TurnRow(NamedTuple):
    """A turn as the database keeps it."""

    id: int
    parent: int | None
    """The turn that it follows; None for a first one."""
    seen: int
    """Of some turns that follow the same one, that with the greatest number was looked at last."""
    question: str
    replies: str
    blind: int
    preferred: int | None
    verdict: Verdict | None


class Branches:
    """The turns of a conversation, of which one branch is shown."""

    def __init__(self, rows: Iterable[TurnRow], shows: Callable[[ResourceKind, str], bool] = all_shown) -> None:
        """``rows`` in the order in which they were asked.

        A turn that was made from what ``shows`` does not show is not there, nor is what followed it: it may repeat it.
        """
        self._rows: dict[int, TurnRow] = {}
        self._following: dict[int | None, list[TurnRow]] = {}
        self._is_empty, is_whole = True, shows("workspace", "")
        for row in rows:
            self._is_empty = False
            is_reached = row.parent is None or row.parent in self._rows
            if is_reached and (is_whole or all(shows(*one) for one in self.turn(row).resources)):
                self._rows[row.id] = row
                self._following.setdefault(row.parent, []).append(row)

    def fit(self, title: str, words: Sequence[str]) -> bool:
        """Whether a conversation of this title is there for who looks, and has all ``words``, in small letters."""
        turns = [self.turn(row) for row in self._rows.values()]
        said = [one.answer.text for turn in turns for one in turn.replies]
        text = "\n".join((title, *(turn.question for turn in turns), *said)).casefold()
        return bool(turns or self._is_empty) and all(word in text for word in words)

    def shown(self) -> list[TurnRow]:
        """Of the turns in each place that which was looked at last, in order."""
        branch: list[TurnRow] = []
        at: int | None = None
        while versions := self._following.get(at):
            branch.append(max(versions, key=lambda row: (row.seen, row.id)))
            at = branch[-1].id
        return branch

    def before(self, turn: int) -> list[TurnRow]:
        """The turns that lead to one, in order. Raises UsageError for one that is not there."""
        branch: list[TurnRow] = []
        at = self.row(turn).parent
        while at is not None:
            branch.append(self.row(at))
            at = branch[-1].parent
        return branch[::-1]

    def row(self, turn: int) -> TurnRow:
        """One of the turns. Raises UsageError for one that is not there."""
        if turn not in self._rows:
            raise gone()
        return self._rows[turn]

    def versions(self, parent: int | None) -> tuple[int, ...]:
        """The turns that follow one."""
        return tuple(row.id for row in self._following.get(parent, ()))

    def turn(self, row: TurnRow) -> Turn:
        """A turn, with the versions of its question."""
        replies, versions = REPLIES.validate_json(row.replies), self.versions(row.parent)
        others = versions if len(versions) > 1 else ()
        return Turn(row.id, row.question, replies, bool(row.blind), row.preferred, row.verdict, others)


def gone() -> UsageError:
    """For what is looked for in a conversation that is not there, or not for the one who asks."""
    return UsageError("This conversation is not there any more.", "Begin a new one.")


def said_already() -> UsageError:
    """For one who votes for or judges the same answer twice, as on two pages at a time."""
    return UsageError("You have said what you think of this answer already.", "Load the page again to see it.")


def history_of(turns: Sequence[Turn]) -> tuple[Message, ...]:
    """A conversation as a model is told it."""
    return tuple(
        message
        for turn in turns
        for message in (Message("user", turn.question), Message("assistant", turn.standing.answer.text))
    )
