"""Jobs that end at once and reports, for tests of the pages that show them; and who clicks on those pages."""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from fakes import ScriptedEngine
from serving import service_of
from signing import make_people

from assistant.workspace import Workspace
from ui.context import AppContext, make_context
from ui.jobs import Jobs, StartedJob, Status
from ui.people import Role

EXPERT, EDITOR, ADMIN = "ana", "eve", "adam"
ROLES: dict[str, Role] = {EXPERT: "expert", EDITOR: "editor", ADMIN: "admin"}


def work_context(workspace: Workspace) -> AppContext:
    """The app of a workspace, with an expert, an editor and an admin."""
    make_people(workspace.root, **ROLES)
    service = service_of(workspace, ScriptedEngine(""))
    return make_context(workspace, service.settings, (), service)


def as_(name: str) -> gr.Request:
    """A request of someone who is signed in."""
    return gr.Request(username=name, session_hash="s")


def choosing(choice: object) -> gr.EventData:
    """A click on an entry of a list."""
    return gr.EventData(None, {"do": "choose", "choice": choice})


def run_instead(monkeypatch: pytest.MonkeyPatch, code: str = "") -> None:
    """Have jobs run a few lines of Python instead of the command that was asked for."""

    def command(_: Jobs, __: StartedJob) -> list[str]:
        return [sys.executable, "-c", code]

    monkeypatch.setattr(Jobs, "command", command)


def ended(context: AppContext, silence: float = 400) -> Status:
    """The newest job once it has ended, however long that takes as long as it gets on."""
    told, since = None, time.monotonic()
    while True:
        status = context.jobs.newest()
        assert status is not None, "nothing was started"
        if not status.is_under_way:
            return status
        if status.progress != told:
            told, since = status.progress, time.monotonic()
        assert time.monotonic() - since < silence, status
        time.sleep(0.02)


def started(context: AppContext) -> Sequence[str]:
    """What the newest job was asked to do."""
    return ended(context).job.arguments


def save_report(workspace: Workspace, name: str, title: str = "cases", **gate: Any) -> Path:
    """A report as far as the list looks at it."""
    folder = workspace.root / "reports" / name
    folder.mkdir(parents=True)
    content = {
        "title": title,
        "first_failures": {
            "base": {"usable": {"none": 3, "quoted": 2}, "misleading": {"missed refusal": 2}},
            "base+rag": {"none": 5},  # as earlier versions wrote it
        },
        "gate": {"status": "pass", "verdict": "Fine.", "lights": [], **gate},
        "data": {"cases": 20, "corpus": "cars"},
    }
    (folder / "results.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "report.html").write_text("<!doctype html><h1>Report</h1>", encoding="utf-8")
    return folder
