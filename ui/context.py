"""What every page needs: the workspace, the service that answers, who is asking, and the words of one language.

    context.of(request)       the same as the person behind a request sees it: what they may not read is not there

Pages get at a workspace through a context alone, and ``ui.pages.events.telling`` hands every callback that of whoever
clicked.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import gradio as gr

from assistant.config import JobKind, Origin, Settings
from assistant.errors import UsageError
from assistant.feedback.database import FeedbackStore
from assistant.service import Service
from assistant.text.languages import Language
from assistant.workspace import Resource, ResourceKind, Workspace
from ui.answering import AnswerQueue
from ui.conversations import Conversations
from ui.jobs import EVERYTHING, Jobs, StartedJob, variables_of
from ui.logs import follow, record, watch
from ui.people import LOCAL, NOBODY, People, Role, User, people_of
from ui.requests import RateLimit, rate_limit
from ui.rights import WORDS, Permissions, RightsFile, is_there, made_from
from ui.shared import SharedRateLimit
from ui.sources.drawing import DrawingLimits
from ui.sources.library import Library
from ui.sources.pdfpages import PdfPages
from ui.texts import said, text
from ui.uploads import Arrivals, ReadingPlaces


@dataclass(frozen=True, slots=True)
class AppContext:
    """One per language and person; what is not about them is the same object for all."""

    workspace: Workspace
    """What of it the person may read."""
    origins: tuple[Origin, ...]
    service: Service
    people: People | None
    """None where nobody signs in: then everyone is the same person and may do everything."""
    rights: RightsFile
    conversations: Conversations
    library: Library
    pdf_pages: PdfPages
    answering: AnswerQueue
    readings: ReadingPlaces
    """For files that someone brings into the chat."""
    questions: RateLimit | SharedRateLimit
    """How often one person may ask."""
    language: Language = "en"
    arrivals: Arrivals = field(default_factory=Arrivals)
    """Whose the files are that browsers have sent."""
    user: User = LOCAL
    """Whose context it is."""

    @property
    def settings(self) -> Settings:
        """Those that answers are given with now: the model may have been changed in the chat."""
        return self.service.settings

    @property
    def feedback(self) -> FeedbackStore:
        """What people say about answers."""
        return FeedbackStore(self.workspace)

    @property
    def jobs(self) -> Jobs:
        """Long work in processes of its own; the files of the workspace say what there is."""
        return Jobs(self.workspace, variables_of(self.settings, self.origins))

    def record(self, user: User, action: str, about: str = "", **details: Any) -> None:
        """Keep in the audit log what someone does."""
        record(self.settings, self.workspace, user.name, action, about, **details)

    @property
    def permissions(self) -> Permissions:
        """What the person may read and change."""
        return Permissions(self.workspace.whole, self.rights.rights(), self.user)

    def of(self, request: gr.Request) -> "AppContext":
        """As the person behind a request sees it; as nobody does, for one who is not signed in any more."""
        try:
            return self.seen_by(self.who(request))
        except gr.Error:
            return self.seen_by(NOBODY)

    def seen_by(self, user: User | None) -> "AppContext":
        """As ``user`` sees it, by the rights as they are now; None is nobody."""
        user = user or NOBODY
        permissions = Permissions(self.workspace.whole, self.rights.rights(), user)
        workspace = replace(self.workspace, shows=permissions.may_read)
        service = self.service.within(workspace)
        return replace(
            self,
            user=user,
            workspace=workspace,
            service=service,
            conversations=Conversations(workspace),
            library=Library(workspace),
            answering=self.answering.of(service),
        )

    def start(
        self,
        kind: JobKind,
        about: str,
        arguments: Sequence[str],
        *,
        reads: Iterable[Resource] = (),
        edits: Iterable[Resource] = (),
    ) -> StartedJob:
        """Start long work for the person. ``reads`` and ``edits``: what it looks at and changes.

        Raises UsageError for what is not there for them, and for what they may not change.
        """
        looked_at, changed = tuple(reads), tuple(edits)
        for one in looked_at:
            self.refuse_missing(*one)
        for one in changed:
            self.refuse_edit(*one)
        # Also what these were made from: they may be gone when somebody looks at what the work said.
        whole = self.workspace.whole
        sources = (made_from(whole, *one) for one in (*looked_at, *changed))
        behind = (one for some in sources for one in ((EVERYTHING,) if some is None else some))
        seen_with = tuple(dict.fromkeys((*looked_at, *changed, *behind)))
        return self.jobs.start(kind, about, arguments, self.user.name, seen_with, changed)

    def refuse_missing(self, kind: ResourceKind, name: str) -> None:
        """Raise UsageError for what there is not, or not for the person."""
        if not self.workspace.shows(kind, name) or not is_there(self.workspace, kind, name):
            raise UsageError(f"There is no {WORDS.get(kind, kind)} {name[:80]!r}.", "Choose one of the list.")

    def refuse_edit(self, kind: ResourceKind, name: str) -> None:
        """Raise UsageError for what the person may not change, and for a name that something has which they may not
        read."""
        if not self.workspace.shows(kind, name):
            raise UsageError(f"{name[:80]!r} is no name for a new {WORDS.get(kind, kind)}.", "Choose another one.")
        if not self.permissions.may_edit(kind, name):
            raise UsageError(self.text("app.may_not_edit", name=name), self.text("app.may_not_edit_help"))

    def in_language(self, language: Language) -> "AppContext":
        """The same in another language."""
        return replace(self, language=language)

    def text(self, key: str, /, **values: object) -> str:
        """The words of the interface behind a key (``ui/texts.py``)."""
        return text(key, self.language, **values)

    def said(self, message: object) -> str:
        """What the program says in English, in the language of the page (``ui/texts.py``)."""
        return said(str(message), self.language)

    def who(self, request: gr.Request) -> User:
        """The person behind a request of the page. Raises gr.Error for one who is not signed in any more."""
        follow(request)
        if self.people is None:
            return LOCAL
        user = self.people.user(request.username) if request.username else None
        if user is None:
            raise gr.Error(self.text("app.signed_out"))
        return user

    def may(self, request: gr.Request, role: Role) -> bool:
        """Whether the person behind a request has a role; False for one who is not signed in any more."""
        try:
            return self.who(request).may(role)
        except gr.Error:
            return False

    def require(self, request: gr.Request, role: Role) -> User:
        """The person behind a request, if their role is enough. Raises gr.Error, which the page shows."""
        user = self.who(request)
        if not user.may(role):
            raise gr.Error(self.text("app.forbidden", role=role, name=user.name, own=user.role))
        return user


def make_context(workspace: Workspace, settings: Settings, origins: tuple[Origin, ...], service: Service) -> AppContext:
    """The context of a workspace. Raises ConfigError for a users file that cannot be used."""
    watch(service)
    return AppContext(
        workspace=workspace,
        origins=origins,
        service=service,
        people=people_of(workspace, settings.ui, has_provider=bool(settings.oidc.issuer)),
        rights=RightsFile(workspace),
        conversations=Conversations(workspace.whole),
        library=Library(workspace),
        pdf_pages=PdfPages(DrawingLimits(settings.ui.page_seconds, settings.ui.page_memory_mb << 20)),
        answering=AnswerQueue(service),
        readings=ReadingPlaces(settings.ingest),
        questions=rate_limit("questions", settings.ui.questions_per_minute, state=workspace.state),
    )
