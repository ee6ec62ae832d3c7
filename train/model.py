"""The base model, and what of it is trained.

transformers loads, bitsandbytes makes it small, PEFT adds the adapter. Precision: the base is kept in what products are
computed in, bfloat16 where the device has it; what is trained is kept in float32, since small updates would be lost.
"""

import difflib
import importlib.util
from collections.abc import Collection
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant import models
from assistant.config import EngineSettings
from assistant.config.train_settings import PREFERENCE_METHODS, TrainSettings
from assistant.engines.lora import linear_shapes, quiet_peft
from assistant.errors import ConfigError, one_line
from assistant.models.loading import Device

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator
    from peft import LoraConfig

_OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")
_QUANTISED = {"qlora": "4bit", "lora-8bit": "8bit"}
# They choose the experts of a token, and compute no more of it.
_ROUTERS = frozenset({"router", "gate", "shared_expert_gate"})
# PEFT takes these names for those of experts, whose weights stand together in one tensor.
_LIKE_EXPERTS = frozenset({"gate_proj", "up_proj", "down_proj"})


@dataclass(frozen=True, slots=True)
class Parameters:
    """Numbers of parameters of a model that is to be trained."""

    base: int
    linear: int
    """Those of the base that stand in linear layers other than the head, which quantisation makes smaller."""
    trained: int


def free_bytes(device: str) -> int:
    """Memory that is free now: of the GPU, else of the machine."""
    if device == "cuda":
        import torch

        return int(torch.cuda.mem_get_info()[0])
    import psutil

    return int(psutil.virtual_memory().available)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, in one of the ways that Python, torch and CUDA say it."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _OUT_OF_MEMORY)
    )


def compute_dtype(device: Device) -> "torch.dtype":
    """What matrix products are computed in: as all models are on this device.

    float16, of GPUs without bfloat16, has its losses scaled (train.forward_backward); Apple's were not tried with that.
    """
    import torch

    return torch.float32 if device.name == "mps" else device.torch_dtype


def base_dtype(dtype: "torch.dtype", settings: TrainSettings) -> "torch.dtype":
    """What the base is kept in where products are computed in ``dtype``."""
    import torch

    return torch.float32 if settings.method == "full" else dtype


def window_of(config: Any) -> int | None:
    """How many tokens a model can read; None where its configuration does not say."""
    return getattr(config.get_text_config(), "max_position_embeddings", None)


def count_parameters(
    config: Any, engine: EngineSettings, settings: TrainSettings, adapter: "LoraConfig | None" = None
) -> Parameters:
    """Sizes of the model to be trained, found without loading a weight.

    Raises ConfigError for target modules or layers that the model does not have.
    """
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        build: Any = AutoModelForCausalLM.from_config
        base = build(config, trust_remote_code=engine.trust_remote_code)
        total = sum(weight.numel() for weight in base.parameters())
        head = base.get_output_embeddings()
        layers = (layer for layer in base.modules() if isinstance(layer, torch.nn.Linear) and layer is not head)
        linear = sum(layer.weight.numel() for layer in layers)
        model = with_adapter(base, settings, adapter)
    return Parameters(total, linear, sum(weight.numel() for _, weight in trained(model)))


def load_base(
    folder: Path, engine: EngineSettings, device: Device, settings: TrainSettings, place: Any, config: Any = None
) -> Any:
    """The base model on ``place`` (a torch device), in the precision that the method wants.

    A ``config`` of fewer layers than the model has loads those alone.

    Raises ModelError when it cannot be loaded, ConfigError when a method needs a package that is missing.
    """
    bits = _QUANTISED.get(settings.method, "")
    wants = (
        "optimizer=adamw-8bit" if settings.optimizer == "adamw-8bit" else f"method={settings.method}" if bits else ""
    )
    if wants and importlib.util.find_spec("bitsandbytes") is None:
        raise ConfigError(
            f"{wants} needs bitsandbytes.",
            "pip install 'domain-assistant[qlora]', or use method=lora and optimizer=adamw.",
        )
    with quiet_peft():
        dtype = base_dtype(compute_dtype(device), settings)
        model = models.load_causal(folder, engine, dtype, place, bits, engine.model, config)
    # bitsandbytes repacks 4-bit weights at the first forward pass in eval mode, on processors with AVX512-BF16; what it
    # repacked lets no gradient through, without a word.
    for layer in model.modules():
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            layer.support_avx512bf16_for_cpu = False
    return model


def with_adapter(base: Any, settings: TrainSettings, adapter: "LoraConfig | None" = None) -> Any:
    """The model that is trained: the base with a new adapter, or for ``full`` the base itself.

    An ``adapter`` that training goes on from says itself what it is like.

    Raises ConfigError for target modules or layers that the model does not have, and for what PEFT cannot adapt.
    """
    if settings.method == "full":
        return base
    config = copy(adapter) if adapter else _config_of(base, settings)
    with quiet_peft():
        from peft import get_peft_model

        try:
            return get_peft_model(base, config)
        except ValueError as error:
            reason = one_line(error)
            raise ConfigError(
                f"PEFT cannot adapt {', '.join(settings.target_modules)} with method={settings.method}: {reason}",
                "Set method=lora, or target_modules=all-linear.",
            ) from error


