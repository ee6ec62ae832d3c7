"""GGUF files are read by llama.cpp itself: other architectures answer alike, and text is cut into the same tokens."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from llama_cpp import asked_of_llama_cpp, cut_by_llama_cpp
from tiny import QUESTIONS, adapted, save_random, settings_for, tiny_model, tokenizer

from assistant import models
from assistant.config import Settings
from assistant.engines.template import CHATML, ChatTemplate
from assistant.engines.transformers_engine import TransformersEngine
from assistant.errors import AdapterError
from train.adapter_export import Dtype, export
from train.gguf_files import check_model, write_model
from train.gguf_tokenizer import CUTS, check_tokenizer

TOKENS = 16
_HEADS: dict[str, Any] = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32}
_GEMMA: dict[str, Any] = _HEADS | {"query_pre_attn_scalar": 32, "sliding_window": 64}
_FAR: dict[str, Any] = {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6}
_NEAR: dict[str, Any] = {"rope_type": "default", "rope_theta": 1e4}
_LONG = {"original_max_position_embeddings": 512, "short_factor": [1 + n / 9 for n in range(8)]}
_VISION: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2}
ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "Mistral": ("mistral", {"sliding_window": 512}),
    "Qwen2": ("qwen2", {}),
    "Qwen3": ("qwen3", _HEADS),
    "Gemma 3": ("gemma3_text", _GEMMA),
    "Gemma 3 with vision": (
        "gemma3",
        {
            # The sixth layer sees all.
            "text_config": _GEMMA
            | {"num_hidden_layers": 6, "rope_parameters": {"full_attention": _FAR, "sliding_attention": _NEAR}},
            "vision_config": _VISION | {"image_size": 28, "patch_size": 14},
            "mm_tokens_per_image": 4,
        },
    ),
    "Phi-3": ("phi3", {"sliding_window": 512}),
    "Phi-3.5": (
        "phi3",
        {
            "rope_parameters": {"rope_type": "longrope", "rope_theta": 1e4, "long_factor": [2.0 + n for n in range(8)]}
            | _LONG
        },
    ),
    "Phi-4": ("phi3", {"sliding_window": None, "partial_rotary_factor": 0.5}),
}


def save_model(name: str, folder: Path, **changes: Any) -> Settings:
    """A random model of an architecture on disk."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    kind, own = ARCHITECTURES[name]
    sizes: dict[str, Any] = {
        "vocab_size": len(tokenizer()),
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
        "initializer_range": 0.1,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 2,
    }
    if "text_config" in own:
        config: Any = AutoConfig.for_model(kind, **(own | {"text_config": sizes | own["text_config"]} | changes))
    else:
        config = AutoConfig.for_model(kind, **(sizes | own | changes))
    torch.manual_seed(0)
    with models.quiet_transformers():
        build: Any = AutoModelForCausalLM.from_config
        model = build(config)
        for parameter in model.parameters():
            if parameter.ndim == 1:  # norms and biases as training leaves them, not all alike
                parameter.data += 0.1 * torch.randn(parameter.shape)
        model.save_pretrained(folder)
        tokenizer().save_pretrained(folder)
    return settings_for(folder)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_llama_cpp_answers_as_transformers_does(tmp_path: Path, name: str) -> None:
    settings = save_model(name, tmp_path / "model")
    adapters = tmp_path / "adapters"
    layers = r".*language_model.*_proj" if "vision" in name else "all-linear"
    save_random(settings, adapters / "house", strength=1.0, target_modules=layers)
    made = export(settings.engine, "Be brief.", adapters, "house", tmp_path / "merged", "gguf", "float32")
    export(settings.engine, "Be brief.", adapters, "house", tmp_path / "lora", "gguf-lora")
    weights = adapted(settings)
    write_model(tmp_path / "base.gguf", weights.base, weights.template, "base", "float32")
    engine = TransformersEngine(settings.engine, settings.device, adapters)
    base, house = (engine.complete(QUESTIONS, TOKENS, one) for one in (None, "house"))
    prompts = [weights.template.prompt_ids(messages) for messages in QUESTIONS]
    assert base != house
    assert asked_of_llama_cpp(tmp_path / "merged/model.gguf", prompts) == house
    assert asked_of_llama_cpp(tmp_path / "base.gguf", prompts, lora=tmp_path / "lora/adapter.gguf") == house
    assert made.loss is not None and made.loss.divergence < 1e-6 and made.loss.agreement == 1


