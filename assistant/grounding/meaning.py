"""How alike two texts are in meaning, whatever embedder is configured: for sentences in other words.

Cosines of one embedder begin where those of another end, so they are told as a part of the way from what unrelated
sentences have to 1.
"""

from collections.abc import Callable
from functools import cached_property, lru_cache
from itertools import combinations

import numpy as np

from assistant.retrieval.embedder import Embedder
from assistant.types import Vectors

Likeness = Callable[[str, str], float]
"""Of two texts: about 0 where they are unrelated, 1 where they are the same."""

# Of six fields and two languages.
_UNRELATED = (
    "The library keeps lent books on the shelf for three days.",
    "Rehearse the second act once more before the lamps are hung.",
    "A whole number that divides two others divides their sum.",
    "Der Zug nach Norden fährt heute von Gleis sieben.",
    "Rühren Sie die Butter unter, bis der Teig glänzt.",
    "Im Winter werden die Rosen mit Reisig abgedeckt.",
)


class Meaning:
    """Likeness by the vectors of an embedder; each text is embedded once while it is remembered."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._vector = lru_cache(maxsize=1024)(self._embedded)

    def likeness(self, one: str, other: str) -> float:
        """Of two texts."""
        cosine = float(self._vector(one) @ self._vector(other))
        return (cosine - self._unrelated) / (1.0 - self._unrelated)

    def _embedded(self, text: str) -> Vectors:
        vector: Vectors = self._embedder.embed_texts([text])[0]
        return vector

    @cached_property
    def _unrelated(self) -> float:
        vectors = self._embedder.embed_texts(list(_UNRELATED))
        return float(np.mean([one @ other for one, other in combinations(vectors, 2)]))
