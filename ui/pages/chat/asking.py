"""Questions: from one to its answer on the page, a piece at a time, and those to begin with or to ask instead.

The latter come from the documents themselves: headings that are questions, else what headings are about.
"""

import asyncio
import itertools
import logging
import random
import threading
from collections.abc import AsyncGenerator, Hashable, Iterable, Iterator, Sequence, Set
from contextlib import aclosing, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import gradio as gr

from assistant.errors import AssistantError, QuestionTooLongError, UsageError, WorkspaceError
from assistant.service import Query, ServedModel, open_corpus
from assistant.text.languages import LANGUAGES, Language
from assistant.text.words import stems
from assistant.types import HEADING_SEPARATOR, Answer, Filter, Message
from assistant.workspace import Resource, Workspace
from ui.answering import Waiting
from ui.context import AppContext
from ui.conversations import FILES
from ui.logs import note
from ui.pages.chat.parts import Parts
from ui.pages.chat.view import Draft, asking_html, conversations_html, failed_html, turn_html
from ui.scope import EVERYTHING, Scope
from ui.shown.templates import filled
from ui.texts import texts
from ui.turns import Turn, TurnReply, history_of

_log = logging.getLogger("uvicorn.error")
_LONGEST_END_SECONDS = 10.0
"""A page that takes no more of an answer must not hold up the next one for ever."""


@dataclass(frozen=True, slots=True)
class Question:
    """What someone wants to know, of which models, and where it belongs."""

    user: str
    text: str
    models: tuple[ServedModel, ...]
    conversation: int | None = None
    replaced: int | None = None
    """The turn that it is shown in place of, with all after it."""
    blind: bool = False
    draft: str = ""
    """What else stood in the box; it stands there again."""
    scope: Scope = EVERYTHING

    def asked(self, model: ServedModel, history: tuple[Message, ...] = (), files: Workspace | None = None) -> Query:
        """What one of the models is asked; another collection that it is compared with is asked as a whole.

        ``files`` holds those of the conversation, where they are asked alone.
        """
        corpora, alone = self.scope.corpora, len(self.models) == 1
        if files:
            return Query(model, self.text, history, self.scope.only, folder=files.corpus(FILES))
        if model.corpus not in corpora:
            return Query(model, self.text, history, checked=alone)
        also = tuple(one for one in corpora if one != model.corpus)
        return Query(model, self.text, history, self.scope.only, checked=alone, also=also)


@dataclass(frozen=True, slots=True)
class Edit:
    """An earlier question that is being changed."""

    turn: int
    draft: str
    """What stood in the box before."""


@dataclass(slots=True, eq=False)
class Running:
    """What goes on for a page: a question that is being answered, or files that are read."""

    stop: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    is_reading: bool = False
    """Files are read, and no question is answered."""
    is_shown: bool = True
    """False as soon as the page shows something else; what has come is kept all the same."""
    conversation: int | None = None
    """In which it is kept."""


