"""Models of the Llama family on a processor, by OpenVINO GenAI: the extra ``fast``.

The adapter is merged into the weights, which are converted once and kept in the user's cache folder:

    openvino/KEY/openvino_model.xml, openvino_model.bin      graph and weights, the adapter merged into them
    openvino/KEY/ends.json                                   the tokens that end a turn

The key stands for everything that the files depend on, so that they are never out of date; those that were used
longest ago make room for new ones.

OpenVINO batches requests as they come and go, and reads what prompts have in common only once. Answers quote their
prompt: what followed the last words there is guessed to follow again, and the model reads the guess at once instead of
token by token (prompt lookup decoding, Saxena 2023). It says what it would have said without.
"""

import hashlib
import importlib.util
import json
import secrets
from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from assistant import models
from assistant.artifacts.cards import BASE
from assistant.config import DeviceSettings, EngineSettings
from assistant.engines.adapted import AdaptedModel
from assistant.engines.canary import TOLERANCE, canary_prompt, next_logits
from assistant.engines.local import LocalEngine
from assistant.engines.openvino_graph import llama_graph, openvino, why_unfit
from assistant.engines.scheduler import Request, RequestOutput
from assistant.errors import ModelError, one_line
from assistant.models.loading import choose
from assistant.models.unpacking import keep_latest, made_once
from assistant.work.progress import note

_PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}
# Models that are held in memory at once; the one that was used longest ago gives way.
_OPEN = 3
# Of converted models that are kept: about four of 1.5 billion parameters in 8 bits.
_CACHED_BYTES = 8 << 30
# Keys and values of all requests, and of earlier prompts for those that begin like them, in bytes.
_MEMORY = 1 << 30
# From so many parameters on, 16 bits are slower and take five times the memory (docs/engines.md).
_LARGE = 1_000_000_000
_GROUP = 64
"""Values that are rounded to 8 bits with one scale: fewer are more exact and slower."""
_BLOCK = 32
"""Tokens of a block of keys and values on a processor."""
# Tokens that are computed at once: a long prompt is read in parts, and others get their next token in between. While
# OpenVINO computes, no other thread runs Python: with 1,024, the app stood still for .8 s; with 128, prompts took more.
_STEP_TOKENS = 256
# So many tokens are guessed from the prompt, by the last so many: of 3, 5 and 8 after 2 or 3 the fastest (docs/log.md).
_GUESS = {"num_assistant_tokens": 5, "max_ngram_size": 3}


def has_openvino() -> bool:
    """Whether OpenVINO GenAI is installed."""
    return importlib.util.find_spec("openvino_genai") is not None


def why_not(settings: EngineSettings, device: DeviceSettings) -> str:
    """Why OpenVINO cannot run a model; empty when it can. Raises ModelError for an unknown model."""
    if not has_openvino():
        return "it is not installed (pip install 'domain-assistant[fast]')"
    chosen = choose(device)
    if chosen.name != "cpu":
        return f"the model runs on {chosen.name}"
    if chosen.dtype not in _PRECISIONS:
        return f"the precision is {chosen.dtype}"
    if settings.quantize == "4bit":
        return "engine.quantize is 4bit"
    return why_unfit(AdaptedModel(settings, chosen).config)


def in_8_bits(settings: EngineSettings) -> bool:
    """Whether OpenVINO holds the weights in 8 bits: asked for, or large. Raises ModelError for an unknown model."""
    if settings.quantize != "auto":
        return settings.quantize == "8bit"
    return models.parameters(models.engine_folder(settings.model)) >= _LARGE


