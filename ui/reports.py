"""Reports of evaluations as their files say, and the one address under which the app shows a report.

    /reports/NAME        report.html of the workspace's reports/NAME, for editors, without any right of the app's pages

A report is a page of ours over texts of strangers: it is shown in a frame that may run its one script and nothing else.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from pydantic import TypeAdapter, ValidationError
from starlette.responses import FileResponse, PlainTextResponse, Response

from assistant.artifacts.evaluation import REPORT_FILE, RESULTS_FILE, Comparison
from assistant.errors import UsageError
from assistant.workspace import Workspace, safe_name
from ui.signin import signed_in

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


_COMPARISON = TypeAdapter(Comparison)


def reports(workspace: Workspace) -> list[ReportView]:
    """The reports of a workspace, the newest first; those that are not whole are left out."""
    files = (workspace.root / "reports").glob(f"*/{RESULTS_FILE}")
    whole = (file for file in files if file.with_name(REPORT_FILE).exists())
    stamped = sorted(((file.stat().st_mtime_ns, file) for file in whole), reverse=True)
    return [view for stamp, file in stamped if (view := _view(file, stamp))]


def report_file(workspace: Workspace, name: str) -> Path:
    """The page of a report. Raises UsageError where there is none of this name."""
    folder = workspace.root / "reports"
    file = folder / safe_name(name, "report") / REPORT_FILE
    if not file.is_file() or not file.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"There is no report '{name}'.", "Choose another one.")
    return file


def read_comparison(output: str) -> Comparison | None:
    """What a comparison printed; None if it printed nothing of use."""
    try:
        return _COMPARISON.validate_json(output)
    except ValidationError:
        return None


def case_files(workspace: Workspace) -> list[Path]:
    """The files of cases in the workspace, by name: those that were sent or drafted, and those from experts."""
    return [
        *sorted((workspace.root / CASES_FOLDER).glob("*.jsonl")),
        *sorted((workspace.root / "feedback").glob("*.cases.jsonl")),
    ]


def add_report_routes(app: FastAPI, workspace: Workspace) -> None:
    """The address of reports."""

    def report(name: str, request: Request) -> Response:
        user = signed_in(request.scope)
        if user is None or not user.may("editor"):
            return PlainTextResponse("Reports need the role editor.", 403)
        try:
            file = report_file(workspace, name)
        except UsageError as error:
            return PlainTextResponse(str(error), 404)
        return FileResponse(file, media_type="text/html", headers={"Content-Security-Policy": _POLICY})

    app.add_api_route("/reports/{name}", report, include_in_schema=False)


@lru_cache(maxsize=256)
def _view(file: Path, _stamp: int) -> ReportView | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return _report(file.parent.name, content)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
        return None  # being written, damaged, or of another version


def _report(name: str, content: Mapping[str, Any]) -> ReportView:
    gate, outcomes = content["gate"], {}
    for system, found in content["first_failures"].items():
        counts = {str(outcome): some for outcome, some in found.items() if isinstance(some, dict)}
        outcomes[str(system)] = {outcome: sum(map(int, some.values())) for outcome, some in counts.items()}
    return ReportView(
        name=name,
        title=str(content["title"]),
        status=str(gate["status"]) if gate["lights"] else "",
        verdict=str(gate["verdict"]),
        corpus=str(content["data"]["corpus"]),
        cases=int(content["data"]["cases"]),
        outcomes=outcomes,
    )
