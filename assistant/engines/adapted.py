"""One base model and the adapters that were asked for: checked and loaded once, then switched for each request."""

import importlib.util
from contextlib import nullcontext
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from assistant import models
from assistant.artifacts.cards import BASE, FULL, AdapterCard, adapter_folder, check_files, check_identity, read_card
from assistant.config import EngineSettings
from assistant.engines.canary import check_canary
from assistant.engines.lora import Shape, linear_shapes, quiet_peft, read_lora_config, read_lora_weights
from assistant.engines.template import ChatTemplate, read_template
from assistant.errors import AdapterError, ModelError
from assistant.models.loading import Device

if TYPE_CHECKING:
    from peft import LoraConfig


Quantize = Literal["auto", "none", "8bit", "4bit"]
"""``auto`` is ``none`` wherever transformers holds the weights."""
# The state of the base model by itself; those of adapters are named by numbers.
_PLAIN = "plain"


class AdaptedModel:
    """The weights of ``engine.model``, with adapters over it.

    An adapter that was replaced on disk is loaded again. Not for two threads at once.
    """

    def __init__(
        self, settings: EngineSettings, device: Device, adapters: Path | None = None, quantize: Quantize = "none"
    ) -> None:
        """``adapters`` is the folder of the workspace that holds them. Raises ModelError for an unknown model."""
        self.settings = settings
        self._quantize = quantize
        self.device = device
        self.folder = models.engine_folder(settings.model)
        self._adapters = adapters
        self._peft: Any = None
        self._active = _PLAIN
        self._keys = (f"adapter{number}" for number in count())
        self._sound: dict[str, AdapterCard] = {}
        self._loaded: dict[str, tuple[AdapterCard, str]] = {}
        self._whole: dict[str, Any] = {}

    def again(self) -> "AdaptedModel":
        """The same model with nothing loaded."""
        return AdaptedModel(self.settings, self.device, self._adapters)

    @cached_property
    def template(self) -> ChatTemplate:
        """The tokenizer and chat template of the base model."""
        return read_template(self.folder, self.settings)

    @cached_property
    def config(self) -> Any:
        """Of the base model, as transformers reads it; no weights are loaded. Raises ModelError."""
        return models.read_config(self.folder, self.settings)

    @cached_property
    def base(self) -> Any:
        """The base model; adapters that are loaded work inside it while they are selected."""
        return self._load_model(self.folder)

    @cached_property
    def fingerprint(self) -> str:
        """Of the base model's files."""
        return models.fingerprint(self.folder)

    @cached_property
    def linears(self) -> dict[str, Shape]:
        """Linear layers of the base model: name → (out, in)."""
        return linear_shapes(self.base)

    def load(self, adapter: str | None) -> str:
        """The name of the state in which the model speaks with ``adapter``, for ``activate``; another one when the
        adapter was replaced on disk. None or ``base``: as if there had never been one.

        Raises AdapterError or IdentityError when it cannot be used; what was loaded before stays usable.
        """
        if adapter is None or adapter == BASE:
            return _PLAIN
        card = self.checked_card(adapter)
        known, old = self._loaded.get(adapter, (None, ""))
        if known == card:
            return old
        folder = self.folder_of(adapter)
        # Not its own name: PEFT refuses some that are good file names, and ignores one that it knows.
        key = next(self._keys)
        if card.method == FULL:
            model = self._load_model(folder)
            check_canary(card, model)
            self._whole[key] = model
        else:
            with quiet_peft():
                config = read_lora_config(folder, card)
            self._insert(key, config, read_lora_weights(folder, config, self.linears))
            try:
                check_canary(card, self._peft)
            except BaseException:
                self._drop(key)
                raise
            self._switch(key)  # the canary asked the base too, after which PEFT leaves the adapter to be trained
        self._loaded[adapter] = card, key
        self._drop(old)
        return key

    def activate(self, state: str) -> Any:
        """The model in a state that ``load`` gave. Raises AdapterError for one whose adapter was replaced since."""
        if state in self._whole:
            return self._whole[state]
        if state != self._active:
            self._switch(state)
        return self.base

    def select(self, adapter: str | None) -> Any:
        """The model that speaks with ``adapter``. Raises what ``load`` raises."""
        return self.activate(self.load(adapter))

    def peft(self, adapter: str) -> Any:
        """The PeftModel with ``adapter`` selected. Raises AdapterError, also for a whole model."""
        self.select(adapter)
        if self._loaded[adapter][0].method == FULL:
            raise AdapterError(f"'{adapter}' is a whole model, not an adapter.", "Use an adapter of another method.")
        return self._peft

    def attach(self, config: "LoraConfig", tensors: dict[str, Any]) -> Any:
        """The PeftModel with a new adapter selected that is not on disk yet. The caller answers for its fit."""
        self._insert(next(self._keys), config, tensors)
        return self._peft

    def card(self, adapter: str) -> AdapterCard:
        """The card of an adapter, loaded or not. Raises AdapterError when there is none."""
        return read_card(self.folder_of(adapter))

    def check_identity(self, card: AdapterCard) -> None:
        """Raise IdentityError unless the adapter was made for this base model, tokenizer and chat template."""
        check_identity(card, self.settings.model, self.fingerprint, self.template.identity)

    def checked_card(self, adapter: str) -> AdapterCard:
        """The card of an adapter whose files are sound and fit the base model; no weights are loaded.

        Raises AdapterError or IdentityError.
        """
        folder = self.folder_of(adapter)
        card = read_card(folder)
        if self._sound.get(adapter) != card:
            check_files(folder, card)
            self.check_identity(card)
            self._sound[adapter] = card
        return card

    def merged(self, adapter: str | None) -> Any:
        """A model with the adapter in its weights; this object is used up. A whole model is what it is.

        Raises AdapterError for an adapter of a head that is tied to the embeddings.
        """
        model = self.select(adapter)
        if self._active == _PLAIN or model is not self.base:
            return model
        tied = self.base.config.tie_word_embeddings
        if tied and any(layer.endswith("lm_head") for layer in self._peft.base_model.targeted_module_names):
            raise AdapterError(
                f"'{adapter}' adapts the head, whose weights are those of the embeddings too.",
                "Train without lm_head.",
            )
        return self._peft.merge_and_unload(safe_merge=True)

    def folder_of(self, adapter: str) -> Path:
        """Where an adapter is. Raises AdapterError when there is none of that name."""
        if self._adapters is None:
            raise AdapterError(f"There is no workspace to take adapter '{adapter}' from.", "Use 'base'.")
        return adapter_folder(self._adapters, adapter)

    def _switch(self, state: str) -> None:
        if state == _PLAIN:
            if self._peft is not None:
                self._peft.base_model.disable_adapter_layers()
        elif self._peft is None or state not in self._peft.peft_config:
            raise AdapterError("The adapter was replaced while it was answering.", "Ask again.")
        else:
            self._peft.base_model.enable_adapter_layers()
            self._peft.set_adapter(state, inference_mode=True)
        self._active = state

    def _insert(self, key: str, config: "LoraConfig", tensors: dict[str, Any]) -> None:
        """Give the base model an adapter that fits it, and select it."""
        _ = self.linears  # to be known before the first adapter hides them
        with quiet_peft():
            from peft import get_peft_model, set_peft_model_state_dict

            if self._peft is None:
                self._peft = get_peft_model(self.base, config, key)
            else:
                self._peft.add_adapter(key, config)
            set_peft_model_state_dict(self._peft, tensors, key)
        self._peft.eval()
        self._switch(key)

    def _drop(self, key: str) -> None:
        self._whole.pop(key, None)
        if self._peft is None or key not in self._peft.peft_config:
            return
        others = [other for other in self._peft.peft_config if other != key]
        if others:
            self._switch(others[0])  # PEFT warns of deleting the selected one
            self._peft.delete_adapter(key)
        else:
            self._peft.unload()
            self._peft, self._active = None, _PLAIN

    def _load_model(self, folder: Path) -> Any:
        """A causal model from safetensors. Raises ModelError."""
        bits = self._quantize if self._quantize in ("8bit", "4bit") else ""
        if bits and importlib.util.find_spec("bitsandbytes") is None:
            raise ModelError(f"engine.quantize={bits} needs bitsandbytes.", "pip install 'domain-assistant[qlora]'")
        with quiet_peft() if bits else nullcontext():
            model = models.load_causal(folder, self.settings, self.device.torch_dtype, self.device.name, bits)
        config: Any = model.generation_config
        # A model's own sampling defaults would contradict ours and be warned about.
        for name in ("temperature", "top_p", "top_k"):
            setattr(config, name, None)
        ends = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
        # A template that was named may end a turn with another token than the model's own.
        config.eos_token_id = sorted({self.template.end_of_turn, *(end for end in ends if end is not None)})
        if config.pad_token_id is None:
            config.pad_token_id = self.template.end_of_turn
        return model.eval()
