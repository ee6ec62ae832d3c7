"""Adapters on disk: whole or not at all, checked against everything they claim, refused in one line."""

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny import QUESTIONS, adapted, card_for, edited, random_lora, save_random, settings_for, tiny_model

from assistant import models
from assistant.artifacts.cards import (
    AdapterCard,
    adapter_folder,
    adapter_names,
    file_hash,
    finish_replacement,
    read_card,
    set_aside,
    write_card,
)
from assistant.config import Settings
from assistant.engines.canary import next_logits
from assistant.errors import AdapterError, AssistantError
from train.registry import remove_adapter, save_adapter

PEFT_FILES = ("adapter_config.json", "adapter_model.safetensors")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_for(tiny_model(tmp_path_factory.mktemp("base") / "tiny"))


@pytest.fixture(scope="module")
def saved(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the adapter ``house``."""
    folder = tmp_path_factory.mktemp("adapters")
    save_random(settings, folder / "house")
    return folder


@pytest.fixture
def adapters(saved: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    shutil.copytree(saved, tmp_path / "adapters")
    return tmp_path / "adapters"


def refusal(settings: Settings, adapters: Path) -> str:
    """Why ``house`` is refused: in one line, with a remedy."""
    with pytest.raises(AssistantError) as caught:
        adapted(settings, adapters).select("house")
    assert "\n" not in str(caught.value) and caught.value.remedy
    return caught.value.message


def rehash(folder: Path) -> None:
    """Make the card agree with the files, as one would who hides a change."""
    card = read_card(folder)
    content = json.loads((folder / "card.json").read_text())
    content["files"] = {name: file_hash(folder / name) for name in card.files}
    (folder / "card.json").write_text(json.dumps(content))


def test_peft_reads_what_was_saved_and_answers_the_same(settings: Settings, tmp_path: Path) -> None:
    import torch
    from peft import PeftModel

    model, base = random_lora(settings, seed=4)
    card = save_adapter(model, base.template, card_for(settings, base), tmp_path / "house", force=False)
    prompt = base.template.prompt_ids(QUESTIONS[0])
    expected = next_logits(model, prompt)
    with pytest.warns(FutureWarning, match="is_gradient_checkpointing"):  # PEFT's own
        again: Any = PeftModel.from_pretrained(adapted(settings).base, str(tmp_path / "house"))
    assert torch.allclose(next_logits(again, prompt), expected, atol=1e-5)
    assert card.name == "house" and set(card.files) == set(PEFT_FILES)
    assert read_card(tmp_path / "house") == card


def test_saving_leaves_the_model_as_it_was(settings: Settings, tmp_path: Path) -> None:
    model, base = random_lora(settings, seed=4)
    model.train()
    before = {name for name, weight in model.named_parameters() if weight.requires_grad}
    save_adapter(model, base.template, card_for(settings, base), tmp_path / "house", force=False)
    assert model.training
    assert {name for name, weight in model.named_parameters() if weight.requires_grad} == before


@pytest.mark.parametrize(("saved_in", "loaded_in"), [("bfloat16", "float32"), ("float32", "bfloat16")])
def test_the_canary_lets_another_precision_pass(tmp_path: Path, saved_in: str, loaded_in: str) -> None:
    folder = tiny_model(tmp_path / "tiny")
    save_random(settings_for(folder, saved_in), tmp_path / "adapters/house")
    adapted(settings_for(folder, loaded_in), tmp_path / "adapters").select("house")


def test_the_model_card_tells_people_what_it_is(saved: Path) -> None:
    text = (saved / "house/README.md").read_text()
    for said in ("15 of 'default' (12 structure, 3 refusal)", "2.500 → 1.500", "0.25% of the base", "1 of corpus"):
        assert said in text
    for said in ("assistant ask --adapter house", "PeftModel.from_pretrained", "--format gguf", "## Limits"):
        assert said in text


def test_nothing_is_overwritten_without_force(settings: Settings, adapters: Path) -> None:
    before = (adapters / "house/card.json").read_bytes()
    with pytest.raises(AdapterError, match=r"house exists\."):
        save_random(settings, adapters / "house", seed=2)
    assert (adapters / "house/card.json").read_bytes() == before


def test_a_name_that_is_taken_during_the_save_is_not_overwritten(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(folder: Path, card: AdapterCard) -> None:
        (tmp_path / "house").mkdir()
        (tmp_path / "house/mine").write_text("x")
        write_card(folder, card)

    monkeypatch.setattr("train.registry.write_card", taken)
    with pytest.raises(AdapterError, match=r"house exists\."):
        save_random(settings, tmp_path / "house")
    assert [path.name for path in tmp_path.iterdir()] == ["house"]
    assert (tmp_path / "house/mine").read_text() == "x"


def test_with_force_the_old_one_stays_until_the_new_one_is_complete(
    settings: Settings, adapters: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, base = random_lora(settings, seed=7)
    old = read_card(adapters / "house")

    def looked_at(folder: Path, card: AdapterCard) -> None:
        assert read_card(adapters / "house") == old
        write_card(folder, card)

    monkeypatch.setattr("train.registry.write_card", looked_at)
    new = save_adapter(model, base.template, card_for(settings, base), adapters / "house", force=True)
    assert read_card(adapters / "house") == new != old
    assert [path.name for path in adapters.iterdir()] == ["house"]


@pytest.mark.parametrize("where", ["weights", "card", "weights of safetensors"])
def test_a_full_disk_is_told_in_one_line_and_loses_nothing(
    settings: Settings, adapters: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    from safetensors import SafetensorError

    def full(*_: Any, **__: Any) -> None:
        if where == "weights of safetensors":
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("train.registry.write_card" if where == "card" else "safetensors.torch.save_file", full)
    model, base = random_lora(settings, seed=7)
    old = read_card(adapters / "house")
    for name in ("house", "new"):
        with pytest.raises(AdapterError, match="No space left on device") as caught:
            save_adapter(model, base.template, card_for(settings, base), adapters / name, force=True)
        assert "\n" not in str(caught.value) and caught.value.remedy
    assert [path.name for path in adapters.iterdir()] == ["house"]
    assert read_card(adapters / "house") == old


def test_a_kill_between_the_two_renames_of_a_replacement_loses_nothing(adapters: Path) -> None:
    old = read_card(adapters / "house")
    (adapters / "house").rename(set_aside(adapters / "house"))
    assert adapter_names(adapters) == ("house",)
    assert read_card(adapter_folder(adapters, "house")) == old
    shutil.copytree(adapters / "house", set_aside(adapters / "house"))  # a kill after the second one
    finish_replacement(adapters / "house")
    assert read_card(adapters / "house") == old
    remove_adapter(adapters / "house")
    assert adapter_names(adapters) == (), "the old one does not come back"


def test_a_reader_that_undoes_a_replacement_does_not_cost_the_new_one(
    settings: Settings, adapters: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, readers = Path.rename, [adapters]

    def interrupted(self: Path, target: Path) -> Path:
        moved = real(self, target)
        if target == set_aside(adapters / "house") and readers:
            adapter_names(readers.pop())
        return moved

    monkeypatch.setattr(Path, "rename", interrupted)
    model, base = random_lora(settings, seed=7)
    card = save_adapter(model, base.template, card_for(settings, base), adapters / "house", force=True)
    assert read_card(adapters / "house") == card and not readers


def test_an_adapter_that_changes_nothing_is_none(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="changes nothing"):
        save_random(settings, tmp_path / "house", strength=0.0)
    assert not list(tmp_path.iterdir())


def test_the_name_of_the_base_is_reserved(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="stands for the base model"):
        save_random(settings, tmp_path / "base")


def test_what_would_not_be_loaded_again_is_not_saved(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="init_lora_weights"):
        save_random(settings, tmp_path / "house", init_lora_weights="olora")
    assert not list(tmp_path.iterdir())


def test_extras_are_kept_and_pictures_shown_but_nothing_pickled(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "loss.svg").write_text("<svg/>")
    (tmp_path / "optimizer.pt").write_text("x")
    model, base = random_lora(settings, seed=1)
    card = card_for(settings, base)
    save_adapter(model, base.template, card, tmp_path / "a/house", force=False, extras=[tmp_path / "loss.svg"])
    assert (tmp_path / "a/house/loss.svg").read_text() == "<svg/>"
    assert "![loss.svg](loss.svg)" in (tmp_path / "a/house/README.md").read_text()
    with pytest.raises(AdapterError, match=r"optimizer\.pt"):
        save_adapter(model, base.template, card, tmp_path / "a/x", force=False, extras=[tmp_path / "optimizer.pt"])


@pytest.mark.parametrize("name", PEFT_FILES)
def test_a_file_that_was_changed_or_lost_is_named(settings: Settings, adapters: Path, name: str) -> None:
    with (adapters / "house" / name).open("ab") as stream:
        stream.write(b" ")
    assert f"{name} was changed" in refusal(settings, adapters)
    (adapters / "house" / name).unlink()
    assert f"{name} is missing" in refusal(settings, adapters)


@pytest.mark.parametrize("name", ["adapter_model.bin", "adapter_model.pt", "weights.pkl"])
def test_pickled_weights_are_refused(settings: Settings, adapters: Path, name: str) -> None:
    (adapters / "house" / name).write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    assert name in refusal(settings, adapters)
    (adapters / "house/adapter_model.safetensors").unlink()
    assert name in refusal(settings, adapters)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"r": 8}, "shape"),
        ({"rank_pattern": {"q_proj": 2}}, "shape"),
        ({"r": 0}, "r: "),
        ({"r": "4"}, "r: "),
        ({"lora_alpha": 800}, "does not say what it said"),
        ({"use_rslora": True}, "does not say what it said"),
        ({"target_modules": ["no_such_layer"]}, "no_such_layer"),
        ({"target_modules": ["q_proj"]}, "shape"),
        ({"target_modules": "(a+)+$"}, "target_modules"),
        ({"target_modules": ["(a+)+$"]}, "target_modules"),
        ({"rank_pattern": {"(a+)+$": 3}}, "rank_pattern"),
        ({"base_model_name_or_path": "someone/else"}, "someone/else"),
        ({"peft_type": "IA3"}, "peft_type"),
        ({"auto_mapping": {"parent_library": "os", "base_model_class": "x"}}, "auto_mapping"),
        ({"megatron_core": "evil.module", "megatron_config": {"a": 1}}, "megatron_co"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights"),
        ({"layer_replication": [[0, 2]]}, "layer_replication"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"bias": "all"}, "bias"),
        ({"trust_remote_code": True}, "trust_remote_code"),
    ],
)
def test_a_configuration_that_asks_for_more_or_contradicts_the_weights_is_refused(
    settings: Settings, adapters: Path, changes: dict[str, Any], said: str
) -> None:
    file = adapters / "house/adapter_config.json"
    edited(file, lambda text: json.dumps(json.loads(text) | changes))
    assert "adapter_config.json was changed" in refusal(settings, adapters)
    rehash(adapters / "house")
    assert said in refusal(settings, adapters)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '"x"'])
def test_a_configuration_that_is_none_is_refused(settings: Settings, adapters: Path, text: str) -> None:
    edited(adapters / "house/adapter_config.json", lambda _: text)
    rehash(adapters / "house")
    assert "adapter_config.json" in refusal(settings, adapters)


def test_weights_that_were_exchanged_are_found_by_the_canary(settings: Settings, adapters: Path) -> None:
    from safetensors.torch import load_file, save_file

    file = adapters / "house/adapter_model.safetensors"
    save_file({name: tensor * 2 for name, tensor in load_file(file).items()}, file)
    rehash(adapters / "house")
    assert "does not say what it said" in refusal(settings, adapters)
    save_file({name: tensor * float("nan") for name, tensor in load_file(file).items()}, file)
    rehash(adapters / "house")
    assert "holds what is no number" in refusal(settings, adapters)
    file.write_bytes(b"\xff" * 100)
    rehash(adapters / "house")
    assert "cannot be read" in refusal(settings, adapters)


def _without(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda card: card.pop(key)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_without("template"), "template"),
        (_without("canary"), "canary"),
        (_without("files"), "no weights"),
        (lambda card: card.update(colour="red"), "colour"),
        (lambda card: card.update(steps="three"), "steps"),
        (lambda card: card.update(documents=[1]), "documents"),
        (lambda card: card["canary"].update(precision="int3"), "canary"),
        (lambda card: card["canary"].update(top_ids=[10**9]), "canary"),
        (lambda card: card["canary"].update(prompt_ids=[-1]), "canary"),
        (lambda card: card["canary"].update(prompt_ids=[]), "canary"),
        (lambda card: card["canary"].update(top_ids=[1, 2]), "canary"),
        (lambda card: card["files"].update({"../../etc/passwd": "0"}), "../../etc/passwd"),
    ],
)
def test_a_damaged_card_is_refused_with_its_key(
    settings: Settings, adapters: Path, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    file = adapters / "house/card.json"
    card = json.loads(file.read_text())
    change(card)
    file.write_text(json.dumps(card))
    assert said in refusal(settings, adapters)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1]"])
def test_a_card_that_is_no_card_is_refused(settings: Settings, adapters: Path, content: bytes) -> None:
    (adapters / "house/card.json").write_bytes(content)
    assert "card.json is damaged" in refusal(settings, adapters)
    (adapters / "house/card.json").unlink()
    assert "made by another program" in refusal(settings, adapters)
    (adapters / "house/adapter_config.json").unlink()
    assert "card.json is damaged" in refusal(settings, adapters)


def test_removing_takes_the_whole_folder(adapters: Path) -> None:
    remove_adapter(adapters / "house")
    assert adapter_names(adapters) == () and not list(adapters.iterdir())


@pytest.mark.parametrize(
    "options",
    [
        {"use_dora": True},
        {"use_rslora": True},
        {"target_modules": ["q_proj"], "layers_to_transform": [1]},
        {"target_modules": r".*\.1\..*_proj"},
        {"target_modules": ["q_proj", "up_proj"], "rank_pattern": {"up_proj": 2}, "alpha_pattern": {"up_proj": 1}},
    ],
)
def test_other_kinds_of_lora_are_saved_and_loaded(settings: Settings, tmp_path: Path, options: dict[str, Any]) -> None:
    save_random(settings, tmp_path / "house", **options)
    adapted(settings, tmp_path).select("house")


@pytest.mark.slow
@pytest.mark.parametrize(("saved_in", "loaded_in"), [("bfloat16", "float32"), ("float32", "bfloat16")])
def test_the_canary_of_the_bundled_model_lets_another_precision_pass(
    tmp_path: Path, saved_in: str, loaded_in: str
) -> None:
    folder = models.engine_folder("bundled")
    save_random(settings_for(folder, saved_in), tmp_path / "house", strength=0.5)
    adapted(settings_for(folder, loaded_in), tmp_path).select("house")
    edited(tmp_path / "house/adapter_config.json", lambda text: text.replace('"lora_alpha": 8.0', '"lora_alpha": 16.0'))
    rehash(tmp_path / "house")
    assert "does not say what it said" in refusal(settings_for(folder, loaded_in), tmp_path)
