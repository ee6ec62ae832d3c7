"""The loss: mean negative log-likelihood of the response tokens, in nats.

The head is computed only where a token counts, by the model's own forward (``logits_to_keep``), so that a model's
scaling and capping of logits stay in. The logits of a large vocabulary are turned to float32 a slice at a time.
"""

from typing import TYPE_CHECKING, Any

from train.tensors import Tensors

if TYPE_CHECKING:
    import torch

_SLICE = 256


def summed_loss(model: Any, tensors: Tensors, bfloat16: bool) -> "torch.Tensor":
    """Negative log-likelihoods of all loss tokens of a micro-batch, added up in float32.

    With ``bfloat16`` matrix products are computed in it, whatever the weights are kept in.
    """
    import torch
    from torch.utils.checkpoint import checkpoint

    given: dict[str, Any] = {}
    if tensors.mask is not None:
        given = {"attention_mask": tensors.mask, "position_ids": tensors.positions}
    with torch.autocast(tensors.ids.device.type, torch.bfloat16, enabled=bfloat16):
        logits = model(input_ids=tensors.ids, logits_to_keep=tensors.keep, use_cache=False, **given).logits
    total = torch.zeros((), device=logits.device)
    slices = zip(torch.split(logits, _SLICE), torch.split(tensors.labels, _SLICE), strict=True)
    for some, labels in slices:
        # Its float32 copy is made again in the backward pass instead of being kept.
        total = total + checkpoint(_summed, some, labels, use_reentrant=False, preserve_rng_state=False)
    return total


def _summed(logits: "torch.Tensor", labels: "torch.Tensor") -> "torch.Tensor":
    from torch.nn.functional import cross_entropy

    return cross_entropy(logits.float(), labels, reduction="sum")
