"""Runs of Axolotl and LLaMA-Factory: what has a counterpart is the same here, and what has none is named."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from assistant.errors import ConfigError
from train.foreign_runs import ForeignRun, translated
from train.run_file import validated

RUNS = Path(__file__).parents[1] / "data" / "runs"
DATA = RUNS / "data"
OWN = {"path": "a.jsonl", "type": {"field_instruction": "ask", "field_output": "reply"}}
EXPECTED: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "axolotl-qlora.yml": (
        {
            "name": "helpdesk-qlora", "data": ["claims/helpdesk-alpaca"], "validation_share": 0.05, "method": "qlora",
            "rank": 32, "alpha": 16, "dropout": 0.05, "target_modules": "all-linear", "batch": 8, "epochs": 3,
            "schedule": "cosine", "learning_rate": 0.0002, "checkpointing": True, "warmup": 0.1, "weight_decay": 0.0,
            "optimizer": "adamw-8bit",
        },
        ("engine.model=mistralai/Mistral-7B-Instruct-v0.3",),
        "model_type tokenizer_type dataset_prepared_path sequence_len sample_packing pad_to_sequence_len logging_steps "
        "flash_attention evals_per_epoch",
    ),
    "axolotl-chat.yml": (
        {
            "name": "chat", "data": ["data/chats.jsonl", "data/more.jsonl"], "validation_data": ["data/held-out.jsonl"],
            "method": "dora", "rank": 16,
            "alpha": 32, "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj"], "layers_to_transform": [14, 15],
            "batch": 8, "epochs": 2, "learning_rate": "1e-4", "schedule": "linear", "patience": 3,
            "evaluate_every": 50, "max_gradient": 0.5, "seed": 42, "report_to": "tensorboard",
        },
        ("engine.model=Qwen/Qwen2.5-1.5B-Instruct",),
        "warmup_steps datasets[0].train_on_eos",
    ),
    "axolotl-full.yml": (
        {
            "data": ["./sets"], "columns": {"system": "role", "instruction": "ask", "response": "reply"},
            "method": "full", "batch": 16, "max_steps": 400, "warmup": 0.1, "learning_rate": 0.00002,
            "schedule": "constant",
        },
        ("engine.model=HuggingFaceTB/SmolLM2-135M-Instruct", "engine.chat_template=chatml"),
        "output_dir val_set_size datasets[0].type.format deepspeed",
    ),
    "axolotl-plugins.yml": (
        {
            "data": ["openai/gsm8k/main"], "method": "lora-8bit", "rank": 8, "alpha": 16, "rslora": True, "batch": 16,
            "epochs": 1, "learning_rate": 0.0003, "loraplus_lr_ratio": 16, "neftune_noise_alpha": 5,
        },
        ("engine.model=meta-llama/Llama-3.2-1B-Instruct",),
        "lr_scheduler optimizer datasets[0].type datasets[0].shards plugins liger_rope "
        "liger_fused_linear_cross_entropy wandb_project wandb_name trust_remote_code",
    ),
    "axolotl-two-sets.yml": (
        {
            "data": ["a.jsonl", "b.jsonl"], "columns": {"messages": "turns"}, "method": "lora", "rank": 4, "alpha": 8,
            "epochs": 1, "batch": 4, "learning_rate": 0.001,
        },
        ("engine.model=./models/house",),
        "lora_modules_to_save",
    ),
    "factory-lora.yaml": (
        {
            "name": "sft", "data": [str(DATA / "claims.json"), str(DATA / "voice.jsonl")], "validation_share": 0.1,
            "method": "lora",
            "rank": 8, "alpha": 16, "target_modules": "all-linear", "batch": 8, "learning_rate": 0.0001, "epochs": 3.0,
            "schedule": "cosine", "warmup": 0.1, "evaluate_every": 500,
        },
        ("engine.model=Qwen/Qwen2.5-0.5B-Instruct",),
        "trust_remote_code template cutoff_len max_samples overwrite_cache preprocessing_num_workers logging_steps "
        "save_steps plot_loss ddp_timeout per_device_eval_batch_size",
    ),
    "factory-qlora.yaml": (
        {
            "name": "llama3", "data": [str(DATA / "chats.jsonl")], "validation_data": [str(DATA / "held.jsonl")],
            "columns": {"messages": "turns"}, "method": "qlora", "rank": 16,
            "alpha": 16, "dropout": 0.1, "target_modules": "q_proj,v_proj", "rslora": True, "batch": 2, "epochs": 1,
            "max_steps": 200, "warmup": 0.1, "learning_rate": 0.00005, "loraplus_lr_ratio": 16.0,
            "neftune_noise_alpha": 5, "optimizer": "adamw-8bit",
        },
        ("engine.model=meta-llama/Meta-Llama-3-8B-Instruct",),
        "lr_scheduler_type report_to chats.columns.tools chats_held.num_samples quantization_method template",
    ),
    "factory-full.yaml": (
        {
            "name": "smol", "data": ["openai/gsm8k/main"], "columns": {"instruction": "question", "response": "answer"},
            "method": "full", "batch": 8, "learning_rate": 0.00001, "epochs": 2, "schedule": "constant",
            "weight_decay": 0.1, "max_gradient": 1.0, "checkpointing": False, "seed": 3,
        },
        ("engine.model=HuggingFaceTB/SmolLM2-360M-Instruct",),
        "hub.split deepspeed template pure_bf16",
    ),
    "factory-dora.yaml": (
        {
            "name": "dora", "data": ["HuggingFaceH4/no_robots"], "method": "dora", "rank": 32, "alpha": 64,
            "target_modules": ["q_proj", "o_proj"], "epochs": 1, "learning_rate": 0.0002,
        },
        ("engine.model=./models/house",),
        "optim val_size template",
    ),
    "factory-8bit.yaml": (
        {
            "name": "qwen3", "data": [str(DATA / "tagged.json")], "columns": {"role": "speaker", "content": "text"},
            "method": "lora-8bit", "rank": 64, "alpha": 128, "target_modules": "all-linear", "batch": 8, "epochs": 2,
            "learning_rate": 0.0003, "schedule": "cosine", "warmup": 0.03, "report_to": "tensorboard",
        },
        ("engine.model=Qwen/Qwen3-4B",),
        "tagged.tags.user_tag tagged.tags.assistant_tag additional_target template mask_history packing",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_a_run_is_translated_and_what_has_no_counterpart_is_named(name: str) -> None:
    values, assignments, unmatched = EXPECTED[name]
    run = translated(RUNS / name)
    assert dict(run.values) == values and run.assignments == assignments
    assert [one.partition("=")[0] for one in run.unmatched] == unmatched.split()
    validated(run.values)


def test_all_runs_of_the_folder_are_looked_at() -> None:
    assert {file.name for file in RUNS.iterdir() if file.is_file()} == EXPECTED.keys()


def test_unknown_plugins_are_named_one_by_one() -> None:
    told = translated(RUNS / "axolotl-plugins.yml").unmatched
    assert "plugins=axolotl.integrations.liger.LigerPlugin, our_lab.secret.ShufflePlugin" in told


def changed(tmp_path: Path, name: str, **keys: Any) -> ForeignRun:
    content = yaml.safe_load((RUNS / name).read_text()) | keys
    file = tmp_path / name
    file.write_text(yaml.safe_dump(content))
    return translated(file)


@pytest.mark.parametrize(
    ("name", "keys", "said"),
    [
        ("axolotl-qlora.yml", {"rl": "dpo"}, "rl=dpo"),
        ("axolotl-qlora.yml", {"adapter": "llama-adapter"}, "adapter=llama-adapter"),
        ("axolotl-qlora.yml", {"datasets": [{"path": "x", "type": "completion"}]}, "datasets[0].type=completion"),
        ("axolotl-qlora.yml", {"datasets": ["x"]}, "datasets[0]. holds a str"),
        ("axolotl-qlora.yml", {"datasets": 3}, "not of the type"),
        ("axolotl-qlora.yml", {"datasets": [{"type": "alpaca"}]}, "datasets[0] names no path"),
        ("axolotl-qlora.yml", {"datasets": [OWN, {"path": "b.jsonl"}]}, "datasets[1] calls its columns otherwise"),
        ("axolotl-qlora.yml", {"datasets": [OWN], "test_datasets": [{"path": "b"}]}, "test_datasets[0] calls its"),
        ("axolotl-qlora.yml", {"max_steps": float("inf")}, "not of the type"),
        ("axolotl-qlora.yml", {"max_steps": "many"}, "not of the type"),
        ("axolotl-qlora.yml", {"val_set_size": [1]}, "not of the type"),
        ("axolotl-qlora.yml", {"base_model": None}, "no run of Axolotl"),
        ("factory-lora.yaml", {"stage": "dpo"}, "stage=dpo"),
        ("factory-lora.yaml", {"finetuning_type": "freeze"}, "finetuning_type=freeze"),
        ("factory-lora.yaml", {"quantization_bit": 2}, "2 bits"),
        ("factory-lora.yaml", {"dataset": "claims", "dataset_dir": str(DATA), "eval_dataset": "votes"}, "votes holds"),
        ("factory-lora.yaml", {"dataset": "none", "dataset_dir": str(DATA)}, "dataset=none is described in no"),
    ],
)
def test_what_trains_something_else_is_refused_in_one_line(
    tmp_path: Path, name: str, keys: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as error:
        changed(tmp_path, name, **keys)
    assert said in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["- base_model", "base_model", "", "base_model: [", "rank: 8"])
def test_a_file_of_neither_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.yml").write_text(content)
    with pytest.raises(ConfigError) as error:
        translated(tmp_path / "run.yml")
    assert "\n" not in str(error.value)


def test_descriptions_of_data_that_are_none_are_told_in_one_line(tmp_path: Path) -> None:
    for content, said in (("[" * 100_000, "described in no"), ('{"none": {"columns": {}}}', "has no file_name")):
        (tmp_path / "dataset_info.json").write_text(content)
        with pytest.raises(ConfigError, match=said) as error:
            changed(tmp_path, "factory-lora.yaml", dataset="none", dataset_dir=str(tmp_path))
        assert "\n" not in str(error.value)


def test_properties_of_turns_that_are_no_texts_are_named(tmp_path: Path) -> None:
    entry = {"path": "a.jsonl", "message_property_mappings": {"role": "who", "weight": "w", "tool": "tool"}}
    run = changed(tmp_path, "axolotl-qlora.yml", datasets=[entry])
    assert run.values["columns"] == {"role": "who"}
    assert "datasets[0].message_property_mappings.weight=w" in run.unmatched and validated(run.values)
