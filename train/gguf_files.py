"""GGUF, the format of llama.cpp and Ollama: a whole model, or a LoRA adapter over one.

llama.cpp takes much of a model from the name of its architecture alone, and wants some weights in another form than
transformers: a file that leaves them as they are loads and answers nonsense. So a file is written only for the
architectures below, and only where a model is what llama.cpp takes one of its name for.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.engines.template import ChatTemplate
from assistant.errors import AdapterError
from train.compose import Factors, Update
from train.gguf_tokenizer import add_tokenizer, check_tokenizer, model_name

if TYPE_CHECKING:
    import numpy as np
    from gguf import TensorNameMap
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class _Architecture:
    name: str
    """In llama.cpp."""
    turned: bool = False
    """Whether rotary positions turn neighbours instead of halves: rows of q and k have another order."""
    norm_offset: float = 0.0
    """What transformers adds to the weights of norms each time, and llama.cpp finds in the file."""
    activation: str = "silu"
    ropes: tuple[str, ...] = ("default",)


_ARCHITECTURES = {
    "llama": _Architecture("llama", turned=True, ropes=("default", "llama3")),
    "mistral": _Architecture("llama", turned=True),
    "qwen2": _Architecture("qwen2"),
    "qwen3": _Architecture("qwen3"),
    "gemma3_text": _Architecture("gemma3", False, 1.0, "gelu_pytorch_tanh", ("default", "linear")),
    "phi3": _Architecture("phi3", ropes=("default", "longrope")),
}
_DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "q8_0": "Q8_0"}
# What llama.cpp takes for granted: each sixth layer of Gemma 3 sees all, the others turn by this base; and the largest
# of its models, which it knows by the number of its layers, divides attention by another number.
_GEMMA_PATTERN, _GEMMA_LOCAL_BASE, _GEMMA_27B_LAYERS = 6, 10_000.0, 62
_PICTURES = ("model.vision_tower.", "model.multi_modal_projector.")
_REMEDY = "Export with --format merged and convert that with llama.cpp."


def check_model(config: Any, template: ChatTemplate) -> None:
    """Raise AdapterError for a model that cannot be written, naming what is not known of it."""
    config = config.get_text_config()
    known = _ARCHITECTURES.get(config.model_type)
    if known is None:
        names = "Llama, Mistral, Qwen 2 and 3, Gemma 3 and Phi 3"
        raise AdapterError(f"GGUF is written for {names}, not for {config.model_type}.", _REMEDY)
    rope = _rope(config)
    wanted: dict[str, Any] = {
        "hidden_act": known.activation,
        "hidden_activation": known.activation,
        "attention_bias": False,
        "mlp_bias": False,
        "attn_logit_softcapping": None,
        "final_logit_softcapping": None,
        "use_bidirectional_attention": None,
    }
    if known.name == "gemma3":
        layers = range(1, config.num_hidden_layers + 1)
        wanted["layer_types"] = [
            "sliding_attention" if layer % _GEMMA_PATTERN else "full_attention" for layer in layers
        ]
        is_largest = config.num_hidden_layers == _GEMMA_27B_LAYERS
        wanted["query_pre_attn_scalar"] = (
            config.hidden_size // config.num_attention_heads if is_largest else config.head_dim
        )
        local = config.rope_parameters["sliding_attention"]
        if (local["rope_type"], local["rope_theta"]) != ("default", _GEMMA_LOCAL_BASE):
            raise AdapterError(f"GGUF of {config.model_type} is not written with {local} in most layers.", _REMEDY)
    for key, value in wanted.items():
        if (found := getattr(config, key, value)) != value and (found or value):
            raise AdapterError(f"GGUF of {config.model_type} is not written with {key}={found}.", _REMEDY)
    if rope["rope_type"] not in known.ropes or (rope.get("partial_rotary_factor", 1) != 1 and known.name != "phi3"):
        raise AdapterError(f"GGUF of {config.model_type} is not written with the rotary positions {rope}.", _REMEDY)
    check_tokenizer(template)


def write_model(file: Path, model: Any, template: ChatTemplate, name: str, dtype: str) -> None:
    """Write a causal model, its tokenizer and chat template. ``dtype``: float32, float16, bfloat16 or q8_0.

    Of a model that sees pictures, only the language model is written. Raises what ``check_model`` raises.
    """
    from gguf import GGUFWriter, LlamaFileType

    check_model(model.config, template)
    config = model.config.get_text_config()
    known, kind = _ARCHITECTURES[config.model_type], _DTYPES[dtype]
    writer = GGUFWriter(file, known.name)
    writer.add_type("model")
    writer.add_name(model_name(name, template))
    writer.add_file_type(LlamaFileType["ALL_F32" if kind == "F32" else f"MOSTLY_{kind}"])
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_block_count(config.num_hidden_layers)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    _add_positions(writer, model, config, head)
    add_tokenizer(writer, template, config.vocab_size)
    for layer, weights in model.state_dict().items():
        if layer.startswith(_PICTURES) or (layer == "lm_head.weight" and config.tie_word_embeddings):
            continue
        if layer.endswith("norm.weight"):
            weights = weights + known.norm_offset
        weights = _turned(weights, layer, config)
        _add_tensor(writer, _key(layer, config), weights, kind if weights.ndim > 1 else "F32")
    _write(writer)


def write_lora(file: Path, update: Update, config: Any, name: str) -> None:
    """Write what an adapter adds to a model of ``config``; the factors hold its scale.

    Raises AdapterError for a layer that llama.cpp does not adapt.
    """
    import torch.nn.functional as functional
    from gguf import GGUFWriter, Keys

    config = config.get_text_config()
    rank = max(a.shape[0] for _, a in update.values())
    writer = GGUFWriter(file, _ARCHITECTURES[config.model_type].name)
    writer.add_type("adapter")
    writer.add_name(name)
    writer.add_string(Keys.Adapter.TYPE, "lora")
    writer.add_float32(Keys.Adapter.LORA_ALPHA, float(rank))  # llama.cpp multiplies by alpha / rank
    for layer, (b, a) in sorted(update.items()):
        key = _key(f"{layer}.weight", config)
        b = functional.pad(_turned(b, f"{layer}.weight", config), (0, rank - b.shape[1]))
        a = functional.pad(a, (0, 0, 0, rank - a.shape[0]))
        _add_tensor(writer, f"{key}.lora_a", a, "F32")
        _add_tensor(writer, f"{key}.lora_b", b, "F32")
    _write(writer)


def read_lora(file: Path, layers: Iterable[str], config: Any) -> dict[str, Factors]:
    """What a file of ``write_lora`` adds to ``layers``, in transformers' order."""
    import torch
    from gguf import GGUFReader

    config = config.get_text_config()
    tensors = {tensor.name: torch.tensor(tensor.data) for tensor in GGUFReader(file).tensors}
    keys = {layer: _key(f"{layer}.weight", config) for layer in layers}
    return {
        layer: (_turned(tensors[f"{key}.lora_b"], f"{layer}.weight", config, back=True), tensors[f"{key}.lora_a"])
        for layer, key in keys.items()
    }


