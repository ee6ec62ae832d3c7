"""Keys and values of prompts that were read, kept for prompts that begin with the same tokens.

Questions share the system text, turns of a conversation share all that was said before. What is kept is a view of what
the model computed anyway; who uses it copies it, and what is computed behind it stays its own.
"""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    KeysValues = Sequence[tuple[torch.Tensor, torch.Tensor]]
    """Of each layer, (rows, heads, tokens, head size) both."""

# Fewer tokens are read again sooner than they are copied.
_SHORTEST = 16


class PrefixCache:
    """The prompts that were read last, as many as fit into ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[tuple[str, tuple[int, ...]], KeysValues] = OrderedDict()

    def keep(self, weights: str, prompt: Sequence[int], layers: "KeysValues") -> None:
        """Remember what ``weights`` (the name of a model's state) computed for a prompt."""
        self._kept[weights, tuple(prompt)] = layers
        while sum(map(_size, self._kept.values())) > self._limit:
            self._kept.popitem(last=False)

    def longest(self, weights: str, prompt: Sequence[int]) -> tuple[int, "KeysValues"]:
        """How many tokens at the head of ``prompt`` are known, and their keys and values. The last one never is."""
        best, length = None, _SHORTEST - 1
        for name, kept in self._kept:
            if name == weights and (shared := _shared(kept, prompt[:-1])) > length:
                best, length = (name, kept), shared
        if best is None:
            return 0, []
        self._kept.move_to_end(best)
        return length, [(keys[..., :length, :], values[..., :length, :]) for keys, values in self._kept[best]]


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _size(layers: "KeysValues") -> int:
    return sum(one.numel() * one.element_size() for layer in layers for one in layer)
