"""The engine: one base model, adapters switched per request, many prompts at once."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from fakes import returned
from tiny import QUESTIONS, adapted, card_for, edited, save_random, settings_for, tiny_model

from assistant import models
from assistant.config import Settings
from assistant.engines.canary import next_logits, precision_of
from assistant.engines.lora import read_lora_weights
from assistant.engines.template import CHATML
from assistant.engines.transformers_engine import TransformersEngine
from assistant.errors import AdapterError, IdentityError, ModelError, UsageError
from assistant.types import Message
from train.registry import save_adapter

TOKENS = 12


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_for(tiny_model(tmp_path_factory.mktemp("base") / "tiny"))


@pytest.fixture(scope="module")
def adapters(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two adapters of unequal rank and targets, one of them with a name that is no Python name."""
    folder = tmp_path_factory.mktemp("adapters")
    save_random(settings, folder / "house", seed=1)
    save_random(settings, folder / "tone-v1.2", seed=2, r=2, target_modules=["q_proj", "down_proj"])
    return folder


def answers(engine: TransformersEngine, adapter: str | None) -> list[str]:
    return ["".join(engine.stream(messages, TOKENS, 0.0, adapter)) for messages in QUESTIONS]


def test_the_base_is_bit_equal_to_one_that_never_had_an_adapter(settings: Settings, adapters: Path) -> None:
    import torch

    plain, with_adapters = adapted(settings), adapted(settings, adapters)
    prompts = [plain.template.prompt_ids(messages) for messages in QUESTIONS]
    for adapter in (None, "house", None, "tone-v1.2", "base"):
        with_adapters.select(adapter)
    for prompt in prompts:
        assert torch.equal(next_logits(plain.select(None), prompt), next_logits(with_adapters.select(None), prompt))


def test_each_request_is_answered_with_its_own_adapter_in_any_order(settings: Settings, adapters: Path) -> None:
    def alone(adapter: str | None) -> list[str]:
        return answers(TransformersEngine(settings.engine, settings.device, adapters), adapter)

    expected = {adapter: alone(adapter) for adapter in (None, "house", "tone-v1.2")}
    assert len({tuple(said) for said in expected.values()}) == 3
    engine = TransformersEngine(settings.engine, settings.device, adapters)
    for adapter in ("house", None, "tone-v1.2", "house", None, "house", "tone-v1.2"):
        assert answers(engine, adapter) == expected[adapter]


