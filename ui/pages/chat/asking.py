"""From a question to its answer on the page, a piece at a time."""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from assistant.errors import AssistantError, UsageError
from assistant.types import Answer
from ui.context import AppContext
from ui.conversations import Reply, Turn, history_of
from ui.pages.chat.parts import Parts
from ui.service import Asked, ServedModel
from ui.shown.answers import Draft
from ui.shown.headings import conversations_html
from ui.shown.turns import asking_html, failed_html, turn_html
from ui.suggestions import like_questions

_log = logging.getLogger("uvicorn.error")


@dataclass(frozen=True, slots=True)
class Question:
    """What someone wants to know, of which models, and where it belongs."""

    user: str
    text: str
    models: tuple[ServedModel, ...]
    conversation: int | None = None
    replaced: int | None = None
    """The turn that it takes the place of, and of all after it."""
    blind: bool = False


@dataclass(slots=True)
class Asking:
    """Asks questions for a page, and stops them."""

    context: AppContext
    stops: dict[str, asyncio.Event] = field(default_factory=dict)
    """Of the questions that are being answered, by the session of the page."""

    def stop(self, session: str) -> None:
        """End the answer that is coming in; what has come stays."""
        if event := self.stops.get(session):
            event.set()

    async def answered(self, question: Question, parts: Parts, session: str) -> AsyncGenerator[dict[Any, Any], None]:
        """What changes on the page until the answer is there."""
        words, stop = self.context.text, asyncio.Event()
        earlier = self._earlier(question)
        drafts = [Draft(model.corpus) for model in question.models]
        self.stops[session] = stop
        try:
            yield {
                parts.log: "".join(turn_html(turn, words) for turn in earlier),
                parts.now: asking_html(question.text, drafts, words),
                parts.question: gr.Textbox(value="", submit_btn=False, stop_btn=True),
                parts.editing: "",
                parts.replaced: None,
            }
            self._admit(question.user)
            asked = [Asked(model, question.text, history_of(earlier)) for model in question.models]
            async for happened in self.context.answering.together(asked, stop):
                for at, event in happened:
                    drafts[at].take(event)
                yield {parts.now: asking_html(question.text, drafts, words)}
            yield self._kept(question, drafts, parts)
        except AssistantError as error:
            yield {
                parts.now: failed_html(question.text, error.message, error.remedy, words),
                **self._again(question, parts),
            }
        except Exception:
            _log.exception("A question could not be answered.")
            told = words("chat.unexpected"), words("chat.unexpected_help")
            yield {parts.now: failed_html(question.text, *told, words), **self._again(question, parts)}
        finally:
            self.stops.pop(session, None)

    def _admit(self, user: str) -> None:
        if seconds := self.context.questions.wait(user):
            raise UsageError(
                self.context.text("chat.too_often"),
                self.context.text("chat.too_often_help", seconds=round(seconds) or 1),
            )

    def _earlier(self, question: Question) -> list[Turn]:
        if question.conversation is None:
            return []
        turns = self.context.conversations.turns(question.user, question.conversation)
        return [turn for turn in turns if question.replaced is None or turn.id < question.replaced]

    def _kept(self, question: Question, drafts: Sequence[Draft], parts: Parts) -> dict[Any, Any]:
        """Keep the answers, and show them as they are kept."""
        kept, user = self.context.conversations, question.user
        pairs = zip(drafts, question.models, strict=True)
        replies = [self._reply(draft, model, question.text) for draft, model in pairs]
        conversation = question.conversation or kept.begin(user, question.text)
        if question.replaced is not None:
            kept.drop_from(user, conversation, question.replaced)
        turn = kept.add(user, conversation, question.text, replies, question.blind)
        listed = kept.listed(user)
        return {
            parts.now: turn_html(turn, self.context.text),
            parts.conversation: conversation,
            parts.listed: conversations_html(listed, conversation, self.context.text, self.context.language),
            parts.question: _ready(),
        }

    def _reply(self, draft: Draft, model: ServedModel, question: str) -> Reply:
        """The answer, or what came of it until it was stopped."""
        if draft.answer is None:
            searched, said = draft.searched or question, tuple(draft.sentences)
            came = Answer(question, searched, draft.heard, said, draft.hits, adapter=model.adapter)
            return Reply(model.corpus, model.adapter, came, stopped=True)
        refused = draft.answer.refused
        like = like_questions(self.context.workspace, model.corpus, question) if refused else ()
        return Reply(model.corpus, model.adapter, draft.answer, suggestions=tuple(like))

    def _again(self, question: Question, parts: Parts) -> dict[Any, Any]:
        """The question stands in its box again, to be asked once more."""
        return {parts.question: _ready(question.text), parts.replaced: question.replaced}


def in_any_order(models: Sequence[ServedModel], blind: bool) -> tuple[ServedModel, ...]:
    """The models to be asked: in an order that tells nothing, where their names are hidden."""
    return tuple(random.sample(models, len(models)) if blind else models)


def _ready(text: str | None = None) -> gr.Textbox:
    changed: dict[str, Any] = {} if text is None else {"value": text}
    return gr.Textbox(submit_btn=True, stop_btn=False, **changed)
