"""Which of the engines that run in this process."""

from pathlib import Path

from assistant.config import DeviceSettings, EngineSettings
from assistant.engines.local import LocalEngine
from assistant.errors import ModelError


def local_engine(settings: EngineSettings, device: DeviceSettings, adapters: Path | None = None) -> LocalEngine:
    """The engine that ``engine.runtime`` names; ``auto`` takes OpenVINO where it can run the model: it is faster.

    Raises ModelError for an unknown model, and when OpenVINO is named and cannot run it.
    """
    from assistant.engines.openvino_engine import OpenVINOEngine, why_not
    from assistant.engines.transformers_engine import TransformersEngine

    reason = "" if settings.runtime == "transformers" else why_not(settings, device)
    if settings.runtime == "openvino" and reason:
        raise ModelError(f"engine.runtime is openvino, but {reason}.", "Set engine.runtime=auto.")
    if settings.runtime == "transformers" or reason:
        return TransformersEngine(settings, device, adapters)
    return OpenVINOEngine(settings, device, adapters)
