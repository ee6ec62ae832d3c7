"""Tokens of the embedder, counted without loading it: chunks are measured in them.

Those of an embedder whose tokenizer is not on this machine are estimated, by a tokenizer that takes up to three letters
of an alphabet for a token, and each other character for one (``ESTIMATE``; docs/servers.md).

Only the Rust ``tokenizers`` library is imported here, so that reading processes stay small.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

ESTIMATE = Path(__file__).with_name("estimate")
"""The folder of that tokenizer."""
# Of BERT and of most embedders made from it.
_FALLBACK_WINDOW = 512


@dataclass(frozen=True)
class TokenCounter:
    """Counts tokens as the embedder in ``folder`` will see them. Raises ModelError without tokenizer.json."""

    folder: Path
    prefix: str = ""
    """What is put before each text."""

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        from tokenizers import Tokenizer

        file = self.folder / "tokenizer.json"
        if not file.exists():
            raise ModelError(f"{self.folder} has no tokenizer.json.", "Save the model with its fast tokenizer.")
        tokenizer = Tokenizer.from_file(str(file))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    @cached_property
    def window(self) -> int:
        """How many tokens, special ones included, the embedder reads of one text."""
        stated = _read_json(self.folder / "sentence_bert_config.json").get("max_seq_length")
        positions = _read_json(self.folder / "config.json").get("max_position_embeddings")
        if stated or not positions:
            return int(stated or _FALLBACK_WINDOW)
        # RoBERTa's positions start after the padding id, so two of them are never used.
        return int(positions) - 2 if int(positions) % 64 == 2 else int(positions)

    @cached_property
    def room(self) -> int:
        """What of the window the prefix leaves to a text, special tokens included."""
        return self.window - self.count(self.prefix)

    @cached_property
    def special_tokens(self) -> int:
        """How many tokens the model adds around a text."""
        return int(self._tokenizer.num_special_tokens_to_add(is_pair=False))

    @cached_property
    def is_additive(self) -> bool:
        """Whether a text has as many tokens as its words have: true where words are split at white space first."""
        model = json.loads(self._tokenizer.to_str())["model"]
        return bool(model.get("type") == "WordPiece")

    def count(self, text: str) -> int:
        """Tokens of one text, without special tokens."""
        return self.count_each([text])[0]

    def count_each(self, texts: list[str]) -> list[int]:
        """Tokens of each text, without special tokens."""
        return [len(encoding.ids) for encoding in self._tokenizer.encode_batch(texts, add_special_tokens=False)]

    def cut(self, text: str) -> str:
        """As much of a text as the window holds."""
        offsets = self._tokenizer.encode(text, add_special_tokens=False).offsets
        room = self.window - self.special_tokens
        return text if len(offsets) <= room else text[: offsets[room - 1][1]]

    def cut_points(self, text: str, limit: int) -> list[int]:
        """Offsets that cut ``text`` into pieces of at most ``limit`` tokens, at white space where there is any."""
        offsets = self._tokenizer.encode(text, add_special_tokens=False).offsets
        cuts: list[int] = []
        first = 0
        while first + limit < len(offsets):
            last = first + limit
            while last > first + limit // 2 and not text[offsets[last][0] - 1 : offsets[last][0]].isspace():
                last -= 1
            if last == first + limit // 2:
                last = first + limit
            cuts.append(offsets[last][0])
            first = last
        return cuts


def _read_json(file: Path) -> dict[str, Any]:
    if not file.exists():
        return {}
    content = json.loads(file.read_text(encoding="utf-8"))
    return content if isinstance(content, dict) else {}
