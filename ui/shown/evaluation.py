"""Reports of evaluations in a list, in a frame, and two of them compared, as HTML."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from assistant.artifacts.evaluations import Comparison
from ui.context import AppContext
from ui.reports import ReportView
from ui.shown.components import Badge, ListEntry, empty_html, interval
from ui.shown.templates import filled
from ui.texts import shown_number

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


def reports_html(context: AppContext, views: Sequence[ReportView]) -> Markup:
    """Reports as a list to choose from."""
    if not views:
        return empty_html(context.text("evaluation.empty.title"), context.text("evaluation.empty.what"))
    entries = []
    for view in views:
        # "base+rag: 109 usable, 61 misleading"
        worth = (
            context.text(
                "evaluation.worth",
                system=system,
                usable=_count(context, counts, "usable"),
                misleading=_count(context, counts, "misleading"),
            )
            for system, counts in view.outcomes.items()
        )
        facts = " · ".join((view.name, view.corpus, _cases(context, view), *worth))
        entries.append(ListEntry(view.name, view.title, facts, _badge(context, view.status)))
    return filled("components.choices", entries=entries)


def decision_html(context: AppContext, view: ReportView) -> Markup:
    """What came of the questions, a system a row: usable, misleading, and the rest."""
    return filled(
        "evaluation.decision",
        heads=[_cases(context, view), *(context.text(f"evaluation.outcomes.{outcome}") for outcome in _OUTCOMES)],
        rows=[
            [system, *(_count(context, counts, outcome) for outcome in _OUTCOMES)]
            for system, counts in view.outcomes.items()
        ],
    )


def frame_html(context: AppContext, name: str) -> Markup:
    """A report in a frame that may do nothing but show itself."""
    return filled("evaluation.frame", name=name, title=context.text("evaluation.report", name=name))


def comparison_html(context: AppContext, found: Comparison) -> Markup:
    """What two reports say about each other: the verdict, the lights, the differences."""

    def signed(value: float) -> str:
        return ("+" if value > 0 else "") + shown_number(value, context.language, 3)

    rows = []
    for effect in found.effects:
        known = _VERDICTS.get(effect.verdict)
        verdict = context.text(f"evaluation.verdict.{known}") if known else effect.verdict
        mean = effect.difference.mean
        difference = "–" if mean.value is None else interval(mean.value, mean.low, mean.high, signed)
        rows.append([effect.metric, difference, verdict])
    gate = found.gate
    return filled(
        "evaluation.comparison",
        status=_badge(context, gate.status),
        verdict=gate.verdict,
        changed=context.text("evaluation.changed", parts=", ".join(gate.changed)) if gate.changed else "",
        lights=[(_badge(context, light.status), light.metric, light.reason) for light in gate.lights],
        heads=[context.text(f"evaluation.columns.{key}") for key in _COLUMNS],
        rows=rows,
    )


def _cases(context: AppContext, view: ReportView) -> str:
    return context.text("evaluation.cases_of", count=shown_number(view.cases, context.language))


def _badge(context: AppContext, status: str) -> Badge | None:
    """Of what the gate says; None for what it never does, and where no gate was asked for."""
    return Badge(context.text(f"evaluation.status.{status}"), status) if status in _STATUSES else None


def _count(context: AppContext, counts: Mapping[str, int], outcome: str) -> str:
    return shown_number(counts.get(outcome, 0), context.language) if counts else "–"