def test_an_adapter_is_read_once_and_then_switched(
    settings: Settings, adapters: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def counted(folder: Path, config: Any, linears: Any) -> dict[str, Any]:
        read.append(folder)
        return read_lora_weights(folder, config, linears)

    monkeypatch.setattr("assistant.engines.adapted.read_lora_weights", counted)
    engine = TransformersEngine(settings.engine, settings.device, adapters)
    for adapter in ("house", "tone-v1.2", None, "house", "tone-v1.2"):
        engine.complete(QUESTIONS[:1], 1, adapter)
    assert read == [adapters / "house", adapters / "tone-v1.2"]


@pytest.mark.parametrize("adapter", [None, "house"])
def test_many_prompts_at_once_are_answered_as_one_by_one(
    settings: Settings, adapters: Path, adapter: str | None
) -> None:
    engine = TransformersEngine(settings.engine, settings.device, adapters)
    expected = answers(engine, adapter)
    assert engine.complete(QUESTIONS, TOKENS, adapter) == expected
    assert engine.complete(QUESTIONS * 5, TOKENS, adapter) == expected * 5
    assert engine.complete([], TOKENS, adapter) == []


def test_a_prompt_that_the_model_cannot_read_is_told(settings: Settings) -> None:
    engine = TransformersEngine(settings.engine, settings.device)
    long = [Message("user", "x" * 1100)]
    with pytest.raises(ModelError, match="1024"):
        engine.complete([QUESTIONS[0], long], TOKENS)
    with pytest.raises(ModelError, match="1024"):
        list(engine.stream(long, TOKENS, 0.0))
    assert answers(engine, None)


def test_an_answer_that_is_closed_frees_the_engine(settings: Settings, adapters: Path) -> None:
    engine = TransformersEngine(settings.engine, settings.device, adapters)
    stream = engine.stream(QUESTIONS[0], 400, 0.0, "house")
    next(stream)
    stream.close()
    assert answers(engine, None) == answers(TransformersEngine(settings.engine, settings.device), None)


def test_an_adapter_that_was_replaced_on_disk_is_loaded_again(settings: Settings, tmp_path: Path) -> None:
    save_random(settings, tmp_path / "house", seed=1)
    save_random(settings, tmp_path / "other", seed=5)
    engine = TransformersEngine(settings.engine, settings.device, tmp_path)
    before, other = answers(engine, "house"), answers(engine, "other")
    (tmp_path / "house").rename(tmp_path / "old")
    (tmp_path / "other").rename(tmp_path / "house")
    assert answers(engine, "house") == other != before


def test_a_whole_model_is_one_of_its_own_beside_the_base(settings: Settings, tmp_path: Path) -> None:
    tuned = adapted(settings_for(tiny_model(tmp_path / "tuned", seed=3)))
    base = adapted(settings)
    card = save_adapter(
        tuned.base, base.template, card_for(settings, base, method="full"), tmp_path / "adapters/whole", force=False
    )
    assert card.canary is not None and card.canary.base_logits == ()
    engine = TransformersEngine(settings.engine, settings.device, tmp_path / "adapters")
    plain = TransformersEngine(settings.engine, settings.device)
    expected = answers(TransformersEngine(settings_for(tmp_path / "tuned").engine, settings.device), None)
    assert answers(engine, "whole") == expected != answers(plain, None)
    assert answers(engine, None) == answers(plain, None)


def test_what_is_refused_leaves_the_others_usable(settings: Settings, adapters: Path, tmp_path: Path) -> None:
    shutil.copytree(adapters / "house", tmp_path / "house")
    shutil.copytree(adapters / "house", tmp_path / "broken")
    (tmp_path / "broken/adapter_model.safetensors").unlink()
    engine = TransformersEngine(settings.engine, settings.device, tmp_path)
    for _ in range(2):
        with pytest.raises(AdapterError, match=r"adapter_model\.safetensors is missing"):
            engine.complete(QUESTIONS, TOKENS, "broken")
    fresh = TransformersEngine(settings.engine, settings.device, adapters)
    assert engine.complete(QUESTIONS, TOKENS, "house") == fresh.complete(QUESTIONS, TOKENS, "house")
    with pytest.raises(AdapterError):
        engine.complete(QUESTIONS, TOKENS, "broken")
    assert engine.complete(QUESTIONS, TOKENS) == fresh.complete(QUESTIONS, TOKENS)


@pytest.mark.parametrize("loaded_before", [[], ["house"]])
def test_what_fails_its_canary_leaves_no_trace_in_the_model(
    settings: Settings, adapters: Path, tmp_path: Path, loaded_before: list[str]
) -> None:
    import torch

    for name in ("house", "broken"):
        shutil.copytree(adapters / "house", tmp_path / name)
    edited(tmp_path / "broken/card.json", lambda text: re.sub(r'("top_logits": \[\s*)[-0-9.]+', r"\g<1>99.0", text))
    weights, plain = adapted(settings, tmp_path), adapted(settings, adapters)
    for name in loaded_before:
        weights.select(name)
    with pytest.raises(AdapterError, match="does not say what it said"):
        weights.select("broken")
    prompt = plain.template.prompt_ids(QUESTIONS[0])
    for adapter in (None, "house"):
        expected = next_logits(plain.select(adapter), prompt)
        assert torch.equal(next_logits(weights.select(adapter), prompt), expected)


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("none", AdapterError, "there are: house, tone-v1.2"),
        ("../house", UsageError, "'../house'"),
        ("", UsageError, "''"),
    ],
)
def test_an_adapter_that_is_not_there_is_named(
    settings: Settings, adapters: Path, name: str, error: type[Exception], said: str
) -> None:
    engine = TransformersEngine(settings.engine, settings.device, adapters)
    with pytest.raises(error, match=said):
        engine.complete(QUESTIONS, TOKENS, name)


