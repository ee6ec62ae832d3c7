"""Texts as unit vectors, by the embedder of the settings or the one that a corpus was made with.

``embedder.model`` is that of new corpora, and of those that are rebuilt. So the old index answers until the new one
stands, whoever has it open follows, and corpora of one workspace may have embedders of their own.

Many embedders were trained with a prompt before each question, and with another one, or none, before each passage.
They declare them; what is set in ``embedder.query_prefix`` and ``embedder.document_prefix`` takes their place.

Most embedders are a transformer, a pooling and a normalisation. Those are run directly on transformers, because
importing sentence-transformers takes 4 s longer than everything else a question needs; any other is handed to it.
``embedder.url`` lets a server run the model in their place (docs/servers.md).

An embedder is known again by its files, and one on a server by a vector: ``served-384-9f…``, dimension and sketch. What
a server has embedded may be searched with the same model in this process.

How alike two texts are in meaning is told for any of them: cosines of one embedder begin where those of another end, so
it is a part of the way from what unrelated sentences have to 1.
"""

import contextlib
import copy
import functools
import json
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from assistant import models
from assistant.config import DeviceSettings, EmbedderSettings
from assistant.errors import ConfigError, IdentityError, ModelError
from assistant.models import BUNDLED
from assistant.models.catalogue import TEMPERATURE, catalogue, entry_of
from assistant.models.loading import Device, choose, load_errors
from assistant.retrieval import served
from assistant.retrieval.tokens import ESTIMATE, TokenCounter
from assistant.store.index import Index
from assistant.types import Vectors

if TYPE_CHECKING:
    import torch

_OWN = "auto"
_PIPELINE = ("Transformer", "Pooling", "Normalize")
_SERVED = re.compile(r"served-(\d+)-([0-9a-f]{32})(.*)", re.DOTALL)
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


class Encoder(Protocol):
    """Runs a model on one batch, questions or texts of documents, each behind ``prompt``: vectors (batch, dimension)
    that are not yet normalised."""

    def __call__(self, texts: list[str], prompt: str, is_question: bool) -> Vectors: ...


@dataclass(frozen=True, slots=True)
class _Pooling:
    """How the states of tokens become a vector."""

    pooled: "Callable[[torch.Tensor, torch.Tensor], torch.Tensor]"
    """(batch, seq, dim), (batch, seq) → (batch, dim)."""
    has_prompt: bool = True
    """Whether the tokens of the prompt count."""


