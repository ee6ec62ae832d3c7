"""Preferences: the losses of TRL on the same rows, a reference that stays, and adapters that go on from others."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from tiny import tiny_model, tokenizer
from toys import apart, liked, toy_llama, toy_pair, toy_rows, write_liked, write_toy_pairs

from assistant.artifacts.cards import read_card
from assistant.artifacts.pairs import Pair, Split, learnt_from_these, pairs_hash, read_pairs
from assistant.cli import main
from assistant.config import Settings
from assistant.config.train_settings import TrainSettings
from assistant.engines.template import read_template
from assistant.errors import AdapterError, ConfigError, IdentityError, PairsError, TrainingError
from assistant.workspace import Workspace
from train.batches import TokenRow, computed_together
from train.check import check, problems
from train.finetune import train
from train.forward_backward import Passes, attention_kinds
from train.model import trained
from train.plan import named, prepare
from train.preferences import PairPreference, SinglePreference, Start, preference_rows, with_start

SHORT = {"max_steps": 2, "learning_rate": 0.01, "validation_answers": 0}


def preferences(number: int = 5) -> list[TokenRow]:
    """Rows of which some share their passages, each held against another response."""
    rows = toy_rows([(20, [(4, 6), (5, 3)]), (12, [(6, 5)]), (18, [(3, 4), (7, 2)])])[:number]
    return [replace(row, against=(*row.response[:1], 3 + place, 9, 2)) for place, row in enumerate(rows)]


def moved_model() -> Any:
    """An adapter that has moved from the one it started from, which lies beside it."""
    from peft import LoraConfig

    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = with_start(toy_llama(), TrainSettings(), Start(None, config, None))  # type: ignore[arg-type]
    move(model, "reference", 1)
    move(model, "default", 2)
    return model


def move(model: Any, adapter: str, seed: int) -> None:
    """Random second matrices for an adapter."""
    torch.manual_seed(seed)
    for name, weight in model.named_parameters():
        if "lora_" in name and name.endswith(f"{adapter}.weight"):
            torch.nn.init.normal_(weight.data, std=0.3)


def as_trl(rows: Sequence[TokenRow]) -> list[dict[str, list[int]]]:
    return [
        {"prompt_ids": [*row.prompt], "chosen_ids": [*row.response], "rejected_ids": [*row.against]} for row in rows
    ]


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[Any]:
    """TRL's trainer of a kind over our model, whose adapter is called as there."""
    from datasets import Dataset

    def made(trainer: Any, config: Any, row: dict[str, Any], **settings: Any) -> tuple[Any, Any]:
        model = moved_model()
        weights = {name: weight.detach().clone() for name, weight in model.named_parameters()}
        model.delete_adapter("reference")
        args = config(output_dir=str(tmp_path), use_cpu=True, bf16=False, report_to="none", max_length=None,
                      gradient_checkpointing=False, beta=0.3, disable_tqdm=True, **settings)  # fmt: skip
        made = trainer(model, args=args, train_dataset=Dataset.from_list([row, row]), processing_class=tokenizer())
        for name, weight in made.model.named_parameters():
            weight.data.copy_(weights[name.replace(".ref.", ".reference.")])
        return made, moved_model()

    yield made


@pytest.mark.filterwarnings("ignore")  # what TRL asks of transformers
def test_the_loss_of_pairs_is_that_of_trl(theirs: Any) -> None:
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DataCollatorForPreference, DPOTrainer

    trainer, model = theirs(DPOTrainer, DPOConfig, {"prompt": "hail", "chosen": "a", "rejected": "b"})
    rows = preferences()
    wanted = trainer._compute_loss(trainer.model, DataCollatorForPreference(0)(as_trl(rows)), False)
    wanted.backward()
    gradients = {name: weight.grad for name, weight in trainer.model.named_parameters() if weight.grad is not None}
    for kinds in (attention_kinds(model.config), None):
        model.zero_grad()
        work = Passes(model, Accelerator(cpu=True), 60, kinds, dtype=torch.float32, objective=PairPreference(0.3))
        assert work.backward(rows).loss == pytest.approx(wanted.item(), abs=1e-5)
        mine = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
        assert apart(mine, gradients) < 1e-5


