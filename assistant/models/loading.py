"""Where models run and in which precision, how transformers holds them, and that it stays quiet about it."""

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assistant.config import DeviceSettings
from assistant.errors import ModelError, one_line

if TYPE_CHECKING:
    import torch
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

from assistant.config import EngineSettings


@dataclass(frozen=True, slots=True)
class Device:
    """The chosen device and precision (both as torch names), with the reason for each."""

    name: str
    dtype: str
    reason: str

    @property
    def torch_dtype(self) -> "torch.dtype":
        import torch

        dtype = getattr(torch, self.dtype)
        assert isinstance(dtype, torch.dtype)
        return dtype


@functools.cache
def choose(settings: DeviceSettings) -> Device:
    """Probe the machine. Raises ModelError when a device is demanded that is not there."""
    import torch

    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if settings.name == "auto":
        name: str = next(name for name, found in present.items() if found)
        reason = "no GPU found" if name == "cpu" else f"{name} found"
    elif present[settings.name]:
        name, reason = settings.name, f"device.name={settings.name} is set"
    else:
        raise ModelError(
            f"device.name={settings.name}, but this machine or build of torch has none.", "Set it to auto."
        )
    if settings.dtype != "auto":
        return Device(name, settings.dtype, f"{reason}; device.dtype={settings.dtype} is set")
    # Instructions that make bfloat16 faster than float32; without them it is emulated and slower. torch < 2.10 has no
    # public list of capabilities; there float32 is the safe choice.
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    features = [feature for feature in ("amx_bf16", "avx512_bf16") if capabilities.get(feature)]
    if name == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return Device(name, "bfloat16", f"{reason}; the GPU computes in bfloat16")
    if name == "cuda":
        return Device(name, "float16", f"{reason}; the GPU has no bfloat16")
    if name == "mps":
        return Device(name, "float16", f"{reason}; float16 is fastest on Apple GPUs")
    if features:
        return Device(name, "bfloat16", f"{reason}; the processor computes in bfloat16 ({', '.join(features)})")
    return Device(name, "float32", f"{reason}; the processor has neither AMX nor AVX512-BF16")


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep the loading bars and reports of transformers off a terminal that shows our own."""
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


@contextmanager
def load_errors(what: str, setting: str) -> Iterator[None]:
    """What goes wrong in a library while a model is loaded, as a ModelError that names the model and its setting."""
    try:
        yield
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelError(f"{what} cannot be loaded: {one_line(error)}", f"Check {setting}.") from error


def read_config(folder: Path, engine: EngineSettings, named: str = "") -> Any:
    """The configuration of a model, as transformers reads it. Raises ModelError, which calls it ``named``."""
    from transformers import AutoConfig

    with load_errors(f"The model {named or folder}", "engine.model"):
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=engine.trust_remote_code)


def load_causal(
    folder: Path, engine: EngineSettings, dtype: Any, place: Any, bits: str = "", named: str = "", config: Any = None
) -> Any:
    """A causal model from safetensors on ``place``, a torch device, in ``dtype``; or with its weights in fewer bits:
    ``8bit`` (LLM.int8, arXiv:2208.07339), ``4bit`` (NF4 with double quantisation, arXiv:2305.14314), which need
    bitsandbytes and compute in ``dtype``. ``config`` stands in for that of the folder.

    Raises ModelError, which calls the model ``named``.
    """
    import transformers

    configuration: Any = transformers.BitsAndBytesConfig
    four = {"bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True, "bnb_4bit_compute_dtype": dtype}
    held = {"": None, "8bit": {"load_in_8bit": True}, "4bit": {"load_in_4bit": True, **four}}[bits]
    with load_errors(f"The model {named or folder}", "engine.model"), quiet_transformers():
        model: Any = transformers.AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=dtype,
            quantization_config=configuration(**held) if held else None,
            device_map={"": place} if held else None,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=engine.trust_remote_code,
        )
    return model if held else model.to(place)


def parameters(folder: Path) -> int:
    """How many numbers the weights in a folder are; their files are not read. Raises ModelError."""
    from safetensors import SafetensorError, safe_open

    count = 0
    try:
        for file in folder.glob("*.safetensors"):
            with safe_open(file, "numpy") as weights:
                count += sum(prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ModelError(f"The weights in {folder} cannot be read: {error}.", "Fetch the model again.") from error
    return count
