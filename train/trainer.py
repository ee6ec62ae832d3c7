"""The training itself: a plain loop over optimiser steps that can be killed at any instant and go on.

    step      the rows of the step, in micro-batches; clip; AdamW
    validate  every few steps; the best weights are kept, and it ends when they do not get better
    save      after each validation, and when the last checkpoint is some minutes old

Neither TRL's SFTTrainer nor transformers' Trainer stands behind it. Both write checkpoints in place and pickled, and
accumulate gradients over a fixed number of batches; TRL patches the model's forward and keeps QLoRA's adapter in
bfloat16. Eight methods would have to be replaced, five of them private. What they rest on is used as it is:
transformers for models, PEFT for adapters, accelerate for processes, AdamW of torch or bitsandbytes. A
test holds the weights after some steps against SFTTrainer's.
"""

import math
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

from assistant.config.train_settings import TrainSettings
from assistant.engines.lora import quiet_peft
from assistant.errors import TrainingError
from assistant.work.progress import note
from assistant.work.tracking import Tracker
from train import checkpoints
from train.batches import TokenRow, steps
from train.checkpoints import WINDOW, State
from train.forward_backward import Done, Passes
from train.model import is_out_of_memory, trained
from train.plan import Schedule, TrainingPlan
from train.validation_answers import AnswerCounts
from train.watch import Watch, watching

# A training whose loss is this many times what it was at the start has diverged.
_DIVERGED = 2.0
# What gloo and NCCL say where another process has gone.
_LOST = ("closed by peer", "connection reset", "connection refused", "nccl error", "broken pipe", "timed out waiting")


