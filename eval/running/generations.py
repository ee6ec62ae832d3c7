"""What models have said before, on disk: a run that was killed goes on, and the next one asks only what is new.

One JSON line for each prompt, keyed by the hash of everything that determines what a model says. Lines are only ever
added; one that was cut by a kill is passed over.

    {"key": "5c1e…", "said": "The deductible is 150 euros. [1]", "seconds": 1.2, "tokens": 12}
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from assistant.types import Message
from assistant.workspace import make_file

GENERATIONS_FILE = "cache/generations.jsonl"
"""Of what all models said, in the workspace."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked, greedily."""

    messages: tuple[Message, ...]
    max_new_tokens: int
    adapter: str | None


@dataclass(frozen=True, slots=True)
class Generation:
    """What it said. ``seconds`` are its share in the time of its batch."""

    said: str
    seconds: float
    tokens: int


@dataclass(frozen=True, slots=True)
class _Line:
    key: str
    said: str
    seconds: float
    tokens: int


_LINE = TypeAdapter(_Line)


class Generations:
    """The generations of one engine with its adapters, in memory and in a file.

    ``identities`` hash the weights behind each adapter (None: the base model) with what runs them.
    """

    def __init__(self, file: Path, identities: Mapping[str | None, str], *, fresh: bool = False) -> None:
        """``fresh`` leaves out what earlier runs have said. Raises OSError when the file cannot be read."""
        self._file = file
        self._identities = identities
        self._known: dict[str, Generation] = {} if fresh else _read(file)
        self.earlier = 0
        """How many prompts were answered from what was there before."""
        self._before = frozenset(self._known)
        self._asked: set[str] = set()

    def get(self, prompt: Prompt) -> Generation | None:
        """What is known of a prompt."""
        key = self._key(prompt)
        if key in self._before and key not in self._asked:
            self._asked.add(key)
            self.earlier += 1
        return self._known.get(key)

    def add(self, said: Iterable[tuple[Prompt, Generation]]) -> None:
        """Keep some more, and have them on disk before going on."""
        lines = [_Line(self._key(prompt), one.said, one.seconds, one.tokens) for prompt, one in said]
        self._known.update({line.key: Generation(line.said, line.seconds, line.tokens) for line in lines})
        with make_file(self._file).open("ab") as stream:
            # A line that a kill has cut must not swallow the next one.
            stream.write(b"\n" + b"".join(_LINE.dump_json(line) + b"\n" for line in lines))
            stream.flush()
            os.fsync(stream.fileno())

    def _key(self, prompt: Prompt) -> str:
        return hashed([self._identities[prompt.adapter], prompt.max_new_tokens, [asdict(m) for m in prompt.messages]])


def hashed(value: object) -> str:
    """16 hex digits of a value that JSON can hold; the order of keys does not matter."""
    text = json.dumps(value, ensure_ascii=True, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read(file: Path) -> dict[str, Generation]:
    known: dict[str, Generation] = {}
    if not file.exists():
        return known
    with file.open("rb") as stream:
        for raw in stream:
            try:
                line = _LINE.validate_json(raw)
            except ValidationError:
                continue  # blank, or cut by a kill: it is asked again
            known[line.key] = Generation(line.said, line.seconds, line.tokens)
    return known
