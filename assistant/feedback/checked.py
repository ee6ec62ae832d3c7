"""Answers that people have checked: given at once when the same is asked again and the documents still say so.

    checked = CheckedAnswers(workspace, "claims")
    found, near = checked.about("What does hail damage cost me?", retriever)

The judgement with its passages, or None; and then questions near this one that have a checked answer.

Only the same words count as the same question. Near ones are offered and never answered for: no measure tells "the
tenant pays for the landlord" from its reverse (docs/log.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from assistant.feedback.database import TAUGHT, Feedback, FeedbackStore
from assistant.feedback.lessons import sources_of
from assistant.retrieval.embedder import Embedder
from assistant.retrieval.retriever import Retriever
from assistant.text.quantities import quantities
from assistant.text.words import words
from assistant.types import Evidence, Vectors
from assistant.workspace import Workspace

LEAST_LIKENESS = 0.85
"""Cosine from which a question is near another: 34 of 40 in other words, and 44 of 73 that ask for something else."""
# So many near questions are offered beside an answer, and so many judgements are looked through for them.
_MOST_LIKE = 2
_LATEST = 2000


@dataclass(frozen=True, slots=True)
class AcceptedAnswer:
    """An accepted judgement, and the passages that it stands on as they are now, ranked as they were shown."""

    feedback: Feedback
    hits: Sequence[Evidence]


class CheckedAnswers:
    """The accepted judgements about the answers of one corpus."""

    def __init__(self, workspace: Workspace, corpus: str) -> None:
        self._store = FeedbackStore(workspace.whole)
        self._corpus = corpus

    def about(self, question: str, retriever: Retriever) -> tuple[AcceptedAnswer | None, tuple[str, ...]]:
        """The latest judgement about this very question, if it still stands; else the nearest questions that have one.

        One that says that the documents have no answer stands until anything changes in the corpus. Near questions
        name the same quantities.
        """
        accepted = self._store.listed(states=TAUGHT, corpus=self._corpus, most=_LATEST)
        latest = {tuple(words(one.standalone_question)): one for one in reversed(accepted)}
        same = latest.pop(tuple(words(question)), None)
        if same and (found := _standing(same, retriever)):
            return found, ()
        named = sorted(quantities(question))
        near: list[tuple[float, Feedback]] = []
        for feedback in latest.values():
            other = feedback.standalone_question
            if sorted(quantities(other)) == named:
                own = _embedded(retriever.embedder, question)
                near.append((float(own @ _embedded(retriever.embedder, other)), feedback))
        nearest = sorted((one for one in near if one[0] >= LEAST_LIKENESS), key=lambda one: -one[0])
        standing = (one.standalone_question for _, one in nearest if _standing(one, retriever))
        return None, tuple(islice(standing, _MOST_LIKE))


def _standing(feedback: Feedback, retriever: Retriever) -> AcceptedAnswer | None:
    """A judgement with its passages where the documents still hold them all; None where one has changed."""
    if feedback.wants_refusal:
        unchanged = feedback.versions.generation == retriever.catalog.generation()
        return AcceptedAnswer(feedback, ()) if unchanged else None
    hits = [retriever.passage(one.document, one.text, rank) for rank, one in enumerate(sources_of(feedback), 1)]
    held = [hit for hit in hits if hit]
    return AcceptedAnswer(feedback, held) if held and len(held) == len(hits) else None


@lru_cache(maxsize=4096)
def _embedded(embedder: Embedder, question: str) -> Vectors:
    return embedder.embed_question(question)
