"""Adapters of one base into a new one: a weighted sum of what they add to the base model's weights.

The update of one layer is kept as two factors, B (out, rank) and A (rank, in); what is added to the weight is B @ A.
Exact sums are computed here, in float64 and without ever forming a whole update; the lossy ones are PEFT's.
"""

import hashlib
import math
import platform
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.artifacts.cards import BASE, AdapterCard, joined_documents, joined_names
from assistant.engines.adapted import AdaptedModel
from assistant.engines.lora import PREFIX, target_names
from assistant.errors import AdapterError
from train.registry import refuse_name, save_adapter

if TYPE_CHECKING:
    from peft import LoraConfig
    from torch import Tensor

Factors = tuple["Tensor", "Tensor"]
Update = Mapping[str, Factors]
"""Layer → factors."""
EXACT = ("cat", "svd")
_BY_FACTORS = ("linear", "ties", "dare_linear", "dare_ties", "magnitude_prune")
_BY_UPDATES = tuple(f"{method}_svd" for method in _BY_FACTORS[1:])
METHODS = (*EXACT, *_BY_FACTORS, *_BY_UPDATES)
# What is smaller than this part of the largest singular value, or of the parts of a sum, is rounding.
_NEGLIGIBLE = 1e-6
Component = tuple[str, float]


def mix(
    method: str, updates: Sequence[Update], weights: Sequence[float], rank: int | None, density: float
) -> dict[str, Factors]:
    """The weighted sum of updates by one of ``METHODS``, layer by layer.

    ``rank`` is the most that ``svd`` and the ``…_svd`` methods keep; None keeps all. ``density`` is the part of the
    values that the pruning methods keep. Methods that prune at random do so from the same seed every time.
    Raises AdapterError where ranks or layers do not allow the method.
    """
    import torch

    if rank is not None and not method.endswith("svd"):
        raise AdapterError(f"The rank of '{method}' follows from its parts.", "Use --method svd to shrink.")
    mixed: dict[str, Factors] = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for layer in sorted({layer for update in updates for layer in update}):
            present = [
                (update[layer], weight) for update, weight in zip(updates, weights, strict=True) if layer in update
            ]
            factors, some = [factors for factors, _ in present], [weight for _, weight in present]
            b, a = _mixed(method, layer, factors, some, rank, density)
            mixed[layer] = b.float(), a.float()
    return mixed


def relative_error(mixed: Update, updates: Sequence[Update], weights: Sequence[float]) -> float:
    """Frobenius norm of (mixed − exact sum) over that of the exact sum, all layers together.

    Raises AdapterError when the exact sum is zero.
    """
    negative = [-weight for weight in weights]
    wrong = exact = apart = 0.0
    for layer in {layer for update in updates for layer in update}:
        present = [(u[layer], w) for u, w in zip(updates, negative, strict=True) if layer in u]
        parts = [_scaled(factors, weight) for factors, weight in present]
        exact += _squared_norm(_concatenated(parts))
        apart += sum(map(_squared_norm, parts))
        wrong += _squared_norm(_concatenated([mixed[layer], *parts]))
    if exact <= _NEGLIGIBLE**2 * apart:
        raise AdapterError("The weighted sum is zero: nothing remains.", "Choose other weights.")
    return float((wrong / exact) ** 0.5)


def _mixed(
    method: str, layer: str, factors: Sequence[Factors], weights: Sequence[float], rank: int | None, density: float
) -> Factors:
    import torch

    if method in EXACT:
        exact = _concatenated([_scaled(one, weight) for one, weight in zip(factors, weights, strict=True)])
        if method == "cat":
            return exact
        # The best approximation with at most ``rank`` (Eckart–Young), from an SVD no larger than the ranks.
        (qb, rb), (qa, ra) = torch.linalg.qr(exact[0]), torch.linalg.qr(exact[1].T)
        b, a = _truncated(rb @ ra.T, rank)
        return qb @ b, a @ qa.T
    ranks = [a.shape[0] for _, a in factors]
    if method in _BY_UPDATES:
        mixed = _lossy(method.removesuffix("_svd"), [b @ a for b, a in factors], weights, density)
        return _truncated(mixed, rank or sum(ranks))
    if len(set(ranks)) > 1:
        raise AdapterError(
            f"'{method}' needs adapters of one rank; {layer} has {' and '.join(map(str, ranks))}.",
            "Use the exact 'cat' or 'svd'.",
        )
    # The two factors share a weight; its sign goes to one of them.
    roots = [abs(weight) ** 0.5 for weight in weights]
    signed = [root if weight >= 0 else -root for root, weight in zip(roots, weights, strict=True)]
    return (
        _lossy(method, [b for b, _ in factors], roots, density),
        _lossy(method, [a for _, a in factors], signed, density),
    )


