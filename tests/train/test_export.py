"""Exports are loaded by the programs they are for, and answer like base model and adapter."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from architectures import save_model
from llama_cpp import asked_of_llama_cpp
from tiny import QUESTIONS, adapted, card_for, save_random, settings_for, tiny_model

from assistant import models
from assistant.artifacts.cards import read_card
from assistant.config import Settings
from assistant.engines.canary import next_logits
from assistant.engines.template import CHATML, ChatTemplate
from assistant.engines.transformers_engine import TransformersEngine
from assistant.errors import AdapterError
from assistant.types import Message
from train.adapter_export import Dtype, Format, _reload, before_turns, export, modelfile
from train.gguf_files import write_model
from train.registry import save_adapter

SYSTEM = "Be brief."
TOKENS = 16


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_for(tiny_model(tmp_path_factory.mktemp("base") / "tiny"))


@pytest.fixture(scope="module")
def adapters(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapters")
    save_random(settings, folder / "house", seed=1)
    save_random(settings, folder / "scaled", seed=2, use_rslora=True, rank_pattern={"q_proj": 2})
    save_random(settings, folder / "dora", seed=3, use_dora=True)
    return folder


def exported(
    settings: Settings, adapters: Path, target: Path, format_: Format, dtype: Dtype | None = None, name: str = "house"
) -> Path:
    made = export(settings.engine, SYSTEM, adapters, name, target, format_, dtype)
    assert made.size == sum(path.stat().st_size for path in target.iterdir())
    return target


def read_again(folder: Path, **options: Any) -> Any:
    """As anyone who has transformers would."""
    import torch
    from transformers import AutoModelForCausalLM

    with models.quiet_transformers():
        model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **options)
    return model.eval()


@pytest.mark.parametrize("name", ["house", "scaled", "dora"])
@pytest.mark.parametrize(("dtype", "close"), [("float32", 1e-4), ("bfloat16", 0.2), ("float16", 0.03)])
def test_a_merged_model_answers_like_base_and_adapter(
    settings: Settings, adapters: Path, tmp_path: Path, name: str, dtype: Dtype, close: float
) -> None:
    import torch
    from transformers import AutoTokenizer

    folder = exported(settings, adapters, tmp_path / "out", "merged", dtype, name)
    model, tokenizer = read_again(folder), AutoTokenizer.from_pretrained(folder)
    weights = adapted(settings, adapters)
    for messages in QUESTIONS:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        text = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert ids == weights.template.prompt_ids(messages)
        found, wanted = next_logits(model, ids), next_logits(weights.select(name), ids)
        assert torch.allclose(found, wanted, atol=close)
        assert (found - wanted).norm() < (found - next_logits(weights.select(None), ids)).norm() / 4
    assert json.loads((folder / "config.json").read_text())["dtype"] == dtype


@pytest.mark.parametrize("name", ["house", "scaled", "dora"])
def test_a_gguf_read_by_transformers_answers_like_base_and_adapter(
    settings: Settings, adapters: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch
    from transformers import GgufConfig

    folder = exported(settings, adapters, tmp_path / "out", "gguf", "float32", name)
    assert capsys.readouterr().err == ""
    model = read_again(folder, gguf_file="model.gguf", quantization_config=GgufConfig(dequantize=True))
    weights = adapted(settings, adapters)
    for messages in QUESTIONS:
        ids = weights.template.prompt_ids(messages)
        assert torch.allclose(next_logits(model, ids), next_logits(weights.select(name), ids), atol=1e-3)


def test_a_gguf_tells_llama_cpp_shape_tokens_and_template(settings: Settings, adapters: Path, tmp_path: Path) -> None:
    from gguf import GGUFReader

    folder = exported(settings, adapters, tmp_path / "out", "gguf")
    fields = {name: field.contents() for name, field in GGUFReader(folder / "model.gguf").fields.items()}
    tokenizer = adapted(settings).template.tokenizer
    assert fields["general.architecture"] == "llama" and fields["general.type"] == "model"
    assert fields["llama.block_count"] == 2 and fields["llama.attention.head_count_kv"] == 2
    assert fields["tokenizer.ggml.pre"] == "gpt-2" and fields["tokenizer.chat_template"] == CHATML
    assert fields["tokenizer.ggml.tokens"] == [tokenizer.convert_ids_to_tokens(n) for n in range(len(tokenizer))]
    assert fields["tokenizer.ggml.token_type"][:4] == [3, 3, 3, 1]
    assert fields["tokenizer.ggml.eos_token_id"] == tokenizer.eos_token_id
    assert fields["tokenizer.ggml.add_bos_token"] is False


def test_a_gguf_adapter_holds_what_the_adapter_adds(settings: Settings, adapters: Path, tmp_path: Path) -> None:
    """Read by the rules of llama.cpp: alpha / rank · B A, with the rows of q and k in pairs."""
    import numpy as np
    from gguf import GGUFReader

    folder = exported(settings, adapters, tmp_path / "out", "gguf-lora", name="scaled")
    reader = GGUFReader(folder / "adapter.gguf")
    tensors = {tensor.name: tensor.data for tensor in reader.tensors}
    alpha = reader.fields["adapter.lora.alpha"].contents()
    assert reader.fields["general.type"].contents() == "adapter"
    weights = adapted(settings, adapters)
    model = weights.peft("scaled")
    layers = dict(model.get_base_model().named_modules())
    for name, layer, heads in (("attn_q", "self_attn.q_proj", 4), ("ffn_up", "mlp.up_proj", 0)):
        a, b = tensors[f"blk.1.{name}.weight.lora_a"], tensors[f"blk.1.{name}.weight.lora_b"]
        change = alpha / a.shape[0] * (b @ a)
        wanted = layers[f"model.layers.1.{layer}"].get_delta_weight(model.active_adapter).numpy()
        if heads:
            rows = np.arange(wanted.shape[0]).reshape(heads, 2, -1)
            wanted = wanted[rows.transpose(0, 2, 1).reshape(-1)]
        assert np.allclose(change, wanted, atol=1e-5)
    assert len(tensors) == 2 * 7 * 2


@pytest.mark.parametrize("format_", ["merged", "gguf", "gguf-lora", "hub"])
def test_an_export_says_nothing_of_the_house(
    settings: Settings, adapters: Path, tmp_path: Path, format_: Format
) -> None:
    for file in exported(settings, adapters, tmp_path / "out", format_).iterdir():
        for private in (str(Path(settings.engine.model).parent), "secret-host", "policy.md"):
            assert private.encode() not in file.read_bytes(), f"{file.name} says {private}"


def test_a_folder_for_the_hub_is_read_by_peft_and_passes_all_checks(
    settings: Settings, adapters: Path, tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel

    folder = exported(settings, adapters, tmp_path / "out", "hub")
    with pytest.warns(FutureWarning, match="is_gradient_checkpointing"):  # PEFT's own
        model: Any = PeftModel.from_pretrained(adapted(settings).base, str(folder))
    weights = adapted(settings, adapters)
    ids = weights.template.prompt_ids(QUESTIONS[0])
    assert torch.allclose(next_logits(model, ids), next_logits(weights.select("house"), ids), atol=1e-5)
    assert {"README.md", "tokenizer.json", "chat_template.jinja"} <= {path.name for path in folder.iterdir()}
    adapted(settings, tmp_path).select("out")


def test_a_whole_model_is_exported_too(settings: Settings, tmp_path: Path) -> None:
    import torch

    base, tuned = adapted(settings), adapted(settings_for(tiny_model(tmp_path / "tuned", seed=3)))
    card = card_for(settings, base, method="full")
    save_adapter(tuned.base, base.template, card, tmp_path / "adapters/house", force=False)
    ids = base.template.prompt_ids(QUESTIONS[0])
    formats: tuple[Format, ...] = ("merged", "hub")
    for format_ in formats:
        folder = exported(settings, tmp_path / "adapters", tmp_path / format_, format_, "float32")
        assert torch.allclose(next_logits(read_again(folder), ids), next_logits(tuned.base, ids), atol=1e-4)
    with pytest.raises(AdapterError, match="whole model"):
        exported(settings, tmp_path / "adapters", tmp_path / "x", "gguf-lora")


def test_a_change_that_is_lost_in_rounding_is_not_exported(settings: Settings, tmp_path: Path) -> None:
    save_random(settings, tmp_path / "adapters/house", strength=1e-3)
    with pytest.raises(AdapterError, match="lost in rounding"):
        exported(settings, tmp_path / "adapters", tmp_path / "out", "merged", "bfloat16")
    assert not (tmp_path / "out").exists()
    exported(settings, tmp_path / "adapters", tmp_path / "out", "merged", "float32")


@pytest.mark.parametrize("format_", ["merged", "gguf"])
def test_an_export_that_answers_otherwise_is_not_called_done(
    settings: Settings, adapters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format_: Format
) -> None:
    def spoilt(folder: Path, kind: Format, config: Any) -> Any:
        model = _reload(folder, kind, config)
        model.model.layers[0].self_attn.q_proj.weight.data.mul_(2)
        return model

    monkeypatch.setattr("train.adapter_export._reload", spoilt)
    with pytest.raises(AdapterError, match="does not answer as the adapter does"):
        exported(settings, adapters, tmp_path / "out", format_)
    assert not list(tmp_path.iterdir())


def test_a_gguf_adapter_that_answers_otherwise_is_not_called_done(
    settings: Settings, adapters: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.gguf_files._turned", lambda weights, *_, back=False: weights * (2 if back else 1))
    with pytest.raises(AdapterError, match="does not answer as the adapter does"):
        exported(settings, adapters, tmp_path / "out", "gguf-lora")
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(settings: Settings, adapters: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter.txt").write_text("x")
    for force in (False, True):
        with pytest.raises(AdapterError, match="is no export"):
            export(settings.engine, SYSTEM, adapters, "house", mine, "hub", None, force)
    for target in (adapters / "scaled", adapters / "house", adapters / "new"):
        with pytest.raises(AdapterError, match="in the folder of the adapters"):
            export(settings.engine, SYSTEM, adapters, "house", target, "hub", None, force=True)
    folder = exported(settings, adapters, tmp_path / "out", "hub")
    with pytest.raises(AdapterError, match="exists"):
        exported(settings, adapters, folder, "hub")
    export(settings.engine, SYSTEM, adapters, "scaled", folder, "hub", None, force=True)
    assert read_card(folder).name == "scaled" and (mine / "letter.txt").exists()


@pytest.mark.parametrize("format_", ["gguf", "gguf-lora"])
def test_what_gguf_is_not_written_for_is_refused_with_what_it_is(tmp_path: Path, format_: Format) -> None:
    olmo = settings_for(save_model("OLMo 2", tmp_path / "olmo"))
    save_random(olmo, tmp_path / "adapters/house")
    with pytest.raises(AdapterError, match="not for olmo2"):
        exported(olmo, tmp_path / "adapters", tmp_path / "out", format_)
    exported(olmo, tmp_path / "adapters", tmp_path / "out", "merged", "float32")


def test_a_tokenizer_that_llama_cpp_would_cut_otherwise_is_refused(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "tiny")
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text())
    content["pre_tokenizer"] = {"type": "Whitespace"}
    file.write_text(json.dumps(content))
    save_random(settings_for(folder), tmp_path / "adapters/house")
    with pytest.raises(AdapterError, match="none of gpt-2, smollm, llama-bpe"):
        exported(settings_for(folder), tmp_path / "adapters", tmp_path / "out", "gguf")


def test_dora_is_no_gguf_adapter_and_a_tied_head_is_not_merged(
    settings: Settings, adapters: Path, tmp_path: Path
) -> None:
    with pytest.raises(AdapterError, match="DoRA"):
        exported(settings, adapters, tmp_path / "out", "gguf-lora", name="dora")
    with pytest.warns(UserWarning, match="tie_word_embeddings"):
        save_random(settings, tmp_path / "adapters/house", target_modules=["q_proj", "lm_head"])
    with pytest.warns(UserWarning, match="tie_word_embeddings"), pytest.raises(AdapterError, match="head"):
        exported(settings, tmp_path / "adapters", tmp_path / "out", "merged")


def said_by_ollama(text: str, turns: Sequence[Message]) -> str:
    """What the template of a Modelfile makes of a conversation, by the rules of Go's templates that it uses."""
    found = re.search(r'TEMPLATE """(.*?)"""', text, re.DOTALL)
    assert found
    pieces = re.fullmatch(
        r'{{ range \$i, \$_ := \.Messages }}{{ if eq \.Role "system" }}(.*?){{ else if eq \.Role "assistant" }}(.*?)'
        r"{{ else if eq \$i 1 }}(.*?){{ else }}(.*?){{ end }}{{ \.Content }}{{ end }}(.*)",
        found.group(1),
        re.DOTALL,
    )
    assert pieces
    system, answer, first, user, last = pieces.groups()
    said = ""
    for number, turn in enumerate(turns):
        before = {"system": system, "assistant": answer}.get(turn.role) or (first if number == 1 else user)
        said += before + turn.content
    return said + last


