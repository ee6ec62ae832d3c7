"""Reports of evaluations: what their files say, and the list, a report in a frame and two compared, as HTML.

    /reports/NAME        report.html of the workspace's reports/NAME, for editors, without any right of the app's pages

A report is a page of ours over texts of strangers: it is shown in a frame that may run its one script and nothing else.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

from fastapi import FastAPI, Request
from markupsafe import Markup
from starlette.responses import FileResponse, PlainTextResponse, Response

from assistant.artifacts.evaluations import (
    REPORT_FILE,
    RESULTS_FILE,
    Changes,
    Comparison,
    read_opening,
    reason_of,
    verdict_of,
    words_in,
)
from assistant.errors import UsageError
from assistant.text.languages import LANGUAGES
from assistant.workspace import Workspace, safe_name
from ui.context import AppContext
from ui.people import User
from ui.shown.components import OUTCOME_LOOKS, Badge, ListEntry, choices_html, empty_html, interval
from ui.shown.templates import filled
from ui.signin import signed_in
from ui.texts import shown_number

CASES_FOLDER = "cases"
# The report's own policy names its script; the sandbox takes from it all that the app's pages may do.
_POLICY = (
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


@dataclass(frozen=True, slots=True)
class ReportView:
    """A report in a list."""

    name: str
    title: str
    status: str
    """Of the gate: pass, warn, fail, thin; empty where no gate was asked for."""
    verdict: str
    corpus: str
    cases: int
    outcomes: Mapping[str, Mapping[str, int]]
    """System → usable, misleading, hedged, refused, partly → answers; empty for a run of an earlier version."""


def reports(workspace: Workspace) -> list[ReportView]:
    """The reports of a workspace, the newest first; those that are not whole are left out."""
    files = (workspace.root / "reports").glob(f"*/{RESULTS_FILE}")
    shown = (file for file in files if workspace.shows("report", file.parent.name))
    whole = (file for file in shown if file.with_name(REPORT_FILE).exists())
    stamped = sorted(((file.stat().st_mtime_ns, file) for file in whole), reverse=True)
    return [view for stamp, file in stamped if (view := _view(file, stamp))]


def report_file(workspace: Workspace, name: str) -> Path:
    """The page of a report. Raises UsageError where there is none of this name."""
    folder = workspace.root / "reports"
    file = folder / safe_name(name, "report") / REPORT_FILE
    # What is shown is asked first: to look at what is kept from somebody takes longer than to find nothing.
    if not (workspace.shows("report", name) and file.is_file() and file.resolve().is_relative_to(folder.resolve())):
        raise UsageError(f"There is no report '{name}'.", "Choose another one.")
    return file


def case_files(workspace: Workspace) -> list[Path]:
    """The files of cases in the workspace, by name: those that were sent or drafted, and those from experts."""
    files = [
        *sorted((workspace.root / CASES_FOLDER).glob("*.jsonl")),
        *sorted((workspace.root / "feedback").glob("*.cases.jsonl")),
    ]
    return [file for file in files if workspace.shows("cases", file.name)]


def add_report_routes(app: FastAPI, workspace_of: Callable[[User], Workspace]) -> None:
    """The address of reports, of those that somebody's workspace shows."""

    def report(name: str, request: Request) -> Response:
        user = signed_in(request.scope)
        if user is None or not user.may("editor"):
            return PlainTextResponse("Reports need the role editor.", 403)
        try:
            file = report_file(workspace_of(user), name)
        except UsageError as error:
            return PlainTextResponse(str(error), 404)
        return FileResponse(file, media_type="text/html", headers={"Content-Security-Policy": _POLICY})

    app.add_api_route("/reports/{name}", report, include_in_schema=False)


