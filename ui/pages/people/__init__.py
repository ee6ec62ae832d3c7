"""The page of people for admins: who may sign in, in which groups, and who may read and change what."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from assistant.artifacts.cards import adapters_shown
from assistant.errors import ConfigError, UsageError
from ui.context import AppContext
from ui.pages.evaluation.view import reports
from ui.pages.events import CLICKED, QUIET, choice_list, data_of, page_does, still_html, telling, when_opened
from ui.people import ROLES, People, usable_password
from ui.rights import GROUP, NOTHING_SET, Access, RightsKind, refuse_unknown
from ui.shown.components import Badge, ListEntry, choices_html, message_html, meta_html, title_html


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
        self.context.rights.forget(known)
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
        things = []
        for kind, name in self._resources():
            badge = Badge(self.context.text(f"people.kind.{kind}"))
            things.append(ListEntry(f"{kind}/{name}", name, self._told(entries.get((kind, name), NOTHING_SET)), badge))
        return choices_html([*people, *things])

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
