"""How many steps a training has, how often it is validated, and how fast it learns when."""

import math
from dataclasses import dataclass

from train.batches import steps_an_epoch
from train.config import TrainSettings, learning_rate

# Validating more often would cost more than it tells.
_LEAST_STEPS_BETWEEN = 10


@dataclass(frozen=True, slots=True)
class Schedule:
    """The course of a training, in optimiser steps."""

    total: int
    epoch: int
    """Steps that show each row once."""
    evaluate_every: int
    peak: float
    """Largest learning rate."""
    warmup: int
    shape: str
    """``cosine``, ``linear`` or ``constant``: how the rate falls to 0 after the warm-up."""

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        if step < self.warmup:
            return self.peak * (step + 1) / (self.warmup + 1)
        done = (step - self.warmup) / max(self.total - self.warmup, 1)
        falls = {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}
        return self.peak * falls[self.shape]


def schedule_of(settings: TrainSettings, rows: int, width: int) -> Schedule:
    """The schedule for a number of training rows and a model with hidden states of ``width`` numbers."""
    epoch = steps_an_epoch(rows, settings.batch)
    total = settings.max_steps or settings.epochs * epoch
    return Schedule(
        total=total,
        epoch=epoch,
        evaluate_every=settings.evaluate_every or min(max(epoch // 4, _LEAST_STEPS_BETWEEN), total),
        peak=learning_rate(settings, width),
        warmup=math.ceil(settings.warmup * total),
        shape=settings.schedule,
    )