@dataclass(slots=True)
class Asking:
    """Asks questions for a page, and stops them."""

    context: AppContext
    running: dict[str, Running] = field(default_factory=dict)
    """By the session of the page, which shows one answer at a time."""

    def stop(self, session: str) -> None:
        """End the answer that is coming in; what has come stays."""
        if running := self.running.get(session):
            running.stop.set()

    def leave(self, session: str) -> None:
        """The same, because the page is to show something else: afterwards nothing of the answer comes there any more.

        Waits, and is not to be called in the event loop.
        """
        if running := self.running.get(session):
            running.is_shown = False
            running.stop.set()
            running.ended.wait(_LONGEST_END_SECONDS)
            self._forget(session, running)

    def files(self, user: str, conversation: int | None, scope: Scope) -> Workspace | None:
        """What holds the files that are asked alone; None where none are. Raises UsageError for some that are gone."""
        if not scope.files:
            return None
        files = self.context.conversations.files(user, conversation or 0)
        if files is None:
            names = ", ".join(scope.files)
            raise UsageError(self.context.text("attach.gone", names=names), self.context.text("attach.again"))
        return files

    def told_with(self, earlier: Sequence[Turn], resources: Set[Resource]) -> list[Turn]:
        """What was said before, as far as an answer from ``resources`` may be told it.

        Where rights are set, another may read these and not what else was asked: the answer could repeat it.
        """
        if self.context.rights.rights().limit_nobody:
            return list(earlier)
        corpora = {one for one in resources if one[0] == "corpus"}
        return [one for one in earlier if {of for of in one.resources if of[0] == "corpus"} <= corpora]

    def refuse_too_often(self, user: str) -> None:
        """Raise UsageError for one who has asked, or brought files, more often than anyone may."""
        if seconds := self.context.questions.wait(user):
            words = self.context.text
            raise UsageError(words("chat.too_often"), words("chat.too_often_help", seconds=round(seconds) or 1))

    def reads(self, session: str) -> bool:
        """Whether files are being read for a page."""
        running = self.running.get(session)
        return running is not None and running.is_reading

    @contextmanager
    def reading(self, session: str) -> Iterator[Running]:
        """Files are being read for a page while the block runs. Raises UsageError where something else goes on."""
        if session in self.running:
            raise UsageError(self.context.text("attach.busy"), self.context.text("attach.busy_help"))
        running = self.running[session] = Running(is_reading=True)
        try:
            yield running
        finally:
            running.stop.set()
            self._forget(session, running)
            running.ended.set()

    def listed(self, user: str, conversation: int | None, searched: str = "", unfolded: int | None = None) -> str:
        """The conversations of a person. ``unfolded``: whose menu is open."""
        return conversations_html(
            self.context.conversations.listed(user, searched),
            conversation,
            self.context.text,
            self.context.language,
            searched,
            unfolded=unfolded,
            may_share=self.context.people is not None,
        )

    async def answered(self, question: Question, parts: Parts, session: str) -> AsyncGenerator[dict[Any, Any], None]:
        """What changes on the page until the answer is there; an answer that is still coming in ends before."""
        while before := self.running.get(session):
            await asyncio.to_thread(self.leave, session)
            if question.conversation is None:  # the page has not heard yet where the answer before is kept
                question = replace(question, conversation=before.conversation)
        running = self.running[session] = Running()
        try:
            async with aclosing(self._changes(question, parts, running)) as all_changes:
                async for changes in all_changes:
                    if running.is_shown:
                        yield changes
        finally:
            self._forget(session, running)
            running.ended.set()

    async def _changes(
        self, question: Question, parts: Parts, running: Running
    ) -> AsyncGenerator[dict[Any, Any], None]:
        words = self.context.text
        drafts = [Draft(model.corpus) for model in question.models]
        is_kept = False
        try:
            most = self.context.settings.answer.question_characters
            if len(question.text) > most:
                too_long = words("chat.too_long", characters=len(question.text), most=most)
                raise QuestionTooLongError(too_long, words("chat.too_long_help"))
            earlier: list[Turn] = []
            if question.conversation is not None:
                turns = self.context.conversations.turns
                earlier = await asyncio.to_thread(turns, question.user, question.conversation, question.replaced)
            yield {
                parts.log: "".join(turn_html(turn, words) for turn in earlier),
                parts.now: asking_html(question.text, drafts, words),
                parts.question: gr.Textbox(value=question.draft, submit_btn=False, stop_btn=True),
                parts.editing: "",
                parts.edit: None,
                parts.panel: "",
            }
            self.refuse_too_often(question.user)
            files = await asyncio.to_thread(self.files, question.user, question.conversation, question.scope)
            asked = []
            for model in question.models:
                query = question.asked(model, files=files)
                corpora: set[Resource] = {("corpus", name) for name in (query.model.corpus, *query.also)}
                asked.append(replace(query, history=history_of(self.told_with(earlier, corpora))))
            note(user=question.user)
            async with aclosing(self.context.answering.together(asked, running.stop)) as events:
                async for happened in events:
                    for at, event in happened:
                        drafts[at].take(event)
                        if not isinstance(event, Waiting):  # whoever is chosen later gives later answers
                            drafts[at].model = drafts[at].model or self.context.settings.engine.model
                    yield {parts.now: asking_html(question.text, drafts, words)}
            try:
                last = await asyncio.to_thread(self._kept, question, drafts, parts)
            except WorkspaceError as error:  # of a full disk; whoever asked has their answer until they leave the page
                _log.error("%s", error)
                last = {
                    parts.now: asking_html(question.text, drafts, words)
                    + filled("shown/components.note", text=words("chat.not_kept")),
                    parts.conversation: question.conversation,
                    parts.question: ready(),
                }
            is_kept, running.conversation = True, last[parts.conversation]
            yield last
        except (GeneratorExit, asyncio.CancelledError):  # the page was left: what has come is there when it is back
            if not is_kept:
                self._kept(question, drafts, parts)
            raise
        except AssistantError as error:
            yield self._failed(question, parts, self.context.said(error.message), self.context.said(error.remedy))
        except Exception:
            _log.exception("A question could not be answered.")
            yield self._failed(question, parts, words("chat.unexpected"), words("chat.unexpected_help"))

    def _forget(self, session: str, running: Running) -> None:
        if self.running.get(session) is running:
            del self.running[session]

    def _kept(self, question: Question, drafts: Sequence[Draft], parts: Parts) -> dict[Any, Any]:
        """Keep the answers, and show them as they are kept."""
        kept, user = self.context.conversations, question.user
        pairs = zip(drafts, question.models, strict=True)
        replies = [
            replace(self._reply(draft, model, question), scope=question.scope, model=draft.model)
            for draft, model in pairs
        ]
        conversation = question.conversation or kept.begin(user, question.text, question.scope)
        turn = kept.add(user, conversation, question.text, replies, question.blind, question.replaced)
        return {
            parts.now: turn_html(turn, self.context.text),
            parts.conversation: conversation,
            parts.listed: self.listed(user, conversation),
            parts.question: ready(),
        }

    def _reply(self, draft: Draft, model: ServedModel, question: Question) -> TurnReply:
        """The answer, or what came of it until it was stopped."""
        if draft.answer is None:
            searched, said = draft.searched or question.text, tuple(draft.sentences)
            came = Answer(question.text, searched, draft.heard, said, draft.hits, adapter=model.adapter)
            return TurnReply(model.corpus, model.adapter, came, stopped=True)
        like: list[str] = []
        if draft.answer.refused:
            files = self.files(question.user, question.conversation, question.scope)
            like = like_questions(files or self.context.workspace, FILES if files else model.corpus, question.text)
        return TurnReply(model.corpus, model.adapter, draft.answer, suggestions=tuple(like))

    def _failed(self, question: Question, parts: Parts, message: str, remedy: str) -> dict[Any, Any]:
        """Why there is no answer; the question stands in its box again, to be asked once more."""
        return {
            parts.now: failed_html(question.text, message, remedy, self.context.text),
            parts.question: ready(question.text),
            parts.edit: None if question.replaced is None else Edit(question.replaced, question.draft),
        }


