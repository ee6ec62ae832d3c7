"""The gate: whether a system may replace what is in use. One rule decides terminal, report and exit status.

A metric is *thin* when it has less than 30 questions or 5 documents, whatever its mean. Else it *fails* when the mean
breaks its bound, or when the whole interval of its paired difference to the baseline lies further below 0 than the
margin. Else it is *thin* too when a fall as large as ``detects`` would go unseen; it *warns* when the mean fell and
the interval does not say whether by chance.

A run fails with any metric that fails, else it is thin with any that is thin, else it passes. It fails too when gold
that the baseline found has gone from the corpus: one document of many moves no mean far enough.

A *baseline* is an earlier run: it is compared system by system, on the questions that both have.

    # assistant eval cases.jsonl --baseline .assistant/reports/… --gate gate.yaml
    system: house+rag
    detects: 0.1
    metrics:
      usable: {margin: 0.02, floor: 0.6}
      misleading: {margin: 0.02, ceiling: 0.1}

Beside it stands what a change turned, for better or worse: two answers to each of the same questions, side by side.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assistant.artifacts.evaluations import (
    FEWEST_QUESTIONS,
    VERDICTS,
    ChangedAnswer,
    Changes,
    Comparison,
    Difference,
    Effect,
    Gate,
    Light,
    Mean,
    Phrase,
    Status,
    said,
)
from assistant.config import read_yaml
from assistant.errors import ConfigError, UsageError, first_fault
from eval.aggregation import FEWEST_DOCUMENTS, baseline_effects
from eval.cases import Case
from eval.gold import gold_problem
from eval.metrics import MARGIN, METRICS, metric_of
from eval.metrics.usable import OUTCOMES, Outcome
from eval.results import BaselineOrigin, CaseRow, Results, RowBefore, RunIdentity, System, read_results, read_rows

PASSED, REGRESSION, TOO_THIN = 0, 3, 4  # exit statuses; 1 and 2 say that the run itself failed
GOLD_IN_CORPUS = "gold_in_corpus"
"""Name of the light that is no metric: it fails when gold that the baseline found has gone from the corpus."""
_EXITS: dict[Status, int] = {"fail": REGRESSION, "thin": TOO_THIN, "warn": PASSED, "pass": PASSED}
"""The worst first."""
_GATED = (
    "usable",
    "misleading",
    "correctness",
    "recall@5",
    "faithfulness",
    "citation_recall",
    "false_refusal",
    "missed_refusal",
)
# An interval without width may miss 0 by what rounding leaves.
_ROUNDING = 1e-9
_MOST = 10  # as many as a person reads
_LONGEST = 1500  # characters of an answer, far more than answers have
_TURNS: tuple[set[Outcome], ...] = ({"usable", "misleading"}, {"usable", "refused"})
"""From one to the other, either way, is the greatest change."""


class MetricRule(BaseModel):
    """What is asked of one metric."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    margin: float = Field(MARGIN, ge=0, le=1, description="A fall from the baseline that nobody would mind.")
    floor: float | None = Field(None, description="The least mean, where higher is better.")
    ceiling: float | None = Field(None, description="The highest mean, where lower is better.")

    @property
    def bound(self) -> float | None:
        """The one of both that is asked."""
        return self.floor if self.floor is not None else self.ceiling


