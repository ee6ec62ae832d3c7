"""The file format ``E5S1`` (multilingual-e5-small in 4 bits, little-endian) as a folder that transformers loads.

    "E5S1", version u32
    width, layers, heads, inner width, vocabulary, positions, types i32; epsilon of layer norms f32; block length i32
    pieces, ids of <s>, </s>, <pad>, <unk> i32; bytes of the pieces u64
    offsets of the pieces u32 (pieces + 1); scores f32 (pieces); the pieces in UTF-8
    normalised characters i32; their bytes u32; for each: character u32, how many characters it becomes u8, those u32
    tensors i32; for each: length of the name u16, name, kind u8, values u32, offset u64, bytes u64

A tensor of kind 1 is Q4_0: blocks of 32 values, each a float16 scale and 16 bytes; the low halves of the bytes are the
first 16 values, the high halves the others, 8 more than the value in scales. Any other is float32.
"""

import json
import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from assistant.errors import ModelError

_MAGIC = b"E5S1"
_BLOCK = np.dtype([("scale", "<f2"), ("halves", "u1", 16)])
_QUANTISED = 1
# What the tokenizer of XLM-R drops or takes for a blank besides NFKC: all its differences from that.
_DROPPED = "[\u0001-\u0008\u000b\u000e-\u001f\u007f\u008f\u009f]"
_BLANKS = "[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]"
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}


@dataclass(frozen=True, slots=True)
class _Header:
    width: int
    layers: int
    heads: int
    inner: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float
    block: int


class _Cursor:
    def __init__(self, content: memoryview) -> None:
        self.content = content
        self.position = 0

    def read(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{form}", self.content, self.position)
        self.position += struct.calcsize(f"<{form}")
        return values

    def take(self, count: int) -> memoryview:
        self.position += count
        return self.content[self.position - count : self.position]


def write_folder(file: Path, folder: Path) -> None:
    """Write the model in ``file`` into ``folder``: weights in float16, tokenizer, pooling, and the prompts it wants.

    Raises ModelError for a file that is cut or of another format.
    """
    try:
        cursor = _Cursor(memoryview(file.read_bytes()))
        if cursor.take(4) != _MAGIC:
            raise ValueError("it does not begin with E5S1")
        cursor.read("I")
        header = _Header(*cursor.read("7ifi"))
        padding = _write_tokenizer(cursor, header, folder)
        _write_weights(cursor, header, folder)
    except (ValueError, LookupError, struct.error) as error:
        raise ModelError(f"{file} is no whole E5S1 model: {error}.", "Fetch it again: assistant models get") from error
    _write_configs(header, padding, folder)


def _write_tokenizer(cursor: _Cursor, header: _Header, folder: Path) -> int:
    """Returns the id of <pad>."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    count, start, end, padding, unknown = cursor.read("5i")
    (length,) = cursor.read("Q")
    offsets = np.frombuffer(cursor.take(4 * (count + 1)), "<u4").tolist()
    scores = np.frombuffer(cursor.take(4 * count), "<f4").tolist()
    blob = bytes(cursor.take(length))
    pieces = [blob[first:last].decode() for first, last in pairwise(offsets)]
    cursor.read("i")
    cursor.take(cursor.read("I")[0])
    tokenizer = Tokenizer(models.Unigram(list(zip(pieces, scores, strict=True)), unknown, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(_DROPPED), ""),
            normalizers.Replace(Regex(_BLANKS), " "),
            normalizers.NFKC(),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{pieces[start]} $A {pieces[end]}",
        pair=f"{pieces[start]} $A {pieces[end]} {pieces[end]} $B {pieces[end]}",
        special_tokens=[(pieces[start], start), (pieces[end], end)],
    )
    special = {"bos_token": start, "eos_token": end, "pad_token": padding, "unk_token": unknown, "cls_token": start}
    tokenizer.add_special_tokens([AddedToken(pieces[one], special=True) for one in sorted({*special.values()})])
    tokenizer.save(str(folder / "tokenizer.json"))
    named = {name: pieces[one] for name, one in special.items()} | {"sep_token": pieces[end]}
    _write_json(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": header.positions, **named},
    )
    return int(padding)


def _write_weights(cursor: _Cursor, header: _Header, folder: Path) -> None:
    from safetensors.numpy import save_file

    names = dict(_EMBEDDINGS)
    for layer in range(header.layers):
        for short, long in _LAYER.items():
            names[f"l{layer}.{short}.w"] = f"encoder.layer.{layer}.{long}.weight"
            names[f"l{layer}.{short}.b"] = f"encoder.layer.{layer}.{long}.bias"
    found: dict[str, npt.NDArray[np.float16]] = {}
    for _ in range(cursor.read("i")[0]):
        name = bytes(cursor.take(cursor.read("H")[0])).decode()
        kind, _, offset, length = cursor.read("BIQQ")
        if offset + length > len(cursor.content):
            raise ValueError(f"{name} ends behind the file")
        content = cursor.content[offset : offset + length]
        if kind == _QUANTISED:
            blocks = np.frombuffer(content, _BLOCK)
            halves = np.concatenate([blocks["halves"] & 0x0F, blocks["halves"] >> 4], axis=1).astype(np.float32) - 8
            values = (halves * blocks["scale"].astype(np.float32)[:, None]).reshape(-1)
        else:
            values = np.frombuffer(content, "<f4")
        found[names.pop(name)] = values.astype(np.float16)
    if names:
        raise ValueError(f"{len(names)} tensors are missing, {next(iter(names))} among them")
    for name, values in found.items():
        if name.endswith("weight") and "LayerNorm" not in name:
            columns = header.inner if name.endswith("output.dense.weight") and "attention" not in name else header.width
            found[name] = values.reshape(-1, columns)
    save_file(found, folder / "model.safetensors", {"format": "pt"})


def _write_configs(header: _Header, padding: int, folder: Path) -> None:
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": header.width,
        "num_hidden_layers": header.layers,
        "num_attention_heads": header.heads,
        "intermediate_size": header.inner,
        "vocab_size": header.vocabulary,
        "max_position_embeddings": header.positions,
        "type_vocab_size": header.types,
        "layer_norm_eps": header.epsilon,
        "hidden_act": "gelu",
        "pad_token_id": padding,
        "dtype": "float16",
    }
    _write_json(folder / "config.json", config)
    modules = ("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")
    _write_json(
        folder / "modules.json",
        [
            {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for number, (kind, path) in enumerate(modules)
        ],
    )
    (folder / "1_Pooling").mkdir()
    _write_json(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": header.width, "pooling_mode_mean_tokens": True},
    )
    _write_json(folder / "sentence_bert_config.json", {"max_seq_length": header.positions, "do_lower_case": False})
    _write_json(
        folder / "config_sentence_transformers.json",
        {"prompts": {"query": "query: ", "document": "passage: "}, "default_prompt_name": None},
    )


def _write_json(file: Path, content: object) -> None:
    file.write_text(json.dumps(content, indent=2), encoding="utf-8")
