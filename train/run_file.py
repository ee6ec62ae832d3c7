"""The settings of a training run (``assistant.config.train_settings``), read from a run file and the command line.

A run file is flat YAML, and ``key=value`` on the command line wins over it:

    # assistant train house.yaml
    name: house
    rank: 16

A key that does not exist is refused with the nearest one that does.
"""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from assistant.config import parse_value, read_yaml
from assistant.config.outdated import IN_RUN_FILES, current
from assistant.config.train_settings import PREFERENCE_METHODS, TrainSettings
from assistant.errors import ConfigError

# Adam's best rate falls with the width of a model (Yang et al. 2022, 2203.03466); 1e-3 is right at 576 (SmolLM2-135M).
_RATE_TIMES_WIDTH = 1e-3 * 576
_LEAST_RATE, _LARGEST_RATE = 2e-4, 2e-3  # widths of 2,880 and 288, as far as the rule is trusted
# LoRA wants ten times the rate of full fine-tuning ("LoRA Without Regret", 2025).
_FULL_SHARE = 0.1
# DPO of whole models takes 5e-7 to 1e-6 (Rafailov et al. 2023; Tunstall et al. 2023), and LoRA ten times that.
_PREFERENCE_SHARE = 0.05


def load(file: Path | None = None, assignments: Iterable[str] = ()) -> TrainSettings:
    """The settings of a run file and of ``key=value`` texts, which win.

    Raises ConfigError for an unknown key (naming the nearest), an impossible value, or a file that is not a flat
    YAML mapping.
    """
    return validated(given(file, assignments))


def given(file: Path | None, assignments: Iterable[str]) -> dict[str, Any]:
    """What a run file and ``key=value`` texts state, by key, before it is checked. Raises ConfigError as ``load``."""
    content = (read_yaml(file) if file else None) or {}
    if not isinstance(content, dict):
        raise ConfigError(f"{file} holds a {type(content).__name__}, not settings.", "Write 'key: value' lines.")
    stated = [(str(key), value, str(file)) for key, value in content.items()]
    asked = []
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(f"'{assignment}' is not a setting.", "Write key=value, as in rank=16.")
        field = TrainSettings.model_fields.get(key.strip())
        asked.append((key.strip(), parse_value(text, field and field.annotation, assignment), "command line"))
    entries = [*current(stated, IN_RUN_FILES), *current(asked, IN_RUN_FILES)]
    known = list(TrainSettings.model_fields)
    for key, _, source in entries:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            remedy = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known)}."
            raise ConfigError(f"Unknown setting '{key}' ({source}).", remedy)
    return {key: value for key, value, _ in entries}


def validated(values: Mapping[str, Any]) -> TrainSettings:
    """Settings from values by key. Raises ConfigError that names the first impossible one."""
    try:
        return TrainSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        # YAML takes null, yes, 0x10 and dates for something else than words.
        is_quotable = first["type"] == "string_type"
        remedy = "Put it in quotes." if is_quotable else f"{key}: {TrainSettings.model_fields[key].description}"
        raise ConfigError(f"{key}={first['input']!r}: {first['msg']}.", remedy) from None


def learning_rate(settings: TrainSettings, width: int) -> float:
    """The peak rate: as set, else chosen for a model with hidden states of ``width`` numbers."""
    if settings.learning_rate:
        return settings.learning_rate
    rate = min(max(_RATE_TIMES_WIDTH / width, _LEAST_RATE), _LARGEST_RATE)
    shares = {"full": _FULL_SHARE, **dict.fromkeys(PREFERENCE_METHODS, _PREFERENCE_SHARE)}
    return rate * shares.get(settings.method, 1.0)
