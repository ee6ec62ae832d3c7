"""A run against an earlier one: the same questions, system by system, and what the gate says to it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from assistant.artifacts.evaluation import FEWEST_QUESTIONS, Comparison, Mean
from assistant.errors import UsageError
from eval.cases import Case
from eval.gate import GateRules, gate_of, judged_system
from eval.gold import gold_problem
from eval.measures import GRADED
from eval.results import Identity, Results, Row, RowAnswer, RowBefore, System, read_results, read_rows
from eval.summary import baseline_effects


@dataclass(frozen=True, slots=True)
class Baseline:
    """An earlier run: its system that is compared, and the questions that both have, (now, then)."""

    results: Results
    system: str
    pairs: tuple[tuple[Row, Row], ...]


def check_baseline(folder: Path, cases: Iterable[Case]) -> None:
    """Raise UsageError for a folder without a run, or one that asked none of these questions."""
    read_results(folder)
    then = {_question(row.case) for row in read_rows(folder)}
    if not any(_question(case) in then for case in cases):
        raise _other_cases(folder)


def read_baseline(folder: Path, rows: Iterable[Row], system: str) -> Baseline:
    """The same system in an earlier run, or, if there is none of its name, the one that was judged then.

    Raises what ``check_baseline`` raises.
    """
    results = read_results(folder)
    names = [one.name for one in results.systems]
    then = {_question(row.case): row for row in read_rows(folder)}
    pairs = tuple((row, then[_question(row.case)]) for row in rows if _question(row.case) in then)
    if not pairs:
        raise _other_cases(folder)
    return Baseline(results, system if system in names else results.gate.system, pairs)


def judged(
    rows: Sequence[Row],
    systems: Sequence[System],
    means: Mapping[str, Mapping[str, Mean]],
    identity: Identity,
    problems: Sequence[str],
    rules: GateRules | None,
    baseline: Path | None,
) -> Comparison:
    """The outcome of a run; ``problems`` are those with its cases.

    Raises UsageError for a baseline that cannot be read or has other cases, ConfigError for an unknown system.
    """
    system = judged_system(systems, rules.system if rules else "")
    if baseline is None:
        return Comparison(gate_of(rules, system, means[system]))
    before = read_baseline(baseline, rows, system)
    rules = rules or _default_rules(before)
    effects = baseline_effects(before.pairs, system, before.system, rules.margins)
    changed = _changed(identity, before.results.identity)
    named = before.results.title, before.system
    gate = gate_of(rules, system, means[system], named, effects, changed, _lost_gold(problems, before))
    regressed, mended = _turned(before, system)
    return Comparison(replace(gate, regressed=regressed, mended=mended), tuple(effects))


def with_baseline(rows: Sequence[Row], baseline: Path, system: str) -> tuple[Row, ...]:
    """The rows with what an earlier run made of each question. Raises what ``read_baseline`` raises."""
    before = read_baseline(baseline, rows, system)
    then = {now.case.id: _before(row.answers[before.system], before.system) for now, row in before.pairs}
    return tuple(replace(row, before=then.get(row.case.id)) for row in rows)


def compared(before: Path, after: Path, rules: GateRules | None = None) -> Comparison:
    """Two runs that are on disk already. Raises what ``judged`` raises."""
    results = read_results(after)
    rows, problems = list(read_rows(after)), results.data.problems
    return judged(rows, results.systems, results.means, results.identity, problems, rules, before)


def _other_cases(folder: Path) -> UsageError:
    return UsageError(f"{folder} has none of these cases.", "Compare runs over the same cases.")


def _before(answer: RowAnswer, system: str) -> RowBefore:
    return RowBefore(system, answer.text, answer.scores[GRADED], answer.outcome, answer.first_failure)


def _turned(baseline: Baseline, system: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The cases whose answer was usable and is not any more, and the other way round."""
    outcomes = [
        (now.case.id, then.answers[baseline.system].outcome == "usable", now.answers[system].outcome == "usable")
        for now, then in baseline.pairs
    ]
    regressed = tuple(case for case, was_usable, is_usable in outcomes if was_usable and not is_usable)
    return regressed, tuple(case for case, was_usable, is_usable in outcomes if is_usable and not was_usable)


def _lost_gold(problems: Iterable[str], baseline: Baseline) -> list[str]:
    """The problems with gold of questions that both runs asked which the baseline did not have."""
    both = tuple(gold_problem(now.case.id) for now, _ in baseline.pairs)
    return [one for one in problems if one.startswith(both) and one not in baseline.results.data.problems]


def _question(case: Case) -> tuple[object, ...]:
    """What two runs have to share for a question to be the same."""
    return (
        case.id,
        case.question,
        case.history,
        case.answers,
        case.must_include,
        case.must_not_include,
        case.unanswerable,
    )


def _default_rules(baseline: Baseline) -> GateRules:
    """The default gate, without metrics that the baseline has too few questions for; all of them if none is left."""
    means = baseline.results.means[baseline.system]
    rules = GateRules()
    judged = {name: rule for name, rule in rules.metrics.items() if means[name].scored >= FEWEST_QUESTIONS}
    return rules.model_copy(update={"metrics": judged or rules.metrics})


def _changed(now: Identity, then: Identity) -> tuple[str, ...]:
    before = asdict(then)
    return tuple(name for name, value in asdict(now).items() if value != before[name])