def test_without_a_workspace_there_are_no_adapters(settings: Settings) -> None:
    with pytest.raises(AdapterError, match="no workspace"):
        TransformersEngine(settings.engine, settings.device).complete(QUESTIONS, TOKENS, "house")


def test_an_adapter_of_another_base_or_template_is_refused_with_both_named(
    settings: Settings, adapters: Path, tmp_path: Path
) -> None:
    other = settings_for(tiny_model(tmp_path / "other", seed=9))
    with pytest.raises(IdentityError) as caught:
        adapted(other, adapters).select("house")
    assert settings.engine.model in caught.value.message and other.engine.model in caught.value.message
    assert f"engine.model={settings.engine.model}" in caught.value.remedy
    (tmp_path / "other.jinja").write_text(CHATML.replace("assistant", "helper"))
    named = settings.engine.model_copy(update={"chat_template": str(tmp_path / "other.jinja")})
    with pytest.raises(IdentityError, match="chat template"):
        TransformersEngine(named, settings.device, adapters).complete(QUESTIONS, TOKENS, "house")


def test_a_turn_ends_where_the_template_ends_it(tmp_path: Path) -> None:
    folder = tiny_model(tmp_path / "tiny", eos_token_id=7)  # the model's own end is another one
    weights = adapted(settings_for(folder))
    assert set(weights.base.generation_config.eos_token_id) == {weights.template.end_of_turn, 7}


@pytest.mark.parametrize("tokens", [1, TOKENS])
def test_whether_an_answer_was_cut_is_known_from_its_tokens(tmp_path: Path, tokens: int) -> None:
    settings = settings_for(tiny_model(tmp_path / "tiny"))
    engine = TransformersEngine(settings.engine, settings.device)
    assert returned(engine.stream(QUESTIONS[0], tokens, 0.0)) is True, "a random model never ends"
    ends = list(range(engine.template.tokenizer.vocab_size))
    engine._weights.base.generation_config.eos_token_id = ends
    assert returned(engine.stream(QUESTIONS[0], tokens, 0.0)) is False


@pytest.mark.parametrize(("bits", "precision"), [("8bit", "int8"), ("4bit", "nf4")])
def test_fewer_bits_hold_the_base_and_the_adapter_still_speaks(tmp_path: Path, bits: str, precision: str) -> None:
    settings = settings_for(tiny_model(tmp_path / "tiny", intermediate_size=128))  # NF4 has blocks of 64
    save_random(settings, tmp_path / "adapters/house")
    plain, engine = (
        TransformersEngine(settings.engine.model_copy(update={"quantize": one}), settings.device, tmp_path / "adapters")
        for one in ("none", bits)
    )
    assert precision_of(engine._weights.base) == precision
    assert engine._weights.base.get_memory_footprint() < plain._weights.base.get_memory_footprint()
    assert answers(engine, None) != answers(engine, "house")


def test_the_window_is_known_without_loading_weights(settings: Settings) -> None:
    engine = TransformersEngine(settings.engine, settings.device)
    assert engine.window == 1024
    assert "base" not in vars(engine._weights)


@pytest.mark.slow
def test_the_bundled_model_answers_many_prompts_as_one_by_one() -> None:
    settings = settings_for(models.engine_folder("bundled"))
    engine = TransformersEngine(settings.engine, settings.device)
    prompts = [[Message("system", "Be brief."), Message("user", "What is hail? " * count)] for count in (1, 5, 2)]
    expected = ["".join(engine.stream(messages, TOKENS, 0.0)) for messages in prompts]
    assert engine.complete(prompts, TOKENS) == expected