@pytest.mark.parametrize("jinja", ["", "chatml", "merges system"])
def test_ollama_is_told_to_ask_as_this_program_does(tmp_path: Path, jinja: str) -> None:
    from transformers import AutoTokenizer

    (tmp_path / "t.jinja").write_text(
        "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('none') }}{% endif %}"
        "[{{ m['role'] }}]{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
    )
    tokenizer = AutoTokenizer.from_pretrained(models.engine_folder("bundled"))
    template = ChatTemplate(tokenizer, str(tmp_path / "t.jinja") if " " in jinja else jinja)
    turns = [Message("system", "Be brief."), Message("user", "Hail?")]
    for more in ([], [Message("assistant", "Yes."), Message("user", "And fire?")]):
        assert said_by_ollama(modelfile(template, "Be brief.", "FROM x"), turns + more) == template.prompt_text(
            turns + more
        )
    assert set(before_turns(template)) == {"system", "first", "answer", "user"}


def answers(
    settings: Settings, adapters: Path, adapter: str | None, questions: Sequence[list[Message]] = QUESTIONS
) -> list[str]:
    return TransformersEngine(settings.engine, settings.device, adapters).complete(questions, TOKENS, adapter)


@pytest.mark.slow
@pytest.mark.parametrize(
    "rope",
    [
        {"rope_type": "default", "rope_theta": 10_000.0},
        {
            "rope_type": "llama3",
            "rope_theta": 10_000.0,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        },
    ],
)
def test_llama_cpp_reads_a_gguf_and_answers_alike(tmp_path: Path, rope: dict[str, Any]) -> None:
    settings = settings_for(tiny_model(tmp_path / "tiny", rope_parameters=rope, tie_word_embeddings=False))
    save_random(settings, tmp_path / "adapters/house")
    folder = exported(settings, tmp_path / "adapters", tmp_path / "out", "gguf", "float32")
    prompts = [adapted(settings).template.prompt_ids(messages) for messages in QUESTIONS]
    expected = answers(settings, tmp_path / "adapters", "house")
    assert asked_of_llama_cpp(folder / "model.gguf", prompts) == expected
    assert expected != answers(settings, tmp_path / "adapters", None)


@pytest.mark.slow
def test_the_bundled_model_with_an_adapter_answers_alike_in_llama_cpp(tmp_path: Path) -> None:
    settings = settings_for(models.engine_folder("bundled"))
    save_random(settings, tmp_path / "adapters/house", strength=1.0)
    questions = QUESTIONS[::2]  # one in English, one in German; the others are asked of tiny models
    expected = answers(settings, tmp_path / "adapters", "house", questions)
    assert expected != answers(settings, tmp_path / "adapters", None, questions)
    template = adapted(settings).template
    prompts = [template.prompt_ids(messages) for messages in questions]
    texts = [template.prompt_text(messages) for messages in questions]
    merged = exported(settings, tmp_path / "adapters", tmp_path / "merged", "gguf")
    assert asked_of_llama_cpp(merged / "model.gguf", [*prompts, *texts]) == [*expected, *expected]
    lora = exported(settings, tmp_path / "adapters", tmp_path / "lora", "gguf-lora")
    write_model(tmp_path / "base.gguf", adapted(settings).base, template, "base", "float16")
    assert asked_of_llama_cpp(tmp_path / "base.gguf", prompts, lora=lora / "adapter.gguf") == expected
