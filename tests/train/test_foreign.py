"""Adapters that plain PEFT wrote are imported and answer the same; what is no such adapter is refused in one line."""

import json
import shutil
from dataclasses import replace
from datetime import date
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import httpx
import pytest
from architectures import save_model
from commands import run
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError
from tiny import QUESTIONS, adapted, edited, random_lora, save_random, settings_for, tiny_model

from assistant.artifacts.cards import read_card, write_card
from assistant.config import Settings
from assistant.engines.canary import next_logits
from assistant.errors import AssistantError
from assistant.workspace import Workspace
from eval.contamination import learnt_by
from train.adapter_export import export
from train.compose import compose
from train.foreign import import_adapter

KINDS: dict[str, dict[str, Any]] = {
    "LoRA": {"target_modules": ["q_proj", "v_proj"]},
    "DoRA": {"use_dora": True, "target_modules": ["q_proj", "down_proj"]},
    "rsLoRA": {"use_rslora": True, "target_modules": ["o_proj"], "layers_to_transform": [1]},
    "attention only": {"target_modules": r".*\.self_attn\.[qkvo]_proj"},
    "all-linear": {"target_modules": "all-linear", "exclude_modules": r".*\.0\.mlp.*", "task_type": None},
    "rank pattern": {
        "target_modules": ["q_proj", "up_proj"],
        "rank_pattern": {"up_proj": 2, "^model.layers.1.self_attn.q_proj": 3},
        "alpha_pattern": {"up_proj": 1},
    },
}
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bases")
    return {"Llama": tiny_model(folder / "llama"), "Qwen2": save_model("Qwen2", folder / "qwen2")}


@pytest.fixture(scope="module")
def settings(bases: dict[str, Path]) -> Settings:
    return settings_for(bases["Llama"])


def saved_by_peft(base: Path, folder: Path, **options: Any) -> Path:
    """A folder as PEFT and TRL leave it: with a page of theirs, and the pickled state of a training."""
    model, _ = random_lora(settings_for(base), 3, **options)
    model.save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\nbase_model: x\n---\n# Mine\n")
    (folder / "training_args.bin").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    return folder


