"""What people say reaches the report and nothing else; what turned since a baseline is marked; figures are of today."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report_of import report_of
from results_of import rows_of

from assistant.artifacts.evaluations import (
    COSTS_FILE,
    RATINGS_FILE,
    RESULTS_FILE,
    ROWS_FILE,
    Label,
    Rating,
    add_rating,
    answer_hash,
)
from assistant.config import Settings
from bench.ratings import RATED_SET, answer_of, rated_with, read_rated
from bench.support import HANDWRITTEN, even, figures, handwritten, judged
from eval.cases import read_cases
from eval.gate import read_baseline, with_baseline
from eval.human_agreement import AGREEMENT_FILE, agreement_of
from eval.metrics.grounding import read_checker_report
from eval.report import write_report
from eval.results import CaseRow
from eval.running.scoring import ScoringContext

SAMPLE = RATED_SET.parent


def rate(run: Path, row: CaseRow, label: Label, system: str = "base+rag", rater: str = "ana", text: str = "") -> None:
    about = answer_hash(text or row.answers[system].text)
    add_rating(run, Rating(row.case.id, system, about, rater, "", label, "yes", True, "<b>why</b>"))


def rated_report(run: Path, rows: Sequence[CaseRow]) -> str:
    """A report whose answers are rated as their correctness is."""
    report_of(run, rows)
    for row in rows:
        score = row.answers["base+rag"].scores["correctness"].value
        rate(run, row, "right" if score and score > 0.78 else "wrong")
    return write_report(run).read_text(encoding="utf-8")


@pytest.mark.slow
def test_ratings_change_the_report_and_no_number_of_the_run(tmp_path: Path) -> None:
    rows = rows_of(60)
    before = report_of(tmp_path, rows)
    files = {name: (tmp_path / name).read_bytes() for name in (RESULTS_FILE, ROWS_FILE, COSTS_FILE)}
    assert "Nobody has rated answers of this run" in before and not (tmp_path / AGREEMENT_FILE).exists()
    page = rated_report(tmp_path, rows)
    assert "follows people" in page and "<dt>people</dt>" in page and "<b>why" not in page
    assert "follows people" in (tmp_path / "summary.md").read_text(encoding="utf-8")
    trust = json.loads((tmp_path / AGREEMENT_FILE).read_text(encoding="utf-8"))
    found = {one["metric"]: one for one in trust["metrics"]}["correctness"]
    assert found["value"] > 0.5 and found["low"] > 0
    assert {name: (tmp_path / name).read_bytes() for name in files} == files
    (tmp_path / RATINGS_FILE).unlink()
    assert write_report(tmp_path).read_text(encoding="utf-8") == before and not (tmp_path / AGREEMENT_FILE).exists()


def test_ratings_of_other_answers_count_for_none(tmp_path: Path) -> None:
    rows = rows_of(12)
    report_of(tmp_path, rows)
    rate(tmp_path, rows[0], "right", text="what it said before")
    with (tmp_path / RATINGS_FILE).open("a", encoding="utf-8") as stream:
        stream.write("<script>broken\n")
    write_report(tmp_path)
    trust = json.loads((tmp_path / AGREEMENT_FILE).read_text(encoding="utf-8"))
    assert (trust["answers"], trust["elsewhere"], len(trust["problems"])) == (0, 1, 1)


def test_a_rating_holds_for_another_system_that_says_the_same(tmp_path: Path) -> None:
    row = rows_of(1)[0]
    same = {system: replace(answer, text="The same.", refused=False) for system, answer in row.answers.items()}
    report_of(tmp_path, [replace(row, answers=same)])
    rate(tmp_path, row, "right", system="of another run", text="The same.")
    write_report(tmp_path)
    trust = json.loads((tmp_path / AGREEMENT_FILE).read_text(encoding="utf-8"))
    assert (trust["answers"], trust["elsewhere"]) == (1, 0)


def test_what_turned_since_the_baseline_is_counted_and_marked(tmp_path: Path) -> None:
    then, now = rows_of(30, seed=1), rows_of(30, seed=2)
    report_of(tmp_path / "then", then)
    rows = with_baseline(now, tmp_path / "then", "house+rag")
    before, after = (
        {row.case.id: row.answers["house+rag"].outcome == "usable" for row in some} for some in (then, now)
    )
    regressed = [case for case, was in before.items() if was and not after[case]]
    assert regressed and all(row.before for row in rows)
    page = report_of(tmp_path / "now", rows)
    assert page.count('data-before="regressed"') == page.count(">regressed</span>") == len(regressed)
    assert page.count('data-before="mended"') == sum(not was and after[case] for case, was in before.items())
    assert read_baseline(tmp_path / "then", now, "house+rag").system == "house+rag"


def test_a_question_that_the_baseline_did_not_ask_has_no_mark(tmp_path: Path) -> None:
    report_of(tmp_path, rows_of(5))
    rows = with_baseline(rows_of(6), tmp_path, "house+rag")
    assert [row.before is None for row in rows] == [False] * 5 + [True]


def test_the_figures_of_the_claim_checker_are_those_of_today(settings: Settings) -> None:
    least = settings.answer.support_coverage
    measured = read_checker_report()
    found = figures(judged(list(handwritten(HANDWRITTEN)), even, least))
    assert found == measured.even, "run: python -m bench.support --workspace FOLDER --write"
    assert measured.corrupted.rejected.n > 1000 and measured.handwritten.rejected.n == found.rejected.n


def test_the_report_prints_both_figures_of_the_claim_checker(tmp_path: Path) -> None:
    page, measured = report_of(tmp_path), read_checker_report()
    for one in (measured.corrupted, measured.handwritten):
        assert f"n = {one.accepted.n:,}" in page and f"{one.rejected.value:.2f}" in page


def test_the_rated_set_is_about_cases_that_there_are_and_says_why() -> None:
    rated, cases = read_rated(), {case.id: case for case in read_cases(SAMPLE / "cases.jsonl")}
    assert len(rated) >= 60 and len({one.system for one in rated}) >= 4
    for one in rated:
        case = cases[one.question]
        assert one.reason and (one.label != "should have refused" or case.unanswerable)
        assert one.label != "right" or one.refused == case.unanswerable
        assert all(place < len(one.passages) for said in one.sentences for place in said.cites)
        assert (one.supported is None) == (one.refused or not one.passages)
        assert (one.tone is None) == one.refused


def test_metrics_follow_the_rated_set_without_any_model() -> None:
    rated, cases = read_rated(), read_cases(SAMPLE / "cases.jsonl")

    def embed(texts: Sequence[str]) -> np.ndarray:
        return np.eye(1, 8, dtype=np.float32).repeat(len(texts), axis=0)

    judges = ScoringContext(lambda sentence, hits, _question: any(sentence in hit.text for hit in hits), embed)
    trust = agreement_of(list(rated_with(rated, cases, judges)))
    by_name = {one.metric: one for one in trust.metrics}
    assert by_name["must_include"].verdict == "follows people"
    assert by_name["must_include"].value == pytest.approx(0.84, abs=0.02), "docs/metrics.md has another figure"
    assert answer_of(rated[1], cases[0]).hits[0].rank == 1
