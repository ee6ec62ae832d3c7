"""The settings of one training run, each written once: its default, its bounds, what it does.

A run file is flat YAML, and ``key=value`` on the command line wins over it:

    # assistant train house.yaml
    name: house
    rank: 16

A key that does not exist is refused with the nearest one that does.
"""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from assistant.config import Section, parse_value, read_yaml
from assistant.errors import ConfigError

Method = Literal["lora", "qlora", "lora-8bit", "dora", "full"]


def _listed(value: Any) -> Any:
    """``a,b`` and a single value as lists, so that a command line needs no brackets."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return (value,) if isinstance(value, int) and not isinstance(value, bool) else value


# Adam's best rate falls with the width of a model (Yang et al. 2022, 2203.03466); 1e-3 is right at 576 (SmolLM2-135M).
_RATE_TIMES_WIDTH = 1e-3 * 576
_LEAST_RATE, _LARGEST_RATE = 2e-4, 2e-3
# LoRA wants ten times the rate of full fine-tuning ("LoRA Without Regret", 2025).
_FULL_SHARE = 0.1


class TrainSettings(Section):
    """What is trained, on what, and how."""

    name: str = Field("", description="Name of the adapter; empty takes the name of the pairs.")
    pairs: str = Field("", description="Set of pairs to learn from; empty takes the newest.")
    method: Method = Field(
        "lora",
        description="lora; qlora (base in 4-bit NF4), lora-8bit, dora (direction and length apart), or full.",
    )
    rank: int = Field(16, ge=1, le=1024, description="Rank of the adapter's matrices.")
    alpha: float = Field(32.0, gt=0, description="Strength of the adapter: it is scaled by alpha / rank.")
    rslora: bool = Field(False, description="Scale by alpha / sqrt(rank), which keeps large ranks stable.")
    dropout: float = Field(0.0, ge=0.0, lt=1.0, description="Share of the adapter's inputs left out while training.")
    target_modules: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Field(
        ("all-linear",),
        min_length=1,
        description="Modules that get an adapter: all-linear (all but the head), or names as in q_proj,v_proj.",
    )
    layers_to_transform: Annotated[tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(_listed)] = Field(
        (), description="Layers that get an adapter, counted from 0, as in 20,21,22; empty takes all."
    )
    epochs: int = Field(2, ge=1, le=1000, description="How often each pair is seen, unless training stops early.")
    max_steps: int = Field(0, ge=0, description="Optimiser steps instead of epochs; 0 goes by epochs.")
    batch: int = Field(8, ge=1, le=4096, description="Pairs in one optimiser step, over all processes.")
    learning_rate: float = Field(
        0.0, ge=0.0, le=1.0, description="Peak rate; 0 chooses it from the model's width (1e-3 at 135M, 2e-4 at 7B)."
    )
    schedule: Literal["cosine", "linear", "constant"] = Field(
        "cosine", description="How the rate falls after the warm-up."
    )
    warmup: float = Field(0.06, ge=0.0, lt=1.0, description="Share of the steps in which the rate rises.")
    weight_decay: float = Field(0.01, ge=0.0, le=1.0, description="Pull of weights towards zero (AdamW).")
    max_gradient: float = Field(1.0, gt=0, description="Norm to which gradients are clipped.")
    batch_tokens: int = Field(
        0,
        ge=0,
        description="Most tokens computed at once; more needs more memory. 0 takes 2048 on a CPU, 16384 on a GPU.",
    )
    share_prefixes: bool = Field(
        True, description="Run system text and passages that pairs have in common once for all of them."
    )
    checkpointing: bool = Field(
        False, description="Compute activations twice instead of keeping them: a third slower, far less memory."
    )
    evaluate_every: int = Field(
        0, ge=0, description="Steps between validations; 0 takes a quarter of an epoch, at least 10."
    )
    validation_pairs: int = Field(64, ge=0, description="Most pairs to validate on, drawn once by chance; 0 takes all.")
    patience: int = Field(4, ge=0, description="Validations without progress before training stops; 0 never stops.")
    checkpoint_minutes: float = Field(
        5.0, ge=0.0, description="Longest work that a crash can cost; 0 saves after every step."
    )
    seed: int = Field(7, ge=0, le=2**31, description="Everything random follows from it.")
    report_to: Literal["none", "tensorboard", "wandb", "mlflow", "trackio"] = Field(
        "none", description="A tracker that gets the metrics too; it may send them elsewhere."
    )


def load(file: Path | None = None, assignments: Iterable[str] = ()) -> TrainSettings:
    """The settings of a run file and of ``key=value`` texts, which win.

    Raises ConfigError for an unknown key (naming the nearest), an impossible value, or a file that is not a flat
    YAML mapping.
    """
    return validated(given(file, assignments))


def given(file: Path | None, assignments: Iterable[str]) -> dict[str, Any]:
    """What a run file and ``key=value`` texts state, by key, before it is checked. Raises ConfigError as ``load``."""
    values = _read(file) if file else {}
    for key in values:
        _known(key, str(file))
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(f"'{assignment}' is not a setting.", "Write key=value, as in rank=16.")
        key = _known(key.strip(), "command line")
        values[key] = parse_value(text, TrainSettings.model_fields[key].annotation, assignment)
    return values


def validated(values: Mapping[str, Any]) -> TrainSettings:
    """Settings from values by key. Raises ConfigError that names the first impossible one."""
    try:
        return TrainSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        raise ConfigError(
            f"{key}={first['input']!r}: {first['msg']}.", f"{key}: {TrainSettings.model_fields[key].description}"
        ) from None


def learning_rate(settings: TrainSettings, width: int) -> float:
    """The peak rate: as set, else chosen for a model with hidden states of ``width`` numbers."""
    if settings.learning_rate:
        return settings.learning_rate
    rate = min(max(_RATE_TIMES_WIDTH / width, _LEAST_RATE), _LARGEST_RATE)
    return rate * _FULL_SHARE if settings.method == "full" else rate


def _read(file: Path) -> dict[str, Any]:
    content = read_yaml(file)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{file} holds a {type(content).__name__}, not settings.", "Write 'key: value' lines.")
    return {str(key): value for key, value in content.items()}


def _known(key: str, source: str) -> str:
    keys = list(TrainSettings.model_fields)
    if key in keys:
        return key
    near = difflib.get_close_matches(key, keys, n=1, cutoff=0.5)
    remedy = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(keys)}."
    raise ConfigError(f"Unknown setting '{key}' ({source}).", remedy)
