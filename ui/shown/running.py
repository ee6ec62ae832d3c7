"""Settings with their origin, and what was found wrong, as HTML: for the person who runs the assistant."""

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from assistant.config import Origin, Settings, description_of, value_of
from assistant.doctor import Finding
from ui.context import AppContext
from ui.shown.pieces import Badge, badge_html
from ui.shown.safe import escaped

_DEFAULT = "default"


def settings_html(context: AppContext, settings: Settings, origins: Sequence[Origin]) -> str:
    """Every setting by section: its value, where that comes from, what it does, and whether a start is needed."""
    sections = groupby(origins, key=lambda origin: origin.key.partition(".")[0])
    return "".join(_section(context, settings, name, list(some)) for name, some in sections)


def findings_html(context: AppContext, findings: Sequence[Finding]) -> str:
    """What was checked, what is wrong first, each with its remedy."""
    order = {"error": 0, "warning": 1, "ok": 2}
    lines = "".join(_finding(context, one) for one in sorted(findings, key=lambda one: order[one.severity]))
    return f'<ul class="files">{lines}</ul>'


def written(value: Any) -> str:
    """A value as it can be typed."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _section(context: AppContext, settings: Settings, name: str, origins: Sequence[Origin]) -> str:
    changed = sum(origin.source != _DEFAULT for origin in origins)
    told = f" {badge_html(Badge(context.text('settings.changed', count=changed)))}" if changed else ""
    rows = "".join(_row(context, settings, origin) for origin in origins)
    is_open = " open" if changed else ""
    return f'<details class="section"{is_open}><summary>{escaped(name)}{told}</summary><dl>{rows}</dl></details>'


def _row(context: AppContext, settings: Settings, origin: Origin) -> str:
    value = value_of(settings, origin.key)
    source = "" if origin.source == _DEFAULT else badge_html(Badge(_source(context, origin.source), "ok"))
    differs = value != value_of(context.settings, origin.key)
    later = f" {badge_html(Badge(context.text('settings.later'), 'warn'))}" if differs else ""
    return (
        f"<div><dt><code>{escaped(origin.key)}</code> = <code>{escaped(written(value))}</code> {source}{later}</dt>"
        f"<dd>{escaped(description_of(origin.key))}</dd></div>"
    )


def _source(context: AppContext, source: str) -> str:
    """Where a value comes from, in words; a variable by its name."""
    if source == "command line":
        return context.text("settings.command_line")
    return Path(source).name


def _finding(context: AppContext, finding: Finding) -> str:
    badge = badge_html(Badge(context.text(f"health.severity.{finding.severity}"), finding.severity))
    remedy = f'<span class="remark">{escaped(finding.remedy)}</span>' if finding.remedy else ""
    return f"<li>{badge} <strong>{escaped(finding.name)}</strong> {escaped(finding.message)}{remedy}</li>"
