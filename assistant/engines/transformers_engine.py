"""Any causal model of Hugging Face transformers, on CPU, CUDA or MPS."""

import threading
from collections.abc import Generator, Sequence
from functools import cached_property
from typing import Any

from assistant import models
from assistant.config import DeviceSettings, EngineSettings
from assistant.device import choose
from assistant.errors import ModelError
from assistant.template import ChatTemplate
from assistant.types import Message

_UNSTATED_WINDOW = 4096


class TransformersEngine:
    """One model in this process; it answers one question at a time."""

    def __init__(self, settings: EngineSettings, device: DeviceSettings) -> None:
        self._settings = settings
        self._device = choose(device)
        self._folder = models.engine_folder(settings.model)
        self._turn = threading.Lock()

    @property
    def window(self) -> int:
        """The model's positions, or a cautious guess where its configuration states none."""
        return int(getattr(self._model.config, "max_position_embeddings", None) or _UNSTATED_WINDOW)

    @property
    def control_tokens(self) -> frozenset[str]:
        """Special and added tokens of the tokenizer."""
        return self.template.control_tokens

    def count(self, messages: Sequence[Message]) -> int:
        """Tokens of the prompt made of ``messages``."""
        return len(self.template.prompt_ids(messages))

    def stream(
        self, messages: Sequence[Message], max_new_tokens: int, temperature: float
    ) -> Generator[str, None, None]:
        """The answer, piece by piece. Closing the generator stops the model.

        Raises ModelError when the model fails, as it does out of memory.
        """
        from transformers import TextIteratorStreamer

        with self._turn:
            pieces = TextIteratorStreamer(self.template.tokenizer, skip_prompt=True, skip_special_tokens=True)
            work = _Generation(self._model, self._encode(messages), pieces, max_new_tokens, temperature)
            work.start()
            try:
                yield from pieces
            finally:
                work.stop()
            work.raise_failure()

    def _encode(self, messages: Sequence[Message]) -> dict[str, Any]:
        import torch

        ids = torch.tensor([self.template.prompt_ids(messages)])
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}

    @cached_property
    def template(self) -> ChatTemplate:
        """The tokenizer and chat template of the model."""
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(
            self._folder, local_files_only=True, trust_remote_code=self._settings.trust_remote_code
        )
        return ChatTemplate(tokenizer, self._settings.chat_template)

    @cached_property
    def _model(self) -> Any:
        from transformers import AutoModelForCausalLM

        try:
            with models.quiet_transformers():
                model: Any = AutoModelForCausalLM.from_pretrained(
                    self._folder,
                    dtype=self._device.torch_dtype,
                    use_safetensors=True,
                    local_files_only=True,
                    trust_remote_code=self._settings.trust_remote_code,
                )
        except (OSError, ValueError, KeyError, ImportError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(
                f"The model {self._settings.model} cannot be loaded: {reason}", "Check engine.model."
            ) from error
        # A model's own sampling defaults would contradict ours and be warned about.
        for name in ("temperature", "top_p", "top_k"):
            setattr(model.generation_config, name, None)
        return model.eval().to(self._device.name)


class _Generation(threading.Thread):
    """``generate`` in a thread of its own, which is how transformers streams."""

    def __init__(
        self, model: Any, inputs: dict[str, Any], pieces: Any, max_new_tokens: int, temperature: float
    ) -> None:
        super().__init__(daemon=True)
        self._model = model
        self._inputs = {name: tensor.to(model.device) for name, tensor in inputs.items()}
        self._pieces = pieces
        self._options: dict[str, Any] = {"max_new_tokens": max_new_tokens, "do_sample": temperature > 0}
        if temperature > 0:
            self._options["temperature"] = temperature
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
            reason = " ".join(str(self._failure).split())[:200]
            raise ModelError(
                f"The model failed while answering: {reason}", "Lower answer.prompt_tokens."
            ) from self._failure
