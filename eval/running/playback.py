"""What models have said, kept on disk and played back: one way of asking serves a person, a batch and a second run.

ask a case ──▶ known: the answer, grounded as ever
           └─▶ not known: NotYetSaid, with the prompt; many prompts are put to the model at once, then ask again

A run that was killed goes on, and the next one asks only what is new. The file has one JSON line for each prompt, keyed
by the hash of everything that determines what a model says. Lines are only ever added; one that was cut by a kill is
passed over.

    {"key": "5c1e…", "said": "The deductible is 150 euros. [1]", "seconds": 1.2, "tokens": 12}
"""

import hashlib
import json
import os
import time
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from assistant.engines import Engine, FrontingEngine
from assistant.types import Message, well_formed
from assistant.work.progress import note, progress_bar
from assistant.workspace import make_file

GENERATIONS_FILE = "cache/generations.jsonl"
"""Of what all models said, in the workspace."""
_AT_ONCE = 64  # keeps an engine busy; as many answers are lost when a run is killed


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
class KeptGeneration(Generation):
    """A line of the file."""

    key: str


_LINE = TypeAdapter(KeptGeneration)


class Generations:
    """The generations of one engine with its adapters, in memory and in a file.

    ``identities`` hash the weights behind each adapter (None: the base model) with what runs them.
    """

    def __init__(self, file: Path, identities: Mapping[str | None, str], *, fresh: bool = False) -> None:
        """``fresh`` leaves out what earlier runs have said. Raises OSError when the file cannot be read."""
        self._file = file
        self._identities = identities
        self._known: dict[str, Generation] = {}
        if not fresh and file.exists():
            with file.open("rb") as stream:
                for raw in stream:
                    try:
                        line = _LINE.validate_json(raw)
                    except ValidationError:
                        continue  # blank, or cut by a kill: it is asked again
                    self._known[line.key] = Generation(line.said, line.seconds, line.tokens)
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
        new = {self._key(prompt): one for prompt, one in said}
        self._known |= new
        compact = (",", ":")
        lines = [
            json.dumps({"key": key, **asdict(one)}, ensure_ascii=False, separators=compact) for key, one in new.items()
        ]
        with make_file(self._file).open("ab") as stream:
            # A line that a kill has cut must not swallow the next one.
            stream.write(b"\n" + "".join(f"{line}\n" for line in lines).encode())
            stream.flush()
            os.fsync(stream.fileno())

    def _key(self, prompt: Prompt) -> str:
        return hashed([self._identities[prompt.adapter], prompt.max_new_tokens, [asdict(m) for m in prompt.messages]])


def hashed(value: object) -> str:
    """16 hex digits of a value that JSON can hold; the order of keys does not matter."""
    text = json.dumps(value, ensure_ascii=True, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class NotYetSaid(Exception):
    """The model has not been asked this yet."""

    def __init__(self, prompt: Prompt) -> None:
        super().__init__("the model has not been asked this yet")
        self.prompt = prompt


class PlaybackEngine(FrontingEngine):
    """Stands in for an engine: its tokenizer, and what it has said. The model is asked by ``generate`` alone."""

    def __init__(self, engine: Engine, generations: Generations) -> None:
        super().__init__(lambda: engine)
        self._generations = generations
        self.used: list[Generation] = []
        """What was said since the list was emptied last."""

    def stream(
        self,
        messages: Sequence[Message],
        max_new_tokens: int,
        temperature: float,  # noqa: ARG002 - an evaluation is greedy
        adapter: str | None = None,
    ) -> Generator[str, None, bool]:
        """What the model said, in one piece. Raises NotYetSaid."""
        yield self._said(messages, max_new_tokens, adapter)
        return False

    def complete(
        self, requests: Sequence[Sequence[Message]], max_new_tokens: int, adapter: str | None = None
    ) -> list[str]:
        """What the model said to each. Raises NotYetSaid."""
        return [self._said(messages, max_new_tokens, adapter) for messages in requests]

    def generate(self, prompts: Collection[Prompt]) -> None:
        """Put prompts to the model, those of one adapter and length together, and keep what it says.

        Raises what ``Engine.complete`` raises; what was said before that is kept.
        """
        nothing = self.count([Message("user", "")]) if prompts else 0
        with progress_bar("generating", len(prompts), shown=bool(prompts)) as bar:
            for batch in _batches(prompts):
                started = time.perf_counter()
                requests = [prompt.messages for prompt in batch]
                completed = self._engine.complete(requests, batch[0].max_new_tokens, batch[0].adapter)
                share = (time.perf_counter() - started) / len(batch)
                said = [
                    Generation(text, share, self.count([Message("user", text)]) - nothing)
                    for text in map(well_formed, completed)
                ]
                if silent := sum(not one.said for one in said):
                    told = f"The model gave no answer to {silent} of {len(batch)} prompts"
                    note(f"{told}; if it thinks, raise engine.thinking.")
                self._generations.add(zip(batch, said, strict=True))
                bar.advance(len(batch))

    def _said(self, messages: Sequence[Message], max_new_tokens: int, adapter: str | None) -> str:
        prompt = Prompt(tuple(messages), max_new_tokens, adapter)
        known = self._generations.get(prompt)
        if known is None:
            raise NotYetSaid(prompt)
        self.used.append(known)
        return known.said


class SilentEngine(PlaybackEngine):
    """Says nothing: then the documents are quoted, which is what an answer without a model is."""

    def _said(self, messages: Sequence[Message], max_new_tokens: int, adapter: str | None) -> str:  # noqa: ARG002
        return ""


def _batches(prompts: Collection[Prompt]) -> list[list[Prompt]]:
    """Prompts of one adapter and one length of answer, sorted by size, so that little is padded.

    How prompts are put together depends on nothing but the prompts.
    """

    def order(prompt: Prompt) -> tuple[str, int, int, list[tuple[str, str]]]:
        size = sum(len(message.content) for message in prompt.messages)
        words: list[tuple[str, str]] = [(message.role, message.content) for message in prompt.messages]
        return prompt.adapter or "", -prompt.max_new_tokens, -size, words

    batches: list[list[Prompt]] = []
    for prompt in sorted(prompts, key=order):
        last = batches[-1][0] if batches else None
        is_like = last and (last.adapter, last.max_new_tokens) == (prompt.adapter, prompt.max_new_tokens)
        if is_like and len(batches[-1]) < _AT_ONCE:
            batches[-1].append(prompt)
        else:
            batches.append([prompt])
    return batches
