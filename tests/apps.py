"""The app over small corpora and an engine that does as it is told, for tests."""

from collections.abc import Mapping
from typing import Any

from serving import service_of

from assistant.config import load
from assistant.engines import Engine
from assistant.workspace import Workspace
from ui.context import AppContext, make_context

NO_LIMITS = {"questions_per_minute": 0}


def app_context(
    workspace: Workspace, engine: Engine, changes: Mapping[str, Mapping[str, Any]] | None = None
) -> AppContext:
    """What the pages are built from; ``changes`` are settings by section."""
    settings = {**(changes or {}), "ui": {**NO_LIMITS, **(changes or {}).get("ui", {})}}
    service = service_of(workspace, engine, settings)
    _, origins = load(environment={})
    return make_context(workspace, service.settings, origins, service)
