"""One run from cases to numbers: ask, score, compare, judge; and what its answers cost.

cases ─▶ gold located ─▶ every system asked ─▶ rows ─▶ results, with the gate
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np

from assistant.artifacts.calibration import calibration_of
from assistant.artifacts.evaluations import DRAFT
from assistant.artifacts.pairs import Pair
from assistant.config import Settings
from assistant.engines import Engine
from assistant.errors import UsageError
from assistant.retrieval.retriever import Retriever
from assistant.store.index import Index
from assistant.types import Answer, Evidence
from assistant.workspace import Workspace, size_of
from eval.aggregation import effects_of, first_failures_of, means_of, refusals_of, rules_kept_in, slices_of
from eval.cases import Case
from eval.contamination import held_out, leaks
from eval.gate import GateRules, check_baseline, judged, judged_system, origin_of, with_baseline
from eval.gold import located, refuse_foreign_cases, text_of
from eval.metrics import METRICS, PRIMARY, Score, score
from eval.metrics.retrieval import CUTOFFS
from eval.metrics.style import StyleRule
from eval.metrics.voice import NO_VOICE, Voice, voice_of, voice_score
from eval.results import (
    ALL_STAGES,
    SCHEMA,
    CaseRow,
    Cost,
    Costs,
    DataCard,
    LanguageModel,
    Results,
    StyleFindings,
    System,
)
from eval.running.fingerprints import adapter_identity, environment, generation_identities, identity_of
from eval.running.playback import GENERATIONS_FILE, Generations, PlaybackEngine, SilentEngine
from eval.running.scoring import ScoringContext, embed_of, row_of, supports_by
from eval.running.systems import GoldRetriever, Setting, TimedAnswer, answers_of, ask_with

_NOTHING_TIMED = "nothing was timed"
# With fewer the 95th percentile is only the slowest.
_FEWEST_FOR_P95 = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is to do, made of plain values: who is asked what, and what the outcome is held against."""

    title: str
    cases: Sequence[Case]
    systems: tuple[System, ...]
    workspace: Workspace
    settings: Settings
    style_rules: Sequence[StyleRule] = ()
    pairs: Mapping[str, Sequence[Pair]] = field(default_factory=dict)
    """Adapter → the pairs that it learnt from, as far as they are still there."""
    changed_pairs: tuple[str, ...] = ()
    """Adapters that learnt from other pairs than these."""
    gate: GateRules | None = None
    baseline: Path | None = None
    """Folder of an earlier run."""
    fresh: bool = False
    """Ask models again, whatever they have said in earlier runs."""


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What came of a plan."""

    results: Results
    rows: tuple[CaseRow, ...]
    costs: Costs


def run(
    plan: Plan,
    retriever: Retriever,
    engine: Engine,
    language_models: Callable[[Sequence[Case]], tuple[LanguageModel, ...]] = lambda _: (),
) -> RunOutcome:
    """Ask every system every case, and score and compare what it says. ``language_models`` measures models by
    themselves.

    Raises UsageError for a plan that cannot be judged, or whose documents are elsewhere, before anything is asked, and
    what ``Assistant.ask`` raises; what models have said is kept.
    """
    if not plan.cases:
        raise UsageError("There is no case to ask.", "Name another file, or leave out --held-out and --limit.")
    judged_system(plan.systems, plan.gate.system if plan.gate else "")
    if plan.baseline is not None:
        check_baseline(plan.baseline, plan.cases)
    started = time.perf_counter()
    catalog, settings, adapters = retriever.catalog, plan.settings, plan.workspace.adapters
    refuse_foreign_cases(plan.cases, catalog.name, plan.workspace)
    cases, problems = located(plan.cases, text_of(catalog))

    runtime = type(engine).__name__
    named = dict.fromkeys(system.adapter for system in plan.systems if system.adapter)
    identities = generation_identities(adapters, named, settings, runtime)
    generations = Generations(plan.workspace.root / GENERATIONS_FILE, identities, fresh=plan.fresh)
    playback, silent = PlaybackEngine(engine, generations), SilentEngine(engine, generations)
    gold = GoldRetriever(catalog, retriever.embedder, settings.retrieval, settings.device)
    setting = Setting(plan.workspace, retriever, gold, playback, silent, settings)
    answers = answers_of(cases, {system: ask_with(system, setting) for system in plan.systems}, playback)

    rows, voice = _scored(plan, cases, answers, retriever)
    results = _results(plan, catalog, runtime, problems, rows, voice, language_models(cases))
    if plan.baseline is not None:
        rows = with_baseline(rows, plan.baseline, results.gate.system)
    costs = {}
    for system in plan.systems:
        size = size_of(adapters / system.adapter) if system.adapter else 0
        costs[system.name] = cost_of(answers[system.name], size)
    spent = time.perf_counter() - started
    return RunOutcome(results, rows, costs_of(costs, cases, answers, spent, generations.earlier, catalog.size_bytes()))


def _scored(
    plan: Plan, cases: Sequence[Case], timed: Mapping[str, Sequence[TimedAnswer]], retriever: Retriever
) -> tuple[tuple[CaseRow, ...], Voice | None]:
    answers = {system: [one.answer for one in timed[system.name]] for system in plan.systems}
    everything = [answer for some in answers.values() for answer in some]
    context = ScoringContext(
        supports_by(retriever, plan.settings.answer.support_coverage),
        embed_of(cases, everything, retriever.embedder.embed_texts),
        plan.style_rules,
    )
    voice = voice_of(cases, answers, [pair for pairs in plan.pairs.values() for pair in pairs])

    @cache
    def search_deeper(searched: tuple[str, ...]) -> Sequence[Evidence]:
        """More of what was found for a question and its fallback, searched once for all systems."""
        question, *others = searched
        # As deep as retrieval is scored, whatever a prompt holds.
        return tuple(retriever.search(question, CUTOFFS[-1], fallback="".join(others)))

    def found(system: System, answer: Answer) -> list[Evidence]:
        """What was found for a question, and behind it what a longer list would have held."""
        if answer.trace is None or not answer.trace.searched:
            return []
        hits = list(answer.trace.found)
        if system.kind in {"oracle", "noise"}:
            return hits
        known = {hit.chunk for hit in hits}
        hits += [hit for hit in search_deeper(answer.trace.searched) if hit.chunk not in known]
        return [replace(hit, rank=rank) for rank, hit in enumerate(hits, 1)]

    rows = []
    for number, case in enumerate(cases):
        given = {system: some[number] for system, some in answers.items()}
        hits = {system: found(system, answer) for system, answer in given.items()}
        voices = {system: voice_score(voice, answer, case.language) for system, answer in given.items()}
        rows.append(row_of(case, given, hits, context, voices))
    return tuple(rows), voice


def _results(
    plan: Plan,
    catalog: Index,
    runtime: str,
    problems: Sequence[str],
    rows: Sequence[CaseRow],
    voice: Voice | None,
    language_models: tuple[LanguageModel, ...],
) -> Results:
    """Means, effects, gate and all else. Raises UsageError for a baseline that cannot be read or has other cases."""
    names = [system.name for system in plan.systems]
    identity = identity_of(plan.cases, catalog, plan.settings, plan.style_rules, runtime)
    means = means_of(rows)
    outcome = judged(rows, plan.systems, means, identity, problems, plan.gate, plan.baseline)
    systems = [
        replace(one, adapter_hash=adapter_identity(plan.workspace.adapters, one.adapter, plan.settings))
        if one.adapter is not None
        else one
        for one in plan.systems
    ]
    return Results(
        schema=SCHEMA,
        title=plan.title,
        identity=identity,
        systems=tuple(systems),
        measures=METRICS,
        primary=PRIMARY,
        means=means,
        effects=(*effects_of(rows, plan.systems, plan.gate.margins if plan.gate else {}), *outcome.effects),
        gate=outcome.gate,
        refusals={name: refusals_of(rows, name) for name in names},
        first_failures={name: first_failures_of(rows, name) for name in names},
        slices=tuple(slices_of(rows)),
        style=StyleFindings(
            {rule.id: rule.description for rule in plan.style_rules},
            {name: rules_kept_in(rows, name, plan.style_rules) for name in names},
            voice.auc if voice else NO_VOICE,
        ),
        language_models=language_models,
        data=_data_card(plan, catalog, runtime, problems, [row.case for row in rows]),
        baseline=origin_of(plan.baseline) if plan.baseline else None,
    )


def _data_card(plan: Plan, catalog: Index, runtime: str, problems: Sequence[str], cases: Sequence[Case]) -> DataCard:
    drafts = sum(DRAFT in case.tags for case in cases)
    unconfirmed = [f"{drafts} cases are drafts that nobody has confirmed"] if drafts else []
    uncertain = [
        f"the pairs of '{adapter}' have changed since it learnt: leaks are told by those of today"
        for adapter in plan.changed_pairs
    ]
    unseen = {adapter: held_out(cases, pairs) for adapter, pairs in plan.pairs.items()}
    made_with = catalog.identity()
    return DataCard(
        cases=len(cases),
        unanswerable=sum(case.unanswerable for case in cases),
        documents=len({document for case in cases for document in case.documents}),
        languages=_counted(case.language for case in cases),
        kinds=_counted(case.kind_named for case in cases),
        tags=_counted(tag for case in cases for tag in case.tags),
        problems=(*problems, *unconfirmed, *uncertain),
        held_out={adapter: len(some) for adapter, some in unseen.items()},
        leaks={adapter: tuple(leaks(some, plan.pairs[adapter])) for adapter, some in unseen.items()},
        corpus=catalog.name,
        corpus_documents=sum(file.document_id is not None for file in catalog.files()),
        corpus_chunks=catalog.counts().chunks,
        environment={"engine": runtime, **environment()},
        weak_evidence=str(calibration_of(catalog, made_with.fingerprint)) if made_with else "",
    )


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def p50(seconds: Sequence[float]) -> Score:
    """Median of the times, in seconds."""
    return score(float(np.median(seconds)) if seconds else None, _NOTHING_TIMED)


def p95(seconds: Sequence[float]) -> Score:
    """The time that one answer in twenty exceeds, in seconds."""
    if len(seconds) < _FEWEST_FOR_P95:
        return Score(None, f"{len(seconds)} times are too few for a 95th percentile ({_FEWEST_FOR_P95})")
    return score(float(np.percentile(seconds, 95)), _NOTHING_TIMED)


def tokens_per_second(tokens: int, seconds: float) -> Score:
    """Tokens generated a second."""
    return score(tokens / seconds if seconds > 0 else None, _NOTHING_TIMED)


def cost_of(answers: Sequence[TimedAnswer], adapter_bytes: int = 0) -> Cost:
    """What the answers of one system took."""
    timings = [one.answer.timings for one in answers]
    stages = list(dict.fromkeys(stage for one in timings for stage in one))
    seconds = {stage: [one[stage] for one in timings if stage in one] for stage in stages}
    seconds[ALL_STAGES] = [sum(one.values()) for one in timings]
    tokens = sum(one.tokens for one in answers)
    return Cost(
        stages={stage: (p50(some), p95(some)) for stage, some in seconds.items()},
        seconds=score(sum(seconds[ALL_STAGES]) / len(answers) if answers else None, "nothing was asked"),
        tokens=tokens,
        tokens_per_second=tokens_per_second(tokens, sum(seconds.get("generate", [])) if tokens else 0.0),
        adapter_bytes=adapter_bytes,
    )


def costs_of(
    systems: Mapping[str, Cost],
    cases: Sequence[Case],
    answers: Mapping[str, Sequence[TimedAnswer]],
    seconds: float,
    cached: int,
    index_bytes: int,
) -> Costs:
    """The costs of a run, as of now."""
    return Costs(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=seconds,
        cached_answers=cached,
        peak_memory_bytes=_peak_memory(),
        index_bytes=index_bytes,
        processors=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        systems=systems,
        timings={
            case.id: {
                system: {stage: round(seconds, 4) for stage, seconds in some[place].answer.timings.items()}
                for system, some in answers.items()
            }
            for place, case in enumerate(cases)
        },
    )


def _peak_memory() -> int:
    """Most memory that this process has held, in bytes."""
    import psutil

    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
