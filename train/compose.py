"""Adapters of one base into a new one: a weighted sum of what they add to the base model's weights."""

import hashlib
import math
import platform
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.artifacts.cards import BASE, AdapterCard, joined_corpora, joined_documents
from assistant.engines.adapted import AdaptedModel
from assistant.errors import AdapterError
from train.mixing import METHODS, Factors, Update, mix, relative_error
from train.new_folder import refuse_taken
from train.registry import save_adapter

if TYPE_CHECKING:
    from peft import LoraConfig

Component = tuple[str, float]


@dataclass(frozen=True, slots=True)
class Composition:
    """A composed adapter. ``error`` is the Frobenius norm of what differs from the exact sum, relative to that sum."""

    card: AdapterCard
    rank: int
    error: float


def compose(
    adapted: AdaptedModel,
    components: Sequence[Component],
    target: Path,
    method: str = "cat",
    rank: int | None = None,
    density: float = 0.5,
    force: bool = False,
) -> Composition:
    """Save the weighted sum of adapters as ``target``. ``method``, ``rank`` and ``density`` are those of ``mix``.

    Raises AdapterError or IdentityError when an adapter cannot be used or summed, or the sum not be saved.
    """
    if method not in METHODS:
        raise AdapterError(f"There is no method '{method}'.", f"Choose one of {', '.join(METHODS)}.")
    if not components or any(not math.isfinite(weight) or weight == 0.0 for _, weight in components):
        raise AdapterError("Every weight has to be a number other than 0.", "Example: terms:0.7 tone:0.3")
    if any(name == BASE for name, _ in components):
        raise AdapterError(f"'{BASE}' stands for the base model, which every adapter is added to.", "Leave it out.")
    refuse_taken(target, force)
    updates = [_update_of(adapted, name) for name, _ in components]
    weights = [weight for _, weight in components]
    mixed = mix(method, updates, weights, rank, density)
    error = relative_error(mixed, updates, weights)
    widest = max(a.shape[0] for _, a in mixed.values())
    model = adapted.attach(_config(mixed, widest, adapted.linears), _tensors(mixed, widest))
    settings = {"method": method, "rank": widest, "density": density, "relative_error": error}
    cards = [adapted.card(name) for name, _ in components]
    card = _card(target.name, cards, components, settings, sum(b.numel() + a.numel() for b, a in mixed.values()))
    return Composition(save_adapter(model, adapted.template, card, target, force), widest, error)


def _update_of(adapted: AdaptedModel, name: str) -> Update:
    """What an adapter adds to each layer. Raises AdapterError for DoRA."""
    model = adapted.peft(name)
    key = model.active_adapter
    if model.peft_config[key].use_dora:
        raise AdapterError(
            f"'{name}' was trained with DoRA, whose magnitudes cannot be summed.", "Compose LoRA adapters only."
        )
    return factors_of(model)


def factors_of(model: Any) -> dict[str, Factors]:
    """What the active adapter of a PeftModel adds to each layer; its scale, alpha / r or alpha / √r, is in both."""
    key = model.active_adapter
    found: dict[str, Factors] = {}
    layers: Iterable[tuple[str, Any]] = model.get_base_model().named_modules()
    for layer, module in layers:
        if key in getattr(module, "lora_A", ()):
            root = float(module.scaling[key]) ** 0.5
            weights = (module.lora_B[key].weight, module.lora_A[key].weight)
            b, a = (root * weight.detach().float().cpu() for weight in weights)
            found[layer] = b, a
    return found


def _config(mixed: Update, rank: int, linears: Collection[str]) -> "LoraConfig":
    """Alpha equals the rank: the factors hold their whole scale."""
    from peft import LoraConfig

    targets = _short_names(mixed.keys(), linears)
    return LoraConfig(r=rank, lora_alpha=rank, target_modules=targets, task_type="CAUSAL_LM")


def _short_names(layers: Collection[str], linears: Collection[str]) -> list[str]:
    """Last parts of the layers' names, if they name no other layer of the model; else the whole names."""
    last = {layer.rpartition(".")[2] for layer in layers}
    named = {layer for layer in linears if layer.rpartition(".")[2] in last}
    return sorted(last if named == set(layers) else layers)


def _tensors(mixed: Update, rank: int) -> dict[str, Any]:
    """As PEFT keeps them, float32, filled up with zeros to one rank."""
    from torch.nn.functional import pad

    tensors: dict[str, Any] = {}
    for layer, (b, a) in mixed.items():
        missing = rank - a.shape[0]
        tensors[f"base_model.model.{layer}.lora_A.weight"] = pad(a, (0, 0, 0, missing))
        tensors[f"base_model.model.{layer}.lora_B.weight"] = pad(b, (0, missing))
    return tensors


def _card(
    name: str,
    cards: Sequence[AdapterCard],
    components: Sequence[Component],
    settings: Mapping[str, object],
    parameters: int,
) -> AdapterCard:
    """Lineage of the sum: that of all its parts together."""
    first = cards[0]
    counts: dict[str, int] = {}
    for card in cards:
        for source, number in card.pairs_counts.items():
            counts[source] = counts.get(source, 0) + number
    return AdapterCard(
        name=name,
        method="composed",
        base=first.base,
        base_fingerprint=first.base_fingerprint,
        template=first.template,
        corpus=joined_corpora([card.corpus for card in cards]),
        generation=min(card.generation for card in cards),
        documents=joined_documents([card.documents for card in cards]),
        pairs=", ".join(dict.fromkeys(card.pairs for card in cards)),
        pairs_hash=hashlib.sha256("".join(card.pairs_hash for card in cards).encode()).hexdigest()[:16],
        pairs_counts=counts,
        config=dict(settings),
        parameters=parameters,
        base_parameters=first.base_parameters,
        steps=0,
        tokens=0,
        seconds=0.0,
        train_loss=None,
        validation_loss=None,
        base_validation_loss=None,
        versions={name: version(name) for name in ("domain-assistant", "peft", "torch", "transformers")},
        machine=platform.machine(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        components=tuple(components),
    )
