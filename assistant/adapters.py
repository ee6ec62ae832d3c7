"""Adapters on disk: their identity cards, and whether one may be used with the model at hand.

    adapters/NAME/adapter_model.safetensors, adapter_config.json     what PEFT wrote
    adapters/NAME/card.json                                          identity and lineage
    adapters/NAME/README.md                                          the same for people
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Canary:
    """What the adapter said to one prompt when it was saved; it has to say the same when it is loaded."""

    prompt_ids: tuple[int, ...]
    top_ids: tuple[int, ...]
    """The likeliest next tokens, best first."""
    top_logits: tuple[float, ...]
    base_logits: tuple[float, ...]
    """What the base model gives the same tokens: an adapter that changes nothing is none."""


@dataclass(frozen=True, slots=True)
class AdapterCard:
    """Identity and lineage of an adapter. Losses are mean negative log-likelihoods a token (nats)."""

    name: str
    method: str
    """``lora``, ``qlora``, ``lora-8bit``, ``dora``, ``full``, or ``composed``."""
    base: str
    """``engine.model`` it was trained on."""
    base_fingerprint: str
    template: str
    """``ChatTemplate.identity`` of tokenizer and chat template."""
    corpus: str
    generation: int
    documents: dict[str, str]
    """Path → content hash of the documents behind its pairs."""
    pairs: str
    """Name of the set of pairs."""
    pairs_hash: str
    pairs_counts: dict[str, int]
    """Training pairs by source."""
    config: dict[str, object]
    """The settings of the run."""
    parameters: int
    """Trained parameters."""
    base_parameters: int
    steps: int
    tokens: int
    """Tokens read in training, shared ones once."""
    seconds: float
    train_loss: float | None
    validation_loss: float | None
    base_validation_loss: float | None
    """Of the base model on the same rows, before training."""
    versions: dict[str, str]
    machine: str
    created: str
    """ISO date and time, UTC."""
    components: tuple[tuple[str, float], ...] = ()
    """Names and weights of what a composed adapter was made of."""
    canary: Canary | None = None
