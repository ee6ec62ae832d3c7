"""The pages for who runs the assistant.

people: who may sign in, in which groups, and who may read and change what; for admins
settings: which language model answers, and what each setting is set to and why; for admins
health: what ``assistant doctor`` finds, and what mends it
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from assistant import config
from assistant.artifacts.cards import adapters_shown
from assistant.config import Origin, Settings, change_settings, setting_keys, value_of
from assistant.doctor import Diagnosis
from assistant.engines.opening import check_engine
from assistant.errors import ConfigError, UsageError
from assistant.models import embedder_folder
from assistant.models.catalogue import SETTINGS, catalogue
from assistant.models.naming import folder_here
from ui.context import AppContext
from ui.jobs import EVERYTHING, Status, printed
from ui.pages.events import CLICKED, QUIET, SCROLLED, choice_list, data_of, page_does, still_html, telling, when_opened
from ui.pages.job_forms import job_panel
from ui.people import ROLES, People, User, usable_password
from ui.rights import GROUP, NOTHING_SET, Access, RightsKind, refuse_unknown
from ui.shown.components import Badge, ListEntry, choices_html, message_html, meta_html, title_html
from ui.shown.installation import findings_html, model_html, models_html, settings_html, written
from ui.shown.reports import reports
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
    fetched.then(panel.refresh, outputs=panel.outputs, **SCROLLED)
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
            for model in filter(None, (chosen.embedder.model, chosen.retrieval.reranker)):
                embedder_folder(model)
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


def build_people(context: AppContext) -> None:
    """Lay out the page of people, groups and rights and wire it."""
    words, actions = context.text, PeopleActions(context)
    with gr.Row(elem_classes="columns"):
        with gr.Column(scale=2, min_width=320):
            new = gr.Button(words("people.new"), elem_classes="closes")
            listed = choice_list("people-list")
        with gr.Column(scale=3, min_width=320):
            gr.Markdown(words("people.help"))
            with gr.Column(elem_classes="card") as person:
                name = gr.Textbox(label=words("people.name"))
                role = gr.Dropdown(list(ROLES), value=ROLES[0], label=words("people.role"), info=words("people.roles"))
                groups = _some_of((), label=words("people.groups"), info=words("people.groups_help"))
                password = gr.Textbox(
                    label=words("people.password"), info=words("people.password_help"), type="password"
                )
                save = gr.Button(words("people.save"), variant="primary")
                remove = gr.Button(words("people.remove"), visible=False)
                with gr.Row(visible=False) as asked:
                    confirmed = gr.Button(words("people.remove_yes"), size="sm", variant="stop")
                    kept = gr.Button(words("people.remove_no"), size="sm")
            with gr.Column(visible=False, elem_classes="card") as resource:
                title = still_html()
                readers = _some_of((), label=words("people.readers"), info=words("people.readers_help"))
                editors = _some_of((), label=words("people.editors"), info=words("people.editors_help"))
                only_admins = gr.Checkbox(label=words("people.only_admins"), value=False)
                grant = gr.Button(words("people.grant"), variant="primary")
    chosen = gr.State("")
    of_person, of_resource = [name, role, groups, password, remove, asked], [title, readers, editors, only_admins]
    opened = [chosen, person, resource, *of_person, *of_resource]
    came = listed.choose(actions.open, outputs=opened, **CLICKED)
    came.success(None, js=page_does("shown", "people"), **QUIET)
    new.click(actions.new, outputs=opened, **CLICKED)
    save.click(actions.save, [chosen, name, role, groups, password], [listed, *opened], **CLICKED)
    remove.click(lambda: gr.Row(visible=True), outputs=asked, **CLICKED)
    kept.click(lambda: gr.Row(visible=False), outputs=asked, **CLICKED)
    confirmed.click(actions.remove, chosen, [listed, *opened], **CLICKED)
    grant.click(actions.grant, [chosen, readers, editors, only_admins], [listed, *opened], **CLICKED)
    when_opened(actions.listed, [listed])


def _some_of(names: Sequence[str], chosen: Sequence[str] | None = None, **named: Any) -> gr.Dropdown:
    """Some of those that there are, or others."""
    return gr.Dropdown(list(names), value=list(chosen or ()), multiselect=True, allow_custom_value=True, **named)


_PERSON = "person/"


@dataclass(frozen=True, slots=True)
class PeopleActions:
    """Callbacks of the page of people in one language. What is open is ``person/ana`` or ``corpus/claims``."""

    context: AppContext

    @telling
    def listed(self, request: gr.Request) -> str:
        """Everyone who may sign in, and all that rights can be set for."""
        return self._list() if self.context.may(request, "admin") else ""

    @telling
    def new(self, request: gr.Request) -> list[Any]:
        """A form for someone who cannot sign in yet."""
        self.context.require(request, "admin")
        return self._opened("")

    @telling
    def open(self, event: gr.EventData, request: gr.Request) -> list[Any]:
        """Show a person, or who may read and change something."""
        self.context.require(request, "admin")
        return self._opened(data_of(event).get("choice", ""))

    @telling
    def save(
        self, chosen: str, name: str, role: str, groups: list[str], password: str, request: gr.Request
    ) -> list[Any]:
        """Let someone in, or change who they are."""
        user, people = self.context.require(request, "admin"), self._people()
        known, may_be = chosen.removeprefix(_PERSON), next((one for one in ROLES if one == role), None)
        if may_be is None:
            raise UsageError(f"{role!r} is no role.", f"There are: {', '.join(ROLES)}.")
        named = [one.strip().removeprefix(GROUP) for one in groups or ()]
        if not chosen.startswith(_PERSON):
            signs_in_elsewhere = bool(self.context.settings.ui.trusted_header)
            known = people.add(name, may_be, password if signs_in_elsewhere else usable_password(password), named).name
        else:
            if known == user.name and may_be != user.role:
                raise UsageError(self.context.text("people.yourself"))
            people.set_role(known, may_be)
            people.set_groups(known, named)
            if password:
                people.set_password(known, password)
        self.context.record(user, "users save", known, role=may_be, groups=named, password=bool(password))
        gr.Info(message_html(self.context.text("people.saved", name=known)))
        return [self._list(), *self._opened(f"{_PERSON}{known}")]

    @telling
    def remove(self, chosen: str, request: gr.Request) -> list[Any]:
        """Let someone in no more; what they have open ends."""
        user, known = self.context.require(request, "admin"), chosen.removeprefix(_PERSON)
        if known == user.name:
            raise UsageError(self.context.text("people.yourself"))
        self._people().remove(known)
        self.context.record(user, "users remove", known)
        return [self._list(), *self._opened("")]

    @telling
    def grant(
        self, chosen: str, readers: list[str], editors: list[str], only_admins: bool, request: gr.Request
    ) -> list[Any]:
        """Set who reads and who changes something; nobody named is as where nothing is set."""
        user = self.context.require(request, "admin")
        kind, name = self._resource(chosen)
        access = Access((), ()) if only_admins else Access(tuple(readers or ()) or None, tuple(editors or ()) or None)
        refuse_unknown(self._people(), access)
        self.context.rights.set(kind, name, access)
        self.context.record(user, "rights set", name, kind=kind, readers=access.readers, editors=access.editors)
        gr.Info(message_html(self.context.text("people.saved", name=name)))
        return [self._list(), *self._opened(chosen)]

    def _people(self) -> People:
        if self.context.people is None:
            raise UsageError(self.context.text("people.nobody"), "Run: assistant users add NAME")
        return self.context.people

    def _list(self) -> str:
        words = self.context.text
        if self.context.people is None:
            return meta_html(words("people.nobody"))
        people = [
            ListEntry(
                f"{_PERSON}{one.name}", one.name, " · ".join([one.role, *(GROUP + group for group in one.groups)])
            )
            for one in self.context.people.users()
        ]
        try:
            entries = self.context.rights.read().entries
        except ConfigError as error:
            return meta_html(str(error)) + choices_html(people)
        things = [
            ListEntry(f"{kind}/{name}", name, self._told(entries.get((kind, name), NOTHING_SET)), self._badge(kind))
            for kind, name in self._resources()
        ]
        return choices_html([*people, *things])

    def _badge(self, kind: RightsKind) -> Badge:
        return Badge(self.context.text(f"people.kind.{kind}"))

    def _told(self, access: Access) -> str:
        words = self.context.text
        readers = words("people.everyone") if access.readers is None else ", ".join(access.readers)
        editors = words("people.every_editor") if access.editors is None else ", ".join(access.editors)
        admins = words("people.admins")
        return words("people.told", readers=readers or admins, editors=editors or admins)

    def _resources(self) -> list[tuple[RightsKind, str]]:
        """All that rights are set for, or can be."""
        workspace = self.context.workspace
        names: dict[RightsKind, Sequence[str]] = {
            "corpus": workspace.corpus_names(),
            "adapter": adapters_shown(workspace),
            "report": [view.name for view in reports(workspace)],
        }
        there = [(kind, name) for kind, some in names.items() for name in some]
        set_for = [(kind, name) for of, name in self.context.rights.read().entries for kind in names if kind == of]
        return [*there, *(one for one in set_for if one not in there)]

    def _resource(self, chosen: str) -> tuple[RightsKind, str]:
        kind, _, name = chosen.partition("/")
        found = next((one for one in self._resources() if one == (kind, name)), None)
        if found is None:
            raise UsageError(f"There is no {chosen[:80]!r}.", "Choose one of the list.")
        return found

    def _opened(self, chosen: str) -> list[Any]:
        people, is_person = self._people(), chosen.startswith(_PERSON) or not chosen
        everyone, groups = [one.name for one in people.users()], people.groups()
        known = people.user(chosen.removeprefix(_PERSON)) if chosen and is_person else None
        if chosen and is_person and known is None:
            raise UsageError(f"There is no user {chosen.removeprefix(_PERSON)[:80]!r}.", "Choose one of the list.")
        access, title = NOTHING_SET, ""
        if not is_person:
            kind, name = self._resource(chosen)
            access = self.context.rights.read().entries.get((kind, name), NOTHING_SET)
            title = title_html(name, self.context.text(f"people.kind.{kind}"))
        whom = [*(GROUP + group for group in groups), *everyone]
        return [
            chosen,
            gr.Column(visible=is_person),
            gr.Column(visible=not is_person),
            gr.Textbox(known.name if known else "", interactive=known is None),
            gr.Dropdown(list(ROLES), value=known.role if known else ROLES[0]),
            _some_of(groups, known.groups if known else ()),
            "",
            gr.Button(visible=known is not None),
            gr.Row(visible=False),
            title,
            _some_of(whom, access.readers),
            _some_of(whom, access.editors),
            access.readers == (),
        ]
