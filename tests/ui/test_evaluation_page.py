"""The page of evaluation starts what was chosen, and shows reports where they can do nothing but be read."""

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from cards import trained
from fastapi import FastAPI
from pydantic import TypeAdapter
from signing import client_of, sign_in
from starlette.testclient import TestClient
from working import ADMIN, EDITOR, EXPERT, as_, choosing, run_instead, save_report, started, work_context

from assistant.artifacts.evaluations import ChangedAnswer, Changes, Comparison, Count, Decision, Opening, Phrase
from assistant.config import Settings, UiSettings
from assistant.errors import UsageError
from assistant.workspace import Workspace
from ui.access import guard
from ui.context import AppContext
from ui.jobs import printed
from ui.pages.evaluation import EvaluationActions, case_names, systems_of, who_answers
from ui.pages.evaluation.view import (
    add_report_routes,
    comparison_html,
    report_file,
    report_html,
    reports,
    reports_html,
)
from ui.pages.job_forms import judges_of
from ui.uploads import Arrivals

SCRIPT = "<img src=x onerror=alert(1)>"


@pytest.fixture
def context(workspace: Workspace) -> AppContext:
    """The app of an empty workspace, with an expert, an editor and an admin."""
    return work_context(workspace)


@pytest.fixture
def actions(context: AppContext, monkeypatch: pytest.MonkeyPatch) -> EvaluationActions:
    """What the page does; the jobs it starts do nothing."""
    run_instead(monkeypatch)
    return EvaluationActions(context)


def save_cases(workspace: Workspace, name: str = "cases.jsonl") -> Path:
    file = workspace.root / "cases" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text('{"id": "1", "question": "What?", "unanswerable": true}\n', encoding="utf-8")
    return file


@pytest.mark.parametrize(
    "act",
    [
        lambda actions, who: actions.send("/tmp/x", who),
        lambda actions, who: actions.draft("cars", 20, who),
        lambda actions, who: actions.start("cases.jsonl", "cars", ["base"], 0, False, "", "", who),
        lambda actions, who: actions.compare("a", "b", who),
        lambda actions, who: actions.confirm("cases.jsonl", [], ["1"], who),
        lambda actions, who: actions.open(choosing("one"), who),
        lambda actions, who: actions.draw("one", who),
    ],
)
def test_experts_and_strangers_evaluate_nothing(
    actions: EvaluationActions, act: Callable[[EvaluationActions, Any], Any]
) -> None:
    save_cases(actions.context.workspace)
    save_report(actions.context.workspace, "one")
    for name in (EXPERT, "nobody", ""):
        with pytest.raises(gr.Error, match=r"role|signed in"):
            act(actions, as_(name))
    assert actions.context.jobs.all() == []


def test_what_was_chosen_is_evaluated(actions: EvaluationActions) -> None:
    file = save_cases(actions.context.workspace)
    folder = save_report(actions.context.workspace, "2026-11-25-cases")
    (actions.context.workspace.adapters / "house").mkdir(parents=True)
    (actions.context.workspace.corpus("cars")).mkdir(parents=True)
    (actions.context.workspace.corpus("cars") / "catalog.sqlite").touch()
    actions.start("cases.jsonl", "cars", ["base", "house+rag"], 5.0, True, folder.name, "bundled", as_(EDITOR))
    assert started(actions.context) == (
        "eval", "run", "--json", "--systems=base,house+rag", "--language=en", "--corpus=cars", "--limit=5",
        "--held-out", f"--baseline={folder}", "--judge=bundled", "--", str(file),
    )  # fmt: skip


def test_who_may_judge_is_said_by_the_settings(actions: EvaluationActions) -> None:
    save_cases(actions.context.workspace)
    assert judges_of(actions.context.settings) == ["bundled"]
    named = Settings.model_validate({"engine": {"model": "owner/one"}, "eval": {"judges": ["owner/two", "owner/one"]}})
    assert judges_of(named) == ["owner/one", "owner/two"]
    with pytest.raises(gr.Error, match=r"eval\.judges"):
        actions.start("cases.jsonl", "cars", ["base"], 0, False, "", "owner/two", as_(ADMIN))


def test_what_is_chosen_stays_while_it_is_there(actions: EvaluationActions) -> None:
    save_cases(actions.context.workspace)
    for name in ("one", "two", "three"):
        save_report(actions.context.workspace, name)
    all_names = ["three", "two", "one"]  # of the same second: by name
    for name, (before, after) in {"one": ("one", "two"), "gone": ("two", "three")}.items():
        shown = actions.listed(
            "", "", "gone", None, "gone", ["base", "gone+rag"], name, "gone", before, after, as_(EDITOR)
        )
        shown = shown[:1] + shown[5:]
        assert shown[3].value == "", "the corpus that the questions are about"
        assert [part.value for part in shown[4:]] == [["base"], name if name in all_names else "", "", before, after]
        assert shown[1].value == "cases.jsonl", "what is gone gives way to the first"


