"""Rows through a model: tensors and masks, the loss, gradients over processes, and whether rows may be packed.

Rows alone need no mask: padding stands behind them, where a causal model never looks. Packed rows need one of shape
(batch, 1, tokens, tokens) that is added to scores: 0 where a query (row) may look at a key (column), else -inf. Of a
boolean one, torch would make and keep such a one in each layer. A layer that looks back over a window counts it in
positions, which for a branch are those of the row alone.

The loss is the mean negative log-likelihood of the response tokens, in nats, unless another objective is given
(train.preferences). The head is computed only where a token counts, by the model's own forward (``logits_to_keep``), so
that a model's scaling and capping of logits stay in. The logits of a large vocabulary are turned to float32 a slice at
a time.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from assistant.errors import one_line
from train.batches import Packed, TokenRow, alone, computed_together, loss_tokens, packed, shares
from train.model import is_out_of_memory, trained
from train.validation_answers import AnswerCounts, Answers

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator

# Kind of layer → how many tokens it looks back over, itself included; None is all.
Kinds = Mapping[str, int | None]
_FULL, _SLIDING = "full_attention", "sliding_attention"
_PADDING = -1  # segments count from 0
_ALIGNED = 8  # tokens: CUDA would copy a mask whose rows begin elsewhere, in each layer
_SLICE = 256  # tokens: with a vocabulary of 49,152, 50 MB in float32
# How far packed and separate rows may differ, in nats a token: more than rounding, less than a wrong mask gives.
_TOLERANCE = {"float32": 1e-3, "float16": 1e-2, "bfloat16": 3e-2}


@dataclass(frozen=True, slots=True)
class Tensors:
    """What the model is given, and what it is to say; (batch, tokens) unless said otherwise."""

    ids: "torch.Tensor"
    keep: "torch.Tensor"
    """True at positions whose next token counts in the loss."""
    labels: "torch.Tensor"
    """(loss tokens,): those next tokens, response by response."""
    lengths: Sequence[int]
    """How many of them each response has."""
    positions: "torch.Tensor | None"
    mask: "torch.Tensor | dict[str, torch.Tensor] | None"


def attention_kinds(config: Any) -> Kinds | None:
    """The kinds of layers of a model, by its configuration; None where one cannot be given a mask.

    That is so for recurrent and chunked layers, and for implementations of attention (flash) that take none.
    """
    if config._attn_implementation not in ("sdpa", "eager"):
        return None
    text = config.get_text_config()
    window = getattr(text, "sliding_window", None)
    kinds = set(getattr(text, "layer_types", None) or [_SLIDING if window else _FULL])
    if not kinds <= {_FULL, _SLIDING}:
        return None
    return {kind: window if kind == _SLIDING else None for kind in sorted(kinds)}


def tensors_of(batch: Sequence[Packed], kinds: Kinds, device: "torch.device | str", dtype: "torch.dtype") -> Tensors:
    """Sequences padded to the longest one, on ``device``; masks in the ``dtype`` that attention is computed in."""
    import torch

    rows: list[_Laid] = []
    for one in batch:
        rows += [_Laid(one.prefix, one.branches)] if one.prefix else [_Laid(0, [branch]) for branch in one.branches]
    length = max(len(row.ids) for row in rows)
    is_packed = any(one.prefix for one in batch)
    if is_packed:
        length += -length % _ALIGNED

    def padded(lists: list[list[int]], value: int) -> "torch.Tensor":
        return torch.tensor([one + [value] * (length - len(one)) for one in lists], device=device)

    ids = padded([row.ids for row in rows], 0)
    keep = padded([row.keep for row in rows], 0).bool()
    labels = torch.tensor([label for row in rows for label in row.labels], device=device)
    lengths = [len(branch.response) for one in batch for branch in one.branches]
    if not is_packed:
        return Tensors(ids, keep, labels, lengths, None, None)
    segments = padded([row.segments for row in rows], _PADDING)
    positions = padded([row.positions for row in rows], 0)
    return Tensors(ids, keep, labels, lengths, positions, _mask(segments, positions, kinds, dtype))


def _mask(
    segments: "torch.Tensor", positions: "torch.Tensor", kinds: Kinds, dtype: "torch.dtype"
) -> "torch.Tensor | dict[str, torch.Tensor]":
    import torch

    query, key = segments[:, None, :, None], segments[:, None, None, :]
    # Padding sees itself: a row of a mask that is -inf everywhere would give NaN.
    seen = (key == query).logical_or_(key == 0).tril_()
    there, here = (torch.full((), value, dtype=dtype, device=segments.device) for value in (0.0, -math.inf))
    query, key = positions[:, None, :, None], positions[:, None, None, :]
    masks = {
        kind: torch.where(seen if window is None else (query < key + window).logical_and_(seen), there, here)
        for kind, window in kinds.items()
    }
    return masks if len(masks) > 1 else next(iter(masks.values()))


class _Laid:
    """One sequence, laid out token by token."""

    def __init__(self, prefix: int, branches: Sequence[TokenRow]) -> None:
        self.ids = list(branches[0].prompt[:prefix])
        self.segments = [0] * prefix
        self.positions = list(range(prefix))
        self.keep = [0] * prefix
        self.labels: list[int] = []
        for segment, row in enumerate(branches, 1):
            tokens = [*row.prompt, *row.response]
            self.ids += tokens[prefix:]
            self.segments += [segment] * (len(tokens) - prefix)
            self.positions += range(prefix, len(tokens))
            # A token is predicted at the one before it, so the last of the prompt counts and the last of all does not.
            self.keep += [0] * (len(row.prompt) - 1 - prefix) + [1] * len(row.response) + [0]
            self.labels += row.response


def log_likelihoods(model: Any, tensors: Tensors, dtype: "torch.dtype") -> "torch.Tensor":
    """The log-likelihood of each response of a micro-batch, in float32: (responses,).

    Matrix products are computed in ``dtype``, whatever the weights are kept in.
    """
    import torch
    from torch.nn.functional import cross_entropy
    from torch.utils.checkpoint import checkpoint

    def losses_of(logits: "torch.Tensor", labels: "torch.Tensor") -> "torch.Tensor":
        return cross_entropy(logits.float(), labels, reduction="none")

    given: dict[str, Any] = {}
    if tensors.mask is not None:
        given = {"attention_mask": tensors.mask, "position_ids": tensors.positions}
    with torch.autocast(tensors.ids.device.type, dtype, enabled=dtype != torch.float32):
        logits = model(input_ids=tensors.ids, logits_to_keep=tensors.keep, use_cache=False, **given).logits
    slices = zip(torch.split(logits, _SLICE), torch.split(tensors.labels, _SLICE), strict=True)
    # The float32 copy of a slice is made again in the backward pass instead of being kept.
    losses = [checkpoint(losses_of, *one, use_reentrant=False, preserve_rng_state=False) for one in slices]
    return -torch.stack([response.sum() for response in torch.split(torch.cat(losses), list(tensors.lengths))])


class Objective(Protocol):
    """What is made small."""

    def size(self, rows: Sequence[TokenRow]) -> int:
        """What the loss of some rows is a mean over."""
        ...

    def begin(self, passes: "Passes", rows: Sequence[TokenRow], batches: Sequence[tuple[Packed, ...]]) -> None:
        """Look at what the loss of each of some rows takes of all of them; ``batches`` are those of this process."""
        ...

    def summed(self, model: Any, batch: Sequence[Packed], tensors: Tensors, dtype: "torch.dtype") -> "torch.Tensor":
        """The loss of a micro-batch, added up."""
        ...


class Likelihood:
    """Negative log-likelihoods of the loss tokens."""

    def size(self, rows: Sequence[TokenRow]) -> int:
        """The loss tokens."""
        return loss_tokens(rows)

    def begin(self, passes: "Passes", rows: Sequence[TokenRow], batches: Sequence[tuple[Packed, ...]]) -> None:
        """Each row has a loss of its own."""

    def summed(self, model: Any, batch: Sequence[Packed], tensors: Tensors, dtype: "torch.dtype") -> "torch.Tensor":  # noqa: ARG002
        """In nats."""
        return -log_likelihoods(model, tensors, dtype).sum()


@dataclass(frozen=True, slots=True)
class Done:
    """What a backward pass gave."""

    loss: float
    tokens: Sequence[int]
    """That each process computed: shared prefixes once, padding not."""


@dataclass(frozen=True)
class Passes:
    """How rows go through a model. Losses are means over what all rows given have, whatever way they go."""

    model: Any
    """On its device; the same in all processes."""
    accelerator: "Accelerator"
    most_tokens: int
    """Padded tokens of a micro-batch."""
    kinds: Kinds | None
    """What the model's layers look back over, for packed rows; None computes rows one by one."""
    dtype: "torch.dtype"
    """What matrix products are computed in."""
    objective: Objective = field(default_factory=Likelihood)
    noise: float = 0.0
    """The alpha of NEFTune."""
    is_sharded: bool = False
    """Whether each process has a part of the weights: then all have to run as often."""

    @cached_property
    def scaler(self) -> "torch.amp.GradScaler":
        """Of losses in float16, whose small gradients would be lost else; in other precisions it changes nothing."""
        import torch

        return torch.amp.GradScaler(torch.device(self.accelerator.device).type, enabled=self.dtype == torch.float16)

    def micro_batches(self, rows: Sequence[TokenRow]) -> list[tuple[Packed, ...]]:
        """What this process computes of ``rows``, longest first."""
        share = self.kinds is not None
        mine = shares(rows, self.accelerator.num_processes, self.most_tokens, share)[self.accelerator.process_index]
        return computed_together(mine, self.most_tokens, share)

    def _weighted(self, rows: Sequence[TokenRow]) -> list[tuple[tuple[Packed, ...], int]]:
        """The micro-batches of this process, and how much each counts.

        Of a sharded model they are as many in all processes; those that are there for this alone count for nothing.
        """
        mine = [(batch, 1) for batch in self.micro_batches(rows)]
        if not self.is_sharded:
            return mine
        parts = shares(rows, self.accelerator.num_processes, self.most_tokens, self.kinds is not None)
        most = max(len(computed_together(part, self.most_tokens, self.kinds is not None)) for part in parts)
        idle = tuple(alone([min(rows, key=len)]))
        return mine + (most - len(mine)) * [(idle, 0)]

    def backward(self, rows: Sequence[TokenRow]) -> Done:
        """Add the gradients of the loss on ``rows``, over all processes, as the scaler scales them, to the weights.

        Every process is given the same rows, and computes its share. Gradients are added up once a step, whatever each
        of them computed; DistributedDataParallel wants as many passes in each process.
        """
        import torch

        batches = self._weighted(rows)
        size = self.objective.size(rows)
        processes = self.accelerator.num_processes
        self.model.train()
        self.objective.begin(self, rows, [batch for batch, _ in batches])
        total = 0.0
        for batch, counts in batches:
            with self._noisy(batch):
                loss = counts * self._summed(batch) / size
            # FSDP2 takes the mean over processes. It does so in each pass, since gradients that wait would be whole.
            self.scaler.scale(loss * processes if self.is_sharded else loss).backward()
            total += float(loss.detach())
        for _, weight in trained(self.model) if processes > 1 and not self.is_sharded else ():
            mine = torch.zeros_like(weight) if weight.grad is None else weight.grad
            weight.grad = self.accelerator.reduce(mine, "sum")
        each = self._by_process(total, sum(counts * len(one) for batch, counts in batches for one in batch))
        return Done(sum(loss for loss, _ in each), [int(tokens) for _, tokens in each])

    def mean_loss(self, rows: Sequence[TokenRow]) -> float:
        """The loss on ``rows``, without gradients. No more logits are made than in training."""
        import torch

        batches = self._weighted(rows)
        self.model.eval()
        self.objective.begin(self, rows, [batch for batch, _ in batches])
        with torch.no_grad():
            total = sum(counts * float(self._summed(batch)) for batch, counts in batches)
        return self.over_processes(total) / self.objective.size(rows)

    def answered(self, answers: Answers) -> AnswerCounts:
        """How the model answers, each process a share of the questions; of a sharded model, all the same ones."""
        if self.is_sharded:
            return answers.of(self.model, self.most_tokens, self.dtype)
        share = replace(answers, asked=answers.asked[self.accelerator.process_index :: self.accelerator.num_processes])
        mine = share.of(self.model, self.most_tokens, self.dtype)
        return AnswerCounts(int(self.over_processes(mine.sane)), int(self.over_processes(mine.usable)))

    def _summed(self, batch: tuple[Packed, ...]) -> Any:
        return self.objective.summed(self.model, batch, self.tensors(batch), self.dtype)

    def tensors(self, batch: tuple[Packed, ...]) -> Tensors:
        """What the model is given of a micro-batch."""
        return tensors_of(batch, self.kinds or {}, self.accelerator.device, self.dtype)

    @contextmanager
    def _noisy(self, batch: tuple[Packed, ...]) -> Iterator[None]:
        """While the block runs, embeddings of a model in training have noise (NEFTune, Jain et al. 2023, 2310.05914).

        It is uniform, at most alpha / √(tokens of the row x width); rows in one sequence go by the longest of them.
        """
        import torch

        if not self.noise:
            yield
            return
        lengths = [
            length
            for one in batch
            for length in ([max(map(len, one.branches))] if one.prefix else map(len, one.branches))
        ]
        tokens = torch.tensor(lengths, device=self.accelerator.device)[:, None, None]

        def add(module: "torch.nn.Module", _: object, embeddings: "torch.Tensor") -> "torch.Tensor":
            if not module.training:  # as the reference of preferences
                return embeddings
            most = self.noise / torch.sqrt(tokens * embeddings.shape[-1])
            return embeddings + torch.empty_like(embeddings).uniform_(-1, 1) * most.to(embeddings.dtype)

        hook = self.model.get_input_embeddings().register_forward_hook(add)
        try:
            yield
        finally:
            hook.remove()

    def over_processes(self, value: float) -> float:
        """The sum of a value over all processes."""
        return sum(mine for (mine,) in self._by_process(value))

    def _by_process(self, *values: float) -> list[list[float]]:
        """The values of each process, in order."""
        import torch

        if self.accelerator.num_processes == 1:
            return [list(values)]
        mine = torch.tensor([values], dtype=torch.float64, device=self.accelerator.device)
        gathered: list[list[float]] = self.accelerator.gather(mine).tolist()
        return gathered


def obstacle(model: Any, rows: Sequence[TokenRow], most_tokens: int, dtype: "torch.dtype") -> str:
    """Why rows of this model have to be computed one by one; empty when they need not.

    The packed rows that reach furthest are run both ways: a model that takes no notice of the mask, or is not made
    for one, shows here. ``rows`` without common beginnings give no obstacle, since nothing will be packed.
    """
    import torch

    kinds = attention_kinds(model.config)
    if kinds is None:
        return "its layers take no mask"
    several = [one for one in packed(rows, len(rows), most_tokens) if one.prefix]
    if not several:
        return ""
    widest = max(several, key=lambda one: (max(map(len, one.rows)), len(one.rows), one.rows[0].id))

    def summed(one: Packed) -> float:
        return float(log_likelihoods(model, tensors_of([one], kinds, model.device, dtype), dtype).sum())

    try:
        with torch.no_grad():
            together, apart = summed(widest), sum(map(summed, alone(widest.rows)))
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        return f"it fails on a mask: {one_line(error, 100)}"
    difference = abs(together - apart) / loss_tokens(widest.rows)
    if difference <= _TOLERANCE[str(dtype).removeprefix("torch.")]:
        return ""
    return f"packed rows change its loss by {difference:.3f}"