class GateRules(BaseModel):
    """What is asked of a run; the content of a gate file."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    system: str = Field("", description="Which system is judged; empty takes the last one with retrieval.")
    detects: float = Field(
        0.1, gt=0, le=1, description="A true fall as large as this has to be seen four times out of five."
    )
    metrics: dict[str, MetricRule] = Field(default_factory=lambda: dict.fromkeys(_GATED, MetricRule()), min_length=1)

    @property
    def margins(self) -> dict[str, float]:
        """Metric → margin."""
        return {metric: rule.margin for metric, rule in self.metrics.items()}


def read_rules_file(file: Path) -> GateRules:
    """The rules of a gate file. Raises ConfigError that names the first key that is wrong."""
    try:
        rules = GateRules.model_validate(read_yaml(file) or {})
    except ValidationError as error:
        raise ConfigError(f"{file}: {first_fault(error)}.", "Write 'metrics:' and 'NAME: {margin: 0.02}'.") from None
    known = {metric.name: metric for metric in METRICS}
    for metric, rule in rules.metrics.items():
        if metric not in known:
            raise ConfigError(f"{file}: there is no metric '{metric}'.", f"There are: {', '.join(known)}.")
        better = known[metric].better
        if better == "neither":
            raise ConfigError(f"{file}: more of '{metric}' is neither better nor worse.", "Leave it out.")
        if (rule.floor is not None and better == "lower") or (rule.ceiling is not None and better == "higher"):
            right = "ceiling" if better == "lower" else "floor"
            raise ConfigError(f"{file}: of '{metric}' {better} is better.", f"Write {right}.")
    return rules


def judged_system(systems: Sequence[System], wanted: str) -> str:
    """The system that a gate judges: the one it names, else the last with retrieval, else the last.

    Raises ConfigError for a name that is not among the systems.
    """
    names = [system.name for system in systems]
    if wanted and wanted not in names:
        raise ConfigError(f"The gate judges '{wanted}', the run has {', '.join(names)}.", "Add it to --systems.")
    with_retrieval = [system.name for system in systems if system.kind == "retrieval"]
    return wanted or [*names, *with_retrieval][-1]


def gate_of(
    rules: GateRules | None,
    system: str,
    means: Mapping[str, Mean],
    baseline: tuple[str, str] | None = None,
    changes: Sequence[Effect] = (),
    changed: Sequence[str] = (),
    lost: Sequence[str] = (),
) -> Gate:
    """The outcome of a run. Without rules nothing was asked, and it passes.

    ``baseline`` names the report and the system in it that ``changes`` are differences to; ``lost`` are the problems
    with gold that it did not have.
    """
    report, its_system = baseline or ("", "")
    if rules is None:
        return Gate(system, report, its_system, "pass", PASSED, "No gate was asked for.", ())
    lights = []
    if lost:
        # No chance is in this: questions whose gold has gone from the corpus cannot be answered any more.
        gone = Phrase(
            "{count} spans of gold that the baseline found have gone from the corpus; the first: {first}",
            {"count": str(len(lost)), "first": lost[0]},
        )
        lights.append(Light(GOLD_IN_CORPUS, "fail", said([gone]), None, None, 0.0, why=(gone,)))
    by_metric = {effect.metric: effect.difference for effect in changes}
    for metric, rule in rules.metrics.items():
        mean, difference, bound = means[metric], by_metric.get(metric), rule.bound
        status, why = _bound_status(metric, bound, mean)
        if status != "fail" and difference is not None:
            change, because = _change_status(metric, rule.margin, difference, rules.detects)
            status, why = (change, because) if change != "pass" else (status, [*why, *because])
        why = why or [Phrase("nothing is asked of it")]
        lights.append(Light(metric, status, said(why), mean.value, bound, rule.margin, difference, tuple(why)))

    status = min((light.status for light in lights), key=list(_EXITS).index, default="pass")
    names = ", ".join(light.metric for light in lights if light.status == status)
    against = f" against {report}" if report else ""
    verdict = VERDICTS[status].format(system=system, against=against, names=names)
    return Gate(system, report, its_system, status, _EXITS[status], verdict, tuple(lights), changed=tuple(changed))


def _bound_status(metric: str, bound: float | None, mean: Mean) -> tuple[Status, list[Phrase]]:
    if bound is None:
        return "pass", []
    lacking = _lacking(mean)
    if mean.value is None or lacking:
        return "thin", lacking
    is_broken = metric_of(metric).gain(mean.value - bound) < 0
    figures = {"value": f"{mean.value:.3f}", "bound": f"{bound:.3f}"}
    at_most, at_least = (
        Phrase("{value}, at most {bound} is asked", figures),
        Phrase("{value}, at least {bound} is asked", figures),
    )
    asked = at_most if metric_of(metric).better == "lower" else at_least
    return "fail" if is_broken else "pass", [asked]


def _change_status(metric: str, margin: float, difference: Difference, detects: float) -> tuple[Status, list[Phrase]]:
    mean, lacking = difference.mean, _lacking(difference.mean)
    if mean.value is None or mean.low is None or mean.high is None or lacking:
        return "thin", lacking
    figures = {"figures": f"{mean.value:+.3f} [{mean.low:+.3f}, {mean.high:+.3f}]"}
    gain = metric_of(metric).gain
    best = max(gain(mean.low), gain(mean.high))
    if best < -margin - _ROUNDING:
        return "fail", [Phrase("{figures}, worse than the margin of {margin}", figures | {"margin": f"{margin:.3f}"})]
    if difference.detectable is not None and difference.detectable > detects:
        least = {"least": f"{difference.detectable:.3f}", "asked": f"{detects:.3f}"}
        return "thin", [Phrase("{figures}; a fall below {least} would not be seen, {asked} should", figures | least)]
    if gain(mean.value) < -_ROUNDING:
        return "warn", [Phrase("{figures}: a fall, within the margin or by chance", figures)]
    return "pass", [Phrase("{figures}: no fall", figures)]


def _lacking(mean: Mean) -> list[Phrase]:
    """What a mean has too little of to be judged; empty if of nothing."""
    if mean.scored < FEWEST_QUESTIONS:
        counts = {"scored": str(mean.scored), "asked": str(mean.n), "fewest": str(FEWEST_QUESTIONS)}
        why = max(mean.reasons, key=lambda reason: mean.reasons[reason], default="")
        if why and not mean.scored:
            counts["why"] = why
            return [Phrase("scored on {scored} of {asked} questions ({why}), {fewest} are needed", counts)]
        return [Phrase("scored on {scored} of {asked} questions, {fewest} are needed", counts)]
    if mean.documents < FEWEST_DOCUMENTS:
        counts = {"count": str(mean.documents), "fewest": str(FEWEST_DOCUMENTS)}
        return [Phrase("about {count} documents, {fewest} are needed", counts)]
    return []


@dataclass(frozen=True, slots=True)
class Baseline:
    """An earlier run: its system that is compared, and the questions that both have, (now, then)."""

    results: Results
    system: str
    pairs: tuple[tuple[CaseRow, CaseRow], ...]


def check_baseline(folder: Path, cases: Iterable[Case]) -> None:
    """Raise UsageError for a folder without a run, or one that asked none of these questions."""
    read_results(folder)
    then = {_question(row.case) for row in read_rows(folder)}
    if not any(_question(case) in then for case in cases):
        raise _other_cases(folder)


def read_baseline(folder: Path, rows: Iterable[CaseRow], system: str) -> Baseline:
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


def origin_of(folder: Path) -> BaselineOrigin:
    """What an earlier run was made from. Raises UsageError for a folder without a run."""
    results = read_results(folder)
    adapters = tuple(one.adapter for one in results.systems if one.adapter)
    return BaselineOrigin(folder.absolute().name, results.data.corpus, adapters)


def judged(
    rows: Sequence[CaseRow],
    systems: Sequence[System],
    means: Mapping[str, Mapping[str, Mean]],
    identity: RunIdentity,
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
    if rules is None:
        # The default gate, without metrics that the baseline has too few questions for; all if none is left.
        rules, its_means = GateRules(), before.results.means[before.system]
        known = {name: rule for name, rule in rules.metrics.items() if its_means[name].scored >= FEWEST_QUESTIONS}
        rules = rules.model_copy(update={"metrics": known or rules.metrics})
    effects = baseline_effects(before.pairs, system, before.system, rules.margins)
    was = asdict(before.results.identity)
    changed = [name for name, value in asdict(identity).items() if value != was[name]]
    both_asked = tuple(gold_problem(now.case.id) for now, _ in before.pairs)
    lost = [one for one in problems if one.startswith(both_asked) and one not in before.results.data.problems]
    named = before.results.title, before.system
    gate = gate_of(rules, system, means[system], named, effects, changed, lost)
    outcomes = [
        (now.case.id, then.answers[before.system].outcome == "usable", now.answers[system].outcome == "usable")
        for now, then in before.pairs
    ]
    regressed = tuple(case for case, was_usable, is_usable in outcomes if was_usable and not is_usable)
    mended = tuple(case for case, was_usable, is_usable in outcomes if is_usable and not was_usable)
    return Comparison(replace(gate, regressed=regressed, mended=mended), tuple(effects))


def with_baseline(rows: Sequence[CaseRow], baseline: Path, system: str) -> tuple[CaseRow, ...]:
    """The rows with what an earlier run made of each question. Raises what ``read_baseline`` raises."""
    before = read_baseline(baseline, rows, system)
    then = {now.case.id: row.made_by(before.system) for now, row in before.pairs}
    return tuple(replace(row, before=then.get(row.case.id)) for row in rows)


def compared(before: Path, after: Path, rules: GateRules | None = None) -> Comparison:
    """Two runs that are on disk already. Raises what ``judged`` raises."""
    results = read_results(after)
    rows, problems = list(read_rows(after)), results.data.problems
    found = judged(rows, results.systems, results.means, results.identity, problems, rules, before)
    both = with_baseline(rows, before, found.gate.system)
    return replace(found, changes=changes_of(both, found.gate.system, "", found.gate.baseline))


def _other_cases(folder: Path) -> UsageError:
    return UsageError(f"{folder} has none of these cases.", "Compare runs over the same cases.")


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


def reference_of(results: Results) -> str:
    """The system of a run that the judged one is held against: its base, else quoting, else its model without
    documents. Empty where the run has none of them."""
    judged = next(one for one in results.systems if one.name == results.gate.system)
    names = {(one.kind, one.adapter): one.name for one in results.systems if one != judged}
    wanted = ((judged.kind, None), ("extractive", None), ("closed book", judged.adapter))
    return next((names[one] for one in wanted if one in names), "")


def changes_of(rows: Iterable[CaseRow], system: str, reference: str, baseline: str = "") -> Changes | None:
    """What changed from the answers of ``reference`` to those of ``system``.

    With a ``baseline``, the title of an earlier report, from what that made of each question. None where no question
    has both. Those that turned from misleading or refused to usable, or back, come first; then correctness decides.
    """
    then, now, who = Counter[str](), Counter[str](), reference
    changed: list[tuple[tuple[bool, float], ChangedAnswer]] = []
    for number, row in enumerate(rows, 1):
        before = row.before if baseline else row.made_by(reference)
        after = row.made_by(system)
        if before is None or after is None:
            continue
        who = f"{before.system} ({baseline})" if baseline else reference
        then[before.outcome] += 1
        now[after.outcome] += 1
        distance = abs(_correctness(after) - _correctness(before))
        if before.outcome != after.outcome or distance:
            case = row.case
            answers = ChangedAnswer(
                number=number,
                question=case.question,
                required=case.answers or tuple(fact[0] for fact in case.must_include if fact),
                unanswerable=case.unanswerable,
                before=before.text[:_LONGEST],
                after=after.text[:_LONGEST],
                before_outcome=before.outcome,
                after_outcome=after.outcome,
            )
            changed.append((({before.outcome, after.outcome} in _TURNS, distance), answers))
    if not then:
        return None
    most = heapq.nlargest(_MOST, changed, key=lambda one: one[0])
    outcomes: dict[str, tuple[int, int]] = {outcome: (then[outcome], now[outcome]) for outcome in OUTCOMES}
    return Changes(who, system, outcomes, tuple(answers for _, answers in most))


def _correctness(answer: RowBefore) -> float:
    """Of a question that the documents do not answer there is none: then usable is all, and the rest nothing."""
    return float(answer.outcome == "usable") if answer.score.value is None else answer.score.value
