"""Controls of settings: label, help, bounds and default come from the field that the command line has them from.

Where a language has words of its own for a field, the name that the command line knows stands behind them.
"""

from typing import Any, Literal, get_args, get_origin

import gradio as gr
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from assistant.text.languages import Language
from ui.texts import field_words


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
    if words := field_words(setting, language):
        label, help_ = words
        return {"label": label if label.lower() == key else f"{label} ({key})", "info": help_}
    return {"label": label_of(key), "info": description}


def label_of(key: str) -> str:
    """A key as a label: ``max_steps`` → ``Max steps``."""
    return key.replace("_", " ").capitalize()


def shown_value(value: Any) -> Any:
    """A default as a control shows it: lists as the command line takes them."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else value


def assignments(section: type[BaseModel], values: dict[str, Any]) -> list[str]:
    """What differs from the defaults, as ``key=value``. Raises ValidationError for a value that the section refuses."""
    given = section.model_validate({key: value for key, value in values.items() if value is not None})
    return [
        f"{key}={_written(shown_value(getattr(given, key)))}"
        for key in values
        if getattr(given, key) != section.model_fields[key].default
    ]


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _bounds(field: FieldInfo) -> dict[str, Any]:
    """The least and the greatest value, as far as they are stated and belong to the range."""
    found: dict[str, Any] = {}
    for rule in field.metadata:
        if (least := getattr(rule, "ge", None)) is not None:
            found["minimum"] = least
        if (greatest := getattr(rule, "le", None)) is not None:
            found["maximum"] = greatest
    return found
