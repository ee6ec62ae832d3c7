"""LoRA files of strangers: what is taken from ``adapter_config.json``, and whether the weights fit it and the model.

PEFT's configuration can also import modules by name, hold regular expressions, replicate layers, change the base
weights when an adapter is loaded, and replace heads; an adapter that asks for such things is refused with the key that
does. What passes here cannot fail half-way inside PEFT, which would leave a changed model behind.
"""

import json
import logging
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from assistant.artifacts.cards import CONFIG_FILE, WEIGHTS_FILE, AdapterCard
from assistant.errors import AdapterError, first_fault, one_line

if TYPE_CHECKING:
    from peft import LoraConfig

Shape = tuple[int, ...]
PREFIX = "base_model.model."
"""Of the name of each tensor that PEFT keeps."""
# Targets that a message names.
_SHOWN = 3
_REPAIR = "Restore the adapter, or train again with --force."
# PEFT reads names in regular expressions; these cannot be any but themselves.
_ModuleName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+$")]
# In patterns of ranks PEFT's own manual writes whole names, from their beginning.
_Pattern = Annotated[str, StringConstraints(pattern=r"^\^?[A-Za-z0-9_.-]+$")]
_Rank = Annotated[int, Field(ge=1, le=65_536)]


class _Understood(BaseModel):
    """The keys of PEFT's configuration that may differ from their defaults."""

    model_config = ConfigDict(extra="ignore", strict=True)

    peft_type: Literal["LORA"]
    task_type: Literal["CAUSAL_LM"]
    base_model_name_or_path: str
    r: _Rank
    lora_alpha: float = Field(gt=0)
    lora_dropout: float = Field(0.0, ge=0.0, le=1.0)
    target_modules: list[_ModuleName] = Field(min_length=1)
    exclude_modules: list[_ModuleName] | None = None
    layers_to_transform: list[int] | int | None = None
    layers_pattern: list[_ModuleName] | _ModuleName | None = None
    rank_pattern: dict[_Pattern, _Rank] = Field(default_factory=dict)
    alpha_pattern: dict[_Pattern, float] = Field(default_factory=dict)
    use_rslora: bool = False
    use_dora: bool = False
    # Said by PEFT about itself; without effect on an adapter that is loaded.
    inference_mode: bool = True
    peft_version: str = ""
    init_lora_weights: bool | Literal["gaussian"] = True


_ABOUT_ITSELF = frozenset({"peft_type", "base_model_name_or_path", "peft_version", "init_lora_weights"})


def read_lora_config(folder: Path, card: AdapterCard) -> "LoraConfig":
    """PEFT's configuration of the adapter in ``folder``, made anew from the keys that are understood.

    Raises AdapterError for what is missing, damaged, not understood, or contradicts the card.
    """
    file = folder / CONFIG_FILE
    content = config_content(file)
    config = understood_config(content, str(file))
    if (base := content["base_model_name_or_path"]) != card.base:
        raise AdapterError(f"{file} names the base {base}, the card {card.base}.", _REPAIR)
    return config