def _config_of(base: Any, settings: TrainSettings) -> "LoraConfig":
    _check_targets(base, settings)
    targets = _all_linear(base, settings.layers_to_transform) if _wants_all(settings) else settings.target_modules
    if not targets:
        raise ConfigError(
            f"{type(base).__name__} has no linear layers that an adapter could change.",
            "Set method=full, or take another model.",
        )
    with quiet_peft():
        from peft import LoraConfig
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type] # any number does
        lora_dropout=settings.dropout,
        use_rslora=settings.rslora,
        use_dora=settings.method == "dora",
        target_modules=list(targets),
        # PEFT takes layers only together with names.
        layers_to_transform=None if _wants_all(settings) else list(settings.layers_to_transform) or None,
    )


def check_shard(settings: TrainSettings) -> None:
    """Raise ConfigError where ``shard=on`` is asked for and cannot be."""
    if settings.shard == "on" and (why := cannot_shard(settings)):
        raise ConfigError(f"shard=on: with {why} the model cannot be sharded so.", "Leave shard or that out.")


def cannot_shard(settings: TrainSettings) -> str:
    """The setting with which a model cannot be sharded; empty where there is none.

    LLM.int8 keeps scales on the weight, which are lost when it is cut, and 8-bit AdamW takes no DTensor (bitsandbytes
    0.50). With preferences, what is remembered of the reference would have processes take different numbers of passes.
    """
    if settings.trainer == "trl":  # accelerate is told how
        return "trainer=trl"
    if settings.method in ("lora-8bit", *PREFERENCE_METHODS):
        return f"method={settings.method}"
    return "optimizer=adamw-8bit" if settings.optimizer == "adamw-8bit" else ""


def shard(model: Any, accelerator: "Accelerator", dtype: "torch.dtype | None") -> None:
    """Leave each process a part of all weights; a layer is gathered while it is computed (FSDP2, 2304.11277).

    Weights come to the process's device part by part. They are gathered in ``dtype``; None gathers them as they are.
    """
    import torch
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
    policy = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32 if dtype else None)
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    layers = [module for module in base.modules() if type(module).__name__ in (base._no_split_modules or ())]
    for module in (*layers, base):
        fully_shard(module, mesh=mesh, mp_policy=policy)


def part_of(tensor: "torch.Tensor", weight: "torch.Tensor") -> "torch.Tensor":
    """What of a whole tensor this process has where it has a part of ``weight``."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(weight, DTensor) or tensor.shape != weight.shape:
        return tensor
    return distribute_tensor(tensor.to(weight.device), weight.device_mesh, weight.placements, src_data_rank=None)


def trained(model: Any) -> list[tuple[str, Any]]:
    """Names and weights that training changes, in the model's order; tied ones once."""
    return [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]


def _wants_all(settings: TrainSettings) -> bool:
    return settings.target_modules == ("all-linear",)


def _all_linear(base: Any, layers: Collection[int]) -> list[str]:
    """Linear layers of what reads and writes text, by their full names.

    Left out are the head, eyes and ears, routers, and in a model of experts all but attention. PEFT's own "all-linear"
    has all these but the head; then training fails at its first pass, or saving at its end.
    """
    text, head = base.get_decoder() or base, base.get_output_embeddings()
    inside = {id(module) for module in text.modules() if module is not head}
    modules = dict(base.named_modules())
    has_experts = any(
        name.endswith(".experts") and next(modules[name].parameters(recurse=False), None) is not None
        for name in modules
    )
    unfit = _ROUTERS | _LIKE_EXPERTS if has_experts else _ROUTERS
    return [
        name
        for name in linear_shapes(base)
        if id(modules[name]) in inside
        and not unfit.intersection(name.split("."))
        and (not layers or _layer_of(name) in layers)
    ]


def _check_targets(base: Any, settings: TrainSettings) -> None:
    """PEFT passes over a name that fits nothing as long as another one fits."""
    linears = linear_shapes(base)
    for target in () if _wants_all(settings) else settings.target_modules:
        fitting = [name for name in linears if name == target or name.endswith(f".{target}")]
        if not fitting:
            names = sorted({name.rsplit(".", 1)[-1] for name in linears})
            near = difflib.get_close_matches(target, names, n=1)
            raise ConfigError(
                f"target_modules={target}: the model has no such linear layer.",
                f"Did you mean {near[0]}?" if near else f"There are: {', '.join(names)}.",
            )
        if settings.layers_to_transform and all(_layer_of(name) is None for name in fitting):
            raise ConfigError(
                f"target_modules={target}: it is in none of the model's layers.",
                "Leave out it or layers_to_transform.",
            )
    layers = base.config.get_text_config().num_hidden_layers
    beyond = [layer for layer in settings.layers_to_transform if layer >= layers]
    if beyond:
        raise ConfigError(
            f"layers_to_transform={beyond[0]}: the model has {layers} layers.", f"Name some of 0 to {layers - 1}."
        )


def _layer_of(name: str) -> int | None:
    """The number of the layer that a module is in; None outside of layers."""
    return next((int(part) for part in name.split(".") if part.isdigit()), None)
