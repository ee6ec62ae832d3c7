"""The same training by TRL (``trainer=trl``), for what its trainers and accelerate's own configuration offer.

    rows ──▶ SFTTrainer, DPOTrainer, KTOTrainer ──▶ .runs/NAME/trl/checkpoint-N ──▶ a fresh base with what was trained

Theirs are the loop, the order of rows, and the checkpoints. Rows and masks, the rate, validation, the choice of
weights, curves and card are those of train.trainer. Weights go into a fresh base at the end, since TRL and accelerate
change the model that they train, and one of several processes may have a part of it.
"""

import importlib.util
import json
import random
import threading
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from difflib import get_close_matches
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from assistant import models
from assistant.artifacts.cards import FULL, WEIGHTS_FILE
from assistant.config.train_settings import PREFERENCE_METHODS, Method
from assistant.engines.lora import quiet_peft
from assistant.errors import ConfigError, TrainingError, one_line
from assistant.workspace import replaced_atomically
from train.batches import TokenRow
from train.checkpoints import TRL_FOLDER, State
from train.forward_backward import Passes
from train.model import compute_dtype, load_base, with_adapter
from train.plan import Job, TrainingPlan, is_told_to_shard
from train.trainer import Trainer
from train.watch import Watch

if TYPE_CHECKING:
    from accelerate import Accelerator

_STATE_FILE = "course.json"
"""Written last into a checkpoint: one without it is not whole."""
_BY_ACCELERATE = frozenset({"deepspeed", "fsdp", "fsdp_config", "parallelism_config"})
_NO_LABEL = -100


def check_trl(job: Job, processes: int) -> None:
    """Raise ConfigError when TRL is not installed, or would not take a setting of ``trl`` or this batch."""
    if importlib.util.find_spec("trl") is None:
        raise ConfigError("trainer=trl needs TRL, which is not installed.", "pip install 'domain-assistant[trl]'")
    refused = {
        f"method={job.settings.method}, which is not validated on a sharded model": job.start and is_told_to_shard(),
        f"loraplus_lr_ratio={job.settings.loraplus_lr_ratio:g}": job.settings.loraplus_lr_ratio != 1,
        "device.dtype=float16": job.device.dtype == "float16",
    }
    for what in (what for what, is_so in refused.items() if is_so):
        raise ConfigError(f"trainer=trl does not take {what}.", "Set trainer=own.")
    ours = _arguments(job, processes, Path())
    _, config, _ = _of_method(job.settings.method)
    known = [field.name for field in fields(config)]
    for name in job.settings.trl:
        if name in _BY_ACCELERATE:
            told = "accelerate is told it, which starts the processes"
            raise ConfigError(f"trl.{name}: {told}.", "Run: accelerate launch --config_file FILE -m assistant train …")
        if name in ours:
            raise ConfigError(f"trl.{name}: other settings of the training say it.", "See docs/training.md.")
        if name not in known:
            near = get_close_matches(name, known, n=1)
            remedy = f"Did you mean {near[0]}?" if near else f"See {config.__name__} of TRL."
            raise ConfigError(f"trl.{name}: TRL's trainer has no such setting.", remedy)


def is_sharded(accelerator: "Accelerator") -> bool:
    """Whether each process has a part of the model."""
    return str(accelerator.distributed_type).rpartition(".")[2] in {"FSDP", "DEEPSPEED"}