def config_content(file: Path) -> dict[str, Any]:
    """What ``adapter_config.json`` says, understood or not. Raises AdapterError."""
    try:
        return dict(json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise AdapterError(f"{file} cannot be read: {one_line(error)}.", _REPAIR) from None


def understood_config(content: Mapping[str, Any], place: str) -> "LoraConfig":
    """PEFT's configuration with what is understood of ``content``. Raises AdapterError for what is not."""
    from peft import LoraConfig

    config = _understood(content, place)
    return LoraConfig(**config.model_dump(exclude=set(_ABOUT_ITSELF), exclude_none=True))


def write_lora_config(folder: Path, config: "LoraConfig", base: str) -> None:
    """Write ``adapter_config.json`` with the keys that are understood; all others have PEFT's defaults.

    Raises AdapterError for a configuration that would not be read again.
    """
    content = _plain(config)
    content |= {"base_model_name_or_path": base, "task_type": "CAUSAL_LM", "inference_mode": True, "auto_mapping": None}
    text = _understood(content, "The adapter's configuration").model_dump_json(indent=2, exclude_none=True)
    (folder / CONFIG_FILE).write_text(text + "\n", encoding="utf-8")


def read_lora_weights(folder: Path, config: "LoraConfig", linears: Mapping[str, Shape]) -> dict[str, Any]:
    """The tensors of an adapter, in which every target of ``config`` has its own, of numbers and the right shape.

    ``linears`` are the linear layers of the base model: name → (out, in). Raises AdapterError.
    """
    from peft.tuners.tuners_utils import check_target_module_exists
    from peft.utils.other import get_pattern_key
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = folder / WEIGHTS_FILE
    try:
        tensors: dict[str, Any] = load_file(file)
    except (OSError, SafetensorError) as error:
        raise AdapterError(f"{file} cannot be read: {' '.join(str(error).split())}.", _REPAIR) from None
    ranks = config.rank_pattern or {}
    wanted: dict[str, Shape] = {}
    for name, (rows, columns) in linears.items():
        if check_target_module_exists(config, name):
            rank = ranks.get(get_pattern_key(list(ranks), name), config.r)
            wanted[f"{PREFIX}{name}.lora_A.weight"] = (rank, columns)
            wanted[f"{PREFIX}{name}.lora_B.weight"] = (rows, rank)
            if config.use_dora:
                wanted[f"{PREFIX}{name}.lora_magnitude_vector"] = (rows,)
    if not wanted:
        raise AdapterError(
            f"{folder / CONFIG_FILE} targets {', '.join(sorted(config.target_modules or [])[:_SHOWN])}, which the base"
            " model does not have.",
            _REPAIR,
        )
    for name in sorted(wanted.keys() | tensors.keys()):
        shape = tuple(tensors[name].shape) if name in tensors else "none"
        if shape != wanted.get(name):
            raise AdapterError(
                f"{file}: {name} has the shape {shape}, but configuration and base model want"
                f" {wanted.get(name, 'none')}.",
                _REPAIR,
            )
        if not tensors[name].isfinite().all():
            raise AdapterError(f"{file}: {name} holds what is no number.", _REPAIR)
    return tensors


def target_names(layers: Collection[str], linears: Collection[str]) -> list[str]:
    """How a configuration names ``layers``: by the last parts of their names, if no other of ``linears`` has them."""
    last = {layer.rpartition(".")[2] for layer in layers}
    named = {layer for layer in linears if layer.rpartition(".")[2] in last}
    return sorted(last if named == set(layers) else layers)


def linear_shapes(model: Any) -> dict[str, Shape]:
    """Linear layers of a model without adapters: name → (out, in)."""
    import torch

    layers = ((name, layer) for name, layer in model.named_modules() if isinstance(layer, torch.nn.Linear))
    return {name: (layer.out_features, layer.in_features) for name, layer in layers}


@contextmanager
def quiet_peft() -> Iterator[None]:
    """Keep to ourselves what bitsandbytes and PEFT say while they are imported and wrap a model."""
    bitsandbytes = logging.getLogger("bitsandbytes")
    level = bitsandbytes.level
    bitsandbytes.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")
            import peft  # noqa: F401 - its first import is one of the things that speak

            yield
    finally:
        bitsandbytes.setLevel(level)


def _understood(content: Mapping[str, Any], place: str) -> _Understood:
    from peft import LoraConfig

    try:
        config = _Understood.model_validate(content)
    except ValidationError as error:
        raise AdapterError(f"{place} cannot be used: {first_fault(error)}.", _REPAIR) from None
    defaults = _plain(LoraConfig())
    for key, value in content.items():
        if key not in _Understood.model_fields and value and value != defaults.get(key):
            shown = json.dumps(value)[:100]
            raise AdapterError(f"{place} sets {key}={shown}, which is not supported.", "Use plain LoRA or DoRA.")
    return config


def _plain(config: "LoraConfig") -> dict[str, Any]:
    """As JSON has it; sets in an order that does not change."""
    content = config.to_dict()  # type: ignore[no-untyped-call]
    plain: dict[str, Any] = json.loads(json.dumps(content, default=sorted))
    return plain
