"""Runs of Axolotl and LLaMA-Factory in our settings: ``assistant train --from axolotl.yml``.

    lora_r: 32                        rank=32
    micro_batch_size: 2               batch=8
    gradient_accumulation_steps: 4
    plugins: [axolotl.….LigerPlugin]  has no counterpart, and is named

What a file does not state is as it is here by default. A key whose value asks for nothing is not named; what would
train something else than answers is refused. Keys are those of https://docs.axolotl.ai/docs/config-reference.html and
https://llamafactory.readthedocs.io.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.config import read_yaml
from assistant.errors import ConfigError, UsageError, one_line
from assistant.workspace import safe_name

_AXOLOTL = {
    "lora_r": "rank", "lora_alpha": "alpha", "lora_dropout": "dropout", "peft_use_rslora": "rslora",
    "peft_layers_to_transform": "layers_to_transform", "num_epochs": "epochs", "max_steps": "max_steps",
    "learning_rate": "learning_rate", "weight_decay": "weight_decay", "warmup_ratio": "warmup",
    "max_grad_norm": "max_gradient", "early_stopping_patience": "patience", "seed": "seed",
    "loraplus_lr_ratio": "loraplus_lr_ratio", "neftune_noise_alpha": "neftune_noise_alpha",
}  # fmt: skip
_LLAMA_FACTORY = {
    "lora_rank": "rank", "lora_alpha": "alpha", "lora_dropout": "dropout", "use_rslora": "rslora",
    "num_train_epochs": "epochs", "max_steps": "max_steps", "learning_rate": "learning_rate",
    "weight_decay": "weight_decay", "warmup_ratio": "warmup", "max_grad_norm": "max_gradient", "seed": "seed",
    "loraplus_lr_ratio": "loraplus_lr_ratio", "neftune_noise_alpha": "neftune_noise_alpha",
}  # fmt: skip
_SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant", "constant_with_warmup": "constant"}
# Loaders of Hugging Face's datasets, where a path stands in Axolotl's list of them.
_LOADERS = frozenset({"json", "csv", "parquet"})
# Of LLaMA-Factory's data sets.
_DESCRIPTIONS = "dataset_info.json"
# What our readers call roles by themselves.
_KNOWN_ROLES = frozenset({"user", "human", "assistant", "gpt", "system"})
# And columns, beside those that have our own name.
_KNOWN_COLUMNS = {
    "messages": "conversations", "role": "from", "content": "value", "instruction": "question prompt query",
    "response": "answer output completion",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ForeignRun:
    """A run of another program, translated."""

    program: str
    values: Mapping[str, Any]
    """Settings of the training, by key."""
    assignments: tuple[str, ...]
    """Settings of the workspace, as ``--set`` has them."""
    unmatched: tuple[str, ...]
    """What has no counterpart, by name."""


class _Stated:
    """The keys of a mapping that ask for something; what is not taken has no counterpart."""

    def __init__(self, content: Any, prefix: str = "") -> None:
        if not isinstance(content, dict):
            raise ConfigError(f"{prefix or 'The file'} holds a {type(content).__name__}, not settings.", "Mend it.")
        self._left = {str(key): value for key, value in content.items() if value is not None and value != ""}
        self._prefix = prefix
        self.unmatched: list[str] = []

    def take(self, key: str) -> Any:
        """The value of a key; None where it is not stated."""
        return self._left.pop(key, None)

    def miss(self, key: str, value: Any) -> None:
        """Note that there is no counterpart to a value that was taken."""
        shown = ", ".join(map(_short, value)) if isinstance(value, list) else _short(value)
        self.unmatched.append(f"{self._prefix}{key}={shown}")

    def finish(self) -> list[str]:
        """All that has no counterpart."""
        for key, value in self._left.items():
            if value not in (False, 0, [], {}):
                self.miss(key, value)
        return self.unmatched


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 60 else f"{text[:59]}…"


def translated(file: Path) -> ForeignRun:
    """The run that a YAML file of Axolotl or LLaMA-Factory describes.

    Raises ConfigError for a file of neither, and for a run that does not train answers of text.
    """
    stated = _Stated(read_yaml(file))
    try:
        if model := stated.take("base_model"):
            program, (values, template) = "Axolotl", _axolotl(stated)
        elif model := stated.take("model_name_or_path"):
            program, (values, template) = "LLaMA-Factory", _llama_factory(stated, file.parent)
        else:
            raise ConfigError(
                f"{file} is no run of Axolotl (base_model) or LLaMA-Factory (model_name_or_path).",
                "Give a run file of ours without --from.",
            )
    except (
        AttributeError,
        TypeError,
        ValueError,
        OverflowError,
    ) as error:  # a list where a number should be, and the like
        raise ConfigError(
            f"{file}: a value is not of the type that it should be: {one_line(error)}.", "Mend it."
        ) from None
    assignments = (f"engine.model={model}", *([f"engine.chat_template={template}"] if template else []))
    return ForeignRun(program, values, assignments, tuple(stated.finish()))


def _axolotl(stated: _Stated) -> tuple[dict[str, Any], str]:
    """Settings of the training, and the chat template where one is named that we have."""
    if kind := stated.take("rl"):
        raise ConfigError(f"rl={kind}: preferences are not trained from a file of Axolotl.", "Take a run without rl.")
    values = _common(stated, _AXOLOTL, "lr_scheduler", "optimizer", ("micro_batch_size", "gradient_accumulation_steps"))
    adapter, bits8, bits4 = (stated.take(key) for key in ("adapter", "load_in_8bit", "load_in_4bit"))
    if adapter not in {None, "lora", "qlora"}:
        raise ConfigError(f"adapter={adapter} has no counterpart.", "There are lora, qlora, and none for all weights.")
    bits = 4 if adapter == "qlora" or bits4 else 8 if bits8 else 0
    values["method"] = _method(stated, adapter is not None, bits, "peft_use_dora")
    if modules := stated.take("lora_target_modules"):
        values["target_modules"] = modules
    if stated.take("lora_target_linear"):
        values["target_modules"] = "all-linear"
    if stated.take("gradient_checkpointing"):
        values["checkpointing"] = True
    _validation(stated, values, "val_set_size")
    # Other trackers may send what is learnt elsewhere: that is for who trains here to ask for.
    if stated.take("use_tensorboard"):
        values["report_to"] = "tensorboard"
    columns: dict[str, dict[str, str]] = {}
    for key, name in (("datasets", "data"), ("test_datasets", "validation_data")):
        for number, entry in enumerate(stated.take(key) or ()):
            values.setdefault(name, []).extend(_axolotl_data(stated, entry, f"{key}[{number}].", columns))
    values |= _columns(columns)
    template = stated.take("chat_template")
    if template not in {None, "chatml", "tokenizer_default"}:
        stated.miss("chat_template", template)
    return values, "chatml" if template == "chatml" else ""


def _axolotl_data(stated: _Stated, entry: Any, prefix: str, columns: dict[str, dict[str, str]]) -> list[str]:
    """The files, folders or ids of one data set; what it calls its columns is added to ``columns`` by its name."""
    inner = _Stated(entry, prefix)
    path, files, kind = (inner.take(key) for key in ("path", "data_files", "type"))
    names = {"field_messages": "messages", "message_field_role": "role", "message_field_content": "content"}
    called = {ours: found for theirs, ours in names.items() if (found := inner.take(theirs))}
    for ours, theirs in (inner.take("message_property_mappings") or {}).items():
        if ours in {"role", "content"}:
            called[ours] = theirs
        elif ours != theirs:
            inner.miss(f"message_property_mappings.{ours}", theirs)
    if isinstance(kind, dict):
        fields = _Stated(kind, f"{prefix}type.")
        own = {"field_instruction": "instruction", "field_input": "input", "field_output": "response"}
        own["field_system"] = "system"
        called |= {ours: found for theirs, ours in own.items() if (found := fields.take(theirs))}
        stated.unmatched += fields.finish()
    elif kind is not None:
        family = str(kind).partition(".")[0]
        if family in {"completion", "pretrain"}:
            raise ConfigError(f"{prefix}type={kind}: plain text to go on with holds no answers.", "Name other data.")
        if family not in {"alpaca", "chat_template", "sharegpt"}:
            inner.miss("type", kind)
    if inner.take("ds_type") not in {None, *_LOADERS}:
        inner.miss("ds_type", entry["ds_type"])
    if (split := inner.take("split")) not in {None, "train"}:
        inner.miss("split", split)
    roles = inner.take("roles") or {}
    if not {name for several in roles.values() for name in several} <= _KNOWN_ROLES:
        inner.miss("roles", roles)
    if (trained := inner.take("roles_to_train")) not in (None, ["assistant"], ["gpt"], ["assistant", "gpt"]):
        inner.miss("roles_to_train", trained)
    columns[prefix.rstrip(".")] = called
    subset = inner.take("name")
    stated.unmatched += inner.finish()
    if files and (path in _LOADERS or path is None):
        return [files] if isinstance(files, str) else list(files)
    if files:
        stated.miss(f"{prefix}data_files", files)
    if path is None:
        raise ConfigError(f"{prefix.rstrip('.')} names no path.", "State its path, or take it out.")
    return [f"{path}/{subset}" if subset else str(path)]


def _llama_factory(stated: _Stated, beside: Path) -> tuple[dict[str, Any], str]:
    """Settings of the training; the chat template is always the model's own."""
    if (stage := stated.take("stage")) not in {None, "sft"}:
        raise ConfigError(f"stage={stage}: only sft is trained from a file of LLaMA-Factory.", "Take one of sft.")
    kind = stated.take("finetuning_type")
    if kind not in {None, "lora", "full"}:
        raise ConfigError(f"finetuning_type={kind} has no counterpart.", "There are lora and full.")
    batch = ("per_device_train_batch_size", "gradient_accumulation_steps")
    values = _common(stated, _LLAMA_FACTORY, "lr_scheduler_type", "optim", batch)
    if "rank" in values:  # of which alpha is twice, unless it is stated
        values.setdefault("alpha", 2 * values["rank"])
    values["method"] = _method(stated, kind != "full", stated.take("quantization_bit") or 0, "use_dora")
    if target := stated.take("lora_target"):
        values["target_modules"] = "all-linear" if target == "all" else target
    if stated.take("disable_gradient_checkpointing"):
        values["checkpointing"] = False
    _validation(stated, values, "val_size")
    if (tracker := stated.take("report_to")) == "tensorboard":
        values["report_to"] = tracker
    elif tracker not in {None, "none"}:
        stated.miss("report_to", tracker)
    for key in ("do_train", "overwrite_output_dir", "eval_strategy"):
        stated.take(key)
    folder = Path(stated.take("dataset_dir") or "data").expanduser()
    folder = next((one for one in (folder, beside / folder) if (one / _DESCRIPTIONS).exists()), folder)
    columns: dict[str, dict[str, str]] = {}
    for key, name in (("dataset", "data"), ("eval_dataset", "validation_data")):
        named = stated.take(key) or ()
        for one in named.split(",") if isinstance(named, str) else named:
            values.setdefault(name, []).append(_described(stated, one.strip(), folder, columns))
    return values | _columns(columns), ""


