"""Preferences: of two responses to one prompt the better one, learnt from an adapter on (``method=dpo``, ``kto``).

With π what is trained, ρ the reference, x a prompt with its passages and r(y) = log π(y|x) − log ρ(y|x):

    dpo   −log σ(β (r(chosen) − r(rejected)))                       Rafailov et al. 2023, 2305.18290, equation 7
    kto   w (1 − σ(±β (r(y) − z))),  z = max(0, mean of r(y'))      Ethayarajh et al. 2024, 2402.01306, equation 8

``kto`` learns from single answers: + for one that people found right, − for one they found wrong. y' is the answer to
another prompt, z how far π has moved from ρ as a whole; w has the rarer kind count as much as the other one.

ρ is the adapter that training starts from. It lies on the same base model as a second, frozen adapter, and is switched
on for one pass without gradients; what it gives a row is kept for the next epoch.

Not TRL's DPOTrainer and KTOTrainer, for the reasons that train.trainer gives; theirs run the prompt once for each
response besides. A test holds both losses against theirs on the same rows.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.artifacts.cards import FULL, AdapterCard, adapter_folder, adapter_names, check_files, read_card
from assistant.artifacts.pairs import Pair, Split
from assistant.config.train_settings import Method, TrainSettings
from assistant.engines.canary import check_canary
from assistant.engines.lora import linear_shapes, quiet_peft, read_lora_config, read_lora_weights
from assistant.engines.template import ChatTemplate
from assistant.errors import AdapterError, AssistantError, TrainingError
from train.batches import Packed, TokenRow, rows_of
from train.forward_backward import Passes, Tensors, log_likelihoods
from train.model import with_adapter

if TYPE_CHECKING:
    import torch
    from peft import LoraConfig

REJECTED = "/rejected"
"""Ends the id of a row that is about the worse response of a pair."""
_TRAINED, _REFERENCE = "default", "reference"
_KINDS: dict[str, Method] = {"nf4": "qlora", "int8": "lora-8bit"}
_OF_AN_ADAPTER = ("rank", "alpha", "rslora", "target_modules", "layers_to_transform")


@dataclass(frozen=True, slots=True)
class Start:
    """The adapter that a training goes on from."""

    card: AdapterCard
    config: "LoraConfig"
    folder: Path | None
    """Where its weights are; None has new ones, to try what a step takes."""

    def settings(self, settings: TrainSettings) -> TrainSettings:
        """Those of a run, with the method by which an adapter of this kind is trained: memory goes by that."""
        precision = self.card.canary.precision if self.card.canary else ""
        kind = _KINDS.get(precision, "dora" if self.config.use_dora else "lora")
        return settings.model_copy(update={"method": kind})

    @property
    def described(self) -> dict[str, object]:
        """What its card says of the settings that a training which goes on cannot choose."""
        return {key: value for key, value in self.card.config.items() if key in _OF_AN_ADAPTER}


def newest_adapter(adapters: Path) -> str:
    """The name of the adapter that was trained last. Raises TrainingError where there is none to go on from."""
    made: list[tuple[str, str]] = []
    for name in adapter_names(adapters):
        try:
            card = read_card(adapters / name)
        except AssistantError:
            continue  # `adapters list` tells what is wrong with it
        if card.method != FULL:
            made.append((card.created, name))
    if not made:
        raise TrainingError(
            f"There is no adapter in {adapters} to go on from.", "Train one first: assistant train method=lora"
        )
    return max(made)[1]


def start_from(adapters: Path, name: str) -> Start:
    """An adapter, checked and not loaded. Raises AdapterError for one that is damaged or a whole model."""
    folder = adapter_folder(adapters, name)
    card = read_card(folder)
    if card.method == FULL:
        raise AdapterError(f"'{name}' is a whole model; preferences go on from an adapter.", "Name another: adapter=…")
    check_files(folder, card)
    with quiet_peft():
        config = read_lora_config(folder, card)
    config.inference_mode = False
    config.lora_dropout = 0.0  # the reference has none either
    return Start(card, config, folder)


def with_start(base: Any, settings: TrainSettings, start: Start) -> Any:
    """The base with an adapter twice: one to be trained, and one as it was, frozen.

    Raises AdapterError for weights that do not fit, or do not say what they said when they were saved.
    """
    linears = linear_shapes(base)
    model = with_adapter(base, settings, start.config)
    with quiet_peft():
        from peft import set_peft_model_state_dict

        model.add_adapter(_REFERENCE, copy(start.config))
        if start.folder is not None:
            tensors = read_lora_weights(start.folder, start.config, linears)
            for name in (_TRAINED, _REFERENCE):
                set_peft_model_state_dict(model, tensors, name)
            check_canary(start.card, model)
    model.set_adapter(_TRAINED)
    return model


def preference_rows(
    pairs: Sequence[Pair], split: Split, template: ChatTemplate, system: str, window: int | None, method: Method
) -> list[TokenRow]:
    """The preferences of one split as rows, in order: for ``kto`` one a response, held against that of another prompt.

    Without another prompt that leaves none to validate on. Raises what ``rows_of`` raises, and TrainingError where
    there is none to train with.
    """
    if method == "dpo":
        pairs = [pair for pair in pairs if pair.response and pair.rejected]
    liked = [pair for pair in pairs if pair.response]
    disliked = [replace(pair, id=f"{pair.id}{REJECTED}", response=pair.rejected) for pair in pairs if pair.rejected]
    good, bad = (rows_of(some, split, template, system, window) for some in (liked, disliked))
    if method == "dpo":
        return [replace(one, against=other.response) for one, other in zip(good, bad, strict=True)]
    rows = [*good, *(replace(row, is_wanted=False) for row in bad)]
    held: list[TokenRow] = []
    for place, row in enumerate(rows):
        # Neighbours may be about the same passages, and so may those half of all rows away.
        far = place + len(rows) // 3
        others = (rows[at % len(rows)] for at in range(far, far + len(rows)))
        room = math.inf if window is None else window - len(row.prompt)
        other = next((one for one in others if one.prompt != row.prompt and len(one.response) <= room), None)
        if other is None and split == "train":
            raise TrainingError(
                f"kto holds '{row.id}' against the answer to another prompt, and there is none that fits.",
                "Gather opinions about more questions.",
            )
        if other is None:
            return []
        held.append(replace(row, against=other.response))
    return held


class PairPreference:
    """The loss of ``dpo``, a mean over preferences: log 2 before anything is learnt."""

    def __init__(self, beta: float) -> None:
        self.beta = beta
        self._reference: dict[str, torch.Tensor] = {}

    def size(self, rows: Sequence[TokenRow]) -> int:
        """The preferences."""
        return len(rows)

    def begin(self, passes: Passes, rows: Sequence[TokenRow], batches: Sequence[tuple[Packed, ...]]) -> None:
        """Each preference has a loss of its own."""

    def summed(self, model: Any, batch: Sequence[Packed], tensors: Tensors, dtype: "torch.dtype") -> "torch.Tensor":
        """The loss of a micro-batch, added up."""
        rows = [row for one in batch for row in one.rows]
        return self.losses(rows, self._ratios(model, rows, tensors, dtype)).sum()

    def _ratios(self, model: Any, rows: Sequence[TokenRow], tensors: Tensors, dtype: "torch.dtype") -> "torch.Tensor":
        """The log-ratios of both responses of each row to the reference: (rows, 2)."""
        import torch

        if not all(row.id in self._reference for row in rows):
            with _reference(model), torch.no_grad():
                given = log_likelihoods(model, tensors, dtype).view(-1, 2)
            self._reference.update(zip((row.id for row in rows), given, strict=True))
        before = torch.stack([self._reference[row.id] for row in rows])
        return log_likelihoods(model, tensors, dtype).view(-1, 2) - before

    def losses(self, rows: Sequence[TokenRow], ratios: "torch.Tensor") -> "torch.Tensor":  # noqa: ARG002
        """Of each row, by the log-ratios of its responses to the reference: (rows, 2) → (rows,)."""
        from torch.nn.functional import logsigmoid

        return -logsigmoid(self.beta * (ratios[:, 0] - ratios[:, 1]))


class SinglePreference(PairPreference):
    """The loss of ``kto``, a mean over answers; z is that of a step, over all processes, and computed before it."""

    def __init__(self, beta: float, rows: Sequence[TokenRow]) -> None:
        """``rows`` are those that are trained on."""
        super().__init__(beta)
        counts = Counter(row.is_wanted for row in rows)
        self._weights = {kind: max(counts.values()) / count for kind, count in counts.items()}
        self._moved = 0.0

    def begin(self, passes: Passes, rows: Sequence[TokenRow], batches: Sequence[tuple[Packed, ...]]) -> None:
        """How far the model has moved from the reference, by what the rows are held against: z."""
        import torch

        moved = 0.0
        for batch in batches:
            mine = [row for one in batch for row in one.rows]
            with torch.no_grad():
                moved += float(self._ratios(passes.model, mine, passes.tensors(batch), passes.dtype)[:, 1].sum())
        self._moved = max(passes.over_processes(moved) / len(rows), 0.0)

    def losses(self, rows: Sequence[TokenRow], ratios: "torch.Tensor") -> "torch.Tensor":
        """Of each row, by the log-ratios of its responses to the reference: (rows, 2) → (rows,)."""
        import torch

        signs = torch.tensor([1.0 if row.is_wanted else -1.0 for row in rows], device=ratios.device)
        weights = torch.tensor([self._weights.get(row.is_wanted, 1.0) for row in rows], device=ratios.device)
        return weights * (1 - torch.sigmoid(self.beta * signs * (ratios[:, 0] - self._moved)))


@contextmanager
def _reference(model: Any) -> Iterator[None]:
    """The model answers as the adapter that training started from while the block runs."""
    was = model.training
    model.set_adapter(_REFERENCE, inference_mode=True)
    model.eval()
    try:
        yield
    finally:
        model.set_adapter(_TRAINED)
        model.train(was)
