"""What starts a job and shows it: controls of settings, what a form may send, by type and within bounds, and a panel.

Label, help, bounds and default of a control come from the field that the command line has them from. Where a language
has words of its own for a field, the name that the command line knows stands behind them. A browser may send anything:

    @telling
    @checked
    def make_pairs(self, corpus: CorpusName, request: gr.Request) -> None: ...

So nothing else reaches the command line of a job, where every value stands behind its option's ``=`` or behind ``--``.

While a job is under way its panel looks again every second; what it shows comes from files alone, so that it is the
same after the page was loaded anew and for everyone who looks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import gradio as gr
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, validate_call
from pydantic.fields import FieldInfo

from assistant.config import JobKind, Settings
from assistant.errors import UsageError
from assistant.models import BUNDLED
from assistant.models.catalogue import catalogue
from assistant.text.languages import Language
from assistant.workspace import safe_name
from ui.context import AppContext
from ui.jobs import Status
from ui.pages.events import CLICKED, QUIET, still_html, telling, when_opened
from ui.people import Role, User
from ui.shown.components import log_html, state_html
from ui.texts import field_words

checked = validate_call(config=ConfigDict(arbitrary_types_allowed=True))
"""Has a callback called with what its annotations say. Raises ValidationError, or the UsageError of a name."""
_NOTHING_CHOSEN = BeforeValidator(lambda value: "" if value is None else value)
CorpusName = Annotated[str, _NOTHING_CHOSEN, AfterValidator(lambda name: safe_name(name, "corpus"))]
AnyCorpusName = Annotated[str, _NOTHING_CHOSEN, AfterValidator(lambda name: name and safe_name(name, "corpus"))]
"""The name of a corpus, or empty: whichever fits."""
PairsName = Annotated[str, _NOTHING_CHOSEN, AfterValidator(lambda name: safe_name(name, "set of pairs"))]
AdapterName = Annotated[str, _NOTHING_CHOSEN, AfterValidator(lambda name: safe_name(name.strip(), "adapter"))]
Count = Annotated[int, BeforeValidator(lambda value: value or 0), Field(ge=0, le=1_000_000)]
Weight = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]


def control(section: type[BaseModel], key: str, prefix: str, language: Language) -> Any:
    """The control of one setting of the section ``prefix``; its element is called ``PREFIX-KEY``."""
    field = section.model_fields[key]
    named: dict[str, Any] = {
        **named_in(language, f"{prefix}.{key}", field.description or ""),
        "value": shown_value(field.default),
        "elem_id": f"{prefix}-{key}",
    }
    if get_origin(field.annotation) is Literal:
        return gr.Dropdown(list(get_args(field.annotation)), **named)
    if field.annotation is bool:
        return gr.Checkbox(**named)
    if field.annotation in (int, float):
        return gr.Number(precision=0 if field.annotation is int else None, **_bounds(field), **named)
    return gr.Textbox(**named)


def named_in(language: Language, setting: str, description: str) -> dict[str, str]:
    """Label and help of a setting in a language."""
    key = setting.rpartition(".")[2]
    called, does = field_words(setting, language)
    label = f"{called} ({key})" if called and called.lower() != key else label_of(key)
    return {"label": label, "info": does or description}


def label_of(key: str) -> str:
    """A key as a label: ``max_steps`` → ``Max steps``."""
    return key.replace("_", " ").capitalize()


def shown_value(value: Any) -> Any:
    """A default as a control shows it: lists and mappings as the command line takes them."""
    if isinstance(value, dict):
        return ",".join(f"{key}:{one}" for key, one in value.items())
    return ",".join(map(str, value)) if isinstance(value, tuple) else value


def assignments(section: type[BaseModel], values: dict[str, Any]) -> list[str]:
    """What differs from the defaults, as ``key=value``. Raises ValidationError for a value that the section refuses."""
    given = section.model_validate({key: value for key, value in values.items() if value is not None})
    return [
        f"{key}={str(value).lower() if isinstance(value, bool) else shown_value(value)}"
        for key, value in ((key, getattr(given, key)) for key in values)
        if value != section.model_fields[key].default
    ]


def _bounds(field: FieldInfo) -> dict[str, Any]:
    """The least and the greatest value, as far as they are stated and belong to the range."""
    found: dict[str, Any] = {}
    for rule in field.metadata:
        if (least := getattr(rule, "ge", None)) is not None:
            found["minimum"] = least
        if (greatest := getattr(rule, "le", None)) is not None:
            found["maximum"] = greatest
    return found


def existing_corpus(name: str, names: tuple[str, ...]) -> str:
    """``name``. Raises UsageError for a corpus that there is not."""
    if name not in names:
        raise UsageError(f"There is no corpus '{name}'.", "Add documents to it first.")
    return name


def judges_of(settings: Settings) -> list[str]:
    """The models that may judge: whoever runs the assistant has named them."""
    return list(dict.fromkeys((settings.engine.model, *settings.eval.judges)))


def usable_base(name: str, user: User) -> str:
    """``name`` of a model to train on: ``bundled``, one of the catalogue, OWNER/NAME of the hub, or one that lies here.

    Raises UsageError for anything else; files and folders of the server are named by admins only.
    """
    if name == BUNDLED or name in catalogue() or _is_hub_id(name) or (user.may("admin") and _is_model_here(name)):
        return name
    raise UsageError(
        f"{name[:200]!r} is no model to train on.",
        f"Name '{BUNDLED}', a model of the catalogue or of the Hugging Face hub (OWNER/NAME), or, as an admin, a folder"
        " or GGUF file with a model.",
    )


def _is_hub_id(name: str) -> bool:
    """Whether it is OWNER/NAME. No part of one begins with a dot, so that none is a way out of a folder."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # it exports it as it runs

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return "/" in name


