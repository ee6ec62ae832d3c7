"""A training as a whole: what it learns, what it leaves behind, when it stops, and what it refuses."""

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from toys import VOICE, apart, toy_pair, toy_rows, with_voice, write_toy_pairs

from assistant import models
from assistant.artifacts.cards import read_card, run_folder
from assistant.config import Settings
from assistant.config.train_settings import TrainSettings
from assistant.errors import AdapterError, ConfigError, PairsError, TrainingError, UsageError, WorkspaceBusy
from assistant.workspace import Workspace, write_lock
from train import registry
from train.checkpoints import CHECKPOINT_FILE, read_state
from train.finetune import make_accelerator, make_trainer, train
from train.forward_backward import Done, Passes
from train.plan import drawn, named, prepare
from train.run_file import validated
from train.validation_answers import AnswerCounts

SHORT = {"max_steps": 2, "learning_rate": 0.01, "validation_answers": 0}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    (file,) = folder.glob("*.safetensors")
    return load_file(file)


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def losses(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Losses that the next steps will seem to have."""
    queue: list[float] = []
    real = Passes.backward

    def scripted(self: Passes, rows: Any) -> Done:
        done = real(self, rows)
        return dataclasses.replace(done, loss=queue.pop(0)) if queue else done

    monkeypatch.setattr(Passes, "backward", scripted)
    yield queue


@pytest.fixture
def validations(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Losses that validations will seem to have, the base's first; nothing is answered."""
    queue: list[float] = []
    monkeypatch.setattr(Passes, "answered", lambda *_: None)
    monkeypatch.setattr(Passes, "mean_loss", lambda _, __: queue.pop(0))
    yield queue


@pytest.mark.slow
@pytest.mark.usefixtures("plots")
def test_an_adapter_learns_and_comes_with_card_metrics_and_plots(place: Workspace, general: Settings) -> None:
    card = train(place, general, {"epochs": 10, "learning_rate": 0.01, "evaluate_every": 10})
    folder = place.adapter("toy")
    assert card is not None and card == read_card(folder)
    assert card.validation_loss is not None and card.base_validation_loss is not None
    assert card.validation_loss < card.base_validation_loss - 0.3
    assert card.steps == 20 and card.pairs == "toy" and card.corpus == "default" and card.generation == 3
    assert card.pairs_counts == {"structure": 16} and card.documents == {"d0.md": "ab"}
    assert card.config["rank"] == 16 and card.config["learning_rate"] == 0.01 and card.config["name"] == "toy"
    assert 0 < card.parameters < card.base_parameters
    seen = records(folder)
    assert [one["step"] for one in seen if "loss" in one] == list(range(1, 21))
    assert [one["step"] for one in seen if "validation_loss" in one] == [10, 20]
    assert (folder / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (folder / "loss.svg").read_bytes()
    assert [path.name for path in run_folder(place, "toy").iterdir()] == [".lock"], "nothing is left behind"


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        *(({"method": method}, "bfloat16") for method in ("lora", "dora", "qlora", "lora-8bit", "full")),
        *(({"method": method}, "float32") for method in ("dora", "qlora", "lora-8bit", "full")),
        *(({"method": method}, "float16") for method in ("lora", "qlora", "full")),
        ({"method": "lora", "rslora": True, "dropout": 0.1}, "float32"),
        ({"method": "lora", "checkpointing": True}, "float32"),
        ({"method": "lora", "layers_to_transform": [1]}, "float32"),
    ],
    ids=str,
)
def test_each_method_trains_and_changes_what_the_model_says(
    place: Workspace, general: Settings, values: dict[str, Any], dtype: str
) -> None:
    general = Settings.model_validate({**general.model_dump(), "device": {"name": "cpu", "dtype": dtype}})
    card = train(place, general, SHORT | values)
    assert card is not None and card.canary is not None and card.method == values["method"]
    if card.method != "full":
        kept = weights(place.adapter("toy"))
        assert {name.split("layers.")[1][0] for name in kept} == (
            {"1"} if "layers_to_transform" in values else {"0", "1"}
        )
        assert {str(tensor.dtype) for tensor in kept.values()} == {"torch.float32"}
        assert sum(tensor.numel() for tensor in kept.values()) == card.parameters
        assert any(tensor.abs().max() > 0 for name, tensor in kept.items() if "lora_B" in name)
        assert card.canary.top_logits != card.canary.base_logits


