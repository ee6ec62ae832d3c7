"""Where models run and in which precision: probed once, said aloud by ``assistant doctor``."""

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assistant.config import DeviceSettings
from assistant.errors import ModelError

if TYPE_CHECKING:
    import torch


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
    name, name_reason = _choose_name(settings.name)
    if settings.dtype != "auto":
        return Device(name, settings.dtype, f"{name_reason}; device.dtype={settings.dtype} is set")
    dtype, dtype_reason = _choose_dtype(name)
    return Device(name, dtype, f"{name_reason}; {dtype_reason}")


def _choose_name(wanted: str) -> tuple[str, str]:
    import torch

    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted != "auto":
        if not present[wanted]:
            raise ModelError(f"device.name={wanted}, but this machine or build of torch has none.", "Set it to auto.")
        return wanted, f"device.name={wanted} is set"
    name = next(name for name, found in present.items() if found)
    return name, "no GPU found" if name == "cpu" else f"{name} found"


def _choose_dtype(name: str) -> tuple[str, str]:
    import torch

    if name == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bfloat16", "the GPU computes in bfloat16"
        return "float16", "the GPU has no bfloat16"
    if name == "mps":
        return "float16", "float16 is fastest on Apple GPUs"
    features = _cpu_features()
    if features:
        return "bfloat16", f"the processor computes in bfloat16 ({', '.join(features)})"
    return "float32", "the processor has neither AMX nor AVX512-BF16"


def _cpu_features() -> tuple[str, ...]:
    """Instructions that make bfloat16 faster than float32; without them it is emulated and slower."""
    import torch

    # torch < 2.10 has no public list of capabilities; there float32 is the safe choice.
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return tuple(name for name in ("amx_bf16", "avx512_bf16") if capabilities.get(name))
