"""Messages to tokens: a model's chat template and tokenizer, the same for asking and for training.

The tokens of a prompt are the template's text up to where the assistant begins to speak. A response is encoded by
itself behind them, as it comes into being when the model speaks, and ends with the token that ends a turn. Together
they are the conversation as the template writes it, but for the line break that some templates end a turn with.

A model that can think is asked not to: through the template where it has a switch, and with an empty thought where the
template has begun one. Templates that tell the date tell the same one every day.
"""

import hashlib
import re
from collections.abc import Sequence
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from assistant.config import EngineSettings
from assistant.engines.thinking import CONTROL, end_of, open_thought
from assistant.errors import ConfigError, ModelError
from assistant.models.loading import load_errors
from assistant.types import Message

# Stands for a response whose surroundings are looked up; no template or text has it.
_SENTINEL = "\ue0a7response\ue0a7"
_QUESTION = Message("user", "?")
# What Llama's templates take where there is no clock. Another day would be another prompt than the one trained on.
_DAY = date(2024, 7, 26)
_TODAY = re.compile(r"""strftime_now\(\s*(?P<quote>["'])(?P<form>[^"'\\]*)(?P=quote)\s*\)""")
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


class ChatTemplate:
    """A tokenizer with its chat template.

    ``named`` replaces the template that came with the tokenizer: ``chatml``, or the path of a Jinja file; empty
    keeps it. ``thinks`` lets the model think before it answers. Raises ModelError when there is no template,
    ConfigError when the named one cannot be read.
    """

    def __init__(self, tokenizer: Any, named: str = "", thinks: bool = False) -> None:
        self.tokenizer = tokenizer
        self.thinks = thinks
        if named == "chatml":
            tokenizer.chat_template = CHATML
        elif named:
            try:
                tokenizer.chat_template = Path(named).expanduser().read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(
                    f"engine.chat_template {named} cannot be read: {error}.",
                    "Write chatml, or the path of a Jinja file.",
                ) from None
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
        text = self._render(messages, add_generation_prompt=True)
        if self.thinks:
            return text
        # Nothing but blanks would be cut into other tokens than together with the response.
        mark, head = open_thought(text), self._head if self._head.strip() else ""
        return f"{text}\n{end_of(mark)}\n\n" if mark else text + head

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """The tokens of ``prompt_text``."""
        return self._ids(self.prompt_text(messages))

    def response_ids(self, response: str) -> list[int]:
        """The tokens a model is to say: ``response``, and the end of its turn."""
        blank = "" if self._head.strip() else self._head
        return [*self._ids(blank + response), self.end_of_turn]

    def decoded(self, tokens: Sequence[int]) -> str:
        """What a model has said: text, and the marks of its thoughts; no other control tokens."""
        return str(self.tokenizer.decode([token for token in tokens if token not in self._silent]))

    @cached_property
    def opens_thought(self) -> str:
        """The mark of a thought that the template's own prompts end with; empty where they end with none."""
        return open_thought(self._render([_QUESTION], add_generation_prompt=True))

    @cached_property
    def end_of_turn(self) -> int:
        """The token behind a response: the first control token that the template writes there, or end of text.

        Raises ModelError when the tokenizer has neither.
        """
        _, behind = self._around_a_response
        # Some tokenizers have added tokens of blanks.
        written = (token for token in self._ids(behind) if self.tokenizer.decode([token]).strip())
        controls = {*self.tokenizer.all_special_ids, *self.tokenizer.added_tokens_decoder}
        end = next((token for token in written if token in controls), self.tokenizer.eos_token_id)
        if end is None:
            raise ModelError(f"{self.tokenizer.name_or_path} has no end-of-text token.", "Use another model.")
        return int(end)

    @cached_property
    def _silent(self) -> frozenset[int]:
        """Control tokens that are no words; not all of them have a name of their own in the tokenizer."""
        flagged = {token for token, added in self.tokenizer.added_tokens_decoder.items() if added.special}
        marks = set(self.tokenizer.convert_tokens_to_ids(sorted(CONTROL & self.control_tokens)))
        return frozenset(flagged | set(self.tokenizer.all_special_ids)) - marks

    @cached_property
    def _head(self) -> str:
        """What the template writes between a prompt and its response, as gpt-oss's names the channel."""
        prompt = self._render([_QUESTION], add_generation_prompt=True)
        before, _ = self._around_a_response
        return before.removeprefix(prompt) if before.startswith(prompt) else ""

    @cached_property
    def _around_a_response(self) -> tuple[str, str]:
        """What the template writes before a response to a question, and behind it."""
        turns = [_QUESTION, Message("assistant", _SENTINEL)]
        before, _, behind = self._render(turns, add_generation_prompt=False).partition(_SENTINEL)
        return before, behind

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _render(self, messages: Sequence[Message], add_generation_prompt: bool) -> str:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        if not self._takes_system:  # the system text goes to the head of the first user turn
            system = "\n\n".join(turn["content"] for turn in turns if turn["role"] == "system")
            turns = [turn for turn in turns if turn["role"] != "system"]
            first = next((turn for turn in turns if turn["role"] == "user"), None)
            if system and first is not None:
                first["content"] = f"{system}\n\n{first['content']}"
        return str(
            self.tokenizer.apply_chat_template(
                turns,
                chat_template=self._timeless,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                # The switch has either name.
                enable_thinking=self.thinks,
                thinking=self.thinks,
            )
        )

    @cached_property
    def _timeless(self) -> str:
        """The template with one day in place of today."""
        return _TODAY.sub(lambda call: repr(_DAY.strftime(call["form"])), self.tokenizer.get_chat_template())

    @cached_property
    def _takes_system(self) -> bool:
        """Whether the template shows system text; some refuse it and some drop it."""
        from jinja2 import TemplateError

        turns = [{"role": "system", "content": _SENTINEL}, {"role": "user", "content": "?"}]
        try:
            return _SENTINEL in str(
                self.tokenizer.apply_chat_template(turns, chat_template=self._timeless, tokenize=False)
            )
        except TemplateError:
            return False


def read_template(folder: Path, engine: EngineSettings) -> ChatTemplate:
    """Tokenizer and chat template of the model in ``folder``.

    Raises ModelError when they cannot be read or there is no template, ConfigError for a named one that is missing.
    """
    from transformers import AutoTokenizer

    with load_errors(f"The model {engine.model}", "engine.model"):
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=engine.trust_remote_code
        )
    return ChatTemplate(tokenizer, engine.chat_template, engine.thinking > 0)
