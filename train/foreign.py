"""Adapters of other programs into the workspace: what PEFT, TRL, Axolotl or Unsloth wrote, from a folder or the Hub.

Nothing of a stranger's file is used as it stands. The layers are those that have tensors, so that no expression is
run to find them; the configuration is written anew from what is understood; the base is loaded without code of its
own. What was pickled beside the adapter, as the state of a training is, stays where it is, unread.
"""

import platform
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant import models
from assistant.artifacts.cards import CARD_FILE, CONFIG_FILE, README_FILE, WEIGHTS_FILE, AdapterCard, read_card
from assistant.config import Settings
from assistant.engines.adapted import AdaptedModel
from assistant.engines.canary import check_canary
from assistant.engines.lora import PREFIX, config_content, read_lora_weights, target_names, understood_config
from assistant.errors import AdapterError, one_line
from assistant.models.catalogue import is_same
from assistant.models.fetching import ADAPTER_FILES, cached_from_hub, downloaded_from_hub, hub_answers, is_hub_id
from assistant.models.loading import choose
from assistant.models.naming import name_here
from assistant.work.progress import note
from assistant.workspace import safe_name
from train.registry import refuse_name, save_adapter

if TYPE_CHECKING:
    from peft import LoraConfig

_TEMPLATE_FILE = "chat_template.jinja"
_LONGEST_LICENCE = 64


def import_adapter(settings: Settings, source: str, target: Path, base: str = "", force: bool = False) -> AdapterCard:
    """Save the adapter in the folder, or of the hub id, ``source`` as ``target``; returns its card.

    Its base is ``engine.model`` if the adapter names that, else the model it names if it is on this machine, or
    ``base``, which overrules what it names. An adapter that was exported from a workspace keeps its lineage.

    Raises AdapterError when it is no LoRA, rsLoRA or DoRA of safetensors, does not fit the base, or changes nothing,
    ModelError when it or the base cannot be had.
    """
    refuse_name(target, force)
    folder = _folder(source)
    content = config_content(_own_file(folder, CONFIG_FILE))
    if (kind := content.get("peft_type")) != "LORA":
        raise AdapterError(f"{folder} is an adapter of the kind {kind}.", "LoRA, rsLoRA and DoRA are imported.")
    layers = _layers(_own_file(folder, WEIGHTS_FILE))
    named = str(content.get("base_model_name_or_path") or "")
    model = base or _base(named, settings.engine.model)
    is_own = model == settings.engine.model
    changes = {"model": model, "trust_remote_code": is_own and settings.engine.trust_remote_code}
    engine = settings.engine.model_copy(update=changes)
    adapted = AdaptedModel(engine, choose(settings.device))
    # Which layers those are, the adapter may have said in another way.
    said = {"target_modules": layers, "base_model_name_or_path": model, "auto_mapping": None}
    said |= dict.fromkeys(("exclude_modules", "layers_to_transform", "layers_pattern"))
    said["task_type"] = content.get("task_type") or "CAUSAL_LM"
    try:
        config = understood_config(content | said, str(folder / CONFIG_FILE))
        linears = adapted.linears
        tensors = read_lora_weights(folder, config, linears)
    except AdapterError as error:
        fit = f"LoRA, rsLoRA and DoRA on linear layers of {model} are imported; --base names another model."
        raise AdapterError(error.message, fit) from None
    config.target_modules = target_names(layers, linears)
    card = _card(folder, adapted, config, tensors)
    peft = adapted.attach(config, tensors)
    if card.canary is not None:
        check_canary(card, peft)
    template = _own_file(folder, _TEMPLATE_FILE) if (folder / _TEMPLATE_FILE).exists() else None
    if template and template.read_text("utf-8", "replace") != adapted.template.tokenizer.chat_template:
        note(f"It was trained with a chat template of its own; to ask with that: --set engine.chat_template={template}")
    origin = source if is_hub_id(source) and not Path(source).is_dir() else folder.resolve().name
    return save_adapter(peft, adapted.template, replace(card, origin=origin, licence=_licence(folder)), target, force)


def _folder(source: str) -> Path:
    """Where the files of an adapter are, downloaded from the Hub if they have to be."""
    folder = Path(source).expanduser()
    if folder.is_dir():
        if not (folder / CONFIG_FILE).exists():
            inside = sorted(folder.glob(f"*/{CONFIG_FILE}"))
            told = f"Name one of the folders in it: {inside[-1].parent}" if inside else "Name the folder of an adapter."
            raise AdapterError(f"{folder} has no {CONFIG_FILE}.", told)
        return folder
    if folder.exists() or not is_hub_id(source):
        raise AdapterError(f"There is no folder {source}.", f"Name a folder with {CONFIG_FILE}, or a Hugging Face id.")
    here = cached_from_hub(source)
    if here and (here / WEIGHTS_FILE).exists():
        return here
    if not hub_answers():
        told = "The Hugging Face hub does not answer; where it does: hf download"
        raise AdapterError(f"The adapter {source} is not on this machine.", f"{told} {source}, then name the folder.")
    return downloaded_from_hub(source, files=ADAPTER_FILES)