class Embedder:
    """The configured embedder; its weights are loaded when the first text is embedded. Threads take turns."""

    def __init__(self, settings: EmbedderSettings, device: DeviceSettings) -> None:
        """Nothing is loaded or sent yet. Raises ModelError for a model that is nowhere to be had, ConfigError for a
        server without one."""
        self.settings = settings
        self.device = device
        if settings.url and settings.model == BUNDLED:
            raise ConfigError(
                "embedder.url names a server, but embedder.model no model there.",
                "Set embedder.model to the name that the server has for it.",
            )
        if settings.url:
            self.folder, known = models.tokenizer_folder(settings.model) or ESTIMATE, entry_of(settings.model)
        else:
            self.folder, known = models.embedder_folder(settings.model), catalogue().get(settings.model)
        named = (known.query_prefix, known.document_prefix) if known else ("", "")
        query, document = named if any(named) else _declared_prompts(self.folder)
        self._query = query if settings.query_prefix == _OWN else settings.query_prefix
        self._document = document if settings.document_prefix == _OWN else settings.document_prefix
        self.tokens = TokenCounter(self.folder, self._document)
        of_model = known.languages if known else ("en",)
        self.contrast = TEMPERATURE / (known.temperature if known else TEMPERATURE)
        """Differences of similarities times this are like those of the bundled embedder."""
        self._languages = of_model if _OWN in settings.languages else settings.languages
        # A tokenizer of transformers serves one thread at a time, a server as many as like to ask.
        self._turn = contextlib.nullcontext() if settings.url else threading.RLock()
        self._known_as = ""
        self._probed: Vectors | None = None

    @property
    def fingerprint(self) -> str:
        """Identity of weights, tokenizer and prefix; an index made with another one is not searched.

        Raises what ``embed_question`` raises.
        """
        return self._known_as or self._own_fingerprint

    @property
    def _own_fingerprint(self) -> str:
        return self._as_served if self.settings.url else self._as_local

    @cached_property
    def _as_local(self) -> str:
        return models.fingerprint(self.folder) + self._prefixes

    @property
    def _as_served(self) -> str:
        """The fingerprint that this embedder has, or would have, on a server."""
        return f"served-{self.dimension}-{served.sketch(self._probe)}{self._prefixes}"

    @property
    def _probe(self) -> Vectors:
        """The vector of the probe. Before Python 3.12 cached properties of all embedders share one lock, under which
        no server is waited for."""
        if self._probed is None:
            self._probed = self.embed_question(served.PROBE)
        return self._probed

    @property
    def _prefixes(self) -> str:
        prefixes = f"{self._query}|{self._document}"
        return f"-{prefixes}" if prefixes != "|" else ""

    def made(self, fingerprint: str) -> bool:
        """Whether vectors of a fingerprint are this embedder's. Raises what ``embed_question`` raises."""
        if other := _SERVED.fullmatch(fingerprint):
            own = _SERVED.fullmatch(self._as_served)
            assert own, "it is written like this"
            return own.group(1, 3) == other.group(1, 3) and served.are_near(own[2], other[2])
        return not self.settings.url and fingerprint == self._own_fingerprint

    def known_as(self, fingerprint: str) -> "Embedder":
        """This embedder under the fingerprint of vectors that it made: sketches of one model may differ in a step."""
        if fingerprint == self.fingerprint:
            return self
        same = copy.copy(self)
        same._known_as = fingerprint
        return same

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return len(self._probe)

    def understands(self, language: str) -> bool:
        """Whether texts in a language may be compared by their vectors; an unknown language may."""
        return not self._languages or not language or language in self._languages

    def load(self) -> None:
        """Load the weights now, or ask the server, which otherwise happens at the first text. Raises ModelError."""
        with self._turn:
            self._encode  # noqa: B018 - computed once, on first access
        if self.settings.url:
            self.fingerprint  # noqa: B018 - for this a server is asked, once

    def embed_question(self, text: str) -> Vectors:
        """The vector (dimension,) of a question; one longer than the model's window is cut to it.

        Of a server raises ModelError when it does not answer, refuses or talks nonsense, and IdentityError when it runs
        another model than before.
        """
        vector: Vectors = self._embed([text], self._query, is_question=True)[0]
        return vector

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """The vectors (n, dimension) of texts of documents, in order; batched by length to waste no padding.

        Raises what ``embed_question`` raises.
        """
        lengths = self.tokens.count_each([self._document + text for text in texts])
        order = sorted(range(len(texts)), key=lengths.__getitem__)
        out: Vectors | None = None
        # What a server gets at once is for its requests to say.
        whole = [order] if order and self.settings.url else []
        for batch in whole or batches_within(self.settings.batch_tokens, order, lengths):
            vectors = self._embed([texts[index] for index in batch], self._document, is_question=False)
            if out is None:
                out = np.empty((len(texts), vectors.shape[1]), np.float32)
            out[batch] = vectors
        return np.empty((0, self.dimension), np.float32) if out is None else out

    def _embed(self, texts: list[str], prompt: str, *, is_question: bool) -> Vectors:
        with self._turn:
            vectors = self._encode(texts, prompt, is_question)
        # Normalised here and in float32: a bfloat16 norm is off by up to .4 %.
        unit: Vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return unit

    @cached_property
    def _encode(self) -> Encoder:
        if self.settings.url:
            return served.Encoder(self.settings, self.tokens)
        device = choose(self.device)
        pooling = _plain_pooling(self.folder)
        with load_errors(f"The embedder in {self.folder}", "embedder.model"):
            if pooling is None:
                return _sentence_transformer(self.folder, device)
            return _transformer(self.folder, device, pooling, self.tokens.window)


def batches_within(budget: int, order: list[int], lengths: list[int]) -> list[list[int]]:
    """Cut an order by rising length into batches whose padded size stays under ``budget`` tokens."""
    batches: list[list[int]] = []
    for index in order:
        padded = lengths[index] * (len(batches[-1]) + 1 if batches else 1)
        if batches and padded <= budget:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def _declared_prompts(folder: Path) -> tuple[str, str]:
    """What the model wants before a question and before a text of a document, as ``encode_query`` and
    ``encode_document`` of sentence-transformers take it. Raises ModelError for a file that cannot be read.
    """
    file = folder / "config_sentence_transformers.json"
    if not file.exists():
        return "", ""
    try:
        prompts = json.loads(file.read_text(encoding="utf-8")).get("prompts") or {}
        return str(prompts.get("query") or ""), str(prompts.get("document") or "")
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"{file} cannot be read: {error}.", "Restore the embedder's files.") from None


def _plain_pooling(folder: Path) -> _Pooling | None:
    """Mean or first-token pooling if the embedder is nothing more than that; else None."""
    pipeline = folder / "modules.json"
    if not pipeline.exists():
        return _Pooling(_mean_pooling)  # what sentence-transformers does with a bare transformer
    parts = json.loads(pipeline.read_text(encoding="utf-8"))
    kinds = tuple(part["type"].rsplit(".", 1)[-1] for part in parts)
    if kinds not in {_PIPELINE, _PIPELINE[:2]}:
        return None
    pooling: dict[str, Any] = json.loads((folder / parts[1]["path"] / "config.json").read_text(encoding="utf-8"))
    modes = [name for name, value in pooling.items() if name.startswith("pooling_mode_") and value is True]
    if isinstance(named := pooling.get("pooling_mode"), str):  # since sentence-transformers 6
        modes = [f"pooling_mode_{named}"]
    known = {
        "pooling_mode_mean_tokens": _mean_pooling,
        "pooling_mode_mean": _mean_pooling,
        "pooling_mode_cls_token": _first_token_pooling,
        "pooling_mode_cls": _first_token_pooling,
    }
    if len(modes) != 1 or modes[0] not in known:
        return None
    return _Pooling(known[modes[0]], pooling.get("include_prompt", True))


