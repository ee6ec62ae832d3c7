"""Weighted sums of low-rank updates, exact and lossy, on tensors alone.

The update of one layer is kept as two factors, B (out, rank) and A (rank, in); what is added to the weight is B @ A.
Exact sums are computed here, in float64 and without ever forming a whole update; the lossy ones are PEFT's.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from assistant.errors import AdapterError

if TYPE_CHECKING:
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
    if method in EXACT:
        exact = _concatenated([_scaled(one, weight) for one, weight in zip(factors, weights, strict=True)])
        return exact if method == "cat" else _shortened(exact, rank)
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


def _shortened(factors: Factors, rank: int | None) -> Factors:
    """The best approximation of B @ A with at most ``rank`` (Eckart–Young), from an SVD no larger than the ranks."""
    import torch

    (qb, rb), (qa, ra) = torch.linalg.qr(factors[0]), torch.linalg.qr(factors[1].T)
    b, a = _truncated(rb @ ra.T, rank)
    return qb @ b, a @ qa.T


def _truncated(update: "Tensor", rank: int | None) -> Factors:
    """Factors of the leading part of an SVD, each with the root of the singular values."""
    import torch

    u, s, vt = torch.linalg.svd(update, full_matrices=False)
    kept = max(1, int((s > _NEGLIGIBLE * s[0]).sum()))
    kept = min(kept, rank) if rank else kept
    root = s[:kept].sqrt()
    return u[:, :kept] * root, root[:, None] * vt[:kept]