@pytest.mark.filterwarnings("ignore")  # what TRL asks of transformers
def test_the_loss_of_single_answers_is_that_of_trl(theirs: Any) -> None:
    from trl.trainer.kto_config import KTOConfig
    from trl.trainer.kto_trainer import KTOTrainer

    row = {"prompt": "hail", "completion": "a", "label": True}
    trainer, model = theirs(KTOTrainer, KTOConfig, row, per_device_train_batch_size=2)
    rows = [replace(one, is_wanted=place % 2 == 0) for place, one in enumerate(preferences(4))]
    prefixes = [
        {
            f"{key}input_ids": [*one.prompt, *response],
            f"{key}completion_mask": [0] * len(one.prompt) + [1] * len(response),
        }
        for one in rows
        for key, response in (("", one.response), ("KL_", one.against))
    ]
    batch: dict[str, Any] = {"label": torch.tensor([one.is_wanted for one in rows])}
    for key in ("input_ids", "completion_mask", "KL_input_ids", "KL_completion_mask"):
        lists = [one[key] for one in prefixes if key in one]
        width = max(map(len, lists))
        batch[key] = torch.tensor([one + [0] * (width - len(one)) for one in lists])
        if key.endswith("input_ids"):
            lengths = [[1] * len(one) + [0] * (width - len(one)) for one in lists]
            batch[key.replace("input_ids", "attention_mask")] = torch.tensor(lengths)
    wanted = float(trainer._compute_loss(trainer.model, batch, False))
    for most in (10_000, 60):  # in one micro-batch, as TRL takes z, and in several
        work = Passes(model, Accelerator(cpu=True), most, attention_kinds(model.config), torch.float32)
        work = replace(work, objective=SinglePreference(0.3, rows))
        assert work.mean_loss(rows) == pytest.approx(wanted, abs=1e-5)
        assert work.backward(rows).loss == pytest.approx(wanted, abs=1e-5)
    assert len(work.micro_batches(rows)) > 1


def test_noise_on_embeddings_is_not_in_what_the_reference_says() -> None:
    model, rows = moved_model(), preferences()
    said = []
    for noise in (0.0, 5.0):
        objective = PairPreference(0.3)
        kinds = attention_kinds(model.config)
        work = Passes(model, Accelerator(cpu=True), 60, kinds, torch.float32, objective, noise)
        said.append((work.backward(rows).loss, objective._reference))
    assert said[0][0] != said[1][0], "it is in what is trained"
    assert all(torch.equal(said[0][1][row.id], said[1][1][row.id]) for row in rows)


def test_several_processes_learn_from_preferences_what_one_does() -> None:
    model, rows = moved_model(), preferences()
    work = Passes(model, Accelerator(cpu=True), 60, attention_kinds(model.config), dtype=torch.float32)

    def learnt(some: Sequence[Passes]) -> tuple[float, dict[str, torch.Tensor]]:
        model.zero_grad()
        loss = sum(replace(one, objective=PairPreference(0.3)).backward(rows).loss for one in some)
        return loss, {name: weight.grad.clone() for name, weight in trained(model)}

    loss, wanted = learnt([work])
    for processes in (2, 7):
        each: list[Any] = [
            SimpleNamespace(num_processes=processes, process_index=number, device="cpu",
                            reduce=lambda tensor, _: tensor, gather=lambda tensor: tensor)
            for number in range(processes)
        ]  # fmt: skip
        together, gradients = learnt([replace(work, accelerator=one) for one in each])
        assert together == pytest.approx(loss, rel=1e-6) and apart(gradients, wanted) < 1e-5


def test_the_rarer_kind_of_single_answers_counts_as_much_as_the_other() -> None:
    rows = [replace(one, is_wanted=place > 0) for place, one in enumerate(preferences(4))]
    losses = SinglePreference(0.1, rows).losses(rows, torch.zeros(4, 2))
    assert losses.tolist() == [1.5, 0.5, 0.5, 0.5]


def test_both_responses_of_a_preference_are_computed_together() -> None:
    rows = preferences()
    for most, share in ((1, True), (1, False), (60, True), (10_000, False)):
        batches = computed_together(rows, most, share)
        assert sorted(row.id for batch in batches for one in batch for row in one.rows) == sorted(r.id for r in rows)
        assert all(len(one.branches) == 2 * len(one.rows) for batch in batches for one in batch)
    (one,) = computed_together(rows[:1], 100, share=True)[0]
    assert one.prefix == len(rows[0].prompt) - 1, "the prompt is run once"


@pytest.fixture
def started(place: Workspace, general: Settings) -> Workspace:
    """A workspace with an adapter to go on from, and preferences."""
    train(place, general, SHORT | {"name": "house", "rank": 4})
    write_liked(place)
    return place


def weights(place: Workspace, name: str) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(place.adapter(name) / "adapter_model.safetensors")


