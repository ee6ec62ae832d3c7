"""Texts as unit vectors.

Most embedders are a transformer, a pooling and a normalisation. Those are run directly on transformers, because
importing sentence-transformers takes 4 s longer than everything else a question needs; any other is handed to it.
"""

import json
import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from assistant import models
from assistant.config import DeviceSettings, EmbedderSettings
from assistant.device import Device, choose
from assistant.errors import ModelError
from assistant.tokens import TokenCounter

if TYPE_CHECKING:
    import torch

Vectors = npt.NDArray[np.float32]
_PIPELINE = ("Transformer", "Pooling", "Normalize")


class Encoder(Protocol):
    """Runs a model on one batch: texts in, vectors (batch, dimension) out, not yet normalised."""

    def __call__(self, texts: list[str]) -> Vectors: ...


class Embedder:
    """The configured embedder; its weights are loaded when the first text is embedded. Threads take turns."""

    def __init__(self, settings: EmbedderSettings, device: DeviceSettings) -> None:
        self.settings = settings
        self._device_settings = device
        self.folder = models.embedder_folder(settings.model)
        self.tokens = TokenCounter(self.folder)
        # A tokenizer of transformers serves one thread at a time.
        self._turn = threading.RLock()

    @cached_property
    def fingerprint(self) -> str:
        """Identity of weights, tokenizer and prefix; an index made with another one is not searched."""
        prefixes = f"{self.settings.query_prefix}|{self.settings.document_prefix}"
        return f"{models.fingerprint(self.folder)}{'-' + prefixes if prefixes != '|' else ''}"

    @cached_property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self.embed_question("").shape[0])

    def understands(self, language: str) -> bool:
        """Whether texts in a language may be compared by their vectors; an unknown language may."""
        known = self.settings.languages
        return not known or not language or language in known

    def load(self) -> None:
        """Load the weights now, which otherwise happens at the first text. Raises ModelError."""
        with self._turn:
            self._encode  # noqa: B018 - computed once, on first access

    def embed_question(self, text: str) -> Vectors:
        """The vector (dimension,) of a question; one longer than the model's window is cut to it."""
        vector: Vectors = self._embed([self.settings.query_prefix + text])[0]
        return vector

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """The vectors (n, dimension) of texts of documents, in order; batched by length to waste no padding."""
        prefixed = [self.settings.document_prefix + text for text in texts]
        lengths = self.tokens.count_each(prefixed)
        order = sorted(range(len(texts)), key=lengths.__getitem__)
        out: Vectors | None = None
        for batch in _batches(order, lengths, self.settings.batch_tokens):
            vectors = self._embed([prefixed[index] for index in batch])
            if out is None:
                out = np.empty((len(texts), vectors.shape[1]), np.float32)
            out[batch] = vectors
        return np.empty((0, self.dimension), np.float32) if out is None else out

    def _embed(self, texts: list[str]) -> Vectors:
        with self._turn:
            vectors = self._encode(texts)
        # Normalised here and in float32: a bfloat16 norm is off by up to .4 %.
        unit: Vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return unit

    @cached_property
    def _encode(self) -> Encoder:
        device = choose(self._device_settings)
        pooling = _plain_pooling(self.folder)
        try:
            if pooling is None:
                return _sentence_transformer(self.folder, device)
            return _transformer(self.folder, device, pooling, self.tokens.window)
        except (OSError, ValueError, KeyError, ImportError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(
                f"The embedder in {self.folder} cannot be loaded: {reason}", "Check embedder.model."
            ) from error


def _batches(order: list[int], lengths: list[int], budget: int) -> list[list[int]]:
    """Cut an order by rising length into batches whose padded size stays under ``budget`` tokens."""
    batches: list[list[int]] = []
    for index in order:
        padded = lengths[index] * (len(batches[-1]) + 1 if batches else 1)
        if batches and padded <= budget:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def _plain_pooling(folder: Path) -> Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"] | None:
    """Mean or first-token pooling if the embedder is nothing more than that; else None."""
    pipeline = folder / "modules.json"
    if not pipeline.exists():
        return _mean_pooling  # what sentence-transformers does with a bare transformer
    parts = json.loads(pipeline.read_text(encoding="utf-8"))
    kinds = tuple(part["type"].rsplit(".", 1)[-1] for part in parts)
    if kinds not in {_PIPELINE, _PIPELINE[:2]}:
        return None
    pooling: dict[str, Any] = json.loads((folder / parts[1]["path"] / "config.json").read_text(encoding="utf-8"))
    modes = {name for name, value in pooling.items() if name.startswith("pooling_mode_") and value is True}
    known = {"pooling_mode_mean_tokens": _mean_pooling, "pooling_mode_cls_token": _first_token_pooling}
    return known.get(modes.pop()) if len(modes) == 1 else None


def _mean_pooling(states: "torch.Tensor", mask: "torch.Tensor") -> "torch.Tensor":
    """Mean over real tokens: (batch, seq, dim), (batch, seq) → (batch, dim)."""
    weights = mask.unsqueeze(-1).float()
    return (states.float() * weights).sum(1) / weights.sum(1).clamp(min=1e-9)


def _first_token_pooling(states: "torch.Tensor", mask: "torch.Tensor") -> "torch.Tensor":  # noqa: ARG001
    return states[:, 0].float()


def _transformer(folder: Path, device: Device, pooling: Callable[..., "torch.Tensor"], window: int) -> Encoder:
    import torch
    from transformers import AutoModel, AutoTokenizer

    with models.quiet_transformers():
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModel.from_pretrained(folder, dtype=device.torch_dtype, use_safetensors=True, local_files_only=True)
    model = model.to(device.name).eval()

    def encode(texts: list[str]) -> Vectors:
        batch = tokenizer(texts, padding=True, truncation=True, max_length=window, return_tensors="pt")
        batch = batch.to(device.name)
        with torch.inference_mode():
            states = model(**batch).last_hidden_state
            vectors: Vectors = pooling(states, batch["attention_mask"]).cpu().numpy()
        return vectors

    return encode


def _sentence_transformer(folder: Path, device: Device) -> Encoder:
    from sentence_transformers import SentenceTransformer

    with models.quiet_transformers():
        model = SentenceTransformer(
            str(folder),
            device=device.name,
            local_files_only=True,
            model_kwargs={"dtype": device.torch_dtype, "use_safetensors": True},
        )

    def encode(texts: list[str]) -> Vectors:
        vectors = model.encode(texts, batch_size=len(texts), convert_to_tensor=True, show_progress_bar=False)
        return np.asarray(vectors.float().cpu().numpy(), np.float32)

    return encode
