"""Which engine the settings ask for."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from assistant import models
from assistant.artifacts.cards import BASE, adapter_folder, read_card
from assistant.config import DeviceSettings, EngineSettings, Settings
from assistant.engines import Engine, ReticentEngine
from assistant.errors import ConfigError, ModelError
from assistant.models.catalogue import entry_of

if TYPE_CHECKING:
    from assistant.engines.local import LocalEngine

# Of weights in 16 bits: 8 and 4 bits with their scales, and embeddings, a tenth to a fourth of a model, as they are.
_QUANTISED_SHARES = {"auto": 1.0, "none": 1.0, "8bit": 0.6, "4bit": 0.4}
# OpenVINO unfolds weights of 16 bits, and lays them out anew (9.0 GiB for 2.9, measured with 1.5 billion parameters).
_UNFOLDED = 3.2


def uses_server(settings: EngineSettings) -> bool:
    """Whether a server runs the model. Raises ConfigError when it should and no address is named."""
    if settings.runtime == "openai" and not settings.url:
        raise ConfigError("engine.runtime is openai, but engine.url names no server.", "Set engine.url.")
    return settings.runtime == "openai" or (settings.runtime == "auto" and bool(settings.url))


def open_engine(settings: Settings, adapters: Path | None = None) -> Engine:
    """The engine that the settings ask for, with the adapters of a folder; a server has its own beside them.

    Nothing is loaded or sent yet. Raises ConfigError for a server without an address, ModelError for a model that is
    unknown or that the runtime cannot run.
    """
    if uses_server(settings.engine):
        from assistant.engines.openai_engine import OpenAIEngine

        return OpenAIEngine(settings.engine, adapters)
    return local_engine(settings.engine, settings.device, adapters)


def open_answering(settings: Settings, adapters: Path | None = None) -> Engine:
    """The engine that answers people: of a base model that is no better than quotations, only adapters speak.

    Raises what ``open_engine`` raises.
    """
    engine = open_engine(settings, adapters)
    return engine if speaks(settings.engine) else ReticentEngine(lambda: engine)


def speaks(settings: EngineSettings) -> bool:
    """Whether the base model answers in its own words."""
    return reads(settings) if settings.generate == "auto" else settings.generate == "always"


def reads(settings: EngineSettings) -> bool:
    """Whether the base model reads passages; False for those that are known to answer no better than quotations."""
    known = None if uses_server(settings) else entry_of(settings.model)
    return not (known and known.quotes)


def weights_held(settings: Settings) -> tuple[str, float]:
    """What runs the model, and why nothing faster does; and bytes that its weights take there, of a server none.

    Raises ModelError for an unknown model.
    """
    from assistant.engines.openvino_engine import in_8_bits, why_not

    engine = settings.engine
    if uses_server(engine):
        return "a server", 0.0
    files = sum(file.stat().st_size for file in models.engine_folder(engine.model).glob("*.safetensors"))
    runtime, share = "transformers", _QUANTISED_SHARES[engine.quantize]
    if engine.runtime != "transformers":
        if reason := why_not(engine, settings.device):
            runtime = f"transformers ({reason})"
        elif in_8_bits(engine):
            runtime, share = "OpenVINO in 8 bits", _QUANTISED_SHARES["8bit"]
        else:
            runtime, share = "OpenVINO", _UNFOLDED
    return runtime, files * share


def free_memory(device: DeviceSettings) -> int:
    """Bytes that are free where the model runs."""
    import psutil
    import torch

    from assistant.models.loading import choose

    on_gpu = choose(device).name == "cuda"
    return torch.cuda.mem_get_info()[0] if on_gpu else int(psutil.virtual_memory().available)


def refuse_too_large(settings: Settings, instead_of: Settings | None = None) -> None:
    """Raise ModelError for a model whose weights do not fit into memory, also when those of another one have left."""
    runtime, needed = weights_held(settings)
    free: float = free_memory(settings.device)
    if instead_of:
        with suppress(ModelError):  # one that is gone leaves nothing
            free += weights_held(instead_of)[1]
    if needed > free:
        gone = ", with the one before gone" if instead_of else ""
        raise ModelError(
            f"{settings.engine.model}, run by {runtime}, needs {needed / 2**30:.1f} GiB for its weights, and"
            f" {free / 2**30:.1f} are free{gone}.",
            "Close other programs, set engine.quantize=8bit or 4bit, or choose a smaller model.",
        )


def check_engine(settings: EngineSettings) -> None:
    """Tell before anything is loaded that there is no such model; a server tells it at the first question.

    Raises ModelError, and ConfigError for a server without an address.
    """
    if not uses_server(settings):
        models.check_engine_name(settings.model)


def check_adapter(settings: Settings, adapters: Path, adapter: str | None) -> None:
    """Tell before anything is loaded that there is no such adapter; a server tells it at the first question.

    Raises what ``adapter_folder`` and ``read_card`` raise.
    """
    if adapter and adapter != BASE and not uses_server(settings.engine):
        read_card(adapter_folder(adapters, adapter))


def local_engine(settings: EngineSettings, device: DeviceSettings, adapters: Path | None = None) -> "LocalEngine":
    """The engine that ``engine.runtime`` names; ``auto`` takes OpenVINO where it can run the model: it is faster.

    Raises ModelError for an unknown model, and when OpenVINO is named and cannot run it.
    """
    from assistant.engines.openvino_engine import OpenVINOEngine, why_not

    reason = "" if settings.runtime == "transformers" else why_not(settings, device)
    if settings.runtime == "openvino" and reason:
        raise ModelError(f"engine.runtime is openvino, but {reason}.", "Set engine.runtime=auto.")
    if settings.runtime == "transformers" or reason:
        from assistant.engines.transformers_engine import TransformersEngine

        return TransformersEngine(settings, device, adapters)
    return OpenVINOEngine(settings, device, adapters)
