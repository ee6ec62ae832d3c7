"""An optional cross-encoder that reads question and passage together and orders the best hits."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from assistant import models
from assistant.config import DeviceSettings
from assistant.device import choose
from assistant.errors import ModelError

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

_BATCH = 16


class Reranker:
    """A cross-encoder by folder or Hugging Face id, loaded at the first question."""

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
            with models.quiet_transformers():
                model: CrossEncoder = CrossEncoder(
                    str(self._folder), device=device.name, local_files_only=True, model_kwargs={"use_safetensors": True}
                )
            return model
        except (OSError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(
                f"The reranker {self._name} cannot be loaded: {reason}", "Check retrieval.reranker."
            ) from error
