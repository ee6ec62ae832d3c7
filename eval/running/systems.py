"""The systems that are compared, by their names on the command line, and how each is asked.

    base, NAME              the model alone, without or with an adapter: what it knows by itself
    base+rag, NAME+rag      as ``assistant ask`` answers
    oracle                  the same, with the passages that hold the gold instead of a search
    noise                   the same with four others among them
    extractive              the best sentence of the passages that were found, without a model

``oracle`` and ``noise`` speak with the first adapter that is named, else with the base model.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from assistant.artifacts.cards import BASE
from assistant.config import Settings
from assistant.errors import UsageError
from assistant.grounding.grounder import Grounder
from assistant.prompt import build_messages, fitting_history
from assistant.refusal import declines
from assistant.retrieval.retriever import Retriever
from assistant.service import Query, ServedModel, Service
from assistant.types import Answer, Evidence, Filter, Message, Trace
from assistant.work.progress import progress_bar
from assistant.workspace import Workspace
from eval.cases import Case
from eval.gold import Group, ranks
from eval.results import System, SystemKind
from eval.running.playback import NotYetSaid, PlaybackEngine, SilentEngine

CLOSED_BOOK = (
    "You answer questions. Answer in the language of the question, briefly and directly. If you do not know, say so."
)
"""What a model without passages is told; the other systems are told ``answer.system``."""

_RAG = "+rag"
_SPECIAL: dict[str, SystemKind] = {"oracle": "oracle", "noise": "noise", "extractive": "extractive"}
_DISTRACTORS = 4  # as many as answer.evidence shows by default
# More chunks than one document is likely to have.
_MANY = 1000

Ask = Callable[[Case], Answer]


def systems_of(names: Sequence[str]) -> tuple[System, ...]:
    """The systems of some names, in order. Raises UsageError for a name that is empty or stands there twice."""
    if not names or not all(name.removesuffix(_RAG) for name in names):
        raise UsageError("A name of --systems is empty.", "Example: --systems base,base+rag")
    if len(set(names)) < len(names):
        raise UsageError(f"A system stands twice in {','.join(names)}.", "Name each once.")
    models = {name: name.removesuffix(_RAG) for name in names if name not in _SPECIAL}
    first = next((model for model in models.values() if model != BASE), None)

    def system(name: str) -> System:
        if name in _SPECIAL:
            return System(name, _SPECIAL[name], None if name == "extractive" else first)
        kind: SystemKind = "retrieval" if name.endswith(_RAG) else "closed book"
        return System(name, kind, None if models[name] == BASE else models[name])

    return tuple(map(system, names))


class GoldRetriever(Retriever):
    """Retrieval that cannot fail: finds what ``gold`` names, with ``distractors`` other passages of the ordinary search
    among it.

    With it an evaluation tells what the model makes of the right evidence, apart from whether it was found.
    """

    gold: Sequence[Group] = ()
    distractors: int = 0

    def search_with_tables(
        self, question: str, k: int | None = None, only: Filter | None = None, *, fallback: str = ""
    ) -> tuple[list[Evidence], list[Evidence]]:
        """For each group of the gold the best passage that meets it; ordered by score. Raises as the ordinary search.

        Nothing if there is no gold and no distractor is wanted; and no tables beside it.
        """

        def met(hits: Sequence[Evidence]) -> int:
            return sum(rank is not None for rank in ranks(self.gold, hits))

        found: list[Evidence] = []
        documents = tuple(sorted({span.document for group in self.gold for span in group}))
        for hit in super().search_with_tables(question, _MANY, Filter(documents))[0] if documents else ():
            if met([*found, hit]) > met(found):
                found.append(hit)
        if self.distractors:
            wanted = (k or self.settings.k) + self.distractors
            near, _ = super().search_with_tables(question, wanted, only, fallback=fallback)
            found += [hit for hit in near if not met([hit])][: self.distractors]
        ordered = sorted(found, key=lambda hit: (-hit.score, hit.chunk))
        return [replace(hit, rank=rank) for rank, hit in enumerate(ordered, 1)], []


@dataclass(frozen=True, slots=True)
class Setting:
    """What all systems share: the corpus, the engine, the settings."""

    workspace: Workspace
    retriever: Retriever
    gold_retriever: GoldRetriever
    engine: PlaybackEngine
    silent: SilentEngine
    settings: Settings


def ask_with(system: System, shared: Setting) -> Ask:
    """How a system answers a case. Asking raises NotYetSaid while the model has not been asked."""
    if system.kind == "closed book":
        return lambda case: _closed_book(case, system.adapter, shared)
    # Cases are one's own, and may be longer than what others may ask.
    changes: dict[str, object] = {"question_characters": sys.maxsize}
    engine, retriever = shared.engine, shared.retriever
    if system.kind == "extractive":
        engine, changes["unsupported"] = shared.silent, "strict"
    answering = shared.settings.answer.model_copy(update=changes)
    settings = shared.settings.model_copy(update={"answer": answering})
    service = Service(shared.workspace, settings, retriever.embedder, lambda: engine)
    model = ServedModel(retriever.catalog.name, system.adapter)

    def ask(case: Case) -> Answer:
        searching = retriever
        if system.kind in {"oracle", "noise"}:
            searching = gold = shared.gold_retriever
            gold.gold, gold.distractors = case.gold, _DISTRACTORS if system.kind == "noise" else 0
        asked = Query(model, case.question, case.history, checked=False)
        return service.answerer(asked, searching).ask(asked.question, asked.history, adapter=system.adapter)

    return ask


def _closed_book(case: Case, adapter: str | None, shared: Setting) -> Answer:
    """What a model says without passages; no sentence of it can be supported."""
    engine, settings = shared.engine, shared.settings

    def messages(past: Sequence[Message]) -> list[Message]:
        return build_messages(CLOSED_BOOK, (), past, case.question, engine.control_tokens)

    past = fitting_history(case.history, settings.answer.prompt_tokens, lambda some: engine.count(messages(some)))
    grounder = Grounder((), shared.retriever.weights, settings.answer.support_coverage)
    for piece in engine.stream(messages(past), settings.engine.max_new_tokens, 0.0, adapter):
        for _ in grounder.feed(piece):
            pass
    for _ in grounder.finish():
        pass
    refused = declines(grounder.text, settings.answer)
    return Answer(
        case.question,
        case.question,
        grounder.text,
        () if refused else tuple(grounder.sentences),
        (),
        refused=refused,
        refusal_reason="the model declined" if refused else "",
        adapter=adapter,
        trace=Trace((), "", (), {}, said=grounder.said),
    )


@dataclass(frozen=True, slots=True)
class TimedAnswer:
    """An answer with what it took: its ``timings`` have the share of its batch as ``generate``."""

    answer: Answer
    tokens: int
    """That the model said."""


def answers_of(
    cases: Sequence[Case], asks: Mapping[System, Ask], engine: PlaybackEngine
) -> dict[str, tuple[TimedAnswer, ...]]:
    """What each system says to each case, in order, by the system's name.

    What no model has said yet is collected, generated in batches, and asked again. Raises what ``Assistant.ask``
    raises; what models have said until then is kept.
    """
    places = [(system, number) for system in asks for number in range(len(cases))]
    answers: dict[tuple[System, int], TimedAnswer] = {}
    while places:
        open_ones: dict[tuple[System, int], NotYetSaid] = {}
        with progress_bar("asking", len(places)) as bar:
            for system, number in places:
                engine.used.clear()
                try:
                    answer = asks[system](cases[number])
                except NotYetSaid as missing:
                    open_ones[system, number] = missing
                else:
                    timings = dict(answer.timings)
                    if engine.used:
                        timings["generate"] = timings.get("generate", 0.0) + sum(one.seconds for one in engine.used)
                    tokens = sum(one.tokens for one in engine.used)
                    answers[system, number] = TimedAnswer(replace(answer, timings=timings), tokens)
                bar.advance()
        engine.generate({missing.prompt for missing in open_ones.values()})
        places = list(open_ones)
    return {system.name: tuple(answers[system, number] for number in range(len(cases))) for system in asks}
