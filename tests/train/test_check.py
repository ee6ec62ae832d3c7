"""``--check`` says what training would need and learn, and keeps nothing."""

from pathlib import Path
from typing import Any

import pytest
from tiny import settings_for, tiny_model
from toys import toy_pair, with_voice, write_toy_pairs

from assistant import models
from assistant.config import EngineSettings, Settings
from assistant.config.train_settings import TrainSettings
from assistant.errors import TrainingError
from assistant.models import read_config
from assistant.workspace import Workspace
from train.check import check, histogram, lines, problems
from train.finetune import train
from train.model import count_parameters
from train.plan import named, prepare
from train.run_file import load, validated
from train.trainer import Trainer

CONFIGS = Path(__file__).parents[2] / "data" / "configs"


def test_the_report_is_what_training_then_does(place: Workspace, general: Settings) -> None:
    values = {"epochs": 2, "rank": 4}
    report = check(place, general, values)
    assert not list(place.adapters.rglob("*.safetensors")), "nothing is kept"
    card = train(place, general, values)
    assert card is not None
    assert (report.parameters, report.base_parameters) == (card.parameters, card.base_parameters)
    assert (report.steps, report.rows, report.validation_rows) == (4, 16, 4)
    assert report.packed_tokens * 2 == card.tokens
    assert report.packed_tokens < 0.6 * report.tokens
    assert report.learning_rate == card.config["learning_rate"]
    assert report.ended == report.rows
    assert 0 < report.loss_tokens < report.tokens
    assert sum(count for _, count in report.lengths) == report.rows
    assert report.probe is not None and report.probe.tokens_per_second > 0 and report.probe.seconds > 0


def test_the_report_counts_examples_that_are_shown_again(place: Workspace, general: Settings) -> None:
    write_toy_pairs(place, with_voice())
    values = {"rank": 4, "batch": 4, "tone_epochs": 1}
    report = check(place, general, values)
    card = train(place, general, values)
    assert card is not None and (report.steps, report.rows) == (5, 18)
    shown = prepare(named(validated({"tone_epochs": 1}), place), place, general).plan.rows
    assert report.packed_tokens == card.tokens and report.tokens == sum(map(len, shown))


def test_the_trained_tokens_are_marked_in_three_examples(place: Workspace, general: Settings) -> None:
    report = check(place, general, {})
    text = "\n".join(lines(report))
    assert [example.id for example in report.examples] == ["p0", "p8", "p15"]
    for number in (0, 8, 15):
        assert f"⟦{toy_pair(number).response}<|im_end|>⟧" in text
    assert "What is rule 8?<|im_end|>\n<|im_start|>assistant\n⟦" in text
    assert not problems(report)


def test_examples_cannot_speak_to_the_terminal(place: Workspace, general: Settings) -> None:
    import dataclasses

    write_toy_pairs(place, [dataclasses.replace(toy_pair(0), response="\x1b]0;owned\x07")])
    assert "\x1b" not in "\n".join(lines(check(place, general, {})))


def test_lack_of_memory_is_told_instead_of_tried(
    place: Workspace, general: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.check.free_bytes", lambda _: 1000)
    monkeypatch.setattr("train.check.make_trainer", lambda *_: pytest.fail("it was tried"))
    report = check(place, general, {})
    (problem,) = problems(report)
    assert "are needed" in problem and "batch_tokens" in problem


def test_a_step_is_tried_on_the_first_layers_alone(
    place: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """So that it takes seconds, whatever the depth of the model; what is told is about all of it."""
    deep = settings_for(tiny_model(tmp_path / "deep", num_hidden_layers=6))
    trained_on, step = [], Trainer.step

    def counted(trainer: Trainer, *given: Any) -> float:
        trained_on.append(len(trainer.passes.model.get_base_model().model.layers))
        return step(trainer, *given)

    monkeypatch.setattr(Trainer, "step", counted)
    report = check(place, deep, {"layers_to_transform": [5]})
    assert set(trained_on) == {2} and capfd.readouterr().err == ""
    assert report.probe is not None and report.probe.layers == 2
    sizes = count_parameters(read_config(Path(deep.engine.model), deep.engine), deep.engine, TrainSettings())
    assert report.base_parameters == sizes.base


def test_a_training_of_modules_in_later_layers_alone_is_tried_on_the_first(place: Workspace, tmp_path: Path) -> None:
    deep = settings_for(tiny_model(tmp_path / "deep", num_hidden_layers=6))
    report = check(place, deep, {"target_modules": ["layers.5.self_attn.q_proj"]})
    assert report.probe is not None and report.probe.layers == 2


def test_a_row_beyond_the_window_is_named(place: Workspace, general: Settings) -> None:
    write_toy_pairs(place, [toy_pair(0), toy_pair(1, words=900)])
    with pytest.raises(TrainingError, match="'p1' has"):
        check(place, general, {})


@pytest.mark.parametrize("lengths", [[5], [5, 5, 5], [1, 2, 3], list(range(1, 100)), [7, 1000]])
def test_a_histogram_counts_every_row_in_its_bin(lengths: list[int]) -> None:
    bins = histogram(lengths)
    assert sum(count for _, count in bins) == len(lengths)
    low = min(lengths) - 1
    for high, count in bins:
        assert count == sum(low < length <= high for length in lengths)
        low = high


@pytest.mark.slow
def test_what_is_chosen_for_want_of_memory_is_told_and_tried(
    place: Workspace, general: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ample = check(place, general, {})
    assert not ample.chosen
    free = ample.memory_total - ample.memory.activations // 2
    monkeypatch.setattr("train.check.free_bytes", lambda _: free)
    short = check(place, general, {})
    assert short.chosen in lines(short) and "checkpointing=true" in short.chosen
    assert short.memory_total <= free and short.probe is not None and not problems(short)
    assert problems(check(place, general, {"batch_tokens": 2048})), "what was set is kept"


def test_rank_8_on_attention_alone_is_under_half_a_percent_of_the_bundled_model() -> None:
    folder = models.engine_folder("bundled")
    engine = EngineSettings()
    sizes = count_parameters(read_config(folder, engine), engine, load(CONFIGS / "attention-only.yaml"))
    assert sizes.base == 134_515_008
    assert 0 < sizes.trained < 0.005 * sizes.base
