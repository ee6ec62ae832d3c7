"""A micro-batch as tensors, and what each token may see.

Rows alone need no mask: padding stands behind them, where a causal model never looks. Packed rows need one of shape
(batch, 1, tokens, tokens), true where a query (row) may look at a key (column). A layer that looks back over a window
counts it in positions, which for a branch are those of the row alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from train.batches import Packed

if TYPE_CHECKING:
    import torch

# Kind of layer → how many tokens it looks back over, itself included; None is all.
Kinds = Mapping[str, int | None]

_FULL, _SLIDING = "full_attention", "sliding_attention"
_PADDING = -1


@dataclass(frozen=True, slots=True)
class Tensors:
    """What the model is given, and what it is to say; (batch, tokens) unless said otherwise."""

    ids: "torch.Tensor"
    keep: "torch.Tensor"
    """True at positions whose next token counts in the loss."""
    labels: "torch.Tensor"
    """(loss tokens,): those next tokens, row by row."""
    positions: "torch.Tensor | None"
    mask: "torch.Tensor | dict[str, torch.Tensor] | None"


def attention_kinds(config: Any) -> Kinds | None:
    """The kinds of layers of a model, by its configuration; None where one cannot be given a mask.

    That is so for recurrent and chunked layers, and for implementations of attention (flash) that take none.
    """
    if config._attn_implementation not in ("sdpa", "eager"):
        return None
    text = config.get_text_config()
    window = getattr(text, "sliding_window", None)
    kinds = set(getattr(text, "layer_types", None) or [_SLIDING if window else _FULL])
    if not kinds <= {_FULL, _SLIDING}:
        return None
    return {kind: window if kind == _SLIDING else None for kind in sorted(kinds)}


def tensors_of(batch: Sequence[Packed], kinds: Kinds, device: "torch.device | str") -> Tensors:
    """Sequences padded to the longest one, on ``device``."""
    import torch

    rows = [_Laid(one) for one in batch]
    length = max(len(row.ids) for row in rows)

    def padded(lists: list[list[int]], value: int) -> "torch.Tensor":
        return torch.tensor([one + [value] * (length - len(one)) for one in lists], device=device)

    ids = padded([row.ids for row in rows], 0)
    keep = padded([row.keep for row in rows], 0).bool()
    labels = torch.tensor([label for row in rows for label in row.labels], device=device)
    if all(len(one.rows) == 1 for one in batch):
        return Tensors(ids, keep, labels, None, None)
    segments = padded([row.segments for row in rows], _PADDING)
    positions = padded([row.positions for row in rows], 0)
    return Tensors(ids, keep, labels, positions, _mask(segments, positions, kinds))


class _Laid:
    """One packed sequence, laid out token by token."""

    def __init__(self, one: Packed) -> None:
        self.ids = list(one.rows[0].prompt[: one.prefix])
        self.segments = [0] * one.prefix
        self.positions = list(range(one.prefix))
        self.keep = [0] * one.prefix
        self.labels: list[int] = []
        for segment, row in enumerate(one.rows, 1):
            tokens = [*row.prompt, *row.response]
            self.ids += tokens[one.prefix :]
            self.segments += [segment] * (len(tokens) - one.prefix)
            self.positions += range(one.prefix, len(tokens))
            # A token is predicted at the one before it, so the last of the prompt counts and the last of all does not.
            self.keep += [0] * (len(row.prompt) - 1 - one.prefix) + [1] * len(row.response) + [0]
            self.labels += row.response


def _mask(
    segments: "torch.Tensor", positions: "torch.Tensor", kinds: Kinds
) -> "torch.Tensor | dict[str, torch.Tensor]":
    import torch

    length = segments.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=segments.device).tril()
    query, key = segments[:, None, :, None], segments[:, None, None, :]
    # Padding sees itself: a row of a mask that is false everywhere would give NaN.
    seen = causal & ((key == 0) | (key == query))
    back = positions[:, None, :, None] - positions[:, None, None, :]
    masks = {kind: seen if window is None else seen & (back < window) for kind, window in kinds.items()}
    return masks if len(masks) > 1 else next(iter(masks.values()))
