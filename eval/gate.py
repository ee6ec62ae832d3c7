"""The gate: whether a system may replace what is in use. One rule decides terminal, report and exit status.

A metric is *thin* when it has less than 30 questions or 5 documents, whatever its mean. Else it *fails* when the mean
breaks its bound, or when the whole interval of its paired difference to the baseline lies further below 0 than the
margin. Else it is *thin* too when a fall as large as ``detects`` would go unseen; it *warns* when the mean fell and
the interval does not say whether by chance.

A run fails with any metric that fails, else it is thin with any that is thin, else it passes. It fails too when gold
that the baseline found has gone from the corpus: one document of many moves no mean far enough.

    # assistant eval cases.jsonl --baseline .assistant/reports/… --gate gate.yaml
    system: house+rag
    detects: 0.1
    metrics:
      usable: {margin: 0.02, floor: 0.6}
      misleading: {margin: 0.02, ceiling: 0.1}
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assistant.artifacts.evaluation import FEWEST_QUESTIONS, Difference, Effect, Gate, Light, Mean, Status
from assistant.config import read_yaml
from assistant.errors import ConfigError
from eval.comparison import FEWEST_DOCUMENTS
from eval.measures import MARGIN, MEASURES, measure_of
from eval.results import System

PASSED, REGRESSION, TOO_THIN = 0, 3, 4
GOLD_IN_CORPUS = "gold_in_corpus"
"""Name of the light that is no metric: it fails when gold that the baseline found has gone from the corpus."""
_EXITS: dict[Status, int] = {"pass": PASSED, "warn": PASSED, "fail": REGRESSION, "thin": TOO_THIN}
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


class MetricRule(BaseModel):
    """What is asked of one metric."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    margin: float = Field(MARGIN, ge=0, le=1, description="A fall from the baseline that nobody would mind.")
    floor: float | None = Field(None, description="The least mean, where higher is better.")
    ceiling: float | None = Field(None, description="The highest mean, where lower is better.")


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
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the file"
        raise ConfigError(f"{file}: {key}: {first['msg']}.", "Write 'metrics:' and 'NAME: {margin: 0.02}'.") from None
    known = {measure.name: measure for measure in MEASURES}
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
    by_metric = {effect.metric: effect.difference for effect in changes}
    lights = (
        *_lost_lights(lost),
        *(_light(name, rule, means[name], by_metric.get(name), rules.detects) for name, rule in rules.metrics.items()),
    )
    status = _worst(lights)
    against = f" against {report}" if report else ""
    return Gate(
        system,
        report,
        its_system,
        status,
        _EXITS[status],
        _verdict(system, against, status, lights),
        lights,
        tuple(changed),
    )


def _lost_lights(lost: Sequence[str]) -> list[Light]:
    """No chance is in this: questions whose gold has gone from the corpus cannot be answered any more."""
    if not lost:
        return []
    reason = f"{len(lost)} spans of gold that the baseline found have gone from the corpus; the first: {lost[0]}"
    return [Light(GOLD_IN_CORPUS, "fail", reason, None, None, 0.0)]


def _light(metric: str, rule: MetricRule, mean: Mean, difference: Difference | None, detects: float) -> Light:
    bound = rule.floor if rule.floor is not None else rule.ceiling
    status, reason = _bound_status(metric, bound, mean)
    if status != "fail" and difference is not None:
        found = _change_status(metric, rule.margin, difference, detects)
        status, reason = found if found[0] != "pass" or not reason else (status, f"{reason}; {found[1]}")
    return Light(metric, status, reason or "nothing is asked of it", mean.value, bound, rule.margin, difference)


def _bound_status(metric: str, bound: float | None, mean: Mean) -> tuple[Status, str]:
    if bound is None:
        return "pass", ""
    lacking = _lacking(mean)
    if mean.value is None or lacking:
        return "thin", lacking
    is_broken = measure_of(metric).gain(mean.value - bound) < 0
    least = "most" if measure_of(metric).better == "lower" else "least"
    return ("fail" if is_broken else "pass"), f"{mean.value:.3f}, at {least} {bound:.3f} is asked"


def _change_status(metric: str, margin: float, difference: Difference, detects: float) -> tuple[Status, str]:
    mean, lacking = difference.mean, _lacking(difference.mean)
    if mean.value is None or mean.low is None or mean.high is None or lacking:
        return "thin", lacking
    words = f"{mean.value:+.3f} [{mean.low:+.3f}, {mean.high:+.3f}]"
    gain = measure_of(metric).gain
    best = max(gain(mean.low), gain(mean.high))
    if best < -margin - _ROUNDING:
        return "fail", f"{words}, worse than the margin of {margin:.3f}"
    if difference.detectable is not None and difference.detectable > detects:
        return "thin", f"{words}; a fall below {difference.detectable:.3f} would not be seen, {detects:.3f} should"
    if gain(mean.value) < -_ROUNDING:
        return "warn", f"{words}: a fall, within the margin or by chance"
    return "pass", f"{words}: no fall"


def _lacking(mean: Mean) -> str:
    """What a mean has too little of to be judged; empty if of nothing."""
    if mean.scored < FEWEST_QUESTIONS:
        why = max(mean.reasons, key=lambda reason: mean.reasons[reason], default="")
        because = f" ({why})" if why and not mean.scored else ""
        return f"scored on {mean.scored} of {mean.n} questions{because}, {FEWEST_QUESTIONS} are needed"
    if mean.documents < FEWEST_DOCUMENTS:
        return f"about {mean.documents} documents, {FEWEST_DOCUMENTS} are needed"
    return ""


def _worst(lights: Sequence[Light]) -> Status:
    order: tuple[Status, ...] = ("fail", "thin", "warn", "pass")
    return min((light.status for light in lights), key=order.index, default="pass")


def _verdict(system: str, against: str, status: Status, lights: Sequence[Light]) -> str:
    names = ", ".join(light.metric for light in lights if light.status == status)
    match status:
        case "fail":
            return f"{system} fails{against}: {names}."
        case "thin":
            return f"Too little evidence to decide about {system}{against}: {names}."
        case "warn":
            return f"{system} passes{against}, with a fall that may be chance: {names}."
    return f"{system} passes{against}."
