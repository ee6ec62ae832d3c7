"""GGUF, the format of llama.cpp and Ollama: a whole model, or a LoRA adapter over one.

llama.cpp turns the rows of q and k for its own order of rotary positions; a file that leaves them as they are loads
and answers nonsense. Text is cut into tokens by one of the schemes that llama.cpp knows by name; a file with the wrong
name loads too. So a file is written only where it is known how: for the Llama architecture and the tokenizers below.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.engines.template import ChatTemplate
from assistant.errors import AdapterError
from train.compose import Update

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

_ARCHITECTURE = "llama"
_DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
_BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
_LLAMA_3 = "|".join(
    [
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
        r"[^\r\n\p{L}\p{N}]?\p{L}+",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)
# How a tokenizer cuts text before it merges bytes → what llama.cpp calls that.
_CUTS: tuple[tuple[dict[str, Any], str], ...] = (
    ({**_BYTE_LEVEL, "use_regex": True}, "gpt-2"),
    (
        {
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": True}, {**_BYTE_LEVEL, "use_regex": True}],
        },
        "smollm",
    ),
    (
        {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": _LLAMA_3}, "behavior": "Isolated", "invert": False},
                {**_BYTE_LEVEL, "use_regex": False},
            ],
        },
        "llama-bpe",
    ),
)


def check_model(config: Any, template: ChatTemplate) -> None:
    """Raise AdapterError for a model that cannot be written, naming what can."""
    if config.model_type != _ARCHITECTURE or config.attention_bias or config.mlp_bias:
        raise AdapterError(
            f"GGUF is written for models of the Llama architecture without biases, not for {config.model_type}.",
            "Export with --format merged and convert that with llama.cpp.",
        )
    kind = config.rope_parameters["rope_type"]
    if kind not in ("default", "llama3"):
        raise AdapterError(f"GGUF with rotary positions of kind '{kind}' is not written.", "Export with merged.")
    _cut_name(template)


def write_model(file: Path, model: Any, template: ChatTemplate, name: str, dtype: str) -> None:
    """Write a causal model, its tokenizer and chat template. ``dtype``: float32, float16 or bfloat16.

    Raises what ``check_model`` raises.
    """
    import torch
    from gguf import GGUFWriter, LlamaFileType

    config = model.config
    check_model(config, template)
    kind = _DTYPES[dtype]
    writer = GGUFWriter(file, _ARCHITECTURE)
    writer.add_type("model")
    writer.add_name(name)
    writer.add_file_type(LlamaFileType["ALL_F32" if kind == "F32" else f"MOSTLY_{kind}"])
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(head)
    writer.add_vocab_size(config.vocab_size)
    _add_tokenizer(writer, template, config.vocab_size)
    state = model.state_dict()
    for layer, key in _names(config).items():
        weights = _turned(state[layer], layer, config)
        _add_tensor(writer, key, weights, kind if weights.ndim > 1 else "F32")
    if config.rope_parameters["rope_type"] == "llama3":
        # By how much each rotary frequency is slowed down in long contexts (Llama 3.1).
        plain = config.rope_parameters["rope_theta"] ** -(torch.arange(0, head, 2).double() / head)
        factors = plain / model.model.rotary_emb.inv_freq.double().cpu()
        _add_tensor(writer, "rope_freqs.weight", factors.float(), "F32")
    _write(writer)


def write_lora(file: Path, update: Update, config: Any, name: str) -> None:
    """Write what an adapter adds to a model of ``config``; the factors hold its scale.

    Raises AdapterError for a layer that llama.cpp does not adapt.
    """
    import torch.nn.functional as functional
    from gguf import GGUFWriter, Keys

    names = _names(config)
    rank = max(a.shape[0] for _, a in update.values())
    writer = GGUFWriter(file, _ARCHITECTURE)
    writer.add_type("adapter")
    writer.add_name(name)
    writer.add_string(Keys.Adapter.TYPE, "lora")
    writer.add_float32(Keys.Adapter.LORA_ALPHA, float(rank))  # llama.cpp multiplies by alpha / rank
    for layer, (b, a) in sorted(update.items()):
        key = names.get(f"{layer}.weight")
        if key is None:
            raise AdapterError(f"llama.cpp cannot adapt the layer {layer}.", "Export with --format gguf.")
        b = functional.pad(_turned(b, f"{layer}.weight", config), (0, rank - b.shape[1]))
        a = functional.pad(a, (0, 0, 0, rank - a.shape[0]))
        _add_tensor(writer, f"{key}.lora_a", a, "F32")
        _add_tensor(writer, f"{key}.lora_b", b, "F32")
    _write(writer)


def _add_tokenizer(writer: Any, template: ChatTemplate, size: int) -> None:
    from gguf import TokenType

    tokenizer = template.tokenizer
    added = tokenizer.added_tokens_decoder
    texts = {number: text for text, number in tokenizer.get_vocab().items()}
    special = {number for number, token in added.items() if token.special}
    kinds = [
        TokenType.CONTROL
        if number in special
        else TokenType.USER_DEFINED
        if number in added
        else TokenType.NORMAL
        if number in texts
        else TokenType.UNUSED
        for number in range(size)
    ]
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_cut_name(template))
    writer.add_token_list([texts.get(number, f"[unused{number}]") for number in range(size)])
    writer.add_token_types(kinds)
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    # The template writes what has to stand first; nothing is to be put before it.
    writer.add_add_bos_token(False)
    if tokenizer.bos_token_id is not None:
        writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(template.end_of_turn)
    if tokenizer.pad_token_id is not None:
        writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_chat_template(tokenizer.chat_template)


def _cut_name(template: ChatTemplate) -> str:
    backend = getattr(template.tokenizer, "backend_tokenizer", None)
    content = json.loads(backend.to_str()) if backend is not None else {"model": {"type": "none"}}
    cut = content.get("pre_tokenizer")
    found = next((name for known, name in _CUTS if known == cut), None)
    if content["model"]["type"] != "BPE" or content.get("normalizer") or found is None:
        raise AdapterError(
            "GGUF is written for byte-level BPE tokenizers that cut text as GPT-2, SmolLM or Llama 3 do.",
            "Export with --format merged and convert that with llama.cpp.",
        )
    return found


def _names(config: Any) -> Mapping[str, str]:
    """Names of a model's weights in transformers → in llama.cpp."""
    from gguf import MODEL_ARCH, get_tensor_name_map

    table = get_tensor_name_map(MODEL_ARCH.LLAMA, config.num_hidden_layers)
    plain = ["model.embed_tokens", "model.norm"] + ([] if config.tie_word_embeddings else ["lm_head"])
    attention = [f"self_attn.{one}_proj" for one in "qkvo"]
    parts = [*attention, *(f"mlp.{one}_proj" for one in ("gate", "up", "down"))]
    parts += ["input_layernorm", "post_attention_layernorm"]
    layers = [f"model.layers.{number}.{part}" for number in range(config.num_hidden_layers) for part in parts]
    names = ((name, table.get_name(f"{name}.weight", (".weight",))) for name in plain + layers)
    return {f"{name}.weight": key for name, key in names if key}


def _turned(weights: "Tensor", name: str, config: Any) -> "Tensor":
    """Rows of q and k from transformers' order, halves of a head, to llama.cpp's, pairs."""
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(name.split(".")[-2])
    if heads is None:
        return weights
    halves = weights.reshape(heads, 2, weights.shape[0] // heads // 2, weights.shape[1])
    return halves.transpose(1, 2).reshape(weights.shape)


def _add_tensor(writer: Any, key: str, weights: "Tensor", kind: str) -> None:
    from gguf import GGMLQuantizationType
    from gguf.quants import quantize

    data: np.ndarray = weights.detach().float().cpu().contiguous().numpy()
    if kind == "F32":
        writer.add_tensor(key, data)
    else:
        writer.add_tensor(key, quantize(data, GGMLQuantizationType[kind]), raw_dtype=GGMLQuantizationType[kind])


def _write(writer: Any) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
