"""A language model of two layers, and adapters over it as a training would leave them."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from assistant import models
from assistant.artifacts.cards import AdapterCard
from assistant.config import Settings
from assistant.engines.adapted import AdaptedModel
from assistant.engines.lora import quiet_peft
from assistant.engines.template import CHATML
from assistant.models.loading import choose
from assistant.types import Message
from train.registry import save_adapter

QUESTIONS = [
    [Message("system", "Be brief."), Message("user", text)]
    for text in ("What is covered?", "hail " * 40, "Wie hoch ist die Selbstbeteiligung?", "Roof")
]


@cache
def tokenizer(*words: str) -> Any:
    """Bytes, "hail" and some more ``words`` as tokens, and ChatML: read in milliseconds."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    turns = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("h", "a"), ("i", "l"), ("ha", "il"), ("Ġ", "hail")]
    merges += dict.fromkeys((word[:end], word[end]) for word in words for end in range(1, len(word)))
    merges += [("Ġ", word) for word in words]
    texts = [*turns, *letters, *("".join(merge) for merge in merges)]
    backend = Tokenizer(BPE(vocab={text: number for number, text in enumerate(texts)}, merges=merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=backend,
        unk_token=turns[0],
        bos_token=turns[1],
        eos_token=turns[2],
        pad_token=turns[2],
        chat_template=CHATML,
    )


def tiny_model(folder: Path, seed: int = 0, **changes: Any) -> Path:
    """A random Llama on disk whose logits are as far apart as those of a real one."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes: dict[str, Any] = {
        "vocab_size": len(tokenizer()),
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "tie_word_embeddings": True,
        "initializer_range": 0.2,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 2,
    }
    torch.manual_seed(seed)
    with models.quiet_transformers():
        LlamaForCausalLM(LlamaConfig(**(sizes | changes))).save_pretrained(folder)
        tokenizer().save_pretrained(folder)
    return folder


def settings_for(folder: Path, dtype: str = "float32") -> Settings:
    """Settings that name a model, on the CPU."""
    return Settings.model_validate({"engine": {"model": str(folder)}, "device": {"name": "cpu", "dtype": dtype}})


def adapted(settings: Settings, adapters: Path | None = None) -> AdaptedModel:
    """The model of ``settings``."""
    return AdaptedModel(settings.engine, choose(settings.device), adapters)


def card_for(settings: Settings, base: AdaptedModel, **changes: Any) -> AdapterCard:
    """A card as a training writes it."""
    values: dict[str, Any] = {
        "name": "",
        "method": "lora",
        "base": settings.engine.model,
        "base_fingerprint": base.fingerprint,
        "template": base.template.identity,
        "corpus": "default",
        "generation": 1,
        "documents": {"policy.md": "a1"},
        "pairs": "default",
        "pairs_hash": "b2",
        "pairs_counts": {"structure": 12, "refusal": 3},
        "config": {"rank": 4},
        "parameters": 1000,
        "base_parameters": 400_000,
        "steps": 3,
        "tokens": 900,
        "seconds": 6.0,
        "train_loss": 1.25,
        "validation_loss": 1.5,
        "base_validation_loss": 2.5,
        "versions": {"torch": "2"},
        "machine": "secret-host",
        "created": "2026-11-01T10:00:00+00:00",
    }
    return AdapterCard(**(values | changes))


def random_lora(settings: Settings, seed: int, strength: float = 0.3, **options: Any) -> tuple[Any, AdaptedModel]:
    """A PeftModel with a random adapter, and the base that it is over."""
    import torch

    base = adapted(settings)
    with quiet_peft():
        from peft import LoraConfig, get_peft_model

        defaults: dict[str, Any] = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
        torch.manual_seed(seed)
        model: Any = get_peft_model(base.base, LoraConfig(**(defaults | options)))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=strength / 10)
    return model, base


def save_random(
    settings: Settings, target: Path, seed: int = 1, card: dict[str, Any] | None = None, **options: Any
) -> AdapterCard:
    """Save a random adapter; ``options`` are those of ``random_lora``."""
    model, base = random_lora(settings, seed, **options)
    return save_adapter(model, base.template, card_for(settings, base, **(card or {})), target, force=False)


def edited(file: Path, change: Callable[[str], str]) -> None:
    """Change the text of a file."""
    file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")
