"""Models of two layers and of every architecture that is likely to be met, with random weights."""

from pathlib import Path
from typing import Any

from tiny import tokenizer

from assistant import models

_HEADS: dict[str, Any] = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16}
_EXPERTS: dict[str, Any] = {"moe_intermediate_size": 32, "num_experts_per_tok": 2}
_LATENT: dict[str, Any] = {
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 16,
    "num_key_value_heads": 4,
}
_ROPE = {"rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
_VISION: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}
_LINEAR: dict[str, Any] = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "layer_types": ["linear_attention", "full_attention"],
}
ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "Llama": ("llama", {"rope_parameters": _ROPE | {"original_max_position_embeddings": 512}}),
    "Llama 4": (
        "llama4_text",
        {**_HEADS, **_EXPERTS, "num_local_experts": 4, "intermediate_size_mlp": 96, "interleave_moe_layer_step": 2},
    ),
    "Mistral": ("mistral", {"sliding_window": 64}),
    "Mistral without window": ("mistral", {"sliding_window": None}),
    "Ministral 3": ("ministral3", {"head_dim": 16}),
    "Mixtral": ("mixtral", {"num_local_experts": 4}),
    "Gemma 2": ("gemma2", _HEADS | {"sliding_window": 64}),
    "Gemma 3": ("gemma3_text", _HEADS | {"sliding_window": 64}),
    "Gemma 3 with vision": ("gemma3", {"vision_config": _VISION, "mm_tokens_per_image": 4}),
    "Qwen2": ("qwen2", {}),
    "Qwen3": ("qwen3", _HEADS),
    "Qwen3-MoE": ("qwen3_moe", {**_HEADS, **_EXPERTS, "num_experts": 4}),
    "Qwen3-Next": (
        "qwen3_next",
        {**_HEADS, **_EXPERTS, **_LINEAR, "num_experts": 4, "shared_expert_intermediate_size": 32},
    ),
    "Qwen3.5": ("qwen3_5_text", {**_HEADS, **_LINEAR}),
    "DeepSeek-V3": (
        "deepseek_v3",
        {
            **_EXPERTS,
            **_LATENT,
            "n_routed_experts": 4,
            "n_group": 1,
            "topk_group": 1,
            "first_k_dense_replace": 1,
        },
    ),
    "Phi-3": ("phi3", {"sliding_window": 64}),
    "Phi-4": ("phi3", {"sliding_window": None, "partial_rotary_factor": 0.5}),
    "GPT-2": ("gpt2", {}),
    "GPT-NeoX": ("gpt_neox", {}),
    "gpt-oss": ("gpt_oss", {**_HEADS, "num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 64}),
    "Falcon": ("falcon", {"new_decoder_architecture": True, "num_kv_heads": 2}),
    "OLMo 2": ("olmo2", {}),
    "SmolLM3": ("smollm3", {}),
    "Granite": ("granite", {}),
    "Cohere 2": ("cohere2", {"sliding_window": 64}),
    "GLM-4": ("glm4", _HEADS),
}
WITH_EXPERTS = ("Llama 4", "Mixtral", "Qwen3-MoE", "Qwen3-Next", "DeepSeek-V3", "gpt-oss")
_SIZES: dict[str, Any] = {
    "vocab_size": 0,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
    "initializer_range": 0.1,
}
_OTHER_NAMES = {"gpt2": {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 2048}}


def config_of(name: str) -> Any:
    """The configuration of an architecture, as small as it can be."""
    from transformers import AutoConfig

    kind, own = ARCHITECTURES[name]
    sizes = _SIZES | {"vocab_size": len(tokenizer())} | _OTHER_NAMES.get(kind, {})
    if "vision_config" in own:
        text: dict[str, Any] = sizes | _HEADS | {"sliding_window": 64}
        return AutoConfig.for_model(kind, text_config=text, **own)
    return AutoConfig.for_model(kind, **(sizes | own))


def save_model(name: str, folder: Path) -> Path:
    """Write a model and a tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    with models.quiet_transformers():
        build: Any = AutoModelForCausalLM.from_config
        build(config_of(name)).save_pretrained(folder)
        tokenizer().save_pretrained(folder)
    return folder
