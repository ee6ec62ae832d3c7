"""A save that is tried before the first step: what cannot be saved and loaded again need not be trained."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from assistant.artifacts.cards import FULL, AdapterCard, check_files, read_card
from assistant.engines.canary import check_canary, record_canary
from assistant.engines.lora import Shape, quiet_peft, read_lora_config, read_lora_weights
from assistant.engines.template import ChatTemplate
from assistant.errors import AssistantError, TrainingError
from train.memory import is_out_of_memory
from train.model import trained
from train.registry import save_adapter

# Of a new adapter's second matrices, which are zero: without it the adapter would change nothing.
_STRENGTH = 0.05


def try_saving(model: Any, template: ChatTemplate, card: AdapterCard, linears: Mapping[str, Shape]) -> None:
    """Save a model that is to be trained, load the adapter again, and ask it; a whole model is only asked.

    ``linears`` are the linear layers of the base. The model is left as it was. Raises TrainingError for one that cannot
    be trained, saved or loaded with the settings on ``card``.
    """
    try:
        if card.method == FULL:
            record_canary(model, template)
            return
        with TemporaryDirectory(ignore_cleanup_errors=True) as folder, _changed(model):
            _save_and_load(model, template, card, linears, Path(folder) / "adapter")
    except Exception as error:  # of transformers, PEFT, or the code of one architecture: each has errors of its own
        if is_out_of_memory(error):
            raise
        reason = error.message if isinstance(error, AssistantError) else f"{type(error).__name__}: {error}"
        raise TrainingError(
            f"An adapter of this kind cannot be trained and saved: {' '.join(reason.split())[:300].rstrip('.')}.",
            "Set target_modules=all-linear or names of attention layers (q_proj,v_proj), or method=lora.",
        ) from error


def _save_and_load(
    model: Any, template: ChatTemplate, card: AdapterCard, linears: Mapping[str, Shape], folder: Path
) -> None:
    import torch

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