def test_the_page_opens_with_the_newest_report(actions: EvaluationActions) -> None:
    chosen: Any = (None, None, None, [], None, None, None, None, as_(EDITOR))
    nothing = [gr.skip()] * 4
    assert actions.listed("", None, *chosen)[1:5] == nothing, "there is none yet"
    for name in ("older", "newer"):
        save_report(actions.context.workspace, name)
    os.utime(actions.context.workspace.root / "reports" / "older" / "results.json", (1, 1))
    listed, shown, *_, opened = actions.listed("", None, *chosen)[:5]
    assert opened == "newer" and "/reports/newer?" in shown
    assert re.search(r'data-choice="newer" aria-pressed="true"', listed)
    assert actions.listed("evaluation/older", None, *chosen)[1:5] == nothing, "its address names another one"
    assert actions.listed("", "", *chosen)[1:5] == nothing, "it was closed"
    shown_to_experts = actions.listed("", None, None, None, None, [], None, None, None, None, as_(EXPERT))
    assert shown_to_experts == [gr.skip()] * 13


@pytest.mark.parametrize("name", ["../cases/cases.jsonl", "/etc/passwd", "", None, "--fresh", "other.jsonl"])
def test_only_cases_of_the_workspace_are_asked(actions: EvaluationActions, name: str | None) -> None:
    save_cases(actions.context.workspace)
    with pytest.raises(gr.Error, match="file of questions"):
        actions.start(name, "cars", ["base"], 0, False, "", None, as_(EDITOR))
    assert actions.context.jobs.all() == []


def test_cases_of_experts_can_be_chosen_too(context: AppContext) -> None:
    save_cases(context.workspace)
    (context.workspace.root / "feedback").mkdir()
    (context.workspace.root / "feedback" / "cars.cases.jsonl").write_text("{}\n", encoding="utf-8")
    assert case_names(context) == ["cases.jsonl", "cars.cases.jsonl"]


def test_cases_are_kept_in_the_workspace(actions: EvaluationActions, tmp_path: Path) -> None:
    sent = tmp_path / "mine.jsonl"
    sent.write_text("{}\n", encoding="utf-8")
    with pytest.raises(gr.Error, match="someone else"):
        actions.send(str(sent), as_(EDITOR))
    actions.context.arrivals.note(str(sent), EDITOR)
    actions.send(str(sent), as_(EDITOR))
    assert case_names(actions.context) == ["mine.jsonl"]
    other = tmp_path / "cases.sh"
    other.write_text("exit\n", encoding="utf-8")
    actions.context.arrivals.note(str(other), EDITOR)
    with pytest.raises(gr.Error, match="cannot be taken"):
        actions.send(str(other), as_(EDITOR))


def test_drafts_never_replace_what_people_have_mended(actions: EvaluationActions) -> None:
    mended = save_cases(actions.context.workspace, "cars-draft-1.jsonl")
    with pytest.raises(gr.Error, match="no set of pairs"):
        actions.draft("cars", 20, as_(EDITOR))
    actions.context.workspace.pairs.mkdir()
    actions.context.workspace.pairs_file("cars").touch()
    actions.draft("cars", 12, as_(EDITOR))
    target = str(mended.with_name("cars-draft-2.jsonl"))
    assert started(actions.context) == ("eval", "draft", f"--to={target}", "-n12", "--", "cars")


