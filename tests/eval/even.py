"""What support asks a retriever, without a corpus: every word weighs the same, and likeness is that of a fake."""

from collections.abc import Iterable, Mapping

from fakes import FakeEmbedder


class EvenRetriever:
    """Every word weighs the same."""

    embedder = FakeEmbedder()

    def weights(self, some: Iterable[str]) -> Mapping[str, float]:
        return dict.fromkeys(some, 1.0)
