"""What comes first: two ranked lists become one, and a cross-encoder orders the best of it.

``minmax`` scales the scores of each side to 0..1 over its candidates and sums them with a weight; ``rrf`` sums
reciprocal ranks (Cormack et al. 2009, k = 60). ``docs/retrieval.md`` has the measurements behind the default.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from assistant import models
from assistant.config import DeviceSettings
from assistant.models.loading import choose, load_errors
from assistant.store.index import Ranking

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

_RRF_K = 60  # as in "Reciprocal Rank Fusion", Cormack, Clarke and Büttcher 2009
# Passages that the cross-encoder reads at once.
_BATCH = 16


@dataclass(frozen=True, slots=True)
class ScoredChunk:
    """A chunk that at least one retriever offered, with what each says of it."""

    chunk: int
    score: float
    dense: float | None
    lexical: float | None
    dense_rank: int | None
    lexical_rank: int | None


def fuse(dense: Ranking, lexical: Ranking, method: str, dense_weight: float) -> list[ScoredChunk]:
    """All candidates of both sides, best first; ties keep the order of ids, so that runs are equal.

    A side that does not offer a chunk counts 0 for it.
    """
    scores: defaultdict[int, float] = defaultdict(float)
    for side, weight in ((dense, dense_weight), (lexical, 1.0 - dense_weight)):
        low, high = min((score for _, score in side), default=0.0), max((score for _, score in side), default=0.0)
        for rank, (chunk, score) in enumerate(side, 1):
            if method == "rrf":
                scores[chunk] += 1.0 / (_RRF_K + rank)
            else:
                scores[chunk] += weight * ((score - low) / (high - low) if high > low else 1.0)
    by_dense = {chunk: (score, rank) for rank, (chunk, score) in enumerate(dense, 1)}
    by_lexical = {chunk: (score, rank) for rank, (chunk, score) in enumerate(lexical, 1)}
    candidates = []
    for chunk, score in scores.items():
        dense_score, dense_rank = by_dense.get(chunk, (None, None))
        lexical_score, lexical_rank = by_lexical.get(chunk, (None, None))
        candidates.append(ScoredChunk(chunk, score, dense_score, lexical_score, dense_rank, lexical_rank))
    return sorted(candidates, key=lambda one: (-one.score, one.chunk))


class Reranker:
    """A cross-encoder by folder or Hugging Face id, loaded at the first question.

    Raises ModelError for a model that cannot be loaded or is none: a library would give it a random head.
    """

    def __init__(self, model: str, device: DeviceSettings) -> None:
        self._name = model
        self._device = device
        self._folder = models.embedder_folder(model)

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        """How well each passage answers the question; higher is better, the scale is the model's."""
        found = self._model.predict(
            [(question, passage) for passage in passages], batch_size=_BATCH, show_progress_bar=False
        )
        return [float(score) for score in found]

    @cached_property
    def _model(self) -> "CrossEncoder":
        from sentence_transformers import CrossEncoder

        device = choose(self._device)
        with load_errors(f"The reranker {self._name}", "retrieval.reranker"):
            config = json.loads((self._folder / "config.json").read_text(encoding="utf-8"))
            architectures = config.get("architectures") or ["nothing"]
            saved = self._folder / "config_sentence_transformers.json"
            kind = json.loads(saved.read_text(encoding="utf-8")).get("model_type") if saved.exists() else None
            is_classifier = any(name.endswith("ForSequenceClassification") for name in architectures)
            if kind != "CrossEncoder" and not is_classifier:
                raise ValueError(f"it holds {architectures[0]}, which is no cross-encoder")
            with models.quiet_transformers():
                model: CrossEncoder = CrossEncoder(
                    str(self._folder), device=device.name, local_files_only=True, model_kwargs={"use_safetensors": True}
                )
            if model.num_labels != 1:
                raise ValueError(f"it gives {model.num_labels} scores, not one")
        return model
