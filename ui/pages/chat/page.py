"""What the page of the chat shows of a person's conversations, whatever was clicked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from markupsafe import Markup

from ui.context import AppContext
from ui.conversations import FILES
from ui.pages.chat.asking import Asking, Edit, first_questions, ready
from ui.pages.chat.parts import Parts
from ui.pages.events import number_of
from ui.people import User
from ui.scope import EVERYTHING, Scope, offered, standing
from ui.shown.chat import conversations_html, scope_html, turn_html, welcome_html
from ui.turns import Turn

Changes = dict[Any, Any]


@dataclass(frozen=True, slots=True)
class ChatPage:
    """The page in one language, to be brought up to date."""

    context: AppContext
    parts: Parts
    asking: Asking

    def scope(self, scope: Scope) -> Scope:
        """A scope without the corpora that are gone."""
        return standing(scope, self.corpora())

    def corpora(self) -> tuple[str, ...]:
        """The corpora that there are."""
        return self.context.workspace.corpus_names()

    def asked(self, scope: Scope, user: User, reading: Sequence[str] = ()) -> str:
        """Which documents are asked; ``reading`` are files that are read just now."""
        found = offered(self.context.workspace, scope, self.corpora())
        return scope_html(scope, found, self.context.text, reading=reading, may_add=user.may("editor"))

    def welcome(self, scope: Scope, user: User, conversation: int | None) -> Markup:
        """What stands in place of the first question."""
        workspace, corpus, only = self.context.workspace, next(iter(scope.corpora), ""), scope.only
        if scope.files and conversation is not None:
            files = self.context.conversations.files(user.name, conversation)
            workspace, corpus, only = (files, FILES, None) if files else (workspace, "", None)
        questions = first_questions(workspace, corpus, self.context.language) if corpus and not only else []
        return welcome_html(questions, scope.files or self.corpora(), self.context.text)

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

    def shown(
        self, user: User, turns: Sequence[Turn], conversation: int | None, scope: Scope, edit: Edit | None = None
    ) -> Changes:
        """A conversation; what stood in the box before an edit stands there again."""
        scope = self.scope(scope)
        shown = [turn_html(turn, self.context.text) for turn in turns]
        *earlier, last = shown or [self.welcome(scope, user, conversation)]
        return {
            self.parts.scope: scope,
            self.parts.asked: self.asked(scope, user),
            self.parts.conversation: conversation,
            self.parts.edit: None,
            self.parts.editing: "",
            self.parts.log: "".join(earlier),
            self.parts.now: last,
            self.parts.panel: "",
            self.parts.question: ready(edit.draft if edit else None),
        }

    def last_asked(self, user: str, turns: Sequence[Turn], conversation: int | None) -> Scope:
        """What a conversation asks; for a new one, the corpora that the user's latest conversation asked last."""
        kept = self.context.conversations
        if conversation is not None and (scope := kept.scope(user, conversation)) != EVERYTHING:
            return scope
        newest = kept.latest(user)
        latest = turns or (kept.turns(user, newest) if newest is not None else [])
        if not latest:
            return EVERYTHING
        reply = latest[-1].standing
        return Scope(reply.scope.corpora or (reply.corpus,))

    def turn(self, event: gr.EventData, request: gr.Request) -> Turn:
        """The turn of the one who clicked. Raises UsageError for another's."""
        return self.context.conversations.turn(self.name(request), number_of(event, "turn"))

    def name(self, request: gr.Request) -> str:
        """Who clicked. Raises gr.Error for one who is not signed in any more."""
        return self.context.who(request).name
