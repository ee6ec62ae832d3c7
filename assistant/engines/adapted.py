"""One base model and the adapters that were asked for: checked and loaded once, then switched for each request."""

from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant import models
from assistant.adapters import BASE, FULL, AdapterCard, adapter_folder, check_files, check_identity, read_card
from assistant.canary import check_canary
from assistant.config import EngineSettings
from assistant.device import Device
from assistant.engines.lora import Shape, linear_shapes, quiet_peft, read_lora_config, read_lora_weights
from assistant.errors import AdapterError, ModelError
from assistant.template import ChatTemplate, read_template

if TYPE_CHECKING:
    from peft import LoraConfig


class AdaptedModel:
    """The weights of ``engine.model``, with adapters over it.

    An adapter that was replaced on disk is loaded again. Not for two threads at once.
    """

    def __init__(self, settings: EngineSettings, device: Device, adapters: Path | None = None) -> None:
        """``adapters`` is the folder of the workspace that holds them. Raises ModelError for an unknown model."""
        self.settings = settings
        self.device = device
        self.folder = models.engine_folder(settings.model)
        self._adapters = adapters
        self._peft: Any = None
        self._keys = (f"adapter{number}" for number in count())
        self._loaded: dict[str, tuple[AdapterCard, str]] = {}
        self._whole: dict[str, Any] = {}

    @cached_property
    def template(self) -> ChatTemplate:
        """The tokenizer and chat template of the base model."""
        return read_template(self.folder, self.settings)

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

    def select(self, adapter: str | None) -> Any:
        """The model that speaks with ``adapter``; None or ``base``: as if there had never been one.

        Raises AdapterError or IdentityError when it cannot be used; what was loaded before stays usable.
        """
        if adapter in (None, BASE):
            if self._peft is not None:
                self._peft.base_model.disable_adapter_layers()
            return self.base
        card, key = self._checked(str(adapter))
        if card.method == FULL:
            return self._whole[key]
        self._peft.base_model.enable_adapter_layers()
        self._peft.set_adapter(key, inference_mode=True)
        return self.base

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

    def folder_of(self, adapter: str) -> Path:
        """Where an adapter is. Raises AdapterError when there is none of that name."""
        if self._adapters is None:
            raise AdapterError(f"There is no workspace to take adapter '{adapter}' from.", "Use 'base'.")
        return adapter_folder(self._adapters, adapter)

    def _checked(self, name: str) -> tuple[AdapterCard, str]:
        """Card and inner name of an adapter that is loaded and passed all checks."""
        folder = self.folder_of(name)
        card = read_card(folder)
        known, old = self._loaded.get(name, (None, ""))
        if known != card:
            check_files(folder, card)
            self.check_identity(card)
            # Not its own name: PEFT refuses some that are good file names, and ignores one that it knows.
            key = next(self._keys)
            if card.method == FULL:
                self._add_whole(key, folder, card)
            else:
                self._add_lora(key, folder, card)
            self._loaded[name] = card, key
            self._drop(old)
        return self._loaded[name]

    def _add_whole(self, key: str, folder: Path, card: AdapterCard) -> None:
        model = self._load_model(folder)
        check_canary(card, model)
        self._whole[key] = model

    def _add_lora(self, key: str, folder: Path, card: AdapterCard) -> None:
        with quiet_peft():
            config = read_lora_config(folder, card)
        self._insert(key, config, read_lora_weights(folder, config, self.linears))
        try:
            check_canary(card, self._peft)
        except BaseException:
            self._drop(key)
            raise

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
        self._peft.base_model.enable_adapter_layers()
        self._peft.set_adapter(key, inference_mode=True)

    def _drop(self, key: str) -> None:
        self._whole.pop(key, None)
        if self._peft is None or key not in self._peft.peft_config:
            return
        others = [other for other in self._peft.peft_config if other != key]
        if others:
            self._peft.set_adapter(others[0], inference_mode=True)  # PEFT warns of deleting the selected one
            self._peft.delete_adapter(key)
        else:
            self._peft.unload()
            self._peft = None

    def _load_model(self, folder: Path) -> Any:
        """A causal model from safetensors. Raises ModelError."""
        from transformers import AutoModelForCausalLM

        try:
            with models.quiet_transformers():
                model: Any = AutoModelForCausalLM.from_pretrained(
                    folder,
                    dtype=self.device.torch_dtype,
                    use_safetensors=True,
                    local_files_only=True,
                    trust_remote_code=self.settings.trust_remote_code,
                )
        except (OSError, ValueError, KeyError, ImportError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(f"The model {folder} cannot be loaded: {reason}", "Check engine.model.") from error
        self._prepare_generation(model.generation_config)
        return model.eval().to(self.device.name)

    def _prepare_generation(self, config: Any) -> None:
        # A model's own sampling defaults would contradict ours and be warned about.
        for name in ("temperature", "top_p", "top_k"):
            setattr(config, name, None)
        ends = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
        # A template that was named may end a turn with another token than the model's own.
        config.eos_token_id = sorted({self.template.end_of_turn, *(end for end in ends if end is not None)})
        if config.pad_token_id is None:
            config.pad_token_id = self.template.end_of_turn
