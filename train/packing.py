"""Whether a model can be trained on packed rows: asked of its configuration, then proved on the data at hand."""

from collections.abc import Sequence
from typing import Any

from train.batches import Packed, alone, packed
from train.loss import summed_loss
from train.memory import is_out_of_memory
from train.rows import Row, loss_tokens
from train.tensors import Kinds, attention_kinds, tensors_of

# How far packed and separate rows may differ, in nats a token: more than rounding, less than a wrong mask gives.
_TOLERANCE_FLOAT32, _TOLERANCE_BFLOAT16 = 1e-3, 3e-2


def obstacle(model: Any, rows: Sequence[Row], most_tokens: int, bfloat16: bool) -> str:
    """Why rows of this model have to be computed one by one; empty when they need not.

    The packed rows that reach furthest are run both ways: a model that takes no notice of the mask, or is not made
    for one, shows here. ``rows`` without common beginnings give no obstacle, since nothing will be packed.
    """
    kinds = attention_kinds(model.config)
    if kinds is None:
        return "its layers take no mask"
    several = [one for one in packed(rows, len(rows), most_tokens) if len(one.rows) > 1]
    if not several:
        return ""
    widest = max(several, key=lambda one: (max(map(len, one.rows)), len(one.rows), one.rows[0].id))
    try:
        difference = _difference(model, widest, kinds, bfloat16)
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        return f"it fails on a mask: {' '.join(str(error).split())[:100]}"
    if difference <= (_TOLERANCE_BFLOAT16 if bfloat16 else _TOLERANCE_FLOAT32):
        return ""
    return f"packed rows change its loss by {difference:.3f}"


def _difference(model: Any, one: Packed, kinds: Kinds, bfloat16: bool) -> float:
    """How far the loss of packed rows is from that of the same rows alone, in nats a token."""
    import torch

    with torch.no_grad():
        together = summed_loss(model, tensors_of([one], kinds, model.device), bfloat16)
        apart = sum(
            float(summed_loss(model, tensors_of([row], kinds, model.device), bfloat16)) for row in alone(one.rows)
        )
    return abs(float(together) - apart) / loss_tokens(one.rows)
