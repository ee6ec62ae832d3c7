"""Stand-ins at our own seams: real objects with a cheap inside."""

import hashlib
import re
from collections.abc import Generator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from pathlib import Path
from typing import TypeVar, cast

import numpy as np

from assistant.config import Settings
from assistant.retrieval.embedder import Embedder
from assistant.retrieval.tokens import TokenCounter
from assistant.types import Message, Vectors

DIMENSION = 64
T = TypeVar("T")


class Clock:
    """Stands still, some days from now; takes the place of ``datetime`` in a module."""

    def __init__(self) -> None:
        self.days = 0.0
        self._start = datetime.now(UTC)

    def now(self, _: tzinfo) -> datetime:
        return self._start + timedelta(days=self.days)


def tokens_of(folder: Path) -> TokenCounter:
    """Of the tokenizer in a folder, which is read once while it stays as it is."""
    file = folder / "tokenizer.json"
    return _tokens_of(folder, file.stat().st_mtime_ns if file.exists() else 0)


@cache
def _tokens_of(folder: Path, _changed: int) -> TokenCounter:
    return TokenCounter(folder)


class FakeEmbedder(Embedder):
    """Hashed bags of words as unit vectors: texts that share words are near.

    Tokens are those of the bundled model. ``embedded`` keeps every text that was given, in order; ``name`` is
    the identity of the vectors.
    """

    def __init__(self, name: str = "fake", dimension: int = DIMENSION) -> None:
        super().__init__(Settings().embedder, Settings().device)
        self.tokens = tokens_of(self.folder)
        self.name = name
        self.embedded: list[str] = []
        self._dimension = dimension

    @property
    def _own_fingerprint(self) -> str:
        return self.name

    @property
    def dimension(self) -> int:
        return self._dimension

    def load(self) -> None:
        pass

    def embed_question(self, text: str) -> Vectors:
        vector: Vectors = self._vectors([text])[0]
        return vector

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        self.embedded.extend(texts)
        return self._vectors(texts)

    def _vectors(self, texts: Sequence[str]) -> Vectors:
        out = np.zeros((len(texts), self._dimension), np.float32)
        for row, text in enumerate(texts):
            out[row, 0] = 0.1  # so that a text without words has a direction too
            for word in re.findall(r"\w+", text.casefold()):
                digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
                out[row, int.from_bytes(digest) % self._dimension] += 1.0
        out /= np.linalg.norm(out, axis=1, keepdims=True)
        return out


def returned(stream: Generator[object, None, T]) -> T:
    """What a stream says at its end."""
    while True:
        try:
            next(stream)
        except StopIteration as end:
            return cast(T, end.value)


class ScriptedEngine:
    """An engine that says what it was told to, a word at a time, and keeps every prompt it was shown."""

    def __init__(self, answer: str, tokens_a_character: float = 0.25, window: int = 4096) -> None:
        self.answer = answer
        self.window = window
        self.control_tokens = frozenset({"<|im_start|>", "<|im_end|>"})
        self.prompts: list[tuple[Message, ...]] = []
        self.adapters: list[str | None] = []
        self.pieces_given = 0
        self._tokens_a_character = tokens_a_character

    def count(self, messages: Sequence[Message]) -> int:
        return int(sum(len(message.content) for message in messages) * self._tokens_a_character)

    def prompt_text(self, messages: Sequence[Message]) -> str:
        return "\n".join(message.content for message in messages)

    def stream(
        self,
        messages: Sequence[Message],
        max_new_tokens: int,
        temperature: float,  # noqa: ARG002
        adapter: str | None = None,
    ) -> Generator[str, None, bool]:
        self.prompts.append(tuple(messages))
        self.adapters.append(adapter)
        pieces = re.findall(r"\S+\s*", self.answer)
        for piece in pieces[:max_new_tokens]:
            self.pieces_given += 1
            yield piece
        return len(pieces) > max_new_tokens

    def complete(
        self, requests: Sequence[Sequence[Message]], max_new_tokens: int, adapter: str | None = None
    ) -> list[str]:
        return ["".join(self.stream(messages, max_new_tokens, 0.0, adapter)) for messages in requests]