@lru_cache(maxsize=256)
def _view(file: Path, _stamp: int) -> ReportView | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        gate, outcomes = content["gate"], {}
        for system, found in content["first_failures"].items():
            counts = {str(outcome): some for outcome, some in found.items() if isinstance(some, dict)}
            outcomes[str(system)] = {outcome: sum(map(int, some.values())) for outcome, some in counts.items()}
        return ReportView(
            name=file.parent.name,
            title=str(content["title"]),
            status=str(gate["status"]) if gate["lights"] else "",
            verdict=str(gate["verdict"]),
            corpus=str(content["data"]["corpus"]),
            cases=int(content["data"]["cases"]),
            outcomes=outcomes,
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        return None  # being written, damaged, or of another version


_COLUMNS = ("metric", "difference", "verdict")
_STATUSES = frozenset({"pass", "warn", "fail", "thin"})
# As the commands say them → the key of the words for it.
_VERDICTS: Mapping[str, str] = {
    "higher": "higher",
    "lower": "lower",
    "same": "same",
    "too thin to tell": "thin",
    "anecdote": "anecdote",
}


def reports_html(context: AppContext, views: Sequence[ReportView], chosen: str | None = None) -> Markup:
    """Reports as a list to choose from; the one that is ``chosen`` is marked."""
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
        badge = _badge(context, view.status)
        entries.append(ListEntry(view.name, view.title, facts, badge, is_chosen=view.name == chosen))
    return choices_html(entries)


def report_html(context: AppContext, name: str) -> Markup:
    """A report: its decision, and all of it in a frame that may do nothing but show itself.

    Raises UsageError where there is none of this name.
    """
    file = report_file(context.workspace, name)
    stamp = file.stat().st_mtime_ns
    # The frame loads anew what was drawn anew.
    address = f"/reports/{quote(name, safe='')}?{stamp}"
    view, opening = _view(file.with_name(RESULTS_FILE), stamp), read_opening(file.parent)
    return filled(
        "pages/evaluation/view.report",
        name=name,
        download=context.text("evaluation.download"),
        decision=opening.decision.get(context.language) or opening.decision.get(LANGUAGES[0]) if opening else None,
        heads=[_cases(context, view), *(context.text(f"evaluation.outcomes.{outcome}") for outcome in OUTCOME_LOOKS)]
        if view
        else [],
        rows=[
            [system, *(_count(context, counts, outcome) for outcome in OUTCOME_LOOKS)]
            for system, counts in (view.outcomes if view else {}).items()
        ],
        changes=changes_html(context, opening.changes, address) if opening and opening.changes else "",
        address=address,
        title=context.text("evaluation.report", name=name),
    )


def changes_html(context: AppContext, changes: Changes, address: str = "") -> Markup:
    """Outcomes before and after, and the answers that changed most; each leads into the open report, if there is its
    ``address``."""
    words = context.text
    rows = [
        [words(f"evaluation.outcomes.{outcome}"), *(shown_number(count, context.language) for count in counts)]
        for outcome, counts in changes.outcomes.items()
        if outcome in OUTCOME_LOOKS and any(counts)
    ]
    answers = []
    for one in changes.answers:
        turn = [
            Badge(words(f"evaluation.outcomes.{outcome}"), OUTCOME_LOOKS[outcome]) if outcome in OUTCOME_LOOKS else None
            for outcome in (one.before_outcome, one.after_outcome)
        ]
        answers.append((one, turn))
    return filled(
        "pages/evaluation/view.changes", changes=changes, rows=rows, answers=answers, address=address, words=words
    )


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
    gate, in_language = found.gate, words_in(context.language)
    return filled(
        "pages/evaluation/view.comparison",
        status=_badge(context, gate.status),
        verdict=verdict_of(gate, in_language),
        changed=context.text("evaluation.changed", parts=", ".join(gate.changed)) if gate.changed else "",
        lights=[(_badge(context, light.status), light.metric, reason_of(light, in_language)) for light in gate.lights],
        heads=[context.text(f"evaluation.columns.{key}") for key in _COLUMNS],
        rows=rows,
        changes=changes_html(context, found.changes) if found.changes else "",
    )


def _cases(context: AppContext, view: ReportView) -> str:
    return context.text("evaluation.cases_of", count=shown_number(view.cases, context.language))


def _badge(context: AppContext, status: str) -> Badge | None:
    """Of what the gate says; None for what it never does, and where no gate was asked for."""
    return Badge(context.text(f"evaluation.status.{status}"), status) if status in _STATUSES else None


def _count(context: AppContext, counts: Mapping[str, int], outcome: str) -> str:
    return shown_number(counts.get(outcome, 0), context.language) if counts else "–"
