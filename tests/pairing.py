"""A small corpus to make pairs from, and what tests of pairs do with it."""

import re
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from fakes import FakeEmbedder, ScriptedEngine

from assistant.artifacts.command_reports import PairsReport
from assistant.artifacts.pairs import Pair, read_pairs
from assistant.config import Settings
from assistant.engines import Engine
from assistant.retrieval.retriever import Retriever
from assistant.store.catalog import Catalog
from assistant.types import Evidence, Message
from assistant.workspace import Workspace
from ingest import pipeline
from ingest.pairs.build import make_pairs

CORPUS = "house"
DOCUMENTS = {
    "hail": """# Hail

## What counts as hail

Hail is frozen rain that dents the bonnet. The appraiser must photograph every dent within 14 days.

## How do I lower my deductible?

Take the car to a hail station. The station halves the deductible of 150 euros.

## Fees

| Service | Price |
|---|---|
| Dent removal | 40 euros per dent |
| Spare windscreen | 310 euros |

## Glossary

Dentless repair – The pushing out of a dent from behind without new paint.
""",
    "fire": """# Fire

## Smoke

If smoke has spoilt the curtains, the cleaner comes at our expense. Soot on ceilings is painted over twice.

## Whom do I call first?

Call the fire brigade, then our night desk. The night desk answers around the clock.

## Hotel

We pay a hotel room up to 95 euros a night. Breakfast is not included.

## Glossary

Hearth – The place in a building where a flame is meant to burn.
""",
    "bicycle": """# Bicycles

## Locks

A bicycle must be chained to a fixed object at night. Frame locks alone are not sufficient for pedelecs.

## What do you need after a theft?

We need the frame number and the receipt. The police must be told within 3 days.

## Batteries

A stolen battery is replaced if its key is handed in. Scratches are not repaired.

## Glossary

Pedelec – A bicycle whose motor helps only while somebody pedals.
""",
    "travel": """# Journeys

## Cancelled flights

If the airline cancels a flight, the travel desk books another one. Vouchers of airlines are accepted as payment.

## Can I bring my dog?

Yes, if the dog has a vaccination card. Dogs travel in the hold of the aircraft.

## Luggage

Lost suitcases must be reported at the airport counter within 21 days. Jewellery in suitcases is not insured.

## Glossary

Layover – The stop between two flights on one ticket.
""",
    "dentist": """# Dentist

## Crowns

Crowns of ceramics are reimbursed up to 480 euros. Gold is paid if the dentist explains why.

## How often may I have my teeth cleaned?

Twice a year. Each cleaning costs us 70 euros.

## Braces

Children may wear braces until the end of school. Adults pay for braces themselves.

## Glossary

Inlay – A filling that is made outside the mouth and glued in.
""",
    "garden": """# Gardens

## Sheds

A garden shed must stand on a concrete base. Tools in an unlocked shed are not insured.

## Is my greenhouse insured?

Yes, against snow and hail. Panes are replaced by the glazier within 10 days.

## Trees

If a tree falls on the fence, we pay the saw and the new posts. Fallen fruit is never paid.

## Glossary

Windbreak – A row of trees or bushes that slows the wind.
""",
}


class ReadingEngine(ScriptedEngine):
    """Asks for the end of each fact, and answers with the sentence of the passages that is most like the question.

    ``spoil`` changes what it answers to a prompt; ``until`` is after how many prompts it is killed.
    """

    def __init__(self, spoil: Callable[[str, Sequence[Message]], str] | None = None, until: int = 10**9) -> None:
        super().__init__("")
        self.spoil = spoil or (lambda answer, _: answer)
        self.until = until

    def complete(
        self,
        requests: Sequence[Sequence[Message]],
        max_new_tokens: int,  # noqa: ARG002
        adapter: str | None = None,  # noqa: ARG002
    ) -> list[str]:
        return [self._said(messages) for messages in requests]

    def _said(self, messages: Sequence[Message]) -> str:
        if len(self.prompts) == self.until:
            raise KeyboardInterrupt
        self.prompts.append(tuple(messages))
        asked = messages[-1].content
        if fact := re.search(r"Fact: (.*)", asked):
            return f"What of {' '.join(fact[1].split()[:-2])}?\nAnd more"
        sentences = re.findall(r"[A-Z][^.!?|\n<>]+\.", asked[: asked.rindex("</passage>")])
        words = set(asked[asked.rindex("</passage>") :].split())
        return self.spoil(
            max(sentences, key=lambda one: len(words & set(one.split())), default="Nothing is said of it."), messages
        )


class House:
    """One corpus in one workspace, with the fake embedder."""

    def __init__(self, workspace: Workspace, docs: Path, settings: Settings) -> None:
        self.workspace = workspace
        self.docs = docs
        self.settings = settings
        self.embedder = FakeEmbedder()
        self.file = workspace.pairs_file(CORPUS)

    def write(self, *names: str) -> None:
        """Put documents into the folder."""
        for name in names:
            (self.docs / f"{name}.md").write_text(DOCUMENTS[name], encoding="utf-8")

    def ingest(self) -> None:
        """Make the corpus say what the folder says."""
        pipeline.ingest(self.workspace, CORPUS, [self.docs], self.settings, embedder=self.embedder, confirmed=True)

    def search(self, question: str) -> list[Evidence]:
        """What the corpus has for a question."""
        with closing(Catalog(self.workspace.corpus(CORPUS))) as catalog:
            return Retriever(catalog, self.embedder, self.settings.retrieval, self.settings.device).search(question)

    def make(
        self,
        explain: Path | None = None,
        strict: bool = False,
        corrections: Path | None = None,
        engine: Engine | None = None,
        **settings: object,
    ) -> PairsReport:
        """Make pairs with some settings of ``pairs`` changed."""
        chosen = self.settings.pairs.model_copy(update=settings)
        changed = self.settings.model_copy(update={"pairs": chosen})
        with closing(Catalog(self.workspace.corpus(CORPUS))) as catalog:
            retriever = Retriever(catalog, self.embedder, changed.retrieval, changed.device)
            return make_pairs(
                retriever,
                engine or ScriptedEngine(""),
                self.file,
                changed,
                explain=explain,
                strict=strict,
                corrections=corrections,
            )

    @property
    def pairs(self) -> list[Pair]:
        """The pairs on disk."""
        return read_pairs(self.file)

    def edit(self, id_: str, **changes: object) -> None:
        """Change one pair as a person does: in the file, leaving its id."""
        import dataclasses
        import json

        edited = [replace(pair, **changes) if pair.id == id_ else pair for pair in self.pairs]  # type: ignore[arg-type]
        lines = (json.dumps(dataclasses.asdict(pair), ensure_ascii=False) for pair in edited)
        self.file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
