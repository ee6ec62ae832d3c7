"""``trainer=trl``: the same tokens under the same loss, and the same folder, card, curves and resume as ours."""

import importlib.util
import json
import math
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from toys import apart, write_liked

from assistant.artifacts.cards import read_card, run_folder
from assistant.config import Settings
from assistant.engines.adapted import AdaptedModel
from assistant.errors import ConfigError, TrainingError
from assistant.models.loading import choose
from assistant.workspace import Workspace
from train.batches import loss_tokens
from train.check import check
from train.finetune import make_accelerator, make_trainer, train
from train.plan import named, prepare
from train.run_file import validated
from train.trainer import Trainer

# All rows are in each step: in which order they come does not matter.
WHOLE: dict[str, Any] = {"max_steps": 3, "batch": 16, "learning_rate": 0.01, "evaluate_every": 2}
WHOLE |= {"validation_answers": 0, "batch_tokens": 600}


@pytest.fixture(autouse=True)
def no_telemetry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("trl.trainer.base_trainer.send_telemetry", lambda *_, **__: pytest.fail("something was sent"))
    yield


def weights(place: Workspace, name: str) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(place.adapter(name) / "adapter_model.safetensors")


def records(place: Workspace, name: str) -> list[dict[str, Any]]:
    lines = (place.adapter(name) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.slow
def test_trl_trains_to_the_adapter_that_our_own_loop_gives(place: Workspace, general: Settings) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    values = WHOLE | {"validation_answers": 2, "report_to": "tensorboard"}
    own, trl = (train(place, general, values | {"name": name, "trainer": name}) for name in ("own", "trl"))
    assert own is not None and trl is not None and trl == read_card(place.adapter("trl"))
    assert (own.config["trainer"], "trl" in own.versions) == ("own", False)
    assert (trl.config["trainer"], "trl" in trl.versions) == ("trl", True)
    ours, theirs = records(place, "own"), records(place, "trl")
    assert [one.keys() for one in ours] == [one.keys() for one in theirs]
    for one, other in zip(ours, theirs, strict=True):
        for key in one.keys() - {"tokens_per_second"}:
            assert other[key] == pytest.approx(one[key], abs=1e-3), (key, one, other)
    assert apart(weights(place, "own"), weights(place, "trl")) < 1e-3
    assert trl.steps == own.steps and trl.base_validation_loss == pytest.approx(own.base_validation_loss, abs=1e-4)
    for name, lines in (("own", ours), ("trl", theirs)):
        told = EventAccumulator(str(place.root / "tracking" / "tensorboard" / name)).Reload()
        for key in ("loss", "learning_rate", "validation_loss"):
            wanted = [one for one in lines if key in one]
            assert [event.step for event in told.Scalars(key)] == [one["step"] for one in wanted]
            assert [event.value for event in told.Scalars(key)] == pytest.approx([one[key] for one in wanted])
    adapted = AdaptedModel(general.engine, choose(general.device), place.adapters)
    adapted.load("trl")  # its canary says what it said when it was saved
    assert [path.name for path in run_folder(place, "trl").iterdir()] == [".lock"], "nothing is left behind"


def test_the_tokens_under_the_loss_are_those_of_the_pairs(place: Workspace, general: Settings) -> None:
    job = prepare(named(validated({"trainer": "trl"}), place), place, general)
    trainer: Any = make_trainer(job, make_accelerator(job), place.root)._theirs  # type: ignore[attr-defined]
    taught = [
        (tuple(row["input_ids"]), tuple(label for label in row["labels"] if label != -100))
        for batch in trainer.get_train_dataloader()
        for row in ({key: tensor[place] for key, tensor in batch.items()} for place in range(len(batch["labels"])))
    ]
    assert sum(len(labels) for _, labels in taught) == loss_tokens(job.plan.rows)
    padding = trainer.data_collator.pad_token_id
    wanted = sorted(row.response for row in job.plan.rows)
    assert sorted(tuple(int(label) for label in labels) for _, labels in taught) == wanted
    whole = {(*row.prompt, *row.response) for row in job.plan.rows}
    longest = max(map(len, whole))
    padded = {(*row, *[padding] * (longest - len(row))) for row in whole}
    assert {(*map(int, ids), *[padding] * (longest - len(ids))) for ids, _ in taught} == padded


@pytest.mark.slow
@pytest.mark.parametrize("values", [{"method": "full"}, {"method": "qlora", "checkpointing": True}])
def test_each_method_trains_by_trl_in_bfloat16(place: Workspace, general: Settings, values: dict[str, Any]) -> None:
    general = Settings.model_validate({**general.model_dump(), "device": {"name": "cpu", "dtype": "bfloat16"}})
    card = train(place, general, WHOLE | values | {"trainer": "trl", "max_steps": 2})
    assert card is not None and card.canary is not None and card.method == values["method"]
    assert card.validation_loss is not None and card.base_validation_loss is not None
    assert card.validation_loss < card.base_validation_loss
    if card.method != "full":
        assert {str(tensor.dtype) for tensor in weights(place, "toy").values()} == {"torch.float32"}
    AdaptedModel(general.engine, choose(general.device), place.adapters).load("toy")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_preferences_train_by_trl_as_by_our_own_loop(place: Workspace, general: Settings, method: str) -> None:
    train(place, general, WHOLE | {"name": "house", "rank": 4, "max_steps": 2})
    write_liked(place)
    values = WHOLE | {
        "method": method,
        "adapter": "house",
        "pairs": "liked",
        "batch": 12 if method == "dpo" else 24,
        "batch_tokens": 100_000,
    }
    own, trl = (train(place, general, values | {"name": name, "trainer": name}) for name in ("own", "trl"))
    assert own is not None and trl is not None
    assert (trl.method, trl.started_from, trl.config["trainer"]) == (method, "house", "trl")
    ours, theirs = records(place, "own"), records(place, "trl")
    assert theirs[0]["loss"] == pytest.approx(ours[0]["loss"], abs=1e-5)
    assert theirs[0]["loss"] == pytest.approx(math.log(2) if method == "dpo" else 0.5, abs=1e-5)
    assert apart(weights(place, "own"), weights(place, "trl")) < (1e-3 if method == "dpo" else 0.05)
    assert apart(weights(place, "house"), weights(place, "trl")) > 0.01


@pytest.mark.slow
def test_a_training_that_was_interrupted_goes_on_to_the_weights_it_would_have_had(
    place: Workspace, general: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = WHOLE | {"trainer": "trl", "max_steps": 6, "batch": 4, "checkpoint_minutes": 0.0, "evaluate_every": 3}
    train(place, general, values | {"name": "whole"})
    real = Trainer._take_loss

    def interrupted(self: Trainer, *given: Any) -> None:
        if self.state.step == 4:
            raise KeyboardInterrupt
        real(self, *given)

    monkeypatch.setattr(Trainer, "_take_loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(place, general, values | {"name": "cut"})
    monkeypatch.setattr(Trainer, "_take_loss", real)
    newest = max((run_folder(place, "cut") / "trl").glob("checkpoint-*"), key=lambda one: one.stat().st_mtime)
    (newest / "course.json").unlink()  # killed while it was written
    resumed, whole = train(place, general, {"name": "cut"}, resume=True), read_card(place.adapter("whole"))
    assert resumed is not None and (resumed.steps, resumed.tokens) == (whole.steps, whole.tokens)
    assert apart(weights(place, "cut"), weights(place, "whole")) == 0
    assert [one["step"] for one in records(place, "cut")] == [one["step"] for one in records(place, "whole")]


@pytest.mark.slow
def test_a_training_that_is_asked_to_stop_saves_its_step(
    place: Workspace, general: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()
    asked.set()
    with monkeypatch.context() as patched, pytest.raises(TrainingError, match=r"Stopped after step 1 of 2") as stopped:
        patched.setattr("train.trainer._asked_to_stop", lambda _: nullcontext(asked))
        train(place, general, WHOLE | {"trainer": "trl", "max_steps": 2})
    assert "--resume" in stopped.value.remedy
    card = train(place, general, {}, resume=True)
    assert card is not None and card.steps == 2 and [one["step"] for one in records(place, "toy")] == [1, 2, 2]


@pytest.mark.slow
def test_the_best_weights_are_kept(place: Workspace, general: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    values = WHOLE | {"trainer": "trl", "evaluate_every": 1, "schedule": "constant", "warmup": 0.0, "max_steps": 5}
    losses = [9.0, 5.0, 4.0, 6.0, 7.0, 8.0, 9.0, 5.0, 4.0]
    monkeypatch.setattr("train.forward_backward.Passes.answered", lambda *_: None)
    monkeypatch.setattr("train.forward_backward.Passes.mean_loss", lambda *_: losses.pop(0))
    card = train(place, general, values | {"patience": 3})
    assert card is not None and (card.steps, card.validation_loss) == (2, 4.0)
    losses[:] = [9.0, 5.0, 4.0]
    train(place, general, values | {"name": "two", "max_steps": 2})
    assert apart(weights(place, "toy"), weights(place, "two")) == 0


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"trl": {"padding_fee": True}}, "Did you mean padding_free"),
        ({"trl": {"max_steps": 3}}, "trl.max_steps: other settings"),
        ({"trl": {"deepspeed": "z3.json"}}, "accelerate launch"),
        ({"trl": {"optim": "adam_of_nobody"}}, "TRL refuses the training"),
        ({"loraplus_lr_ratio": 4}, "does not take loraplus_lr_ratio=4"),
        ({"trainer": "own", "trl": {"optim": "adafactor"}}, "Set trainer=trl"),
    ],
    ids=str,
)
def test_what_trl_would_not_take_is_refused_in_one_line(
    place: Workspace, general: Settings, values: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as error:
        train(place, general, WHOLE | {"trainer": "trl"} | values)
    assert said in str(error.value) and "\n" not in str(error.value)
    assert not (run_folder(place, "toy") / "trl").exists()


def test_settings_of_trl_reach_it(place: Workspace, general: Settings) -> None:
    job = prepare(
        named(validated({"trainer": "trl", "trl": "optim:adafactor,dataloader_drop_last:true"}), place), place, general
    )
    trainer: Any = make_trainer(job, make_accelerator(job), place.root)
    assert trainer._theirs.args.optim == "adafactor" and trainer._theirs.args.dataloader_drop_last is True


def test_without_trl_one_line_names_the_extra(
    place: Workspace, general: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "trl" else real(name, *rest))
    with pytest.raises(ConfigError, match="not installed") as error:
        train(place, general, WHOLE | {"trainer": "trl"})
    assert error.value.remedy == "pip install 'domain-assistant[trl]'"


def test_auto_takes_trl_where_accelerate_was_started_for_sharding(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    auto = validated({"trainer": "auto"})
    assert named(auto, place).trainer == "own"
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    assert named(auto, place).trainer == "trl"
    with pytest.raises(ConfigError, match="trainer=own takes none"):
        named(validated({}), place)


def test_a_check_says_what_trl_will_be_given(place: Workspace, general: Settings) -> None:
    report = check(place, general, WHOLE | {"trainer": "trl"})
    assert report.packed_tokens == report.tokens, "no prefix is shared"
    assert report.probe is not None
