"""What people say about answers: the form under an answer, what comes back of it, and the list of all as HTML.

teaching_html(turn, words)                     stands under the answer; its buttons and form raise ``teach``
taught(context, user, turn, event._data)       keeps what came back
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace

from markupsafe import Markup

from assistant.artifacts.cards import BASE
from assistant.errors import UsageError
from assistant.feedback.database import (
    CHOICES,
    FAULTS,
    VERDICTS,
    Assessment,
    Choice,
    Feedback,
    PassageRecord,
    Versions,
    Vote,
    shown_of,
)
from assistant.feedback.lineage import Uptake
from assistant.service import open_corpus
from assistant.store.index import Index
from assistant.text.printing import excerpt
from assistant.types import Answer, Message
from ui.context import AppContext
from ui.people import User
from ui.shown.components import OUTCOME_LOOKS, Badge, ListEntry
from ui.shown.templates import filled
from ui.texts import Texts, shown_date
from ui.turns import Turn, TurnReply, said_already


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
        versions = Versions(reply.model or context.settings.engine.model, reply.adapter, catalog.generation())
        hashes = _hashes(answer, catalog)
    context.feedback.add(user.name, corpus, answer, versions, judgement, hashes, history)


def _hashes(answer: Answer, catalog: Index) -> dict[str, str]:
    """Content hashes of the documents that an answer was shown passages of."""
    return {file.path: file.hash for hit in answer.hits for file in catalog.files(path=hit.document)}


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


def vote_of(context: AppContext, user: User, turn: Turn) -> Vote:
    """The vote that stands in a turn of two replies. Raises UsageError where there is none."""
    if len(turn.replies) != 2 or turn.preferred is None:
        raise UsageError("There is no vote yet.")
    first, second = turn.replies
    choice: Choice = CHOICES[turn.preferred] if turn.preferred >= 0 else "neither"
    shown, other = ([(hit.corpus, hit.document, hit.text) for hit in reply.answer.hits] for reply in turn.replies)
    evidence: tuple[PassageRecord, ...] = ()
    if shown == other and {corpus for corpus, *_ in shown} <= {"", first.corpus}:
        # A vote for an answer of a corpus that is gone is still a vote.
        with suppress(UsageError), closing(open_corpus(context.workspace, first.corpus)) as catalog:
            evidence = shown_of(first.answer, _hashes(first.answer, catalog))
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
        standalone_question=first.answer.standalone_question,
        evidence=evidence,
    )


def _who(reply: TurnReply) -> str:
    return reply.adapter or BASE


def _one(data: Mapping[str, object], name: str) -> str:
    return next(iter(_several(data, name)), "").strip()


def _several(data: Mapping[str, object], name: str) -> list[str]:
    value = data.get(name, ())
    values = value if isinstance(value, list | tuple) else [value]
    return [str(one) for one in values[:50]]


_LONGEST_TITLE = 90  # characters of a question, which opens whole
_BADGES = {"new": "warn", "accepted": "ok", "edited": "ok", "rejected": ""}


def teaching_html(turn: Turn, words: Texts) -> Markup:
    """The form under an answer: one click says that it is right, a short form what is wrong and how it should read."""
    return filled("pages/teaching/view.form", turn=turn, words=words)


def inbox_html(
    some: Sequence[Feedback], chosen: int | None, uptakes: Mapping[int, Uptake], context: AppContext
) -> Markup:
    """The list of what people said; a click opens one. ``uptakes``: what became of those that were accepted."""
    words, entries = context.text, []
    for one in some:
        facts = [words(f"teach.verdict_{one.judgement.verdict}"), one.user]
        facts.append(shown_date(one.made.astimezone().date(), context.language))
        if uptake := uptakes.get(one.id):
            facts += [words("teaching.became.learnt", names=", ".join(uptake.adapters))] if uptake.adapters else []
            facts += [f"{who}: {how}" for who, how in _answered(uptake, words)]
        badge = Badge(words(f"teaching.state_{one.state}"), _BADGES[one.state])
        title = excerpt(one.question, _LONGEST_TITLE)
        entries.append(ListEntry(one.id, title, " · ".join(facts), badge, is_chosen=one.id == chosen))
    return filled("pages/teaching/view.inbox", entries=entries, words=words)


def feedback_html(one: Feedback, stands: bool, supported: bool, uptake: Uptake | None, context: AppContext) -> Markup:
    """All of one judgement. ``stands``: the documents still say so; ``supported``: the passages say the correction;
    ``uptake``: what became of it, if it was accepted."""
    words, language = context.text, context.language
    about = words(
        "teaching.about",
        name=one.user,
        date=shown_date(one.made.astimezone(), language),
        corpus=one.corpus,
        adapter=one.versions.adapter or words("chat.base"),
    )
    # What accepting it would do, or has done.
    if one.state == "rejected":
        effect = "not_learnt"
    elif not stands:
        effect = "outdated"
    elif one.wants_refusal:
        effect = "refusal"
    elif not one.wanted:
        effect = "nothing_wanted"
    else:
        effect = "pair_and_case" if supported else "case_only"
    decided = ""
    if one.decided is not None:
        date, state = shown_date(one.decided.astimezone(), language), words(f"teaching.state_{one.state}")
        decided = words("teaching.decided", state=state, name=one.decided_by, date=date)
    return filled(
        "pages/teaching/view.feedback",
        one=one,
        about=about,
        effect=f"teaching.{effect}",
        decided=decided,
        became=list(_became(uptake, effect == "pair_and_case", words)) if uptake else [],
        report=uptake.report if uptake else "",
        answered=_answered(uptake, words) if uptake else [],
        words=words,
    )


def _became(uptake: Uptake, is_pair: bool, words: Texts) -> Iterator[str]:
    """What became of a correction, a line each; of one that becomes no pair, only what has learnt it before."""
    for name, split in uptake.pairs.items():
        yield words(f"teaching.became.{split}", name=name)
    if is_pair and not uptake.pairs:
        yield words("teaching.became.no_pairs")
    if uptake.adapters:
        yield words("teaching.became.learnt_by", names=", ".join(uptake.adapters))
    elif is_pair:
        yield words("teaching.became.not_learnt")
    if uptake.uncertain:
        yield words("teaching.became.uncertain", names=", ".join(uptake.uncertain))
    if not uptake.report:
        yield words("teaching.became.not_asked")


def _answered(uptake: Uptake, words: Texts) -> list[tuple[str, str]]:
    """Who answered it, and how, when it was last asked."""
    return [
        (system, words(f"evaluation.outcomes.{found}"))
        for system, found in uptake.answered.items()
        if found in OUTCOME_LOOKS
    ]
