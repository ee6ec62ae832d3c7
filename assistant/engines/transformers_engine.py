"""Any causal model of Hugging Face transformers, on CPU, CUDA or MPS: its requests, computed together.

Each prompt is read by itself, as far as it does not begin like one that was read before; then its row joins the others,
padded on the left to the longest. A model whose layers do not all look back over everything (sliding windows, recurrent
layers) cannot be padded so: its requests take turns instead.

Questions share the system text, turns of a conversation share all that was said before: keys and values of prompts that
were read are kept for prompts that begin with the same tokens. What is kept is a view of what the model computed
anyway; who uses it copies it, and what is computed behind it stays its own.
"""

import inspect
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import takewhile
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import Cache, DynamicLayer

from assistant.engines.local import LocalEngine
from assistant.engines.scheduler import Request, RequestOutput

KeysValues = Sequence[tuple[torch.Tensor, torch.Tensor]]
"""Of each layer, (rows, heads, tokens, head size) both."""
# Fewer tokens are read again sooner than they are copied.
_SHORTEST = 16


class PrefixCache:
    """The prompts that were read last, as many as fit into ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[tuple[str, tuple[int, ...]], KeysValues] = OrderedDict()

    def keep(self, weights: str, prompt: Sequence[int], layers: KeysValues) -> None:
        """Remember what ``weights`` (the name of a model's state) computed for a prompt."""
        self._kept[weights, tuple(prompt)] = layers
        kept = self._kept.values()
        while sum(one.numel() * one.element_size() for each in kept for layer in each for one in layer) > self._limit:
            self._kept.popitem(last=False)

    def longest(self, weights: str, prompt: Sequence[int]) -> tuple[int, KeysValues]:
        """How many tokens at the head of ``prompt`` are known, and their keys and values. The last one never is."""
        best, length = None, _SHORTEST - 1
        for name, kept in self._kept:
            pairs = zip(kept, prompt[:-1], strict=False)
            shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs)) if name == weights else 0
            if shared > length:
                best, length = (name, kept), shared
        if best is None:
            return 0, []
        self._kept.move_to_end(best)
        return length, [(keys[..., :length, :], values[..., :length, :]) for keys, values in self._kept[best]]


# Tokens that a layer gets room for beyond those it has: it is copied once in so many.
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


def roomy_cache(*parts: KeysValues) -> Cache:
    """A cache with the rows of all parts, shorter ones padded on the left; empty without any."""
    if not any(parts):
        return Cache(layer_class_to_replicate=RoomyLayer)
    return Cache(layers=[RoomyLayer(layer) for layer in zip(*parts, strict=True)])


def layers_of(cache: Any) -> KeysValues:
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


# Below it nothing but the likeliest token has a chance; divided by much less, logits are no numbers any more.
_COLDEST = 1e-3


