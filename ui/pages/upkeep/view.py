"""Settings with their origin, and what was found wrong, as HTML: for the person who runs the assistant."""

import json
from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

from markupsafe import Markup

from assistant.config import Origin, Settings, value_of
from assistant.doctor import Diagnosis
from assistant.engines.opening import uses_server
from assistant.errors import ModelError
from assistant.models.catalogue import Model, catalogue, entry_of
from assistant.models.naming import check_engine_name, folder_here
from ui.context import AppContext
from ui.shown.components import Badge, ListEntry, choices_html
from ui.shown.templates import filled
from ui.texts import explanation, language_name, shown_number

_DEFAULT = "default"
_SECONDS_A_BILLION = 4.0
"""Of an answer in 16 bits on two cores, for each billion parameters (docs/engines.md)."""


def settings_html(context: AppContext, settings: Settings, origins: Sequence[Origin]) -> Markup:
    """Every setting by section: its value, where that comes from, what it does, and whether a start is needed."""
    sections = []
    for name, grouped in groupby(origins, key=lambda origin: origin.key.partition(".")[0]):
        rows = []
        for origin in grouped:
            value, source = value_of(settings, origin.key), origin.source
            if source == "command line":
                source = context.text("settings.command_line")
            later = context.text("settings.later") if value != value_of(context.settings, origin.key) else ""
            shown = "" if source == _DEFAULT else Path(source).name
            rows.append((origin.key, written(value), shown, later, explanation(origin.key, context.language)))
        changed = sum(bool(shown) for _, _, shown, _, _ in rows)
        sections.append((name, context.text("settings.changed", count=changed) if changed else "", rows))
    return filled("pages/upkeep/view.settings", sections=sections)


def models_html(context: AppContext, chosen: str) -> Markup:
    """The language models of the catalogue, the smallest first; ``chosen`` is the setting that names the one in use."""
    entries = []
    for name, model in sorted(_language_models().items(), key=lambda pair: pair[1].parameters):
        badge = None
        if entry_of(chosen) is model:
            badge = Badge(context.text("models.in_use"), "ok")
        elif folder_here(name):
            badge = Badge(context.text("models.here"))
        entries.append(ListEntry(name, name, _needs(context, model), badge))
    return choices_html(entries)


def model_html(context: AppContext, name: str) -> Markup:
    """What a model is, what it needs, and how large the fetch is; of one that is not in the catalogue its name."""
    model, words = _language_models().get(name), context.text
    if model is None:
        return filled("pages/upkeep/view.model", name=name, rows={})
    rows = {
        words("models.needs"): _needs(context, model),
        words("models.languages"): ", ".join(map(language_name, model.languages)) or words("models.many"),
        words("models.window"): words("models.tokens", count=shown_number(model.window, context.language)),
        words("models.licence"): model.licence,
        words("models.source"): model.hub,
        words("models.notes"): context.said(model.note),
    }
    if model.quotes:
        rows[words("models.quotes")] = words("models.quotes_what")
    if model.wheels and not folder_here(name):
        size = shown_number(model.wheels.bytes / 1e6, context.language)
        rows[words("models.fetch")] = words("models.size", megabytes=size)
    return filled("pages/upkeep/view.model", name=name, rows={label: text for label, text in rows.items() if text})


def models_here(context: AppContext) -> dict[str, str]:
    """The language models that can be had at once, each with its cost in words: first the one that answers."""
    chosen = context.settings.engine.model
    if uses_server(context.settings.engine):
        return {chosen: chosen}
    here = {name: model for name, model in _language_models().items() if folder_here(name)}
    others = {name: model for name, model in here.items() if model is not entry_of(chosen)}
    found = {chosen: entry_of(chosen)} | dict(sorted(others.items(), key=lambda pair: pair[1].parameters))
    for name in context.settings.ui.models:
        with suppress(ModelError):
            check_engine_name(name)
            found.setdefault(name, entry_of(name))
    return {
        name: f"{Path(name).name} · {_needs(context, model)}" if model else Path(name).name
        for name, model in found.items()
    }


def bases_here(context: AppContext) -> list[tuple[str, str]]:
    """Labels and values of models to train on; the value of the one that answers is empty, whichever it will be."""
    chosen = context.settings.engine.model
    return [(label, "" if name == chosen else name) for name, label in models_here(context).items()]


def _language_models() -> dict[str, Model]:
    return {name: model for name, model in catalogue().items() if model.kind == "language model"}


def _needs(context: AppContext, model: Model) -> str:
    memory = shown_number(model.memory, context.language, 1)
    seconds = shown_number(max(1, _SECONDS_A_BILLION * model.parameters), context.language)
    return context.text("models.cost", memory=memory, seconds=seconds)


def findings_html(context: AppContext, findings: Sequence[Diagnosis]) -> Markup:
    """What was checked, what is wrong first, each with its remedy."""
    order = {"error": 0, "warning": 1, "ok": 2}
    ordered = sorted(findings, key=lambda one: order[one.severity])
    lines = [
        (
            one.severity,
            context.text(f"health.severity.{one.severity}"),
            *map(context.said, (one.name, one.message, one.remedy)),
        )
        for one in ordered
    ]
    return filled("pages/upkeep/view.findings", lines=lines)


def written(value: Any) -> str:
    """A value as it can be typed."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