def in_any_order(models: Sequence[ServedModel], blind: bool) -> tuple[ServedModel, ...]:
    """The models to be asked: in an order that tells nothing, where their names are hidden."""
    return tuple(random.sample(models, len(models)) if blind else models)


def ready(text: str | None = None) -> gr.Textbox:
    """The box for a question that can be asked; its text stays as it is where none is given."""
    changed: dict[str, Any] = {} if text is None else {"value": text}
    return gr.Textbox(submit_btn=True, stop_btn=False, **changed)


# The first chunks have headings enough, and the page waits for them.
_MOST_CHUNKS = 4000
# Characters of a heading that is worth asking about and fits a button; with fewer questions other headings do. By eye.
_SHORTEST, _LONGEST = 12, 110
_LEAST_QUESTIONS = 3
Suggestion = tuple[str, str, str]
"""A question, the document it is from, and its language."""


def first_questions(workspace: Workspace, corpus: str, language: Language, most: int = 4) -> list[str]:
    """Questions that a corpus answers: from as many documents as may be, those in the reader's language first."""
    known = questions_of(workspace, corpus)
    ours = [one for one in known if one[2] == language]
    others = [one for one in known if one[2] != language]
    return [question for question, *_ in itertools.islice(itertools.chain(_in_turn(ours), _in_turn(others)), most)]


def like_questions(workspace: Workspace, corpus: str, asked: str, most: int = 3) -> list[str]:
    """Questions that a corpus answers and that share the most words with one that it does not."""
    known = questions_of(workspace, corpus)
    wanted = {language: set(stems(asked, language)) for language in {language for _, _, language in known}}
    shared = [
        (len(wanted[language] & set(stems(question, language))), question)
        for question, _, language in known
        if question != asked
    ]
    return [question for count, question in sorted(shared, key=lambda pair: -pair[0]) if count][:most]


def questions_of(workspace: Workspace, corpus: str) -> tuple[Suggestion, ...]:
    """All questions of a corpus, as of its last ingest."""
    with closing(open_corpus(workspace, corpus)) as catalog:
        return _questions(workspace.whole, corpus, catalog.file, catalog.generation())


@lru_cache(maxsize=32)
def _questions(workspace: Workspace, corpus: str, file: Hashable, generation: int) -> tuple[Suggestion, ...]:  # noqa: ARG001
    """Of a corpus as it is; one that came to its place, and a new generation, have other questions."""
    with closing(open_corpus(workspace, corpus)) as catalog, catalog.snapshot():
        found: list[tuple[str, str, str, str]] = []  # (heading, title, document, language), once each
        seen: set[tuple[str, str]] = set()
        for chunk in catalog.chunks_in(Filter(), _MOST_CHUNKS):
            heading = chunk.heading.rpartition(HEADING_SEPARATOR)[2].strip()
            if _SHORTEST <= len(heading) <= _LONGEST and (chunk.document, heading) not in seen:
                seen.add((chunk.document, heading))
                found.append((heading, chunk.title, chunk.document, chunk.language))
    questions = [(heading, document, language) for heading, _, document, language in found if heading.endswith("?")]
    if len(questions) < _LEAST_QUESTIONS:
        abouts: dict[str, str] = {language: texts(language)["chat.about"] for language in LANGUAGES}
        questions += [
            (abouts.get(language, abouts["en"]).format(heading=heading, title=title), document, language)
            for heading, title, document, language in found
            if not heading.endswith("?")
        ]
    return tuple(dict.fromkeys(questions))


def _in_turn(suggestions: Sequence[Suggestion]) -> Iterable[Suggestion]:
    """One of each document, then the second of each, and so on."""
    by_document: dict[str, list[Suggestion]] = {}
    for one in suggestions:
        by_document.setdefault(one[1], []).append(one)
    rounds = itertools.zip_longest(*by_document.values())
    return (one for some in rounds for one in some if one is not None)
