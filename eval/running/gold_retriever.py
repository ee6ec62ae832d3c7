"""Retrieval that cannot fail: the passages that hold the gold of a case, alone or among others.

With it an evaluation tells what the model makes of the right evidence, apart from whether it was found.
"""

from collections.abc import Sequence
from dataclasses import replace

from assistant.retrieval.retriever import Retriever
from assistant.types import Evidence, Filter
from eval.gold import Group, ranks

DISTRACTORS = 4
# More chunks than one document is likely to have.
_MANY = 1000


class GoldRetriever(Retriever):
    """Finds what ``gold`` names, with ``distractors`` other passages of the ordinary search among it."""

    gold: Sequence[Group] = ()
    distractors: int = 0

    def search(
        self, question: str, k: int | None = None, only: Filter | None = None, *, fallback: str = ""
    ) -> list[Evidence]:
        """For each group of the gold the best passage that meets it; ordered by score. Raises as the ordinary search.

        Nothing if there is no gold and no distractor is wanted.
        """
        found = self._meeting(question)
        if self.distractors:
            near = super().search(question, (k or self.settings.k) + self.distractors, only, fallback=fallback)
            found += [hit for hit in near if not _meets(self.gold, [hit])][: self.distractors]
        ordered = sorted(found, key=lambda hit: (-hit.score, hit.chunk))
        return [replace(hit, rank=rank) for rank, hit in enumerate(ordered, 1)]

    def _meeting(self, question: str) -> list[Evidence]:
        documents = tuple(sorted({span.document for group in self.gold for span in group}))
        if not documents:
            return []
        chosen: list[Evidence] = []
        for hit in super().search(question, _MANY, Filter(documents)):
            if _meets(self.gold, [*chosen, hit]) > _meets(self.gold, chosen):
                chosen.append(hit)
        return chosen


def _meets(gold: Sequence[Group], hits: Sequence[Evidence]) -> int:
    """How many groups the hits meet."""
    return sum(rank is not None for rank in ranks(gold, hits))
