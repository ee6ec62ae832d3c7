"""What a run leaves on disk, and nothing that is derived from it: a report is drawn from these files alone.

    reports/DATE-NAME/results.json         means, differences, gate, identity: equal for equal runs, byte by byte
    reports/DATE-NAME/per_question.jsonl   each case with every system's answer, passages and scores; also equal
    reports/DATE-NAME/costs.json           seconds, tokens, bytes, date: what differs from run to run

A passage is stored once a question, and answers name it by its place. Offsets inside of a passage count in its text.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar, get_args

from pydantic import TypeAdapter, ValidationError

from assistant.artifacts.evaluations import COSTS_FILE, RESULTS_FILE, ROWS_FILE, Effect, Gate, Mean
from assistant.artifacts.row_files import parsed
from assistant.errors import UsageError, one_line
from assistant.workspace import make_folder, replaced_atomically
from eval.cases import Case, json_lines
from eval.contamination import Leak
from eval.metrics import GRADED, Metric, Score
from eval.metrics.refusal import Refusals
from eval.metrics.usable import Outcome

SCHEMA = 2  # raised when results of before cannot be read any more
Value = TypeVar("Value")

SystemKind = Literal["closed book", "retrieval", "oracle", "noise", "extractive"]
Failure = Literal[
    "missed refusal",
    "quoted over a right answer",
    "retrieval miss",
    "evidence ignored",
    "wrong without evidence",
    "another figure first",
    "unsupported",
    "wrong citation",
    "other language",
    "style only",
    "false refusal",
    "nothing said",
    "right but hedged",
    "hedged",
    "quoted",
    "none",
]
FAILURES: tuple[Failure, ...] = get_args(Failure)
"""What goes wrong first in a question, in the order of a waterfall; ``none`` is a usable answer.

``quoted``: it is usable because passages were quoted in place of the model's own words.
"""

_NO_VOICE = Score(None, "no house voice was given")


@dataclass(frozen=True, slots=True)
class System:
    """What was asked: a model with or without retrieval, with or without an adapter."""

    name: str
    """As on the command line: ``base``, ``base+rag``, ``house+rag``, ``oracle`` …"""
    kind: SystemKind
    adapter: str | None
    adapter_hash: str = ""


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """Hashes of everything that determines the numbers of the base model; each adapter has one of its own.

    ``house_voice`` depends on which systems were asked, too.
    """

    cases: str
    corpus: str
    """Of the documents, of how they were read and cut, and of what is weak evidence in them."""
    embedder: str
    base: str
    prompt: str
    """Of system texts and refusals."""
    settings: str
    """Of retrieval, answering, engine and device, and of the house rules."""
    code: str
    """Of the source of this program."""
    version: str


@dataclass(frozen=True, slots=True)
class Slice:
    """Means over some of the questions."""

    facet: Literal["kind", "tag", "language", "document"]
    value: str
    n: int
    means: Mapping[str, Mapping[str, Mean]]
    """System → metric → mean."""


@dataclass(frozen=True, slots=True)
class StyleFindings:
    """House rules, and the house voice."""

    rules: Mapping[str, str] = field(default_factory=dict)
    """Id → description."""
    kept: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)
    """System → rule → (texts that keep it, texts in its language)."""
    voice_auc: Score = _NO_VOICE
    """How well the voice is told from the base model's, on documents that were not seen."""


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """How well a model knows a language. Bits per byte: lower is better."""

    adapter: str | None
    """None is the base model."""
    general_bits_per_byte: Mean | None
    """Over the paragraphs of the general text."""
    probe_right: Mean | None
    """Share of the probe's sentences that it continues rightly."""
    gold_bits_per_byte: Mean | None
    """Of the gold answers, given the question alone."""
    document_bits_per_byte: Mean | None
    """Over the beginnings of documents that no adapter has seen."""


@dataclass(frozen=True, slots=True)
class DataCard:
    """What the numbers are about, and how far they can be trusted."""

    cases: int
    unanswerable: int
    documents: int
    """That gold stands in."""
    languages: Mapping[str, int]
    kinds: Mapping[str, int]
    tags: Mapping[str, int]
    problems: tuple[str, ...]
    """Of the cases and of what is known about them, a line each: documents and quotes that were not found, drafts …"""
    held_out: Mapping[str, int]
    """Adapter → cases about documents that it learnt nothing from."""
    leaks: Mapping[str, tuple[Leak, ...]]
    """Adapter → held-out cases that its pairs tell."""
    corpus: str
    corpus_documents: int
    corpus_chunks: int
    environment: Mapping[str, str]
    """Name → version of what computes."""
    seed: int = 0
    weak_evidence: str = ""
    """Below which probability the corpus refuses before the model, and how well that fits it; empty in old runs."""


@dataclass(frozen=True, slots=True)
class BaselineOrigin:
    """What an earlier report was made from: who may not read that may not read what was held against it."""

    report: str
    """The name of its folder."""
    corpus: str
    adapters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Results:
    """The outcome of one run."""

    schema: int
    title: str
    """A person's name for the run."""
    identity: RunIdentity
    systems: tuple[System, ...]
    measures: tuple[Metric, ...]
    primary: tuple[str, ...]
    means: Mapping[str, Mapping[str, Mean]]
    """System → metric → mean."""
    effects: tuple[Effect, ...]
    gate: Gate
    refusals: Mapping[str, Refusals]
    first_failures: Mapping[str, Mapping[Outcome, Mapping[Failure, int]]]
    """System → outcome → first failure → questions."""
    slices: tuple[Slice, ...]
    style: StyleFindings
    language_models: tuple[LanguageModel, ...]
    data: DataCard
    baseline: BaselineOrigin | None = None
    """None where it was held against none, or by a program that did not keep it."""