def test_of_proposed_questions_those_stay_that_somebody_ticked(
    actions: EvaluationActions, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = save_cases(actions.context.workspace)
    lines = [
        '{"id": "a", "question": "Confirmed?", "answers": ["yes"]}',
        "no JSON",
        *(json.dumps({"id": one, "question": SCRIPT, "answers": [one], "tags": ["draft", "x"]}) for one in "bcd"),
    ]
    file.write_text("\n".join(lines), encoding="utf-8")
    told: list[str] = []
    monkeypatch.setattr(gr, "Info", told.append)
    reading, shown, read = actions.drafts(file.name, as_(EDITOR))
    assert read == shown.value == ["b", "c", "d"] and reading.visible
    assert shown.choices[0] == (f"{SCRIPT} → b", "b")
    assert actions.drafts(file.name, as_(EXPERT))[2] == actions.drafts("../config.yaml", as_(EDITOR))[2] == []
    with pytest.raises(gr.Error):
        actions.confirm(file.name, ["b"], read, as_(EXPERT))
    assert file.read_text(encoding="utf-8").split("\n") == lines
    actions.confirm(file.name, ["b"], ["b", "c"], as_(EDITOR))  # somebody has not seen "d"
    left = file.read_text(encoding="utf-8").split("\n")
    assert left[:2] == lines[:2] and left[3:] == lines[4:]
    assert json.loads(left[2]) == {"id": "b", "question": SCRIPT, "answers": ["b"], "tags": ["x"]}
    assert told == ["1 confirmed, 1 struck out."]
    file.write_text(lines[2], encoding="utf-8")
    with pytest.raises(gr.Error, match="No question would be left"):
        actions.confirm(file.name, [], ["b"], as_(EDITOR))
    assert file.read_text(encoding="utf-8") == lines[2]


def test_every_adapter_can_answer_with_and_without_documents(context: AppContext) -> None:
    (context.workspace.adapters / "house").mkdir(parents=True)
    expected = ["base", "base+rag", "house", "house+rag", "oracle", "noise", "extractive"]
    assert systems_of(context) == expected


def test_a_report_opens_with_what_came_of_the_questions(actions: EvaluationActions) -> None:
    save_report(actions.context.workspace, "one")
    shown = actions.open(choosing("one"), as_(EDITOR))[0]
    assert shown.index("misleading") < shown.index("<iframe")
    assert re.search(r'<a class="link" href="/reports/one\?\d+" download="one.html">', shown)
    assert "irreführend" in report_html(actions.context.in_language("de"), "one")


CHANGES = Changes(
    before="base+rag (cases)",
    after="house+rag",
    outcomes={"usable": (3, 5), "misleading": (2, 0), "hedged": (0, 0), "refused": (0, 0), "partly": (0, 0)},
    answers=(ChangedAnswer(7, SCRIPT, ("48 hours",), False, "Soon.", "48 hours.", "misleading", "usable"),),
)


def test_a_report_opens_with_the_decision_and_with_what_changed(actions: EvaluationActions) -> None:
    folder = save_report(actions.context.workspace, "one")
    decisions = {
        "en": Decision("bad", "It may not be used.", "As a search it may.", (Count("5 of 20 usable", "bad"),)),
        "de": Decision("bad", "Es darf nicht verwendet werden.", "", ()),
    }
    opening = TypeAdapter(Opening).dump_json(Opening(decisions, CHANGES))
    (folder / "decision.json").write_bytes(opening)
    shown = actions.open(choosing("one"), as_(EDITOR))[0]
    said = (
        "It may not be used. As a search it may.",
        "5 of 20 usable",
        "before: base+rag (cases)",
        "48 hours.",
        "<iframe",
    )
    assert [shown.index(one) for one in said] == sorted(shown.index(one) for one in said)
    assert re.search(r'href="(/reports/one\?\d+)#q7" target="report"(?s:.*)src="\1"', shown)
    assert "<img" not in shown and ">5</td>" in shown
    german = report_html(actions.context.in_language("de"), "one")
    assert "Es darf nicht verwendet werden." in german and "Verlangt:" in german
    french = report_html(actions.context.in_language("fr"), "one")
    assert "It may not be used." in french, "where a report has no words of a language"
    (folder / "decision.json").write_bytes(opening[:-9])
    assert "misleading" in report_html(actions.context, "one"), "as a report of an earlier version"


def test_a_report_is_drawn_again_in_the_language_of_the_page(actions: EvaluationActions) -> None:
    folder = save_report(actions.context.workspace, "one")
    german = EvaluationActions(actions.context.in_language("de"))
    before = german.open(choosing("one"), as_(EDITOR))
    german.draw(before[-1], as_(EDITOR))
    assert started(actions.context) == ("eval", "report", "--language=de", "--", str(folder))
    os.utime(folder / "report.html", (1, 1))
    assert german.drawn("one", as_(EDITOR)) != before[0], "and the frame loads what was drawn anew"
    for name in (EXPERT, "nobody"):
        assert german.drawn("one", as_(name)) == gr.skip()


def test_who_answers_is_said_in_words(context: AppContext) -> None:
    (context.workspace.adapters / "house").mkdir(parents=True)
    words = {system: label for label, system in who_answers(context)}
    assert list(words) == systems_of(context)
    assert words["house+rag"] == "adapter house with documents (house+rag)"
    assert ("das Grundmodell ohne Dokumente (base)", "base") in who_answers(context.in_language("de"))
    trained(context.workspace, "other", pairs_hash="", base="/models/ours")
    assert "(made for “ours”, not for" in {system: label for label, system in who_answers(context)}["other+rag"]


def test_reports_are_listed_and_damaged_ones_left_out(context: AppContext) -> None:
    light = {"metric": "correctness", "status": "fail", "reason": "fell"}
    save_report(context.workspace, "one", title=SCRIPT, status="fail", lights=[light])
    damaged = save_report(context.workspace, "two")
    found = {view.name: view.status for view in reports(context.workspace)}
    assert found == {"one": "fail", "two": ""}
    html = reports_html(context, reports(context.workspace))
    assert (
        "<img" not in html
        and "base: 5 usable, 2 misleading" in html
        and "base+rag: – usable" in html
        and "worse" in html
    )
    (damaged / "results.json").write_text('{"title": ', encoding="utf-8")
    assert [view.name for view in reports(context.workspace)] == ["one"]


@pytest.mark.parametrize("name", ["..", "../adapters", "/etc", "", "a/b", "nothing", ".hidden"])
def test_only_reports_can_be_opened(workspace: Workspace, name: str) -> None:
    with pytest.raises(UsageError):
        report_file(workspace, name)


def test_a_link_out_of_the_reports_is_not_followed(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "report.html").write_text("secret", encoding="utf-8")
    (workspace.root / "reports").mkdir(parents=True)
    (workspace.root / "reports" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(UsageError):
        report_file(workspace, "link")


@pytest.fixture
def client(context: AppContext) -> TestClient:
    """A browser before the app's own gate."""
    app = FastAPI()
    add_report_routes(app, lambda _: context.workspace)
    guard(app, UiSettings(), context.people, Arrivals())
    return client_of(app)


def test_a_report_is_shown_without_any_right(client: TestClient, context: AppContext) -> None:
    save_report(context.workspace, "one")
    assert client.get("/reports/one").status_code == 401
    sign_in(client, EDITOR)
    shown = client.get("/reports/one")
    assert shown.status_code == 200 and "Report" in shown.text
    policy = shown.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts;") and "default-src 'none'" in policy
    assert "allow-same-origin" not in policy and "frame-ancestors 'self'" in policy
    assert shown.headers["x-frame-options"] == "SAMEORIGIN"
    for path in ("/reports/two", "/reports/..%2f..%2fusers.json", "/reports/%2e%2e", "/reports/one/results.json"):
        assert client.get(path).status_code == 404
    assert 'sandbox="allow-scripts"' in report_html(context, "one")


def test_an_expert_opens_no_report(client: TestClient, context: AppContext) -> None:
    save_report(context.workspace, "one")
    sign_in(client, EXPERT)
    assert client.get("/reports/one").status_code == 403


def effect(metric: str, verdict: str, *mean: float | None) -> dict[str, Any]:
    value, low, high = mean
    found: dict[str, Any] = {
        "value": value,
        "low": low,
        "high": high,
        "scored": 9,
        "n": 9,
        "documents": 6,
        "reasons": {},
    }
    difference = {"mean": found, "p": None, "detectable": None}
    told = {"name": "baseline", "formula": "", "margin": 0.02, "difference": difference}
    return {"metric": metric, "verdict": verdict, **told}


COMPARISON = {
    "gate": {
        "status": "fail", "verdict": f"Worse. {SCRIPT}", "changed": ["prompt"], "system": "base+rag", "baseline": "one",
        "baseline_system": "base+rag", "exit_status": 3,
        "lights": [
            {"metric": "correctness", "status": "fail", "reason": SCRIPT, "value": None, "floor": None, "margin": 0.02}
        ],
    },
    "effects": [effect("correctness", "lower", -0.1, -0.2, -0.05), effect("crag", "anecdote", None, None, None)],
}  # fmt: skip


def test_a_comparison_tells_verdict_lights_and_intervals(context: AppContext) -> None:
    found = printed(json.dumps(COMPARISON), Comparison)
    assert found is not None
    html = comparison_html(context, found)
    assert "-0.100 [-0.200, -0.050]" in html and "too few questions to tell" in html and "prompt" in html
    assert "<img" not in html
    assert "-0,100" in comparison_html(context.in_language("de"), found)
    assert printed("Error", Comparison) is None
    why = (Phrase("{figures}: no fall", {"figures": SCRIPT}),)
    gate = replace(found.gate, lights=(replace(found.gate.lights[0], why=why),))
    german = comparison_html(context.in_language("de"), replace(found, gate=gate))
    assert ": kein Rückgang" in german and "base+rag fällt durch gegenüber one" in german and "<img" not in german
    changed = comparison_html(context, replace(found, changes=CHANGES))
    assert "48 hours." in changed and "/reports/" not in changed, "no report is open beside it"


def test_two_reports_are_compared_by_their_names(actions: EvaluationActions) -> None:
    folders = [save_report(actions.context.workspace, name) for name in ("one", "two")]
    with pytest.raises(gr.Error, match="two reports"):
        actions.compare("one", None, as_(EDITOR))
    with pytest.raises(gr.Error, match="not a name"):
        actions.compare("one", "../two", as_(EDITOR))
    actions.compare("one", "two", as_(EDITOR))
    assert started(actions.context) == ("eval", "compare", "--json", "--", *map(str, folders))
