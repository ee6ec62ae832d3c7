"""Adapters into the workspace: saved whole or not at all, with an identity card, a canary and a model card."""

import shutil
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

from assistant.artifacts.cards import (
    BASE,
    FULL,
    PICKLES,
    README_FILE,
    WEIGHTS_FILE,
    AdapterCard,
    file_hash,
    set_aside,
    write_card,
)
from assistant.engines.canary import record_canary
from assistant.engines.lora import write_lora_config
from assistant.engines.template import ChatTemplate
from assistant.errors import AdapterError
from assistant.models import quiet_transformers
from train.modelcard import Use, model_card
from train.new_folder import new_folder


def save_adapter(
    model: Any,
    template: ChatTemplate,
    card: AdapterCard,
    target: Path,
    force: bool,
    extras: Sequence[Path] = (),
) -> AdapterCard:
    """Save the active adapter of a PeftModel, or a whole model where ``card.method`` is ``full``, as ``target``.

    ``extras`` are files to keep with it. Returns the card as it was written: with name, canary and hashes. The folder
    appears when it is complete; one that has the name stays until then with ``force``, and for good without it.

    Raises AdapterError when the name is taken or reserved, when the adapter changes nothing, when it is of a kind that
    would not be loaded again, or when the disk is full.
    """
    if target.name == BASE:
        raise AdapterError(f"'{BASE}' stands for the base model.", "Choose another name.")
    for extra in extras:
        if extra.suffix in PICKLES:
            raise AdapterError(f"{extra.name} is pickled and not kept with an adapter.", "Leave it out.")
    with new_folder(target, force) as beside:
        canary = record_canary(model, template)
        if card.method == FULL:
            with quiet_transformers():
                model.save_pretrained(beside)
        else:
            _save_peft(model, beside, card.base)
        files = {path.name: file_hash(path) for path in sorted(beside.iterdir())}
        for extra in extras:
            shutil.copy2(extra, beside / extra.name)
        card = replace(card, name=target.name, canary=canary, files=files)
        write_card(beside, card)
        pictures = [extra.name for extra in extras if extra.suffix in {".png", ".svg"}]
        uses: tuple[Use, Use] = ("workspace", "transformers" if card.method == FULL else "peft")
        (beside / README_FILE).write_text(model_card(card, size_of(beside), uses, pictures), encoding="utf-8")
    return card


def remove_adapter(folder: Path) -> None:
    """Delete an adapter: it loses its name at once, the disk is freed afterwards."""
    shutil.rmtree(set_aside(folder), ignore_errors=True)  # what a killed replacement left would take the name back
    nameless = folder.with_name(f".{folder.name}.removed")
    shutil.rmtree(nameless, ignore_errors=True)
    folder.rename(nameless)
    shutil.rmtree(nameless)


def size_of(folder: Path) -> int:
    """Bytes of all files in ``folder``."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _save_peft(model: Any, folder: Path, base: str) -> None:
    """Weights and configuration of the active adapter, as ``PeftModel.from_pretrained`` reads them."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    name = model.active_adapter
    config = copy(model.peft_config[name])
    if isinstance(config.target_modules, str):  # an expression; what it stood for is known by now
        config.target_modules = set(model.base_model.targeted_module_names)
    write_lora_config(folder, config, base)
    # Not PeftModel.save_pretrained: it asks the hub about the base model, and writes a model card of its own.
    state = get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)
    tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in state.items()}
    save_file(tensors, folder / WEIGHTS_FILE, metadata={"format": "pt"})
