"""Scores of many questions become means with error bars, differences, effects with a verdict, and counts.

    mean(scores, documents)                        one system
    difference(after, before, documents)           two systems on the same questions: B - A
    contrast([(1, d), (-1, b), (-1, c), (1, a)], documents)   the interaction (D - B) - (C - A)

Scores are in the order of the questions, ``documents`` say which one each question is about. A question counts in a
comparison only where every system has a value. Nothing is asked and nothing is read: a thousand questions take seconds.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from assistant.artifacts.evaluations import Difference, Effect, Mean
from assistant.errors import UsageError
from eval.metrics import MARGIN, METRICS, PRIMARY, Score
from eval.metrics.refusal import Refusals, refusals_among, reply_of
from eval.metrics.style import StyleRule, kept_by_rule
from eval.metrics.usable import OUTCOMES, Outcome
from eval.results import FAILURES, CaseRow, Failure, Slice, System
from eval.statistics import detectable_effect, holm, interval, sign_flip, standard_error

FEWEST_DOCUMENTS = 5
"""With fewer, no interval holds what it promises."""
MOST_PRIMARY = 5
"""Metrics that a run may be judged by; more would only make each of them harder to show."""
# .3 - .1 - .4 + .2 is no difference, though floats say that it is one.
_DIGITS = 9
_FACETS: tuple[Literal["kind", "language", "tag", "document"], ...] = ("kind", "language", "tag", "document")

Contrast = tuple[tuple[float, str], ...]
"""Factors and systems: ((1, "base+rag"), (-1, "base"))."""


def mean(scores: Sequence[Score], documents: Sequence[str]) -> Mean:
    """The mean of what was scored; says how many of how many that is."""
    reasons = Counter(score.reason for score in scores if score.value is None)
    scored = [(score.value, name) for score, name in zip(scores, documents, strict=True) if score.value is not None]
    if not scored:
        return Mean(None, None, None, 0, len(scores), 0, reasons)
    values, names = zip(*scored, strict=True)
    count = len(set(names))
    low, high = interval(values, names) if count >= FEWEST_DOCUMENTS else (None, None)
    return Mean(sum(values) / len(values), low, high, len(values), len(scores), count, reasons)


def difference(after: Sequence[Score], before: Sequence[Score], documents: Sequence[str]) -> Difference:
    """after - before, question by question."""
    return contrast([(1, after), (-1, before)], documents)


def contrast(weighted: Sequence[tuple[float, Sequence[Score]]], documents: Sequence[str]) -> Difference:
    """The weighted sum of several systems' scores, question by question."""
    summed: list[Score] = []
    for row in zip(*(scores for _, scores in weighted), strict=True):
        parts = [factor * one.value for (factor, _), one in zip(weighted, row, strict=True) if one.value is not None]
        missing = next((one.reason for one in row if one.value is None), "")
        summed.append(Score(None, missing) if missing else Score(round(sum(parts), _DIGITS)))
    found = mean(summed, documents)
    if found.documents < FEWEST_DOCUMENTS:
        return Difference(found, None, None)
    pairs = [(score.value, name) for score, name in zip(summed, documents, strict=True) if score.value is not None]
    values, names = zip(*pairs, strict=True)
    error = standard_error(values, names)
    return Difference(found, sign_flip(values, names), None if error is None else detectable_effect(error))


def adjusted(primary: Mapping[str, Difference]) -> dict[str, float]:
    """p of the primary metrics, adjusted for their number (Holm); one without a test is left out.

    Raises UsageError when more than five are declared.
    """
    if len(primary) > MOST_PRIMARY:
        raise UsageError(
            f"{len(primary)} primary metrics are declared, {MOST_PRIMARY} at most can be.",
            "Choose what the run is for.",
        )
    return holm({name: found.p for name, found in primary.items() if found.p is not None})


def means_of(rows: Sequence[CaseRow], metrics: Iterable[str] | None = None) -> dict[str, dict[str, Mean]]:
    """System → metric → mean."""
    names = tuple(metrics) if metrics is not None else tuple(metric.name for metric in METRICS)
    clusters = [row.cluster for row in rows]
    return {
        system: {metric: mean(scores_in(rows, system, metric), clusters) for metric in names}
        for system in rows[0].answers
    }


def scores_in(rows: Iterable[CaseRow], system: str, metric: str) -> list[Score]:
    """The scores of one system, in the order of the rows."""
    return [row.answers[system].scores[metric] for row in rows]