def _described(stated: _Stated, name: str, folder: Path, columns: dict[str, dict[str, str]]) -> str:
    """The file or id of a data set that ``dataset_info.json`` describes; its columns are added to ``columns``."""
    file = folder / _DESCRIPTIONS
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        known = {}
    if name not in known:
        if Path(name).exists() or "/" in name:
            columns[name] = {}
            return name
        raise ConfigError(f"dataset={name} is described in no {file}.", "Name the file itself: data=FILE.")
    inner = _Stated(known[name], f"{name}.")
    if inner.take("ranking"):
        raise ConfigError(f"dataset={name} holds preferences, not answers.", "Name other data.")
    place, hub, part = (inner.take(key) for key in ("file_name", "hf_hub_url", "folder"))
    subset = inner.take("subset")
    inner.take("formatting")
    names = {"prompt": "instruction", "query": "input", "response": "response", "system": "system"}
    names |= {"history": "history", "messages": "messages"}
    called = inner.take("columns") or {}
    tags = inner.take("tags") or {}
    inner.unmatched += [f"{name}.columns.{key}" for key in called if key not in names]
    of_turns = {"role_tag": "role", "content_tag": "content"}
    odd = [key for key, tag in tags.items() if key not in of_turns and tag not in _KNOWN_ROLES]
    inner.unmatched += [f"{name}.tags.{key}={tags[key]}" for key in odd]
    mapped = {ours: called[theirs] for theirs, ours in names.items() if called.get(theirs)}
    columns[name] = mapped | {ours: tags[key] for key, ours in of_turns.items() if key in tags}
    if (split := inner.take("split")) not in {None, "train"}:
        inner.miss("split", split)
    stated.unmatched += inner.finish()
    if not (hub or place):
        raise ConfigError(f"dataset={name} has no file_name or hf_hub_url in {file}.", "State one, or take it out.")
    return "/".join(filter(None, (hub, part or subset))) if hub else str(folder / str(place))