@dataclass(slots=True)
class _RunningRow:
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

    rows: list[_RunningRow]
    cache: Any
    padding: list[int] = field(default_factory=lambda: [0])
    """Places at the left of each row that hold nothing."""

    def advance(self, model: Any) -> None:
        """The next token of each row."""
        inputs = {"input_ids": torch.tensor([[row.token] for row in self.rows], device=model.device)}
        if any(self.padding):
            places = torch.arange(self.cache.get_seq_length() + 1, device=model.device)
            padding = torch.tensor(self.padding, device=model.device)
            inputs["attention_mask"] = (places >= padding[:, None]).long()
            inputs["position_ids"] = torch.tensor([[row.length] for row in self.rows], device=model.device)
        logits = model(**inputs, past_key_values=self.cache, use_cache=True).logits[:, -1]
        for row, token in zip(self.rows, _chosen(logits, [row.request for row in self.rows]), strict=True):
            row.token, row.length, row.said = token, row.length + 1, row.said + 1

    def join(self, other: "_Group") -> None:
        """Add the rows of another group."""
        widths = [one.cache.get_seq_length() for one in (self, other)]
        self.cache = roomy_cache(layers_of(self.cache), layers_of(other.cache))
        self.padding = [
            padding + max(widths) - width
            for one, width in zip((self, other), widths, strict=True)
            for padding in one.padding
        ]
        self.rows += other.rows

    def keep(self, wanted: Callable[[_RunningRow], bool]) -> None:
        """Keep the rows that are wanted, and no padding that all of them have."""
        places = [place for place, row in enumerate(self.rows) if wanted(row)]
        if len(places) == len(self.rows):
            return
        self.rows = [self.rows[place] for place in places]
        self.padding = [self.padding[place] for place in places]
        if self.rows:
            spare = min(self.padding)
            self.padding = [padding - spare for padding in self.padding]
            kept = [(keys[places, :, spare:], values[places, :, spare:]) for keys, values in layers_of(self.cache)]
            self.cache = roomy_cache(kept)


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

    def step(self) -> list[RequestOutput]:
        """A token for each request that has begun, and the first one for the next that waits.

        Raises what torch raises.
        """
        model = self._activate()
        ends = frozenset(model.generation_config.eos_token_id)
        with torch.inference_mode():
            for group in self._running:
                group.advance(model)
            if self._waiting:
                self._begin(model, *self._waiting.popleft())
            outputs = []
            for row in (row for group in self._running for row in group.rows):
                ended = row.token in ends
                is_last = ended or row.said >= row.request.max_new_tokens
                outputs.append(RequestOutput(row.number, () if ended else (row.token,), is_last))
            over = {one.number for one in outputs if one.last}
            self._keep(lambda row: row.number not in over)
        return outputs

    def _begin(self, model: Any, number: int, request: Request) -> None:
        """Read a prompt and choose its first token."""
        group = _Group([_RunningRow(number, request, 0, len(request.prompt))], DynamicCache(config=model.config))
        arguments = _arguments(type(model).forward)
        # Whether rows of unequal length may be computed at once, and keys and values be cut off at any token.
        joins = (
            all(type(layer) is DynamicLayer for layer in group.cache.layers)
            and model.config._attn_implementation in ("sdpa", "eager")
            and "position_ids" in arguments
        )
        known = 0
        if joins:
            known, layers = self._prefixes.longest(self._state, request.prompt)
            group.cache = roomy_cache(layers)
        ids = torch.tensor([request.prompt[known:]], device=model.device)
        # Logits of a prompt's other tokens are of no use, and large.
        last_only = {"logits_to_keep": 1} if "logits_to_keep" in arguments else {}
        logits = model(input_ids=ids, past_key_values=group.cache, use_cache=True, **last_only).logits
        (group.rows[0].token,) = _chosen(logits[:, -1], [request])
        if joins:
            self._prefixes.keep(self._state, request.prompt, layers_of(group.cache))
        if joins and self._running:
            self._running[0].join(group)
        else:
            self._running.append(group)

    def _keep(self, wanted: Callable[[_RunningRow], bool]) -> None:
        for group in self._running:
            group.keep(wanted)
        self._running = [group for group in self._running if group.rows]


def _chosen(logits: torch.Tensor, requests: Sequence[Request]) -> list[int]:
    """The likeliest token of each row of (rows, vocabulary), or one drawn at the request's temperature."""
    chosen: list[int] = logits.argmax(-1).tolist()
    for row, request in enumerate(requests):
        if request.temperature > _COLDEST:
            chances = torch.softmax(logits[row].float() / request.temperature, -1)
            chosen[row] = int(torch.multinomial(chances, 1))
    return chosen


@cache
def _arguments(function: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)


# Keys and values of prompts that were read, in bytes: about 20 prompts of the bundled model, one of a large one.
_PREFIX_BYTES = 512 << 20


class TransformersEngine(LocalEngine):
    """The model as transformers and PEFT compute it; adapters are switched between two tokens."""

    @cached_property
    def _prefixes(self) -> PrefixCache:
        return PrefixCache(_PREFIX_BYTES)

    @cached_property
    def _batches(self) -> dict[str, TransformersBatch]:
        return {}

    def _batch(self, adapter: str | None) -> TransformersBatch:
        state = self._weights.load(adapter)
        if state not in self._batches:
            self._batches[state] = TransformersBatch(lambda: self._weights.activate(state), state, self._prefixes)
        return self._batches[state]
