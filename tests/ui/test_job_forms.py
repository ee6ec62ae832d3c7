"""Whatever a browser sends in a form, nothing but what the form is for reaches the command line of a job."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import gradio as gr
import pytest
from working import ADMIN, as_, save_report, work_context

from assistant.artifacts.cards import RUN_FILE, run_folder
from assistant.cli import assistant
from assistant.config.train_settings import TrainSettings
from assistant.workspace import Workspace
from ui.context import AppContext
from ui.jobs import Jobs
from ui.pages import documents, evaluation, training
from ui.pages.job_forms import shown_value

HOSTILE: tuple[Any, ...] = (
    "--help", "-h", "--set=engine.url=http://127.0.0.1:1/x", "--", "-", "/etc", "../../etc/passwd", "~root",
    "http://127.0.0.1:1/x", "file:///etc/passwd", "engine.model=/etc", "name=x\nmethod=full", "a,b", "a b", "x" * 5000,
    "\0", "a\0b", "\ud800", "\u202e", "$(id)", "`id`", "; id", "%s%n", "{}", "", None, True, False,
    -1, 1e300, -1e300, float("nan"), float("inf"), 10**30, [], ["--help"], {"a": "--help"}, [["base"]],
)  # fmt: skip

TRAIN = training.MORE
DEFAULTS = {key: shown_value(TrainSettings.model_fields[key].default) for key in TRAIN}
RUN = {"pairs": "cars", "base": "", "length": "once", "force": False, **DEFAULTS}
FORMS: dict[str, tuple[Any, dict[str, Any]]] = {
    "upload": (documents, {"corpus": "cars", "files": []}),
    "read_folder": (documents, {"corpus": "cars", "folder": "/srv"}),
    "look": (documents, {"corpus": "cars", "confirmed": True}),
    "rebuild": (documents, {"corpus": "cars", "confirmed": True}),
    "again": (documents, {"corpus": "cars", "key": ""}),
    "forget": (documents, {"corpus": "cars", "key": ""}),
    "make_pairs": (training, {"corpus": "cars", "data": None, "tone": None}),
    "check": (training, RUN),
    "start": (training, RUN),
    "resume": (training, {"name": "house"}),
    "remove": (training, {"name": "house"}),
    "export": (training, {"name": "house", "format": "gguf"}),
    "compose": (
        training, {"parts": ["house", "tone"], "weights": {"house": 0.5}, "name": "both", "method": "cat"}
    ),
    "draft": (evaluation, {"pairs": "cars", "most": 20}),
    "start evaluation": (
        evaluation,
        {
            "cases": "cases.jsonl", "corpus": "cars", "systems": ["base"], "limit": 5, "held_out": True,
            "baseline": "one", "judge": "bundled",
        },
    ),
    "compare": (evaluation, {"before": "one", "after": "two"}),
}  # fmt: skip
"""What is clicked, on which page, with which values."""


def send(context: AppContext, kind: str, **changes: Any) -> None:
    """Send a form as an admin, with some of its values changed."""
    page, form = FORMS[kind]
    values = ({**form, **changes}).values()
    actions = {documents: documents.DocumentsActions, evaluation: evaluation.EvaluationActions}
    action = getattr(actions.get(page, training.TrainingActions)(context), kind.split()[0])
    action(*((as_(ADMIN), *values) if form is RUN else (*values, as_(ADMIN))))


@pytest.fixture
def context(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> AppContext:
    """The app of a workspace with one of each, whose jobs are noted and not begun."""
    monkeypatch.setattr(Jobs, "_spawn", lambda *_: None)
    monkeypatch.setattr(Jobs, "refuse_second", lambda *_: None)
    (workspace.root / "cases").mkdir(parents=True)
    (workspace.root / "cases" / "cases.jsonl").write_text("{}\n", encoding="utf-8")
    (workspace.corpus("cars")).mkdir(parents=True)
    (workspace.corpus("cars") / "catalog.sqlite").touch()
    for name in ("house", "tone"):
        (workspace.adapters / name).mkdir(parents=True)
    for file in (workspace.pairs_file("cars"), run_folder(workspace, "house") / RUN_FILE):
        file.parent.mkdir(parents=True)
        file.touch()
    for name in ("one", "two"):
        save_report(workspace, name)
    return work_context(workspace)


@pytest.mark.parametrize("kind", FORMS)
def test_no_field_of_a_form_takes_what_it_is_not_for(context: AppContext, kind: str) -> None:
    known: set[str] = set()
    for field in FORMS[kind][1]:
        for value in HOSTILE:
            with suppress(gr.Error):
                send(context, kind, **{field: value})
            for status in context.jobs.all():
                if status.job.id not in known:
                    known.add(status.job.id)
                    _is_harmless(status.job.arguments, field, value)


def _is_harmless(arguments: Sequence[str], field: str, value: Any) -> None:
    """The command line is one that its command understands, and it says nothing that the form is not for."""
    about = (field, value, arguments)
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    assert not any(one in {"--help", "-h"} or "http" in one or "/etc" in one for one in options), about
    command: click.Command = assistant
    rest = list(arguments)
    while isinstance(command, click.Group) and not rest[0].startswith("--"):  # 'pairs' is a command of its own too
        _, found, rest = command.resolve_command(click.Context(assistant), rest)
        assert found is not None, about
        command = found
    understood = command.make_context(command.name, rest).params
    assert understood.get("limit") in {None, 1, 5}, about
    if field == "folder":  # an admin may name any, and it stands behind the dashes
        named = str(value).strip()
        assert understood["sources"] == (named if "://" in named else str(Path(named).expanduser()),), about
    given = dict(one.split("=", 1) for one in understood.get("arguments", ()))
    TrainSettings.model_validate(given)


def test_an_address_with_a_password_is_in_no_job(context: AppContext) -> None:
    with pytest.raises(gr.Error, match="holds a password"):
        send(context, "read_folder", folder="webdav://ann:geheim@files.example/claims")
    assert not context.jobs.all()


@pytest.mark.parametrize("kind", sorted(set(FORMS) - {"upload", "again", "forget"}))
def test_a_form_as_it_is_meant_starts_its_job(context: AppContext, kind: str) -> None:
    send(context, kind)
    (status,) = context.jobs.all()
    _is_harmless(status.job.arguments, "", "")


def test_a_value_that_is_none_is_told_with_its_name(context: AppContext) -> None:
    with pytest.raises(gr.Error, match=r"integer.*: 1e"):
        send(context, "start evaluation", limit=1e300)
    with pytest.raises(gr.Error, match=r"epochs: .*: 1e"):
        send(context, "start", epochs=1e300)
