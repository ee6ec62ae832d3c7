"""One training from pairs or data to an adapter: ``assistant train``.

    settings ──▶ job (rows, model, device) ──▶ trainer ──▶ adapters/NAME with card, metrics and plots

What can be refused is refused before a weight is loaded.
"""

import os
import platform
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from assistant import __version__
from assistant.artifacts.cards import AdapterCard, joined_documents, joined_names, run_folder
from assistant.config import Settings
from assistant.engines.lora import Shape, linear_shapes
from assistant.text.printing import visible
from assistant.work.progress import note
from assistant.work.tracking import tracking
from assistant.workspace import Workspace, new_name, write_lock
from train.checkpoints import (
    State,
    UnfinishedRun,
    begin,
    check_identity,
    clear,
    gathered,
    put_weights,
    unfinished,
)
from train.forward_backward import Likelihood, Objective, Passes, attention_kinds, obstacle
from train.memory import fitted
from train.model import compute_dtype, free_bytes, load_base, shard, trained, with_adapter
from train.plan import Job, left_out, named, prepare
from train.preferences import PairPreference, SinglePreference, with_start
from train.registry import refuse_name, save_adapter, try_saving
from train.run_file import validated
from train.trainer import Trainer, out_of_memory_told
from train.watch import kept_files

if TYPE_CHECKING:
    from accelerate import Accelerator

_PACKAGES = ("torch", "transformers", "peft", "accelerate", "bitsandbytes")


def train(
    workspace: Workspace, general: Settings, values: Mapping[str, Any], resume: bool = False, force: bool = False
) -> AdapterCard | None:
    """Train an adapter and save it; returns its card, in all processes but the first None.

    ``values`` are the settings of the run that a user gave. Raises ConfigError, PairsError, ModelError, AdapterError
    and TrainingError for what is wrong; what was trained until then is kept and goes on with ``resume``.
    """
    import torch

    settings, run = unfinished(workspace, values) if resume else (named(validated(values), workspace), None)
    force = force or (run is not None and run.force)
    target = workspace.adapter(settings.name if resume else new_name(settings.name, "adapter"))
    refuse_name(target, force)  # what saving will refuse is refused before anything is spent
    job = prepare(settings, workspace, general)
    folder = run_folder(workspace, settings.name)
    accelerator = make_accelerator(job)
    # All processes have to choose alike.
    free = torch.tensor([free_bytes(job.device.name)], device=accelerator.device)
    job, chosen = fitted(job, int(accelerator.gather(free).min()), accelerator.num_processes)
    with _locked(folder, accelerator):
        if chosen and accelerator.is_main_process:
            note(chosen)
        if run is not None:
            check_identity(run, job.identity, settings.name)
        elif accelerator.is_main_process:
            begin(folder, UnfinishedRun(job.settings.model_dump(mode="json"), job.identity, force))
            for line in left_out(job.dropped):
                note(visible(line))
            if not job.plan.validation:
                note("There are no pairs to validate on: training does not stop early, and the last weights are kept.")
        accelerator.wait_for_everyone()
        trainer = make_trainer(job, accelerator, folder)
        if run is not None:
            trainer.restore()
        names = job.settings.report_to if accelerator.is_main_process else ()
        with tracking(names, workspace, settings.name, dict(job.settings), trainer.state.step) as trainer.trackers:
            trainer.run(job.plan)
        learnt = gathered(dict(trainer.weights), accelerator.is_main_process) if trainer.passes.is_sharded else {}
        accelerator.end_training()
        if not accelerator.is_main_process:
            return None
        model = trainer.passes.model
        if trainer.passes.is_sharded:
            model, _ = make_model(job, _place(job, accelerator))
            put_weights(trained(model), learnt)
        if job.settings.method == "full":  # a whole one is saved in the precision that it will be run in
            model = model.to(job.device.torch_dtype)
        card = save_adapter(model, job.template, _card(job, trainer.state), target, force, kept_files(folder))
        clear(folder)
        return card


def make_accelerator(job: Job) -> "Accelerator":
    """accelerate's view of this process: alone, or one of those that torchrun started."""
    from accelerate import Accelerator

    # What is computed in which precision is said elsewhere; TRL goes by what accelerate was started with.
    precision = None if job.settings.trainer == "trl" else "no"
    return Accelerator(cpu=job.device.name == "cpu", mixed_precision=precision)


def make_model(job: Job, place: Any) -> tuple[Any, Mapping[str, Shape]]:
    """The base on ``place`` with what is trained, and the linear layers that it has by itself."""
    import torch

    torch.manual_seed(job.settings.seed)
    base = load_base(job.folder, job.general.engine, job.device, job.shape, place, job.config)
    linears = linear_shapes(base)
    if job.settings.checkpointing and job.settings.trainer != "trl":
        base.activation_checkpointing_enable()
    return with_start(base, job.shape, job.start) if job.start else with_adapter(base, job.settings), linears


