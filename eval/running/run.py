"""One run from cases to numbers: ask, score, compare, judge.

cases ─▶ gold located ─▶ every system asked ─▶ rows ─▶ results, with the gate
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from assistant.engines.base import Engine
from assistant.errors import UsageError
from assistant.retrieval.retriever import Retriever
from assistant.store.catalog import Catalog
from assistant.types import Answer, Evidence
from assistant.workspace import Workspace
from eval.baseline import check_baseline, with_baseline
from eval.cases import Case
from eval.gate import judged_system
from eval.gold import located
from eval.metrics.voice import Voice
from eval.results import Costs, LanguageModel, Results, Row, System
from eval.running.asking import Reply, replies_of
from eval.running.assembly import Found, assembled
from eval.running.corpora import refuse_foreign_cases
from eval.running.costs import cost_of, costs_of, size_of, timings_of
from eval.running.generations import GENERATIONS_FILE, Generations
from eval.running.gold_retriever import GoldRetriever
from eval.running.identity import generation_identities
from eval.running.judging import embed_of, supports_by, voice_of, voice_score
from eval.running.plan import Plan
from eval.running.playback import PlaybackEngine, SilentEngine
from eval.running.rows import row_of
from eval.running.systems import Ask, Setting, ask_with
from eval.scoring import Judges

# Retrieval is scored down to this rank, whatever a prompt holds.
_DEEP = 10


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a plan."""

    results: Results
    rows: tuple[Row, ...]
    costs: Costs


def run(
    plan: Plan,
    retriever: Retriever,
    engine: Engine,
    language_models: Callable[[Sequence[Case]], tuple[LanguageModel, ...]] = lambda _: (),
) -> Run:
    """Ask every system every case, and score and compare what it says. ``language_models`` measures models by
    themselves.

    Raises UsageError for a plan that cannot be judged, or whose documents are elsewhere, before anything is asked, and
    what ``Assistant.ask`` raises; what models have said is kept.
    """
    _refuse_what_cannot_be_judged(plan)
    started = time.perf_counter()
    catalog = retriever.catalog
    refuse_foreign_cases(plan.cases, catalog.folder.name, plan.workspace)
    cases, problems = located(plan.cases, text_of(catalog))
    runtime = type(engine).__name__
    generations = _generations(plan, runtime)
    playback = PlaybackEngine(engine, generations)
    asks = _asks(plan, retriever, playback, SilentEngine(engine, generations))
    replies = replies_of(cases, asks, playback)
    rows, voice = _rows(plan, cases, replies, retriever)
    results = assembled(plan, Found(tuple(problems), rows, voice, language_models(cases), runtime), catalog)
    costs = {one.name: cost_of(replies[one.name], _adapter_bytes(plan.workspace, one)) for one in plan.systems}
    if plan.baseline is not None:
        rows = with_baseline(rows, plan.baseline, results.gate.system)
    spent = time.perf_counter() - started
    timings = timings_of(cases, replies)
    return Run(results, rows, costs_of(costs, timings, spent, generations.earlier, catalog.folder))


def _refuse_what_cannot_be_judged(plan: Plan) -> None:
    """Raise UsageError for a plan without cases, with a baseline of others, or a gate for another system."""
    if not plan.cases:
        raise UsageError("There is no case to ask.", "Name another file, or leave out --held-out and --limit.")
    judged_system(plan.systems, plan.gate.system if plan.gate else "")
    if plan.baseline is not None:
        check_baseline(plan.baseline, plan.cases)


def text_of(catalog: Catalog) -> Callable[[str], str | None]:
    """The stored text of a document by its path; None for an unknown one."""
    ids = {file.path: file.document_id for file in catalog.files()}

    @cache
    def text(path: str) -> str | None:
        known = ids.get(path)
        return None if known is None else catalog.text(known)

    return text


def _generations(plan: Plan, runtime: str) -> Generations:
    adapters = dict.fromkeys(system.adapter for system in plan.systems if system.adapter)
    identities = generation_identities(plan.workspace.adapters, adapters, plan.settings, runtime)
    return Generations(plan.workspace.root / GENERATIONS_FILE, identities, fresh=plan.fresh)


def _asks(plan: Plan, retriever: Retriever, playback: PlaybackEngine, silent: SilentEngine) -> dict[System, Ask]:
    settings = plan.settings
    gold = GoldRetriever(retriever.catalog, retriever.embedder, settings.retrieval, settings.device)
    shared = Setting(retriever, gold, playback, silent, settings)
    return {system: ask_with(system, shared) for system in plan.systems}


def _rows(
    plan: Plan, cases: Sequence[Case], replies: Mapping[str, Sequence[Reply]], retriever: Retriever
) -> tuple[tuple[Row, ...], Voice | None]:
    answers = {system: [reply.answer for reply in replies[system.name]] for system in plan.systems}
    everything = [answer for some in answers.values() for answer in some]
    judges = Judges(
        supports_by(retriever, plan.settings.answer.support_coverage),
        embed_of(cases, everything, retriever.embedder.embed_texts),
        plan.style_rules,
    )
    voice = voice_of(cases, answers, [pair for pairs in plan.pairs.values() for pair in pairs])
    search_deeper = _deeper(retriever)

    def row(number: int, case: Case) -> Row:
        given = {system: some[number] for system, some in answers.items()}
        found = {system: _found(system, answer, search_deeper) for system, answer in given.items()}
        voices = {system: voice_score(voice, answer, case.language) for system, answer in given.items()}
        return row_of(case, given, found, judges, voices)

    return tuple(row(number, case) for number, case in enumerate(cases)), voice


def _deeper(retriever: Retriever) -> Callable[[tuple[str, ...]], Sequence[Evidence]]:
    """More of what was found for a question and its fallback, searched once for all systems."""

    @cache
    def search(searched: tuple[str, ...]) -> Sequence[Evidence]:
        question, *others = searched
        return tuple(retriever.search(question, _DEEP, fallback="".join(others)))

    return search


def _found(
    system: System, answer: Answer, search_deeper: Callable[[tuple[str, ...]], Sequence[Evidence]]
) -> list[Evidence]:
    """What was found for a question, and behind it what a longer list would have held."""
    if answer.trace is None or not answer.trace.searched:
        return []
    found = list(answer.trace.found)
    if system.kind in {"oracle", "noise"}:
        return found
    known = {hit.chunk for hit in found}
    return _ranked([*found, *(hit for hit in search_deeper(answer.trace.searched) if hit.chunk not in known)])


def _ranked(hits: Iterable[Evidence]) -> list[Evidence]:
    return [replace(hit, rank=rank) for rank, hit in enumerate(hits, 1)]


def _adapter_bytes(workspace: Workspace, system: System) -> int:
    folder = workspace.adapters / system.adapter if system.adapter else None
    return size_of(folder) if folder and folder.is_dir() else 0
