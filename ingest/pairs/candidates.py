"""Pairs before they have passages, in which words they ask, why some are dropped, and what makes a pair known again.

How questions are worded is in ``questions.yaml`` of each language, with what is told apart for them. Documents of one
language hold words of another, so what is told apart counts in all of them.

Whatever is drawn by chance depends on a seed and texts alone: it is the same on every machine and in every run.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from assistant.artifacts.pairs import Pair, Source
from assistant.artifacts.row_files import write_lines
from assistant.text.languages import alternatives, data, every

T = TypeVar("T")
ANY_WORDS = 2
"""So many wordings at the end of a kind quote what they ask about, which may be no noun."""
_MARKER = re.compile(r" \[\d+\]")


@dataclass(frozen=True, slots=True)
class CandidatePair:
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


def wordings(kind: str, language: str) -> Any:
    """What a language has of one kind; empty for one that has no questions."""
    return (data(language, "questions") or {}).get(kind, ())


@cache
def words_of(kind: str) -> frozenset[str]:
    """The words of one kind in all languages."""
    return frozenset(word for one in every("questions") for word in one[kind].split())


@cache
def pattern_of(kind: str) -> str:
    """The alternatives of a pattern that finds one kind in all languages."""
    return "|".join(filter(None, (alternatives(one[kind]) for one in every("questions"))))


class Drops:
    """Collects what the stages drop."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, CandidatePair]] = []
        self._others: Collection[int] = ()

    def leave_out(self, chunks: Collection[int]) -> None:
        """Note nothing about some chunks from now on: no pairs of them are wanted."""
        self._others = chunks

    def add(self, reason: str, candidate: CandidatePair) -> None:
        """Note one candidate and why it is not taken."""
        if candidate.chunk not in self._others:
            self._rows.append((reason, candidate))

    @property
    def counts(self) -> Mapping[str, int]:
        """How many were dropped for each reason, most frequent first."""
        return dict(Counter(reason for reason, _ in self._rows).most_common())

    @property
    def written(self) -> int:
        """How many of them a model wrote."""
        return sum(candidate.source == "generated" for _, candidate in self._rows)

    def write(self, file: Path) -> None:
        """All of them as JSON lines; replaces ``file`` whole."""
        told = ("source", "kind", "document", "instruction", "response", "quote")
        write_lines(file, ({"reason": why, **{key: getattr(one, key) for key in told}} for why, one in self._rows))


def identified(pair: Pair) -> Pair:
    """A pair with the id that its text gives it: 16 hex digits."""
    return replace(pair, id=_made(pair))


def is_edited(pair: Pair) -> bool:
    """Whether a person has changed a pair, added it, or marked it as theirs."""
    return pair.edited or pair.id != _made(pair)


def _made(pair: Pair) -> str:
    # Not the number of the passage: the same pair may be shown with another list once other documents have changed.
    said = [pair.source, pair.kind, pair.document, pair.instruction, _MARKER.sub("", pair.response)]
    said += [pair.rejected] if pair.rejected else []
    return hashlib.sha256(json.dumps(said, ensure_ascii=False).encode()).hexdigest()[:16]