def test_what_a_precision_costs_is_measured(tmp_path: Path) -> None:
    from gguf import GGUFReader

    settings = save_model("Qwen2", tmp_path / "model")
    save_random(settings, tmp_path / "adapters/house", strength=1.0)
    losses: list[float] = []
    dtypes: tuple[Dtype, ...] = ("float32", "float16", "q8_0")
    for dtype in dtypes:
        made = export(settings.engine, "Be brief.", tmp_path / "adapters", "house", tmp_path / dtype, "gguf", dtype)
        assert made.loss is not None and made.loss.dtype == dtype
        losses.append(made.loss.divergence)
    assert losses == sorted(losses) and 1e-6 < losses[-1] < 1
    assert "q8_0: " in (tmp_path / "q8_0/README.md").read_text()
    tensors = {tensor.name: tensor.tensor_type.name for tensor in GGUFReader(tmp_path / "q8_0/model.gguf").tensors}
    assert tensors["blk.0.attn_q.weight"] == "Q8_0" and tensors["blk.0.attn_q.bias"] == "F32"
    with pytest.raises(AdapterError, match="a precision of GGUF"):
        export(settings.engine, "", tmp_path / "adapters", "house", tmp_path / "x", "merged", "q8_0")


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("Mistral", {"hidden_act": "gelu"}),
        ("Mistral", {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}}),
        ("Qwen3", {"attention_bias": True}),
        ("Qwen2", {"rope_parameters": _NEAR | {"partial_rotary_factor": 0.5}}),
        ("Gemma 3", {"query_pre_attn_scalar": 16}),
        ("Gemma 3", {"final_logit_softcapping": 30.0}),
        ("Gemma 3", {"layer_types": ["full_attention"] * 26}),
        ("Gemma 3", {"rope_parameters": {"full_attention": _FAR, "sliding_attention": _NEAR | {"rope_theta": 2e4}}}),
    ],
)
def test_a_model_that_llama_cpp_would_compute_otherwise_is_refused(name: str, changes: dict[str, Any]) -> None:
    from transformers import AutoConfig

    kind, own = ARCHITECTURES[name]
    template = ChatTemplate(tokenizer())
    check_model(AutoConfig.for_model(kind, **own), template)
    with pytest.raises(AdapterError, match="not written") as caught:
        check_model(AutoConfig.for_model(kind, **(own | changes)), template)
    assert "--format merged" in str(caught.value) and "\n" not in str(caught.value)


LETTERS = "aBsS1٣ \n\r\t'./-éßΩ中´\u0301\u00a0\U0001f600"


def texts() -> list[str]:
    """Letters, digits, signs and blanks of many kinds in any order, with turns between them."""
    chance = random.Random(0)
    some = ["".join(chance.choices(LETTERS, k=30)) for _ in range(60)]
    some += ["Don't you'LL 1234567 x  \n\n  y\n", " Hail of 2024-05-01: 12,345.67 €", "aB SBa BBa/\n/a 'S'ss"]
    return [*some, *(f"<|im_start|>user\n{text}<|im_end|>\n {text.lstrip()}" for text in some[:20])]


def written(tmp_path: Path, backend: Any, name: str = "model") -> tuple[ChatTemplate, Path]:
    """A model on disk with a tokenizer."""
    from transformers import PreTrainedTokenizerFast

    cutting = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=backend,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        unk_token="<unk>",
        chat_template=CHATML,
    )
    template = ChatTemplate(cutting)
    folder = tiny_model(tmp_path / "tiny", vocab_size=len(cutting) + 5)
    check_tokenizer(template)
    write_model(tmp_path / "model.gguf", adapted(settings_for(folder)).base, template, name, "float32")
    return template, tmp_path / "model.gguf"


