"""The page of health shows what doctor found, worst first."""

import json

import gradio as gr
import pytest
from working import EDITOR, EXPERT, as_, ended, run_instead, work_context

from assistant.workspace import Workspace
from ui.context import AppContext
from ui.pages.upkeep import HealthActions

FINDINGS = [
    {"name": "disk", "severity": "ok", "message": "plenty", "remedy": ""},
    {"name": "engine", "severity": "error", "message": "<img src=x onerror=alert(1)>", "remedy": "Run: it"},
    {"name": "memory", "severity": "warning", "message": "little", "remedy": "Close programs."},
]


@pytest.fixture
def context(workspace: Workspace) -> AppContext:
    """The app of an empty workspace."""
    return work_context(workspace)


def test_what_is_wrong_comes_first_with_its_remedy(context: AppContext, monkeypatch: pytest.MonkeyPatch) -> None:
    run_instead(monkeypatch, f"print({json.dumps(json.dumps(FINDINGS))}); exit(1)")
    actions = HealthActions(context)
    actions.start(as_(EDITOR))
    status = ended(context)
    html = actions.result(status)
    assert status.state == "done", "that something is wrong is a result"
    assert html.index("engine") < html.index("memory") < html.index("disk")
    assert "Run: it" in html and "<img" not in html


def test_a_check_that_broke_off_shows_no_findings(context: AppContext, monkeypatch: pytest.MonkeyPatch) -> None:
    run_instead(monkeypatch, "print('['); exit(2)")
    actions = HealthActions(context)
    actions.start(as_(EDITOR))
    assert actions.result(ended(context)) == ""


def test_an_expert_checks_nothing(context: AppContext) -> None:
    with pytest.raises(gr.Error, match="role"):
        HealthActions(context).start(as_(EXPERT))
    assert context.jobs.all() == []
