"""Messages to tokens: a model's chat template and tokenizer, the same for asking and for training.

The tokens of a prompt are the template's text up to where the assistant begins to speak. A response is encoded by
itself behind them, as it comes into being when the model speaks, and ends with the token that ends a turn.
"""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from assistant.config import EngineSettings
from assistant.errors import ConfigError, ModelError
from assistant.types import Message

# Stands for a response whose surroundings are looked up; no template or text has it.
_SENTINEL = "\ue0a7response\ue0a7"
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


class ChatTemplate:
    """A tokenizer with its chat template.

    ``named`` replaces the template that came with the tokenizer: ``chatml``, or the path of a Jinja file; empty
    keeps it. Raises ModelError when there is none, ConfigError when the named one cannot be read.
    """

    def __init__(self, tokenizer: Any, named: str = "") -> None:
        self.tokenizer = tokenizer
        if named:
            tokenizer.chat_template = _named_template(named)
        if not tokenizer.chat_template:
            raise ModelError(
                f"{tokenizer.name_or_path} has no chat template.",
                "Use an instruction-tuned model, or name a template: engine.chat_template=chatml",
            )

    @cached_property
    def control_tokens(self) -> frozenset[str]:
        """Texts that the tokenizer turns into control tokens: special and added ones."""
        return frozenset(map(str, self.tokenizer.all_special_tokens)) | frozenset(self.tokenizer.get_added_vocab())

    @cached_property
    def identity(self) -> str:
        """16 hex digits that change with the template, the vocabulary, or how text is cut into tokens."""
        digest = hashlib.sha256(str(self.tokenizer.chat_template).encode())
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        vocabulary = backend.to_str() if backend is not None else repr(sorted(self.tokenizer.get_vocab().items()))
        digest.update(vocabulary.encode())
        return digest.hexdigest()[:16]

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """What the model reads before it speaks."""
        return self._render(messages, add_generation_prompt=True)

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """The tokens of ``prompt_text``."""
        return self._ids(self.prompt_text(messages))

    def response_ids(self, response: str) -> list[int]:
        """The tokens a model is to say: ``response``, and the end of its turn."""
        return [*self._ids(response), self.end_of_turn]

    @cached_property
    def end_of_turn(self) -> int:
        """The token behind a response: the first special one that the template writes there, or end of text.

        Raises ModelError when the tokenizer has neither.
        """
        turns = [Message("user", "?"), Message("assistant", _SENTINEL)]
        _, _, behind = self._render(turns, add_generation_prompt=False).partition(_SENTINEL)
        special = set(self.tokenizer.all_special_ids)
        end = next((token for token in self._ids(behind) if token in special), self.tokenizer.eos_token_id)
        if end is None:
            raise ModelError(f"{self.tokenizer.name_or_path} has no end-of-text token.", "Use another model.")
        return int(end)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _render(self, messages: Sequence[Message], add_generation_prompt: bool) -> str:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        if not self._takes_system:
            turns = _without_system(turns)
        return str(
            self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=add_generation_prompt)
        )

    @cached_property
    def _takes_system(self) -> bool:
        """Whether the template shows system text; some refuse it and some drop it."""
        from jinja2 import TemplateError

        turns = [{"role": "system", "content": _SENTINEL}, {"role": "user", "content": "?"}]
        try:
            return _SENTINEL in str(self.tokenizer.apply_chat_template(turns, tokenize=False))
        except TemplateError:
            return False


def read_template(folder: Path, engine: EngineSettings) -> ChatTemplate:
    """Tokenizer and chat template of the model in ``folder``.

    Raises ModelError when they cannot be read or there is no template, ConfigError for a named one that is missing.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=engine.trust_remote_code
        )
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"The model {engine.model} cannot be loaded: {reason}", "Check engine.model.") from error
    return ChatTemplate(tokenizer, engine.chat_template)


def _without_system(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    """The same turns with the system text at the head of the first user turn."""
    system = "\n\n".join(turn["content"] for turn in turns if turn["role"] == "system")
    rest = [dict(turn) for turn in turns if turn["role"] != "system"]
    first = next((turn for turn in rest if turn["role"] == "user"), None)
    if system and first is not None:
        first["content"] = f"{system}\n\n{first['content']}"
    return rest


def _named_template(named: str) -> str:
    if named == "chatml":
        return CHATML
    file = Path(named).expanduser()
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"engine.chat_template {named} cannot be read: {error}.", "Write chatml, or the path of a Jinja file."
        ) from None
