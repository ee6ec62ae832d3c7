"""The memory that a training takes, and the settings that follow from it where the user leaves them open.

Weights, bytes a parameter: 4 in float32, 2 in 16 bits; linear layers 1 in 8-bit, 0.52 in NF4 with double quantisation
(half a byte, an 8-bit scale for 64 of them, a float32 one for 256 scales).

Training: 16 bytes a trained parameter, for weight, gradient and the two moments of AdamW in float32, or 10 with moments
in 8 bits and a float32 scale for 256 of them; 2 more for the copy in which products are computed in 16 bits. Full
fine-tuning has no other weights.

Activations, what the backward pass needs of the largest micro-batch, are not reckoned but counted: one and two layers
of each kind that the model has, with the adapter, are run on tensors that have shapes and no contents (torch's fake
tensors), and the bytes that autograd keeps are added up. So they hold for any model and any method, but for a model
whose code reads values. With checkpointing
it is the input of each layer, and all of one layer.

Logits: vocabulary x 4 bytes in 16 bits, 8 in float32, a loss token of it, for logits and gradient.

Passing: a quarter of activations and logits on top, for what comes and goes in between (measured, SmolLM2-135M).
"""

import copy
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from assistant.artifacts.command_reports import MemoryEstimate
from assistant.config import EngineSettings
from assistant.config.train_settings import TrainSettings
from assistant.errors import ConfigError
from assistant.models import quiet_transformers
from train.batches import Packed, computed_together, shares
from train.forward_backward import attention_kinds
from train.model import Parameters, base_dtype, cannot_shard, compute_dtype, with_adapter
from train.plan import Job
from train.registry import not_trainable

if TYPE_CHECKING:
    import torch
    from peft import LoraConfig

_BYTES_TRAINED, _BYTES_COPIED = 8, 2
_BYTES_OF_MOMENTS = {"adamw": 8.0, "adamw-8bit": 2 + 8 / 256}
_BYTES_QUANTISED = {"qlora": 0.52, "lora-8bit": 1.0}
# A micro-batch is made no smaller than this: without checkpointing rows would share less, with it layers be idle.
_LEAST_TOKENS, _LEAST_CHECKPOINTED = 2048, 512
# Bytes of activations a token, layer and number of its width, more than any of 26 architectures keeps (with LoRA in
# bfloat16 49 to 152), and those a token, head and other token where attention is not torch's own. Less surely fits.
_SURELY_KEPT, _SURELY_SEEN = 500, 16
_UNCOUNTED = "Memory could not be counted: this model's code reads values of tensors. Set batch_tokens if it runs out."


def estimate(
    config: Any,
    engine: EngineSettings,
    parameters: Parameters,
    settings: TrainSettings,
    dtype: "torch.dtype",
    batches: Iterable[tuple[Packed, ...]],
    adapter: "LoraConfig | None" = None,
    parts: int = 1,
) -> MemoryEstimate:
    """What training will need at most. ``config`` is the model's own; see ``with_adapter`` for ``adapter``.

    Of a sharded model, one process has one of some ``parts``, and two layers whole beside it.
    """
    from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException

    text, size = config.get_text_config(), dtype.itemsize
    largest: dict[bool, tuple[int, int]] = {}
    loss_tokens = 0
    for batch in batches:
        is_packed = batch[0].prefix > 0
        # As tensors: sequences, and tokens of the longest.
        sequences = sum(1 if one.prefix else len(one.branches) for one in batch)
        longest = max(len(one) if one.prefix else len(branch) for one in batch for branch in one.branches)
        if sequences * longest > math.prod(largest.get(is_packed, (0, 0))):
            largest[is_packed] = sequences, longest
        loss_tokens = max(loss_tokens, sum(len(branch.response) for one in batch for branch in one.branches))
    try:
        activations = max(
            _activations(config, engine, settings, dtype, shape, is_packed, adapter)
            for is_packed, shape in largest.items()
        )
        is_counted = True
    except (DataDependentOutputException, DynamicOutputShapeException):  # the model reads values, and there are none
        activations, is_counted = 0, False
    logits = loss_tokens * text.vocab_size * 2 * size
    trained = _BYTES_TRAINED + _BYTES_OF_MOMENTS[settings.optimizer] + (_BYTES_COPIED if size == 2 else 0)
    linear = int(parameters.linear * _BYTES_QUANTISED.get(settings.method, float(size)))
    weights = 0 if settings.method == "full" else linear + (parameters.base - parameters.linear) * size
    whole = 4 * parameters.base if settings.method == "full" else weights
    return MemoryEstimate(
        weights=weights // parts + (2 * whole // text.num_hidden_layers if parts > 1 else 0),
        training=int(trained * parameters.trained) // parts,
        activations=activations,
        logits=logits,
        passing=(activations + logits) // 4,
        is_counted=is_counted,
    )


