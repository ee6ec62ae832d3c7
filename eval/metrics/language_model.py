"""How well a model knows a language: bits per byte, and what it has forgotten beside it.

Log probabilities are natural, one a token. ``data/general`` holds the fixed text and the probe: a hundred sentences
with a right continuation and wrong ones, of our own writing, on nothing that a domain would teach.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from assistant.artifacts.jsonlines import parsed
from assistant.errors import UsageError
from eval.cases import json_lines, text_of

PROBE_FILE = "probe.jsonl"
TEXT_FILE = "text.md"


@dataclass(frozen=True, slots=True)
class ProbeItem:
    """The beginning of a sentence, how it goes on, and how it does not."""

    id: Annotated[str, Field(min_length=1)]
    prompt: Annotated[str, Field(min_length=1)]
    right: Annotated[str, Field(min_length=1)]
    wrong: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
    kind: str
    language: str = "en"

    @property
    def continuations(self) -> tuple[str, ...]:
        """All of them, the right one first."""
        return (self.right, *self.wrong)


_ITEM = TypeAdapter(ProbeItem)


def bits_per_byte(log_probabilities: Sequence[float], text: str) -> float | None:
    """-sum log p / (ln 2 * bytes of the text in UTF-8), as in lm-eval; None for a text without bytes.

    Unlike perplexity it does not depend on how a tokenizer cuts. Pass the log probabilities of the text's tokens
    alone, not those of a prompt or of chat markup.
    """
    size = len(text.encode())
    return -math.fsum(log_probabilities) / (math.log(2) * size) if size else None


def chooses_right(item: ProbeItem, log_probabilities: Sequence[float]) -> float:
    """1 if the right continuation is the likeliest a byte, else 0 (lm-eval's ``acc_norm``); a tie is wrong.

    ``log_probabilities`` are the sums over the tokens of each of ``item.continuations``, given the prompt.
    """
    rates = [total / len(text.encode()) for total, text in zip(log_probabilities, item.continuations, strict=True)]
    return float(rates[0] > max(rates[1:]))


def read_probe(folder: Path) -> list[ProbeItem]:
    """All items of ``folder``. Raises UsageError that names the first line that cannot be used."""
    items = [parsed(line, _ITEM, place, UsageError) for line, place in json_lines(folder / PROBE_FILE)]
    if len({item.id for item in items}) < len(items):
        raise UsageError(f"{folder / PROBE_FILE}: an id stands there twice.", "Give each item an id of its own.")
    return items


def read_general_text(folder: Path) -> list[str]:
    """The paragraphs of the general text: what forgetting is measured on, one observation each. Raises UsageError."""
    paragraphs = text_of(folder / TEXT_FILE).split("\n\n")
    return [" ".join(paragraph.split()) for paragraph in paragraphs if paragraph.strip() and paragraph[0] != "#"]
