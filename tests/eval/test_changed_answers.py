"""What changed most between two answers to a question comes first, and what must have been said stands beside it."""

from dataclasses import replace
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from pydantic import TypeAdapter
from report_of import report_of, results_with_effects
from results_of import rows_of

from assistant.artifacts.evaluations import DECISION_FILE, Opening
from eval.gate import changes_of, compared, reference_of
from eval.metrics import Score
from eval.metrics.usable import Outcome
from eval.report import MARKDOWN_FILE
from eval.results import CaseRow, RowAnswer

BEFORE, AFTER = "base+rag", "house+rag"


def turned(row: CaseRow, before: Outcome, after: Outcome, correct: tuple[float, float] = (0.5, 0.5)) -> CaseRow:
    def made(system: str, outcome: Outcome, correctness: float) -> RowAnswer:
        answer = row.answers[system]
        scores = {**answer.scores, "correctness": Score(correctness)}
        return replace(answer, outcome=outcome, scores=scores, text=f"{system} on {row.case.id}")

    answers = {BEFORE: made(BEFORE, before, correct[0]), AFTER: made(AFTER, after, correct[1])}
    return replace(row, answers={**row.answers, **answers})


def test_what_turned_comes_before_what_only_scores_otherwise() -> None:
    rows = rows_of(5)
    rows = [
        turned(rows[0], "usable", "usable"),
        turned(rows[1], "partly", "usable", (0.0, 1.0)),
        turned(rows[2], "misleading", "usable", (0.4, 0.5)),
        turned(rows[3], "usable", "refused", (0.9, 0.0)),
    ]
    found = changes_of(rows, AFTER, BEFORE)
    assert found is not None and (found.before, found.after) == (BEFORE, AFTER)
    assert [one.number for one in found.answers] == [4, 3, 2], "and what did not change is left out"
    assert found.outcomes == {
        "usable": (2, 3), "partly": (1, 0), "hedged": (0, 0), "refused": (0, 1), "misleading": (1, 0)
    }  # fmt: skip
    assert found.answers[0].required == rows[3].case.answers
    assert found.answers[0].after == f"{AFTER} on {rows[3].case.id}"


def test_ten_are_shown_and_a_refusal_that_became_an_answer_counts_whole() -> None:
    rows = [turned(row, "misleading", "usable", (0.1, 0.9)) for row in rows_of(20)]
    case = replace(rows[0].case, unanswerable=True, answers=(), must_include=())
    missed = turned(replace(rows[0], case=case), "usable", "misleading")
    nothing = Score(None, "no answer")
    answers = {
        system: replace(answer, scores={**answer.scores, "correctness": nothing})
        for system, answer in missed.answers.items()
    }
    found = changes_of([*rows[1:], replace(missed, answers=answers)], AFTER, BEFORE)
    assert found is not None and len(found.answers) == 10
    assert found.answers[0].number == 20 and found.answers[0].unanswerable and found.answers[0].required == ()


@pytest.mark.parametrize(
    ("systems", "reference"),
    [
        (("base", "base+rag", "house", "house+rag"), "base+rag"),
        (("extractive", "base", "base+rag"), "extractive"),
        (("base", "base+rag"), "base"),
        (("base+rag",), ""),
    ],
)
def test_an_adapter_is_held_against_its_base_and_a_model_against_quoting(
    systems: tuple[str, ...], reference: str
) -> None:
    rows = rows_of(6, systems)
    results = results_with_effects(rows)
    results = replace(results, gate=replace(results.gate, system=systems[-1]))
    assert reference_of(results) == reference
    assert (changes_of(rows, systems[-1], reference) is None) == (not reference)


def test_the_report_opens_each_changed_answer(tmp_path: Path) -> None:
    rows = rows_of(12)
    page = BeautifulSoup(report_of(tmp_path, rows), "lxml")
    found = changes_of(rows, AFTER, BEFORE)
    assert found is not None and found.answers
    shown = page.select(".changed li")
    assert [one.select_one("b").get_text() for one in shown] == [one.question for one in found.answers]  # type: ignore[union-attr]
    for one, answer in zip(shown, found.answers, strict=True):
        assert one.select_one("a")["href"] == f"#q{answer.number}"  # type: ignore[index]
        assert page.find(id=f"q{answer.number}") is not None
        assert (answer.required or ("a refusal",))[0] in one.get_text()
    summary = (tmp_path / MARKDOWN_FILE).read_text(encoding="utf-8")
    assert "| answers | before: `base+rag` | after: `house+rag` |" in summary
    assert all(one.question in summary for one in found.answers)
    kept = TypeAdapter(Opening).validate_json((tmp_path / DECISION_FILE).read_bytes())
    assert kept.changes == found and kept.decision["en"].use


@pytest.mark.slow
def test_two_reports_are_compared_answer_by_answer(tmp_path: Path) -> None:
    before, after = rows_of(12, seed=1), rows_of(12, seed=2)
    report_of(tmp_path / "before", before)
    report_of(tmp_path / "after", after)
    changes = compared(tmp_path / "before", tmp_path / "after").changes
    assert changes is not None and changes.before == f"{AFTER} (synthetic)"
    for one in changes.answers:
        assert one.before_outcome == before[one.number - 1].answers[AFTER].outcome
        assert one.after == after[one.number - 1].answers[AFTER].text
