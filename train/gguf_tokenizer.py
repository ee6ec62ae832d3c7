"""A tokenizer in a GGUF: its tokens, how they are merged, and the name by which llama.cpp knows how it cuts text.

A file with the wrong name loads, and cuts text into other tokens than the model learnt. So a tokenizer is written only
where it is known how llama.cpp says the same: byte-level BPE with one of the cuts below, and the BPE that is made from
SentencePiece, which llama.cpp merges by scores instead of a list. It composes no letters (NFC), as Qwen's do.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from assistant.engines.template import ChatTemplate
from assistant.errors import AdapterError
from assistant.types import Message

_WORDS = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)", r"[^\r\n\p{L}\p{N}]?\p{L}+")
_SIGNS = r" ?[^\s\p{L}\p{N}]+[\r\n]*"
_BLANKS = (r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+")
CUTS: Mapping[tuple[str, bool], str] = {
    ("bytes", False): "gpt-2",
    ("digits", False): "smollm",
    ("|".join([*_WORDS, r"\p{N}{1,3}", _SIGNS, *_BLANKS]), True): "llama-bpe",
    ("|".join([*_WORDS, r"\p{N}{1,3}", _SIGNS, *_BLANKS]), False): "dbrx",
    ("|".join([*_WORDS, r"\p{N}", _SIGNS, *_BLANKS]), False): "qwen2",
}
"""How text is cut before bytes are merged, and whether whole pieces are looked up first → llama.cpp's name for that.

