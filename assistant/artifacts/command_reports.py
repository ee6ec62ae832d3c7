"""What commands print with ``--json``, declared for those who read it: an ingest, pairs, the check of a training."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

FileStatus = Literal[
    "unchanged", "touched", "added", "updated", "renamed", "forgotten", "failed", "skipped", "passed over"
]
"""What becomes of a file; ``passed over`` stands in no report."""
STATUSES: tuple[FileStatus, ...] = (
    "failed", "skipped", "forgotten", "renamed", "updated", "added", "touched", "unchanged",
)  # fmt: skip
"""Those of a report, what matters most first."""


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file: what became of it, and what was found in it."""

    path: str
    status: FileStatus
    pages: int | None = None
    characters: int = 0
    chunks: int = 0
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    message: str = ""
    name: str = ""
    """The path as people read it, told apart from that of another folder; empty where the path does."""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """One ingest: its files, and the corpus as it is afterwards (as it is now, after a dry run)."""

    corpus: str
    dry_run: bool
    files: tuple[FileReport, ...]
    documents: int
    chunks: int
    seconds: float
    passed_over: dict[str, int] = field(default_factory=dict)
    """How many files of other formats lay there, by suffix (lower case, with dot), the most frequent first."""
    refusal: str = ""
    """When a question is refused before a model is asked: the figures in one line; empty for an empty corpus."""
    refusal_in_words: str = ""
    objection: str = ""
    """After a dry run: why a real run would be refused, and the remedy; empty when it would not be."""
    advice: str = ""
    """That another embedder knows the languages of the corpus, and the command that takes it; empty where none does."""

    @property
    def counts(self) -> dict[str, int]:
        """How many files each status has, in a fixed order, without zeros."""
        found = Counter(file.status for file in self.files)
        return {status: found[status] for status in STATUSES if found[status]}

    def to_json(self) -> str:
        """One JSON document; ``seconds`` are wall clock."""
        content: dict[str, Any] = {**asdict(self), "counts": self.counts}
        return json.dumps(content, ensure_ascii=False, indent=2)

    @property
    def is_failure(self) -> bool:
        """Whether there is nothing to answer from, or not one file that the run was to read could be read."""
        was_in_vain = self.counts.keys() - {"forgotten", "skipped"} == {"failed"}
        return not self.dry_run and (not self.documents or was_in_vain)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used, and why."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class PairsReport:
    """One set of pairs as it was written."""

    name: str
    corpus: str
    file: str
    counts: Mapping[str, int]
    """Pairs by source."""
    kinds: Mapping[str, int]
    splits: Mapping[str, int]
    dropped: Mapping[str, int]
    """Candidates that were not taken, by reason."""
    lists: int
    """Different evidence lists; the pairs of one share their prompt up to the question."""
    pairs_per_list: float
    leaks: Mapping[str, int]
    kept: int
    """Pairs taken over from before, as their documents are what they were."""
    edited: int
    """Pairs that a person changed, kept as they are."""
    stale: int
    """Edited ones among them that show a text that its document no longer has."""
    other_settings: Sequence[str]
    """Settings that differ from those that the set was made with before: all of it is made anew then."""
    bad_rows: Sequence[BadRow]
    seconds: float
    written: int = 0
    """Questions that a model wrote in this run, whether their answers were admitted or not."""

    @property
    def total(self) -> int:
        """How many pairs there are."""
        return sum(self.counts.values())

    def to_json(self) -> str:
        """One JSON document; ``seconds`` are wall clock."""
        content: dict[str, Any] = {**asdict(self), "total": self.total}
        return json.dumps(content, ensure_ascii=False, indent=2)


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """An estimate in bytes, part by part."""

    weights: int
    training: int
    activations: int
    logits: int
    passing: int
    is_counted: bool = True
    """False where activations could not be counted: then it is all without them."""

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.training + self.activations + self.logits + self.passing


@dataclass(frozen=True, slots=True)
class CheckExample:
    """One row as text: what the model is shown, and what it is trained to say."""

    id: str
    prompt: str
    trained: str
    against: str = ""
    """What it learns to say less."""


@dataclass(frozen=True, slots=True)
class CheckProbe:
    """A micro-batch of usual size, tried on the first layers of the model."""

    tokens_per_second: float
    """Tokens of rows, shared ones counted for each."""
    seconds: float
    """Until the end, validation included, without early stopping."""
    layers: int
    """On how many it was tried."""
    packed: bool
    """Whether this model can be trained on packed rows."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What ``--check`` found. Memory is in bytes."""

    name: str
    method: str
    base: str
    rows: int
    validation_rows: int
    steps: int
    learning_rate: float
    parameters: int
    base_parameters: int
    window: int | None
    lengths: tuple[tuple[int, int], ...]
    """(longest, number of rows) of each bin."""
    longest: str
    """Id of the longest row."""
    tokens: int
    """Of all training rows."""
    packed_tokens: int
    """The same, shared prefixes once."""
    loss_tokens: int
    end_of_turn: str
    """The token that the chat template ends a turn with."""
    ended: int
    """Rows whose trained tokens end with the end of the turn."""
    memory: MemoryEstimate
    memory_total: int
    memory_free: int
    examples: tuple[CheckExample, ...]
    probe: CheckProbe | None
    """None where the estimate says that memory would run out, or the first layers have no adapter."""
    dropped: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Of data, the rows that are left out: reason → places."""
    chosen: str = ""
    """What was chosen so that memory does."""
