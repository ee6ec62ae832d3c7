"""The estimate of memory is near what autograd keeps, and settings that nobody set follow from it."""

from typing import Any

import pytest
import torch
from toys import toy_rows

from assistant.artifacts.cards import read_card
from assistant.config import EngineSettings, Settings
from assistant.config.train_settings import TrainSettings
from assistant.errors import ConfigError
from assistant.workspace import Workspace
from train.batches import Packed, computed_together
from train.check import check, lines
from train.finetune import train
from train.forward_backward import attention_kinds, log_likelihoods, tensors_of
from train.memory import estimate, fitted, needed
from train.model import Parameters, base_dtype, with_adapter
from train.plan import named, prepare
from train.run_file import validated

FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {"sliding_window": 256},
    "qwen3": {"head_dim": 64},
    "gemma3_text": {"head_dim": 64, "layer_types": ["sliding_attention", "sliding_attention", "full_attention"]},
    "phi3": {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2},
}
PACKED, ALONE = [(700, [(30, 20)] * 4)], [(0, [(800, 20)])]
METHODS: list[dict[str, Any]] = [{}, {"dropout": 0.05}, {"method": "dora"}, {"method": "full"}]
NOTHING = Parameters(0, 0, 0)


def config_of(family: str) -> Any:
    """Three layers, wide enough to be like a real one."""
    from transformers import AutoConfig

    sizes = {"vocab_size": 97, "hidden_size": 256, "intermediate_size": 683, "num_hidden_layers": 3}
    return AutoConfig.for_model(family, **sizes, num_attention_heads=4, num_key_value_heads=2, **FAMILIES[family])


def kept_by_autograd(config: Any, settings: TrainSettings, dtype: torch.dtype, batch: tuple[Packed, ...]) -> int:
    """Bytes that a real forward pass leaves for the backward pass."""
    from transformers import AutoModelForCausalLM

    build: Any = AutoModelForCausalLM.from_config
    base = build(config, dtype=base_dtype(dtype, settings))
    if settings.checkpointing:
        base.activation_checkpointing_enable()
    model = with_adapter(base, settings)
    model.train()
    fixed = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    copies = {weight.shape for weight in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in fixed and tensor.shape not in copies:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        given = tensors_of(batch, attention_kinds(model.config) or {}, "cpu", dtype)
        loss = log_likelihoods(model, given, dtype).sum()
    torch.autograd.backward(loss)
    return sum(kept.values())


def activations(config: Any, settings: TrainSettings, dtype: torch.dtype, batches: list[tuple[Packed, ...]]) -> int:
    return estimate(config, EngineSettings(), NOTHING, settings, dtype, batches).activations


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("values", "shape"), [*((values, PACKED) for values in METHODS), ({}, ALONE)], ids=[*map(str, METHODS), "alone"]
)
def test_activations_are_within_15_percent_of_what_autograd_keeps(family: str, values: Any, shape: Any) -> None:
    config, settings = config_of(family), TrainSettings.model_validate({"rank": 8} | values)
    batches = computed_together(toy_rows(shape), 2048, share=True)
    wanted = kept_by_autograd(config, settings, torch.bfloat16, batches[0])
    assert activations(config, settings, torch.bfloat16, batches) == pytest.approx(wanted, rel=0.15)


@pytest.mark.slow
def test_activations_in_float32_and_with_checkpointing_are_those_that_autograd_keeps() -> None:
    config, batches = config_of("llama"), computed_together(toy_rows(PACKED), 2048, share=True)
    plain, saving = (TrainSettings(rank=8, checkpointing=checkpointing) for checkpointing in (False, True))
    for dtype in (torch.bfloat16, torch.float32):
        whole = activations(config, plain, dtype, batches)
        assert whole == pytest.approx(kept_by_autograd(config, plain, dtype, batches[0]), rel=0.05)
        # All of one layer comes when it is computed again, behind the hook.
        inputs = kept_by_autograd(config, saving, dtype, batches[0])
        assert activations(config, saving, dtype, batches) == pytest.approx(inputs + whole / 3, rel=0.15)


