"""Forward and backward passes over rows: packed, in micro-batches, divided among the processes of a training."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from train.batches import Packed, computed_together
from train.loss import summed_loss
from train.model import trained
from train.rows import Row, loss_tokens
from train.tensors import Kinds, tensors_of
from train.validation_answers import Answered, Answers

if TYPE_CHECKING:
    from accelerate import Accelerator


@dataclass(frozen=True, slots=True)
class Done:
    """What a backward pass gave."""

    loss: float
    tokens: int
    """That were computed, by all processes: shared prefixes once, padding not."""


@dataclass(frozen=True, slots=True)
class Passes:
    """How rows go through a model. Losses are means over the loss tokens of all rows given, whatever way they go."""

    model: Any
    """On its device; the same in all processes."""
    accelerator: "Accelerator"
    most_tokens: int
    """Padded tokens of a micro-batch."""
    kinds: Kinds | None
    """What the model's layers look back over, for packed rows; None computes rows one by one."""
    bfloat16: bool

    def micro_batches(self, rows: Sequence[Row]) -> list[tuple[Packed, ...]]:
        """What is computed at once, longest first; the same in every process."""
        return computed_together(rows, self.most_tokens, share=self.kinds is not None)

    def backward(self, rows: Sequence[Row]) -> Done:
        """Add the gradients of the loss on ``rows``, over all processes, to the weights.

        Every process is given the same rows, and computes its share of the micro-batches.
        """
        batches = self.micro_batches(rows)
        tokens = loss_tokens(rows)
        self.model.train()
        total = 0.0
        for batch in self._mine(batches):
            loss = self._summed(batch) / tokens
            loss.backward()
            total += float(loss.detach())
        self._exchange_gradients()
        return Done(self._over_processes(total), sum(len(one) for batch in batches for one in batch))

    def mean_loss(self, rows: Sequence[Row]) -> float:
        """The loss on ``rows``, without gradients. No more logits are made than in training."""
        import torch

        self.model.eval()
        with torch.no_grad():
            total = sum(float(self._summed(batch)) for batch in self._mine(self.micro_batches(rows)))
        return self._over_processes(total) / loss_tokens(rows)

    def answered(self, answers: Answers) -> Answered:
        """How the model answers, each process a share of the questions."""
        share = replace(answers, asked=answers.asked[self.accelerator.process_index :: self.accelerator.num_processes])
        mine = share.of(self.model, self.most_tokens, self.bfloat16)
        return Answered(int(self._over_processes(mine.sane)), int(self._over_processes(mine.usable)))

    def _mine(self, batches: list[tuple[Packed, ...]]) -> list[tuple[Packed, ...]]:
        """The share of this process."""
        return batches[self.accelerator.process_index :: self.accelerator.num_processes]

    def _summed(self, batch: tuple[Packed, ...]) -> Any:
        tensors = tensors_of(batch, self.kinds or {}, self.accelerator.device)
        return summed_loss(self.model, tensors, self.bfloat16)

    def _exchange_gradients(self) -> None:
        """Add up the gradients of all processes: once a step, whatever each of them computed.

        DistributedDataParallel does the same, but wants as many passes in each process.
        """
        import torch

        if self.accelerator.num_processes > 1:
            for _, weight in trained(self.model):
                mine = torch.zeros_like(weight) if weight.grad is None else weight.grad
                weight.grad = self.accelerator.reduce(mine, "sum")

    def _over_processes(self, value: float) -> float:
        import torch

        if self.accelerator.num_processes == 1:
            return value
        return float(self.accelerator.reduce(torch.tensor(float(value), device=self.accelerator.device), "sum"))