@pytest.fixture(scope="module")
def plain(bases: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_by_peft(bases["Llama"], tmp_path_factory.mktemp("plain") / "trl-output")


@pytest.fixture
def foreign(plain: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(plain, tmp_path / "trl-output"))


@pytest.mark.slow
@pytest.mark.parametrize("base", ["Llama", "Qwen2"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_of_plain_peft_is_imported_and_answers_the_same(
    bases: dict[str, Path], tmp_path: Path, base: str, kind: str
) -> None:
    import torch
    from peft import PeftModel

    settings = settings_for(bases[base])
    foreign = saved_by_peft(bases[base], tmp_path / "foreign", **KINDS[kind])
    card = import_adapter(settings, str(foreign), tmp_path / "adapters/mine")
    with pytest.warns(FutureWarning, match="is_gradient_checkpointing"):  # PEFT's own
        peft: Any = PeftModel.from_pretrained(adapted(settings).base, str(foreign))
    weights = adapted(settings, tmp_path / "adapters")
    for messages in QUESTIONS:
        ids = weights.template.prompt_ids(messages)
        assert torch.equal(next_logits(weights.select("mine"), ids), next_logits(peft, ids))
    assert card == read_card(tmp_path / "adapters/mine") and card.canary is not None
    assert (card.method, card.origin, card.licence) == ("dora" if kind == "DoRA" else "lora", "foreign", "apache-2.0")
    assert card.base == str(bases[base]) and card.parameters == sum(
        weight.numel() for name, weight in peft.named_parameters() if "lora_" in name
    )
    assert card.config["layers"] == sum("lora_A" in name for name, _ in peft.named_parameters())
    assert {path.name for path in (tmp_path / "adapters/mine").iterdir()} == {CONFIG, WEIGHTS, "card.json", "README.md"}


def test_what_an_imported_adapter_learnt_from_is_not_known(settings: Settings, plain: Path, tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    import_adapter(settings, str(plain), place.adapter("mine"))
    save_random(settings, place.adapter("house"))
    assert learnt_by(["mine"], place, settings).unknown == ("mine",)
    made = compose(adapted(settings, place.adapters), [("mine", 1.0), ("house", 1.0)], place.adapter("both"))
    assert made.card.pair_sets == ["default"] and made.card.corpus == "default"
    text = (place.adapter("mine") / "README.md").read_text()
    assert "by another program" in text and "| licence | apache-2.0 |" in text and "not known here" in text


def test_an_adapter_that_was_exported_keeps_its_lineage(settings: Settings, tmp_path: Path) -> None:
    save_random(settings, tmp_path / "adapters/house")
    export(settings.engine, "Be brief.", tmp_path / "adapters", "house", tmp_path / "sent", "hub")
    with pytest.raises(AssistantError, match="not on this machine"):  # it does not say where its base lies
        import_adapter(settings, str(tmp_path / "sent"), tmp_path / "there/house")
    base = settings.engine.model
    card = import_adapter(settings, str(tmp_path / "sent"), tmp_path / "there/house", base=base)
    assert (card.pairs_counts, card.validation_loss) == ({"structure": 12, "refusal": 3}, 1.5)
    sent = read_card(tmp_path / "sent")
    assert sent.canary is not None
    logits = tuple(logit + 1 for logit in sent.canary.top_logits)
    write_card(tmp_path / "sent", replace(sent, canary=replace(sent.canary, top_logits=logits)))
    assert "does not say what it said" in refusal(settings, tmp_path / "sent", tmp_path / "else/house", base=base)


def test_a_strangers_card_is_not_believed_about_what_can_be_seen(settings: Settings, tmp_path: Path) -> None:
    save_random(settings, tmp_path / "adapters/house")
    export(settings.engine, "", tmp_path / "adapters", "house", tmp_path / "sent", "hub")
    sent = read_card(tmp_path / "sent")
    lies: dict[str, Any] = {"method": "full", "created": "x", "parameters": -1, "base_parameters": 0}
    write_card(tmp_path / "sent", replace(sent, **lies))
    card = import_adapter(settings, str(tmp_path / "sent"), tmp_path / "there/house", base=settings.engine.model)
    assert (
        card.method == "lora" and date.fromisoformat(card.created[:10]) and 0 < card.parameters < card.base_parameters
    )
    adapted(settings, tmp_path / "there").select("house")
    write_card(tmp_path / "sent", replace(sent, corpus="default, ../house"))
    assert "'../house'" in refusal(settings, tmp_path / "sent", tmp_path / "else/house", base=settings.engine.model)


def refusal(settings: Settings, source: Path | str, target: Path, **options: Any) -> str:
    """Why an import is refused: in one line, with a remedy, and nothing is left behind."""
    with pytest.raises(AssistantError) as caught:
        import_adapter(settings, str(source), target, **options)
    assert "\n" not in str(caught.value) and caught.value.remedy
    assert not target.exists() and not list(target.parent.glob(".*"))
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"peft_type": "IA3"}, "of the kind IA3"),
        ({"peft_type": None}, "of the kind None"),
        ({"task_type": "SEQ_CLS"}, "task_type"),
        ({"modules_to_save": ["lm_head"]}, 'modules_to_save=["lm_head"]'),
        ({"trainable_token_indices": [1, 2]}, "trainable_token_indices"),
        ({"bias": "all"}, "bias"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights"),
        ({"layer_replication": [[0, 2]]}, "layer_replication"),
        ({"rank_pattern": {"(a+)+$": 3}}, "rank_pattern"),
        ({"r": 8}, "lora_A.weight has the shape (4, "),
        ({"base_model_name_or_path": None}, "trained on no name"),
        ({"base_model_name_or_path": "someone/else"}, "--base someone/else"),
        ({"base_model_name_or_path": "/nowhere/model"}, "--base /nowhere/model"),
        ({"base_model_name_or_path": "/etc"}, "/etc cannot be loaded"),
        ({"base_model_name_or_path": "a/b/../../c"}, "--base"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused_with_the_reason(
    settings: Settings,
    foreign: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    said: str,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    edited(foreign / CONFIG, lambda text: json.dumps(json.loads(text) | changes))
    assert said in refusal(settings, foreign, tmp_path / "mine")


@pytest.mark.parametrize("text", ["", "[1]", "null", '"x"', "[" * 100_000, "\xff"])
def test_a_configuration_that_is_none_is_refused(settings: Settings, foreign: Path, tmp_path: Path, text: str) -> None:
    (foreign / CONFIG).write_text(text, encoding="latin-1")
    assert f"{CONFIG} cannot be read" in refusal(settings, foreign, tmp_path / "mine")


@pytest.mark.parametrize("change", ["NaN", "infinity", "shape", "another layer", "an embedding", "cut", "no LoRA"])
def test_tensors_that_do_not_fit_are_refused_by_name(
    settings: Settings, foreign: Path, tmp_path: Path, change: str
) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    file, first = foreign / WEIGHTS, "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
    tensors = load_file(file)
    said = first
    if change in ("NaN", "infinity"):
        tensors[first][1, 2] = float("nan" if change == "NaN" else "-inf")
    elif change == "shape":
        tensors[first] = torch.zeros(4, 32)
    elif change == "another layer":
        tensors[first.replace("layers.0", "layers.7")] = tensors.pop(first)
        said = f"{first} has the shape none"
    elif change == "an embedding":
        said = "base_model.model.model.embed_tokens.lora_embedding_A"
        tensors[said] = torch.zeros(4, 300)
    elif change == "no LoRA":
        said, tensors = "no tensors of LoRA", {"weight": torch.zeros(2)}
    save_file(tensors, file)
    if change == "cut":
        file.write_bytes(file.read_bytes()[:-7])
        said = "cannot be read"
    assert said in refusal(settings, foreign, tmp_path / "mine")


def test_pickled_weights_are_not_read(settings: Settings, foreign: Path, tmp_path: Path) -> None:
    (foreign / WEIGHTS).rename(foreign / "adapter_model.bin")
    assert "Pickled weights" in refusal(settings, foreign, tmp_path / "mine")


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS])
def test_a_link_out_of_the_folder_is_not_followed(settings: Settings, foreign: Path, tmp_path: Path, name: str) -> None:
    (foreign / name).rename(tmp_path / name)
    (foreign / name).symlink_to(tmp_path / name)
    assert f"{name} is a link out of the folder" in refusal(settings, foreign, tmp_path / "mine")
    (tmp_path / name).unlink()
    refusal(settings, foreign, tmp_path / "mine")


def test_the_links_of_the_hubs_cache_are_followed(settings: Settings, foreign: Path, tmp_path: Path) -> None:
    snapshot = tmp_path / "models--someone--house/snapshots/0123"
    (snapshot.parents[1] / "blobs").mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for file in foreign.iterdir():
        file.rename(snapshot.parents[1] / "blobs" / file.name)
        (snapshot / file.name).symlink_to(Path("../../blobs") / file.name)
    assert import_adapter(settings, str(snapshot), tmp_path / "mine").licence == "apache-2.0"


def test_an_adapter_of_the_hub_is_fetched_without_what_is_pickled_and_names_its_id(
    settings: Settings, foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[str] = []

    def fetched(_: str, allow_patterns: list[str], local_files_only: bool = False, **__: Any) -> str:
        if local_files_only:
            raise LocalEntryNotFoundError("not here")
        wanted.extend(allow_patterns)
        return str(foreign)

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetched)
    monkeypatch.setattr("train.foreign.hub_answers", lambda: True)
    card = import_adapter(settings, "someone/house", tmp_path / "mine")
    assert (card.name, card.origin) == ("mine", "someone/house")
    assert not any(
        fnmatch(name, pattern) for pattern in wanted for name in ("adapter_model.bin", "optimizer.pt", "x.py")
    )


def test_an_adapter_of_another_base_is_refused_by_shape_and_a_copy_of_its_own_is_taken(
    settings: Settings, foreign: Path, tmp_path: Path
) -> None:
    smaller = tiny_model(tmp_path / "smaller", hidden_size=32)
    told = refusal(settings, foreign, tmp_path / "mine", base=str(smaller))
    assert "shape" in told and "--base names another model" in told
    copy = shutil.copytree(settings.engine.model, tmp_path / "copy")
    assert import_adapter(settings, str(foreign), tmp_path / "mine", base=str(copy)).base == str(copy)


@pytest.mark.parametrize(
    ("kind", "status", "said"),
    [
        (GatedRepoError, 403, "its owners ask who takes it"),
        (RepositoryNotFoundError, 404, "there is none of that name"),
        (HfHubHTTPError, 500, "broken"),
    ],
)
def test_a_base_or_an_adapter_that_the_hub_does_not_give_is_told(
    settings: Settings,
    foreign: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[HfHubHTTPError],
    status: int,
    said: str,
) -> None:
    def refused(*_: Any, local_files_only: bool = False, **__: Any) -> None:
        if local_files_only:
            raise LocalEntryNotFoundError("not here")
        raise kind("broken\nat length", response=httpx.Response(status, request=httpx.Request("GET", "https://hub")))

    monkeypatch.setattr("huggingface_hub.snapshot_download", refused)
    monkeypatch.setattr("assistant.models.fetching.hub_answers", lambda: True)
    monkeypatch.setattr("train.foreign.hub_answers", lambda: True)
    for source, base in ((str(foreign), "someone/model"), ("someone/model", "")):
        told = refusal(settings, source, tmp_path / "mine", base=base)
        assert told.startswith(f"someone/model could not be downloaded: {said}")


def test_an_adapter_that_changes_nothing_is_not_imported(bases: dict[str, Path], tmp_path: Path) -> None:
    foreign = saved_by_peft(bases["Llama"], tmp_path / "foreign", strength=0.0)
    assert "changes nothing" in refusal(settings_for(bases["Llama"]), foreign, tmp_path / "mine")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nowhere", "There is no folder nowhere"),
        ("someone/house", "hf download someone/house"),
        ("./x/..", "has no adapter_config.json"),
        ("x/a file", "There is no folder"),
        ("-x/--y", "is no Hugging Face id"),
    ],
)
def test_a_source_that_is_none_is_told(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "x").mkdir()
    (tmp_path / "x/a file").write_text("")
    assert said in refusal(settings, source, tmp_path / "y/mine")


def test_a_folder_of_checkpoints_names_the_last_one(settings: Settings, foreign: Path, tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    foreign.rename(tmp_path / "output/checkpoint-10")
    assert "output/checkpoint-10" in refusal(settings, tmp_path / "output", tmp_path / "mine")


@pytest.mark.parametrize("license_", ["[a, b]", "&a [*a]", '"x\\ny"', "1", "{", "x" * 100])
def test_a_licence_that_is_no_name_is_left_out(
    settings: Settings, foreign: Path, tmp_path: Path, license_: str
) -> None:
    (foreign / "README.md").write_text(f"---\nlicense: {license_}\n---\n")
    assert import_adapter(settings, str(foreign), tmp_path / "mine").licence == ""


def test_a_template_of_its_own_is_told(
    settings: Settings, foreign: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (foreign / "chat_template.jinja").write_text("{% for m in messages %}{{ m['content'] }}{% endfor %}")
    import_adapter(settings, str(foreign), tmp_path / "mine")
    assert f"engine.chat_template={foreign / 'chat_template.jinja'}" in capsys.readouterr().err


def test_the_command_imports_and_a_folder_that_was_copied_in_is_told_how(
    settings: Settings, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Workspace(tmp_path / "workspace")
    monkeypatch.setenv("ASSISTANT_WORKSPACE", str(place.root))
    monkeypatch.setenv("ASSISTANT_DEVICE__DTYPE", "float32")
    shutil.copytree(plain, place.adapter("copied"))
    _, out, _ = run(capsys, "adapters", "list")
    assert f"Import it: assistant adapters import {place.adapter('copied')}" in out and "damaged" not in out
    status, out, err = run(capsys, "adapters", "import", str(place.adapter("copied")), "--name", "mine")
    assert (status, err) == (0, "") and f"--set engine.model={settings.engine.model}" in out and "apache-2.0" in out
    assert run(capsys, "adapters", "import", str(place.adapter("copied")))[0] == 1, "the name is taken"
    assert (place.adapter("copied") / "training_args.bin").exists()
    status, out, _ = run(capsys, "adapters", "import", str(plain), "--name", "mine", "--force", "--json")
    assert status == 0 and json.loads(out)["origin"] == "trl-output"
    for name in ("../mine", "base"):
        status, _, err = run(capsys, "adapters", "import", str(plain), "--name", name)
        assert status and err.count("\n") == 1
