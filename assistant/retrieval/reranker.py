"""An optional cross-encoder that reads question and passage together and orders the best hits."""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from assistant import models
from assistant.config import DeviceSettings
from assistant.errors import ModelError
from assistant.models.device import choose

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

_BATCH = 16


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
        try:
            _refuse_other_models(self._folder)
            with models.quiet_transformers():
                model: CrossEncoder = CrossEncoder(
                    str(self._folder), device=device.name, local_files_only=True, model_kwargs={"use_safetensors": True}
                )
            if model.num_labels != 1:
                raise ValueError(f"it gives {model.num_labels} scores, not one")
            return model
        except (OSError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(
                f"The reranker {self._name} cannot be loaded: {reason}", "Check retrieval.reranker."
            ) from error


def _refuse_other_models(folder: Path) -> None:
    """Raise ValueError for an embedder or language model; OSError when there is no model at all."""
    architectures = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("architectures") or ["nothing"]
    saved = folder / "config_sentence_transformers.json"
    kind = json.loads(saved.read_text(encoding="utf-8")).get("model_type") if saved.exists() else None
    if kind != "CrossEncoder" and not any(name.endswith("ForSequenceClassification") for name in architectures):
        raise ValueError(f"it holds {architectures[0]}, which is no cross-encoder")
