"""The pages for who runs the assistant.

settings: which language model answers, and what each setting is set to and why; for admins
health: what ``assistant doctor`` finds, and what mends it
"""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from assistant import config
from assistant.config import Origin, Settings, change_settings, setting_keys, value_of
from assistant.doctor import Diagnosis
from assistant.engines.opening import check_engine
from assistant.errors import UsageError
from assistant.models import embedder_folder
from assistant.models.catalogue import SETTINGS, catalogue
from assistant.models.naming import folder_here
from ui.context import AppContext
from ui.jobs import EVERYTHING, Status, printed
from ui.pages.events import CLICKED, QUIET, choice_list, data_of, still_html, telling, when_opened
from ui.pages.job_forms import job_panel
from ui.pages.upkeep.view import findings_html, model_html, models_html, settings_html, written
from ui.people import User
from ui.texts import explanation


def build_settings(context: AppContext) -> None:
    """Lay out the page of settings and wire it."""
    actions = SettingsActions(context)
    with gr.Row(elem_classes="columns"):
        with gr.Column(scale=2, min_width=320):
            with gr.Accordion(context.text("models.title"), open=True):
                models = choice_list("models-list")
            key = gr.Dropdown(list(setting_keys()), value=None, label=context.text("settings.key"))
            value = gr.Textbox(label=context.text("settings.value"), info=context.text("settings.value_help"), lines=2)
            save = gr.Button(context.text("settings.save"), variant="primary")
            gr.Markdown(context.text("settings.help"))
        with gr.Column(scale=3, min_width=320):
            panel = job_panel(
                context, ("fetch",), "admin", lambda *_: ""
            )  # what was fetched tells of itself in the list
            model, name = still_html(), gr.State("")
            with gr.Row(visible=False) as offered:
                fetch = gr.Button(context.text("models.fetch"))
                use = gr.Button(context.text("models.use"), variant="primary")
            shown = still_html()
    models.choose(actions.open, outputs=[model, offered, fetch, use, name], **CLICKED)
    fetched = fetch.click(actions.fetch, name, **CLICKED)
    fetched.then(panel.refresh, outputs=panel.outputs, **QUIET)
    use.click(actions.use, name, [shown, models], **CLICKED)
    panel.ended.change(actions.listed, outputs=models, **QUIET)
    panel.ended.change(telling(actions.opened), name, [model, offered, fetch, use, name], **QUIET)
    when_opened(actions.listed, [models])
    key.change(actions.chosen, key, value, **CLICKED)
    save.click(actions.save, [key, value], shown, **CLICKED)
    when_opened(actions.shown, [shown])


@dataclass(frozen=True, slots=True)
class SettingsActions:
    """Callbacks of the page of settings in one language."""

    context: AppContext

    @telling
    def shown(self, request: gr.Request) -> str:
        """All settings."""
        return self._html() if self.context.may(request, "admin") else ""

    @telling
    def chosen(self, key: str | None, request: gr.Request) -> Any:
        """The value of a setting and what it does."""
        self.context.require(request, "admin")
        if key not in setting_keys():
            return gr.Textbox("", info=self.context.text("settings.value_help"))
        settings, _ = self._effective()
        return gr.Textbox(written(value_of(settings, key)), info=explanation(key, self.context.language))

    def listed(self, request: gr.Request) -> str:
        """The language models of the catalogue, the one that answers marked."""
        if not self.context.may(request, "admin"):
            return ""
        settings, _ = self._effective()
        return models_html(self.context, settings.engine.model)

    @telling
    def open(self, event: gr.EventData, request: gr.Request) -> list[Any]:
        """Show a model, and what can be done with it."""
        return self.opened(data_of(event).get("choice", ""), request)

    def opened(self, name: str, request: gr.Request) -> list[Any]:
        """The model that is open, as it stands now: it may have been fetched meanwhile."""
        if not name:
            return [gr.skip()] * 5
        self.context.require(request, "admin")
        is_here = folder_here(_language_model(name)) is not None
        return [
            model_html(self.context, name),
            gr.Row(visible=True),
            gr.Button(visible=not is_here),
            gr.Button(visible=is_here),
            name,
        ]

    @telling
    def fetch(self, name: str, request: gr.Request) -> None:
        """Fetch a model of the catalogue, in a process of its own."""
        self.context.require(request, "admin")
        self.context.start("fetch", name, ["models", "get", "--", _language_model(name)])

    @telling
    def use(self, name: str, request: gr.Request) -> list[str]:
        """Have a model answer from the next start on."""
        user = self.context.require(request, "admin")
        shown = self._written(user, SETTINGS["language model"], _language_model(name))
        return [shown, self.listed(request)]

    @telling
    def save(self, key: str | None, value: str, request: gr.Request) -> str:
        """Write a setting into the workspace's file."""
        return self._written(self.context.require(request, "admin"), key, value)

    def _written(self, user: User, key: str | None, value: str) -> str:
        if key in SETTINGS.values():
            # A model that is not here: the next start would fail on it.
            assignments = [f"{key}={value}"]
            chosen, _ = config.load(self.context.workspace.config_file, environment={}, assignments=assignments)
            check_engine(chosen.engine)
            if not chosen.embedder.url:
                embedder_folder(chosen.embedder.model)
            if chosen.retrieval.reranker and not chosen.retrieval.reranker_url:
                embedder_folder(chosen.retrieval.reranker)
        for changed in change_settings(self.context.workspace, [f"{key or ''}={value}"]):
            self.context.record(user, "config set", changed, value=value)
        gr.Info(self.context.text("settings.saved"))
        return self._html()

    def _html(self) -> str:
        settings, origins = self._effective()
        return settings_html(self.context, settings, origins)

    def _effective(self) -> tuple[Settings, tuple[Origin, ...]]:
        """The settings as the next start would have them, if it is given the same command line."""
        given = [
            f"{origin.key}={written(value_of(self.context.settings, origin.key))}"
            for origin in self.context.origins
            if origin.source == "command line"
        ]
        return config.load(self.context.workspace.config_file, assignments=given)


def _language_model(name: str) -> str:
    """``name`` itself if it is a language model of the catalogue. Raises UsageError otherwise."""
    known = catalogue().get(name)
    if known is None or known.kind != "language model":
        raise UsageError(f"There is no language model {name[:80]!r} in the catalogue.", "Choose one of the list.")
    return name


def build_health(context: AppContext) -> None:
    """Lay out the page of health and wire it."""
    actions = HealthActions(context)
    with gr.Column(elem_classes="reading"):
        gr.Markdown(context.text("health.help"))
        start = gr.Button(context.text("health.start"), variant="primary")
        panel = job_panel(context, ("doctor",), "editor", lambda theirs, status: HealthActions(theirs).result(status))
    start.click(actions.start, **CLICKED).then(panel.refresh, outputs=panel.outputs, **QUIET)


@dataclass(frozen=True, slots=True)
class HealthActions:
    """Callbacks of the page of health in one language."""

    context: AppContext

    @telling
    def start(self, request: gr.Request) -> None:
        """Check everything, in a process of its own: it loads the models."""
        self.context.require(request, "editor")
        if not self.context.workspace.shows(*EVERYTHING):
            raise gr.Error(self.context.text("health.needs_all"))
        self.context.start("doctor", "", ["doctor", "--json"], reads=[EVERYTHING])

    def result(self, status: Status) -> str:
        """The findings of the last check."""
        if status.is_under_way:
            return ""
        findings = printed(self.context.jobs.output(status.job.id), list[Diagnosis])
        return "" if findings is None else findings_html(self.context, findings)