class OpenVINOEngine(LocalEngine):
    """The model and its adapters, each merged, as OpenVINO computes them."""

    def _batch(self, adapter: str | None) -> "OpenVINOBatch":
        name = None if adapter == BASE else adapter
        files = sorted(self._weights.checked_card(name).files.items()) if name else []
        precision = "int8" if self._in_8_bits else self._weights.device.dtype
        made_from = (self._weights.fingerprint, self.template.identity, precision)
        state = key_of(*made_from, *(f"{file} {digest}" for file, digest in files))
        if state not in self._batches:
            idle = [kept for kept, batch in self._batches.items() if not batch]
            for kept in idle[: max(0, len(self._batches) + 1 - _OPEN)]:
                del self._batches[kept]
            # A model of its own: merging uses it up, and nobody else needs its memory afterwards.
            folder = converted(
                state,
                lambda: self._weights.again().merged(name),
                self._check,
                _CACHED_BYTES,
                in_8_bits=self._in_8_bits,
            )
            self._batches[state] = OpenVINOBatch(folder, self._properties, self._blocks)
        self._batches.move_to_end(state)
        return self._batches[state]

    @cached_property
    def _batches(self) -> "OrderedDict[str, OpenVINOBatch]":
        return OrderedDict()

    @property
    def _properties(self) -> dict[str, Any]:
        """Nothing is rounded beyond the precision of the weights: answers are to be those of transformers. With weights
        of 8 bits, what they are multiplied with is rounded to 8 bits, too, in groups.
        """
        precision = _PRECISIONS[self._weights.device.dtype]
        return {
            "INFERENCE_PRECISION_HINT": precision,
            "KV_CACHE_PRECISION": precision,
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": _GROUP if self._in_8_bits else 0,
        }

    @cached_property
    def _in_8_bits(self) -> bool:
        return in_8_bits(self._settings)

    @property
    def _blocks(self) -> int:
        """Blocks of keys and values: as many as fit into memory, but enough for the longest prompt."""
        config = self._weights.config
        head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        token = (
            2 * config.num_hidden_layers * config.num_key_value_heads * head * self._weights.device.torch_dtype.itemsize
        )
        wanted = self._settings.parallel * self.window
        return int(max(self.window, min(wanted, _MEMORY // token))) // _BLOCK + 1

    def _check(self, folder: Path, model: Any) -> None:
        """Raise ModelError unless a converted model says to one prompt what it was made from says."""
        import torch

        prompt = canary_prompt(self.template)
        token, chance = OpenVINOBatch(folder, self._properties, len(prompt) // _BLOCK + 2).first_token(prompt)
        logits = next_logits(model, prompt)
        tolerance = TOLERANCE["int8" if self._in_8_bits else self._weights.device.dtype]
        off = abs(float(torch.log_softmax(logits, -1)[token]) - chance)
        behind = float(logits.max() - logits[token])
        if not (off <= tolerance and behind <= tolerance):
            raise ModelError(
                f"OpenVINO does not compute this model as transformers does: a logit is off by {max(off, behind):.3g},"
                f" allowed are {tolerance:.3g}.",
                "Set engine.runtime=transformers.",
            )


class OpenVINOBatch:
    """Requests that one converted model answers."""

    def __init__(self, folder: Path, properties: dict[str, Any], blocks: int) -> None:
        """``blocks`` of keys and values are shared by all requests."""
        self._folder = folder
        self._properties = properties
        self._blocks = blocks
        self._ends = ends_of(folder)
        self._handles: dict[int, Any] = {}

    def __bool__(self) -> bool:
        return bool(self._handles)

    def add(self, number: int, request: Request) -> None:
        """Hand a request to OpenVINO."""
        self._handles[number] = self._pipeline.add_request(number, self._tensor(request.prompt), self._options(request))

    def remove(self, number: int) -> None:
        """OpenVINO forgets a request whose handle is gone, at its next step."""
        del self._handles[number]
        if not self._handles:
            self._pipeline.step()

    def clear(self) -> None:
        """Begin anew with the model; in what state a failed one is, nobody knows."""
        self._handles.clear()
        self.__dict__.pop("_pipeline", None)

    def step(self) -> list[RequestOutput]:
        """Go on with all requests. Raises RuntimeError when OpenVINO fails, ModelError when memory does not suffice."""
        self._pipeline.step()
        outputs = []
        for number, handle in list(self._handles.items()):
            tokens: list[int] = []
            while handle.can_read():
                for output in handle.read().values():
                    tokens += output.generated_ids
            status = handle.get_status().name
            if status == "IGNORED":
                raise ModelError("Keys and values of the prompt do not fit into memory.", "Lower answer.prompt_tokens.")
            last = status == "FINISHED"
            if last:
                del self._handles[number]
            if tokens or last:
                words = tuple(token for token in tokens if token not in self._ends)
                outputs.append(RequestOutput(number, words, last))
        return outputs

    def first_token(self, prompt: list[int]) -> tuple[int, float]:
        """The likeliest first token of an answer, and the logarithm of its probability."""
        options = self._options(Request(tuple(prompt), 1))
        options.logprobs = 1
        handle = self._pipeline.add_request(0, self._tensor(prompt), options)
        while not handle.can_read():
            self._pipeline.step()
        (output,) = handle.read().values()
        return output.generated_ids[0], output.generated_log_probs[0]

    @cached_property
    def _pipeline(self) -> Any:
        openvino()
        import openvino_genai as genai

        scheduler = genai.SchedulerConfig()
        scheduler.num_kv_blocks = self._blocks
        scheduler.max_num_batched_tokens = _STEP_TOKENS
        scheduler.enable_prefix_caching = True
        properties = {**self._properties, "prompt_lookup": True}
        return genai.ContinuousBatchingPipeline(str(self._folder), scheduler, "CPU", properties)

    def _options(self, request: Request) -> Any:
        import openvino_genai as genai

        options: dict[str, Any] = {"do_sample": request.temperature > 0}
        if request.temperature > 0:
            options |= {"temperature": request.temperature, "rng_seed": secrets.randbits(32)}
        return genai.GenerationConfig(
            max_new_tokens=request.max_new_tokens,
            eos_token_id=min(self._ends),
            stop_token_ids=self._ends,
            **_GUESS,
            **options,
        )

    def _tensor(self, prompt: "tuple[int, ...] | list[int]") -> Any:
        import numpy as np

        return openvino().Tensor(np.array([prompt], np.int64))


_GRAPH = "openvino_model.xml"
_ENDS = "ends.json"
# Raised when the graph, or what is written beside it, changes.
_VERSION = "2"


def key_of(*parts: str) -> str:
    """The name of a converted model; ``parts`` say what it was made from."""
    return hashlib.sha256("\0".join((_VERSION, *parts)).encode()).hexdigest()[:16]


def converted(
    key: str, model: Callable[[], Any], check: Callable[[Path, Any], None], limit: int, *, in_8_bits: bool = False
) -> Path:
    """The folder of a converted model; if there is none, it is made from what ``model`` returns.

    ``check`` is given the new folder and the model, and raises when they do not say the same. Older models give way
    until all together have at most ``limit`` bytes. Raises ModelError when the disk is full.
    """
    folder = models.cache_folder() / "openvino" / key

    def convert(beside: Path) -> None:
        made = model()
        note(f"Preparing the model for this processor in {folder} (once)")
        try:
            openvino().save_model(llama_graph(made, in_8_bits=in_8_bits), beside / _GRAPH, compress_to_fp16=False)
            (beside / _ENDS).write_text(json.dumps(made.generation_config.eos_token_id), encoding="utf-8")
            check(beside, made)
        except (OSError, RuntimeError) as error:
            raise ModelError(
                f"The model cannot be prepared for OpenVINO in {folder}: {one_line(error)}",
                "Free some space, or set engine.runtime=transformers.",
            ) from error

    made_once(folder, convert)
    keep_latest(folder, limit)
    return folder


def ends_of(folder: Path) -> set[int]:
    """The tokens that end a turn."""
    return set(json.loads((folder / _ENDS).read_text(encoding="utf-8")))
