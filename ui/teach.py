"""What someone says about an answer on the chat page, kept with all that it is about.

teaching_html(turn, words)                     stands under the answer; its buttons and form raise ``teach``
taught(context, user, turn, event._data)       keeps what came back
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace

from assistant.artifacts.cards import BASE
from assistant.errors import UsageError
from assistant.feedback.store import CHOICES, FAULTS, VERDICTS, Assessment, Choice, Versions, Vote
from assistant.service import open_corpus
from assistant.types import Answer, Message
from ui.context import AppContext
from ui.conversations import Turn, TurnReply, said_already
from ui.people import User


def taught(
    context: AppContext, user: User, turn: Turn, data: Mapping[str, object], history: tuple[Message, ...] = ()
) -> None:
    """Keep what ``user`` says about an answer of theirs.

    ``data`` is what a browser sent. Raises UsageError for what cannot be a judgement, and for a second one.
    """
    if turn.verdict is not None:
        raise said_already()
    reply = turn.standing
    judgement = judgement_of(data)
    if judgement.correction == reply.answer.text.strip():
        judgement = replace(judgement, correction="")  # the form begins with the answer, and nobody changed it
    elif "correction" in data and not judgement.correction:
        # Emptied: the form says that this means that the documents have no answer.
        judgement = replace(judgement, faults=tuple(dict.fromkeys((*judgement.faults, "not_in_source"))))
    if judgement == Assessment(judgement.verdict) and judgement.verdict != "right":
        raise UsageError(context.text("teach.nothing_said"))
    corpus, answer = _in_one_corpus(reply, judgement)
    elsewhere = {hit.rank for hit in reply.answer.hits} - {hit.rank for hit in answer.hits}
    judgement = replace(judgement, sources=tuple(one for one in judgement.sources if one not in elsewhere))
    with closing(open_corpus(context.workspace, corpus)) as catalog:
        hashes = {file.path: file.hash for hit in answer.hits for file in catalog.files(path=hit.document)}
        versions = Versions(context.settings.engine.model, reply.adapter, catalog.generation())
    context.feedback.add(user.name, corpus, answer, versions, judgement, hashes, history)


def _in_one_corpus(reply: TurnReply, judgement: Assessment) -> tuple[str, Answer]:
    """The corpus that a judgement is about, and the answer with its passages alone: of several, that of the first
    passage that was named, else cited, else shown."""
    cited = [one.hit for sentence in reply.answer.sentences for one in sentence.citations]
    by_rank = {hit.rank: hit.corpus or reply.corpus for hit in reply.answer.hits}
    named = [by_rank[rank] for rank in (*judgement.sources, *cited, *by_rank) if rank in by_rank]
    corpus = next(iter(named), reply.corpus)
    hits = tuple(hit for hit in reply.answer.hits if by_rank[hit.rank] == corpus)
    return corpus, replace(reply.answer, hits=hits)


def judgement_of(data: Mapping[str, object]) -> Assessment:
    """What a form says. Raises UsageError for what no form of ours can say."""
    verdict = _one(data, "verdict")
    if verdict not in VERDICTS:
        raise UsageError("Say whether the answer is right, partly right or wrong.")
    faults = [fault for fault in _several(data, "faults") if fault in FAULTS]
    sources = [int(number) for number in _several(data, "sources") if number.isdecimal() and len(number) < 6]
    return Assessment(
        verdict,
        tuple(faults),
        _one(data, "note"),
        _one(data, "correction"),
        tuple(sources),
    )


def vote_of(user: User, turn: Turn) -> Vote:
    """The vote that stands in a turn of two replies. Raises UsageError where there is none."""
    if len(turn.replies) != 2 or turn.preferred is None:
        raise UsageError("There is no vote yet.")
    first, second = turn.replies
    choice: Choice = CHOICES[turn.preferred] if turn.preferred >= 0 else "neither"
    return Vote(
        user=user.name,
        corpus=first.corpus,
        question=turn.question,
        first=_who(first),
        second=_who(second),
        first_answer=first.answer.text,
        second_answer=second.answer.text,
        choice=choice,
        blind=turn.blind,
    )


def _who(reply: TurnReply) -> str:
    return reply.adapter or BASE


def _one(data: Mapping[str, object], name: str) -> str:
    return next(iter(_several(data, name)), "").strip()


def _several(data: Mapping[str, object], name: str) -> list[str]:
    value = data.get(name, ())
    values = value if isinstance(value, list | tuple) else [value]
    return [str(one) for one in values[:50]]
