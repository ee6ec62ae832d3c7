"""Adapters into the workspace: saved whole or not at all, with an identity card, a canary and a model card.

A save is tried before the first step: what cannot be saved and loaded again need not be trained.
"""

import errno
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from assistant.artifacts.cards import (
    BASE,
    FULL,
    PICKLES,
    README_FILE,
    WEIGHTS_FILE,
    AdapterCard,
    check_files,
    file_hash,
    read_card,
    set_aside,
    write_card,
)
from assistant.engines.canary import check_canary, record_canary
from assistant.engines.lora import Shape, quiet_peft, read_lora_config, read_lora_weights, write_lora_config
from assistant.engines.template import ChatTemplate
from assistant.errors import AdapterError, AssistantError, TrainingError, one_line
from assistant.models import quiet_transformers
from assistant.workspace import close_to_others, flush_to_disk, folder_beside, size_of
from train.model import is_out_of_memory, trained
from train.modelcard import Use, model_card

_TAKEN = {errno.ENOTEMPTY, errno.EEXIST}
# Of a new adapter's second matrices, which are zero: without it the adapter would change nothing.
_STRENGTH = 0.05


@contextmanager
def new_folder(target: Path, force: bool) -> Iterator[Path]:
    """Yield an empty folder beside ``target`` that takes its name when the block succeeds, else vanishes.

    A folder that has the name already stays as it is without ``force``, and with it until the new one is complete.
    Raises AdapterError when the name is taken, now or by then, or the disk has no room.
    """
    from safetensors import SafetensorError

    refuse_taken(target, force)
    try:
        with folder_beside(target) as new:
            new.mkdir()
            yield new
            for path in (new, *new.rglob("*")):
                close_to_others(path)
            for path in new.rglob("*"):
                flush_to_disk(path)
            flush_to_disk(new)
            _rename(new, target, force)
    except (OSError, SafetensorError) as error:  # safetensors tells a full disk in an error of its own
        reason = getattr(error, "strerror", None) or one_line(error)
        raise AdapterError(f"{target} cannot be written: {reason}.", "Free space, or check the rights.") from error


def refuse_name(target: Path, force: bool) -> None:
    """Raise AdapterError for a name that no adapter can have, or that is taken."""
    if target.name == BASE:
        raise AdapterError(f"'{BASE}' stands for the base model.", "Choose another name.")
    refuse_taken(target, force)


def refuse_taken(target: Path, force: bool) -> None:
    """Raise AdapterError when there is a ``target`` that may not be replaced."""
    if target.exists() and not force:
        raise AdapterError(f"{target} exists.", "Choose another name, or replace it with --force.")


def _rename(new: Path, target: Path, force: bool) -> None:
    """One rename, which the operating system refuses where a folder has the name; or two, to replace that one.

    ``finish_replacement`` undoes the first of two when the second never comes. A reader may do so at any moment, so
    that the name can be taken again: then it is tried again.
    """
    aside = set_aside(target)
    while True:
        refuse_taken(target, force)
        if target.exists():
            shutil.rmtree(aside, ignore_errors=True)
            target.rename(aside)
        try:
            new.rename(target)
            break
        except OSError as error:
            if error.errno in _TAKEN:
                continue
            if aside.exists():
                aside.rename(target)
            raise
    flush_to_disk(target.parent)
    shutil.rmtree(aside, ignore_errors=True)


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
    refuse_name(target, force)
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
    with folder_beside(folder) as nameless:
        folder.rename(nameless)


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


def try_saving(model: Any, template: ChatTemplate, card: AdapterCard, linears: Mapping[str, Shape]) -> None:
    """Save a model that is to be trained, load the adapter again, and ask it; a whole model is only asked.

    ``linears`` are the linear layers of the base. The model is left as it was. Raises TrainingError for one that cannot
    be trained, saved or loaded with the settings on ``card``.
    """
    import torch

    try:
        if card.method == FULL:
            record_canary(model, template)
            return
        with TemporaryDirectory(ignore_cleanup_errors=True) as temporary, _changed(model):
            folder = Path(temporary) / "adapter"
            save_adapter(model, template, card, folder, force=False)
            card = read_card(folder)
            check_files(folder, card)
            with quiet_peft(), torch.no_grad():
                from peft import set_peft_model_state_dict

                tensors = read_lora_weights(folder, read_lora_config(folder, card), linears)
                for _, weight in _second_matrices(model):
                    weight.zero_()
                set_peft_model_state_dict(model, tensors)
            check_canary(card, model)
    except Exception as error:  # of transformers, PEFT, or the code of one architecture: each has errors of its own
        if is_out_of_memory(error):
            raise
        raise not_trainable(error) from error


def not_trainable(error: Exception) -> TrainingError:
    """What a model's own error in its first pass means for who wants to train it."""
    reason = error.message if isinstance(error, AssistantError) else f"{type(error).__name__}: {error}"
    return TrainingError(
        f"An adapter of this kind cannot be trained and saved: {' '.join(reason.split())[:300].rstrip('.')}.",
        "Set target_modules=all-linear or names of attention layers (q_proj,v_proj), or method=lora.",
    )


@contextmanager
def _changed(model: Any) -> Iterator[None]:
    """The adapter changes something while the block runs. What training draws by chance stays the same."""
    import torch

    chance = torch.Generator().manual_seed(0)
    weights = _second_matrices(model)
    before = [weight.detach().clone() for _, weight in weights]
    with torch.no_grad():
        for _, weight in weights:
            weight.copy_(_STRENGTH * torch.randn(weight.shape, generator=chance))
        try:
            yield
        finally:
            for (_, weight), old in zip(weights, before, strict=True):
                weight.copy_(old)


def _second_matrices(model: Any) -> list[tuple[str, Any]]:
    return [(name, weight) for name, weight in trained(model) if "lora_B" in name]
