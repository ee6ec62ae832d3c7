"""Which engine the settings ask for."""

from pathlib import Path
from typing import TYPE_CHECKING

from assistant import models
from assistant.artifacts.cards import BASE, adapter_folder, read_card
from assistant.config import DeviceSettings, EngineSettings, Settings
from assistant.engines.base import Engine, ReticentEngine
from assistant.errors import ConfigError, ModelError
from assistant.models.catalogue import entry_of

if TYPE_CHECKING:
    from assistant.engines.local import LocalEngine


def uses_server(settings: EngineSettings) -> bool:
    """Whether a server runs the model. Raises ConfigError when it should and no address is named."""
    if settings.runtime == "openai" and not settings.url:
        raise ConfigError("engine.runtime is openai, but engine.url names no server.", "Set engine.url.")
    return settings.runtime == "openai" or (settings.runtime == "auto" and bool(settings.url))


def open_engine(settings: Settings, adapters: Path | None = None) -> Engine:
    """The engine that the settings ask for, with the adapters of a folder; a server has its own.

    Nothing is loaded or sent yet. Raises ConfigError for a server without an address, ModelError for a model that is
    unknown or that the runtime cannot run.
    """
    if uses_server(settings.engine):
        from assistant.engines.openai_engine import OpenAIEngine

        return OpenAIEngine(settings.engine)
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