@pytest.mark.slow
def test_a_training_goes_on_from_an_adapter_and_says_so(started: Workspace, general: Settings) -> None:
    values = {"method": "dpo", "max_steps": 6, "learning_rate": 0.01, "evaluate_every": 6, "validation_answers": 2}
    card = train(started, general, values)
    assert card is not None and card == read_card(started.adapter("liked"))
    assert (card.method, card.started_from, card.pairs, card.pair_sets) == (
        "dpo",
        "house",
        "toy, liked",
        ["toy", "liked"],
    )
    assert (card.config["rank"], card.config["beta"]) == (4, 0.1)
    assert card.pairs_counts == {"vote": 12, "structure": 16} and card.documents == {"d0.md": "ab", "d1.md": "cd"}
    assert card.base_validation_loss == pytest.approx(math.log(2), abs=1e-6)
    assert card.validation_loss is not None and card.validation_loss < 0.6
    lines = (started.adapter("liked") / "metrics.jsonl").read_text().splitlines()
    assert '"loss": 0.6931' in lines[0], "nothing has moved before the first step"
    assert apart(weights(started, "liked"), weights(started, "house")) > 0.01
    assert "goes on from | house" in (started.adapter("liked") / "README.md").read_text()


@pytest.mark.slow
def test_an_adapter_learnt_from_these_while_all_before_it_did(started: Workspace, general: Settings) -> None:
    card = train(started, general, SHORT | {"method": "dpo"})
    assert card is not None and learnt_from_these(card, started)
    again = train(started, general, SHORT | {"method": "dpo", "name": "again"})
    assert again is not None and learnt_from_these(again, started)
    assert (again.started_from, again.pair_sets) == ("liked", ["toy", "liked"]), "each is named once"
    write_toy_pairs(started, [toy_pair(number) for number in range(8)])
    assert not learnt_from_these(card, started), "the pairs of the adapter before it changed"


@pytest.mark.slow
def test_single_answers_train_where_nothing_says_which_of_two_is_better(started: Workspace, general: Settings) -> None:
    thumbs = [liked(n, source="thumb", **({"rejected": ""} if n % 3 else {"response": ""})) for n in range(12)]
    write_liked(started, thumbs, "thumbs")
    with pytest.raises(TrainingError, match="method=kto"):
        train(started, general, SHORT | {"method": "dpo"})
    card = train(started, general, SHORT | {"method": "kto", "max_steps": 4})
    assert card is not None and (card.method, card.pairs) == ("kto", "toy, thumbs")
    assert apart(weights(started, "thumbs"), weights(started, "house")) > 0.001


def test_what_is_not_learnt_is_not_counted_but_told(started: Workspace, general: Settings) -> None:
    write_liked(started, [liked(0), liked(1), liked(2, source="thumb", rejected="")])
    settings = named(TrainSettings(method="dpo"), started)
    job = prepare(settings, started, general)
    assert job.counts == {"vote": 2} and [len(places) for places in job.dropped.values()] == [1]
    assert prepare(settings.model_copy(update={"method": "kto"}), started, general).counts == {"vote": 2, "thumb": 1}


def test_a_single_answer_is_held_against_that_to_another_prompt(base: Path) -> None:
    system, template = Settings().answer.system, read_template(base, Settings().engine)
    thumbs = [liked(n, source="thumb", rejected="") for n in (0, 1)]

    def rows(pairs: Sequence[Pair], split: Split = "train", window: int | None = None) -> list[TokenRow]:
        return preference_rows(pairs, split, template, system, window, "kto")

    one, other = rows(thumbs)
    assert (one.against, other.against) == (other.response, one.response)
    assert all(row.against != row.response for row in rows([liked(0), thumbs[1]]))
    with pytest.raises(TrainingError, match="another prompt"):
        rows(thumbs[:1])
    assert rows([replace(thumbs[0], split="validation")], "validation") == []
    long = replace(thumbs[1], instruction="?", passages=(), response="Rule 1 says 1 days. " * 200)
    (whole, _) = rows([long, thumbs[0]])
    with pytest.raises(TrainingError, match="none that fits"):
        rows([long, thumbs[0]], window=len(whole.prompt) + len(whole.response))


@pytest.mark.slow
def test_an_interrupted_training_goes_on_against_the_same_reference(
    started: Workspace, general: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"method": "dpo", "adapter": "house", "max_steps": 4, "learning_rate": 0.01, "checkpoint_minutes": 0}
    train(started, general, values | {"name": "whole"})
    real, steps = Passes.backward, []

    def backward(self: Passes, rows: Any) -> Any:
        steps.append(rows)
        if len(steps) == 3:
            raise KeyboardInterrupt
        return real(self, rows)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Passes, "backward", backward)
        train(started, general, values | {"name": "resumed"})
    train(started, general, {}, resume=True)
    assert apart(weights(started, "resumed"), weights(started, "whole")) < 1e-6


