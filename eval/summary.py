"""Rows become results: means, effects, refusals, slices, and how often what goes wrong first.

Nothing is asked and nothing is read: a thousand questions take seconds.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from assistant.artifacts.evaluation import Difference, Effect, Mean
from eval.comparison import adjusted, contrast, mean
from eval.measures import MARGIN, MEASURES, PRIMARY
from eval.metrics.refusal import refusal_table, reply_of
from eval.metrics.score import Score
from eval.metrics.style import StyleRule, kept_by_rule
from eval.metrics.usable import OUTCOMES, Outcome
from eval.results import FAILURES, Failure, Refusals, Row, Slice, System

Contrast = tuple[tuple[float, str], ...]
"""Factors and systems: ((1, "base+rag"), (-1, "base"))."""


def means_of(rows: Sequence[Row], metrics: Iterable[str] | None = None) -> dict[str, dict[str, Mean]]:
    """System → metric → mean."""
    names = tuple(metrics) if metrics is not None else tuple(measure.name for measure in MEASURES)
    clusters = [row.cluster for row in rows]
    return {
        system: {metric: mean(scores_in(rows, system, metric), clusters) for metric in names}
        for system in rows[0].answers
    }


def scores_in(rows: Iterable[Row], system: str, metric: str) -> list[Score]:
    """The scores of one system, in the order of the rows."""
    return [row.answers[system].scores[metric] for row in rows]


def effects_of(rows: Sequence[Row], systems: Sequence[System], margins: Mapping[str, float]) -> list[Effect]:
    """What retrieval, each adapter, both together, and the model change, as far as the systems allow."""
    return [effect for name, factors in _contrasts(systems) for effect in _effects(name, factors, rows, margins)]


def baseline_effects(
    pairs: Sequence[tuple[Row, Row]], system: str, baseline_system: str, margins: Mapping[str, float]
) -> list[Effect]:
    """What changed from the rows of a baseline, (now, then), on the same questions."""
    clusters = [now.cluster for now, _ in pairs]
    found = {}
    for metric in (measure.name for measure in MEASURES):
        after = scores_in((now for now, _ in pairs), system, metric)
        before = scores_in((then for _, then in pairs), baseline_system, metric)
        found[metric] = contrast([(1, after), (-1, before)], clusters)
    return _as_effects("baseline", f"{system} - {baseline_system} of the baseline", found, margins)


def refusals_of(rows: Iterable[Row], system: str) -> Refusals:
    """Refused, hedged or answered, and what should have been."""
    answered = ((row.case.unanswerable, row.answers[system]) for row in rows)
    table = refusal_table((unanswerable, reply_of(one.refused, one.hedged)) for unanswerable, one in answered)
    return Refusals(
        table.right_refusals,
        table.missed_refusals,
        table.false_refusals,
        table.answered,
        table.hedged_unanswerable,
        table.hedged_answerable,
        table.precision,
        table.recall,
        table.f1,
    )


def first_failures_of(rows: Iterable[Row], system: str) -> dict[Outcome, dict[Failure, int]]:
    """Outcome → first failure → questions, as far as they occur; the best outcomes first, their failures in the order
    of a waterfall."""
    answers = [row.answers[system] for row in rows]
    counts = Counter((answer.outcome, answer.first_failure) for answer in answers)
    return {
        outcome: {failure: counts[outcome, failure] for failure in FAILURES if counts[outcome, failure]}
        for outcome in OUTCOMES
    }


def slices_of(rows: Sequence[Row]) -> list[Slice]:
    """Means of the primary metrics over the questions of each kind, tag, language and document."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        case = row.case
        groups["kind", case.kind_named].append(row)
        groups["language", case.language].append(row)
        for tag in dict.fromkeys(case.tags):
            groups["tag", tag].append(row)
        if case.gold:
            groups["document", case.cluster].append(row)
    return list(_slices(groups))


def rules_kept_in(rows: Iterable[Row], system: str, rules: Sequence[StyleRule]) -> dict[str, tuple[int, int]]:
    """Rule → (texts that keep it, texts in its language); a refusal is no text of the model."""
    answered = [(row.answers[system], row.case.language) for row in rows]
    return kept_by_rule(
        [(answer.text, language) for answer, language in answered if not answer.refused and answer.text.strip()], rules
    )


def _slices(groups: Mapping[tuple[str, str], Sequence[Row]]) -> Iterator[Slice]:
    for facet in ("kind", "language", "tag", "document"):
        of_facet = {value: some for (name, value), some in groups.items() if name == facet}
        for value, some in sorted(of_facet.items()):
            yield Slice(facet, value, len(some), means_of(some, PRIMARY))


def _contrasts(systems: Sequence[System]) -> Iterator[tuple[str, Contrast]]:
    """Name and factors of every comparison that the systems allow."""
    names = {system.name for system in systems}
    adapters = dict.fromkeys(system.adapter for system in systems if system.kind in {"closed book", "retrieval"})
    possible: list[tuple[str, Contrast]] = []
    for adapter in adapters:
        alone = adapter or "base"
        possible.append(("retrieval", ((1, f"{alone}+rag"), (-1, alone))))
    for adapter in filter(None, adapters):
        possible.append(("adapter", ((1, adapter), (-1, "base"))))
        possible.append(("adapter", ((1, f"{adapter}+rag"), (-1, "base+rag"))))
        possible.append(("interaction", ((1, f"{adapter}+rag"), (-1, "base+rag"), (-1, adapter), (1, "base"))))
    best = next((f"{adapter or 'base'}+rag" for adapter in _with_first_adapter_first(adapters)), "base+rag")
    possible.append(("perfect retrieval", ((1, "oracle"), (-1, best))))
    possible.append(("distraction", ((1, "noise"), (-1, "oracle"))))
    possible.append(("model", ((1, best), (-1, "extractive"))))
    return (one for one in possible if names.issuperset(system for _, system in one[1]))


def _with_first_adapter_first(adapters: Iterable[str | None]) -> list[str | None]:
    return sorted(adapters, key=lambda adapter: adapter is None)


def _effects(name: str, factors: Contrast, rows: Sequence[Row], margins: Mapping[str, float]) -> list[Effect]:
    clusters = [row.cluster for row in rows]
    found = {
        measure.name: contrast(
            [(factor, scores_in(rows, system, measure.name)) for factor, system in factors], clusters
        )
        for measure in MEASURES
    }
    return _as_effects(name, _formula(factors), found, margins)


def _as_effects(name: str, formula: str, found: Mapping[str, Difference], margins: Mapping[str, float]) -> list[Effect]:
    p_adjusted = adjusted({metric: found[metric] for metric in PRIMARY})
    return [
        Effect(
            name,
            formula,
            metric,
            one,
            one.verdict(margins.get(metric, MARGIN)),
            margins.get(metric, MARGIN),
            p_adjusted.get(metric),
        )
        for metric, one in found.items()
    ]


def _formula(factors: Contrast) -> str:
    """``base+rag - base``; the interaction as ``(house+rag - base+rag) - (house - base)``."""
    names = [name for _, name in factors]
    if len(names) == 4:
        return f"({names[0]} - {names[1]}) - ({names[2]} - {names[3]})"
    return " - ".join(names)
