"""A small insurer to evaluate on: twelve documents of three facts each, and a model that reads what it is shown."""

import re
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from fakes import FakeEmbedder, ScriptedEngine

from assistant.config import Settings
from assistant.retrieval.retriever import Retriever
from assistant.store.catalog import Catalog
from assistant.types import Message
from assistant.workspace import Workspace
from eval.cases import Case, GoldSpan
from eval.gate import GateRules
from eval.running.runner import Plan, RunOutcome, run
from eval.running.systems import systems_of
from ingest import pipeline

TOPICS = "motor glass bicycle travel legal dental pension household garden boat drone piano".split()
_FACTS = ("deductible", "deadline", "limit")
_UNITS = {"deductible": "euros", "deadline": "days", "limit": "percent"}


def _value(topic: int, fact: int) -> int:
    return 100 + 37 * topic + 7 * fact


def sentence(topic: int, fact: int) -> str:
    """What a document says of one fact."""
    name, what = TOPICS[topic], _FACTS[fact]
    return f"The {what} of the {name} insurance is {_value(topic, fact)} {_UNITS[what]}."


def write_documents(folder: Path, without: str = "") -> None:
    """One document a topic."""
    for number, name in enumerate(TOPICS):
        if name != without:
            text = "\n\n".join(f"## {what}\n\n{sentence(number, fact)}" for fact, what in enumerate(_FACTS))
            (folder / f"{name}.md").write_text(f"# {name.capitalize()} insurance\n\n{text}\n", encoding="utf-8")


def cases() -> list[Case]:
    """A question a fact, and four that nothing answers."""
    asked = [
        Case(
            f"{name}-{what}",
            f"What is the {what} of the {name} insurance?",
            (f"{_value(number, fact)} {_UNITS[what]}",),
            ((f"{_value(number, fact)} {_UNITS[what]}",),),
            ((GoldSpan(f"{name}.md", sentence(number, fact)),),),
            kind=what,
            tags=(name,),
        )
        for number, name in enumerate(TOPICS)
        for fact, what in enumerate(_FACTS)
    ]
    unanswerable = [
        Case(f"none-{number}", f"Who won the {sport} championship in Lisbon?", unanswerable=True, kind="other domain")
        for number, sport in enumerate(("chess", "rowing", "darts", "judo"))
    ]
    return [*asked, *unanswerable]


class ReadingEngine(ScriptedEngine):
    """Says the sentence of the passages that shares most words with the question, and cites it.

    ``damaged`` adapters say a sentence that shares fewest. ``batches`` keeps how many prompts came at once.
    """

    def __init__(self, damaged: Sequence[str] = ()) -> None:
        super().__init__("")
        self.damaged = damaged
        self.batches: list[int] = []

    def stream(
        self, messages: Sequence[Message], max_new_tokens: int, temperature: float, adapter: str | None = None
    ) -> Generator[str, None, bool]:
        self.answer = _read(messages[-1].content, adapter in self.damaged)
        return (yield from super().stream(messages, max_new_tokens, temperature, adapter))

    def complete(
        self, requests: Sequence[Sequence[Message]], max_new_tokens: int, adapter: str | None = None
    ) -> list[str]:
        self.batches.append(len(requests))
        return super().complete(requests, max_new_tokens, adapter)


def _read(content: str, is_damaged: bool) -> str:
    passages = re.findall(r'<passage id="(\d+)"[^>]*>\n(.*?)\n</passage>', content, re.DOTALL)
    question = set(re.findall(r"\w+", content.rpartition("</passage>")[2].casefold()))
    said = [(line, number) for number, text in passages for line in text.splitlines() if line.endswith(".")]
    if not said:
        return "I have never heard of that."
    scored = [(len(question & set(re.findall(r"\w+", line.casefold()))), line, number) for line, number in said]
    _, line, number = min(scored) if is_damaged else max(scored)
    return f"{line} [{number}]"


@dataclass
class Insurer:
    """A workspace with the corpus, and what it is evaluated with."""

    workspace: Workspace
    settings: Settings
    engine: ReadingEngine = field(default_factory=ReadingEngine)

    def plan(self, systems: str = "base,base+rag", **changes: object) -> Plan:
        """A run of all cases unless ``changes`` say otherwise."""
        plan = Plan("test", cases(), systems_of(systems.split(",")), self.workspace, self.settings)
        return replace(plan, **changes)  # type: ignore[arg-type]

    def run(self, plan: Plan, retriever: type[Retriever] = Retriever) -> RunOutcome:
        """Carry out a plan."""
        with closing(Catalog(self.workspace.corpus("default"))) as catalog:
            found = retriever(catalog, FakeEmbedder(), self.settings.retrieval, self.settings.device)
            return run(plan, found, self.engine)


def insurer_in(root: Path, settings: Settings, without: str = "") -> Insurer:
    """Ingest the documents into a workspace of its own."""
    docs = root / "docs"
    docs.mkdir(parents=True, exist_ok=True)
    write_documents(docs, without)
    workspace = Workspace(root / "workspace")
    pipeline.ingest(workspace, "default", [docs], settings, embedder=FakeEmbedder(), confirmed=True)
    # Adapters of a server are known by name alone, and need no files.
    return Insurer(workspace, settings.model_copy(update={"engine": settings.engine.model_copy(update=SERVER)}))


SERVER = {"url": "http://127.0.0.1:9/v1", "runtime": "openai"}
STRICT = GateRules()
