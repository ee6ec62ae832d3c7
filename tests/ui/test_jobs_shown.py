"""Every job is told in one line of plain words, in each language, and strangers' words stay text."""

from typing import get_args

import pytest
from apps import app_context
from fakes import ScriptedEngine

from assistant.config import JobKind
from assistant.text.languages import LANGUAGES
from assistant.work.progress import Progress
from assistant.workspace import Workspace
from ui.context import AppContext
from ui.jobs import StartedJob, State, Status
from ui.shown.components import duration, log_html, state_html, state_line, step_line

SCRIPT = "<img src=x onerror=alert(1)>"


@pytest.fixture
def context(workspace: Workspace) -> AppContext:
    return app_context(workspace, ScriptedEngine(""))


def status_of(state: State = "running", kind: JobKind = "train", progress: Progress | None = None) -> Status:
    return Status(StartedJob("id", kind, SCRIPT, (), "ada", 0.0), state, 125.0, 1, progress, SCRIPT)


def test_every_kind_and_state_has_words(context: AppContext) -> None:
    for language in LANGUAGES:
        lines = {
            state_line(context.in_language(language), status_of(state, kind))
            for kind in get_args(JobKind)
            for state in get_args(State)
        }
        assert len(lines) == len(get_args(JobKind)) * len(get_args(State))


@pytest.mark.parametrize("state", ["stopping", "stopped", "lost"])
def test_only_jobs_that_keep_their_work_say_so(context: AppContext, state: State) -> None:
    assert "kept" in state_line(context, status_of(state, "train"))
    assert "kept" not in state_line(context, status_of(state, "pairs"))


@pytest.mark.parametrize("state", get_args(State))
def test_words_of_strangers_stay_text(context: AppContext, state: State) -> None:
    html = state_html(context, status_of(state, progress=Progress(SCRIPT, 1, 2, SCRIPT)))
    assert "<img" not in html + log_html(SCRIPT) and "&lt;img" in html


def test_a_step_is_told_with_numbers_as_the_language_writes_them(context: AppContext) -> None:
    status = status_of(progress=Progress("training", 1234, 2000, "loss 1.2"))
    assert step_line(context, status) == "training · 1,234 of 2,000 · loss 1.2"
    assert "1.234 von 2.000" in step_line(context.in_language("de"), status)
    assert step_line(context, status_of("done", progress=status.progress)) == ""


@pytest.mark.parametrize(("done", "total", "width"), [(1, 4, "25.0%"), (9, 4, "100.0%"), (-1, 4, "0.0%")])
def test_a_bar_is_never_longer_than_its_frame(context: AppContext, done: float, total: float, width: str) -> None:
    assert f"width:{width}" in state_html(context, status_of(progress=Progress("x", done, total)))


def test_times_are_told_as_people_say_them(context: AppContext) -> None:
    assert [duration(context, seconds) for seconds in (3.6, 125, 7265)] == ["4 s", "2 min 5 s", "2 h 1 min"]
