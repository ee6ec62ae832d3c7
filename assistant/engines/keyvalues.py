"""Keys and values of rows of unequal length, with room for the tokens to come."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

if TYPE_CHECKING:
    from assistant.engines.prefixes import KeysValues

# Tokens that a layer gets room for beyond those it has.
_ROOM = 128


class RoomyLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """One layer: tokens are written behind those that are there, instead of all being copied for each new one."""

    def __init__(self, parts: Sequence[tuple[torch.Tensor, torch.Tensor]] = ()) -> None:
        """``parts`` hold keys and values of (rows, heads, tokens, head size); shorter ones are padded on the left."""
        super().__init__()  # type: ignore[no-untyped-call]
        if parts:
            keys, values = ([part[side] for part in parts] for side in (0, 1))
            self.lazy_initialization(keys[0], values[0])
            width = max(one.shape[-2] for one in keys)
            self._spaces = _aligned(keys, width), _aligned(values, width)
            self._show(width)

    def update(
        self,
        key_states: torch.Tensor,
        value_states: torch.Tensor,
        *args: Any,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Add tokens; returns all there are."""
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._spaces = _aligned([key_states], end), _aligned([value_states], end)
        elif end > self._spaces[0].shape[-2]:
            keys, values = self._show(start)
            self._spaces = _aligned([keys], start, end - start), _aligned([values], start, end - start)
        for space, new in zip(self._spaces, (key_states, value_states), strict=True):
            space[..., start:end, :] = new
        return self._show(end)

    def _show(self, tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
        keys, values = self._spaces
        self.keys, self.values = keys[..., :tokens, :], values[..., :tokens, :]
        return self.keys, self.values


def roomy_cache(*parts: "KeysValues") -> Cache:
    """A cache with the rows of all parts, shorter ones padded on the left; empty without any."""
    if not any(parts):
        return Cache(layer_class_to_replicate=RoomyLayer)
    return Cache(layers=[RoomyLayer(layer) for layer in zip(*parts, strict=True)])


def layers_of(cache: Any) -> "KeysValues":
    """What a cache holds now."""
    return [(layer.keys, layer.values) for layer in cache.layers]


def _aligned(parts: Sequence[torch.Tensor], width: int, more: int = 0) -> torch.Tensor:
    """Rows that end at ``width``, with room behind. Before them are zeros: what is masked has to be finite too."""
    rows, (_, heads, _, size) = sum(len(part) for part in parts), parts[0].shape
    space = parts[0].new_zeros(rows, heads, width + more + _ROOM, size)
    row = 0
    for part in parts:
        space[row : row + len(part), :, width - part.shape[-2] : width] = part
        row += len(part)
    return space