def _rope(config: Any) -> dict[str, Any]:
    """Rotary positions of a model, in one with two kinds of layers of those that see all."""
    positions: dict[str, Any] = config.rope_parameters
    seeing_all: dict[str, Any] = positions.get("full_attention", positions)
    return seeing_all


def _add_positions(writer: Any, model: Any, config: Any, head: int) -> None:
    """How far the model sees, and how it tells places apart. ``head`` is the size of one in numbers."""
    import torch
    from gguf import RopeScalingType

    rope, context = _rope(config), config.max_position_embeddings
    window = getattr(config, "sliding_window", None)
    if config.model_type == "gemma3_text":
        writer.add_sliding_window(window)
    elif window:  # of the others llama.cpp knows none: up to there it makes no difference
        context = min(context, window)
    turning = int(head * rope.get("partial_rotary_factor", 1.0))
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_rope_dimension_count(turning)
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    elif rope["rope_type"] == "llama3":
        # By how much each rotary frequency is slowed down in long contexts (Llama 3.1).
        plain = rope["rope_theta"] ** -(torch.arange(0, head, 2).double() / head)
        factors = plain / model.model.rotary_emb.inv_freq.double().cpu()
        _add_tensor(writer, "rope_freqs.weight", factors.float(), "F32")
    elif rope["rope_type"] == "longrope":
        # transformers takes the long factors for long prompts, llama.cpp where it has room for them.
        known = rope["original_max_position_embeddings"]
        context = min(context, known)
        writer.add_rope_scaling_orig_ctx_len(known)
        writer.add_rope_scaling_attn_factors(model.model.rotary_emb.attention_scaling)
        for length in ("long", "short"):
            factors = torch.tensor(rope[f"{length}_factor"])
            _add_tensor(writer, f"rope_factors_{length}.weight", factors, "F32")
    writer.add_context_length(context)


def _key(name: str, config: Any) -> str:
    """The name in llama.cpp of a weight. Raises AdapterError where it has none."""
    table = _names(_ARCHITECTURES[config.model_type].name, config.num_hidden_layers)
    key: str | None = table.get_name(name.replace(".language_model.", ".", 1), (".weight", ".bias"))
    if key is None:
        raise AdapterError(f"llama.cpp has no name for {name}.", _REMEDY)
    return key


@cache
def _names(architecture: str, layers: int) -> "TensorNameMap":
    from gguf import MODEL_ARCH_NAMES, get_tensor_name_map

    return get_tensor_name_map(next(key for key, name in MODEL_ARCH_NAMES.items() if name == architecture), layers)


def _turned(weights: "Tensor", name: str, config: Any, *, back: bool = False) -> "Tensor":
    """Rows of q and k from transformers' order, halves of a head, to llama.cpp's, pairs, where it wants that."""
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}.get(name.split(".")[-2])
    if heads is None or not _ARCHITECTURES[config.model_type].turned:
        return weights
    half = weights.shape[0] // heads // 2
    parts = weights.reshape(heads, *((half, 2) if back else (2, half)), weights.shape[1])
    return parts.transpose(1, 2).reshape(weights.shape)


def _add_tensor(writer: Any, key: str, weights: "Tensor", kind: str) -> None:
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
    from gguf.quants import quantize

    data: np.ndarray = weights.detach().float().cpu().contiguous().numpy()
    if data.shape[-1] % GGML_QUANT_SIZES[GGMLQuantizationType[kind]][0]:
        kind = "F16"  # rows of blocks that do not come out even stay as they are, as in llama.cpp
    if kind == "F32":
        writer.add_tensor(key, data)
    else:
        writer.add_tensor(key, quantize(data, GGMLQuantizationType[kind]), raw_dtype=GGMLQuantizationType[kind])


def _write(writer: Any) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
