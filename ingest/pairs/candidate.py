"""A pair before it has passages: what is asked, what is answered, and the words that prove it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from assistant.artifacts.pairs import Source

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question that one chunk answers."""

    instruction: str
    response: str
    """Whole sentences, without citation markers."""
    quote: str
    """The words of the chunk that prove the response; equal to it apart from white space."""
    kind: str
    chunk: int
    document: str
    language: str
    source: Source = "structure"


def number_of(*parts: object) -> int:
    """A whole number that depends on ``parts`` alone: the same on every machine and in every run."""
    text = "\0".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def share_of(*parts: object) -> float:
    """A number in [0, 1) that depends on ``parts`` alone."""
    return number_of(*parts) / 2**64


def one_of(options: Sequence[T], *parts: object) -> T:
    """One of the options, chosen by ``parts`` alone."""
    return options[number_of(*parts) % len(options)]
