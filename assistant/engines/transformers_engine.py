"""Any causal model of Hugging Face transformers, on CPU, CUDA or MPS."""

from functools import cached_property
from typing import TYPE_CHECKING

from assistant.engines.local import LocalEngine

if TYPE_CHECKING:
    from assistant.engines.decoding import PrefixCache, TransformersBatch

# Keys and values of prompts that were read, in bytes: about 20 prompts of the bundled model, one of a large one.
_PREFIX_BYTES = 512 << 20


class TransformersEngine(LocalEngine):
    """The model as transformers and PEFT compute it; adapters are switched between two tokens."""

    @cached_property
    def _prefixes(self) -> "PrefixCache":
        from assistant.engines.decoding import PrefixCache

        return PrefixCache(_PREFIX_BYTES)

    @cached_property
    def _batches(self) -> "dict[str, TransformersBatch]":
        return {}

    def _batch(self, adapter: str | None) -> "TransformersBatch":
        from assistant.engines.decoding import TransformersBatch

        state = self._weights.load(adapter)
        if state not in self._batches:
            self._batches[state] = TransformersBatch(lambda: self._weights.activate(state), state, self._prefixes)
        return self._batches[state]
