"""A report says in words what it counts, decides by one rule, and writes minus signs, on the page, in Markdown and in
a terminal."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from report_of import report_of, results_with_effects
from results_of import results_of, rows_of

from assistant.artifacts.evaluations import Effect
from eval.gate import GOLD_IN_CORPUS
from eval.metrics import METRICS
from eval.metrics.usable import OUTCOMES
from eval.report import MARKDOWN_FILE
from eval.report.decision import counted
from eval.report.labels import FAILURE_MEANINGS, OUTCOME_MEANINGS, TITLES, failure_groups, title_of, typeset
from eval.report.summaries import result_lines
from eval.results import FAILURES, Results

_HYPHEN_AS_MINUS = re.compile(r"(?<![\w.)\]-])-\.?\d|\w - \w")


def test_every_metric_and_every_first_failure_is_said_in_words_of_its_own() -> None:
    assert set(TITLES) == {measure.name for measure in METRICS} | {GOLD_IN_CORPUS}
    assert len(set(TITLES.values())) == len(TITLES)
    assert set(FAILURE_MEANINGS) == set(FAILURES) and set(OUTCOME_MEANINGS) == set(OUTCOMES)
    assert title_of("of_tomorrow") == "of_tomorrow"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("-0.04 [-0.10, +0.02]", "−0.04 [−0.10, +0.02]"),
        ("+1 right, -1 wrong, (-.5)", "+1 right, −1 wrong, (−.5)"),
        ("2026-11-27, s-001, 3-4, top-5, [a]-1", "2026-11-27, s-001, 3-4, top-5, [a]-1"),
    ],
)
def test_a_hyphen_is_a_minus_before_a_number_only(text: str, shown: str) -> None:
    assert typeset(text) == shown


def test_every_answer_counts_under_one_outcome_and_the_misleading_ones_come_first(tmp_path: Path) -> None:
    rows = rows_of(60)
    results = results_with_effects(rows)
    page = BeautifulSoup(report_of(tmp_path, rows, results), "lxml")
    heads = {
        next(row.stripped_strings): [int(cell.get_text()) for cell in row.select("td")]
        for row in page.select("tr.total")
    }
    assert next(iter(heads)) == "misleading" and [sum(some) for some in zip(*heads.values(), strict=True)] == [60] * 4
    summary = (tmp_path / MARKDOWN_FILE).read_text(encoding="utf-8")
    for outcome, _ in failure_groups(results):
        shown = [counted(results, one.name, outcome) for one in results.systems]
        assert heads[outcome] == shown
        assert shown == [sum(row.answers[one.name].outcome == outcome for row in rows) for one in results.systems]
        assert f"| **{outcome}** | {' | '.join(f'**{count}**' for count in shown)} |" in summary
    text = page.get_text()
    assert all(FAILURE_MEANINGS[failure] in text for _, failures in failure_groups(results) for failure in failures)


def test_what_is_shown_as_decided_is_what_the_interval_decides(tmp_path: Path) -> None:
    rows = rows_of(60)
    results = results_with_effects(rows)
    effects = [replace(one, p_adjusted=None if one.p_adjusted is None else 0.06) for one in results.effects]
    page = BeautifulSoup(report_of(tmp_path, rows, replace(results, effects=tuple(effects))), "lxml")
    table = page.select("table.effects")[0]
    shown = [cell for row in table.select("tbody tr") for cell in row.select("td")]
    by_metric = [one for metric in results.primary for one in effects if one.metric == metric]
    decided = 0
    for cell, effect in zip(shown, by_metric, strict=True):
        is_decided = effect.verdict in {"higher", "lower"}
        assert bool(cell.select(".good, .bad")) == is_decided
        assert effect.verdict in [small.get_text() for small in cell.select("small")]
        assert ("read with care" in cell.get_text()) == is_decided
        decided += is_decided
    assert 0 < decided < len(shown)
    assert [line.split(", ")[-1] for line in _effect_lines(results)] == [
        one.verdict for one in effects if one.metric == results.primary[0]
    ]


def _effect_lines(results: Results) -> list[str]:
    return [line for line in result_lines(results) if f" in {results.primary[0]}: " in line]


def test_no_hyphen_stands_for_a_minus_where_people_read(tmp_path: Path) -> None:
    rows = rows_of(40)
    results = _with_a_fall(results_with_effects(rows))
    page = BeautifulSoup(report_of(tmp_path, rows, results), "lxml")
    for unwanted in page.select("script, style"):
        unwanted.decompose()
    summary = (tmp_path / MARKDOWN_FILE).read_text(encoding="utf-8").replace("| - |", "")
    for text in (page.get_text(" "), summary, "\n".join(result_lines(results))):
        assert "−0.07" in text and "base+rag − base" in text
        assert not _HYPHEN_AS_MINUS.findall(text)


def _with_a_fall(results: Results) -> Results:
    (light,) = results.gate.lights
    reason = "-0.070 [-0.100, -0.040], worse than the margin of 0.020"
    effects = [_fallen(effect) for effect in results.effects]
    return replace(results, gate=replace(results.gate, lights=(replace(light, reason=reason),)), effects=tuple(effects))


def _fallen(effect: Effect) -> Effect:
    mean = replace(effect.difference.mean, value=-0.07, low=-0.1, high=-0.04)
    return replace(effect, difference=replace(effect.difference, mean=mean))


def test_a_terminal_says_of_how_many_questions_each_mean_is() -> None:
    results = results_of(rows_of(40))
    lines = list(result_lines(results))
    heads = next(place for place, line in enumerate(lines) if line.startswith("system"))
    for system, line in zip(results.systems, lines[heads + 1 :], strict=False):
        found = [int(count) for count in re.findall(r" n (\d+)", line)]
        assert found == [results.means[system.name][metric].scored for metric in results.primary]
        assert 0 < found[-1] < 40


def test_a_page_names_no_exit_status_before_its_verdict_is_explained(tmp_path: Path) -> None:
    header = BeautifulSoup(report_of(tmp_path), "lxml").header
    assert header is not None and "xit status" not in header.get_text()