def needed(job: Job, processes: int = 1) -> MemoryEstimate:
    """What a training will need at most in each of its processes."""
    batches = (
        batch
        for step in job.first_epoch
        for part in shares(step, processes, job.most_tokens, job.settings.share_prefixes)
        for batch in computed_together(part, job.most_tokens, job.settings.share_prefixes)
    )
    adapter = job.start.config if job.start else None
    dtype = compute_dtype(job.device)
    parts = processes if job.settings.shard == "on" else 1
    return estimate(job.config, job.general.engine, job.parameters, job.shape, dtype, batches, adapter, parts)


def fitted(job: Job, free: int, processes: int = 1) -> tuple[Job, str]:
    """The job with a micro-batch, and checkpointing if need be, for which ``free`` bytes do; and what was chosen.

    That is the first of ever thriftier ways that fits, or the thriftiest. Nothing is chosen where it would fit as it
    is; where ``batch_tokens`` is set, at most that the model is sharded.
    """
    text, parameters = job.config.get_text_config(), job.parameters
    tokens = max(job.most_tokens, max(map(len, job.plan.rows)))
    layer = text.hidden_size * _SURELY_KEPT + text.num_attention_heads * tokens * _SURELY_SEEN
    surely = tokens * (text.num_hidden_layers * layer + text.vocab_size * 10)
    ways = list(_thriftier(job, processes))
    if ways == [job] or surely + 4 * parameters.base + 18 * parameters.trained <= free:
        return job, ""
    estimated = needed(job, processes)
    if not estimated.is_counted:
        return job, _UNCOUNTED
    before = estimated.total
    if before <= free:
        return job, ""
    for changed in ways:
        total = needed(changed, processes).total
        if total <= free:
            break
    values = changed.settings.model_dump(include={"batch_tokens", "checkpointing", "shard"})
    chosen = [f"{key}={str(value).lower()}" for key, value in values.items() if value != getattr(job.settings, key)]
    return changed, (
        f"Chosen for want of memory: {' and '.join(chosen)}, with which about {total / 2**30:.2f} GiB "
        f"are needed instead of {before / 2**30:.2f}; {free / 2**30:.2f} are free."
    )


def _thriftier(job: Job, processes: int) -> Iterator[Job]:
    """Smaller micro-batches first: they cost little time, checkpointing a third, sharding the network."""
    settings = job.settings
    may_shard = settings.shard == "auto" and processes > 1 and not cannot_shard(settings)
    for shard in (settings.shard, "on") if may_shard else (settings.shard,):
        if settings.batch_tokens:
            yield replace(job, settings=settings.model_copy(update={"shard": shard}))
            continue
        for checkpointing in sorted({settings.checkpointing, True}):
            tokens = job.most_tokens
            while tokens >= (_LEAST_CHECKPOINTED if checkpointing else _LEAST_TOKENS):
                update = {"batch_tokens": tokens, "checkpointing": checkpointing, "shard": shard}
                yield replace(job, settings=settings.model_copy(update=update))
                tokens //= 2


