"""The systems that are compared, by their names on the command line, and how each is asked.

    base, NAME              the model alone, without or with an adapter: what it knows by itself
    base+rag, NAME+rag      as ``assistant ask`` answers
    oracle                  the same, with the passages that hold the gold instead of a search
    noise                   the same with four others among them
    extractive              the best sentence of the passages that were found, without a model

``oracle`` and ``noise`` speak with the first adapter that is named, else with the base model.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from assistant.answer import Assistant
from assistant.artifacts.cards import BASE
from assistant.config import AnswerSettings, Settings
from assistant.conversation.rewriting import fitting_history
from assistant.errors import UsageError
from assistant.grounding.grounder import Grounder
from assistant.prompt import build_messages
from assistant.refusal.wording import declines
from assistant.retrieval.retriever import Retriever
from assistant.types import Answer, Message, Trace
from eval.cases import Case
from eval.results import Kind, System
from eval.running.gold_retriever import DISTRACTORS, GoldRetriever
from eval.running.playback import PlaybackEngine, SilentEngine

CLOSED_BOOK = (
    "You answer questions. Answer in the language of the question, briefly and directly. If you do not know, say so."
)
"""What a model without passages is told; the other systems are told ``answer.system``."""

_RAG = "+rag"
_SPECIAL: dict[str, Kind] = {"oracle": "oracle", "noise": "noise", "extractive": "extractive"}

Ask = Callable[[Case], Answer]


@dataclass(frozen=True, slots=True)
class Setting:
    """What all systems share: the corpus, the engine, the settings."""

    retriever: Retriever
    gold_retriever: GoldRetriever
    engine: PlaybackEngine
    silent: SilentEngine
    settings: Settings


def systems_of(names: Sequence[str]) -> tuple[System, ...]:
    """The systems of some names, in order. Raises UsageError for a name that is empty or stands there twice."""
    if not names or not all(name.removesuffix(_RAG) for name in names):
        raise UsageError("A name of --systems is empty.", "Example: --systems base,base+rag")
    if len(set(names)) < len(names):
        raise UsageError(f"A system stands twice in {','.join(names)}.", "Name each once.")
    adapters = [_adapter(name) for name in names if name not in _SPECIAL]
    first = next((adapter for adapter in adapters if adapter), None)
    return tuple(_system(name, first) for name in names)


def ask_with(system: System, shared: Setting) -> Ask:
    """How a system answers a case. Asking raises Unanswered while the model has not been asked."""
    # Cases are one's own, and may be longer than what others may ask.
    answering = shared.settings.answer.model_copy(update={"question_characters": sys.maxsize})
    generation = shared.settings.engine

    def assistant(retriever: Retriever, engine: PlaybackEngine, how: AnswerSettings) -> Assistant:
        return Assistant(retriever, lambda: engine, how, generation)

    def plainly(with_rag: Assistant, case: Case) -> Answer:
        return with_rag.ask(case.question, case.history, adapter=system.adapter)

    if system.kind == "closed book":
        return lambda case: _closed_book(case, system.adapter, shared)
    if system.kind in {"oracle", "noise"}:
        return lambda case: plainly(
            assistant(_looking_for(case, system.kind, shared.gold_retriever), shared.engine, answering), case
        )
    if system.kind == "extractive":
        strict: Literal["strict"] = "strict"
        quoting = assistant(shared.retriever, shared.silent, answering.model_copy(update={"unsupported": strict}))
        return lambda case: plainly(quoting, case)
    asked = assistant(shared.retriever, shared.engine, answering)
    return lambda case: plainly(asked, case)


def _system(name: str, first_adapter: str | None) -> System:
    if name in _SPECIAL:
        return System(name, _SPECIAL[name], None if name == "extractive" else first_adapter)
    return System(name, "retrieval" if name.endswith(_RAG) else "closed book", _adapter(name))


def _adapter(name: str) -> str | None:
    named = name.removesuffix(_RAG)
    return None if named == BASE else named


def _looking_for(case: Case, kind: Kind, retriever: GoldRetriever) -> GoldRetriever:
    retriever.gold = case.gold
    retriever.distractors = DISTRACTORS if kind == "noise" else 0
    return retriever


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
