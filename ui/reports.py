"""Reports of evaluations as their files say, their answers as people rate them, and the one address of a report.

    /reports/NAME        report.html of the workspace's reports/NAME, for editors, without any right of the app's pages

A report is a page of ours over texts of strangers: it is shown in a frame that may run its one script and nothing else.

Everyone rates the answers in the same order, which tells nothing, so that those who rate at the same time rate the same
answers, and it can be told how far they agree. Systems that said the same about a question are one answer.
"""

import json
import random
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from fastapi import FastAPI, Request
from pydantic import TypeAdapter, ValidationError
from starlette.responses import FileResponse, PlainTextResponse, Response

from assistant.artifacts.evaluations import (
    REPORT_FILE,
    RESULTS_FILE,
    ROWS_FILE,
    Comparison,
    Rating,
    answer_hash,
    read_ratings,
)
from assistant.errors import UsageError
from assistant.types import Message
from assistant.workspace import Workspace, safe_name
from ui.signin import signed_in

CASES_FOLDER = "cases"
# The report's own policy names its script; the sandbox takes from it all that the app's pages may do.
_POLICY = (
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


@dataclass(frozen=True, slots=True)
class ShownPassage:
    """A passage that stood in a prompt."""

    document: str
    pages: tuple[int, ...]
    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Rateable:
    """One answer to rate."""

    place: int
    """In the order of rating, from 0."""
    question: str
    """Id of the case."""
    asked: str
    history: tuple[Message, ...]
    system: str
    """Not to be shown."""
    text: str
    refused: bool
    passages: tuple[ShownPassage, ...]
    """Those that were shown for it; for an answer without any, those that the others were shown."""

    @property
    def about(self) -> tuple[str, str, str]:
        """As a rating names it."""
        return self.question, self.system, answer_hash(self.text)


@dataclass(frozen=True, slots=True)
class _Case:
    id: str
    question: str
    history: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class _Answer:
    text: str
    refused: bool
    shown: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _RatedRow:
    case: _Case
    passages: tuple[ShownPassage, ...]
    answers: Mapping[str, _Answer]


_ROW = TypeAdapter(_RatedRow)


def rateable_reports(workspace: Workspace) -> list[str]:
    """Names of the reports that have answers, the newest first."""
    files = (workspace.root / "reports").glob(f"*/{ROWS_FILE}")
    return [file.parent.name for file in sorted(files, key=lambda file: file.stat().st_mtime_ns, reverse=True)]


def report_folder(workspace: Workspace, name: str) -> Path:
    """The folder of a report with answers. Raises UsageError where there is none of this name."""
    reports = (workspace.root / "reports").resolve()
    folder = reports / safe_name(name or "", "report")
    if folder.resolve() != folder or not (folder / ROWS_FILE).is_file():
        raise UsageError(f"There is no report '{name}' with answers.", "Choose another one.")
    return folder


def rateable(folder: Path) -> tuple[Rateable, ...]:
    """All answers of a report in the order of rating. Raises UsageError for a file that cannot be read."""
    file = folder / ROWS_FILE
    try:
        return _rateable(file, file.stat().st_mtime_ns)
    except (OSError, ValidationError):
        raise UsageError(f"The answers of '{folder.name}' cannot be read.", "Run the evaluation again.") from None


def given_by(folder: Path, rater: str) -> list[Rating]:
    """What someone has said that still counts, in the order in which they said it. Raises OSError."""
    return [rating for rating in read_ratings(folder).given if rating.rater == rater]


def next_unrated(
    answers: Sequence[Rateable], given: Iterable[Rating], skipped: Collection[int] = ()
) -> Rateable | None:
    """The first that has not been rated; those that were skipped come when nothing else is left."""
    known = {rating.about for rating in given}
    left = [one for one in answers if one.about not in known]
    return min(left, key=lambda one: (one.place in skipped, one.place), default=None)


@lru_cache(maxsize=4)
def _rateable(file: Path, _stamp: int) -> tuple[Rateable, ...]:
    with file.open("rb") as stream:
        found = [one for line in stream if line.strip() for one in _answers(_ROW.validate_json(line))]
    random.Random(file.parent.name).shuffle(found)
    return tuple(
        Rateable(place, row.case.id, row.case.question, row.case.history, system, answer.text, answer.refused, passages)
        for place, (row, system, answer, passages) in enumerate(found)
    )


def _answers(row: _RatedRow) -> Iterator[tuple[_RatedRow, str, _Answer, tuple[ShownPassage, ...]]]:
    anything = tuple(dict.fromkeys(place for answer in row.answers.values() for place in answer.shown))
    seen: set[str] = set()
    for system, answer in row.answers.items():
        if answer.text not in seen:
            seen.add(answer.text)
            shown = answer.shown or anything
            yield row, system, answer, tuple(row.passages[place] for place in shown if place < len(row.passages))


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
