"""What settings are made of: sections, and values that need more than a type."""

import ipaddress
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict


class Section(BaseModel):
    """A group of settings: frozen, bounded, finite, and closed to unknown names."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


def _off(value: Any) -> Any:
    """The word ``off``, which YAML takes for a no."""
    return "off" if value is False else value


def _host_name(text: str) -> str:
    """``text``. Raises ValueError for one that no browser could ask for."""
    if not re.fullmatch(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?", text):
        try:
            ipaddress.IPv6Address(text.strip("[]").replace("%", " "))
        except ValueError:
            raise ValueError("not the name or address of a host, without scheme, port and zone") from None
    return text


HostName = Annotated[str, AfterValidator(_host_name)]
OffWord = BeforeValidator(_off)


def _trackers(value: Any) -> Any:
    """``a,b`` as a list, so that a command line needs no brackets; ``none`` as an empty one."""
    if isinstance(value, str):
        return tuple(name for part in value.split(",") if (name := part.strip()) not in ("", "none"))
    return value


TrackerNames = Annotated[tuple[Literal["tensorboard", "mlflow", "wandb", "trackio"], ...], BeforeValidator(_trackers)]
"""Programs that keep the course of runs (``assistant.work.tracking``)."""