class TrlTrainer(Trainer, TrainerCallback):
    """One run, whose steps and checkpoints are TRL's; it is called back after each."""

    def __init__(self, passes: Passes, job: Job, folder: Path) -> None:
        """``passes`` have the model that is to be trained. Raises ConfigError for what TRL refuses."""
        self.passes, self.settings, self.folder, self.state = passes, job.settings, folder, State()
        self._accelerator = passes.accelerator
        self._job = job
        self._theirs = _made(job, passes, folder / TRL_FOLDER)
        self._theirs.add_callback(self)
        self._tokens_before = 0

    def restore(self) -> None:
        """Go back to the last checkpoint, if there is one. Raises TrainingError for one that is damaged."""
        last = self._last_checkpoint()
        if last is None:
            return
        try:
            self.state = State(**json.loads((last / _STATE_FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            told = f"{last / _STATE_FILE} is damaged: {one_line(error)}."
            raise TrainingError(told, "Start the training anew with --force.") from error
        if self.state.has_ended:
            self._restore_best()

    def _run(self, plan: TrainingPlan, watch: Watch, stop: threading.Event) -> None:
        if self._is_over(plan.schedule):
            return
        sharded = is_sharded(self._accelerator)
        self._course = (replace(plan, answers=None) if sharded else plan), watch, stop
        self._tokens_before = self.state.tokens
        last = self._last_checkpoint()
        self._is_stopped = False
        with models.quiet_transformers(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what TRL, transformers and PEFT tell each other
            self._theirs.train(resume_from_checkpoint=str(last) if last else None)
        if self._is_stopped:
            raise self._stopped(plan.schedule)

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """The model is now as they train it. Of a sharded one, all processes have to compute the same rows."""
        accelerator: Any = self._accelerator
        if is_sharded(accelerator):
            accelerator = SimpleNamespace(num_processes=1, process_index=0, device=accelerator.device)
        self.passes = replace(self.passes, model=self._theirs.model, accelerator=accelerator)
        self._begin(*self._course[:2])

    def on_log(self, args: Any, state: Any, control: Any, **given: Any) -> None:  # noqa: ARG002
        """After a step, or with a summary at the end."""
        logs: dict[str, float] = given["logs"]
        if "loss" not in logs:
            return
        plan, watch, stop = self._course
        norm = float(logs["grad_norm"])
        self._take_loss(logs["loss"], norm, plan.schedule)
        self.state.step += 1
        self.state.tokens = self.state.row_tokens = self._tokens_before + int(logs["num_tokens"])
        control.should_save, self._is_stopped = self._after_step(plan, watch, stop, logs["learning_rate"], norm)
        control.should_training_stop |= self._is_stopped or self._is_over(plan.schedule)

    def on_save(self, *_: Any, **__: Any) -> None:
        """Their checkpoint is written."""
        self._save()

    def _is_wished(self, wish: bool) -> bool:
        everyone = replace(self.passes, accelerator=self._accelerator)
        return everyone.over_processes(wish) > 0

    def _keep_best(self) -> None:
        # What is written after this step is then the last to be deleted.
        self._theirs.state.best_model_checkpoint = str(self._checkpoint(self.state.step))

    def _restore_best(self) -> None:
        """What was trained on a fresh base, in the first process, which alone saves it."""
        job, best = self._job, self._checkpoint(self.state.best_step or self.state.step)
        place = "cpu" if is_sharded(self._accelerator) else self._accelerator.device
        self.passes = replace(self.passes, model=None, accelerator=self._accelerator)
        del self._theirs
        self._accelerator.free_memory()
        if not self._accelerator.is_main_process:
            return
        if job.settings.method == FULL:
            model = load_base(best, job.general.engine, job.device, job.shape, place, job.config)
        else:
            base = load_base(job.folder, job.general.engine, job.device, job.shape, place, job.config)
            model = with_adapter(base, job.shape, job.start.config if job.start else None)
            with quiet_peft():
                from peft import set_peft_model_state_dict
                from safetensors.torch import load_file

                set_peft_model_state_dict(model, load_file(best / WEIGHTS_FILE))
        self.passes = replace(self.passes, model=model)

    def _save(self) -> None:
        if self._accelerator.is_main_process:
            with replaced_atomically(self._checkpoint(self.state.step) / _STATE_FILE) as beside:
                beside.write_text(json.dumps(asdict(self.state)), encoding="utf-8")
        self._accelerator.wait_for_everyone()

    def _checkpoint(self, step: int) -> Path:
        return self.folder / TRL_FOLDER / f"checkpoint-{step}"

    def _last_checkpoint(self) -> Path | None:
        whole = (file.parent for file in (self.folder / TRL_FOLDER).glob(f"checkpoint-*/{_STATE_FILE}"))
        return max(whole, key=lambda one: int(one.name.rpartition("-")[2]), default=None)


def _of_method(method: Method) -> tuple[Any, Any, Callable[[TokenRow], dict[str, Any]]]:
    """TRL's trainer, the class of its arguments, and a row as it wants it."""
    if method == "dpo":
        from trl.trainer.dpo_config import DPOConfig
        from trl.trainer.dpo_trainer import DPOTrainer

        return (
            DPOTrainer,
            DPOConfig,
            lambda row: {"prompt_ids": row.prompt, "chosen_ids": row.response, "rejected_ids": row.against},
        )
    if method == "kto":
        from trl.trainer.kto_config import KTOConfig
        from trl.trainer.kto_trainer import KTOTrainer

        return (
            KTOTrainer,
            KTOConfig,
            lambda row: {
                "prompt_ids": row.prompt,
                "completion_ids": row.response,
                "KL_completion_ids": row.against,
                "label": row.is_wanted,
            },
        )
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    return (
        SFTTrainer,
        SFTConfig,
        lambda row: {
            "input_ids": [*row.prompt, *row.response],
            "labels": [_NO_LABEL] * len(row.prompt) + [*row.response],
        },
    )


def _arguments(job: Job, processes: int, folder: Path) -> dict[str, Any]:
    """What our settings say in the words of TRL's."""
    settings, schedule, rows = job.settings, job.plan.schedule, job.plan.rows
    mine, rest = divmod(settings.batch, processes)
    least = 2 if settings.method == "kto" else 1  # another answer in it is what one is held against
    at_once = [number for number in range(least, mine + 1) if mine % number == 0]
    if rest or not at_once:
        raise ConfigError(
            f"batch={settings.batch} cannot be dealt out evenly to {processes} processes by TRL.",
            f"Set batch={processes * max(mine, least)}.",
        )
    longest = max(sum(map(len, row.branches)) for row in rows)
    fitting = max((number for number in at_once if number * longest <= job.most_tokens), default=at_once[0])
    arguments = {
        "output_dir": str(folder),
        "use_cpu": job.device.name == "cpu",
        "bf16": False,  # said around the loss, as by our own loop
        "max_length": None,
        "max_steps": schedule.total,
        "per_device_train_batch_size": fitting,
        "gradient_accumulation_steps": mine // fitting,
        "learning_rate": schedule.peak,
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_gradient,
        "neftune_noise_alpha": settings.neftune_noise_alpha or None,
        "gradient_checkpointing": settings.checkpointing,
        "seed": settings.seed,
        "ddp_find_unused_parameters": False,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "eval_strategy": "no",
        "save_strategy": "no",  # on_log says when
        "save_total_limit": 2,
        "report_to": "none",
        "disable_tqdm": True,
    }
    if settings.optimizer == "adamw-8bit":
        arguments["optim"] = "adamw_bnb_8bit"
    if settings.method in PREFERENCE_METHODS:
        arguments["beta"] = settings.beta
    if settings.method == "kto":
        counts = Counter(row.is_wanted for row in rows)
        weights = {kind: max(counts.values()) / max(counts[kind], 1) for kind in (True, False)}
        arguments |= {"desirable_weight": weights[True], "undesirable_weight": weights[False]}
        arguments["train_sampling_strategy"] = "sequential"
    return arguments


def _made(job: Job, passes: Passes, folder: Path) -> Any:
    """TRL's trainer for a job, on its rows."""
    import torch
    from datasets import Dataset
    from torch.optim.lr_scheduler import LambdaLR
    from transformers import PrinterCallback

    settings, schedule = job.settings, job.plan.schedule
    theirs, config, column = _of_method(settings.method)
    # For kto theirs goes through the rows in order, and ours have those of one kind together.
    rows = random.Random(settings.seed).sample(job.plan.rows, len(job.plan.rows))

    class Ours(theirs):  # type: ignore[misc, valid-type]
        if settings.method in PREFERENCE_METHODS:

            def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
                return dataset  # tokens already; SFTTrainer sees so itself

        def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:  # noqa: ARG002
            relative = LambdaLR(optimizer or self.optimizer, lambda step: schedule.rate(step) / schedule.peak)
            self.lr_scheduler = relative
            return relative

        def compute_loss_context_manager(self) -> Any:
            dtype = compute_dtype(job.device)
            return torch.autocast(self.args.device.type, dtype, enabled=dtype != torch.float32)

        def create_model_card(self, *_: Any, **__: Any) -> None:
            pass  # ours is written with the adapter

        def _send_telemetry(self) -> None:
            pass

    try:
        with models.quiet_transformers(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = Ours(
                passes.model,
                args=config(**_arguments(job, passes.accelerator.num_processes, folder), **settings.trl),
                train_dataset=Dataset.from_list([column(row) for row in rows]),
                processing_class=job.template.tokenizer,
            )
    except (ValueError, TypeError, ImportError) as error:
        raise ConfigError(
            f"TRL refuses the training: {one_line(error)}", "Change its settings, or set trainer=own."
        ) from error
    made.remove_callback(PrinterCallback)
    if made.is_fsdp_enabled:  # checkpoints hold what was trained as it is loaded elsewhere
        made.accelerator.state.fsdp_plugin.set_state_dict_type("FULL_STATE_DICT")
    return made
