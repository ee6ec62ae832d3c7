"""What every page needs: the workspace, the service that answers, who is asking, and the words of one language."""

from dataclasses import dataclass, field, replace
from typing import Any

import gradio as gr

from assistant.config import Origin, Settings
from assistant.feedback.database import FeedbackStore
from assistant.service import Service
from assistant.text.languages import Language
from assistant.workspace import Workspace
from ui.answering import AnswerQueue
from ui.conversations import Conversations
from ui.jobs import Jobs, variables_of
from ui.logs import follow, record, watch
from ui.people import LOCAL, People, Role, User, people_of
from ui.rate_limits import RateLimit
from ui.sources.drawing import DrawingLimits
from ui.sources.library import Library
from ui.sources.pdfpages import PdfPages
from ui.texts import text
from ui.uploads import Arrivals, ReadingPlaces


@dataclass(frozen=True, slots=True)
class AppContext:
    """One per language; everything in it but the language is the same object for all."""

    workspace: Workspace
    origins: tuple[Origin, ...]
    service: Service
    people: People | None
    """None where nobody signs in: then everyone is the same person and may do everything."""
    conversations: Conversations
    library: Library
    pdf_pages: PdfPages
    answering: AnswerQueue
    readings: ReadingPlaces
    """For files that someone brings into the chat."""
    questions: RateLimit
    """How often one person may ask."""
    language: Language = "en"
    arrivals: Arrivals = field(default_factory=Arrivals)
    """Whose the files are that browsers have sent."""

    @property
    def settings(self) -> Settings:
        """Those that answers are given with now: the model may have been changed in the chat."""
        return self.service.settings

    @property
    def feedback(self) -> FeedbackStore:
        """What people say about answers."""
        return FeedbackStore(self.workspace.root)

    @property
    def jobs(self) -> Jobs:
        """Long work in processes of its own; the files of the workspace say what there is."""
        return Jobs(self.workspace, variables_of(self.settings, self.origins))

    def record(self, user: User, action: str, about: str = "", **details: Any) -> None:
        """Keep in the audit log what someone does."""
        record(self.settings, self.workspace.root, user.name, action, about, **details)

    def in_language(self, language: Language) -> "AppContext":
        """The same in another language."""
        return replace(self, language=language)

    def text(self, key: str, /, **values: object) -> str:
        """The words of the interface behind a key (``ui/texts.py``)."""
        return text(key, self.language, **values)

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
        people=people_of(workspace, settings.ui),
        conversations=Conversations(workspace.root),
        library=Library(workspace),
        pdf_pages=PdfPages(DrawingLimits(settings.ui.page_seconds, settings.ui.page_memory_mb << 20)),
        answering=AnswerQueue(service),
        readings=ReadingPlaces(settings.ingest),
        questions=RateLimit(settings.ui.questions_per_minute),
    )
