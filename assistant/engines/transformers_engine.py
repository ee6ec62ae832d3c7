"""Any causal model of Hugging Face transformers, on CPU, CUDA or MPS."""

import threading
from collections.abc import Generator, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from assistant.config import DeviceSettings, EngineSettings
from assistant.device import choose
from assistant.engines.adapted import AdaptedModel
from assistant.errors import ModelError
from assistant.template import ChatTemplate
from assistant.types import Message

_UNSTATED_WINDOW = 4096
# Prompts of a batch with their answers, padded to the longest. On two cores there is little to gain from 4,096 on, a
# GPU has use for more, and what is computed at once has to fit into memory.
_BATCH_TOKENS = 16_384


class TransformersEngine:
    """One model in this process, with the adapters of a workspace; it answers one request at a time."""

    def __init__(self, settings: EngineSettings, device: DeviceSettings, adapters: Path | None = None) -> None:
        """``adapters`` is the folder that adapters are taken from by name."""
        self._settings = settings
        self._weights = AdaptedModel(settings, choose(device), adapters)
        self._turn = threading.Lock()

    @property
    def template(self) -> ChatTemplate:
        """The tokenizer and chat template of the model."""
        return self._weights.template

    @cached_property
    def window(self) -> int:
        """The model's positions, or a cautious guess where its configuration states none."""
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(
            self._weights.folder, local_files_only=True, trust_remote_code=self._settings.trust_remote_code
        )
        return int(getattr(config.get_text_config(), "max_position_embeddings", None) or _UNSTATED_WINDOW)

    @property
    def control_tokens(self) -> frozenset[str]:
        """Special and added tokens of the tokenizer."""
        return self.template.control_tokens

    def count(self, messages: Sequence[Message]) -> int:
        """Tokens of the prompt made of ``messages``."""
        return len(self.template.prompt_ids(messages))

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """The prompt with the control tokens of the chat template."""
        return self.template.prompt_text(messages)

    def stream(
        self, messages: Sequence[Message], max_new_tokens: int, temperature: float, adapter: str | None = None
    ) -> Generator[str, None, None]:
        """The answer, piece by piece. Closing the generator stops the model.

        Raises ModelError when the model fails, as it does out of memory; AdapterError and IdentityError for an adapter
        that cannot be used.
        """
        from transformers import TextIteratorStreamer

        with self._turn:
            model = self._weights.select(adapter)
            pieces = TextIteratorStreamer(self.template.tokenizer, skip_prompt=True, skip_special_tokens=True)
            options: dict[str, Any] = {"max_new_tokens": max_new_tokens, "do_sample": temperature > 0}
            if temperature > 0:
                options["temperature"] = temperature
            inputs = _padded([self._prompt(messages)], self._padding, model.device)
            work = _Generation(model, inputs, pieces, options)
            work.start()
            try:
                yield from pieces
            finally:
                work.stop()
            work.raise_failure()

    def complete(
        self, requests: Sequence[Sequence[Message]], max_new_tokens: int, adapter: str | None = None
    ) -> list[str]:
        """The likeliest answer to each of many prompts, in their order; prompts of like length run together.

        Raises what ``stream`` raises.
        """
        prompts = [self._prompt(messages) for messages in requests]
        answers: dict[int, str] = {}
        for batch in batches([len(prompt) + max_new_tokens for prompt in prompts], _BATCH_TOKENS):
            with self._turn:  # a person who asks meanwhile waits for one batch, not for all
                model = self._weights.select(adapter)
                texts = self._generate(model, [prompts[number] for number in batch], max_new_tokens)
            answers.update(zip(batch, texts, strict=True))
        return [answers[number] for number in range(len(prompts))]

    def _prompt(self, messages: Sequence[Message]) -> list[int]:
        """Tokens of a prompt. Raises ModelError when the window has no room for them and an answer."""
        prompt = self.template.prompt_ids(messages)
        if len(prompt) >= self.window:
            raise ModelError(
                f"A prompt has {len(prompt)} tokens, the model reads {self.window}.", "Lower answer.prompt_tokens."
            )
        return prompt

    def _generate(self, model: Any, prompts: Sequence[list[int]], max_new_tokens: int) -> list[str]:
        import torch

        inputs = _padded(prompts, self._padding, model.device)
        try:
            with torch.inference_mode():
                ids = model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)
        except (RuntimeError, ValueError, IndexError) as error:
            raise _failed(error) from error
        new = ids[:, inputs["input_ids"].shape[1] :]
        texts: list[str] = self.template.tokenizer.batch_decode(new, skip_special_tokens=True)
        return texts

    @property
    def _padding(self) -> int:
        pad = self.template.tokenizer.pad_token_id
        return self.template.end_of_turn if pad is None else int(pad)


def batches(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Numbers of the items in batches, longest first, whose padded size is at most ``tokens``; one item always fits.

    The longest come first so that a batch that does not fit into memory fails at once.
    """
    batch: list[int] = []
    for number in sorted(range(len(lengths)), key=lambda one: -lengths[one]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > tokens:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def _padded(prompts: Sequence[list[int]], padding: int, device: Any) -> dict[str, Any]:
    """Prompts as tensors (batch, longest), padded on the left, where ``generate`` does not look."""
    import torch

    longest = max(map(len, prompts))
    ids = torch.full((len(prompts), longest), padding)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.tensor(prompt)
        mask[row, longest - len(prompt) :] = 1
    return {"input_ids": ids.to(device), "attention_mask": mask.to(device)}


def _failed(error: BaseException) -> ModelError:
    reason = " ".join(str(error).split())[:200]
    return ModelError(f"The model failed while answering: {reason}", "Lower answer.prompt_tokens.")


class _Generation(threading.Thread):
    """``generate`` in a thread of its own, which is how transformers streams."""

    def __init__(self, model: Any, inputs: dict[str, Any], pieces: Any, options: dict[str, Any]) -> None:
        super().__init__(daemon=True)
        self._model = model
        self._inputs = inputs
        self._pieces = pieces
        self._options = options
        self._stopped = threading.Event()
        self._failure: BaseException | None = None

    def run(self) -> None:
        import torch
        from transformers import StoppingCriteria, StoppingCriteriaList

        stopped = self._stopped

        class Stop(StoppingCriteria):
            def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:  # noqa: ARG002
                return torch.full((input_ids.shape[0],), stopped.is_set(), device=input_ids.device)

        try:
            with torch.inference_mode():
                self._model.generate(
                    **self._inputs,
                    **self._options,
                    streamer=self._pieces,
                    stopping_criteria=StoppingCriteriaList([Stop()]),
                )
        except BaseException as error:
            self._failure = error
            self._pieces.end()

    def stop(self) -> None:
        self._stopped.set()
        self.join()

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise _failed(self._failure) from self._failure