def _activations(
    config: Any,
    engine: EngineSettings,
    settings: TrainSettings,
    dtype: "torch.dtype",
    shape: tuple[int, int],
    is_packed: bool,
    adapter: "LoraConfig | None",
) -> int:
    text = config.get_text_config()
    kinds = Counter(getattr(text, "layer_types", None) or [""] * text.num_hidden_layers)
    layers: dict[str, int] = {}
    outside = 0
    for kind in kinds:
        one, two = (
            _kept(_shallow(config, [kind] * number, engine, settings, dtype, adapter), dtype, shape, is_packed)
            for number in (1, 2)
        )
        layers[kind], outside = two - one, 2 * one - two
    if not settings.checkpointing:
        return outside + sum(number * layers[kind] for kind, number in kinds.items())
    size = base_dtype(dtype, settings).itemsize
    inputs: int = text.num_hidden_layers * shape[0] * shape[1] * text.hidden_size * size
    return outside + inputs + max(layers.values())


def _shallow(
    config: Any,
    kinds: Sequence[str],
    engine: EngineSettings,
    settings: TrainSettings,
    dtype: "torch.dtype",
    adapter: "LoraConfig | None",
) -> Any:
    """A model with layers of these kinds alone, on torch's device for shapes."""
    import torch
    from transformers import AutoModelForCausalLM

    shallow = copy.deepcopy(config)
    text = shallow.get_text_config()
    text.num_hidden_layers = len(kinds)
    if getattr(text, "layer_types", None):
        text.layer_types = list(kinds)
    everywhere = settings.model_copy(update={"layers_to_transform": ()})
    with quiet_transformers(), torch.device("meta"):
        build: Any = AutoModelForCausalLM.from_config
        base = build(shallow, trust_remote_code=engine.trust_remote_code, dtype=base_dtype(dtype, settings))
        try:
            return with_adapter(base, everywhere, adapter)
        except ConfigError:  # what is trained are modules of later layers alone
            return with_adapter(base, everywhere.model_copy(update={"target_modules": ("all-linear",)}))


def _kept(model: Any, dtype: "torch.dtype", shape: tuple[int, int], is_packed: bool) -> int:
    """Bytes that autograd keeps of one micro-batch, weights and their copies left out."""
    import torch
    from torch._subclasses.fake_tensor import (
        DataDependentOutputException,
        DynamicOutputShapeException,
        FakeTensorMode,
    )

    model.train()
    kinds = attention_kinds(model.config)
    kept: dict[int, torch.Tensor] = {}
    with FakeTensorMode():
        weights = {
            name: torch.empty(weight.shape, dtype=weight.dtype, requires_grad=weight.requires_grad)
            for name, weight in [*model.named_parameters(), *model.named_buffers()]
        }
        fixed = {weight.untyped_storage()._cdata for weight in weights.values()}
        copies = {weight.shape for weight in weights.values()}
        sequences, length = shape
        # What is kept has to be told from copies of weights.
        while any(size in (length, sequences * length) for one in copies for size in one):
            length += 1
        # Rows alone are given a mask only here, where transformers cannot see that they need none.
        no_mask = (1, length, length) if kinds is not None and not (is_packed or any(kinds.values())) else None

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()._cdata
            if storage not in fixed and tensor.shape not in copies and tensor.shape[1:] != no_mask:
                kept[storage] = tensor
            return tensor

        given: dict[str, Any] = {"input_ids": torch.zeros(sequences, length, dtype=torch.long)}
        if is_packed:
            mask = torch.zeros(sequences, 1, length, length, dtype=dtype)
            masks = dict.fromkeys(kinds or {}, mask)
            given["attention_mask"] = masks if len(masks) > 1 else mask
            given["position_ids"] = given["input_ids"]
        with (
            torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
            torch.autocast("cpu", dtype, enabled=dtype != torch.float32),
        ):
            try:
                torch.func.functional_call(model, weights, kwargs=given | {"logits_to_keep": 1, "use_cache": False})
            except (DataDependentOutputException, DynamicOutputShapeException):
                raise
            except (AttributeError, RuntimeError, TypeError) as error:  # of PEFT or the code of one architecture
                raise not_trainable(error) from error
    return sum(int(tensor.untyped_storage().nbytes()) for tensor in kept.values())