@pytest.mark.parametrize("cut", CUTS, ids=list(CUTS.values()))
def test_llama_cpp_cuts_text_as_the_tokenizer_does(tmp_path: Path, cut: tuple[str, bool]) -> None:
    """Any two bytes of the letters merge, so that each place where one cuts and the other does not shows."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE

    kind, whole_first = cut
    some = sorted(
        {piece for letter in LETTERS for piece in pre_tokenizers.ByteLevel(False).pre_tokenize_str(letter)[0][0]}
    )
    pairs = [(left, right) for left in some for right in some]
    words = ["aBs", "ssss", "123", "12"] if whole_first else []  # no merges lead there
    pieces = dict.fromkeys([*sorted(pre_tokenizers.ByteLevel.alphabet()), *(a + b for a, b in pairs), *words])
    vocabulary = {text: number for number, text in enumerate(pieces)}
    backend = Tokenizer(BPE(vocab=vocabulary, merges=pairs, ignore_merges=whole_first))
    plain: Any = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=kind in ("bytes", "digits"))
    first: list[Any] = [pre_tokenizers.Digits(individual_digits=True)] if kind == "digits" else []
    if kind not in ("bytes", "digits"):
        first = [pre_tokenizers.Split(Regex(kind), "isolated")]
    backend.pre_tokenizer = pre_tokenizers.Sequence([*first, plain]) if first else plain
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(one, normalized=False) for one in ("<|im_start|>", "<|im_end|>")])
    template, file = written(tmp_path, backend)
    wanted = [template.tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts()]
    assert cut_by_llama_cpp(file, texts()) == wanted


def made_from_sentencepiece(blanks: str, turns: dict[str, bool]) -> Any:
    """A tokenizer as transformers makes it of SentencePiece: pieces by rank, each with all pairs that give it.

    ``blanks`` says where it puts one before text, ``turns`` are its control tokens and whether they swallow the blanks
    behind them.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers
    from tokenizers.models import BPE

    chance = random.Random(1)
    pieces = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), *"aBsS1./'-é▁\n"]
    ranked: list[str] = []
    while len(ranked) < 150:
        piece = "".join(chance.choices([*pieces[257:], *ranked], k=2))
        if piece not in ranked and len(piece) < 7:
            ranked.append(piece)
    pieces += ranked
    merges = [
        (piece[:end], piece[end:])
        for piece in ranked
        for end in range(1, len(piece))
        if piece[:end] in pieces and piece[end:] in pieces
    ]
    vocabulary = {text: number for number, text in enumerate(pieces)}
    model = BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    backend = Tokenizer(model)
    shown = normalizers.Replace(" ", "▁")
    if blanks == "everywhere":
        backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), shown])
    elif blanks == "nowhere":
        backend.normalizer = shown
        backend.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    else:
        backend.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme=blanks, split=False)
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    backend.add_special_tokens(["<unk>", *(AddedToken(one, normalized=False, rstrip=r) for one, r in turns.items())])
    return backend


@pytest.mark.parametrize(
    ("blanks", "swallows"),
    [
        ("nowhere", False),
        ("everywhere", False),
        ("everywhere", True),
        ("first", False),
        ("first", True),
        ("always", False),
    ],
)
def test_llama_cpp_merges_by_scores_what_the_tokenizer_merges_by_a_list(
    tmp_path: Path, blanks: str, swallows: bool
) -> None:
    turns = dict.fromkeys(("<|im_start|>", "<|im_end|>", "</s>"), swallows)
    turns |= dict.fromkeys(("<s>", "<|endoftext|>"), False)
    template, file = written(tmp_path, made_from_sentencepiece(blanks, turns))
    some = texts()
    if blanks in ("first", "always"):  # as conversations are
        some = [f"<|im_start|>user\n{text}<|im_end|>\n" for text in some]
    wanted = [template.tokenizer(text, add_special_tokens=False)["input_ids"] for text in some]
    assert cut_by_llama_cpp(file, some) == wanted


@pytest.mark.parametrize(("blanks", "turn"), [("first", "Q: {}<|im_end|>"), ("always", "<|im_start|> {}<|im_end|>")])
def test_blanks_that_conversations_would_show_are_refused(blanks: str, turn: str) -> None:
    from transformers import PreTrainedTokenizerFast

    backend = made_from_sentencepiece(blanks, {"<|im_start|>": False, "<|im_end|>": False})
    cutting: Any = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|im_end|>")  # type: ignore[no-untyped-call]
    check_tokenizer(ChatTemplate(cutting, "chatml"))
    cutting.chat_template = "{% for m in messages %}" + turn.format("{{ m['content'] }}") + "{% endfor %}"
    with pytest.raises(AdapterError, match="blanks of its own kind"):
        check_tokenizer(ChatTemplate(cutting))


def _without_a_pair(content: dict[str, Any]) -> None:
    content["model"]["merges"].pop(40)


def _of_another_order(content: dict[str, Any]) -> None:
    merges = content["model"]["merges"]
    twice = next(n for n in range(1, len(merges)) if "".join(merges[n]) == "".join(merges[n - 1]))
    merges.append(merges.pop(twice))


@pytest.mark.parametrize(
    "change",
    [
        _without_a_pair,
        _of_another_order,
        lambda content: content.update(normalizer={"type": "Lowercase"}),
        lambda content: content.update(
            pre_tokenizer={"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first"}
        ),
        lambda content: content["added_tokens"][1].update(lstrip=True),
        lambda content: content["added_tokens"][1].update(rstrip=True),
    ],
)
def test_a_tokenizer_that_llama_cpp_would_read_otherwise_is_refused(change: Any) -> None:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    content = json.loads(made_from_sentencepiece("nowhere", {"<|im_start|>": False, "<|im_end|>": False}).to_str())
    for changed in (False, True):
        if changed:
            change(content)
        backend = Tokenizer.from_str(json.dumps(content))
        cutting = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|im_end|>", chat_template=CHATML)  # type: ignore[no-untyped-call]
        if changed:
            with pytest.raises(AdapterError, match=r"llama\.cpp would read it otherwise"):
                check_tokenizer(ChatTemplate(cutting))
        else:
            check_tokenizer(ChatTemplate(cutting))