@dataclass(frozen=True, slots=True)
class RowPassage:
    """A passage that was found for a question."""

    document: str
    pages: tuple[int, ...]
    heading: str
    start: int
    """Of the passage, in the document."""
    end: int
    text: str
    gold: tuple[tuple[int, int], ...] = ()
    """Half-open spans of ``text`` that hold gold evidence, in order, without overlaps."""


@dataclass(frozen=True, slots=True)
class RowCitation:
    """What supports a sentence."""

    passage: int
    """Place (from 0) in ``CaseRow.passages``."""
    start: int
    """In the passage's text."""
    end: int


@dataclass(frozen=True, slots=True)
class RowSentence:
    """A sentence of an answer with its support, or the reason why it has none."""

    text: str
    supported: bool
    reason: str
    citations: tuple[RowCitation, ...] = ()


@dataclass(frozen=True, slots=True)
class RowAnswer:
    """What one system made of a question."""

    text: str
    refused: bool
    refusal_reason: str
    quoted: bool
    """The documents are quoted, because they did not support the model's words."""
    notes: tuple[str, ...]
    sentences: tuple[RowSentence, ...]
    shown: tuple[int, ...]
    """Places in ``CaseRow.passages`` of what was in the prompt, in its order; after a refusal, of the nearest."""
    found: tuple[int, ...]
    """Places of all that was found, best first."""
    said: str
    """The model's own words; empty when it was not asked."""
    scores: Mapping[str, Score]
    outcome: Outcome
    first_failure: Failure
    hedged: bool = False
    """No answer but a list of the places that come closest."""


@dataclass(frozen=True, slots=True)
class RowBefore:
    """What a system made of a question: of the baseline, or one to be held against another."""

    system: str
    text: str
    score: Score
    """Its correctness."""
    outcome: Outcome
    first_failure: Failure


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One question with every system's answer."""

    case: Case
    passages: tuple[RowPassage, ...]
    answers: Mapping[str, RowAnswer]
    """System → answer."""
    before: RowBefore | None = None
    """None without a baseline, or where that did not ask the question."""

    @property
    def cluster(self) -> str:
        """What the question is about, for statistics."""
        return self.case.cluster

    def made_by(self, system: str) -> RowBefore | None:
        """What a system made of the question, as a later run is held against it; None where it was not asked."""
        answer = self.answers.get(system)
        if answer is None:
            return None
        return RowBefore(system, answer.text, answer.scores[GRADED], answer.outcome, answer.first_failure)


ALL_STAGES = "all"
"""Name of the sum of all stages among them."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What the answers of one system cost."""

    stages: Mapping[str, tuple[Score, Score]]
    """Stage → median and 95th percentile of its seconds; ``generate`` is the share in its batch, ``all`` their sum."""
    seconds: Score
    """Mean seconds a question, all stages."""
    tokens: int
    """Said by the model, of all questions."""
    tokens_per_second: Score
    adapter_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Costs:
    """What a run cost: the one file that differs between equal runs."""

    created: str
    """ISO date and time, UTC."""
    seconds: float
    """Of the whole run."""
    cached_answers: int
    """That came from an earlier run, with the seconds that they took then."""
    peak_memory_bytes: int
    index_bytes: int
    processors: int
    systems: Mapping[str, Cost]
    timings: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    """Case → system → stage → seconds."""


_RESULTS = TypeAdapter(Results)
_ROW = TypeAdapter(CaseRow)
_COSTS = TypeAdapter(Costs)


def write_run(folder: Path, results: Results, rows: Iterable[CaseRow], costs: Costs) -> None:
    """Write the three files; each replaces an older one only when it is whole."""
    make_folder(folder)
    with replaced_atomically(folder / ROWS_FILE) as beside, beside.open("wb") as stream:
        stream.writelines(_ROW.dump_json(row) + b"\n" for row in rows)
    write_json(folder / COSTS_FILE, _COSTS, costs)
    write_json(folder / RESULTS_FILE, _RESULTS, results)


def read_results(run: Path) -> Results:
    """The results in a run's folder. Raises UsageError when there are none, or of another schema."""
    file = run / RESULTS_FILE
    try:
        schema = json.loads(_content_of(file)).get("schema")
    except (ValueError, AttributeError):
        schema = None
    if schema != SCHEMA:
        raise UsageError(f"{file} has schema {schema}, this program reads {SCHEMA}.", "Run the evaluation again.")
    return read_json(file, _RESULTS)


def read_rows(run: Path) -> Iterator[CaseRow]:
    """The questions in a run's folder, in order. Raises UsageError that names the first line that cannot be used."""
    return (parsed(line, _ROW, place, UsageError) for line, place in json_lines(run / ROWS_FILE))


def read_costs(run: Path) -> Costs:
    """The costs in a run's folder. Raises UsageError."""
    return read_json(run / COSTS_FILE, _COSTS)


def write_json(file: Path, adapter: TypeAdapter[Value], value: Value) -> None:
    """Replace a JSON file of a run's folder."""
    with replaced_atomically(file) as beside:
        beside.write_bytes(adapter.dump_json(value, indent=2) + b"\n")


def read_json(file: Path, adapter: TypeAdapter[Value]) -> Value:
    """A JSON file of a run's folder. Raises UsageError when it cannot be read, or with the first fault in it."""
    try:
        return adapter.validate_json(_content_of(file))
    except ValidationError as error:
        raise UsageError(f"{file} is damaged: {one_line(error)}", "Run the evaluation again.") from None


def _content_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.", "Name the folder of a run.") from None