@pytest.mark.parametrize("method", ["lora", "qlora", "lora-8bit", "dora"])
def test_a_validation_leaves_the_gradients_as_they_were(place: Workspace, general: Settings, method: str) -> None:
    job = prepare(named(validated({"method": method}), place), place, general)
    trainer = make_trainer(job, make_accelerator(job), place.root)

    def gradients() -> list[torch.Tensor]:
        trainer.optimizer.zero_grad()
        trainer.passes.backward(job.plan.rows[:8])
        return [weight.grad.clone() for _, weight in trainer.weights if weight.grad is not None]

    before = gradients()
    trainer.passes.mean_loss(job.plan.validation)
    after = gradients()
    assert len(before) == len(after) and all(map(torch.equal, before, after))


def test_chosen_layers_and_modules_alone_get_an_adapter(place: Workspace, general: Settings) -> None:
    train(place, general, SHORT | {"target_modules": ("q_proj",), "layers_to_transform": (1,)})
    names = {name.split(".lora_")[0] for name in weights(place.adapter("toy"))}
    assert names == {"base_model.model.model.layers.1.self_attn.q_proj"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")  # what TRL asks of transformers
def test_weights_are_those_of_trl_on_the_same_rows(
    place: Workspace, general: Settings, base: Path, tmp_path: Path
) -> None:
    """Three steps of the same model on the same pairs: separate rows there, packed ones here."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    values: dict[str, Any] = {"max_steps": 3, "batch": 16, "schedule": "constant", "warmup": 0.0, "seed": 3}
    values |= {"learning_rate": 0.01, "patience": 0, "evaluate_every": 3}
    train(place, general, values)
    job = prepare(named(validated(values), place), place, general)
    columns = [
        {"input_ids": [*row.prompt, *row.response], "labels": [-100] * len(row.prompt) + list(row.response)}
        for row in job.plan.rows
    ]
    with models.quiet_transformers():
        torch.manual_seed(3)
        trainer = SFTTrainer(
            AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32),
            args=SFTConfig(
                output_dir=str(tmp_path / "trl"),
                use_cpu=True,
                bf16=False,
                gradient_checkpointing=False,
                max_length=None,
                per_device_train_batch_size=16,
                max_steps=3,
                learning_rate=0.01,
                lr_scheduler_type="constant",
                weight_decay=0.01,
                seed=3,
                report_to="none",
                save_strategy="no",
                disable_tqdm=True,
            ),
            train_dataset=Dataset.from_list(columns),
            processing_class=job.template.tokenizer,
            peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
        )
        trainer.train()
    model: Any = trainer.model
    named_weights = ((name.replace(".default", ""), weight) for name, weight in model.named_parameters())
    theirs = {name: weight.detach() for name, weight in named_weights if weight.requires_grad}
    assert apart(weights(place.adapter("toy")), theirs) < 1e-3
    untrained = {name: torch.zeros_like(weight) if "lora_B" in name else weight for name, weight in theirs.items()}
    assert apart(untrained, theirs) > 0.05, "there was something to learn"


def test_second_matrices_learn_faster_by_the_ratio_of_lora_plus_as_in_peft(place: Workspace, general: Settings) -> None:
    from peft.optimizers import create_loraplus_optimizer

    job = prepare(named(validated({"loraplus_lr_ratio": 16, "method": "dora"}), place), place, general)
    trainer = make_trainer(job, make_accelerator(job), place.root)
    trainer.step(job.plan.rows[:8], job.plan.schedule)
    rate = job.plan.schedule.rate(0)
    moved = {name: float(weight.detach().abs().max()) for name, weight in trainer.weights if "lora_B" in name}
    assert all(change == pytest.approx(16 * rate, rel=1e-3) for change in moved.values()), (
        "Adam's first step is the rate"
    )
    theirs = create_loraplus_optimizer(trainer.passes.model, torch.optim.AdamW, lr=rate, loraplus_lr_ratio=16)
    rates = [
        {id(weight): group["lr"] for group in optimizer.param_groups for weight in group["params"]}
        for optimizer in (trainer.optimizer, theirs)
    ]
    assert rates[0] == rates[1] and len(set(rates[0].values())) == 2


def test_test_pairs_change_nothing(place: Workspace, general: Settings) -> None:
    without = train(place, general, SHORT | {"name": "without"})
    pairs = [toy_pair(number, "validation" if number >= 16 else "train") for number in range(20)]
    poison = [dataclasses.replace(toy_pair(100 + n, "test"), response="Poison. " * 40) for n in range(8)]
    write_toy_pairs(place, [*poison, *pairs])
    with_them = train(place, general, SHORT | {"name": "with"})
    assert apart(weights(place.adapter("without")), weights(place.adapter("with"))) == 0
    assert without is not None and with_them is not None
    assert (without.base_validation_loss, without.validation_loss, without.tokens) == (
        with_them.base_validation_loss,
        with_them.validation_loss,
        with_them.tokens,
    )


def test_examples_of_the_house_voice_are_shown_again_among_all_pairs(place: Workspace, general: Settings) -> None:
    write_toy_pairs(place, with_voice())
    once, more = (prepare(named(validated({"tone_epochs": n}), place), place, general).plan for n in (0, 3))
    assert [row.id for row in once.rows] == [f"p{number}" for number in range(16)]
    again = [row.id for row in more.rows[16:]]
    assert sorted(again) == sorted(3 * list(VOICE - {"p18"})) and more.validation == once.validation
    card = train(place, general, SHORT | {"tone_epochs": 3})
    assert card is not None and card.pairs_counts == {"structure": 14, "tone": 2}


@pytest.mark.parametrize(
    ("answered", "kept"),
    [
        ([AnswerCounts(4, 0), AnswerCounts(4, 2), AnswerCounts(4, 3), AnswerCounts(4, 3)], 2),
        ([AnswerCounts(4, 1), AnswerCounts(4, 3), AnswerCounts(4, 1), AnswerCounts(4, 2)], 1),
        ([AnswerCounts(4, 0), AnswerCounts(3, 4), AnswerCounts(4, 1), AnswerCounts(2, 4)], 2),
        ([AnswerCounts(3, 0), AnswerCounts(3, 4), AnswerCounts(4, 3), AnswerCounts(4, 3)], 1),
        ([AnswerCounts(4, 0), AnswerCounts(3, 1), AnswerCounts(2, 2), AnswerCounts(3, 2)], 2),
    ],
    ids=[
        "usable, then the loss",
        "usable before the loss",
        "no degenerate ones",
        "no more than the base",
        "or the best",
    ],
)
def test_the_weights_that_answer_best_are_kept(
    place: Workspace,
    general: Settings,
    monkeypatch: pytest.MonkeyPatch,
    validations: list[float],
    answered: list[AnswerCounts],
    kept: int,
) -> None:
    monkeypatch.setattr(Passes, "answered", lambda *_: answered.pop(0))
    validations += [9.0, 5.0, 4.0, 6.0]
    card = train(place, general, SHORT | {"max_steps": 3, "evaluate_every": 1, "validation_answers": 4})
    assert card is not None and (card.steps, card.validation_loss) == (kept, [9.0, 5.0, 4.0, 6.0][kept])
    seen = [one for one in records(place.adapter("toy")) if "validation_loss" in one]
    assert all({"usable_answers", "sane_answers"} <= one.keys() for one in seen)


def test_sharing_prefixes_changes_speed_and_not_the_result(place: Workspace, general: Settings) -> None:
    cards = [
        train(place, general, SHORT | {"name": name, "share_prefixes": share, "batch": 16})
        for name, share in (("packed", True), ("alone", False))
    ]
    assert apart(weights(place.adapter("packed")), weights(place.adapter("alone"))) < 1e-3
    assert cards[0] is not None and cards[1] is not None and cards[0].tokens < 0.6 * cards[1].tokens


def test_a_model_that_cannot_be_packed_says_so_and_is_trained(
    place: Workspace, general: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("train.finetune.obstacle", lambda *_: "its layers take no mask")
    train(place, general, SHORT)
    assert "one by one, which is slower: its layers take no mask" in capsys.readouterr().err


def test_training_stops_when_validation_does_not_get_better_and_keeps_the_best(
    place: Workspace, general: Settings, validations: list[float]
) -> None:
    validations += [9.0, 5.0, 4.0, 4.5, 4.2, 8.0]
    card = train(place, general, {"max_steps": 50, "evaluate_every": 1, "patience": 3, "learning_rate": 0.01})
    assert card is not None and not validations
    assert (card.steps, card.validation_loss, card.base_validation_loss) == (2, 4.0, 9.0)


def test_the_weights_that_are_kept_are_those_of_the_best_validation(
    place: Workspace, general: Settings, validations: list[float]
) -> None:
    values = {"max_steps": 4, "evaluate_every": 1, "learning_rate": 0.01, "schedule": "constant", "warmup": 0.0}
    validations += [9.0, 5.0, 4.0, 6.0, 7.0]
    train(place, general, values)
    validations += [9.0, 5.0, 4.0]
    train(place, general, values | {"name": "two", "max_steps": 2})
    best, two = weights(place.adapter("toy")), weights(place.adapter("two"))
    assert all(torch.equal(best[name], two[name]) for name in best)


def test_validation_pairs_are_drawn_once_and_with_those_that_share_their_passages() -> None:
    rows = toy_rows([(20, [(3, 2)] * 4) for _ in range(10)])
    some = drawn(rows, TrainSettings(validation_pairs=6))
    assert some == drawn(rows, TrainSettings(validation_pairs=6)) and len(some) == len(set(some)) == 8
    assert len({row.prompt[:20] for row in some}) == 2
    assert drawn(rows, TrainSettings(validation_pairs=0)) == drawn(rows, TrainSettings(validation_pairs=40)) == rows


def test_without_validation_pairs_the_last_weights_are_kept(place: Workspace, general: Settings) -> None:
    write_toy_pairs(place, [toy_pair(number) for number in range(8)])
    card = train(place, general, SHORT)
    assert card is not None
    assert (card.steps, card.validation_loss, card.base_validation_loss) == (2, None, None)
    assert card.train_loss is not None and math.isfinite(card.train_loss)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_the_run_with_the_reason(
    place: Workspace, general: Settings, losses: list[float], value: float
) -> None:
    losses += [3.0, 3.0, value]
    with pytest.raises(TrainingError, match=f"step 3 of 9: the loss became {value}") as error:
        train(place, general, {"max_steps": 9, "checkpoint_minutes": 0.0})
    assert "learning_rate" in error.value.remedy
    assert not place.adapter("toy").exists()
    state = read_state(run_folder(place, "toy"))
    assert state is not None and state.step == 2, "the last good state stays"


def test_a_diverging_loss_stops_the_run_with_the_reason(
    place: Workspace, general: Settings, losses: list[float]
) -> None:
    losses += [10.0] * 12 + [40.0] * 20
    with pytest.raises(TrainingError, match=r"the loss rose from 10\.\d+ to 2\d\.\d+"):
        train(place, general, {"max_steps": 40})


def test_rows_that_are_harder_than_those_to_validate_on_are_no_divergence(
    place: Workspace, general: Settings, losses: list[float], validations: list[float]
) -> None:
    losses += [10.0] * 15
    validations += [2.0] * 4
    assert train(place, general, {"max_steps": 15, "patience": 0, "evaluate_every": 5}) is not None


@pytest.fixture
def overflowing(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Whether the next backward passes will seem to overflow."""
    queue: list[bool] = []
    real = Passes.backward

    def scripted(self: Passes, rows: Any) -> Done:
        done = real(self, rows)
        if queue and queue.pop(0):
            next(weight.grad for weight in self.model.parameters() if weight.grad is not None).fill_(math.inf)
        return done

    monkeypatch.setattr(Passes, "backward", scripted)
    yield queue


def test_a_step_that_overflows_float16_is_told_and_computed_again_with_half_the_scale(
    place: Workspace, general: Settings, overflowing: list[bool], capsys: pytest.CaptureFixture[str]
) -> None:
    general = Settings.model_validate({**general.model_dump(), "device": {"name": "cpu", "dtype": "float16"}})
    values = {"max_steps": 4, "learning_rate": 0.01, "dropout": 0.2, "validation_answers": 0}
    whole = train(place, general, values | {"name": "whole"})
    overflowing += [False, False, True, True, False]
    card = train(place, general, values)
    told = [line for line in capsys.readouterr().err.splitlines() if "overflowed" in line]
    assert [line.split("Gradients ")[-1].split(";")[0] for line in told] == 2 * ["of step 3 overflowed float16"]
    assert whole is not None and card is not None and not overflowing
    first, second = (
        [(one["step"], one["learning_rate"], one["loss"]) for one in records(place.adapter(name)) if "loss" in one]
        for name in ("whole", "toy")
    )
    assert [one[:2] for one in first] == [one[:2] for one in second]
    assert [one[2] for one in first] == pytest.approx([one[2] for one in second], rel=1e-3)
    assert apart(weights(place.adapter("whole")), weights(place.adapter("toy"))) < 1e-2


def test_gradients_that_float16_cannot_hold_by_any_scale_stop_the_run(
    place: Workspace, general: Settings, overflowing: list[bool]
) -> None:
    general = Settings.model_validate({**general.model_dump(), "device": {"name": "cpu", "dtype": "float16"}})
    overflowing += 99 * [True]
    with pytest.raises(TrainingError, match="stopped at step 1 of 2: the loss became") as error:
        train(place, general, SHORT | {"validation_answers": 0})
    assert "device.dtype=float32" in error.value.remedy


def test_weights_that_explode_stop_the_run(place: Workspace, general: Settings) -> None:
    with pytest.raises(TrainingError, match="Training stopped at step"):
        train(place, general, {"max_steps": 30, "method": "full", "learning_rate": 1.0, "warmup": 0.0, "patience": 0})


@pytest.mark.parametrize(
    "failure",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory: you tried to allocate"),
    ],
)
def test_out_of_memory_says_what_to_change(
    place: Workspace, general: Settings, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(Passes, "backward", fail)
    with pytest.raises(TrainingError, match="batch of 2048 tokens") as error:
        train(place, general, SHORT)
    assert "batch_tokens=1024" in error.value.remedy
    assert "\n" not in str(error.value)


def test_a_bug_is_not_told_as_lack_of_memory(
    place: Workspace, general: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(Passes, "backward", fail)
    with pytest.raises(RuntimeError, match="shapes"):
        train(place, general, SHORT)


def test_a_name_that_is_taken_is_refused_before_anything_is_spent(
    place: Workspace, general: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.adapter("toy").mkdir(parents=True)
    monkeypatch.setattr("train.finetune.prepare", lambda *_: pytest.fail("work was done"))
    with pytest.raises(AdapterError, match="--force"):
        train(place, general, SHORT)
    with pytest.raises(AdapterError, match="base model"):
        train(place, general, SHORT | {"name": "base"})
    with pytest.raises(UsageError, match=r"\.\./up"):
        train(place, general, SHORT | {"name": "../up"})
    with pytest.raises(UsageError, match=r"\.\./up"):
        train(place, general, SHORT | {"name": "a", "pairs": "../up"})


def test_force_replaces_an_adapter(place: Workspace, general: Settings) -> None:
    train(place, general, SHORT)
    before = read_card(place.adapter("toy"))
    after = train(place, general, SHORT | {"rank": 4}, force=True)
    assert after is not None and after.parameters < before.parameters
    assert read_card(place.adapter("toy")) == after


def test_two_trainings_of_one_name_are_refused(place: Workspace, general: Settings) -> None:
    with write_lock(run_folder(place, "toy")), pytest.raises(WorkspaceBusy):
        train(place, general, SHORT)
    assert train(place, general, SHORT) is not None


def test_the_newest_pairs_are_taken_and_none_is_told(place: Workspace, general: Settings, tmp_path: Path) -> None:
    import os

    write_toy_pairs(place, [toy_pair(number) for number in range(4)], name="older")
    os.utime(place.pairs_file("older"), (1, 1))
    card = train(place, general, SHORT)
    assert card is not None and card.pairs == card.name == "toy"
    with pytest.raises(PairsError, match="assistant pairs"):
        train(Workspace(tmp_path / "empty"), general, SHORT)
    write_toy_pairs(place, [toy_pair(0, "validation")], name="none")
    with pytest.raises(TrainingError, match="none holds no rows to train on"):
        train(place, general, SHORT | {"pairs": "none"})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"target_modules": ("q_porj",)}, "Did you mean q_proj?"),
        ({"target_modules": ("q_proj", "foo.v_proj")}, "Did you mean v_proj?"),
        ({"target_modules": ("model.layers.99.q_proj",)}, "target_modules=model.layers.99.q_proj"),
        ({"target_modules": ("q_proj", "wqkv")}, "target_modules=wqkv"),
        ({"layers_to_transform": (2,)}, "the model has 2 layers"),
        ({"report_to": "trackio"}, "not installed"),
    ],
)
def test_settings_that_do_not_fit_the_model_or_machine_are_refused(
    place: Workspace, general: Settings, values: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as error:
        train(place, general, SHORT | values)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("values", [{"method": "qlora"}, {"optimizer": "adamw-8bit"}], ids=str)
def test_a_package_that_is_missing_is_told_before_the_model_is_loaded(
    place: Workspace, general: Settings, monkeypatch: pytest.MonkeyPatch, values: dict[str, str]
) -> None:
    monkeypatch.setattr("train.model.importlib.util.find_spec", lambda _: None)
    monkeypatch.setattr("train.model.models.load_causal", lambda *_: pytest.fail("it was loaded"))
    (wanted,) = (f"{key}={value}" for key, value in values.items())
    with pytest.raises(ConfigError, match=f"{wanted} needs bitsandbytes"):
        train(place, general, SHORT | values)


def test_a_disk_that_is_full_while_saving_loses_nothing(
    place: Workspace, general: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors import SafetensorError
    from safetensors import torch as safetensors

    real = safetensors.save_file
    room = [3]

    def full(tensors: Any, path: Path, metadata: Any = None) -> None:
        room[0] -= 1
        if room[0] < 0:
            path.write_bytes(b"half")
            raise SafetensorError("I/O error: No space left on device (os error 28)")
        real(tensors, path, metadata)

    monkeypatch.setattr(safetensors, "save_file", full)
    values = SHORT | {"max_steps": 6, "evaluate_every": 1}
    with pytest.raises(TrainingError, match="No space left") as error:
        train(place, general, values)
    assert "--resume" in error.value.remedy and "\n" not in str(error.value)
    assert not [path for path in run_folder(place, "toy").iterdir() if path.suffix == ".tmp"]
    monkeypatch.setattr(safetensors, "save_file", real)
    resumed = train(place, general, {}, resume=True)
    assert resumed is not None
    train(place, general, values | {"name": "whole"})
    one, other = weights(place.adapter("toy")), weights(place.adapter("whole"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_when_the_adapter_cannot_be_saved_the_training_is_not_lost(
    place: Workspace, general: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise AdapterError("No space left on device.", "Free space.")

    monkeypatch.setattr("train.finetune.save_adapter", full)
    with pytest.raises(AdapterError):
        train(place, general, SHORT)
    monkeypatch.setattr("train.finetune.save_adapter", registry.save_adapter)
    monkeypatch.setattr(Passes, "backward", lambda *_: pytest.fail("trained again"))
    assert train(place, general, {}, resume=True) is not None
    assert not (run_folder(place, "toy") / CHECKPOINT_FILE).exists()