class Trainer:
    """One run: weights, optimizer and state, and the folder that they are saved in."""

    trackers: Sequence[Tracker] = ()
    """Who is told the metrics too."""

    def __init__(self, passes: Passes, settings: TrainSettings, folder: Path) -> None:
        import torch

        self.passes = passes
        self.settings = settings
        self.folder = folder
        self.weights = trained(passes.model)
        # Matrices decay; vectors (norms, biases, magnitudes) do not. The rate is set before each step; all of
        # an adapter BA but A has a multiple of it (LoRA+, Hayou et al. 2024, 2402.12354, and its authors' code).
        groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
        for name, weight in self.weights:
            rates = settings.loraplus_lr_ratio if ".lora_" in name and ".lora_A." not in name else 1.0
            groups.setdefault((settings.weight_decay if weight.ndim > 1 else 0.0, rates), []).append(weight)
        adamw: Any = torch.optim.AdamW
        if settings.optimizer == "adamw-8bit":
            with quiet_peft():
                from bitsandbytes.optim.adamw import AdamW8bit as adamw  # noqa: N813
        self.optimizer: torch.optim.Optimizer = adamw(
            [{"params": some, "weight_decay": decay, "rates": rates} for (decay, rates), some in groups.items()], lr=0.0
        )
        self.state = State()
        self._origin = self._saved = 0.0

    def restore(self) -> None:
        """Go back to the checkpoint in the folder, if there is one. Raises TrainingError."""
        if (self.folder / checkpoints.CHECKPOINT_FILE).exists():
            self.state = checkpoints.restore(self.folder, self.weights, self.optimizer)
            if self.state.scaler:
                self.passes.scaler.load_state_dict(self.state.scaler)

    def run(self, plan: TrainingPlan) -> None:
        """Train to the end of a course; ``state`` says how it went, the weights are the best ones.

        Raises TrainingError when a signal asks to stop (all is saved), when the loss is not a number or diverges, and
        when memory or disk are full.
        """
        unit = {"dpo": "nats a preference", "kto": "a mean over answers"}.get(self.settings.method, "nats a token")
        with (
            out_of_memory_told(self.passes.most_tokens),
            _others_lost_told(self.settings.name),
            _asked_to_stop(self.passes.accelerator.is_main_process) as stop,
            watching(self.folder, plan.schedule, self.passes.accelerator, self.state, unit, self.trackers) as watch,
        ):
            if not self.state.has_ended:
                self._run(plan, watch, stop)
                state, began = self.state, time.monotonic()
                self._restore_best()
                # The next checkpoint deletes what all processes have to read.
                self.passes.accelerator.wait_for_everyone()
                state.has_ended = True
                state.seconds += time.monotonic() - began
                watch.plot(state)
                self._save()

    def step(self, rows: Sequence[TokenRow], schedule: Schedule) -> float:
        """One optimiser step on ``rows``; returns the norm of the gradient.

        Raises TrainingError when the loss is not a finite number or diverges; the weights are then as they were.
        """
        state, scaler = self.state, self.passes.scaler
        for group in self.optimizer.param_groups:
            group["lr"] = group["rates"] * schedule.rate(state.step)
        done, norm = self._gradients(rows)
        while math.isfinite(done.loss) and not math.isfinite(norm) and scaler.get_scale() > 1:  # float16 overflowed
            scaler.step(self.optimizer)  # takes none
            scaler.update()
            self.optimizer.zero_grad()
            if self.passes.accelerator.is_main_process:
                scale = f"{scaler.get_scale():,.0f}"
                note(f"Gradients of step {state.step + 1} overflowed float16; it is computed again, scaled by {scale}.")
            done, norm = self._gradients(rows)
        self._take_loss(done.loss, norm, schedule)
        scaler.step(self.optimizer)
        scaler.update()
        self.optimizer.zero_grad()
        state.step += 1
        state.tokens += sum(done.tokens)
        state.busiest_tokens += max(done.tokens)
        state.row_tokens += sum(map(len, rows))
        return norm

    def _gradients(self, rows: Sequence[TokenRow]) -> tuple[Done, float]:
        """Put them into the weights, clipped; what they were computed from, and their norm before that."""
        import torch
        from torch.distributed.tensor import DTensor

        # Dropout draws what it would have drawn without an interruption, and differently in each process.
        torch.manual_seed(hash((self.settings.seed, self.state.step, self.passes.accelerator.process_index)))
        done = self.passes.backward(rows)
        self.passes.scaler.unscale_(self.optimizer)
        weights = [weight for _, weight in self.weights]
        norm = torch.nn.utils.clip_grad_norm_(weights, self.settings.max_gradient)
        return done, float(norm.full_tensor() if isinstance(norm, DTensor) else norm)

    def _take_loss(self, loss: float, norm: float, schedule: Schedule) -> None:
        """Note the loss of a step. Raises TrainingError when it is not a finite number or diverges."""
        state = self.state
        state.losses.append(loss)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise self._failed(f"the loss became {loss} (norm of the gradient {norm})", schedule)
        # Rows to train on may be harder than those to validate on: what they began with counts too.
        start = max(state.base_loss or 0.0, state.losses[0])
        if len(state.losses) > WINDOW and state.recent_loss > _DIVERGED * start:
            raise self._failed(f"the loss rose from {start:.2f} to {state.recent_loss:.2f}", schedule)

    def _run(self, plan: TrainingPlan, watch: Watch, stop: threading.Event) -> None:
        state, schedule = self.state, plan.schedule
        self._begin(plan, watch)
        coming = steps(plan.rows, self.settings.batch, self.settings.seed, share=self.passes.kinds is not None)
        for step_rows in islice(coming, state.step, schedule.total):
            if self._is_over(schedule):
                break
            rate = schedule.rate(state.step)
            norm = self.step(step_rows, schedule)
            saving, stopping = self._after_step(plan, watch, stop, rate, norm)
            if saving:
                self._save()
            if stopping:
                raise self._stopped(schedule)

    def _begin(self, plan: TrainingPlan, watch: Watch) -> None:
        """Start the clock; and validate what nothing was trained of."""
        state = self.state
        self._origin, self._saved = time.monotonic() - state.seconds, state.seconds
        if state.step == 0 and plan.validation:
            watch.describe("validation before the first step")
            state.base_loss = self.passes.mean_loss(plan.validation)
            base = self._answered(plan)
            state.base_sane = base.sane if base else 0

    def _after_step(
        self, plan: TrainingPlan, watch: Watch, stop: threading.Event, rate: float, norm: float
    ) -> tuple[bool, bool]:
        """Tell a step, and validate where that is due; returns whether to save now, and whether to stop then."""
        state, schedule = self.state, plan.schedule
        state.seconds = time.monotonic() - self._origin
        watch.step(state, rate, norm)
        is_due = state.step % schedule.evaluate_every == 0 or state.step == schedule.total
        if is_due and plan.validation:
            self._validate(plan, watch)
        state.seconds = time.monotonic() - self._origin
        is_old = state.seconds - self._saved >= 60 * self.settings.checkpoint_minutes
        # What all processes do together, as soon as one wishes it, they have to do at the same step.
        wishes = stop.is_set() and not self._is_over(schedule), is_old
        stopping, is_old = map(self._is_wished, wishes)
        if is_due or stopping:
            watch.plot(state)
        saving = is_due or stopping or is_old
        if saving:
            self._saved = state.seconds
        return saving, stopping

    def _is_wished(self, wish: bool) -> bool:
        """Whether any process wishes it."""
        return self.passes.over_processes(wish) > 0

    def _is_over(self, schedule: Schedule) -> bool:
        patience = self.settings.patience
        return self.state.step == schedule.total or bool(patience and self.state.stale >= patience)

    def _validate(self, plan: TrainingPlan, watch: Watch) -> None:
        """Keep these weights if they are the best so far: by what they answer, then by their loss.

        Weights that answer degenerately more often than the base are not kept, unless there are no others at the end.
        """
        state = self.state
        loss, answered = self.passes.mean_loss(plan.validation), self._answered(plan)
        if not math.isfinite(loss):
            raise self._failed(f"the validation loss became {loss}", plan.schedule)
        score = [float(answered.sane >= state.base_sane), answered.usable, -loss] if answered else [-loss]
        if state.best_score is None or score > state.best_score:
            state.best_score, state.best_loss, state.best_step, state.stale = score, loss, state.step, 0
            state.best_train_loss = fmean(state.losses[-plan.schedule.evaluate_every :])
            self._keep_best()
        else:
            state.stale += 1
        watch.validation(state, loss, answered)

    def _answered(self, plan: TrainingPlan) -> AnswerCounts | None:
        return self.passes.answered(plan.answers) if plan.answers else None

    def _keep_best(self) -> None:
        best = checkpoints.best_file(self.folder, self.state.step)
        checkpoints.save_weights(best, self.weights, self.passes.accelerator.is_main_process)

    def _restore_best(self) -> None:
        if self.state.best_step:
            checkpoints.restore_weights(checkpoints.best_file(self.folder, self.state.best_step), self.weights)

    def _save(self) -> None:
        self.state.scaler = self.passes.scaler.state_dict()
        checkpoints.save(self.folder, self.weights, self.optimizer, self.state, self.passes.accelerator.is_main_process)
        self.passes.accelerator.wait_for_everyone()

    def _stopped(self, schedule: Schedule) -> TrainingError:
        return TrainingError(
            f"Stopped after step {self.state.step} of {schedule.total}; all of it is saved.",
            f"Go on with: assistant train name={self.settings.name} --resume",
        )

    def _failed(self, what: str, schedule: Schedule) -> TrainingError:
        state = self.state
        precise = ", or set device.dtype=float32" if self.passes.scaler.is_enabled() else ""
        return TrainingError(
            f"Training stopped at step {state.step + 1} of {schedule.total}: {what}.",
            f"Lower learning_rate (the peak is {schedule.peak:.2g}) or max_gradient{precise}, and start anew with"
            " --force.",
        )


@contextmanager
def out_of_memory_told(most_tokens: int) -> Iterator[None]:
    """Raise TrainingError, which says what to change, when the block runs out of memory."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise TrainingError(
            f"Out of memory in a batch of {most_tokens} tokens (one row may have more).",
            f"Set batch_tokens={max(most_tokens // 2, 1)}, or checkpointing=true, or method=qlora.",
        ) from error


@contextmanager
def _others_lost_told(name: str) -> Iterator[None]:
    """Raise TrainingError when another process of the training has ended."""
    try:
        yield
    except RuntimeError as error:  # gloo's has no class of its own, NCCL's is a DistError
        if not any(words in str(error).lower() for words in _LOST):
            raise
        raise TrainingError(
            f"Another process of the training of '{name}' has ended.",
            f"See what it said; go on from the last checkpoint with the same command: name={name} --resume",
        ) from error


@contextmanager
def _asked_to_stop(speaks: bool) -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, so that a step is finished and saved first; a second Ctrl-C interrupts."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread may handle signals
        return

    def ask(number: int, _: object) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        if speaks and not stop.is_set():
            note("Stopping after this step; once more stops at once.")
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