def _is_model_here(name: str) -> bool:
    try:
        place = Path(name).expanduser()
        return (place / "config.json").is_file() or (place.suffix == ".gguf" and place.is_file())
    except (OSError, RuntimeError):
        return False  # too long for a path, or in the home of nobody


_SECONDS = 1.0  # between two looks, so that a job is seen to move


@dataclass(frozen=True, slots=True)
class JobPanel:
    """The components of a panel, and what brings them up to date."""

    outputs: Sequence[Any]
    refresh: Callable[[gr.Request], list[Any]]
    ended: gr.Textbox
    """The newest job that has ended: changes when one does."""


def job_panel(
    context: AppContext, kinds: Sequence[JobKind], role: Role, result: Callable[[AppContext, Status], str]
) -> JobPanel:
    """Lay out a panel for the newest job of some kinds; ``result`` is the HTML of what it gives, so far or at its end,
    for whoever looks.

    Who has not the ``role``, or may not read what the job is about, sees nothing of it.
    """
    # The script tells whoever looks elsewhere that it has ended (ui/assets/jobs.js).
    view = gr.HTML(js_on_load="watch('value', () => window.assistant.job(element));", apply_default_css=False)
    stop = gr.Button(context.text("jobs.stop"), visible=False, size="sm")
    shown = still_html()
    with gr.Accordion(context.text("jobs.log"), open=False, visible=False) as details:
        log = still_html()
    timer = gr.Timer(_SECONDS, active=False)
    # Not a State: those tell of a change only where the change came through the queue.
    ended = gr.Textbox("", label="job", elem_classes="unseen")
    outputs = [view, stop, shown, details, log, timer, ended]

    def refresh(request: gr.Request) -> list[Any]:
        theirs = context.of(request)
        status = theirs.jobs.newest(*kinds) if context.may(request, role) else None
        if status is None:
            nothing = gr.Accordion(visible=False), "", gr.Timer(active=False), gr.skip()
            return ["", gr.Button(visible=False), "", *nothing]
        text = theirs.jobs.log(status.job.id)
        return [
            state_html(context, status),
            gr.Button(visible=status.is_under_way, interactive=status.state != "starting"),
            result(theirs, status),
            gr.Accordion(visible=bool(text.strip())),
            log_html(text),
            gr.Timer(active=status.is_under_way),
            gr.skip() if status.is_under_way else status.job.id,
        ]

    @telling
    def stopped(request: gr.Request) -> list[Any]:
        context.require(request, role)
        theirs = context.of(request)
        if status := theirs.jobs.under_way(*kinds):
            for one in status.job.edits:
                theirs.refuse_edit(*one)
            theirs.jobs.stop(status.job.id)
        return refresh(request)

    timer.tick(refresh, outputs=outputs, **QUIET)
    stop.click(stopped, outputs=outputs, **CLICKED)
    when_opened(refresh, outputs)
    return JobPanel(outputs, refresh, ended)
