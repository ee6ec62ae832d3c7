"""The results of a run, put together from its rows, its plan, and the baseline."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from assistant.artifacts.pairs import Pair
from assistant.refusal.calibration import calibration_of
from assistant.store.catalog import Catalog
from eval.baseline import judged
from eval.cases import Case
from eval.drafts import DRAFT
from eval.leaks import Leak, held_out, leaks
from eval.measures import MEASURES, PRIMARY
from eval.metrics.voice import Voice
from eval.results import (
    SCHEMA,
    DataCard,
    LanguageModel,
    Results,
    Row,
    StyleFindings,
    System,
)
from eval.running.identity import adapter_identity, environment, identity_of
from eval.running.judging import NO_VOICE
from eval.running.plan import Plan
from eval.summary import (
    effects_of,
    first_failures_of,
    means_of,
    refusals_of,
    rules_kept_in,
    slices_of,
)


@dataclass(frozen=True, slots=True)
class Found:
    """What asking and scoring gave."""

    problems: tuple[str, ...]
    rows: tuple[Row, ...]
    voice: Voice | None
    language_models: tuple[LanguageModel, ...]
    runtime: str
    """What ran the model."""


def assembled(plan: Plan, found: Found, catalog: Catalog) -> Results:
    """Means, effects, gate and all else. Raises UsageError for a baseline that cannot be read or has other cases."""
    rows, names = found.rows, [system.name for system in plan.systems]
    identity = identity_of(plan.cases, catalog, plan.settings, plan.style_rules, found.runtime)
    means = means_of(rows)
    outcome = judged(rows, plan.systems, means, identity, found.problems, plan.gate, plan.baseline)
    margins = plan.gate.margins if plan.gate else {}
    return Results(
        schema=SCHEMA,
        title=plan.title,
        identity=identity,
        systems=tuple(_with_hash(plan, system) for system in plan.systems),
        measures=MEASURES,
        primary=PRIMARY,
        means=means,
        effects=(*effects_of(rows, plan.systems, margins), *outcome.effects),
        gate=outcome.gate,
        refusals={name: refusals_of(rows, name) for name in names},
        first_failures={name: first_failures_of(rows, name) for name in names},
        slices=tuple(slices_of(rows)),
        style=_style(plan, found),
        language_models=found.language_models,
        data=_data_card(plan, found, catalog),
    )


def _with_hash(plan: Plan, system: System) -> System:
    if system.adapter is None:
        return system
    return replace(system, adapter_hash=adapter_identity(plan.workspace.adapters, system.adapter, plan.settings))


def _style(plan: Plan, found: Found) -> StyleFindings:
    return StyleFindings(
        {rule.id: rule.description for rule in plan.style_rules},
        {system.name: rules_kept_in(found.rows, system.name, plan.style_rules) for system in plan.systems},
        found.voice.auc if found.voice else NO_VOICE,
    )


def _data_card(plan: Plan, found: Found, catalog: Catalog) -> DataCard:
    cases = [row.case for row in found.rows]
    return DataCard(
        cases=len(cases),
        unanswerable=sum(case.unanswerable for case in cases),
        documents=len({document for case in cases for document in case.documents}),
        languages=_counted(case.language for case in cases),
        kinds=_counted(case.kind_named for case in cases),
        tags=_counted(tag for case in cases for tag in case.tags),
        problems=(*found.problems, *_unconfirmed(cases), *_uncertain(plan.changed_pairs)),
        held_out={adapter: len(held_out(cases, pairs)) for adapter, pairs in plan.pairs.items()},
        leaks={adapter: _leaks(cases, pairs) for adapter, pairs in plan.pairs.items()},
        corpus=catalog.folder.name,
        corpus_documents=sum(file.document_id is not None for file in catalog.files()),
        corpus_chunks=catalog.chunk_count(),
        environment={"engine": found.runtime, **environment()},
        weak_evidence=_weak_evidence(catalog),
    )


def _weak_evidence(catalog: Catalog) -> str:
    made_with = catalog.identity()
    return str(calibration_of(catalog.folder, made_with.fingerprint)) if made_with else ""


def _leaks(cases: Sequence[Case], pairs: Sequence[Pair]) -> tuple[Leak, ...]:
    return tuple(leaks(held_out(cases, pairs), pairs))


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _uncertain(adapters: Iterable[str]) -> list[str]:
    told = "the pairs of '{}' have changed since it learnt: leaks are told by those of today"
    return [told.format(name) for name in adapters]


def _unconfirmed(cases: Sequence[Case]) -> list[str]:
    drafts = sum(DRAFT in case.tags for case in cases)
    return [f"{drafts} cases are drafts that nobody has confirmed"] if drafts else []