def _mean_pooling(states: "torch.Tensor", mask: "torch.Tensor") -> "torch.Tensor":
    """Mean over real tokens: (batch, seq, dim), (batch, seq) → (batch, dim)."""
    weights = mask.unsqueeze(-1).float()
    return (states.float() * weights).sum(1) / weights.sum(1).clamp(min=1e-9)


def _first_token_pooling(states: "torch.Tensor", mask: "torch.Tensor") -> "torch.Tensor":
    """The first token that counts: (batch, seq, dim), (batch, seq) → (batch, dim)."""
    return states[range(len(states)), mask.argmax(1)].float()


def _transformer(folder: Path, device: Device, pooling: _Pooling, window: int) -> Encoder:
    import torch
    from transformers import AutoModel, AutoTokenizer

    with models.quiet_transformers():
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModel.from_pretrained(folder, dtype=device.torch_dtype, use_safetensors=True, local_files_only=True)
    model = model.to(device.name).eval()

    def prompt_tokens(prompt: str) -> int:
        """With what the tokenizer puts before a text, without what it puts behind it."""
        ids = tokenizer(prompt)["input_ids"]
        return len(ids) - (ids[-1] in tokenizer.all_special_ids)

    def encode(texts: list[str], prompt: str, is_question: bool) -> Vectors:  # noqa: ARG001 - one model for both
        prompted = [prompt + text for text in texts]
        batch = tokenizer(prompted, padding=True, truncation=True, max_length=window, return_tensors="pt")
        batch = batch.to(device.name)
        with torch.inference_mode():
            states, mask = model(**batch).last_hidden_state, batch["attention_mask"]
            if prompt and not pooling.has_prompt:
                first = mask.argmax(1, keepdim=True) + prompt_tokens(prompt)
                mask = mask * (torch.arange(mask.shape[1], device=mask.device) >= first)
            vectors: Vectors = pooling.pooled(states, mask).cpu().numpy()
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

    def encode(texts: list[str], prompt: str, is_question: bool) -> Vectors:
        run = model.encode_query if is_question else model.encode_document
        vectors: Any = run(texts, prompt=prompt, batch_size=len(texts), convert_to_tensor=True, show_progress_bar=False)
        return np.asarray(vectors.float().cpu().numpy(), np.float32)

    return encode


_opened = functools.cache(Embedder)
"""One for all that search, as its weights take memory."""


def embedder_of(catalog: Index, configured: Embedder) -> Embedder:
    """The embedder that a corpus was made with: the configured one, or another by its name, with its own prompts.

    Raises IdentityError when it is not on this machine, or is not what it was.
    """
    identity = catalog.identity()
    if identity is None:
        return configured
    if configured.made(identity.fingerprint):
        return configured.known_as(identity.fingerprint)
    # The bundled one knows vectors of a server as its own, and takes such a corpus over under its name.
    was_served = bool(_SERVED.fullmatch(identity.fingerprint)) and identity.embedder != BUNDLED
    kept = {"batch_tokens", *(("url", "key_file", "timeout_seconds", "attempts") if was_served else ())}
    settings = EmbedderSettings(model=identity.embedder, **configured.settings.model_dump(include=kept))
    try:
        own = _opened(settings, configured.device)
        if own.made(identity.fingerprint):
            return own.known_as(identity.fingerprint)
        reason = f"that name stands for another one now ({own.fingerprint})"
        _opened.cache_clear()  # it may come back while this process runs
    except ModelError as error:
        reason = error.message.rstrip(".")
    raise IdentityError(
        f"The corpus was embedded with {identity.embedder} ({identity.fingerprint}): {reason}."
        f" Configured is {configured.settings.model} ({configured.fingerprint}).",
        f"Bring that embedder back{', or set embedder.url to a server that runs it' if was_served else ''},"
        f" or make the corpus anew: assistant ingest --rebuild --corpus {catalog.name}",
    )


def better_embedder(catalog: Index, embedder: Embedder) -> tuple[str, str]:
    """What to say, and what to do, when most of a corpus is in languages that its embedder was not made for.

    Two empty texts when there is nothing to say, as of an embedder whose languages nobody has named.
    """
    chunks, settings = catalog.languages(), embedder.settings
    unknown = [language for language in chunks if not embedder.understands(language)]
    is_known = settings.model in {BUNDLED, *catalogue()} or "auto" not in settings.languages
    if not is_known or 2 * sum(chunks[language] for language in unknown) <= sum(chunks.values()):
        return "", ""
    able = {
        name: model
        for name, model in catalogue().items()
        if model.kind == "embedder" and (not model.languages or set(model.languages) >= chunks.keys())
    }
    smallest = min(able, key=lambda name: able[name].parameters)
    return (
        f"most is in {', '.join(unknown)}, which {settings.model} was not made for. {able[smallest].note}".rstrip(". "),
        f"Run: assistant ingest --rebuild --corpus {catalog.name} --set embedder.model={smallest}",
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