def make_trainer(job: Job, accelerator: "Accelerator", folder: Path) -> Trainer:
    """Load the base, put the adapter on it, and find out whether it can be saved and rows can be packed.

    Raises ModelError and ConfigError, AdapterError for one that cannot be gone on from, TrainingError when memory runs
    out or a save that is tried fails.
    """
    dtype = compute_dtype(job.device)
    by_trl = job.settings.trainer == "trl"
    if by_trl:
        from train.trl_trainer import TrlTrainer, check_trl

        check_trl(job, accelerator.num_processes)
    with out_of_memory_told(job.most_tokens):
        model, linears = make_model(job, _place(job, accelerator))
        if accelerator.is_main_process:
            try_saving(model, job.template, _card(job, State(losses=[0.0])), linears)
        is_sharded = _is_sharded(job, accelerator)
        if is_sharded:
            # Under autocast, what is gathered in float32 would be kept as a copy of 16 bits in each layer.
            shard(model, accelerator, dtype if job.settings.method == "full" else None)
        kinds = attention_kinds(model.config) if job.settings.share_prefixes else None
        if kinds is not None and (
            why := obstacle(model, [*job.plan.rows, *job.plan.validation], job.most_tokens, dtype)
        ):
            kinds = None
            if accelerator.is_main_process:
                note(f"Pairs are computed one by one, which is slower: {why}.")
    objective: Objective = Likelihood()
    if job.start:
        beta = job.settings.beta
        objective = PairPreference(beta) if job.settings.method == "dpo" else SinglePreference(beta, job.plan.rows)
    passes = Passes(
        model, accelerator, job.most_tokens, kinds, dtype, objective, job.settings.neftune_noise_alpha, is_sharded
    )
    return TrlTrainer(passes, job, folder) if by_trl else Trainer(passes, job.settings, folder)


def _is_sharded(job: Job, accelerator: "Accelerator") -> bool:
    return job.settings.shard == "on" and accelerator.num_processes > 1


def _place(job: Job, accelerator: "Accelerator") -> Any:
    """Where the model is loaded: one too large for a device comes there in parts. NF4 is made on the device itself."""
    if job.settings.trainer == "trl":
        from train.trl_trainer import is_sharded

        on_host = is_sharded(accelerator)
    else:
        on_host = _is_sharded(job, accelerator) and job.settings.method != "qlora"
    return "cpu" if on_host else accelerator.device


@contextmanager
def _locked(folder: Path, accelerator: "Accelerator") -> Iterator[None]:
    """Only one training has the folder; of several processes the first holds the lock for all."""
    if not accelerator.is_main_process:
        yield
        return
    with write_lock(folder):
        for left in folder.glob(".*.tmp"):  # by a process that was killed while it wrote
            left.unlink()
        yield


def _card(job: Job, state: State) -> AdapterCard:
    header, settings = job.header, job.settings
    schedule = job.plan.schedule
    recent = fmean(state.losses[-schedule.evaluate_every :])
    versions = {"assistant": __version__}
    for package in (*_PACKAGES, *(["trl"] if settings.trainer == "trl" else [])):
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    # What is gone on from was learnt too.
    before = [job.start.card] if job.start else []
    return AdapterCard(
        name=settings.name,
        method=settings.method,
        base=job.general.engine.model,
        base_fingerprint=job.identity["base model"],
        template=job.identity["chat template"],
        corpus=joined_names([*(card.corpus for card in before), header.corpus if header else ""]),
        generation=header.generation if header else 0,
        documents=joined_documents([*(card.documents for card in before), header.documents if header else {}]),
        pairs=joined_names([*(card.pairs for card in before), settings.pairs]),
        pairs_hash=job.identity["pairs"],
        pairs_counts=dict(sum((Counter(card.pairs_counts) for card in before), Counter(job.counts))),
        config=settings.model_dump(mode="json")
        | {"learning_rate": schedule.peak}
        | (job.start.described if job.start else {}),
        parameters=job.parameters.trained,
        base_parameters=job.parameters.base,
        steps=state.best_step or state.step,
        tokens=state.tokens,
        seconds=round(state.seconds, 1),
        train_loss=recent if state.best_train_loss is None else state.best_train_loss,
        validation_loss=state.best_loss,
        base_validation_loss=state.base_loss,
        versions=versions,
        machine=(
            f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {job.device.name} in {job.device.dtype}"
        ),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        started_from=settings.adapter if before else "",
        hub_data=tuple(dict.fromkeys([*(name for card in before for name in card.hub_data), *job.of_hub])),
    )
