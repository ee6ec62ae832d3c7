"""Synthetic results: as many questions and systems as a test wants, without a model."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence

from assistant.artifacts.evaluations import Effect, Gate, Light
from eval.aggregation import difference, first_failures_of, mean
from eval.cases import Case, GoldSpan
from eval.metrics import METRICS, PRIMARY, REFUSED, UNANSWERABLE, Score
from eval.metrics.refusal import Refusals, refusals_among, reply_of
from eval.metrics.usable import Outcome
from eval.results import (
    SCHEMA,
    CaseRow,
    Cost,
    Costs,
    DataCard,
    Failure,
    LanguageModel,
    Results,
    RowAnswer,
    RowCitation,
    RowPassage,
    RowSentence,
    RunIdentity,
    Slice,
    StyleFindings,
    System,
    SystemKind,
)

KINDS: dict[str, SystemKind] = {
    "base": "closed book",
    "base+rag": "retrieval",
    "house": "closed book",
    "house+rag": "retrieval",
    "oracle": "oracle",
    "noise": "noise",
    "extractive": "extractive",
}
FOUR = ("base", "base+rag", "house", "house+rag")
_SKILL = {"base": 0.2, "house": 0.3, "base+rag": 0.6, "house+rag": 0.75}
_TEXT = "Claims are reported within {} days. The deductible for hail is {} euros, as the certificate says."


def rows_of(questions: int = 40, systems: Sequence[str] = FOUR, seed: int = 0, gain: float = 0.0) -> list[CaseRow]:
    """Rows about ten documents; every fifth question is unanswerable. ``gain`` makes every system better."""
    chance = random.Random(seed)
    return [_row(number, systems, chance, gain) for number in range(questions)]


def results_of(rows: Sequence[CaseRow], title: str = "synthetic") -> Results:
    """Results of rows, with every part filled."""
    systems = tuple(rows[0].answers)
    clusters = [row.cluster for row in rows]

    def scores(system: str, metric: str, some: Sequence[CaseRow] = rows) -> list[Score]:
        return [row.answers[system].scores[metric] for row in some]

    means = {system: {one.name: mean(scores(system, one.name), clusters) for one in METRICS} for system in systems}
    first, last = systems[0], systems[-1]
    bits = mean([Score(0.9), Score(1.1)] * 5, list("aabbccddee"))
    effects = []
    for metric in PRIMARY:
        found = difference(scores(last, metric), scores(first, metric), clusters)
        effects.append(Effect("retrieval", f"{last} - {first}", metric, found, found.verdict(0.02), 0.02, found.p))
    light = Light("correctness", "pass", "0.61, at least 0.50 is asked", 0.61, 0.5, 0.02)
    return Results(
        schema=SCHEMA,
        title=title,
        identity=RunIdentity("a" * 16, "b" * 16, "c" * 16, "d" * 16, "e" * 16, "f" * 16, "0" * 16, "0.1.0"),
        systems=tuple(System(name, KINDS[name], "house" if "house" in name else None) for name in systems),
        measures=METRICS,
        primary=PRIMARY,
        means=means,
        effects=tuple(effects),
        gate=Gate(last, "", "", "pass", 0, f"{last} passes: no floor is broken.", (light,)),
        refusals={
            system: _refusals([(row.case.unanswerable, row.answers[system].refused) for row in rows])
            for system in systems
        },
        first_failures={system: first_failures_of(rows, system) for system in systems},
        slices=tuple(_slices(rows, systems)),
        style=StyleFindings(
            {"tone-01": "Says you, not the customer"}, {system: {"tone-01": (3, 4)} for system in systems}, Score(0.81)
        ),
        language_models=tuple(LanguageModel(adapter, bits, bits, bits, bits) for adapter in (None, "house")),
        data=_data_card(rows),
    )


def costs_of(systems: Sequence[str] = FOUR) -> Costs:
    """Costs of some systems."""
    cost = Cost(
        {stage: (Score(0.01), Score(0.02)) for stage in ("rewrite", "retrieve", "judge", "prompt", "generate")},
        Score(1.5),
        4000,
        Score(61.0),
        3_000_000,
    )
    return Costs("2026-11-20T10:00:00+00:00", 240.0, 3, 900_000_000, 2_000_000, 2, dict.fromkeys(systems, cost))


def _row(number: int, systems: Sequence[str], chance: random.Random, gain: float) -> CaseRow:
    document, days = f"terms-{number % 10}.md", 3 + number % 20
    text = _TEXT.format(days, 10 * days)
    gold = f"reported within {days} days"
    unanswerable = number % 5 == 4
    case = Case(
        f"q-{number:04}",
        f"Until when do I report claim {number}?",
        () if unanswerable else (f"within {days} days",),
        () if unanswerable else ((f"{days} days",),),
        () if unanswerable else ((GoldSpan(document, gold),),),
        unanswerable,
        "near-miss" if unanswerable else "fact",
        "de" if number % 7 == 0 else "en",
        ("home", "claims") if number % 2 else ("motor",),
    )
    start = text.index(gold)
    passages = (
        RowPassage(document, (2,), "§ 1 Claims", 100, 100 + len(text), text, ((start, start + len(gold)),)),
        RowPassage("other.md", (), "Other", 0, 20, "Glass is covered too."),
    )
    return CaseRow(case, passages, {system: _answer(case, system, days, chance, gain) for system in systems})


def _answer(case: Case, system: str, days: int, chance: random.Random, gain: float) -> RowAnswer:
    skill = min(1.0, _SKILL.get(system, 0.5) + gain)
    right, shown = chance.random() < skill, (0, 1) if KINDS[system] != "closed book" else ()
    refused = case.unanswerable == right
    text = "I can't find an answer to this." if refused else f"Claims are reported within {days} days."
    cited = (RowCitation(0, 0, 20),) if shown else ()
    sentence = RowSentence(text, bool(shown), "" if shown else "no passage was shown", cited)
    outcome, failure = _wrong(case, refused, chance) if not right else _RIGHT
    return RowAnswer(
        text,
        refused,
        "nothing fits" if refused else "",
        False,
        (),
        () if refused else (sentence,),
        shown,
        shown,
        text,
        {one.name: _score(one.name, case, refused, outcome, chance) for one in METRICS},
        outcome,
        failure,
    )


def _wrong(case: Case, refused: bool, chance: random.Random) -> tuple[Outcome, Failure]:
    """An outcome, and what may go wrong first in it."""
    if case.unanswerable:
        return "misleading", "missed refusal"
    if refused:
        return "refused", "false refusal"
    return chance.choice(_FAULTS)


def _score(metric: str, case: Case, refused: bool, outcome: Outcome, chance: random.Random) -> Score:
    if metric in {"usable", "misleading", "hedged"}:
        return Score(float(outcome == metric))
    if metric == "missed_refusal":
        return Score(float(not refused)) if case.unanswerable else Score(None, "the documents hold an answer")
    if case.unanswerable and metric not in {"crag", "rules_kept"}:
        return Score(None, UNANSWERABLE)
    if metric == "false_refusal":
        return Score(float(refused))
    if refused and metric in {"faithfulness", "citation_recall", "rules_kept"}:
        return Score(None, REFUSED)
    return Score(round(min(1.0, max(0.0, chance.gauss(0.8 if outcome == "usable" else 0.3, 0.1))), 6))


_RIGHT: tuple[Outcome, Failure] = ("usable", "none")
_FAULTS: Sequence[tuple[Outcome, Failure]] = (
    ("misleading", "retrieval miss"),
    ("misleading", "evidence ignored"),
    ("misleading", "quoted over a right answer"),
    ("partly", "evidence ignored"),
    ("partly", "unsupported"),
    ("partly", "wrong citation"),
)


def _refusals(outcomes: Sequence[tuple[bool, bool]]) -> Refusals:
    return refusals_among((unanswerable, reply_of(refused, hedged=False)) for unanswerable, refused in outcomes)


def _slices(rows: Sequence[CaseRow], systems: Sequence[str]) -> Iterator[Slice]:
    for kind in sorted({row.case.kind for row in rows}):
        some = [row for row in rows if row.case.kind == kind]
        clusters = [row.cluster for row in some]
        yield Slice(
            "kind",
            kind,
            len(some),
            {
                system: {
                    metric: mean([row.answers[system].scores[metric] for row in some], clusters) for metric in PRIMARY
                }
                for system in systems
            },
        )


def _data_card(rows: Sequence[CaseRow]) -> DataCard:
    return DataCard(
        cases=len(rows),
        unanswerable=sum(row.case.unanswerable for row in rows),
        documents=10,
        languages=dict(Counter(row.case.language for row in rows)),
        kinds=dict(Counter(row.case.kind for row in rows)),
        tags=dict(Counter(tag for row in rows for tag in row.case.tags)),
        problems=("case 'q-0003': there is no document 'terms-3.md'",),
        held_out={"house": 12},
        leaks={"house": ()},
        corpus="default",
        corpus_documents=11,
        corpus_chunks=40,
        environment={"python": "3.12", "torch": "2.13"},
    )
