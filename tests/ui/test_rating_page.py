"""Rating: blind, safe, resumable, several at once; what a browser sends is looked up, and nothing else is written."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from apps import app_context
from browser import Visits, serving
from fakes import ScriptedEngine
from pydantic import TypeAdapter
from signing import make_people

from assistant.artifacts.evaluations import RATINGS_FILE, answer_hash, read_ratings
from assistant.workspace import Workspace
from eval.cases import Case
from eval.results import CaseRow, RowAnswer, RowPassage
from ui.app import create_app
from ui.context import AppContext
from ui.pages.rating import RatingActions
from ui.pages.rating.view import Rateable, rateable, rateable_reports, report_folder
from ui.people import People

REPORT = "2026-11-20-cases"
SYSTEMS = ("secret-base", "secret-base+rag", "secret-house+rag")
HOSTILE = "</div><script>alert(1)</script><img src=x onerror=alert(1)>"
_ROW = TypeAdapter(CaseRow)


def _answer(text: str, shown: tuple[int, ...], refused: bool = False) -> RowAnswer:
    return RowAnswer(text, refused, "", False, (), (), shown, shown, "", {}, "usable", "none")


def _row(number: int) -> CaseRow:
    case = Case(f"q{number}", f"What is the limit {number}? {HOSTILE}", ("1",), unanswerable=False)
    passage = RowPassage(f"terms-{number}.md {HOSTILE}", (2,), "§ 1", 0, 30, f"The limit is {number} euros. {HOSTILE}")
    answers = {
        SYSTEMS[0]: _answer(f"I think it is {number + 1}.", ()),
        SYSTEMS[1]: _answer(f"It is {number}. {HOSTILE}", (0,)),
        # Says the same as the one before, or refuses.
        SYSTEMS[2]: _answer(f"It is {number}. {HOSTILE}", (0,)) if number % 2 else _answer("No answer.", (0,), True),
    }
    return CaseRow(case, (passage,), answers)


@pytest.fixture
def report(workspace: Workspace) -> Path:
    folder = workspace.root / "reports" / REPORT
    folder.mkdir(parents=True)
    rows = b"".join(_ROW.dump_json(_row(number)) + b"\n" for number in range(6))
    (folder / "per_question.jsonl").write_bytes(rows)
    return folder


@pytest.fixture
def context(workspace: Workspace, report: Path) -> AppContext:  # noqa: ARG001 - it lies in the workspace
    return app_context(workspace, ScriptedEngine(""))


def event(**data: Any) -> gr.EventData:
    return gr.EventData(None, data)


def form(one: Rateable, **fields: str) -> gr.EventData:
    """What the browser sends for an answer."""
    return event(place=str(one.place), answer=one.about[2], **{name: [value] for name, value in fields.items()})


def by(name: str | None = None) -> gr.Request:
    return gr.Request(username=name)


def test_names_are_hidden_and_texts_of_strangers_are_only_text(context: AppContext, report: Path) -> None:
    for one in rateable(report):
        skipped = tuple(range(one.place))
        html, _ = RatingActions(context).skip(REPORT, 0, skipped, event(place="-1"), by())
        assert "secret" not in html
        assert "<script" not in html and "<img" not in html


def test_the_order_tells_nothing_and_is_the_same_for_all(report: Path) -> None:
    order = [one.about for one in rateable(report)]
    assert [one.place for one in rateable(report)] == list(range(len(order)))
    written = [
        (row.case.id, system, answer_hash(answer.text))
        for row in map(_row, range(6))
        for system, answer in row.answers.items()
    ]
    assert order != [about for about in written if about in order]
    assert len(order) == 15, "what two systems say alike is one answer"


def test_an_answer_without_passages_is_shown_with_those_of_the_others(report: Path) -> None:
    alone = [one for one in rateable(report) if one.system == SYSTEMS[0]]
    assert alone and all(one.passages for one in alone)


def test_a_rating_is_kept_and_the_next_answer_comes(context: AppContext, report: Path) -> None:
    actions = RatingActions(context)
    first = next(one for one in rateable(report) if not one.refused)
    html, _ = actions.rate(
        REPORT, 0, (), form(first, label="partly", supported="no", tone="yes", comment="why\ud800"), by()
    )
    (kept,) = read_ratings(report).given
    assert kept.about == first.about
    assert (kept.label, kept.supported, kept.tone, kept.rater) == ("partly", "no", True, "local")
    assert kept.comment == "why?"
    assert "2 of 15" in html and f'data-answer="{first.about[2]}"' not in html


def test_undo_shows_the_answer_again_and_takes_the_rating_back(context: AppContext, report: Path) -> None:
    actions, answers = RatingActions(context), rateable(report)
    for one in answers[:2]:
        actions.rate(REPORT, 0, (), form(one, label="right"), by())
    html, _ = actions.undo(REPORT, 0, (), by())
    assert [rating.about for rating in read_ratings(report).given] == [answers[0].about]
    assert f'data-place="{answers[1].place}"' in html and "2 of 15" in html
    actions.undo(REPORT, 0, (), by())
    with pytest.raises(gr.Error):
        actions.undo(REPORT, 0, (), by())


def test_what_was_skipped_comes_last_and_the_end_is_told(context: AppContext, report: Path) -> None:
    actions, answers = RatingActions(context), rateable(report)
    html, skipped = actions.skip(REPORT, 3, (), event(place="0"), by())
    assert 'data-place="1"' in html
    for one in answers[1:3]:
        html, skipped = actions.rate(REPORT, 3, skipped, form(one, label="wrong"), by())
    assert 'data-place="0"' in html and "3 of 3" in html
    html, _ = actions.rate(REPORT, 3, skipped, form(answers[0], label="wrong"), by())
    assert "3 answers" in html and "<form" not in html


def test_two_people_rate_the_same_answers_apart(context: AppContext, report: Path, people: People) -> None:
    actions = RatingActions(replace(context, people=people))
    first = rateable(report)[0]
    actions.rate(REPORT, 0, (), form(first, label="right"), by("ana"))
    html, _ = actions.begin(REPORT, 0, by("ben"))
    assert f'data-place="{first.place}"' in html and "1 of 15" in html
    actions.rate(REPORT, 0, (), form(first, label="wrong"), by("ben"))
    actions.undo(REPORT, 0, (), by("ben"))
    assert [(one.rater, one.label) for one in read_ratings(report).given] == [("ana", "right")]


@pytest.fixture
def people(tmp_path: Path) -> People:
    return make_people(tmp_path, ana="editor", ben="admin", eve="expert")


def test_who_may_not_rate_sees_and_writes_nothing(context: AppContext, report: Path, people: People) -> None:
    actions = RatingActions(replace(context, people=people))
    for who in (by("eve"), by(None), by("nobody")):
        assert actions.open(None, 0, who)[1] == ""
        with pytest.raises(gr.Error):
            actions.begin(REPORT, 0, who)
        with pytest.raises(gr.Error):
            actions.rate(REPORT, 0, (), form(rateable(report)[0], label="right"), who)
        with pytest.raises(gr.Error):
            actions.skip(REPORT, 0, (), event(place="0"), who)
        with pytest.raises(gr.Error):
            actions.undo(REPORT, 0, (), who)
    assert not (report / RATINGS_FILE).exists()


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"place": "0"},
        {"place": "99999", "answer": "x"},
        {"place": "0", "answer": "0" * 16, "label": ["right"]},
        {"place": "-1", "answer": "x", "label": ["right"]},
        {"place": "0x0", "label": {"a": 1}},
    ],
)
def test_a_form_that_says_nothing_of_use_writes_nothing(
    context: AppContext, report: Path, sent: dict[str, Any]
) -> None:
    with pytest.raises(gr.Error):
        RatingActions(context).rate(REPORT, 0, (), event(**sent), by())
    assert not (report / RATINGS_FILE).exists()


@pytest.mark.parametrize("label", ["splendid", "", "RIGHT", "right "])
def test_an_unknown_label_is_refused(context: AppContext, report: Path, label: str) -> None:
    with pytest.raises(gr.Error):
        RatingActions(context).rate(REPORT, 0, (), form(rateable(report)[0], label=label), by())


@pytest.mark.parametrize("name", ["..", "../reports", "/etc", "", "nowhere", ".", f"{REPORT}/..", f"x/../{REPORT}"])
def test_a_name_leads_to_no_other_folder(context: AppContext, name: str) -> None:
    with pytest.raises(gr.Error):
        RatingActions(context).begin(name, 0, by())


def test_a_damaged_file_is_told_and_no_report_is_an_empty_page(context: AppContext, report: Path) -> None:
    assert rateable_reports(context.workspace) == [REPORT]
    (report / "per_question.jsonl").write_text("{}\n", encoding="utf-8")
    with pytest.raises(gr.Error, match="cannot be read"):
        RatingActions(context).begin(report_folder(context.workspace, REPORT).name, 0, by())
    (report / "per_question.jsonl").unlink()
    assert "nothing to rate" in RatingActions(context).open(REPORT, 0, by())[1]


@pytest.mark.slow
def test_an_answer_is_rated_by_keys_and_taken_back(context: AppContext, report: Path, visit: Visits) -> None:
    with serving(create_app(context)) as address:
        one = visit(address)
        page = one.open()
        one.tab("Rate")
        form_shown = page.locator("#rating form")
        form_shown.wait_for()
        first = form_shown.get_attribute("data-place")
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        page.get_by_text("2 of 15").wait_for()
        (rating,) = read_ratings(report).given
        assert rating.label == "right"
        page.get_by_role("button", name="Take back the last one").click()
        page.get_by_text("1 of 15").wait_for()
        assert form_shown.get_attribute("data-place") == first
        assert read_ratings(report).given == ()
        page.get_by_text("Partly right").click()
        page.wait_for_timeout(300)
        assert read_ratings(report).given == (), "choosing is not sending"
        page.close()  # before its server ends
