"""How much memory a training needs, how much there is, and what running out of it looks like.

Weights, bytes a parameter: 4 in float32, 2 in bfloat16; linear layers 1 in 8-bit, 0.52 in NF4 with double quantisation
(half a byte, an 8-bit scale for 64 of them, a float32 one for 256 scales).

Training: 16 bytes a trained parameter, for weight, gradient and the two moments of AdamW in float32. Full fine-tuning
has no other weights.

Activations, what the backward pass needs of the largest micro-batch: a layer of width h with an MLP of width m keeps
28 h + 8 m bytes a token in bfloat16, 32 h + 16 m in float32 (two norms in float32; inputs, queries, keys, values and
outputs; gate, up, activation and product of the MLP), and where rows are packed the mask, 2 or 4 bytes for each token
of the sequence. DoRA keeps twice as much. With checkpointing it is 2 h or 4 h a layer, and all of one layer.

Logits: vocabulary x 4 bytes in bfloat16, 8 in float32, a loss token of it, for logits and gradient.

Passing: a quarter of activations and logits on top, for what comes and goes in between (measured, SmolLM2-135M).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from assistant.artifacts.command_reports import MemoryEstimate
from train.batches import Packed
from train.config import TrainSettings

_OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")
_BYTES_TRAINED = 16
_BYTES_QUANTISED = {"qlora": 0.52, "lora-8bit": 1.0}


@dataclass(frozen=True, slots=True)
class Parameters:
    """Numbers of parameters of a model that is to be trained."""

    base: int
    linear: int
    """Those of the base that stand in linear layers other than the head, which quantisation makes smaller."""
    trained: int


def estimate(
    config: Any, parameters: Parameters, settings: TrainSettings, bfloat16: bool, batches: Iterable[tuple[Packed, ...]]
) -> MemoryEstimate:
    """What training will need at most, by the formula above. ``config`` is the model's own."""
    text = config.get_text_config()
    activations = loss_tokens = 0
    for batch in batches:
        longest = max(map(len, batch))
        seen = longest if len(batch[0].rows) > 1 else 0
        activations = max(activations, len(batch) * longest * _bytes_a_token(text, settings, bfloat16, seen))
        loss_tokens = max(loss_tokens, sum(len(row.response) for one in batch for row in one.rows))
    logits = loss_tokens * text.vocab_size * (4 if bfloat16 else 8)
    return MemoryEstimate(
        weights=_weights(parameters, settings, bfloat16),
        training=_BYTES_TRAINED * parameters.trained,
        activations=activations,
        logits=logits,
        passing=(activations + logits) // 4,
    )


def _weights(parameters: Parameters, settings: TrainSettings, bfloat16: bool) -> int:
    if settings.method == "full":
        return 0
    size = 2 if bfloat16 else 4
    quantised = _BYTES_QUANTISED.get(settings.method, float(size))
    return int(parameters.linear * quantised) + (parameters.base - parameters.linear) * size


def _bytes_a_token(text: Any, settings: TrainSettings, bfloat16: bool, seen: int) -> int:
    """Of activations; ``seen`` tokens stand in its row of the mask."""
    width, layers = text.hidden_size, text.num_hidden_layers
    inner = getattr(text, "intermediate_size", None) or 4 * width
    layer = 28 * width + 8 * inner + 2 * seen if bfloat16 else 32 * width + 16 * inner + 4 * seen
    if settings.method == "dora":
        layer *= 2
    return int(layer + layers * width * (2 if bfloat16 else 4)) if settings.checkpointing else int(layer * layers)


def free_bytes(device: str) -> int:
    """MemoryEstimate that is free now: of the GPU, else of the machine."""
    if device == "cuda":
        import torch

        return int(torch.cuda.mem_get_info()[0])
    import psutil

    return int(psutil.virtual_memory().available)


def peak_bytes(device: str) -> int:
    """The most memory that this process has had: of the GPU, else of the machine."""
    if device == "cuda":
        import torch

        return torch.cuda.max_memory_allocated()
    import psutil

    # Where the system does not keep the peak, what is in use now comes near it: allocators keep what they had.
    info = psutil.Process().memory_info()
    return int(getattr(info, "peak_wset", 0)) or max(info.rss, _highest_rss())


def _highest_rss() -> int:
    import sys

    if sys.platform == "win32":
        return 0
    import resource

    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest if sys.platform == "darwin" else highest * 1024


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, in one of the ways that Python, torch and CUDA say it."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _OUT_OF_MEMORY)
    )