def effects_of(rows: Sequence[CaseRow], systems: Sequence[System], margins: Mapping[str, float]) -> list[Effect]:
    """What retrieval, each adapter, both together, and the model change, as far as the systems allow."""
    clusters = [row.cluster for row in rows]
    adapters = dict.fromkeys(system.adapter for system in systems if system.kind in {"closed book", "retrieval"})
    possible: list[tuple[str, Contrast]] = [
        ("retrieval", ((1, f"{alone}+rag"), (-1, alone))) for alone in (adapter or "base" for adapter in adapters)
    ]
    for adapter in filter(None, adapters):
        possible.append(("adapter", ((1, adapter), (-1, "base"))))
        possible.append(("adapter", ((1, f"{adapter}+rag"), (-1, "base+rag"))))
        possible.append(("interaction", ((1, f"{adapter}+rag"), (-1, "base+rag"), (-1, adapter), (1, "base"))))
    best = f"{next(filter(None, adapters), 'base')}+rag"
    possible.append(("perfect retrieval", ((1, "oracle"), (-1, best))))
    possible.append(("distraction", ((1, "noise"), (-1, "oracle"))))
    possible.append(("model", ((1, best), (-1, "extractive"))))

    names = {system.name for system in systems}
    effects: list[Effect] = []
    for name, factors in possible:
        compared = [system for _, system in factors]
        if not names.issuperset(compared):
            continue
        formula = " - ".join(compared)
        if name == "interaction":
            formula = f"({compared[0]} - {compared[1]}) - ({compared[2]} - {compared[3]})"
        found = {
            metric.name: contrast([(one, scores_in(rows, system, metric.name)) for one, system in factors], clusters)
            for metric in METRICS
        }
        effects += _as_effects(name, formula, found, margins)
    return effects


def baseline_effects(
    pairs: Sequence[tuple[CaseRow, CaseRow]], system: str, baseline_system: str, margins: Mapping[str, float]
) -> list[Effect]:
    """What changed from the rows of a baseline, (now, then), on the same questions."""
    clusters = [now.cluster for now, _ in pairs]
    found = {}
    for metric in METRICS:
        after = scores_in((now for now, _ in pairs), system, metric.name)
        before = scores_in((then for _, then in pairs), baseline_system, metric.name)
        found[metric.name] = difference(after, before, clusters)
    return _as_effects("baseline", f"{system} - {baseline_system} of the baseline", found, margins)


def _as_effects(name: str, formula: str, found: Mapping[str, Difference], margins: Mapping[str, float]) -> list[Effect]:
    p_adjusted = adjusted({metric: found[metric] for metric in PRIMARY})
    effects = []
    for metric, one in found.items():
        margin = margins.get(metric, MARGIN)
        effects.append(Effect(name, formula, metric, one, one.verdict(margin), margin, p_adjusted.get(metric)))
    return effects


def refusals_of(rows: Iterable[CaseRow], system: str) -> Refusals:
    """Refused, hedged or answered, and what should have been."""
    answered = ((row.case.unanswerable, row.answers[system]) for row in rows)
    return refusals_among((unanswerable, reply_of(one.refused, one.hedged)) for unanswerable, one in answered)


def first_failures_of(rows: Iterable[CaseRow], system: str) -> dict[Outcome, dict[Failure, int]]:
    """Outcome → first failure → questions, as far as they occur; the best outcomes first, their failures in the order
    of a waterfall."""
    answers = [row.answers[system] for row in rows]
    counts = Counter((answer.outcome, answer.first_failure) for answer in answers)
    return {
        outcome: {failure: counts[outcome, failure] for failure in FAILURES if counts[outcome, failure]}
        for outcome in OUTCOMES
    }


def slices_of(rows: Sequence[CaseRow]) -> list[Slice]:
    """Means of the primary metrics over the questions of each kind, language, tag and document."""
    groups: dict[str, defaultdict[str, list[CaseRow]]] = {facet: defaultdict(list) for facet in _FACETS}
    for row in rows:
        case = row.case
        groups["kind"][case.kind_named].append(row)
        groups["language"][case.language].append(row)
        for tag in dict.fromkeys(case.tags):
            groups["tag"][tag].append(row)
        if case.gold:
            groups["document"][case.cluster].append(row)
    return [
        Slice(facet, value, len(some), means_of(some, PRIMARY))
        for facet in _FACETS
        for value, some in sorted(groups[facet].items())
    ]


def rules_kept_in(rows: Iterable[CaseRow], system: str, rules: Sequence[StyleRule]) -> dict[str, tuple[int, int]]:
    """Rule → (texts that keep it, texts in its language); a refusal is no text of the model."""
    answered = [(row.answers[system], row.case.language) for row in rows]
    return kept_by_rule(
        [(answer.text, language) for answer, language in answered if not answer.refused and answer.text.strip()], rules
    )
