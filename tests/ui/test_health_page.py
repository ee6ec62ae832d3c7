"""The page of health shows what doctor found, worst first."""

import json
from dataclasses import replace

import gradio as gr
import pytest
from markupsafe import escape
from working import EDITOR, EXPERT, as_, ended, run_instead, work_context

from assistant.artifacts.calibration import PRIOR
from assistant.artifacts.cards import Staleness
from assistant.config import Settings
from assistant.doctor import CHECKS, Diagnosis
from assistant.text.languages import LANGUAGES, Language
from assistant.workspace import Workspace
from ui.context import AppContext
from ui.pages.upkeep import HealthActions
from ui.pages.upkeep.view import findings_html

BEHIND_A_PROXY = Settings.model_validate({"ui": {"public_url": "https://assistant.example"}})
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


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_findings_are_told_in_the_language_of_the_page(workspace: Workspace, language: Language) -> None:
    found = [
        one
        for name in ("device", "memory", "disk", "workspace", "app address")
        for one in CHECKS[name](workspace, BEHIND_A_PROXY)
    ]
    found += [
        Diagnosis(
            "engine",
            "ok",
            "x, run by OpenVINO in 1.6 GiB: window of 32,768 tokens; with 1,000 tokens of evidence, first words after"
            " about 2.5 s",
        ),
        Diagnosis(
            "answers",
            "ok",
            "x answers no better than quotations alone, so it is not asked and these are shown",
            "For answers in a model's words: assistant config set engine.model=y",
        ),
        Diagnosis("corpus cars", "ok", f"31 files, 339 chunks, embedded with bundled; {PRIOR}"),
        Diagnosis(
            "adapter house",
            "warning",
            f"{Staleness(('a.md',), ('b.md', 'c.md'))}: a.md",
            "Run: assistant pairs, then assistant train --force",
        ),
    ]
    html = findings_html(replace(work_context(workspace), language=language), found)
    said = {str(escape(text)) for one in found for text in (one.message, one.remedy) if text}
    assert len(said) > 10 and {text for text in said if text in html} == set()


def test_a_check_that_broke_off_shows_no_findings(context: AppContext, monkeypatch: pytest.MonkeyPatch) -> None:
    run_instead(monkeypatch, "print('['); exit(2)")
    actions = HealthActions(context)
    actions.start(as_(EDITOR))
    assert actions.result(ended(context)) == ""


def test_an_expert_checks_nothing(context: AppContext) -> None:
    with pytest.raises(gr.Error, match="role"):
        HealthActions(context).start(as_(EXPERT))
    assert context.jobs.all() == []
