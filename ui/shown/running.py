"""Settings with their origin, and what was found wrong, as HTML: for the person who runs the assistant."""

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from markupsafe import Markup

from assistant.config import Origin, Settings, description_of, value_of
from assistant.doctor import Diagnosis
from ui.context import AppContext
from ui.shown.templates import filled

_DEFAULT = "default"


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
            rows.append((origin.key, written(value), shown, later, description_of(origin.key)))
        changed = sum(bool(shown) for _, _, shown, _, _ in rows)
        sections.append((name, context.text("settings.changed", count=changed) if changed else "", rows))
    return filled("running.settings", sections=sections)


def findings_html(context: AppContext, findings: Sequence[Diagnosis]) -> Markup:
    """What was checked, what is wrong first, each with its remedy."""
    order = {"error": 0, "warning": 1, "ok": 2}
    ordered = sorted(findings, key=lambda one: order[one.severity])
    lines = [(context.text(f"health.severity.{one.severity}"), one) for one in ordered]
    return filled("running.findings", lines=lines)


def written(value: Any) -> str:
    """A value as it can be typed."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
