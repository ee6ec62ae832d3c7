"""Answers that people have something to say about."""

from pathlib import Path

from samples import evidence

from assistant.feedback.database import Assessment, FeedbackStore, Versions
from assistant.types import Answer, Citation, Sentence
from assistant.workspace import Workspace

QUESTION = "Who pays for a hotel?"
SAYS = "We pay a hotel room up to 95 euros a night. Breakfast is not included."
VERSIONS = Versions("bundled", "house", 3)


def answer(text: str = "The fire brigade pays.", question: str = QUESTION, *, refused: bool = False) -> Answer:
    """An answer that was shown a passage of fire.md and one of hail.md, and cites the first."""
    hits = (
        evidence(SAYS, 1, document="fire.md", context="Fire > Hotel"),
        evidence("The station halves the deductible of 150 euros.", 2, document="hail.md", context="Hail"),
    )
    citation = Citation(1, "fire.md", "/docs/fire.md", None, 100, 107, "We pay")
    sentences = () if refused else (Sentence(text, True, "", (citation,)),)
    return Answer(question, question, text, sentences, hits, refused=refused, adapter="house")


def say(
    folder: Path, judgement: Assessment, some: Answer | None = None, user: str = "ana", corpus: str = "house"
) -> int:
    """Keep a judgement; its number."""
    shown = some or answer()
    return FeedbackStore(Workspace(folder)).add(user, corpus, shown, VERSIONS, judgement, {"fire.md": "h1"})