def _lossy(method: str, tensors: "list[Tensor]", weights: Sequence[float], density: float) -> "Tensor":
    """PEFT's combination of tensors of one shape (Yadav et al. 2023: ties; Yu et al. 2024: dare)."""
    import torch
    from peft.utils import merge_utils

    if method == "linear":
        combined: Tensor = merge_utils.task_arithmetic(tensors, torch.tensor(weights))
        return combined
    merge: Callable[..., Any] = getattr(merge_utils, method)
    pruned: Tensor = merge(tensors, torch.tensor(weights), density)
    return pruned


def _scaled(factors: Factors, weight: float) -> Factors:
    b, a = factors
    return b, weight * a.double()


def _concatenated(parts: Sequence[Factors]) -> Factors:
    """Factors of the sum: B side by side, A one below the other."""
    import torch

    return torch.cat([b.double() for b, _ in parts], dim=1), torch.cat([a.double() for _, a in parts], dim=0)


def _squared_norm(factors: Factors) -> float:
    """‖B A‖², from the triangular parts of both: the orthogonal ones do not change it."""
    import torch

    b, a = factors
    small = torch.linalg.qr(b.double()).R @ torch.linalg.qr(a.double().T).R.T
    return float(small.square().sum())


def _truncated(update: "Tensor", rank: int | None) -> Factors:
    """Factors of the leading part of an SVD, each with the root of the singular values."""
    import torch

    u, s, vt = torch.linalg.svd(update, full_matrices=False)
    kept = max(1, int((s > _NEGLIGIBLE * s[0]).sum()))
    kept = min(kept, rank) if rank else kept
    root = s[:kept].sqrt()
    return u[:, :kept] * root, root[:, None] * vt[:kept]


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
    refuse_name(target, force)
    updates: list[Update] = []
    for name, _ in components:
        added = adapted.peft(name)
        if added.peft_config[added.active_adapter].use_dora:
            raise AdapterError(
                f"'{name}' was trained with DoRA, whose magnitudes cannot be summed.", "Compose LoRA adapters only."
            )
        updates.append(factors_of(added))
    weights = [weight for _, weight in components]
    mixed = mix(method, updates, weights, rank, density)
    error = relative_error(mixed, updates, weights)
    widest = max(a.shape[0] for _, a in mixed.values())
    model = adapted.attach(*as_lora(mixed, adapted.linears))
    settings = {"method": method, "rank": widest, "density": density, "relative_error": error}
    cards = [adapted.card(name) for name, _ in components]
    card = _card(target.name, cards, components, settings, sum(b.numel() + a.numel() for b, a in mixed.values()))
    return Composition(save_adapter(model, adapted.template, card, target, force), widest, error)


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


def as_lora(update: Update, linears: Collection[str]) -> "tuple[LoraConfig, dict[str, Tensor]]":
    """Configuration and tensors as PEFT has them. ``linears`` are all linear layers of the base.

    The tensors are filled up with zeros to one rank, which alpha equals: the factors hold their whole scale.
    """
    from peft import LoraConfig
    from torch.nn.functional import pad

    rank = max(a.shape[0] for _, a in update.values())
    targets = target_names(update, linears)
    tensors: dict[str, Tensor] = {}
    for layer, (b, a) in update.items():
        missing = rank - a.shape[0]
        tensors[f"{PREFIX}{layer}.lora_A.weight"] = pad(a, (0, 0, 0, missing))
        tensors[f"{PREFIX}{layer}.lora_B.weight"] = pad(b, (0, missing))
    return LoraConfig(r=rank, lora_alpha=rank, target_modules=targets, task_type="CAUSAL_LM"), tensors


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
        corpus=joined_names([card.corpus for card in cards]),
        generation=min(card.generation for card in cards),
        documents=joined_documents([card.documents for card in cards]),
        pairs=joined_names([card.pairs for card in cards]),
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
        hub_data=tuple(dict.fromkeys(name for card in cards for name in card.hub_data)),
    )
