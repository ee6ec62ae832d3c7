"""The gate catches what was broken on purpose, lets chance pass, and says when it cannot tell."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from insurer import Insurer, ReadingEngine, insurer_in
from results_of import costs_of, results_of, rows_of

from assistant import service
from assistant.answer import Assistant
from assistant.artifacts.evaluations import Effect, Gate
from assistant.config import Settings
from assistant.errors import ConfigError, UsageError
from assistant.retrieval.retriever import Retriever
from assistant.types import Answer, Evidence, Filter, Message
from eval.aggregation import difference, mean
from eval.gate import GateRules, MetricRule, compared, gate_of, judged_system, read_rules_file
from eval.metrics import Score
from eval.metrics.usable import Outcome
from eval.results import BaselineOrigin, Failure, System, write_run
from eval.running.runner import Plan

SYSTEMS = "house+rag"


@pytest.fixture(scope="module")
def insurer(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Insurer:
    return insurer_in(tmp_path_factory.mktemp("insurer"), settings)


@pytest.fixture(scope="module")
def baseline(insurer: Insurer) -> Path:
    """A run of the whole system, before anything breaks."""
    folder = insurer.workspace.root / "reports" / "before"
    ended = insurer.run(insurer.plan(SYSTEMS))
    write_run(folder, ended.results, ended.rows, ended.costs)
    return folder


def gated(insurer: Insurer, baseline: Path, **changes: object) -> Plan:
    return insurer.plan(SYSTEMS, baseline=baseline, fresh=True, **changes)


def failed(gate: Gate) -> set[str]:
    return {light.metric for light in gate.lights if light.status == "fail"}


@pytest.mark.slow
def test_the_same_system_again_passes(insurer: Insurer, baseline: Path) -> None:
    results = insurer.run(gated(insurer, baseline)).results
    assert (results.gate.status, results.gate.exit_status) == ("pass", 0)
    assert results.gate.baseline == "test"
    adapters = tuple(one.adapter for one in results.systems if one.adapter)
    assert results.baseline == BaselineOrigin(baseline.name, results.data.corpus, adapters), "for who may read it"
    assert results.gate.changed == ()


def test_a_damaged_adapter_is_caught(insurer: Insurer, baseline: Path) -> None:
    # Else what it says gives way to the words of the documents, which are right.
    showing = insurer.settings.model_copy(
        update={"answer": insurer.settings.answer.model_copy(update={"unsupported": "show"})}
    )
    broken = replace(insurer, engine=ReadingEngine(damaged=["house"]), settings=showing)
    results = broken.run(gated(broken, baseline)).results
    assert results.gate.exit_status == 3
    assert "correctness" in failed(results.gate)
    assert _most(results.first_failures[SYSTEMS]) == "evidence ignored"


class BlindRetriever(Retriever):
    """Searches for something else than what was asked."""

    def search_with_tables(
        self, question: str, k: int | None = None, only: Filter | None = None, *, fallback: str = ""
    ) -> tuple[list[Evidence], list[Evidence]]:
        asked = question if question.startswith("Who") else "What is the limit of the piano insurance?"
        return super().search_with_tables(asked, k, only, fallback=fallback)


def test_a_broken_retriever_is_caught(insurer: Insurer, baseline: Path) -> None:
    results = insurer.run(gated(insurer, baseline), BlindRetriever).results
    assert results.gate.exit_status == 3
    assert {"recall@5", "correctness"} <= failed(results.gate)
    assert _most(results.first_failures[SYSTEMS]) == "retrieval miss"


class ShufflingAssistant(Assistant):
    """Cites another passage than the one that supports."""

    def ask(
        self, question: str, history: Sequence[Message] = (), only: Filter | None = None, adapter: str | None = None
    ) -> Answer:
        answer = super().ask(question, history, only, adapter)
        return replace(
            answer,
            sentences=tuple(
                replace(one, citations=tuple(replace(c, hit=_other(c.hit, answer)) for c in one.citations))
                for one in answer.sentences
            ),
        )


def _other(rank: int, answer: Answer) -> int:
    return next((hit.rank for hit in answer.hits if hit.rank != rank), rank)


def test_shuffled_citations_are_caught(insurer: Insurer, baseline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "Assistant", ShufflingAssistant)
    results = insurer.run(gated(insurer, baseline)).results
    assert results.gate.exit_status == 3
    assert failed(results.gate) == {"usable", "citation_recall"}
    assert _most(results.first_failures[SYSTEMS]) == "wrong citation"


def test_one_missing_document_is_caught(baseline: Path, tmp_path: Path, settings: Settings) -> None:
    without = insurer_in(tmp_path, settings, without="boat")
    ended = without.run(gated(without, baseline))
    assert ended.results.gate.exit_status == 3
    assert failed(ended.results.gate) == {"gold_in_corpus"}
    assert "corpus" in ended.results.gate.changed
    boat = [row.answers[SYSTEMS].first_failure for row in ended.rows if "boat" in row.case.tags]
    assert boat == ["retrieval miss"] * 3


def _most(outcomes: Mapping[Outcome, Mapping[Failure, int]]) -> Failure:
    """What goes wrong most often; ``none`` if nothing does."""
    wrong = Counter[Failure]()
    for outcome, failures in outcomes.items():
        wrong.update(failures if outcome != "usable" else {})
    return max(wrong, key=wrong.__getitem__, default="none")


def test_few_cases_are_too_little_evidence(insurer: Insurer, baseline: Path) -> None:
    gate = insurer.run(gated(insurer, baseline, cases=insurer.plan().cases[:12])).results.gate
    assert (gate.status, gate.exit_status) == ("thin", 4)


def test_two_reports_are_held_against_each_other_as_a_run_is(tmp_path: Path) -> None:
    worse, better = rows_of(200, gain=-0.3), rows_of(200, seed=1)
    for name, rows in (("worse", worse), ("better", better)):
        write_run(tmp_path / name, results_of(rows, name), rows, costs_of())
    rules = GateRules(metrics={"correctness": MetricRule()})
    outcome = compared(tmp_path / "better", tmp_path / "worse", rules)
    gate = outcome.gate
    assert (gate.status, gate.exit_status, gate.baseline) == ("fail", 3, "better")
    assert {effect.name for effect in outcome.effects} == {"baseline"}
    assert compared(tmp_path / "worse", tmp_path / "better", rules).gate.exit_status == 0


def test_only_gold_that_the_baseline_had_is_missed(tmp_path: Path) -> None:
    rows = rows_of(200)
    problems = {
        "before": ("3 cases are drafts that nobody has confirmed",),
        "drafts": ("2 cases are drafts that nobody has confirmed",),
        "new": ("case 'of another file': there is no document 'new.md'",),
        "lost": ("case 'q-0007': there is no document 'terms-7.md'",),
    }
    for name, told in problems.items():
        results = results_of(rows, name)
        write_run(tmp_path / name, replace(results, data=replace(results.data, problems=told)), rows, costs_of())
    rules = GateRules(metrics={"correctness": MetricRule()})
    status = {name: compared(tmp_path / "before", tmp_path / name, rules).gate.status for name in problems}
    assert status == {"before": "pass", "drafts": "pass", "new": "pass", "lost": "fail"}


def test_what_cannot_be_judged_is_told_before_anything_is_asked(insurer: Insurer, baseline: Path) -> None:
    asked = replace(insurer, engine=ReadingEngine())
    others = [replace(case, id=f"other {case.id}") for case in insurer.plan().cases]
    wrong: list[dict[str, object]] = [{"gate": GateRules(system="nobody")}, {"cases": others}]
    for changes in wrong:
        with pytest.raises(UsageError, match=r"nobody|none of these cases"):
            asked.run(gated(asked, baseline, **changes))
    assert asked.engine.batches == []


def _gate(after: Sequence[float], before: Sequence[float], metric: str = "correctness", **rule: float) -> Gate:
    documents = [f"d{number % 12}" for number in range(len(after))]
    now, then = [[Score(value) for value in values] for values in (after, before)]
    found = difference(now, then, documents)
    effect = Effect("baseline", "", metric, found, found.verdict(0.02), 0.02)
    rules = GateRules(metrics={metric: MetricRule.model_validate(rule)})
    return gate_of(rules, "house+rag", {metric: mean(now, documents)}, ("before", "house+rag"), [effect])


def test_an_equal_system_passes_whatever_chance_does() -> None:
    passed = 0
    for seed in range(200):
        chance = random.Random(seed)
        skills = [chance.random() for _ in range(250)]
        after, before = (
            [float(chance.random() < skill) if chance.random() < 0.3 else skill for skill in skills] for _ in "ab"
        )
        passed += _gate(after, before).exit_status == 0
    assert passed >= 190


def test_lower_is_better_where_it_is() -> None:
    many, few = [1.0] * 30 + [0.0] * 30, [0.0] * 60
    assert _gate(many, few, "false_refusal").exit_status == 3
    assert _gate(few, many, "false_refusal").exit_status == 0
    assert _gate(many, few).exit_status == 0


def test_bounds_are_kept_in_both_directions() -> None:
    half = [0.0, 1.0] * 30
    assert _gate(half, half, floor=0.6).exit_status == 3
    assert _gate(half, half, floor=0.4).exit_status == 0
    assert _gate(half, half, "false_refusal", ceiling=0.4).exit_status == 3
    assert _gate(half, half, "false_refusal", ceiling=0.6).exit_status == 0


@pytest.mark.parametrize(("questions", "documents"), [(29, 29), (40, 4)])
def test_a_bound_is_held_against_enough_questions_and_documents(questions: int, documents: int) -> None:
    about = [f"d{number % documents}" for number in range(questions)]
    rules = GateRules(metrics={"correctness": MetricRule(floor=0.5)})
    for value in (0.0, 1.0):
        gate = gate_of(rules, "house+rag", {"correctness": mean([Score(value)] * questions, about)})
        assert gate.status == "thin" and "are needed" in gate.lights[0].reason


def test_a_fall_that_would_not_be_seen_is_not_passed_over() -> None:
    chance = random.Random(0)
    after, before = ([float(chance.random() < 0.5) for _ in range(40)] for _ in "ab")
    gate = _gate(after, before)
    assert (gate.status, gate.exit_status) == ("thin", 4)
    assert "would not be seen" in gate.lights[0].reason


def test_a_small_fall_is_warned_of() -> None:
    before = [0.5] * 60
    gate = _gate([0.49, 0.51, 0.48] * 20, before)
    assert (gate.status, gate.exit_status) == ("warn", 0)


@hypothesis_settings(max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=50), st.floats(0, 0.5))
def test_status_and_exit_status_always_agree(values: list[float], fall: float) -> None:
    gate = _gate([max(0.0, value - fall) for value in values], values)
    assert gate.exit_status == {"pass": 0, "warn": 0, "fail": 3, "thin": 4}[gate.status]
    assert gate.status == gate.lights[0].status
    assert "house+rag" in gate.verdict


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("metrics: {corectness: {}}", "corectness"),
        ("metrics: {correctness: {floor: high}}", "metrics.correctness.floor"),
        ("metrics: {correctness: {ceiling: 0.5}}", "higher is better"),
        ("metrics: {false_refusal: {floor: 0.5}}", "lower is better"),
        ("metrics: {copy_density: {floor: 0.5}}", "neither better nor worse"),
        ("metrics: {}", "metrics"),
        ("metric: {}", "metric"),
        ("detects: 0", "detects"),
        ("detects: .nan", "detects"),
        ("metrics: {correctness: {floor: .nan}}", "metrics.correctness.floor"),
        ("metrics: {correctness: {margin: .nan}}", "metrics.correctness.margin"),
        ("- 1", "dictionary"),
        ("{", "not valid YAML"),
    ],
)
def test_a_gate_file_that_is_wrong_is_told(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "gate.yaml"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        read_rules_file(file)


def test_the_gate_judges_what_people_would_use() -> None:
    systems = [System("base", "closed book", None), System("base+rag", "retrieval", None)]
    systems += [System("house+rag", "retrieval", "house"), System("oracle", "oracle", "house")]
    assert judged_system(systems, "") == "house+rag"
    assert judged_system(systems[:1], "") == "base"
    assert judged_system(systems, "oracle") == "oracle"
    with pytest.raises(ConfigError, match="nobody"):
        judged_system(systems, "nobody")
