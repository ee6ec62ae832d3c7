"""The first screen of a report decides by what misleads, and never by what helps."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from report_of import report_of, results_with_effects
from results_of import rows_of

from assistant.artifacts.evaluations import Light
from eval.aggregation import first_failures_of, mean, means_of
from eval.gate import GateRules, gate_of
from eval.metrics import Score
from eval.metrics.usable import Outcome
from eval.report import MARKDOWN_FILE
from eval.report.decision import decision_of, worst_answers
from eval.results import CaseRow, Failure, Results

SYSTEM = "house+rag"


def rows_with(misleading: int, usable: int, others: int = 0) -> list[CaseRow]:
    """Answerable questions about ten documents, so many with each outcome."""
    outcomes = ["misleading"] * misleading + ["usable"] * usable + ["refused"] * others
    rows = [row for row in rows_of(2 * len(outcomes), seed=3) if not row.case.unanswerable][: len(outcomes)]
    spread = [outcomes[(7 * place) % len(outcomes)] for place in range(len(outcomes))]
    return [_made(row, outcome) for row, outcome in zip(rows, spread, strict=True)]


def _made(row: CaseRow, outcome: str) -> CaseRow:
    answer = row.answers[SYSTEM]
    scores = {**answer.scores, **{name: Score(float(name == outcome)) for name in ("usable", "misleading", "hedged")}}
    failure = {"misleading": "evidence ignored", "usable": "none", "refused": "false refusal"}[outcome]
    made = replace(answer, outcome=outcome, first_failure=failure, scores=scores)  # type: ignore[arg-type]
    return replace(row, answers={**row.answers, SYSTEM: made})


def results_with(rows: Sequence[CaseRow], rules: GateRules | None = None) -> Results:
    results = results_with_effects(rows)
    means = means_of(rows)
    gate = gate_of(rules, SYSTEM, means[SYSTEM])
    failures = {one.name: first_failures_of(rows, one.name) for one in results.systems}
    return replace(results, means=means, gate=gate, first_failures=failures)


@pytest.mark.parametrize(
    ("misleading", "usable", "others", "tone", "said"),
    [
        (2, 99, 0, "good", "It may be used: 2 of 101 answers mislead"),
        (2, 39, 60, "even", "It may be used, and will often have no answer: 2 of 101"),
        (40, 61, 0, "bad", "It may not be used where nobody checks: 40 of 101 answers mislead"),
        (9, 92, 0, "open", "Not shown to be safe where nobody checks: 9 of 101 answers mislead"),
        (1, 12, 0, "open", "Too little was asked to say whether it may be used"),
    ],
)
def test_what_misleads_decides(misleading: int, usable: int, others: int, tone: str, said: str) -> None:
    decision = decision_of(results_with(rows_with(misleading, usable, others)))
    assert decision.tone == tone and decision.use.startswith(said)
    assert [one.words for one in decision.counts[:2]] == [
        f"{usable} of {misleading + usable + others} usable", f"{misleading} misleading",
    ]  # fmt: skip
    assert (decision.counts[1].tone == "bad") == (misleading > 0.1 * (misleading + usable + others))


def test_a_gate_sets_the_bounds_and_its_fall_decides() -> None:
    rows = rows_with(20, 81)
    strict = GateRules.model_validate({"metrics": {"misleading": {"ceiling": 0.1}}})
    assert decision_of(results_with(rows, strict)).use.startswith("It may not replace what is in use. house+rag fails")
    lenient = GateRules.model_validate({"metrics": {"misleading": {"ceiling": 0.5}}})
    assert decision_of(results_with(rows, lenient)).use.startswith("It may be used: 20 of 101")


@pytest.mark.slow
def test_a_report_looks_no_better_than_its_decision(tmp_path: Path) -> None:
    rows = rows_with(20, 81)
    passing = results_with(rows, GateRules.model_validate({"metrics": {"misleading": {"ceiling": 0.5}}}))
    light = Light("usable", "thin", "too few", 0.8, None, 0.02)
    thin = replace(passing, gate=replace(passing.gate, status="thin", lights=(*passing.gate.lights, light)))
    unsafe = results_with(rows, GateRules.model_validate({"metrics": {"usable": {"floor": 0.5}}}))
    for name, results, tone, sign in (("a", passing, "good", "✓"), ("b", thin, "open", "?"), ("c", unsafe, "bad", "✗")):
        page = BeautifulSoup(report_of(tmp_path / name, rows, results), "lxml")
        verdict = page.select_one("header .verdict")
        assert verdict is not None and verdict["class"] == ["verdict", tone], "whatever its gate asks for"
        assert (tmp_path / name / MARKDOWN_FILE).read_text(encoding="utf-8").startswith(f"## {sign} ")


def test_what_helps_is_no_headline(tmp_path: Path) -> None:
    rows = rows_with(50, 51)
    results = results_with(rows)
    page = BeautifulSoup(report_of(tmp_path, rows, results), "lxml")
    verdict = page.select_one("header .verdict")
    assert verdict is not None
    order = [verdict.get_text().find(words) for words in ("may not be used", "51 of 101 usable", "The worst", "helps")]
    assert order == sorted(order) and order[0] >= 0
    assert [one.get_text() for one in verdict.select(".counts .bad")][:2] == ["51 of 101 usable", "50 misleading"][-2:]
    assert len(verdict.select(".worst li")) == 3
    assert (tmp_path / MARKDOWN_FILE).read_text(encoding="utf-8").startswith("## ✗ It may not be used")


def test_the_worst_answers_are_those_that_look_proven() -> None:
    rows = [row for row in rows_of(60) if row.answers[SYSTEM].outcome == "misleading" and row.answers[SYSTEM].sentences]
    marked = replace(rows[0].answers[SYSTEM].sentences[0], supported=False)
    doubted = [replace(row, answers={SYSTEM: replace(row.answers[SYSTEM], sentences=(marked,))}) for row in rows[:-1]]
    assert worst_answers([*doubted, rows[-1]], SYSTEM)[0].case == rows[-1].case
    assert worst_answers([_made(row, "usable") for row in rows], SYSTEM) == []


def test_quoting_is_what_a_system_is_held_against() -> None:
    rows = rows_of(60, (SYSTEM, "extractive"))
    results = results_with(rows)
    said = [one.words for one in decision_of(results).counts]
    assert any("quoting" in words for words in said)
    alone = replace(results, effects=())
    assert decision_of(alone).counts[-1].words == "not compared with quoting"


def test_where_it_finds_but_misleads_it_may_be_used_as_a_search() -> None:
    rows = rows_with(50, 51)
    results = results_with(rows)
    found = {**results.means[SYSTEM], "recall@5": mean([Score(0.97)] * 101, [row.cluster for row in rows])}
    search = replace(results, means={**results.means, SYSTEM: found})
    assert decision_of(search).what_for.startswith("As a search it may")
    assert "97 of 100 questions" in decision_of(search).what_for
    rarely = found | {"recall@5": mean([Score(0.3)] * 101, ["d"] * 101)}
    lost = replace(results, means={**results.means, SYSTEM: rarely})
    assert "As a search" not in decision_of(lost).what_for


def test_sections_of_what_was_not_asked_are_left_out(tmp_path: Path) -> None:
    results = results_with_effects(rows_of(12))
    bare = replace(
        results,
        gate=gate_of(None, SYSTEM, results.means[SYSTEM]),
        language_models=(),
        style=replace(results.style, rules={}, voice_auc=Score(None, "no voice")),
    )
    ids = {"gate", "style", "forgetting"}
    for name, some, there in (("whole", results, ids), ("bare", bare, set[str]())):
        page = BeautifulSoup(report_of(tmp_path / name, rows_of(12), some), "lxml")
        assert {element["id"] for element in page.select("h2[id]")} & ids == there
        linked = {str(link["href"])[1:] for link in page.select("nav a")}
        assert linked == {element["id"] for element in page.select("h2[id]")}


@pytest.mark.parametrize(("hedged", "tone"), [(5, "even"), (30, "bad")])
def test_right_answers_that_are_hedged_are_bad_news_when_they_are_many(hedged: int, tone: str) -> None:
    results = results_with(rows_with(1, 100))
    clusters = [str(place % 10) for place in range(101)]
    right = mean([Score(float(place < hedged)) for place in range(101)], clusters)
    means = {**results.means, SYSTEM: {**results.means[SYSTEM], "right_hedged": right}}
    own: dict[Outcome, Mapping[Failure, int]] = {
        **results.first_failures[SYSTEM],
        "hedged": {"right but hedged": hedged},
    }
    told = decision_of(replace(results, means=means, first_failures={SYSTEM: own}))
    assert [one.tone for one in told.counts if one.words == f"{hedged} hedged, {hedged} of them right"] == [tone]
