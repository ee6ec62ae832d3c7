"""Training against TRL's SFTTrainer on the same pairs, in one run: the table of docs/training.md.

    python -m bench.training --workspace FOLDER --pairs NAME [--every 8]

Each way is a process of its own: prompt/completion rows in TRL, with and without gradient checkpointing; our rows one
by one; our rows with shared prefixes. Model, fresh adapter, rate, batch and number of epochs are the same, and so is
what measures the validation loss afterwards. TRL gets the rows in the order of our first epoch, since another order
alone moves the loss of a short training by some percent. Seconds are those of training, without loading; memory is that
of the process.
"""

import json
import os
import sys
import tempfile
import time
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import click

from assistant.artifacts.pairs import Pair, read_pairs
from assistant.artifacts.row_files import write_lines
from assistant.config import Settings
from assistant.workspace import Workspace
from bench.measured import run
from train.batches import steps
from train.plan import Job, named, prepare
from train.run_file import validated

_WAYS = ("trl", "trl checkpointing", "ours one by one", "ours")


def measure(way: str, job: Job, scratch: Path) -> dict[str, float]:
    """Train one way in this process: seconds, tokens of rows a second, validation loss."""
    from train.finetune import make_accelerator, make_trainer

    trainer = make_trainer(job, make_accelerator(job), scratch)
    passes = trainer.passes
    if way.startswith("trl"):
        theirs = _trl(job, passes.model, scratch, checkpointing="checkpointing" in way)
        began = time.perf_counter()
        theirs.train()
        passes = replace(passes, model=theirs.model)
    else:
        began = time.perf_counter()
        trainer.run(replace(job.plan, validation=[], answers=None))
    seconds = time.perf_counter() - began
    tokens = sum(map(len, job.plan.rows)) * job.settings.epochs
    loss = passes.mean_loss(job.plan.validation)
    return {"seconds": seconds, "tokens_per_second": tokens / seconds, "validation_loss": loss}


def _trl(job: Job, model: Any, scratch: Path, checkpointing: bool) -> Any:
    """SFTTrainer for a PeftModel with its usual settings but for the order of rows, rows long enough for all."""
    from datasets import Dataset
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    settings, control = job.settings, job.template.control_tokens
    rows = [
        {
            "prompt": [_turn(message) for message in pair.messages(job.general.answer.system, control)],
            "completion": [{"role": "assistant", "content": pair.response}],
        }
        for pair in _in_our_order(job)
    ]
    return SFTTrainer(
        model,
        args=SFTConfig(
            output_dir=str(scratch / "trl"),
            use_cpu=job.device.name == "cpu",
            bf16=True,
            activation_checkpointing=checkpointing,
            gradient_checkpointing=checkpointing,
            max_length=max(map(len, job.plan.rows)) + 8,
            per_device_train_batch_size=settings.batch,
            num_train_epochs=settings.epochs,
            learning_rate=job.plan.schedule.peak,
            lr_scheduler_type="cosine",
            warmup_steps=job.plan.schedule.warmup,
            weight_decay=settings.weight_decay,
            seed=settings.seed,
            train_sampling_strategy="sequential",
            save_strategy="no",
            report_to="none",
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=job.template.tokenizer,
    )


def _in_our_order(job: Job) -> list[Pair]:
    """The pairs to train on as our first epoch shows them when prefixes are shared."""
    pairs = {pair.id: pair for pair in job.pairs}
    plan = islice(steps(job.plan.rows, job.settings.batch, job.settings.seed, share=True), job.plan.schedule.epoch)
    return [pairs[row.id] for step in plan for row in step]


def _turn(message: Any) -> dict[str, str]:
    """A message as TRL wants it."""
    return {"role": message.role, "content": message.content}


def _fewer(workspace: Workspace, name: str, every: int) -> str:
    """A set with some of the evidence lists of another, whole; returns its name."""
    lists: dict[object, int] = {}
    kept = []
    for pair in read_pairs(workspace.pairs_file(name)):
        number = lists.setdefault(pair.passages or pair.id, len(lists))
        if number % every == 0:
            kept.append(pair)
    fewer = f"{name}-every-{every}"
    write_lines(workspace.pairs_file(fewer), map(asdict, kept))
    return fewer


@click.command()
@click.option("--workspace", "folder", type=click.Path(path_type=Path), required=True)
@click.option("--pairs", required=True)
@click.option("--epochs", default=1, show_default=True)
@click.option(
    "--every", default=1, show_default=True, help="Train on every so manieth evidence list, to be done sooner."
)
@click.option("--way", type=click.Choice(_WAYS), hidden=True, help="Measure one way in this process.")
@click.option("--to", type=click.Path(path_type=Path), hidden=True, help="Where its numbers go.")
def main(folder: Path, pairs: str, epochs: int, every: int, way: str | None, to: Path | None) -> None:
    """Measure training."""
    with tempfile.TemporaryDirectory() as scratch:
        if way and to:
            workspace = Workspace(folder.absolute())
            values = {
                "pairs": pairs,
                "epochs": epochs,
                "patience": 0,
                "warmup": 0.0,  # TRL's first step of a warm-up learns nothing, ours does: of a few steps that is much
                "share_prefixes": way != "ours one by one",
            }
            job = prepare(named(validated(values), workspace), workspace, Settings())
            to.write_text(json.dumps(measure(way, job, Path(scratch))))
            return
        if every > 1:
            pairs = _fewer(Workspace(folder.absolute()), pairs, every)
        for one in _WAYS:
            result = Path(scratch) / "result.json"
            words = ["--workspace", str(folder), "--pairs", pairs, "--epochs", str(epochs), "--way", one]
            cost = run([sys.executable, "-m", "bench.training", *words, "--to", str(result)], os.environ)
            found = json.loads(result.read_text())
            click.echo(
                f"{one:20} {found['seconds']:8.1f} s {found['tokens_per_second']:8.0f} tokens/s "
                f"{cost.memory / 2**30:6.2f} GiB  validation loss {found['validation_loss']:.4f}"
            )


if __name__ == "__main__":
    main()
