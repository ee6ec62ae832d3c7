"""Training on people's own data without a corpus: what is learnt, what the card says, where data comes from."""

import json
from pathlib import Path
from typing import Any

import pytest

from assistant.artifacts.cards import read_card
from assistant.cli import main
from assistant.config import Settings
from assistant.errors import ConfigError, PairsError, UsageError
from assistant.workspace import Workspace
from eval.contamination import leaks, learnt_by
from train.check import check, lines
from train.finetune import train
from train.plan import hub_folder, named, prepare, read_data
from train.run_file import validated

ROWS = [{"question": f"What is rule {number} of the house?", "answer": f"It is {number % 7}."} for number in range(12)]


@pytest.fixture
def nowhere(tmp_path: Path) -> Workspace:
    """A workspace with nothing in it."""
    return Workspace(tmp_path / "empty")


def written(file: Path, *rows: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return file


def test_an_adapter_learns_from_a_file_and_its_card_says_so(
    nowhere: Workspace, general: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path / "house.jsonl", *ROWS, {"question": "Who?"}, {"question": "x " * 2000, "answer": "y"})
    values = {"data": str(file), "max_steps": 2, "rank": 4, "validation_share": 0.3}
    report = check(nowhere, general, values)
    card = train(nowhere, general, values)
    assert card is not None and card == read_card(nowhere.adapter("house"))
    assert (
        card.learnt_from == str(file)
        and not card.hub_data
        and not card.pairs
        and not card.pair_sets
        and not card.corpus
    )
    assert card.pairs_counts == {"data": report.rows} and report.rows + report.validation_rows == 12
    assert report.validation_rows and card.validation_loss is not None
    told = [
        f"Left out: 1 row: none of response, answer, output, completion is there ({file}, line 13)",
        f"Left out: 1 row: longer than the model's window of 1024 tokens ({file}, line 14)",
    ]
    assert set(told) <= set(lines(report)) and set(told) <= set(capsys.readouterr().err.splitlines())


def test_what_data_taught_is_known_to_the_test_of_leaks(nowhere: Workspace, general: Settings, tmp_path: Path) -> None:
    from eval.cases import Case

    file = written(tmp_path / "house.jsonl", *ROWS)
    train(nowhere, general, {"data": str(file), "max_steps": 1, "rank": 4})
    learnt = learnt_by(["house"], nowhere, general)
    assert learnt.is_certain and len(learnt.pairs["house"]) == 12
    (leak,) = leaks([Case("c", "what is rule 3 of the house?")], learnt.pairs["house"])
    assert leak.kind == "same question"
    written(file, *ROWS[1:])
    assert learnt_by(["house"], nowhere, general).changed == ("house",)
    file.unlink()
    assert learnt_by(["house"], nowhere, general).unknown == ("house",)


def test_turns_that_the_chat_template_refuses_are_left_out(
    nowhere: Workspace, general: Settings, tmp_path: Path
) -> None:
    strict = tmp_path / "strict.jinja"
    strict.write_text(
        "{% for m in messages %}{% if 'rule 3' in m.content %}{{ raise_exception('no') }}{% endif %}"
        "{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )
    engine = general.engine.model_copy(update={"chat_template": str(strict)})
    values = {"data": str(written(tmp_path / "house.jsonl", *ROWS)), "validation_share": 0}
    settings = general.model_copy(update={"engine": engine})
    job = prepare(named(validated(values), nowhere), nowhere, settings)
    assert len(job.plan.rows) == 11 and list(job.dropped) == ["the chat template refuses it"]


def test_the_command_trains_a_run_of_another_program(
    nowhere: Workspace, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "axolotl.yml"
    data = written(tmp_path / "chats.jsonl", *({"messages": [
        {"role": "user", "content": row["question"]}, {"role": "assistant", "content": row["answer"]}
    ]} for row in ROWS))  # fmt: skip
    file.write_text(
        f"base_model: {base}\nadapter: lora\nlora_r: 4\nlora_alpha: 8\nmicro_batch_size: 2\nmax_steps: 3\n"
        f"learning_rate: 0.01\nplugins: [lab.ShufflePlugin]\ndatasets: [{{path: {data}, type: chat_template}}]\n"
    )
    given = ["--workspace", str(nowhere.root), "--set", "device.dtype=float32", "--json"]
    with pytest.raises(SystemExit) as ended:
        main(["train", "--from", str(file), "max_steps=1", "name=house", *given])
    out, err = capsys.readouterr()
    card = json.loads(out)
    assert ended.value.code == 0 and card["base"] == str(base) and card["steps"] == 1
    assert card["config"]["rank"] == 4 and card["config"]["batch"] == 2
    assert "From Axolotl: " in err and "No counterpart: plugins=lab.ShufflePlugin\n" in err


@pytest.mark.parametrize(
    ("values", "error", "said"),
    [
        ({"data": "none.jsonl"}, PairsError, "There is no file or folder none.jsonl"),
        ({"data": "a/b/none.csv"}, PairsError, "There is no file or folder a/b/none.csv"),
        ({"data": "no such set"}, UsageError, "'no such set'"),
        ({"data": "owner/no..such"}, PairsError, "'owner/no..such' is no Hugging Face id"),
        ({"data": "owner/set"}, PairsError, "owner/set is no file or folder here, and the Hugging Face hub does not"),
        ({"data": "x.jsonl", "pairs": "toy"}, ConfigError, "pairs=toy and data=x.jsonl"),
        ({"data": "x.jsonl", "columns": {"asked": "x"}}, ConfigError, "columns='asked'"),
    ],
)
def test_data_that_is_not_there_is_told_in_one_line(
    place: Workspace,
    general: Settings,
    monkeypatch: pytest.MonkeyPatch,
    values: dict[str, Any],
    error: type[Exception],
    said: str,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(error) as refused:
        prepare(named(validated(values), place), place, general)
    assert said in str(refused.value) and "\n" not in str(refused.value)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of the hub with one data set, OWNER/SET, whose files are put into the folder."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub._snapshot_download.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    repository = tmp_path / "hub" / "datasets--owner--set"
    commit = "0123456789" * 4
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    folder = repository / "snapshots" / commit
    folder.mkdir(parents=True)
    return folder


def test_a_data_set_of_the_hub_is_read_from_its_files(hub: Path, nowhere: Workspace) -> None:
    written(hub / "data" / "train-00000.jsonl", *ROWS)
    written(hub / "data" / "test-00000.jsonl", {"question": "Which house is it?", "answer": "Ours."})
    (hub / "set.py").write_text("raise SystemExit")
    settings = named(validated({"data": "owner/set"}), nowhere)
    found = read_data(settings)
    assert settings.name == "set" and len(found.pairs) == 13 and found.of_hub == ("owner/set",)
    assert {pair.split for pair in found.pairs if "test-00000" in pair.id} == {"test"}
    assert found.pairs[-1].id.startswith("owner/set/data/train-00000.jsonl, line ")


def test_a_folder_that_is_called_as_a_set_of_the_hub_is_none(
    hub: Path, nowhere: Workspace, general: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(hub / "train.jsonl", *ROWS[:6])
    written(tmp_path / "clients/acme/claims.jsonl", *ROWS[6:])
    values = {"data": ["clients/acme", "owner/set"], "max_steps": 1, "rank": 4}
    card = train(nowhere, general, values)
    assert card is not None and card.hub_data == ("owner/set",) and card.learnt_from == "clients/acme, owner/set"
    learnt = learnt_by([card.name], nowhere, general)
    assert learnt.is_certain and len(learnt.pairs[card.name]) == 12, "what was downloaded is read again"
    (hub / "train.jsonl").unlink()
    assert learnt_by([card.name], nowhere, general).unknown == (card.name,)


def test_one_of_several_sets_of_the_hub_has_to_be_named(hub: Path) -> None:
    for name in ("main", "socratic"):
        written(hub / name / "train.jsonl", *ROWS)
    with pytest.raises(PairsError, match=r"owner/set holds several sets: main, socratic\. .*data=owner/set/main"):
        hub_folder("owner/set")
    assert hub_folder("owner/set", "socratic") == hub / "socratic"


def test_a_training_on_data_goes_on_where_it_was(
    nowhere: Workspace, general: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path / "house.jsonl", *ROWS)
    from train.trainer import Trainer

    step = Trainer.step

    def killed(trainer: Trainer, *given: Any) -> float:
        if trainer.state.step == 1:
            raise KeyboardInterrupt
        return step(trainer, *given)

    values = {"data": str(file), "max_steps": 2, "rank": 4, "checkpoint_minutes": 0}
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Trainer, "step", killed)
        train(nowhere, general, values)
    card = train(nowhere, general, {}, resume=True)
    assert card is not None and card.steps == 2 and card.learnt_from == str(file)


def test_what_is_not_here_yet_of_a_set_of_the_hub_is_downloaded(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetched(_: str, allow_patterns: list[str], local_files_only: bool, **__: Any) -> str:
        if not local_files_only:
            written(hub / "more" / "test.jsonl", *ROWS)
            assert allow_patterns[0] in {"*.jsonl", "de/*.jsonl"}
        return str(hub)

    written(hub / "en" / "train.jsonl", *ROWS)
    monkeypatch.setattr("huggingface_hub.snapshot_download", fetched)
    monkeypatch.setattr("train.plan.hub_answers", lambda: True)
    with pytest.raises(PairsError, match=r"several sets: en, more"):
        hub_folder("owner/set")
    with pytest.raises(PairsError, match=r"owner/set/de holds no data"):
        hub_folder("owner/set", "de")


def test_without_the_hub_what_is_here_is_read_and_that_is_said(hub: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(hub / "en" / "train.jsonl", *ROWS)
    assert hub_folder("owner/set") == hub
    assert "does not answer: of owner/set, what is here is read (1 file)" in capsys.readouterr().err


@pytest.mark.parametrize("part", ["../../../tmp", "en/..", "/etc", "en//x", "."])
def test_a_part_of_a_set_of_the_hub_lies_in_it(hub: Path, part: str) -> None:
    written(hub.parents[1] / "x.jsonl", *ROWS)
    with pytest.raises(PairsError, match="leads out of owner/set"):
        hub_folder("owner/set", part)