def _own_file(folder: Path, name: str) -> Path:
    """A file that lies in ``folder`` itself; in the Hub's cache, in the store that its links lead to."""
    file, homes = folder / name, [folder.resolve()]
    if folder.parent.name == "snapshots":
        homes.append(folder.resolve().parents[1] / "blobs")
    if not any(file.resolve().is_relative_to(home) for home in homes):
        raise AdapterError(f"{file} is a link out of the folder.", "Copy the file itself there.")
    if not file.is_file():
        raise AdapterError(f"{folder} has no {name}.", "Pickled weights (.bin, .pt) are not read, only safetensors.")
    return file


def _layers(file: Path) -> list[str]:
    """The layers that have tensors of LoRA in a file of weights."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "pt") as weights:
            names = weights.keys()
    except (OSError, SafetensorError) as error:
        raise AdapterError(f"{file} cannot be read: {one_line(error)}.", "Fetch or save the adapter again.") from None
    layers = {name.removeprefix(PREFIX).partition(".lora_")[0] for name in names if ".lora_" in name}
    if not layers:
        raise AdapterError(f"{file} holds no tensors of LoRA.", "LoRA, rsLoRA and DoRA are imported.")
    return sorted(layers)


def _base(named: str, chosen: str) -> str:
    """How ``engine.model`` names the base that an adapter names; ``chosen`` is what it names now."""
    if named and is_same(named, chosen):
        return chosen
    here = name_here(named) if named else ""
    if not here:
        told = f"{named}, which is not on this machine" if named else "no name"
        raise AdapterError(
            f"The adapter was trained on {told}.",
            f"Name it to fetch it, or a copy of it: --base {named or 'MODEL'}",
        )
    return here


def _card(folder: Path, adapted: AdaptedModel, config: "LoraConfig", tensors: dict[str, Any]) -> AdapterCard:
    """What is known of it: what its own card says, of one that was exported; else what its files are.

    What can be seen is not asked of a stranger's card, and files that it names as what it learnt from are not here.
    """
    seen: dict[str, Any] = {
        "method": "dora" if config.use_dora else "lora",
        "base": adapted.settings.model,
        "base_fingerprint": adapted.fingerprint,
        "template": adapted.template.identity,
        "parameters": sum(tensor.numel() for tensor in tensors.values()),
        "base_parameters": models.parameters(adapted.folder),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if (folder / CARD_FILE).exists():
        own = read_card(_own_file(folder, CARD_FILE).parent)
        named = [*own.pair_sets, own.started_from, str(own.config.get("pairs") or ""), *dict(own.components)]
        for name in filter(None, [*named, *own.corpus.split(", ")]):
            safe_name(name, "set of pairs, corpus or adapter")
        kept = {key: value for key, value in own.config.items() if key not in ("data", "validation_data")}
        return replace(own, config=kept, **seen)
    settings = {
        "rank": config.r,
        "alpha": config.lora_alpha,
        "rslora": config.use_rslora,
        "target_modules": sorted({layer.rpartition(".")[2] for layer in config.target_modules or ()}),
        "layers": sum("lora_A" in name for name in tensors),
    }
    patterns = {"rank_pattern": config.rank_pattern, "alpha_pattern": config.alpha_pattern}
    return AdapterCard(
        name="",
        **seen,
        corpus="",
        generation=0,
        documents={},
        pairs="",
        pairs_hash="",
        pairs_counts={},
        config=settings | {key: pattern for key, pattern in patterns.items() if pattern},
        steps=0,
        tokens=0,
        seconds=0.0,
        train_loss=None,
        validation_loss=None,
        base_validation_loss=None,
        versions={name: version(name) for name in ("domain-assistant", "peft", "torch", "transformers")},
        machine=platform.machine(),
    )


def _licence(folder: Path) -> str:
    """What the model card beside an adapter states; empty where there is none that can be read."""
    import yaml
    from huggingface_hub.repocard import metadata_load

    file = folder / README_FILE
    try:
        stated = (metadata_load(_own_file(folder, README_FILE)) or {}).get("license") if file.exists() else None
    except (AdapterError, OSError, ValueError, RecursionError, yaml.YAMLError):
        return ""
    is_name = isinstance(stated, str) and stated.isprintable() and len(stated) <= _LONGEST_LICENCE
    return str(stated) if is_name else ""