Those that llama.cpp was seen to cut alike. To those of Mistral Nemo (tekken) and Phi-4-mini (gpt-4o) it only comes
near.
"""
_BYTES = frozenset(f"<0x{byte:02X}>" for byte in range(256))
_BLANK = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
_CUT_AT_BLANKS = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
# Phi-3's tokens swallow the blanks behind them, but for these; llama.cpp does so where a model's name has "Phi-3".
_LEAVES_BLANKS = frozenset({"<unk>", "<s>", "<|endoftext|>"})


def check_tokenizer(template: ChatTemplate) -> None:
    """Raise AdapterError for a tokenizer that is not known to be read right."""
    content = _content(template)
    if content["model"].get("byte_fallback"):
        _begins_with_blank(content, template)
        _scores(content)
    else:
        _cut_name(content)
    _swallows_blanks(content)


def model_name(name: str, template: ChatTemplate) -> str:
    """``name``, or what a model has to be called instead so that its tokenizer is read right."""
    return f"{name} (Phi-3)" if _swallows_blanks(_content(template)) else name


def add_tokenizer(writer: Any, template: ChatTemplate, size: int) -> None:
    """Write tokens and chat template. ``size`` is the model's, which may have room for more tokens than there are.

    Raises what ``check_tokenizer`` raises.
    """
    from gguf import TokenType

    tokenizer, content = template.tokenizer, _content(template)
    added = tokenizer.added_tokens_decoder
    texts = {number: text for text, number in tokenizer.get_vocab().items()}
    kinds = [TokenType.NORMAL if number in texts else TokenType.UNUSED for number in range(size)]
    for number, token in added.items():
        kinds[number] = TokenType.CONTROL if token.special else TokenType.USER_DEFINED
    if content["model"].get("byte_fallback"):
        scores = _scores(content)
        for text in _BYTES & content["model"]["vocab"].keys():
            kinds[content["model"]["vocab"][text]] = TokenType.BYTE
        writer.add_tokenizer_model("llama")
        writer.add_tokenizer_pre("default")
        writer.add_token_scores([scores.get(texts.get(number, ""), 0.0) for number in range(size)])
        writer.add_add_space_prefix(_begins_with_blank(content, template))
        if tokenizer.unk_token_id is not None:
            writer.add_unk_token_id(tokenizer.unk_token_id)
    else:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(_cut_name(content))
        writer.add_token_merges([" ".join(merge) for merge in content["model"]["merges"]])
    writer.add_token_list([texts.get(number, f"[unused{number}]") for number in range(size)])
    writer.add_token_types(kinds)
    # The template writes what has to stand first; nothing is to be put before it.
    writer.add_add_bos_token(False)
    if tokenizer.bos_token_id is not None:
        writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(template.end_of_turn)
    if tokenizer.pad_token_id is not None:
        writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_chat_template(tokenizer.chat_template)


def _content(template: ChatTemplate) -> dict[str, Any]:
    """The tokenizer as its file has it."""
    backend = getattr(template.tokenizer, "backend_tokenizer", None)
    content: dict[str, Any] = json.loads(backend.to_str()) if backend is not None else {"model": {"type": "none"}}
    if content["model"]["type"] != "BPE":
        raise _unknown(f"a tokenizer of the kind {content['model']['type']}")
    merges = content["model"]["merges"]
    content["model"]["merges"] = [merge.split(" ") if isinstance(merge, str) else merge for merge in merges]
    return content


def _cut_name(content: dict[str, Any]) -> str:
    """What llama.cpp calls the way in which a byte-level tokenizer cuts text."""
    if content.get("normalizer") not in (None, {"type": "NFC"}):
        raise _unknown("a byte-level tokenizer that changes text before it cuts it")
    cut = content.get("pre_tokenizer") or {}
    match cut.get("pretokenizers", [cut]):
        case [{"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}]:
            kind = "bytes"
        case [
            {"type": "Digits", "individual_digits": True},
            {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
        ]:
            kind = "digits"
        case [
            # Every letter is in some piece, so that both keep all of them.
            {"type": "Split", "pattern": {"Regex": kind}, "behavior": "Isolated", "invert": False}
            | {"type": "Split", "pattern": {"Regex": kind}, "behavior": "Removed", "invert": True},
            {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
        ]:
            pass
        case _:
            kind = ""
    name = CUTS.get((kind, bool(content["model"].get("ignore_merges"))))
    if name is None:
        raise _unknown("a tokenizer that cuts text in a way that none of " + ", ".join(CUTS.values()) + " does")
    return name


def _begins_with_blank(content: dict[str, Any], template: ChatTemplate) -> bool:
    """Whether llama.cpp has to put a blank before text, and behind each control token.

    A tokenizer that does so only where there is none, or only where a text begins, is taken where its conversations
    show no difference.
    """
    match content.get("normalizer"), content.get("pre_tokenizer"):
        case {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, shown]}, None if shown == _BLANK:
            return True
        case shown, cut if shown == _BLANK and cut in (None, _CUT_AT_BLANKS):
            return False
        case None, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": False}:
            said = [Message(role, "?") for role in ("system", "user", "assistant", "user")]
            text, marks = template.prompt_text(said), sorted(template.control_tokens, key=len, reverse=True)
            first, *rest = re.split("|".join(map(re.escape, marks)), text)
            if scheme == "never" or (scheme == "first" and not first):
                return False
            if scheme == "always" and not any(part.startswith(" ") for part in (first, *rest)):
                return True
    raise _unknown("a tokenizer made from SentencePiece with blanks of its own kind")


def _scores(content: dict[str, Any]) -> dict[str, float]:
    """A score for each piece that is merged, the higher the earlier.

    llama.cpp merges whatever two pieces give a third one, the one with the highest score first. That is the order of
    the list only if it has all such pairs, and those of one piece side by side.
    """
    vocabulary, merges = content["model"]["vocab"], content["model"]["merges"]
    scores: dict[str, float] = {}
    last = ""
    for left, right in merges:
        piece = left + right
        if piece != last and piece in scores:
            raise _unknown("a tokenizer with byte fallback that was not made from SentencePiece")
        scores.setdefault(piece, -float(len(scores)))
        last = piece
    known = {(left, right) for left, right in merges}
    apart = {token["content"] for token in content["added_tokens"]} | _BYTES
    for piece in vocabulary.keys() - apart:
        for end in range(1, len(piece)):
            pair = piece[:end], piece[end:]
            if pair not in known and pair[0] in vocabulary and pair[1] in vocabulary:
                raise _unknown("a tokenizer with byte fallback that was not made from SentencePiece")
    return scores


def _swallows_blanks(content: dict[str, Any]) -> bool:
    """Whether control tokens swallow the blanks behind them, as those of Phi-3 do."""
    added = content["added_tokens"]
    names = {token["content"] for token in added}
    swallowing = {token["content"] for token in added if token["rstrip"]}
    is_phi_3 = names >= _LEAVES_BLANKS | {"</s>"} and swallowing == names - _LEAVES_BLANKS
    if any(token["lstrip"] or token["single_word"] for token in added) or (swallowing and not is_phi_3):
        raise _unknown("a tokenizer whose control tokens swallow blanks")
    return bool(swallowing)


def _unknown(what: str) -> AdapterError:
    return AdapterError(
        f"GGUF is not written for {what}: llama.cpp would read it otherwise.",
        "Export with --format merged and convert that with llama.cpp.",
    )
