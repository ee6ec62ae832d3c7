"""Answers that people have checked: given at once when the same is asked again and the documents still say so.

    checked = CheckedAnswers(workspace.root, "claims")
    checked.find("What does hail damage cost me?", retriever)     the judgement and its passages, or None
    checked.like("And hail on a caravan?", retriever)             questions near it that have a checked answer

Only the same words count as the same question. Near ones are offered and never answered for: no measure tells "the
tenant pays for the landlord" from its reverse (docs/log.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

from assistant.embedder import Embedder, Vectors
from assistant.feedback.lessons import sources_of
from assistant.feedback.store import FeedbackStore
from assistant.feedback.types import TAUGHT, Feedback
from assistant.grounding.quantities import quantities
from assistant.language import words
from assistant.retriever import Retriever
from assistant.types import Evidence

LEAST_LIKENESS = 0.85
"""Cosine from which a question is near another: 34 of 40 in other words, and 44 of 73 that ask for something else."""
_MOST_LIKE = 2
_LATEST = 2000


@dataclass(frozen=True, slots=True)
class Found:
    """An accepted judgement, and the passages that it stands on as they are now, ranked as they were shown."""

    feedback: Feedback
    hits: Sequence[Evidence]


class CheckedAnswers:
    """The accepted judgements about the answers of one corpus."""

    def __init__(self, workspace: Path, corpus: str) -> None:
        """``workspace``: its folder."""
        self._store = FeedbackStore(workspace)
        self._corpus = corpus

    def find(self, question: str, retriever: Retriever) -> Found | None:
        """The latest judgement about this very question, if it still stands.

        One that says that the documents have no answer stands until anything changes in the corpus.
        """
        asked = words(question)
        for feedback in self._accepted():
            if words(feedback.standalone_question) == asked:
                return _standing(feedback, retriever)
        return None

    def like(self, question: str, retriever: Retriever) -> tuple[str, ...]:
        """The nearest questions that have a checked answer which still stands; they name the same quantities."""
        named, asked = sorted(quantities(question)), words(question)
        known = {" ".join(words(one.standalone_question)): one for one in reversed(self._accepted())}
        near: list[tuple[float, Feedback]] = []
        for feedback in known.values():
            other = feedback.standalone_question
            if sorted(quantities(other)) == named and words(other) != asked:
                own = _embedded(retriever.embedder, question)
                near.append((float(own @ _embedded(retriever.embedder, other)), feedback))
        nearest = sorted((one for one in near if one[0] >= LEAST_LIKENESS), key=lambda one: -one[0])
        standing = (one.standalone_question for _, one in nearest if _standing(one, retriever))
        return tuple(islice(standing, _MOST_LIKE))

    def _accepted(self) -> list[Feedback]:
        return self._store.listed(states=TAUGHT, corpus=self._corpus, most=_LATEST)


def _standing(feedback: Feedback, retriever: Retriever) -> Found | None:
    """A judgement with its passages where the documents still hold them all; None where one has changed."""
    if feedback.wants_refusal:
        unchanged = feedback.versions.generation == retriever.catalog.generation()
        return Found(feedback, ()) if unchanged else None
    hits = [retriever.passage(one.document, one.text, rank) for rank, one in enumerate(sources_of(feedback), 1)]
    held = [hit for hit in hits if hit]
    return Found(feedback, held) if held and len(held) == len(hits) else None


@lru_cache(maxsize=4096)
def _embedded(embedder: Embedder, question: str) -> Vectors:
    return embedder.embed_question(question)
