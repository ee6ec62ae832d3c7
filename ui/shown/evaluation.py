"""Reports of evaluations in a list, in a frame, and two of them compared, as HTML."""

from collections.abc import Mapping, Sequence

from assistant.artifacts.evaluation import Comparison, Mean
from ui.context import AppContext
from ui.reports import ReportView
from ui.shown.pieces import Badge, badge_html, choice_html, empty_html, interval, said
from ui.shown.safe import escaped
from ui.texts import shown_number


def reports_html(context: AppContext, views: Sequence[ReportView]) -> str:
    """Reports as a list to choose from."""
    if not views:
        return empty_html(context.text("evaluation.empty.title"), context.text("evaluation.empty.what"))
    return f'<ul class="choices">{"".join(_choice(context, view) for view in views)}</ul>'


def decision_html(context: AppContext, view: ReportView) -> str:
    """What came of the questions, a system a row: usable, misleading, and the rest."""
    heads = "".join(f"<th scope='col'>{said(context, f'evaluation.outcomes.{outcome}')}</th>" for outcome in _OUTCOMES)
    rows = "".join(
        f"<tr><th scope='row'>{escaped(system)}</th>"
        + "".join(f"<td>{_count(context, counts, outcome)}</td>" for outcome in _OUTCOMES)
        + "</tr>"
        for system, counts in view.outcomes.items()
    )
    asked = escaped(context.text("evaluation.cases_of", count=shown_number(view.cases, context.language)))
    return (
        f'<div class="scroll" tabindex="0"><table class="grid"><thead><tr><th scope="col">{asked}</th>{heads}</tr>'
        f"</thead><tbody>{rows}</tbody></table></div>"
    )


def frame_html(context: AppContext, name: str) -> str:
    """A report in a frame that may do nothing but show itself."""
    title = escaped(context.text("evaluation.report", name=name))
    return (
        f'<iframe class="report" src="/reports/{escaped(name)}" title="{title}" sandbox="allow-scripts"'
        ' referrerpolicy="no-referrer" loading="lazy"></iframe>'
    )


def comparison_html(context: AppContext, found: Comparison) -> str:
    """What two reports say about each other: the verdict, the lights, the differences."""
    lights = "".join(
        f"<li>{_status(context, light.status)} <strong>{escaped(light.metric)}</strong> {escaped(light.reason)}</li>"
        for light in found.gate.lights
    )
    rows = "".join(
        f"<tr><th scope='row'>{escaped(effect.metric)}</th><td>{escaped(_mean(context, effect.difference.mean))}</td>"
        f"<td>{escaped(_verdict(context, effect.verdict))}</td></tr>"
        for effect in found.effects
    )
    changed = (
        f'<p class="meta">{escaped(context.text("evaluation.changed", parts=", ".join(found.gate.changed)))}</p>'
        if found.gate.changed
        else ""
    )
    heads = "".join(f"<th scope='col'>{said(context, f'evaluation.columns.{key}')}</th>" for key in _COLUMNS)
    table = f"<table class='grid'><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
    return (
        f'<p class="summary">{_status(context, found.gate.status)} {escaped(found.gate.verdict)}</p>{changed}'
        f'<ul class="files">{lights}</ul><div class="scroll" tabindex="0">{table}</div>'
    )


_COLUMNS = ("metric", "difference", "verdict")
_OUTCOMES = ("usable", "misleading", "hedged", "refused", "partly")
_STATUSES = frozenset({"pass", "warn", "fail", "thin"})
# As the commands say them → the key of the words for it.
_VERDICTS: Mapping[str, str] = {
    "higher": "higher",
    "lower": "lower",
    "same": "same",
    "too thin to tell": "thin",
    "anecdote": "anecdote",
}


def _choice(context: AppContext, view: ReportView) -> str:
    cases = context.text("evaluation.cases_of", count=shown_number(view.cases, context.language))
    worth = (_worth(context, system, counts) for system, counts in view.outcomes.items())
    facts = " · ".join((view.name, view.corpus, cases, *worth))
    return choice_html(view.name, view.title, facts, _badge(context, view.status))


def _status(context: AppContext, status: str) -> str:
    badge = _badge(context, status)
    return badge_html(badge) if badge else ""


def _badge(context: AppContext, status: str) -> Badge | None:
    """Of what the gate says; None for what it never does, and where no gate was asked for."""
    return Badge(context.text(f"evaluation.status.{status}"), status) if status in _STATUSES else None


def _verdict(context: AppContext, verdict: str) -> str:
    return context.text(f"evaluation.verdict.{_VERDICTS[verdict]}") if verdict in _VERDICTS else verdict


def _mean(context: AppContext, mean: Mean) -> str:
    if mean.value is None:
        return "–"
    return interval(mean.value, mean.low, mean.high, lambda value: _signed(context, value))


def _signed(context: AppContext, value: float) -> str:
    return ("+" if value > 0 else "") + shown_number(value, context.language, 3)


def _worth(context: AppContext, system: str, counts: Mapping[str, int]) -> str:
    """``base+rag: 109 usable, 61 misleading``."""
    usable, misleading = (_count(context, counts, outcome) for outcome in ("usable", "misleading"))
    return context.text("evaluation.worth", system=system, usable=usable, misleading=misleading)


def _count(context: AppContext, counts: Mapping[str, int], outcome: str) -> str:
    return shown_number(counts.get(outcome, 0), context.language) if counts else "–"