def test_the_estimate_grows_with_what_is_trained_and_shrinks_with_quantisation() -> None:
    sizes, batches = Parameters(100, 80, 10), computed_together(toy_rows([(0, [(9, 3)])]), 100, share=False)

    def memory(method: str, dtype: torch.dtype = torch.bfloat16, optimizer: str = "adamw") -> Any:
        settings = TrainSettings.model_validate({"method": method, "optimizer": optimizer})
        return estimate(config_of("llama"), EngineSettings(), sizes, settings, dtype, batches)

    assert [memory(method).weights for method in ("lora", "lora-8bit", "qlora", "full")] == [200, 120, 81, 0]
    assert memory("lora", dtype=torch.float32).weights == 400
    assert memory("lora").training == 180, "weight, gradient, two moments, and the copy in bfloat16"
    assert memory("lora", dtype=torch.float32).training == 160
    assert memory("lora", torch.float32, "adamw-8bit").training == 100, "a byte a moment, and a scale for 256 of them"


def test_of_a_sharded_model_each_process_has_its_part_and_two_layers() -> None:
    sizes, batches = Parameters(1200, 900, 60), computed_together(toy_rows([(0, [(9, 3)])]), 100, share=False)
    whole, part = (
        estimate(config_of("llama"), EngineSettings(), sizes, TrainSettings(), torch.bfloat16, batches, parts=parts)
        for parts in (1, 4)
    )
    assert (whole.weights, part.weights) == (2400, 600 + 2 * 2400 // 3)
    assert part.training == whole.training // 4 and part.activations == whole.activations


@pytest.mark.slow
def test_a_model_is_sharded_where_no_smaller_micro_batch_makes_room(place: Workspace, general: Settings) -> None:
    def chosen(free: int, **values: Any) -> tuple[str, str]:
        job = prepare(named(validated({"method": "full", **values}), place), place, general)
        changed, told = fitted(job, free, processes=8)
        return changed.settings.shard, told

    job = prepare(
        named(validated({"method": "full", "batch_tokens": 512, "checkpointing": True}), place), place, general
    )
    least = needed(job, 8).total
    assert chosen(least)[0] == "auto", "a smaller micro-batch does"
    shard, told = chosen(least - 1)
    assert shard == "on" and "shard=on" in told and "\n" not in told
    shard, told = chosen(least - 1, batch_tokens=512, checkpointing=True)
    assert shard == "on" and "Chosen for want of memory: shard=on, with" in told, "batch_tokens is kept as it is set"
    assert chosen(least - 1, shard="off")[0] == "off"
    assert chosen(least - 1, optimizer="adamw-8bit")[0] == "auto"
    assert chosen(1, batch_tokens=512, shard="off") == ("off", ""), "what is set is kept"


@pytest.mark.parametrize("values", [{"method": "lora-8bit"}, {"method": "full", "optimizer": "adamw-8bit"}], ids=str)
def test_what_cannot_be_sharded_is_refused_in_one_line(
    place: Workspace, general: Settings, values: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match="shard=on") as error:
        prepare(named(validated(values | {"shard": "on"}), place), place, general)
    assert list(values.values())[-1] in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("reads", [lambda hidden: hidden.sum().item(), torch.nonzero], ids=["a value", "a shape"])
def test_a_model_whose_code_reads_values_is_trained_without_a_count(
    place: Workspace, general: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], reads: Any
) -> None:
    from transformers.models.llama.modeling_llama import LlamaMLP

    forward: Any = LlamaMLP.forward
    monkeypatch.setattr(LlamaMLP, "forward", lambda self, hidden: (reads(hidden.detach()), forward(self, hidden))[1])
    monkeypatch.setattr("train.finetune.free_bytes", lambda _: 1)
    assert train(place, general, {"name": "reading", "rank": 4, "max_steps": 1, "validation_answers": 0})
    assert "Memory could not be counted" in capfd.readouterr().err
    report = check(place, general, {"name": "looked", "rank": 4})
    assert report.memory.activations == 0 and "Memory: more than" in "\n".join(lines(report))


def test_a_training_that_would_not_fit_takes_what_fits_and_keeps_it(
    place: Workspace, general: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("train.finetune.free_bytes", lambda _: 1)
    train(place, general, {"name": "thrifty", "rank": 4, "max_steps": 2, "validation_answers": 0})
    assert "Chosen for want of memory: batch_tokens=512 and checkpointing=true" in capfd.readouterr().err
    config = read_card(place.adapter("thrifty")).config
    assert (config["batch_tokens"], config["checkpointing"]) == (512, True)