def test_it_is_checked_like_any_training(started: Workspace, general: Settings) -> None:
    report = check(started, general, {"method": "dpo"})
    assert (report.method, report.rows, report.validation_rows) == ("dpo", 12, 4) and not problems(report)
    assert report.probe is not None and report.probe.packed


def test_what_cannot_be_gone_on_from_is_told_before_a_weight_is_loaded(
    place: Workspace, general: Settings, tmp_path: Path
) -> None:
    with pytest.raises(PairsError, match="assistant pairs preferences"):
        train(place, general, {"method": "dpo"})
    write_liked(place)
    with pytest.raises(TrainingError, match="no adapter"):
        train(place, general, {"method": "dpo"})
    train(place, general, SHORT | {"name": "house"})
    with pytest.raises(ConfigError, match="makes a new adapter"):
        train(place, general, {"adapter": "house"})
    with pytest.raises(ConfigError, match="another name"):
        train(place, general, {"method": "dpo", "name": "house"}, force=True)
    train(place, general, SHORT | {"name": "whole", "method": "full"})
    with pytest.raises(AdapterError, match="whole model"):
        train(place, general, {"method": "dpo", "adapter": "whole"})
    other = tiny_model(tmp_path / "other")
    engine = general.engine.model_copy(update={"model": str(other)})
    with pytest.raises(IdentityError):
        train(place, general.model_copy(update={"engine": engine}), {"method": "dpo", "adapter": "house"})


def test_a_training_of_another_kind_leaves_preferences_alone(started: Workspace) -> None:
    assert named(TrainSettings(), started).pairs == "toy", "although the preferences are newer"
    assert named(TrainSettings(method="dpo"), started).pairs == "liked"


def test_a_preference_that_chooses_what_it_rejects_is_named_by_its_line(started: Workspace) -> None:
    file = started.pairs_file("liked")
    write_liked(started, [liked(0), liked(1, rejected=toy_pair(1).response)])
    with pytest.raises(PairsError, match=r"line 2: response and rejected are the same"):
        read_pairs(file)


def test_pairs_that_are_no_preferences_are_written_and_known_as_before(place: Workspace) -> None:
    assert '"rejected"' not in place.pairs_file("toy").read_text()
    assert pairs_hash([toy_pair(0)]) == "161289b3585ce55a"


def exported(place: Workspace, file: Path, *options: str) -> list[dict[str, Any]]:
    with pytest.raises(SystemExit) as ended:
        main(
            ["pairs", "export", "liked", "--format=preference", f"--workspace={place.root}", f"--out={file}", *options]
        )
    assert ended.value.code == 0
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_preferences_without_their_passages_are_those_that_differ_in_more_than_citations(
    place: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cited = liked(1, rejected=toy_pair(1).response.replace("[1]", "[2]"))
    write_liked(place, [liked(0), cited, liked(2, rejected="")])
    (row,) = exported(place, tmp_path / "bare.jsonl", "--bare")
    assert row["chosen"] == [{"role": "assistant", "content": "Rule 0 says 0 days."}]
    assert row["rejected"] == [{"role": "assistant", "content": "Rule 0 says storm roof broker."}]
    assert [message["role"] for message in row["prompt"]] == ["user"]
    told = capsys.readouterr().out
    assert "1 pair that is worse by its citations alone" in told and "1 pair that has no response that is worse" in told


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # what TRL asks of transformers
def test_preferences_train_in_plain_trl_on_the_tokens_that_are_learnt_here(
    place: Workspace, base: Path, tmp_path: Path
) -> None:
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    write_liked(place)
    exported(place, tmp_path / "liked.jsonl")
    data = load_dataset("json", data_files=str(tmp_path / "liked.jsonl"), split="train", cache_dir=str(tmp_path / "c"))
    args = DPOConfig(output_dir=str(tmp_path / "trl"), use_cpu=True, bf16=False, max_length=None, max_steps=3,
                     gradient_checkpointing=False, report_to="none", save_strategy="no", disable_tqdm=True)  # fmt: skip
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    trainer: Any = DPOTrainer(
        model, args=args, train_dataset=data, processing_class=AutoTokenizer.from_pretrained(base)
    )
    trainer.train()
    assert trainer.state.global_step == 3
    system, template = Settings().answer.system, read_template(base, Settings().engine)
    rows = preference_rows(read_pairs(place.pairs_file("liked")), "train", template, system, None, "dpo")
    for ours, theirs in zip(rows, trainer.train_dataset, strict=True):
        assert theirs["prompt_ids"] == [*ours.prompt]
        assert theirs["chosen_ids"][: len(ours.response)] == [*ours.response]
        assert theirs["rejected_ids"][: len(ours.against)] == [*ours.against]
