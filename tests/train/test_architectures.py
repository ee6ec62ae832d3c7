"""Every architecture is refused before the first step, or is trained, saved, loaded again and answers."""

from pathlib import Path
from typing import Any

import pytest
from architectures import ARCHITECTURES, WITH_EXPERTS, config_of, save_model
from tiny import QUESTIONS, settings_for
from toys import toy_pair, write_toy_pairs

from assistant.artifacts.cards import WEIGHTS_FILE, read_card
from assistant.config import Settings
from assistant.config.train_settings import TrainSettings
from assistant.engines.transformers_engine import TransformersEngine
from assistant.errors import AssistantError, ConfigError, TrainingError
from assistant.workspace import Workspace
from train.check import check
from train.finetune import train
from train.model import trained, with_adapter
from train.trainer import Trainer

REFUSED = {"GPT-2"}
STEPS = {"max_steps": 2, "batch": 2, "rank": 4, "learning_rate": 0.01}


def place_of(tmp_path: Path) -> Workspace:
    """A workspace with four short pairs to train on."""
    place = Workspace(tmp_path / "place")
    write_toy_pairs(place, [toy_pair(number, words=3) for number in range(4)])
    return place


def settings_of(name: str, tmp_path: Path) -> Settings:
    settings = settings_for(save_model(name, tmp_path / "model"))
    engine = settings.engine.model_copy(update={"runtime": "transformers"})
    answer = settings.answer.model_copy(update={"system": "Be brief."})
    return settings.model_copy(update={"engine": engine, "answer": answer})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of remarks of single architectures
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_architecture_is_refused_before_the_first_step_or_works_to_the_end(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, place = settings_of(name, tmp_path), place_of(tmp_path)
    taken: list[int] = []
    step = Trainer.step

    def counted(*arguments: Any) -> float:
        taken.append(1)
        return step(*arguments)

    monkeypatch.setattr(Trainer, "step", counted)
    try:
        card = train(place, settings, {"name": "house", **STEPS})
    except AssistantError as error:
        assert name in REFUSED and not taken and error.remedy
        return
    assert name not in REFUSED and len(taken) == 2
    assert card is not None and card == read_card(place.adapter("house"))
    engine = TransformersEngine(settings.engine, settings.device, place.adapters)
    # The canary tells that the adapter is switched on and says what it said when it was saved.
    assert len(engine.complete(QUESTIONS[:2], 4, "house")) == 2


def test_eyes_get_no_adapter_and_experts_none_of_their_own() -> None:
    from transformers import AutoModelForCausalLM

    def adapted(name: str) -> set[str]:
        build: Any = AutoModelForCausalLM.from_config
        model = with_adapter(build(config_of(name)), TrainSettings(rank=4))
        return {weight for weight, _ in trained(model)}

    assert all(".language_model.layers." in weight for weight in adapted("Gemma 3 with vision"))
    for name in WITH_EXPERTS:
        assert not any(part in weight for weight in adapted(name) for part in ("router", "gate", "expert", "up_proj"))


REFUSALS: dict[str, tuple[str, dict[str, Any]]] = {
    "a router": ("Llama 4", {"target_modules": "router"}),
    "layers that are taken for experts": ("DeepSeek-V3", {"target_modules": "gate_proj,up_proj,q_b_proj"}),
    "one of what stands in one tensor": ("Qwen3-Next", {"target_modules": "gate_proj,q_proj"}),
    "no linear layers": ("GPT-2", {}),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", REFUSALS)
@pytest.mark.parametrize("way", ["train", "check"])
def test_what_cannot_be_trained_and_saved_is_refused_before_the_first_step(
    case: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, values = REFUSALS[case]
    settings, place = settings_of(name, tmp_path), place_of(tmp_path)
    monkeypatch.setattr(Trainer, "step", lambda *_: pytest.fail("a step was taken"))
    with pytest.raises((ConfigError, TrainingError)) as error:
        (train if way == "train" else check)(place, settings, {"name": "house", **STEPS, **values})
    assert "\n" not in str(error.value)
    assert "target_modules" in error.value.remedy or "method=full" in error.value.remedy


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "method"), [("Mixtral", "dora"), ("GPT-2", "full"), ("Gemma 3 with vision", "full")])
def test_other_methods_work_where_a_remedy_names_them(name: str, method: str, tmp_path: Path) -> None:
    settings, place = settings_of(name, tmp_path), place_of(tmp_path)
    assert train(place, settings, {"name": "house", "method": method, **STEPS, "max_steps": 1})
    assert len(TransformersEngine(settings.engine, settings.device, place.adapters).complete(QUESTIONS, 2, "house")) > 1


def test_the_save_that_is_tried_leaves_the_model_as_it_was(place: Workspace, general: Settings) -> None:
    """With it and without it, the same weights come out."""
    found = []
    for name, tried in (("with", True), ("without", False)):
        with pytest.MonkeyPatch.context() as patched:
            if not tried:
                patched.setattr("train.finetune.try_saving", lambda *_: None)
            train(place, general, {"name": name, **STEPS, "dropout": 0.2})
        found.append((place.adapter(name) / WEIGHTS_FILE).read_bytes())
    assert found[0] == found[1]


def test_a_full_disk_is_told_before_the_first_step(
    place: Workspace, general: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("train.registry.write_lora_config", full)
    monkeypatch.setattr(Trainer, "step", lambda *_: pytest.fail("a step was taken"))
    with pytest.raises(TrainingError, match="No space left"):
        train(place, general, {"name": "house", **STEPS})
