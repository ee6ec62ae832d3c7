"""Requests that a transformers model answers together, token by token.

Each prompt is read by itself, as far as it does not begin like one that was read before; then its row joins the others,
padded on the left to the longest. A model whose layers do not all look back over everything (sliding windows, recurrent
layers) cannot be padded so: its requests take turns instead.
"""

import inspect
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from assistant.engines.keyvalues import layers_of, roomy_cache
from assistant.engines.prefixes import PrefixCache
from assistant.engines.scheduler import Request, Said

# Below it nothing but the likeliest token has a chance; divided by much less, logits are no numbers any more.
_COLDEST = 1e-3


@dataclass(slots=True)
class _Row:
    """One request that has begun."""

    number: int
    request: Request
    token: int
    """The last one; the model has not read it yet."""
    length: int
    """Tokens that the model has read."""
    said: int = 1


@dataclass(slots=True)
class _Group:
    """Rows that are computed at once, on one cache of keys and values."""

    rows: list[_Row]
    cache: Any
    padding: list[int] = field(default_factory=lambda: [0])
    """Places at the left of each row that hold nothing."""


class TransformersBatch:
    """Requests that one model in one state answers."""

    def __init__(self, activate: Callable[[], Any], state: str, prefixes: PrefixCache) -> None:
        """``activate`` gives the model in the state that is named ``state``: with its adapter switched on."""
        self._activate = activate
        self._state = state
        self._prefixes = prefixes
        self._waiting: deque[tuple[int, Request]] = deque()
        self._running: list[_Group] = []

    def add(self, number: int, request: Request) -> None:
        """Let a request wait for its prompt to be read."""
        self._waiting.append((number, request))

    def remove(self, number: int) -> None:
        """Forget a request."""
        self._waiting = deque(one for one in self._waiting if one[0] != number)
        self._keep(lambda row: row.number != number)

    def clear(self) -> None:
        """Forget all requests."""
        self._waiting.clear()
        self._running.clear()

    def step(self) -> list[Said]:
        """A token for each request that has begun, and the first one for the next that waits.

        Raises what torch raises.
        """
        model = self._activate()
        ends = frozenset(model.generation_config.eos_token_id)
        with torch.inference_mode():
            for group in self._running:
                _continue(model, group)
            if self._waiting:
                self._begin(model, *self._waiting.popleft())
            said = [_said(row, ends) for group in self._running for row in group.rows]
            over = {one.number for one in said if one.last}
            self._keep(lambda row: row.number not in over)
        return said

    def _begin(self, model: Any, number: int, request: Request) -> None:
        """Read a prompt and choose its first token."""
        group = _Group([_Row(number, request, 0, len(request.prompt))], DynamicCache(config=model.config))
        joins = _can_join(model)
        known = 0
        if joins:
            known, layers = self._prefixes.longest(self._state, request.prompt)
            group.cache = roomy_cache(layers)
        ids = torch.tensor([request.prompt[known:]], device=model.device)
        logits = model(input_ids=ids, past_key_values=group.cache, use_cache=True, **_last_only(model)).logits
        (group.rows[0].token,) = _chosen(logits[:, -1], [request])
        if joins:
            self._prefixes.keep(self._state, request.prompt, layers_of(group.cache))
        if joins and self._running:
            _join(self._running[0], group)
        else:
            self._running.append(group)

    def _keep(self, wanted: Callable[[_Row], bool]) -> None:
        for group in self._running:
            _select(group, [place for place, row in enumerate(group.rows) if wanted(row)])
        self._running = [group for group in self._running if group.rows]


def _continue(model: Any, group: _Group) -> None:
    """The next token of each row."""
    inputs = {"input_ids": torch.tensor([[row.token] for row in group.rows], device=model.device)}
    if any(group.padding):
        places = torch.arange(group.cache.get_seq_length() + 1, device=model.device)
        padding = torch.tensor(group.padding, device=model.device)
        inputs["attention_mask"] = (places >= padding[:, None]).long()
        inputs["position_ids"] = torch.tensor([[row.length] for row in group.rows], device=model.device)
    logits = model(**inputs, past_key_values=group.cache, use_cache=True).logits[:, -1]
    tokens = _chosen(logits, [row.request for row in group.rows])
    for row, token in zip(group.rows, tokens, strict=True):
        row.token, row.length, row.said = token, row.length + 1, row.said + 1


def _chosen(logits: torch.Tensor, requests: Sequence[Request]) -> list[int]:
    """The likeliest token of each row of (rows, vocabulary), or one drawn at the request's temperature."""
    chosen: list[int] = logits.argmax(-1).tolist()
    for row, request in enumerate(requests):
        if request.temperature > _COLDEST:
            chances = torch.softmax(logits[row].float() / request.temperature, -1)
            chosen[row] = int(torch.multinomial(chances, 1))
    return chosen


def _said(row: _Row, ends: frozenset[int]) -> Said:
    ended = row.token in ends
    return Said(row.number, () if ended else (row.token,), ended or row.said >= row.request.max_new_tokens)


def _join(group: _Group, other: _Group) -> None:
    """Add the rows of another group."""
    widths = [one.cache.get_seq_length() for one in (group, other)]
    group.cache = roomy_cache(layers_of(group.cache), layers_of(other.cache))
    group.padding = [
        padding + max(widths) - width
        for one, width in zip((group, other), widths, strict=True)
        for padding in one.padding
    ]
    group.rows += other.rows


def _select(group: _Group, places: list[int]) -> None:
    """Keep the rows at ``places``, and no padding that all of them have."""
    if len(places) == len(group.rows):
        return
    group.rows = [group.rows[place] for place in places]
    group.padding = [group.padding[place] for place in places]
    if group.rows:
        spare = min(group.padding)
        group.padding = [padding - spare for padding in group.padding]
        kept = [(keys[places, :, spare:], values[places, :, spare:]) for keys, values in layers_of(group.cache)]
        group.cache = roomy_cache(kept)


def _can_join(model: Any) -> bool:
    """Whether rows of unequal length may be computed at once, and keys and values be cut off at any token."""
    full = all(type(layer) is DynamicLayer for layer in DynamicCache(config=model.config).layers)
    masked = model.config._attn_implementation in ("sdpa", "eager")
    return full and masked and "position_ids" in _arguments(type(model).forward)


def _last_only(model: Any) -> dict[str, int]:
    """Logits of a prompt's other tokens are of no use, and large."""
    return {"logits_to_keep": 1} if "logits_to_keep" in _arguments(type(model).forward) else {}


@cache
def _arguments(function: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)
