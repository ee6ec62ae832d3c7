"""Candidates that were not taken, each with its reason: counted for everybody, listed for who asks."""

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from assistant.artifacts.jsonlines import write_lines
from ingest.pairs.candidate import Candidate


class Drops:
    """Collects what the stages drop."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, Candidate]] = []
        self._others: Collection[int] = ()

    def leave_out(self, chunks: Collection[int]) -> None:
        """Note nothing about some chunks from now on: no pairs of them are wanted."""
        self._others = chunks

    def add(self, reason: str, candidate: Candidate) -> None:
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
        write_lines(file, (_explained(reason, candidate) for reason, candidate in self._rows))


def _explained(reason: str, candidate: Candidate) -> dict[str, str]:
    return {
        "reason": reason,
        "source": candidate.source,
        "kind": candidate.kind,
        "document": candidate.document,
        "instruction": candidate.instruction,
        "response": candidate.response,
        "quote": candidate.quote,
    }