def _columns(of_sets: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """The setting of what all sets call their columns, if it is needed. Raises ConfigError where they do not agree."""
    every = list(of_sets.values())
    if any(called != every[0] for called in every):
        every = [_unknown(called) for called in every]
    for name, called in zip(of_sets, every, strict=True):
        if called != every[0]:
            told = f"{name} calls its columns otherwise than {next(iter(of_sets))}, and one setting is for all."
            raise ConfigError(told, "Call them alike in all files, or train on sets that do.")
    return {"columns": dict(every[0])} if every and every[0] else {}


def _unknown(called: Mapping[str, str]) -> dict[str, str]:
    """What of a set's columns our readers have to be told: of a row, all or nothing, for then no others are read."""
    odd = {ours for ours, theirs in called.items() if theirs not in (ours, *_KNOWN_COLUMNS.get(ours, "").split())}
    in_turns = {"role", "content"}
    return {ours: called[ours] for ours in called if ours in odd or (ours not in in_turns and odd - in_turns)}


def _common(
    stated: _Stated, names: Mapping[str, str], schedule: str, optimizer: str, batch: tuple[str, str]
) -> dict[str, Any]:
    """What both have: the keys of ``names``, and those of ``schedule``, ``optimizer`` and the parts of a ``batch``."""
    values = {ours: found for theirs, ours in names.items() if (found := stated.take(theirs)) is not None}
    if int(values.get("max_steps", 1)) <= 0:
        del values["max_steps"]
    parts = [stated.take(key) for key in batch]
    if any(parts):
        values["batch"] = (parts[0] or 1) * (parts[1] or 1)
    if steps := stated.take("warmup_steps"):
        if "max_steps" in values and steps < values["max_steps"]:
            values["warmup"] = steps / values["max_steps"]
        else:
            stated.miss("warmup_steps", steps)
    if found := stated.take(schedule):
        if found in _SCHEDULES:
            values["schedule"] = _SCHEDULES[found]
        else:
            stated.miss(schedule, found)
    found = str(stated.take(optimizer) or "adamw")
    if not found.startswith(("adamw", "paged_adamw")):
        stated.miss(optimizer, found)
    elif "8bit" in found:
        values["optimizer"] = "adamw-8bit"
    if isinstance(every := stated.take("eval_steps"), int) and every > 0:
        values["evaluate_every"] = every
    elif every:
        stated.miss("eval_steps", every)
    if (found := stated.take("bf16")) not in (None, False, True, "auto"):
        stated.miss("bf16", found)
    if folder := stated.take("output_dir"):
        try:
            values["name"] = safe_name(Path(folder).name, "adapter")
        except UsageError:
            stated.miss("output_dir", folder)
    return values


def _method(stated: _Stated, is_adapter: bool, bits: int, dora: str) -> str:
    if bits not in {0, 4, 8}:
        raise ConfigError(f"A base in {bits} bits has no counterpart.", "There are 4 and 8.")
    has_dora = stated.take(dora)
    if has_dora and (bits or not is_adapter):
        stated.miss(dora, has_dora)
    if not is_adapter:
        return "full"
    return {4: "qlora", 8: "lora-8bit", 0: "dora" if has_dora else "lora"}[bits]


def _validation(stated: _Stated, values: dict[str, Any], key: str) -> None:
    """The share to validate on; a number of rows has no counterpart."""
    share = stated.take(key)
    if share is not None and 0 <= share < 1:
        values["validation_share"] = share
    elif share is not None:
        stated.miss(key, share)
