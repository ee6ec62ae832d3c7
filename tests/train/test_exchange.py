"""Pairs go out in the formats of others and come back: the same tokens are shown and learnt, there as here."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from hub import hub_here
from toys import toy_pair

from assistant import models
from assistant.artifacts.chat_rows import FORMATS
from assistant.artifacts.chat_rows import exported as exported_rows
from assistant.artifacts.pairs import read_pairs
from assistant.cli import main
from assistant.config import Settings
from assistant.engines.template import read_template
from assistant.types import Message, Role
from assistant.workspace import Workspace
from train.batches import TokenRow, rows_of
from train.plan import named, prepare
from train.run_file import validated

MARKED = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""ChatML that tells TRL which tokens the assistant says."""


@pytest.fixture
def expected(place: Workspace, general: Settings) -> list[TokenRow]:
    """The rows that the pairs ``toy`` are trained on."""
    template = read_template(Path(general.engine.model), general.engine)
    return rows_of(read_pairs(place.pairs_file("toy")), "train", template, general.answer.system, None)


def run(*arguments: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 0


def exported(place: Workspace, format_: str, file: Path, *options: str) -> Path:
    run("pairs", "export", "toy", "--workspace", str(place.root), "--format", format_, "--out", str(file), *options)
    return file


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_what_went_out_is_trained_on_as_the_pairs_are(
    place: Workspace, general: Settings, expected: list[TokenRow], tmp_path: Path, format_: str, suffix: str
) -> None:
    file = exported(place, format_, tmp_path / f"toy.{suffix}")
    job = prepare(named(validated({"data": str(file), "validation_share": 0}), place), place, general)
    assert [(row.prompt, row.response) for row in job.plan.rows] == [(row.prompt, row.response) for row in expected]
    assert job.settings.name == "toy" and job.counts == {"data": 16} and not job.dropped


def test_bare_rows_are_question_and_answer_alone(place: Workspace, tmp_path: Path) -> None:
    file = exported(place, "messages", tmp_path / "bare.jsonl", "--bare")
    assert json.loads(file.read_text().splitlines()[0]) == {
        "messages": [
            {"role": "user", "content": toy_pair(0).instruction},
            {"role": "assistant", "content": "Rule 0 says 0 days."},
        ]
    }


def test_bare_rows_have_no_citations_in_what_was_said_before_either() -> None:
    said = (Message("user", "Is [1] a rule?"), Message("assistant", "Yes [2]."))
    rows, _ = exported_rows([replace(toy_pair(0), history=said)], "messages", "", bare=True)
    assert [one["content"] for one in cast(Any, rows["train"][0]["messages"])[:2]] == ["Is [1] a rule?", "Yes."]


@pytest.mark.parametrize("before", [("user",), ("assistant",), ("assistant", "user")])
def test_what_alpaca_has_no_room_for_is_left_out_and_counted(before: tuple[Role, ...]) -> None:
    odd = replace(toy_pair(0), history=tuple(Message(role, "Hello.") for role in before))
    rows, left_out = exported_rows([odd, toy_pair(1)], "alpaca", "", bare=False)
    assert len(rows["train"]) == 1 and left_out.total() == 1
    assert not exported_rows([odd], "messages", "", bare=False)[1]


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["toy", "--split", "test"], 1, "No pair of 'toy' can be written as asked; it holds: 16 train, 4 validation."),
        (["toy", "--out", "toy.txt"], 2, "toy.txt is neither JSON lines nor parquet"),
        (["toy", "--out", "no/toy.jsonl"], 2, "There is no folder"),
        (["toy", "--out", "toy.jsonl", "--push", "me/toy"], 2, "--push and --out"),
        (["toy", "--push", "me/toy/more"], 2, "'me/toy/more' is no Hugging Face id"),
        (["none"], 1, "There are no pairs"),
    ],
)
def test_what_cannot_be_exported_is_told_in_one_line(
    place: Workspace, capsys: pytest.CaptureFixture[str], options: list[str], status: int, said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["pairs", "export", "--workspace", str(place.root), *options])
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (status, "") and said in err and err.count("\n") == 1


def test_all_splits_are_pushed_as_a_private_data_set_that_says_where_they_are(
    place: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with hub_here(monkeypatch) as hub:
        run("pairs", "export", "toy", "--workspace", str(place.root), "--push", "me/toy")
    assert "/datasets/me/toy" in capsys.readouterr().out
    assert [(one["visibility"], one["type"]) for one in hub.created] == [("private", "dataset")]
    card = hub.files.pop("README.md").decode()
    assert {name: text.count(b"\n") for name, text in hub.files.items()} == {
        "data/train.jsonl": 16,
        "data/validation.jsonl": 4,
    }
    assert "split: validation\n    path: data/validation.jsonl" in card


def test_without_a_token_nothing_is_sent(
    place: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with hub_here(monkeypatch, token=None) as hub:
        run("pairs", "export", "toy", "--workspace", str(place.root), "--push", "me/toy")
    assert not hub.created and "Nothing was sent to me/toy" in capsys.readouterr().out


def as_trl_reads(row: dict[str, Any]) -> dict[str, Any]:
    """What its makers tell to do with the two formats that TRL does not know by itself."""
    roles = {"system": "system", "human": "user", "gpt": "assistant"}
    if "conversations" in row:
        return {"messages": [{"role": roles[one["from"]], "content": one["value"]} for one in row["conversations"]]}
    if "instruction" in row:
        prompt = [{"role": "system", "content": row["system"]}, {"role": "user", "content": row["instruction"]}]
        return {"prompt": prompt, "completion": [{"role": "assistant", "content": row["output"]}]}
    return {}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
def test_every_format_trains_in_plain_trl_on_the_tokens_that_are_learnt_here(
    place: Workspace, base: Path, expected: list[TokenRow], tmp_path: Path
) -> None:
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl.data_utils import is_conversational, is_conversational_from_value
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    tokenizer: Any = AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = MARKED
    for format_ in FORMATS:
        file = exported(place, format_, tmp_path / f"{format_}.jsonl")
        table = exported(place, format_, tmp_path / f"{format_}.parquet")
        data, same = (
            load_dataset(kind, data_files=str(one), split="train", cache_dir=str(tmp_path / "cache"))
            for kind, one in (("json", file), ("parquet", table))
        )
        assert data[:] == same[:]
        if format_ == "sharegpt":
            assert is_conversational_from_value(data[0])
        if format_ in {"alpaca", "sharegpt"}:
            data = data.map(as_trl_reads, remove_columns=data.column_names)
        assert is_conversational(data[0]), format_
        with models.quiet_transformers():
            trainer = SFTTrainer(
                AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32),
                args=SFTConfig(
                    output_dir=str(tmp_path / format_),
                    use_cpu=True,
                    bf16=False,
                    gradient_checkpointing=False,
                    max_length=None,
                    assistant_only_loss=True,
                    per_device_train_batch_size=2,
                    max_steps=3,
                    report_to="none",
                    save_strategy="no",
                    disable_tqdm=True,
                ),
                train_dataset=data,
                processing_class=tokenizer,
            )
            trainer.train()
        assert trainer.state.global_step == 3
        seen = [
            (row["input_ids"], [token for token in row["labels"] if token != -100])
            for row in cast(Any, trainer.train_dataset)
        ]
        for row, (tokens, learnt) in zip(expected, seen, strict=True):
            assert learnt == list(row.response), format_
            assert tokens[: len(row)] == [*row.prompt, *row.response], format_
