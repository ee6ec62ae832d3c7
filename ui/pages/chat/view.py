"""The chat as HTML: turns with their replies and why these are what they are, conversations, what an empty chat says.

A sentence of an answer has the numbers of its passages behind it, or the word that it is unsupported. Buttons carry
what they do in ``data-do`` and what they do it to in other ``data-`` attributes; the page's callbacks get exactly these
(``ui.pages.events``).
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Any

from markupsafe import Markup

from assistant.render.transcript import opening_of, rest_of
from assistant.text.languages import Language
from assistant.types import Answer, Evidence, Grounded, Retrieved, Sentence, Trace, Words
from assistant.workspace import DEFAULT_CORPUS
from ui.answering import Event, Waiting
from ui.conversations import MOST_LISTED
from ui.export import copied_text, reply_name, vouched
from ui.scope import Offered, Scope
from ui.shown.prose import StyledSpan, prose, settled, verbatim
from ui.shown.templates import filled, source_line
from ui.texts import Texts, language_name, shown_date
from ui.turns import ListedConversation, Turn, TurnReply

_MOST_NEAREST = 3  # as many as quotations that come closest


@dataclass(slots=True)
class Draft:
    """An answer that is coming in."""

    corpus: str
    place: int = 0
    """In the line; 0 when it has begun."""
    searched: str = ""
    hits: tuple[Evidence, ...] = ()
    heard: str = ""
    sentences: list[Sentence] = field(default_factory=list)
    answer: Answer | None = None
    model: str = ""
    """Who gives it, as the setting names it; empty until it has begun."""

    def take(self, event: Event) -> None:
        """What happened next."""
        match event:
            case Waiting():
                self.place = event.place
            case Retrieved():
                self.place, self.searched, self.hits = 0, event.standalone_question, event.hits
            case Words():
                self.heard += event.text
            case Grounded():
                self.sentences.append(event.sentence)
            case Answer():
                self.answer = event


def draft_html(draft: Draft, question: str, words: Texts) -> Markup:
    """An answer while it comes in."""
    if draft.answer is not None:
        return answer_html(draft.answer, draft.corpus, words)
    if draft.place:
        return filled("pages/chat/view.status", text=words("chat.waiting", place=draft.place))
    if not draft.hits:
        return filled("pages/chat/view.status", text=words("chat.searching"))
    if not draft.heard:
        count = len(draft.hits)
        reading = words("chat.reading_one") if count == 1 else words("chat.reading", count=count)
        return filled("pages/chat/view.begun", question=question, searched=draft.searched, reading=reading, words=words)
    spans = _spans(draft.heard, draft.sentences, draft.hits, draft.corpus, words)
    said = prose(settled(draft.heard), spans)
    return filled("pages/chat/view.coming", question=question, searched=draft.searched, said=said, words=words)


def answer_html(answer: Answer, corpus: str, words: Texts, suggestions: Sequence[str] = ()) -> Markup:
    """A whole answer, or a refusal with what helps: ``suggestions`` are questions that have an answer."""
    said = Markup()
    lead = opening_of(answer) if answer.refused else ""
    if not (answer.small_talk or answer.hedged or (answer.refused and not answer.sentences)):
        behind = answer.text.removeprefix(lead)
        spans = _spans(behind, vouched(answer).sentences, answer.hits, corpus, words)
        # Texts of an answer that was stopped in its first sentence are no sentence yet.
        text = behind[: spans[-1].start] + rest_of(answer) if answer.sentences else behind
        # Documents that are quoted wrote no Markdown of ours.
        said = verbatim(text, spans) if answer.quoted else prose(text, spans)
    cited = {one.hit: one for sentence in answer.sentences for one in reversed(sentence.citations)}
    return filled(
        "pages/chat/view.answer",
        answer=answer,
        corpus=corpus,
        lead=lead,
        said=said,
        hits={hit.rank: hit for hit in answer.hits},
        parts=[(hit, cited[hit.rank]) for hit in answer.hits if hit.rank in cited],
        nearest=answer.hits[:_MOST_NEAREST],
        suggestions=suggestions,
        words=words,
    )


def turn_html(turn: Turn, words: Texts) -> Markup:
    """A turn that is complete, and below it the form to say what is right and wrong in the answer."""
    shown = []
    for at, reply in enumerate(turn.replies):
        parts = [narrowing(part, value, words) for part, value in reply.scope.narrowings]
        asked_of = filled("pages/chat/view.asked_of", parts=parts, words=words)
        answer = answer_html(reply.answer, reply.corpus, words, reply.suggestions)
        shown.append((reply_name(turn, at, words), asked_of + answer, reply.stopped))
    return filled("pages/chat/view.turn", turn=turn, shown=shown, copied=copied_text(turn, words), words=words)


def asking_html(question: str, drafts: Sequence[Draft], words: Texts) -> Markup:
    """A turn that is coming in."""
    shown = [("", draft_html(draft, question, words), False) for draft in drafts]
    return filled("pages/chat/view.asking", question=question, shown=shown, words=words)


def failed_html(question: str, message: str, remedy: str, words: Texts) -> Markup:
    """A question that could not be answered, and what helps."""
    return filled("pages/chat/view.failed", question=question, message=message, remedy=remedy, words=words)


def editing_html(words: Texts) -> Markup:
    """That an earlier question stands in the box, and how to leave it."""
    return filled("pages/chat/view.editing", words=words)


def scope_html(
    scope: Scope, offered: Offered, words: Texts, *, reading: Sequence[str] = (), may_add: bool = False
) -> Markup:
    """Which documents are asked: each part that leaves something out to be taken away, and a form to choose others.

    ``reading`` are files that will be asked once they are read; ``may_add`` those that are to a collection.
    """
    chips = [(part, value, narrowing(part, value, words)) for part, value in scope.narrowings]
    languages = [(code, language_name(code)) for code in offered.languages]
    adding = (offered.corpora or (DEFAULT_CORPUS,)) if scope.files and may_add else ()
    return filled(
        "pages/chat/view.scope",
        scope=scope,
        offered=offered,
        chips=chips,
        languages=languages,
        reading=reading,
        adding=adding,
        words=words,
    )


def narrowing(part: str, value: str, words: Texts) -> str:
    """One part of a scope as people read it."""
    match part:
        case "since" | "until":
            with suppress(ValueError):  # what is kept of a conversation may be no date
                return words(f"scope.is_{part}", date=date.fromisoformat(value))
        case "language":
            return language_name(value)
        case "folder":
            return f"{value}/"
    return value


def conversations_html(
    headings: Sequence[ListedConversation],
    current: int | None,
    words: Texts,
    language: Language,
    searched: str = "",
    *,
    unfolded: int | None = None,
    may_share: bool = False,
) -> Markup:
    """The conversations by folder, with the number of the open one, listed or not. ``unfolded``: whose menu is."""
    today = datetime.now(UTC).astimezone().date()

    def when(one: ListedConversation) -> str:
        moment = one.updated.astimezone()
        return f"{moment:%H:%M}" if moment.date() == today else shown_date(moment.date(), language)

    def place(one: ListedConversation) -> tuple[bool, str, str]:
        """What is pinned stands above the folders, all else that is in none below them."""
        return not (one.folder or one.is_pinned), one.folder.casefold(), one.folder

    return filled(
        "pages/chat/view.conversations",
        groups=[
            (folder, [(one, when(one)) for one in some])
            for (*_, folder), some in groupby(sorted(headings, key=place), place)
        ],
        folders=sorted({one.folder for one in headings} - {""}),
        count=len(headings),
        current=current,
        searched=searched,
        most=MOST_LISTED,
        unfolded=unfolded,
        may_share=may_share,
        language=language,
        words=words,
    )


def welcome_html(suggestions: Iterable[str], corpora: Sequence[str], words: Texts) -> Markup:
    """What an empty chat says: what it is for, and questions to begin with."""
    return filled("pages/chat/view.welcome", suggestions=list(suggestions), corpora=corpora, words=words)


def _spans(
    text: str, sentences: Sequence[Sentence], hits: Sequence[Evidence], corpus: str, words: Texts
) -> list[StyledSpan]:
    """The sentences where they stand in a text, with their marks, and the words that are no sentence yet."""
    known = {hit.rank: hit for hit in hits}
    spans: list[StyledSpan] = []
    at = 0
    for sentence in sentences:
        if (start := text.find(sentence.text, at)) < 0:
            continue
        at = start + len(sentence.text)
        if not sentence.supported:
            opening, tag = (
                filled(f"pages/chat/view.{macro}", words=words) for macro in ("unsupported", "unsupported_tag")
            )
            spans.append(StyledSpan(start, at, opening, Markup("</span>"), tag))
            continue
        marks = Markup()
        for one in sentence.citations:
            hit = known.get(one.hit)
            source = source_line(hit.part(one.start, one.end), words) if hit else one.document
            where = hit.corpus or corpus if hit else corpus
            marks += filled("pages/chat/view.mark", citation=one, corpus=where, source=source, words=words)
        spans.append(StyledSpan(start, at, behind=marks))
    return [*spans, StyledSpan(at, len(text), Markup('<span class="unchecked">'), Markup("</span>"))]


_STEPS = ("rewrite", "retrieve", "judge", "prompt", "generate", "ground", "quote")


def reasons_html(turn: Turn, words: Texts) -> Markup:
    """The steps from the question to each reply, by its name where there are two."""
    replies = [_reasons(reply, reply_name(turn, at, words), words) for at, reply in enumerate(turn.replies)]
    return filled("pages/chat/view.reasons", replies=replies, words=words)


def _reasons(reply: TurnReply, name: str, words: Texts) -> dict[str, Any]:
    answer, trace = reply.answer, reply.answer.trace
    if trace is None:
        return {"name": name, "trace": None}
    left_out = {hit.chunk for hit in trace.found if hit.rank in trace.dropped}
    read = {hit.chunk for hit in answer.hits} - left_out if trace.prompt else set()
    found = []
    for hit in trace.found:
        sides = (
            words("why.meaning", rank=hit.dense_rank) if hit.dense_rank else "",
            words("why.wording", rank=hit.lexical_rank) if hit.lexical_rank else "",
            "" if hit.chunk in read else words("why.unread"),
        )
        found.append((hit, ", ".join(filter(None, sides))))
    probability, threshold = trace.judgement.get("probability"), trace.judgement.get("threshold")
    judged = ""
    if probability is not None and threshold is not None:
        shares = {"probability": _percent(probability, words), "threshold": _percent(threshold, words)}
        judged = words("why.probability", **shares)
    known = {"probability", "threshold"}
    spent = {
        one: f"{answer.timings[one]:.2f}".replace(".", words("format.decimal"))
        for one in _STEPS
        if one in answer.timings
    }
    return {
        "name": name,
        "corpus": reply.corpus,
        "trace": trace,
        "found": found,
        "judged": judged,
        "features": [f"{feature}: {value:.3f}" for feature, value in trace.judgement.items() if feature not in known],
        "outcome": _outcome(answer, trace, words),
        "took": [f"{words(f'why.step_{one}')}: {seconds} s" for one, seconds in spent.items()],
    }


def _outcome(answer: Answer, trace: Trace, words: Texts) -> str:
    if not answer.refused:
        unsupported = sum(not sentence.supported for sentence in answer.sentences)
        if answer.hedged or answer.quoted:
            return words("why.hedged" if answer.hedged else "why.quoted")
        return words("why.partly", count=unsupported) if unsupported else words("why.supported")
    if not trace.found:
        return words("why.refused_nothing")
    if answer.readings:
        return words("why.refused_unclear")
    if trace.prompt:
        return words("why.refused_model")
    return words("why.refused_weak", probability=_percent(1 - trace.judgement.get("probability", 0.0), words))


def _percent(share: float, words: Texts) -> str:
    return words("why.percent", percent=f"{100 * share:.0f}")
