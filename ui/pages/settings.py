"""The page of settings: what each is set to and why; an admin may change one."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from assistant import config
from assistant.config import Origin, Settings, description_of, setting_keys, value_of
from assistant.config.file import change_settings
from assistant.engines.opening import check_engine
from assistant.models import embedder_folder
from assistant.models.catalogue import SETTINGS
from ui.context import AppContext
from ui.pages.events import CLICKED, still_html, when_opened
from ui.pages.told import telling
from ui.shown.running import settings_html, written


def build(context: AppContext) -> None:
    """Lay out the page and wire it."""
    actions = SettingsActions(context)
    with gr.Row(elem_classes="columns"):
        with gr.Column(scale=2, min_width=320):
            key = gr.Dropdown(list(setting_keys()), value=None, label=context.text("settings.key"))
            value = gr.Textbox(label=context.text("settings.value"), info=context.text("settings.value_help"), lines=2)
            save = gr.Button(context.text("settings.save"), variant="primary")
            gr.Markdown(context.text("settings.help"))
        with gr.Column(scale=3, min_width=320):
            shown = still_html()
    key.change(actions.chosen, key, value, **CLICKED)
    save.click(actions.save, [key, value], shown, **CLICKED)
    when_opened(actions.shown, [shown])


@dataclass(frozen=True, slots=True)
class SettingsActions:
    """Callbacks of the page in one language."""

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
        return gr.Textbox(written(value_of(settings, key)), info=description_of(key))

    @telling
    def save(self, key: str | None, value: str, request: gr.Request) -> str:
        """Write a setting into the workspace's file."""
        self.context.require(request, "admin")
        if key in SETTINGS.values():
            # A model that is not here: the next start would fail on it.
            assignments = [f"{key}={value}"]
            chosen, _ = config.load(self.context.workspace.config_file, environment={}, assignments=assignments)
            check_engine(chosen.engine)
            for model in filter(None, (chosen.embedder.model, chosen.retrieval.reranker)):
                embedder_folder(model)
        change_settings(self.context.workspace, [f"{key or ''}={value}"])
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
